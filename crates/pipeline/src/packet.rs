//! What `classify` and `origin` have found out about the packet under way, and where `switch` sends it.

use crate::address::{Address, Mac};
use crate::verdict::Verdict;

/// The packet under way, parsed. Scratch that the caller provides (in the kernel a row per CPU, since the stack is small);
/// the doors reset it.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// IP source, or ARP sender.
    pub source_address: Address,
    /// IP destination, or ARP target.
    pub destination_address: Address,
    /// Target of a neighbour solicitation or advertisement.
    pub nd_target: Address,
    /// Address whose MAC is the next hop's.
    pub next_hop: Address,
    /// IP source as it stands in the header, once a router has the packet.
    pub header_source: Address,
    /// IP destination there.
    pub header_destination: Address,
    /// When the packet came, by the clock of [`crate::env::Env::now`], which is read once for it: that costs as much as a look-up.
    pub now: u64,
    /// Ethernet destination.
    pub destination: Mac,
    /// Ethernet source.
    pub source: Mac,
    /// ARP sender MAC, or the link-layer address of an ND option.
    pub link: Mac,
    /// The sending port's MAC.
    pub port_mac: Mac,
    /// Ethernet source of a packet as it came to the first router.
    pub sender: Mac,
    /// Bytes of the frame.
    pub length: u32,
    /// Where the IP packet ends, from the start of the frame; padding may follow.
    pub end: u32,
    /// Where the transport header begins, from the start of the frame.
    pub l4_offset: u32,
    /// Where the payload begins, from the start of the frame.
    pub payload_offset: u32,
    /// The sending port; 0 from the overlay. Of a packet that a physical network brings for a floating IP the port that has that, which
    /// is charged for what routers say.
    pub port: u32,
    /// The packet's network.
    pub network: u32,
    /// What `switch` found, a constant of [`crate::table::target`], or [`FLOOD`].
    pub target_kind: u32,
    /// Its id.
    pub target_id: u32,
    /// Length of the network's flood list.
    pub flood_length: u32,
    /// Interface that the packet, or its next copy, leaves by.
    pub out: u32,
    /// VNI of the packet's network, once it is needed.
    pub vni: u32,
    /// Policy of the port whose rules are asked.
    pub policy: u32,
    /// Identification of a fragment.
    pub identification: u32,
    /// The rule that has just allowed the packet; 0 when its connection was there already.
    pub rule: u32,
    /// The host that the overlay's packet comes from; 0 from a port.
    pub peer: u32,
    /// The router's interface by which the packet entered the first router.
    pub entered: u32,
    /// That by which it entered the last one.
    pub router_interface: u32,
    /// That by which it leaves the last one.
    pub exit: u32,
    /// VLAN of a packet that a physical network brought, or of one that leaves for one; 0 for none.
    pub vlan: u32,
    /// Largest IP packet that the next network carries, when that is the trouble.
    pub error_mtu: u32,
    /// [`crate::table::Config::following`]
    pub following: u32,
    /// What became of the packet.
    pub verdict: Verdict,
    /// EtherType.
    pub ether_type: u16,
    /// ARP operation.
    pub operation: u16,
    /// Source port of TCP, UDP, UDP-Lite, SCTP or DCCP.
    pub source_port: u16,
    /// Destination port of these.
    pub destination_port: u16,
    /// The sending port's [`crate::table::port_flag`] bits.
    pub port_flags: u16,
    /// Identifier of an ICMP or ICMPv6 query.
    pub icmp_id: u16,
    /// Transport protocol, after IPv6 extension headers.
    pub protocol: u8,
    /// [`WHOLE`], [`FIRST`] or [`LATER`].
    pub fragment: u8,
    /// ICMP or ICMPv6 type.
    pub icmp_type: u8,
    /// ICMP or ICMPv6 code.
    pub icmp_code: u8,
    /// IPv4 time to live or IPv6 hop limit.
    pub hop_limit: u8,
    /// 1 when the ND message has a link-layer address option, which is then in `link`.
    pub has_link: u8,
    /// 1 when the overlay brought the packet.
    pub from_overlay: u8,
    /// 1 when a physical network brought the packet.
    pub from_provider: u8,
    /// Flags of the TCP header ([`tcp_flag`]).
    pub tcp_flags: u8,
    /// Which addresses are no longer those of the header: bits of [`translated`].
    pub translated: u8,
    /// Which protocol [`Packet::ports`] are of: that of the packet, or of the one that an ICMP error quotes.
    pub ports_protocol: u8,
    /// [`crate::table::port_flag`] bits of the port whose rules are asked.
    pub judged_flags: u16,
    /// Source and destination port as they stand in the header, and as they become, where [`translated`] says so. Of an ICMP query its
    /// identifier, on the side of who asks; of an ICMP error what the header that it quotes has, in the error's direction.
    pub ports: [Renumbered; 2],
    /// 1 when another host has taken the packet through the router, and asks this one to bring it outside.
    pub relayed: u8,
    /// 1 when the neighbour whose MAC is in `link` is a router.
    pub is_router: u8,
    /// The row of `FOLLOWS` that the packet is followed by, from 1; 0 for none.
    pub followed: u8,
}

/// A port that changes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renumbered {
    /// As the header has it.
    pub from: u16,
    /// As it becomes.
    pub to: u16,
}

/// [`Packet::target_kind`]: everyone in the network.
pub const FLOOD: u32 = u32::MAX;

/// [`Packet::fragment`]: not a fragment.
pub const WHOLE: u8 = 0;
/// [`Packet::fragment`]: a fragment that has the transport header; of IPv6 also an atomic one (RFC 6946).
pub const FIRST: u8 = 1;
/// [`Packet::fragment`]: a fragment without the transport header.
pub const LATER: u8 = 2;

/// Bits of [`Packet::translated`].
pub mod translated {
    /// The source.
    pub const SOURCE: u8 = 1;
    /// The destination.
    pub const DESTINATION: u8 = 1 << 1;
    /// The source's port: see [`super::Packet::ports`].
    pub const SOURCE_PORT: u8 = 1 << 2;
    /// The destination's port.
    pub const DESTINATION_PORT: u8 = 1 << 3;
}

impl Packet {
    /// Nothing known yet.
    pub const EMPTY: Packet = Packet {
        source_address: Address::UNSPECIFIED,
        destination_address: Address::UNSPECIFIED,
        nd_target: Address::UNSPECIFIED,
        next_hop: Address::UNSPECIFIED,
        header_source: Address::UNSPECIFIED,
        header_destination: Address::UNSPECIFIED,
        now: 0,
        destination: Mac([0; 6]),
        source: Mac([0; 6]),
        link: Mac([0; 6]),
        port_mac: Mac([0; 6]),
        sender: Mac([0; 6]),
        length: 0,
        end: 0,
        l4_offset: 0,
        payload_offset: 0,
        port: 0,
        network: 0,
        target_kind: 0,
        target_id: 0,
        flood_length: 0,
        out: 0,
        vni: 0,
        policy: 0,
        identification: 0,
        rule: 0,
        peer: 0,
        entered: 0,
        router_interface: 0,
        exit: 0,
        vlan: 0,
        error_mtu: 0,
        following: 0,
        verdict: Verdict { kind: 0, a: 0, b: 0 },
        ether_type: 0,
        operation: 0,
        source_port: 0,
        destination_port: 0,
        port_flags: 0,
        icmp_id: 0,
        protocol: 0,
        fragment: WHOLE,
        icmp_type: 0,
        icmp_code: 0,
        hop_limit: 0,
        has_link: 0,
        from_overlay: 0,
        from_provider: 0,
        tcp_flags: 0,
        translated: 0,
        ports_protocol: 0,
        judged_flags: 0,
        ports: [Renumbered { from: 0, to: 0 }; 2],
        relayed: 0,
        is_router: 0,
        followed: 0,
    };

    /// True for an ICMPv6 packet whose type is known.
    #[inline(always)]
    pub(crate) fn is_icmpv6(&self) -> bool {
        self.ether_type == ether::IPV6 && self.protocol == proto::ICMPV6 && self.fragment != LATER
    }

    /// True for an ICMP packet in IPv4 or an ICMPv6 one in IPv6.
    #[inline(always)]
    pub(crate) fn is_icmp(&self) -> bool {
        match self.ether_type {
            ether::IPV4 => self.protocol == proto::ICMP,
            _ => self.protocol == proto::ICMPV6,
        }
    }

    /// True for an ARP reply or a neighbour advertisement.
    #[inline(always)]
    pub(crate) fn is_neighbour_answer(&self) -> bool {
        match self.ether_type {
            ether::ARP => self.operation == arp_op::REPLY,
            _ => self.is_icmpv6() && self.icmp_type == icmpv6::NEIGHBOUR_ADVERTISEMENT,
        }
    }

    /// True for a UDP packet whose ports are known.
    #[inline(always)]
    pub(crate) fn is_udp(&self) -> bool {
        self.protocol == proto::UDP && self.fragment != LATER
    }
}

impl Default for Packet {
    fn default() -> Self {
        Packet::EMPTY
    }
}

/// EtherTypes.
pub(crate) mod ether {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const ARP: u16 = 0x0806;
    pub(crate) const VLAN: u16 = 0x8100;
    pub(crate) const QINQ: u16 = 0x88a8;
    pub(crate) const IPV6: u16 = 0x86dd;
    /// Between hosts: IEEE 802's first type for local experiments. The overlay's VNI and outer source say the rest.
    pub(crate) const PROBE: u16 = 0x88b5;
    /// Bytes of an Ethernet header.
    pub(crate) const HEADER: u32 = 14;
}

/// IP protocol numbers.
pub(crate) mod proto {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const DCCP: u8 = 33;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const AUTHENTICATION: u8 = 51;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const DESTINATION_OPTIONS: u8 = 60;
    pub(crate) const SCTP: u8 = 132;
    pub(crate) const MOBILITY: u8 = 135;
    pub(crate) const UDP_LITE: u8 = 136;
}

/// TCP flags (RFC 9293 §3.1).
pub(crate) mod tcp_flag {
    pub(crate) const FIN: u8 = 1;
    pub(crate) const SYN: u8 = 1 << 1;
    pub(crate) const RST: u8 = 1 << 2;
    pub(crate) const ACK: u8 = 1 << 4;
}

/// ICMPv6 types (RFC 4443, RFC 4861 §4, RFC 2710, RFC 3810).
pub(crate) mod icmpv6 {
    pub(crate) const MLD_QUERY: u8 = 130;
    pub(crate) const MLD_REPORT: u8 = 131;
    pub(crate) const MLD_DONE: u8 = 132;
    pub(crate) const ROUTER_SOLICITATION: u8 = 133;
    pub(crate) const ROUTER_ADVERTISEMENT: u8 = 134;
    pub(crate) const NEIGHBOUR_SOLICITATION: u8 = 135;
    pub(crate) const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
    pub(crate) const MLDV2_REPORT: u8 = 143;
}

/// ARP operations (RFC 826).
pub(crate) mod arp_op {
    pub(crate) const REQUEST: u16 = 1;
    pub(crate) const REPLY: u16 = 2;
}
