//! Random histories and many writers: whatever was done in whatever order, the state is whole.

use crate::support::*;
use hadron_control::ipam::FixedIpRequest;
use hadron_control::port::{self, NewMac, PortChange};
use hadron_control::subnet::{self, Gateway, Prefix, SubnetChange};
use hadron_control::{Error, slaac};
use hadron_model::{Mac, NetworkId, Port, PortId, Subnet, SubnetId};
use hadron_store::backend::Backend;
use hadron_store::{Memory, Store};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// Something that a caller does; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Action {
    Subnet { cidr: usize, dhcp: bool, auto: bool, pools: Option<(u8, u8)> },
    DropSubnet(usize),
    SetDhcp(usize, bool),
    SetPools(usize, u8, u8),
    Port(Ask),
    DropPort(usize),
    Change(usize, Ask),
    NewMac(usize, Option<u8>),
}

#[derive(Clone, Debug)]
enum Ask {
    Nothing,
    Exactly(Vec<(Option<usize>, Option<u8>)>),
}

const CIDRS: [&str; 6] =
    ["10.0.0.0/29", "10.0.0.8/30", "10.0.0.0/28", "10.0.1.0/24", "fd00::/64", "fd00:0:0:1::/125"];

fn ask() -> impl Strategy<Value = Ask> {
    let one = (prop::option::of(0usize..4), prop::option::of(0u8..20));
    prop_oneof![
        2 => Just(Ask::Nothing),
        3 => prop::collection::vec(one, 0..4).prop_map(Ask::Exactly),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let pools = prop::option::weighted(0.3, (0u8..16, 0u8..16));
    prop_oneof![
        3 => (0..CIDRS.len(), any::<bool>(), any::<bool>(), pools)
            .prop_map(|(cidr, dhcp, auto, pools)| Action::Subnet { cidr, dhcp, auto, pools }),
        1 => (0usize..8).prop_map(Action::DropSubnet),
        1 => (0usize..8, any::<bool>()).prop_map(|(n, on)| Action::SetDhcp(n, on)),
        1 => (0usize..8, 0u8..16, 0u8..16).prop_map(|(n, a, b)| Action::SetPools(n, a, b)),
        8 => ask().prop_map(Action::Port),
        3 => (0usize..20).prop_map(Action::DropPort),
        4 => (0usize..20, ask()).prop_map(|(n, ask)| Action::Change(n, ask)),
        1 => (0usize..20, prop::option::of(0u8..4)).prop_map(|(n, mac)| Action::NewMac(n, mac)),
    ]
}

/// The `n`th address of a prefix.
fn nth(subnet: &Subnet, n: u8) -> IpAddr {
    let base = subnet.cidr.network();
    hadron_model::address::from_bits(hadron_model::address::to_bits(base) + u128::from(n), base)
}

struct World {
    cloud: Cloud,
    network: NetworkId,
}

impl World {
    fn subnets(&self) -> Vec<Subnet> {
        self.cloud.view().subnets_of(self.network).map(|subnet| subnet.value.clone()).collect()
    }

    fn nth_subnet(&self, n: usize) -> Option<Subnet> {
        let subnets = self.subnets();
        (!subnets.is_empty()).then(|| subnets[n % subnets.len()].clone())
    }

    fn nth_port(&self, n: usize) -> Option<Port> {
        let view = self.cloud.view();
        let ports: Vec<_> = view.ports_of_network(self.network).collect();
        (!ports.is_empty()).then(|| ports[n % ports.len()].value.clone())
    }

    fn requests(&self, ask: &Ask) -> Option<Vec<FixedIpRequest>> {
        let Ask::Exactly(list) = ask else { return None };
        let request = |(subnet, host): &(Option<usize>, Option<u8>)| {
            let chosen = self.nth_subnet(subnet.unwrap_or(0))?;
            Some(FixedIpRequest {
                subnet_id: subnet.map(|_| chosen.id),
                ip_address: host.map(|host| nth(&chosen, host)),
                delete_subnet: false,
            })
        };
        Some(list.iter().filter_map(request).collect())
    }

    async fn act(&self, action: &Action) -> Result<(), Error> {
        let cloud = &self.cloud;
        match action {
            Action::Subnet { cidr, dhcp, auto, pools } => {
                let mut new = new_subnet(self.network, CIDRS[*cidr]);
                if *auto && CIDRS[*cidr] == "fd00::/64" {
                    new = crate::support::slaac(self.network, CIDRS[*cidr]);
                }
                new.enable_dhcp |= dhcp;
                if let Some((a, b)) = pools {
                    new.gateway = Gateway::Absent;
                    let Prefix::Given(cidr) = new.prefix else { unreachable!("it is given") };
                    let base = hadron_model::address::to_bits(cidr.network());
                    let end = |n: &u8| hadron_model::address::from_bits(base + u128::from(*n), cidr.addr());
                    new.allocation_pools = Some(vec![(end(a), end(b))]);
                }
                let made = cloud.subnet(&new).await?;
                slaac::fill_all(&cloud.store, &info(), made.id).await
            }
            Action::DropSubnet(n) => match self.nth_subnet(*n) {
                Some(subnet) => cloud.delete_subnet(subnet.id).await,
                None => Ok(()),
            },
            Action::SetDhcp(n, on) => {
                self.change_subnet(*n, SubnetChange { enable_dhcp: Some(*on), ..SubnetChange::default() })
                    .await
            }
            Action::SetPools(n, a, b) => {
                let Some(subnet) = self.nth_subnet(*n) else { return Ok(()) };
                let pools = vec![(nth(&subnet, *a), nth(&subnet, *b))];
                let change = SubnetChange { allocation_pools: Some(pools), ..SubnetChange::default() };
                self.change_subnet(*n, change).await
            }
            Action::Port(ask) => self.new_port(ask).await,
            Action::DropPort(n) => match self.nth_port(*n) {
                Some(port) => cloud.delete_port(port.id).await,
                None => Ok(()),
            },
            Action::Change(n, ask) => {
                let change = PortChange { fixed_ips: self.requests(ask), ..PortChange::default() };
                self.change_port(*n, change).await
            }
            Action::NewMac(n, mac) => {
                let mac =
                    mac.map_or(NewMac::Random, |last| NewMac::Given(Mac([0xfa, 0x16, 0x3e, 0, 0, last])));
                self.change_port(*n, PortChange { mac_address: Some(mac), ..PortChange::default() }).await
            }
        }
    }

    async fn change_subnet(&self, n: usize, change: SubnetChange) -> Result<(), Error> {
        let Some(subnet) = self.nth_subnet(n) else { return Ok(()) };
        let cloud = &self.cloud;
        cloud.write(|tx| subnet::update(tx, &cloud.config, subnet.id, &change, None)).await.map(|_| ())
    }

    async fn change_port(&self, n: usize, change: PortChange) -> Result<(), Error> {
        let Some(port) = self.nth_port(n).filter(|port| !port.is_distributed()) else { return Ok(()) };
        let cloud = &self.cloud;
        cloud.write(|tx| port::update(tx, &cloud.config, port.id, &change, None)).await.map(|_| ())
    }

    /// A new port: what is chosen for it is held against a plain search.
    async fn new_port(&self, ask: &Ask) -> Result<(), Error> {
        let before = self.cloud.view();
        let free: Vec<(SubnetId, bool, Option<IpAddr>)> = self
            .subnets()
            .iter()
            .map(|subnet| (subnet.id, is_auto(subnet), lowest(&before, subnet)))
            .collect();
        for (subnet, _, lowest) in &free {
            assert_eq!(before.first_free_address(*subnet), *lowest);
        }
        let mut new = new_port(self.network);
        new.fixed_ips = self.requests(ask);
        let made = self.cloud.port(&new).await;
        let Ask::Nothing = ask else { return made.map(|_| ()) };
        let manual = |v6: bool| {
            let family = |id: &SubnetId| before.get::<Subnet>(id).unwrap().cidr.addr().is_ipv6() == v6;
            free.iter().filter(|(id, auto, _)| !auto && family(id)).collect::<Vec<_>>()
        };
        let exhausted =
            |v6| !manual(v6).is_empty() && manual(v6).iter().all(|(_, _, lowest)| lowest.is_none());
        assert_eq!(made.is_err(), exhausted(false) || exhausted(true), "{made:?}");
        if let Ok(port) = &made {
            for ip in &port.fixed_ips {
                let (_, auto, lowest) = free.iter().find(|(id, ..)| *id == ip.subnet_id).unwrap();
                assert!(*auto || Some(ip.ip_address) == *lowest);
            }
        }
        made.map(|_| ())
    }
}

fn is_auto(subnet: &Subnet) -> bool {
    slaac::is_auto_address(subnet)
}

/// The lowest address of the pools that nobody has, found by looking at each.
fn lowest(view: &hadron_store::Snapshot, subnet: &Subnet) -> Option<IpAddr> {
    let taken: BTreeSet<IpAddr> = view
        .ports_of_subnet(subnet.id)
        .flat_map(|port| port.fixed_ips.iter().filter(|ip| ip.subnet_id == subnet.id).map(|ip| ip.ip_address))
        .collect();
    let mut pools = subnet.allocation_pools.clone();
    pools.sort();
    pools.iter().find_map(|pool| {
        let mut address = pool.first();
        while taken.contains(&address) || Some(address) == subnet.gateway_ip {
            if address == pool.last() {
                return None;
            }
            let next = hadron_model::address::to_bits(address) + 1;
            address = hadron_model::address::from_bits(next, address);
        }
        Some(address)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_history_leaves_a_whole_state(actions in prop::collection::vec(action(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cloud = Cloud::new().await;
            let network = cloud.network().await.id;
            let world = World { cloud, network };
            for action in &actions {
                let before = world.cloud.view();
                if let Err(error) = world.act(action).await {
                    assert!((400..=409).contains(&error.status()), "{action:?}: {error}");
                    assert_eq!(before.position(), world.cloud.view().position(), "an error changes nothing");
                }
                world.cloud.check();
            }
            let ports: Vec<PortId> = world
                .cloud
                .view()
                .iter::<Port>()
                .filter(|port| !port.is_distributed())
                .map(|port| port.id)
                .collect();
            for port in ports {
                world.cloud.delete_port(port).await.unwrap();
            }
            world.cloud.delete_network(network).await.unwrap();
            world.cloud.check();
            assert!(world.cloud.view().is_empty::<Port>() && world.cloud.view().is_empty::<Subnet>());
        });
    }
}

/// Two servers on one backend, many writers on each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_address_is_given_twice_by_many_writers_on_two_servers() {
    let backend: Arc<dyn Backend> = Arc::new(Memory::new());
    let config = Arc::new(Cloud::new().await.config);
    let one = Store::open_with(backend.clone()).await.unwrap();
    let two = Store::open_with(backend).await.unwrap();
    let cloud = Cloud { store: one.clone(), config: (*config).clone() };
    let network = cloud.network().await.id;
    let subnet = cloud.subnet(&new_subnet(network, "10.0.0.0/26")).await.unwrap();
    let tasks: Vec<_> = (0..80)
        .map(|n| {
            let (store, config) = (if n % 2 == 0 { one.clone() } else { two.clone() }, config.clone());
            tokio::spawn(async move {
                loop {
                    let made = store.write(info(), |tx| port::create(tx, &config, &new_port(network))).await;
                    match made.map(|made| made.value) {
                        Err(Error::Store(hadron_store::StoreError::Conflict)) => {}
                        other => return other,
                    }
                }
            })
        })
        .collect();
    let mut given = BTreeSet::new();
    let mut refused = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(port) => assert!(given.insert(port.fixed_ips[0].ip_address), "given twice"),
            Err(Error::IpAddressGenerationFailure(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((given.len(), refused), (61, 19), "a /26 has 61 addresses for ports");
    let view = one.wait_current().await.unwrap();
    consistency::check(&view);
    assert_eq!(view.free_address_count(subnet.id), 0);
}
