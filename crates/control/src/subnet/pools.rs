//! Allocation pools and the default gateway.

use super::RequestedPool;
use crate::{Config, Error};
use hadron_model::address::{from_bits, to_bits};
use hadron_model::{AddressRange, IpNet};
use std::net::IpAddr;

/// The first address behind the network's of IPv4, the network's own of IPv6; behind it, too, where a pool chose the prefix.
pub(super) fn default_gateway(cidr: IpNet, is_chosen_by_pool: bool) -> Result<IpAddr, Error> {
    match cidr.network() {
        IpAddr::V6(network) if is_chosen_by_pool && cidr.prefix_len() < 128 => {
            Ok(std::net::Ipv6Addr::from_bits(network.to_bits() + 1).into())
        }
        IpAddr::V6(network) => Ok(network.into()),
        IpAddr::V4(network) => network
            .to_bits()
            .checked_add(1)
            .map(|bits| std::net::Ipv4Addr::from_bits(bits).into())
            .ok_or_else(|| Error::InvalidInput(format!("{cidr} has no room for a gateway; give gateway_ip"))),
    }
}

/// The addresses of `cidr` that ports may have: without network and broadcast of IPv4, without the network's own of IPv6
/// (the subnet-router anycast address, RFC 4291 §2.6.1).
fn usable(cidr: IpNet) -> AddressRange {
    let (network, last) = (cidr.network(), cidr.broadcast());
    let (cut_first, cut_last) = match cidr {
        IpNet::V4(v4) => (v4.prefix_len() <= 30, v4.prefix_len() <= 30),
        IpNet::V6(v6) => (v6.prefix_len() < 128, false),
    };
    let first = from_bits(to_bits(network) + u128::from(cut_first), network);
    let last = from_bits(to_bits(last) - u128::from(cut_last), network);
    AddressRange::new(first, last).expect("a prefix has at least one usable address")
}

/// Whether ports may have the address.
pub(super) fn is_usable(cidr: IpNet, address: IpAddr) -> bool {
    usable(cidr).contains(address)
}

/// Every usable address but the gateway.
pub(super) fn default_pools(cidr: IpNet, gateway: Option<IpAddr>) -> Vec<AddressRange> {
    let all = usable(cidr);
    if cidr.network() == cidr.broadcast() {
        return vec![all];
    }
    let Some(gateway) = gateway.filter(|&gateway| all.contains(gateway)) else { return vec![all] };
    let bits = to_bits(gateway);
    let below = (gateway > all.first()).then(|| from_bits(bits - 1, gateway));
    let above = (gateway < all.last()).then(|| from_bits(bits + 1, gateway));
    let lower = below.and_then(|end| AddressRange::new(all.first(), end));
    let upper = above.and_then(|start| AddressRange::new(start, all.last()));
    lower.into_iter().chain(upper).collect()
}

/// The pools that a caller asks for, if they are valid: in the subnet, each in order, disjoint.
pub(super) fn checked(
    config: &Config,
    requested: &[RequestedPool],
    cidr: IpNet,
) -> Result<Vec<AddressRange>, Error> {
    if requested.len() > config.max_allocation_pools {
        return Err(Error::InvalidInput(format!(
            "{} allocation pools are more than the {} that a subnet may have",
            requested.len(),
            config.max_allocation_pools
        )));
    }
    let all = usable(cidr);
    let pools =
        requested.iter().map(|&(start, end)| pool(start, end, all, cidr)).collect::<Result<Vec<_>, _>>()?;
    let mut sorted = pools.clone();
    sorted.sort();
    for pair in sorted.windows(2) {
        if pair[0].overlaps(&pair[1]) {
            return Err(Error::OverlappingAllocationPools { first: pair[0], second: pair[1], cidr });
        }
    }
    Ok(pools)
}

fn pool(start: IpAddr, end: IpAddr, all: AddressRange, cidr: IpNet) -> Result<AddressRange, Error> {
    let pool = AddressRange::new(start, end)
        .filter(|pool| pool.first().is_ipv4() == all.first().is_ipv4())
        .ok_or(Error::InvalidAllocationPool { start, end })?;
    if pool.first() < all.first() || pool.last() > all.last() {
        return Err(Error::OutOfBoundsAllocationPool { pool, cidr });
    }
    Ok(pool)
}

/// Refuses a gateway that a pool would give to a port.
pub(super) fn check_gateway(gateway: Option<IpAddr>, pools: &[AddressRange]) -> Result<(), Error> {
    let Some(gateway) = gateway else { return Ok(()) };
    match pools.iter().find(|pool| pool.contains(gateway)) {
        Some(&pool) => Err(Error::GatewayConflictWithAllocationPools { gateway, pool }),
        None => Ok(()),
    }
}
