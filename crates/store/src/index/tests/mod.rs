//! Indexes hold what a recomputation from the records holds, whatever the order of the changes.

mod identity;
mod router;
mod security;
mod sharing;

use crate::arbitrary::{address, record, subnet};
use crate::record::{AnyRecord, Record};
use crate::{AddressClaim, Revision, Snapshot, Stored};
use hadron_model::{AddressRange, PortId, Subnet, SubnetId};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

fn recomputed(snapshot: &Snapshot, order: impl Fn(&mut Vec<AnyRecord>)) -> Snapshot {
    let mut records: Vec<_> = snapshot.records().collect();
    order(&mut records);
    let mut again = Snapshot { position: snapshot.position(), ..Snapshot::default() };
    for record in records {
        again.set_any(&record.key(), Some(record));
    }
    again
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn equal_a_recomputation(changes in vec((record(), any::<bool>()), 0..150)) {
        let mut snapshot = Snapshot::default();
        let mut kept = Vec::new();
        for (record, keep) in changes {
            if keep {
                kept.push((snapshot.clone(), snapshot.records().count()));
                snapshot.set_any(&record.key(), Some(record));
            } else {
                snapshot.set_any(&record.key(), None);
            }
        }
        prop_assert!(recomputed(&snapshot, |_| ()) == snapshot);
        prop_assert!(recomputed(&snapshot, |records| records.reverse()) == snapshot);
        for (earlier, count) in kept {
            prop_assert_eq!(earlier.records().count(), count, "an earlier snapshot changed");
        }
        let keys: Vec<_> = snapshot.records().map(|record| record.key()).collect();
        for key in keys {
            snapshot.set_any(&key, None);
        }
        prop_assert!(snapshot == Snapshot::default(), "an index remembers what is gone");
    }

    #[test]
    fn answer_as_a_search_does(changes in vec(record(), 0..150)) {
        let mut snapshot = Snapshot::default();
        for record in &changes {
            snapshot.set_any(&record.key(), Some(record.clone()));
        }
        let ports: Vec<_> = snapshot.iter::<hadron_model::Port>().cloned().collect();
        for port in &ports {
            let host = port.binding.host_id.as_str();
            let expected: Vec<_> = ports.iter().filter(|it| it.network_id == port.network_id).collect();
            prop_assert!(snapshot.ports_of_network(port.network_id).eq(expected));
            let expected: Vec<_> = ports.iter().filter(|it| it.project_id == port.project_id).collect();
            prop_assert_eq!(snapshot.count_ports_of_project(&port.project_id), expected.len());
            prop_assert!(snapshot.ports_of_project(&port.project_id).eq(expected));
            if !port.device_id.is_empty() {
                let expected: Vec<_> = ports.iter().filter(|it| it.device_id == port.device_id).collect();
                prop_assert!(snapshot.ports_of_device(&port.device_id).eq(expected));
            }
            if !host.is_empty() {
                let expected: Vec<_> = ports.iter().filter(|it| it.binding.host_id == host).collect();
                prop_assert!(snapshot.ports_of_host(host).eq(expected.iter().copied()));
                let here = expected.iter().filter(|it| it.network_id == port.network_id).count();
                prop_assert!(snapshot.host_networks(host).any(|it| it == (port.network_id, here)));
                prop_assert!(snapshot.network_hosts(port.network_id).any(|it| it == (host, here)));
            }
            for fixed in &port.fixed_ips {
                let on = |it: &&Arc<Stored<hadron_model::Port>>| {
                    it.fixed_ips.iter().any(|other| other.subnet_id == fixed.subnet_id)
                };
                prop_assert!(snapshot.ports_of_subnet(fixed.subnet_id).eq(ports.iter().filter(on)));
            }
            prop_assert_eq!(snapshot.port_by_number(port.number), Some(port));
        }
        for assignment in snapshot.iter::<hadron_model::identity::Assignment>() {
            let all = snapshot.iter::<hadron_model::identity::Assignment>();
            let expected: Vec<_> =
                all.filter(|it| it.user_id == assignment.user_id).map(|it| &it.value).collect();
            prop_assert!(snapshot.assignments_of_user(&assignment.user_id).eq(expected));
        }
        identity::check(&snapshot)?;
        let taken: BTreeSet<u32> = snapshot.iter::<crate::VniClaim>().map(|claim| claim.vni.get()).collect();
        for start in 1..32 {
            let free = (start..=31).find(|vni| !taken.contains(vni));
            prop_assert_eq!(snapshot.first_free_vni(start..=31).map(|vni| vni.get()), free);
        }
    }

    /// Claims, releases, other pools and other gateways in any order: what is offered is in a pool, not taken and the
    /// lowest such address, and it runs out when a search finds none.
    #[test]
    fn addresses_are_offered_once(
        first in subnet(),
        steps in vec((0..10, address(), subnet()), 1..120),
    ) {
        let mut snapshot = Snapshot::default();
        let id = SubnetId(Uuid::from_u128(1));
        set_subnet(&mut snapshot, Subnet { id, ..first.clone() });
        let mut claimed = BTreeSet::new();
        for (action, address, other) in steps {
            let subnet = snapshot.get::<Subnet>(&id).unwrap().value.clone();
            match action {
                0 if other.cidr.addr().is_ipv4() == subnet.cidr.addr().is_ipv4() => set_subnet(&mut snapshot, Subnet { id, ..other }),
                1 => set_subnet(&mut snapshot, Subnet { id, gateway_ip: other.gateway_ip, ..subnet }),
                2..4 => {
                    claim(&mut snapshot, id, address, false);
                    claimed.remove(&address);
                }
                4 => {
                    claim(&mut snapshot, id, address, true);
                    claimed.insert(address);
                }
                _ => {
                    if let Some(offered) = snapshot.first_free_address(id) {
                        prop_assert!(claimed.insert(offered), "{} was offered twice", offered);
                        claim(&mut snapshot, id, offered, true);
                    }
                }
            }
            let subnet = snapshot.get::<Subnet>(&id).unwrap();
            let free: Vec<_> = free_by_search(subnet, &claimed).collect();
            prop_assert_eq!(snapshot.first_free_address(id), free.first().copied());
            prop_assert_eq!(snapshot.free_address_count(id), free.len() as u128);
            prop_assert_eq!(snapshot.claimed_address_count(id), claimed.len() as u64);
        }
    }
}

fn set_subnet(snapshot: &mut Snapshot, value: Subnet) {
    let id = value.id;
    let stored = Stored { value, created: Revision(1), modified: Revision(1), unknown: None };
    snapshot.set::<Subnet>(&id, Some(Arc::new(stored)));
}

fn claim(snapshot: &mut Snapshot, subnet_id: SubnetId, address: IpAddr, is_taken: bool) {
    let value = AddressClaim { subnet_id, address, port_id: PortId(Uuid::nil()) };
    let key = value.key();
    let stored = Stored { value, created: Revision(1), modified: Revision(1), unknown: None };
    snapshot.set::<AddressClaim>(&key, is_taken.then(|| Arc::new(stored)));
}

fn free_by_search(subnet: &Subnet, claimed: &BTreeSet<IpAddr>) -> impl Iterator<Item = IpAddr> {
    let members = |pool: &AddressRange| {
        let (first, last) =
            (hadron_model::address::to_bits(pool.first()), hadron_model::address::to_bits(pool.last()));
        let family = pool.first();
        (first..=last).map(move |bits| hadron_model::address::from_bits(bits, family))
    };
    let addresses = subnet.allocation_pools.iter().flat_map(members);
    addresses.filter(|address| !claimed.contains(address) && subnet.gateway_ip != Some(*address))
}
