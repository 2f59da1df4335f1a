//! Subnets.

use crate::{AddressRange, NetworkId, SegmentId, Stamp, SubnetId, SubnetNumber, SubnetPoolId};
use ipnet::IpNet;
use std::net::IpAddr;

/// A route that instances learn by DHCP (`host_routes`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HostRoute {
    /// Destination prefix.
    pub destination: IpNet,
    /// Next hop, of the destination's family.
    pub nexthop: IpAddr,
}

/// How IPv6 instances get their address or their router (`ipv6_address_mode`, `ipv6_ra_mode`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ipv6Mode {
    /// Stateless address autoconfiguration (RFC 4862).
    Slaac,
    /// Address by DHCPv6 (RFC 8415).
    Dhcpv6Stateful,
    /// Address by autoconfiguration, the rest by DHCPv6.
    Dhcpv6Stateless,
}

impl Ipv6Mode {
    /// All modes.
    pub const ALL: [Ipv6Mode; 3] = [Ipv6Mode::Slaac, Ipv6Mode::Dhcpv6Stateful, Ipv6Mode::Dhcpv6Stateless];

    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Ipv6Mode::Slaac => "slaac",
            Ipv6Mode::Dhcpv6Stateful => "dhcpv6-stateful",
            Ipv6Mode::Dhcpv6Stateless => "dhcpv6-stateless",
        }
    }

    /// Whether instances form their address themselves from the prefix and their MAC.
    pub fn is_autoconfigured(self) -> bool {
        !matches!(self, Ipv6Mode::Dhcpv6Stateful)
    }
}

/// A prefix of addresses on a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subnet {
    /// UUID.
    pub id: SubnetId,
    /// Number on the wire.
    pub number: SubnetNumber,
    /// Its network.
    pub network_id: NetworkId,
    /// Owner's project id.
    pub project_id: String,
    /// Name, at most 255 characters.
    pub name: String,
    /// Description, at most 255 characters.
    pub description: String,
    /// The pool that its prefix is taken from.
    pub subnetpool_id: Option<SubnetPoolId>,
    /// Prefix with host bits zero; disjoint from every other subnet of the network.
    pub cidr: IpNet,
    /// The router's address, if any.
    pub gateway_ip: Option<IpAddr>,
    /// Ranges from which addresses are allocated: inside `cidr`, disjoint, without the gateway.
    pub allocation_pools: Vec<AddressRange>,
    /// Name servers that instances learn, in order.
    pub dns_nameservers: Vec<IpAddr>,
    /// Routes that instances learn.
    pub host_routes: Vec<HostRoute>,
    /// Whether instances get their address by DHCP (and, with an IPv6 mode, router advertisements).
    pub enable_dhcp: bool,
    /// Who advertises, IPv6 only.
    pub ipv6_ra_mode: Option<Ipv6Mode>,
    /// How addresses are assigned, IPv6 only.
    pub ipv6_address_mode: Option<Ipv6Mode>,
    /// The `device_owner`s of the ports that can have its addresses, in order; empty for any.
    pub service_types: Vec<String>,
    /// Whether names of its addresses are to be published.
    pub dns_publish_fixed_ip: bool,
    /// The segment of its network whose hosts alone have it, if it is of one.
    pub segment_id: Option<SegmentId>,
    /// Times and revision.
    pub stamp: Stamp,
}

impl Subnet {
    /// Whether ports of this owner can have its addresses: its service types name it or none. The DHCP service can always.
    pub fn serves(&self, device_owner: &str) -> bool {
        self.service_types.is_empty()
            || (self.enable_dhcp && device_owner == crate::port::DEVICE_OWNER_DHCP)
            || self.service_types.iter().any(|service| service == device_owner)
    }
}
