//! Rows and their keys as Rust types: what `rows.proto` says, with the shapes checked.
//!
//! Numbers, MACs and UUIDs are plain here; the rooms on either side give them their own types. All addresses are 128
//! bits, IPv4 mapped ([`address`] and [`unmapped`] convert).

mod decode;
mod encode;
mod instance;
mod policy;
mod router;

use bytes::Bytes;
use std::net::{IpAddr, Ipv6Addr};

pub use decode::{Decoded, MalformedRow};
pub use instance::{InstanceFacts, InstanceKey, InstanceRow};
pub use policy::{Direction, Family, MemberRow, PolicyRow, Remote, RuleRow};
pub use router::{
    FIRST_SLOT, FloatingIpRow, FloatingRelayRow, ForwardingRow, Gateway, InterfaceAddress, PORT_BLOCK,
    PortLeaseRow, RoutePath, RouteRow, RouterInterfaceRow,
};

/// A row's identity. The order is the order of sending: what a port needs comes before the port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RowKey {
    /// A network, by number.
    Network(u32),
    /// A subnet of a network.
    Subnet {
        /// Network number.
        network: u32,
        /// Subnet number.
        subnet: u32,
    },
    /// A host in a network.
    Presence {
        /// Network number.
        network: u32,
        /// Host number.
        host: u32,
    },
    /// A port's place in a network.
    Location {
        /// Network number.
        network: u32,
        /// Port number.
        port: u32,
    },
    /// A port's name.
    Name {
        /// Network number.
        network: u32,
        /// Port number.
        port: u32,
    },
    /// A port of a router.
    RouterInterface {
        /// Router number.
        router: u32,
        /// Port number.
        port: u32,
    },
    /// A route of a router.
    Route {
        /// Router number.
        router: u32,
        /// Where to.
        destination: Prefix,
    },
    /// A floating IP of a host without a way outside.
    FloatingRelay {
        /// Router number.
        router: u32,
        /// The floating IP's number.
        floating_ip: u32,
    },
    /// Ports of a floating IP that are forwarded.
    Forwarding {
        /// Router number.
        router: u32,
        /// The floating IP's number.
        floating_ip: u32,
        /// IP protocol.
        protocol: u8,
        /// The first of the ports.
        port: u16,
    },
    /// The ports of a router's address that a host may use.
    PortLease {
        /// Router number.
        router: u32,
        /// Number of the router's port outside.
        interface: u32,
        /// Host number.
        host: u32,
    },
    /// A rule of a security group.
    Rule {
        /// The group's number among the sets.
        group: u32,
        /// Rule number.
        rule: u32,
    },
    /// A member of a set of addresses.
    Member {
        /// Number of the security group or address group among the sets.
        set: u32,
        /// Number of the member.
        member: u32,
    },
    /// A policy, by number.
    Policy(u32),
    /// A floating IP, by number.
    FloatingIp(u32),
    /// Whose a port is, by the port's number.
    Instance(u32),
    /// A port, by number.
    Port(u32),
}

impl RowKey {
    /// The network whose forgetting takes the row along; `None` for a row of no network, and for a port.
    pub fn network(&self) -> Option<u32> {
        match *self {
            RowKey::Network(network)
            | RowKey::Subnet { network, .. }
            | RowKey::Presence { network, .. }
            | RowKey::Location { network, .. }
            | RowKey::Name { network, .. } => Some(network),
            RowKey::RouterInterface { .. }
            | RowKey::Route { .. }
            | RowKey::PortLease { .. }
            | RowKey::FloatingRelay { .. }
            | RowKey::Forwarding { .. }
            | RowKey::Rule { .. }
            | RowKey::Member { .. }
            | RowKey::Policy(_)
            | RowKey::FloatingIp(_)
            | RowKey::Instance(_)
            | RowKey::Port(_) => None,
        }
    }
}

/// A row.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Row {
    /// See [`NetworkRow`].
    Network(NetworkRow),
    /// See [`SubnetRow`].
    Subnet(SubnetRow),
    /// See [`PresenceRow`].
    Presence(PresenceRow),
    /// See [`LocationRow`].
    Location(LocationRow),
    /// See [`NameRow`].
    Name(NameRow),
    /// See [`RouterInterfaceRow`].
    RouterInterface(RouterInterfaceRow),
    /// See [`RouteRow`].
    Route(RouteRow),
    /// See [`FloatingRelayRow`].
    FloatingRelay(FloatingRelayRow),
    /// See [`ForwardingRow`].
    Forwarding(ForwardingRow),
    /// See [`PortLeaseRow`].
    PortLease(PortLeaseRow),
    /// See [`RuleRow`].
    Rule(RuleRow),
    /// See [`MemberRow`].
    Member(MemberRow),
    /// See [`PolicyRow`].
    Policy(PolicyRow),
    /// See [`FloatingIpRow`].
    FloatingIp(FloatingIpRow),
    /// See [`InstanceRow`].
    Instance(InstanceRow),
    /// See [`PortRow`].
    Port(PortRow),
}

impl Row {
    /// The row's key.
    pub fn key(&self) -> RowKey {
        match self {
            Row::Network(row) => RowKey::Network(row.number),
            Row::Subnet(row) => RowKey::Subnet { network: row.network, subnet: row.number },
            Row::Presence(row) => RowKey::Presence { network: row.network, host: row.host },
            Row::Location(row) => RowKey::Location { network: row.network, port: row.port },
            Row::Name(row) => RowKey::Name { network: row.network, port: row.port },
            Row::RouterInterface(row) => RowKey::RouterInterface { router: row.router, port: row.port },
            Row::Route(row) => RowKey::Route { router: row.router, destination: row.destination },
            Row::FloatingRelay(row) => {
                RowKey::FloatingRelay { router: row.router, floating_ip: row.floating_ip }
            }
            Row::Forwarding(row) => RowKey::Forwarding {
                router: row.router,
                floating_ip: row.floating_ip,
                protocol: row.protocol,
                port: row.first,
            },
            Row::PortLease(row) => {
                RowKey::PortLease { router: row.router, interface: row.interface, host: row.host }
            }
            Row::Rule(row) => RowKey::Rule { group: row.group, rule: row.rule },
            Row::Member(row) => RowKey::Member { set: row.set, member: row.member },
            Row::Policy(row) => RowKey::Policy(row.number),
            Row::FloatingIp(row) => RowKey::FloatingIp(row.number),
            Row::Instance(row) => RowKey::Instance(row.port),
            Row::Port(row) => RowKey::Port(row.number),
        }
    }
}

/// One fact that came or changed (with a row) or went (without).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowChange {
    /// What it is about.
    pub key: RowKey,
    /// The row, whose key is `key`.
    pub row: Option<Row>,
}

impl RowChange {
    /// The bytes of an element of `Batch.changes` that sets `row`.
    pub fn encode_set(row: &Row) -> Bytes {
        encode::change(row.key(), Some(row))
    }

    /// The bytes of an element of `Batch.changes` that removes `key`.
    pub fn encode_removal(key: RowKey) -> Bytes {
        encode::change(key, None)
    }

    /// Reads an element of `Batch.changes`.
    pub fn decode(bytes: Bytes) -> Result<Decoded, MalformedRow> {
        decode::change(bytes)
    }
}

/// A network that the receiving host has a port in, or that routers lead to from one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NetworkRow {
    /// Its number.
    pub number: u32,
    /// Its UUID.
    pub uuid: [u8; 16],
    /// VXLAN network identifier; `None` for a network that stays within each host.
    pub vni: Option<u32>,
    /// Largest IP packet in octets.
    pub mtu: u32,
    /// False stops the traffic of its ports.
    pub admin_up: bool,
    /// Ports with security may also use addresses of their SLAAC prefixes that they chose themselves (RFC 8981).
    pub privacy_addresses: bool,
    /// Ports may have addresses that no location lists: of allowed pairs, chosen by themselves, or any without port security.
    pub unlisted_addresses: bool,
    /// The physical network whose frames are its own, if any.
    pub physical: Option<PhysicalSegment>,
}

/// A broadcast domain of a physical network.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PhysicalSegment {
    /// The physical network's name.
    pub network: String,
    /// 1 to 4094; `None` for untagged frames.
    pub vlan: Option<u16>,
}

/// A subnet of such a network.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SubnetRow {
    /// Its number.
    pub number: u32,
    /// Its network's number.
    pub network: u32,
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Its prefix.
    pub cidr: Prefix,
    /// The router's address.
    pub gateway: Option<Ipv6Addr>,
    /// Name servers in order of preference.
    pub dns: Vec<Ipv6Addr>,
    /// Routes that instances learn.
    pub host_routes: Vec<HostRoute>,
    /// Whether instances get their address by DHCP.
    pub enable_dhcp: bool,
    /// From where the DHCP service answers, on every host; `None` when the network has no DHCP port in this subnet.
    pub dhcp: Option<DhcpServer>,
    /// Lease time in seconds.
    pub lease_seconds: u32,
    /// Who advertises (IPv6).
    pub ra_mode: Option<Ipv6Mode>,
    /// How addresses are assigned (IPv6).
    pub address_mode: Option<Ipv6Mode>,
}

/// The address and MAC of a DHCP service.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DhcpServer {
    /// Its address, the server identifier of RFC 2132 §9.7.
    pub address: Ipv6Addr,
    /// Its MAC.
    pub mac: [u8; 6],
}

/// How IPv6 instances get their address or their router.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ipv6Mode {
    /// Stateless autoconfiguration (RFC 4862).
    Slaac,
    /// Address by DHCPv6 (RFC 8415).
    Dhcpv6Stateful,
    /// Address by autoconfiguration, the rest by DHCPv6.
    Dhcpv6Stateless,
}

/// An address prefix in 128 bits; the bits beyond `length` are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Prefix {
    /// Its first address.
    pub address: Ipv6Addr,
    /// 0 to 128; an IPv4 prefix /n has 96 + n.
    pub length: u8,
}

impl Prefix {
    /// Before every other in their order.
    pub const FIRST: Prefix = Prefix { address: Ipv6Addr::UNSPECIFIED, length: 0 };
    /// After every other in their order.
    pub const LAST: Prefix = Prefix { address: Ipv6Addr::from_bits(u128::MAX), length: 128 };

    /// The prefix of `length` bits, counted in `address`'s own family (0 to 32 or 0 to 128), that `address` is in.
    pub fn of(address: IpAddr, length: u8) -> Self {
        let offset = if address.is_ipv4() { 96 } else { 0 };
        let length = (length + offset).min(128);
        let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        Self { address: Ipv6Addr::from_bits(self::address(address).to_bits() & mask), length }
    }

    /// The prefix's first address and its length, in their own family.
    pub fn unmapped(&self) -> (IpAddr, u8) {
        match unmapped(self.address) {
            v4 @ IpAddr::V4(_) if self.length >= 96 => (v4, self.length - 96),
            _ => (IpAddr::V6(self.address), self.length),
        }
    }
}

/// A route that instances learn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HostRoute {
    /// Where to.
    pub destination: Prefix,
    /// Next hop.
    pub nexthop: Ipv6Addr,
}

/// Where a MAC of a network is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LocationRow {
    /// Network number.
    pub network: u32,
    /// Port number.
    pub port: u32,
    /// Its MAC.
    pub mac: [u8; 6],
    /// Its addresses.
    pub addresses: Vec<Ipv6Addr>,
    /// Where it is.
    pub place: Place,
}

/// The name of a port that has been given one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NameRow {
    /// Network number.
    pub network: u32,
    /// Port number.
    pub port: u32,
    /// In lower case, a label or several.
    pub name: String,
    /// The port's domain or the network's, in lower case, without a dot at the end; empty for none.
    pub domain: String,
}

/// Where a port's packets go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// To the host of this number.
    Host(u32),
    /// Nowhere: every host serves the port itself.
    Everywhere,
}

/// A host that has a network: a member of the flood list, a known VTEP of its VNI.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PresenceRow {
    /// Network number.
    pub network: u32,
    /// Host number.
    pub host: u32,
    /// Its tunnel address.
    pub underlay: Ipv6Addr,
}

/// A port bound to the receiving host.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PortRow {
    /// Its number.
    pub number: u32,
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Network number.
    pub network: u32,
    /// Its MAC.
    pub mac: [u8; 6],
    /// Its addresses.
    pub addresses: Vec<PortAddress>,
    /// The interface to look for; at most 15 octets.
    pub interface_name: String,
    /// False stops its traffic.
    pub admin_up: bool,
    /// Source addresses are not checked.
    pub port_security_disabled: bool,
    /// The last change of this row, for `PortReport.revision`.
    pub revision: u64,
    /// Number of its policy. Without one a port allows nothing, unless its port security is disabled.
    pub policy: Option<u32>,
    /// Further sources that it may use.
    pub allowed_pairs: Vec<AllowedPair>,
    /// `None` when nothing of it is logged.
    pub log: Option<PortLog>,
    /// DHCP options that its clients get beside those of the subnet, or instead of them.
    pub dhcp_options: Vec<DhcpOption>,
    /// The instance's name; empty for one made of the address.
    pub dns_name: String,
}

/// A DHCP option as the API took it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DhcpOption {
    /// Name or number.
    pub name: String,
    /// Value as text; empty for an option that is not to be sent.
    pub value: String,
    /// Whether it is of DHCPv6.
    pub is_ipv6: bool,
}

/// What of a port's packets is logged, and for whom.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PortLog {
    /// The port's project.
    pub project: String,
    /// The log objects that ask for it, at least one.
    pub logs: Vec<LogObject>,
}

impl PortLog {
    /// Whether anything that the port's rules allow is logged.
    pub fn has_accepted(&self) -> bool {
        self.logs.iter().any(|log| log.accepted)
    }

    /// Whether what is dropped is logged.
    pub fn has_dropped(&self) -> bool {
        self.logs.iter().any(|log| log.dropped)
    }
}

/// A log object of the API.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LogObject {
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Connections and packets that the port's rules allow.
    pub accepted: bool,
    /// Packets that they, or port security, drop.
    pub dropped: bool,
    /// Of what is allowed only what rules of the group of this number among the sets allow.
    pub group: Option<u32>,
}

/// A source that a port may use beside its own addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AllowedPair {
    /// The addresses.
    pub prefix: Prefix,
    /// Their MAC.
    pub mac: [u8; 6],
}

/// An address of a port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PortAddress {
    /// The address.
    pub address: Ipv6Addr,
    /// Number of the subnet that it comes from.
    pub subnet: u32,
}

/// An address in 128 bits: IPv4 becomes `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2).
pub fn address(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The inverse of [`address`].
pub fn unmapped(address: Ipv6Addr) -> IpAddr {
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

/// Reads an address as messages carry it: 16 bytes.
pub fn address_from_bytes(bytes: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(bytes).ok().map(Ipv6Addr::from)
}

#[cfg(test)]
mod tests;
