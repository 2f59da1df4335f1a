//! The rows of routers.

use super::Prefix;
use std::net::Ipv6Addr;

/// A port of a router that is up. The router is on every host that has one of its networks.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RouterInterfaceRow {
    /// The router's number.
    pub router: u32,
    /// The port's number.
    pub port: u32,
    /// Network number.
    pub network: u32,
    /// Its MAC.
    pub mac: [u8; 6],
    /// Its addresses.
    pub addresses: Vec<InterfaceAddress>,
    /// Set when the network is an external one.
    pub gateway: Option<Gateway>,
    /// UUID of the address scope that the network is in: of IPv4, of IPv6.
    pub scopes: [Option<[u8; 16]>; 2],
}

/// How a router is attached to an external network.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Gateway {
    /// IPv4 packets whose source has no address outside leave with the router's own.
    pub snat: bool,
    /// Numbers of the hosts that stand for the router there, in this order: the first that is there answers for its addresses.
    pub hosts: Vec<u32>,
    /// The router has further gateways.
    pub is_one_of_several: bool,
}

/// Ports of a block in [`PortLeaseRow::blocks`].
pub const PORT_BLOCK: u16 = 64;
/// The first of [`PortLeaseRow::slots`], which share a table with blocks.
pub const FIRST_SLOT: u16 = u16::MAX / PORT_BLOCK + 1;

/// The ports of a router's first IPv4 address outside that a host may use.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PortLeaseRow {
    /// The router's number.
    pub router: u32,
    /// The number of its port outside.
    pub interface: u32,
    /// Number of the host that has the ports.
    pub host: u32,
    /// The external network's number.
    pub network: u32,
    /// The address.
    pub address: Ipv6Addr,
    /// Blocks of [`PORT_BLOCK`] ports: the ports' number divided by that.
    pub blocks: Vec<u16>,
    /// What it may use for protocols without ports: numbers from [`FIRST_SLOT`] on that protocol and remote end make.
    pub slots: Vec<u16>,
}

/// A floating IP whose port is on a host that has no interface to the physical network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FloatingRelayRow {
    /// The number of the router that translates.
    pub router: u32,
    /// The floating IP's number.
    pub floating_ip: u32,
    /// The external network's number.
    pub network: u32,
    /// The address there.
    pub address: Ipv6Addr,
    /// The number of the router's port on the external network.
    pub interface: u32,
    /// The host's number.
    pub host: u32,
}

/// Ports of a floating IP that lead to ports of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ForwardingRow {
    /// The number of the router that translates.
    pub router: u32,
    /// The floating IP's number.
    pub floating_ip: u32,
    /// IP protocol.
    pub protocol: u8,
    /// The external network's number.
    pub network: u32,
    /// The address there.
    pub address: Ipv6Addr,
    /// The number of the router's port on the external network.
    pub interface: u32,
    /// The first port of the floating IP; 0 of a protocol that has none.
    pub first: u16,
    /// The last one, not below the first; 65,535 of a protocol that has none.
    pub last: u16,
    /// The number of the host that the instance's port is bound to; 0 for none.
    pub host: u32,
    /// The instance's port's number.
    pub port: u32,
    /// The port's address.
    pub inside: Ipv6Addr,
    /// The port there that the first one leads to.
    pub inside_port: u16,
    /// Whether all lead to that one, instead of each to one of its own.
    pub single: bool,
}

/// A floating IP that leads to a port that is bound to the receiving host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FloatingIpRow {
    /// Its number.
    pub number: u32,
    /// The external network's number.
    pub network: u32,
    /// The address there.
    pub address: Ipv6Addr,
    /// The number of the router that translates.
    pub router: u32,
    /// The number of that router's port on the external network.
    pub interface: u32,
    /// The port's number.
    pub port: u32,
    /// The port's address.
    pub inside: Ipv6Addr,
}

/// An address of a router.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct InterfaceAddress {
    /// The address.
    pub address: Ipv6Addr,
    /// Length of its subnet's prefix, which is reached directly, in 128 bits.
    pub length: u8,
}

impl InterfaceAddress {
    /// The subnet's prefix.
    pub fn prefix(&self) -> Prefix {
        let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
        Prefix { address: Ipv6Addr::from_bits(self.address.to_bits() & mask), length: self.length }
    }
}

/// A route of a router beyond its own subnets.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RouteRow {
    /// The router's number.
    pub router: u32,
    /// Where to.
    pub destination: Prefix,
    /// Ways of equal cost, at least one.
    pub paths: Vec<RoutePath>,
    /// Of a default route: further gateways, by which leaves only what has an address or a session there.
    pub others: Vec<RoutePath>,
    /// Of a default route: every host that sends by it watches its next hops, and prefers one that answers.
    pub is_watched: bool,
}

/// A next hop.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RoutePath {
    /// Number of the router's port by which it is reached.
    pub port: u32,
    /// Its address.
    pub gateway: Ipv6Addr,
}
