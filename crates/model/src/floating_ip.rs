//! Floating IPs: addresses of an external network that lead to a port of a project's, whole or by protocol and port number.

use crate::{FloatingIpId, FloatingIpNumber, NetworkId, PortForwardingId, PortId, RouterId, Stamp};
use std::net::IpAddr;

/// `device_owner` of the port that holds a floating IP's address on its network. Its `device_id` is the floating IP's id.
pub const DEVICE_OWNER_FLOATING_IP: &str = "network:floatingip";

/// What a floating IP leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Association {
    /// The port.
    pub port_id: PortId,
    /// Which of its addresses.
    pub fixed_ip_address: IpAddr,
}

/// An address of an external network, at a project's disposal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FloatingIp {
    /// UUID.
    pub id: FloatingIpId,
    /// Number in the packet path.
    pub number: FloatingIpNumber,
    /// Owner's project id.
    pub project_id: String,
    /// Description, at most 255 characters.
    pub description: String,
    /// The external network.
    pub floating_network_id: NetworkId,
    /// The port that holds the address there.
    pub floating_port_id: PortId,
    /// The address.
    pub floating_ip_address: IpAddr,
    /// What it leads to; `None` also where port forwardings share it.
    pub association: Option<Association>,
    /// The router that translates, where it leads somewhere or forwards ports.
    pub router_id: Option<RouterId>,
    /// `dns_name`, empty for none.
    pub dns_name: String,
    /// `dns_domain`, empty for none.
    pub dns_domain: String,
    /// Times and revision.
    pub stamp: Stamp,
}

/// An inclusive range of port numbers of a transport protocol, first not above last, not zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The range, or `None` if it begins with 0 or `first` is above `last`.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (0 < first && first <= last).then_some(Self { first, last })
    }

    /// The lowest number.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest number.
    pub fn last(self) -> u16 {
        self.last
    }

    /// How many numbers it has.
    pub fn count(self) -> u32 {
        u32::from(self.last - self.first) + 1
    }

    /// Whether the two share a number.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl std::fmt::Display for PortRange {
    /// The API's form: `80:90`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.first, self.last)
    }
}

/// The protocols that can be forwarded, by number in the IP header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum ForwardedProtocol {
    /// ICMP; it has no ports.
    Icmp = 1,
    /// TCP.
    Tcp = 6,
    /// UDP.
    Udp = 17,
    /// DCCP.
    Dccp = 33,
    /// ICMPv6; it has no ports.
    Icmpv6 = 58,
    /// SCTP.
    Sctp = 132,
}

impl ForwardedProtocol {
    /// All, by their names.
    pub const ALL: [ForwardedProtocol; 6] = [
        ForwardedProtocol::Dccp,
        ForwardedProtocol::Icmp,
        ForwardedProtocol::Icmpv6,
        ForwardedProtocol::Sctp,
        ForwardedProtocol::Tcp,
        ForwardedProtocol::Udp,
    ];

    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            ForwardedProtocol::Dccp => "dccp",
            ForwardedProtocol::Icmp => "icmp",
            ForwardedProtocol::Icmpv6 => "ipv6-icmp",
            ForwardedProtocol::Sctp => "sctp",
            ForwardedProtocol::Tcp => "tcp",
            ForwardedProtocol::Udp => "udp",
        }
    }

    /// The number in the IP header.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// Ports of a floating IP that lead to ports of an instance. Both ranges have one size, or the internal one is a single port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortForwarding {
    /// UUID.
    pub id: PortForwardingId,
    /// The floating IP.
    pub floating_ip_id: FloatingIpId,
    /// Description, at most 255 characters.
    pub description: String,
    /// The protocol.
    pub protocol: ForwardedProtocol,
    /// Ports of the floating IP, which no other forwarding of it and the protocol has; `None` where there are no ports.
    pub external: Option<PortRange>,
    /// The port that it leads to.
    pub internal_port_id: PortId,
    /// Which of its addresses.
    pub internal_ip_address: IpAddr,
    /// Ports there.
    pub internal: Option<PortRange>,
    /// Times and revision.
    pub stamp: Stamp,
}
