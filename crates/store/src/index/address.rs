//! Which addresses of a subnet are free: its pools without its gateway and the claimed addresses.

use super::{Indexed, Indexes, replace};
use crate::AddressClaim;
use crate::interval::IntervalSet;
use crate::record::{Record, Tables};
use hadron_model::address::{from_bits, to_bits};
use hadron_model::{AddressRange, Subnet, SubnetId};
use std::net::{IpAddr, Ipv4Addr};

/// The free addresses of a subnet.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct FreeAddresses {
    free: IntervalSet,
    /// Any address of the subnet's family.
    family: IpAddr,
    /// How many addresses are claimed, of the pools or not.
    claimed: u64,
}

impl FreeAddresses {
    pub(super) fn new(
        subnet: SubnetId,
        pools: &[AddressRange],
        gateway: Option<IpAddr>,
        tables: &Tables,
    ) -> Self {
        let family = pools.first().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |pool| pool.first());
        let mut free = IntervalSet::default();
        for pool in pools {
            free.insert_range(to_bits(pool.first()), to_bits(pool.last()));
        }
        let mut addresses = Self { free, family, claimed: 0 };
        if let Some(gateway) = gateway {
            addresses.take(gateway);
        }
        for address in claimed(tables, subnet) {
            addresses.claim(address);
        }
        addresses
    }

    fn take(&mut self, address: IpAddr) {
        if address.is_ipv4() == self.family.is_ipv4() {
            self.free.remove(to_bits(address));
        }
    }

    fn claim(&mut self, address: IpAddr) {
        self.claimed += 1;
        self.take(address);
    }

    fn give_back(&mut self, address: IpAddr) {
        if address.is_ipv4() == self.family.is_ipv4() {
            self.free.insert(to_bits(address));
        }
    }

    /// The lowest free address.
    pub(crate) fn first(&self) -> Option<IpAddr> {
        self.free.first().map(|bits| from_bits(bits, self.family))
    }

    /// How many are claimed.
    pub(crate) fn claimed(&self) -> u64 {
        self.claimed
    }

    /// How many are free.
    pub(crate) fn count(&self) -> u128 {
        self.free.len()
    }
}

/// The claimed addresses of a subnet, in order.
fn claimed(tables: &Tables, subnet: SubnetId) -> impl Iterator<Item = IpAddr> + '_ {
    let lowest = (subnet, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    tables
        .address_claims
        .range(lowest..)
        .map(|(key, _)| key)
        .take_while(move |key| key.0 == subnet)
        .map(|key| key.1)
}

fn is_allocatable(subnet: &Subnet, address: IpAddr) -> bool {
    subnet.gateway_ip != Some(address) && subnet.allocation_pools.iter().any(|pool| pool.contains(address))
}

impl Indexed for AddressClaim {
    fn index(indexes: &mut Indexes, tables: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(Record::key),
            new.map(Record::key),
            |indexes, (subnet, address)| {
                let allocatable =
                    tables.subnets.get(&subnet).is_some_and(|subnet| is_allocatable(subnet, address));
                if let Some(free) = indexes.free_addresses.get_mut(&subnet) {
                    free.claimed -= 1;
                    if allocatable {
                        free.give_back(address);
                    }
                }
            },
            |indexes, (subnet, address)| {
                if let Some(free) = indexes.free_addresses.get_mut(&subnet) {
                    free.claim(address);
                }
            },
        );
    }
}
