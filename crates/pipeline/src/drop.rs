//! The reasons for dropping a packet: one list, from which counters, metric labels, documentation and texts are made.

use crate::stage::Stage;

/// Room for drop counters in [`crate::table::Counters`]; a power of two, above every reason's number.
pub const DROP_SLOTS: usize = 128;

macro_rules! reasons {
    ($($stage:ident { $($variant:ident = $number:literal, $label:literal, $text:literal;)* })*) => {
        /// Why a packet was dropped. Numbers are stable and never used again for another reason.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DropReason {
            $($(#[doc = $text] $variant = $number,)*)*
        }

        impl DropReason {
            /// Every reason, by stage.
            pub const ALL: &'static [DropReason] = &[$($(DropReason::$variant),*),*];

            /// The label in metrics, unique.
            pub const fn label(self) -> &'static str {
                match self { $($(DropReason::$variant => $label,)*)* }
            }

            /// A sentence for people.
            pub const fn text(self) -> &'static str {
                match self { $($(DropReason::$variant => $text,)*)* }
            }

            /// The stage that drops for this reason.
            pub const fn stage(self) -> Stage {
                match self { $($(DropReason::$variant => Stage::$stage,)*)* }
            }

            /// The reason of a number, as found in counters and verdicts.
            #[inline(always)]
            pub const fn from_number(number: u32) -> Option<DropReason> {
                if number as usize >= DROP_SLOTS { None } else { BY_NUMBER[number as usize] }
            }
        }
    };
}

reasons! {
    Classify {
        FrameTooShort = 1, "frame_too_short", "The frame is shorter than an Ethernet header.";
        SourceMulticast = 2, "source_multicast", "The source MAC is a multicast address.";
        VlanTagged = 3, "vlan_tagged", "The frame has a VLAN tag, and the port is no trunk.";
        ArpMalformed = 4, "arp_malformed", "The ARP packet is cut short or not of Ethernet and IPv4.";
        Ipv4Malformed = 5, "ipv4_malformed", "The IPv4 header contradicts itself or the frame's length.";
        Ipv6Malformed = 6, "ipv6_malformed", "The IPv6 header contradicts itself or the frame's length.";
        ExtensionHeaders = 7, "extension_headers", "More IPv6 extension headers than are looked through, or one cut short.";
        FragmentTiny = 8, "fragment_tiny", "The first fragment lacks the transport header, or a later one would overwrite it.";
        TransportMalformed = 9, "transport_malformed", "The TCP, UDP, SCTP or ICMP header is cut short or contradicts itself.";
        NdMalformed = 10, "nd_malformed", "The neighbour discovery message or one of its options is malformed.";
    }
    Origin {
        LayoutVersion = 11, "layout_version", "The tables are of another layout version than the program; they are being rebuilt.";
        UnknownInterface = 12, "unknown_interface", "No port is known behind the interface.";
        PortDisabled = 13, "port_disabled", "The sending port is administratively down.";
        NoTunnelKey = 14, "no_tunnel_key", "The packet came from the tunnel device without a VNI and an outer source.";
        UnknownVni = 15, "unknown_vni", "No network on this host has the VNI.";
        UnknownVtep = 16, "unknown_vtep", "The outer source is no host of the VNI.";
        OwnReturned = 59, "own_returned", "The physical network brought a frame from the MAC of a port of this host.";
    }
    PortSecurity {
        SourceMac = 17, "source_mac", "The source MAC is not the port's.";
        SourceAddress = 18, "source_address", "The source address is not the port's.";
        ArpSender = 19, "arp_sender", "The ARP sender is not the port's MAC and address.";
        NdInvalid = 20, "nd_invalid", "The neighbour discovery message came over a router, in fragments, or breaks RFC 4861.";
        NdLinkLayer = 21, "nd_link_layer", "The link-layer address of a neighbour discovery option is not the port's.";
        NdTarget = 22, "nd_target", "The advertised neighbour address is not the port's.";
        DhcpServer = 23, "dhcp_server", "Instances may not answer DHCP.";
        RouterAdvertisement = 24, "router_advertisement", "Instances may not advertise themselves as routers.";
        EtherType = 25, "ether_type", "Only ARP, IPv4 and IPv6 pass port security.";
    }
    Services {
        PuntRate = 26, "punt_rate", "The port sends more to the host's responders than its limit.";
        PuntFull = 27, "punt_full", "The ring buffer to the host's responders is full.";
        MissRate = 28, "miss_rate", "The port asks for more unknown neighbours than its limit.";
        ServiceQuestion = 80, "service_question", "What is sent to a metadata address is neither metadata nor DNS, or a question there or for DNS has IP options, or comes in fragments.";
        ServiceAbsent = 81, "service_absent", "The host answers neither metadata nor DNS now, or not this one of them.";
        ServiceRate = 82, "service_rate", "The port asks for metadata and names more often than its limit.";
        SessionTaken = 83, "session_taken", "Another address of the port asks by the same source port now.";
        SessionUnknown = 84, "session_unknown", "Metadata or DNS answers nobody who has asked, or whose port is no longer there.";
    }
    Switch {
        BridgeReserved = 29, "bridge_reserved", "The destination MAC is reserved for bridges and never forwarded.";
        UnknownUnicast = 30, "unknown_unicast", "Nobody in the network is known to have the destination MAC.";
        SamePort = 31, "same_port", "The destination is the port that sent the packet.";
        ServiceUnserved = 32, "service_unserved", "The host's service does not take this kind of packet.";
        FloodRate = 33, "flood_rate", "The port sends more broadcast and multicast than its limit.";
        UnknownNetwork = 34, "unknown_network", "The network of the packet is not on this host.";
        AnnounceRate = 48, "announce_rate", "The port announces more MACs that are not its own than its limit for unknown neighbours.";
    }
    EgressPolicy {
        EgressDenied = 42, "egress_denied", "No rule of the sending port's security groups allows the packet out.";
        EgressFragment = 43, "egress_fragment", "A later fragment leaves whose first one was not seen or not allowed.";
        EgressConnections = 44, "egress_connections", "The sending port has as many connections as its limit, and no rule lets answers in.";
    }
    Route {
        NotRouted = 51, "not_routed", "The packet for a router is no IP, or has an address that does not leave its network.";
        HopLimit = 52, "hop_limit", "The packet's time to live or hop limit ends at a router.";
        RouterLoop = 53, "router_loop", "The packet passes more routers than it may on one host: 8.";
        NoRoute = 54, "no_route", "The router has no route to the destination.";
        NextHopUnknown = 55, "next_hop_unknown", "Nobody in the next network is known to have the destination's or the gateway's address.";
        RouteTooBig = 56, "route_too_big", "The packet is larger than the next network carries.";
        RouterUnserved = 57, "router_unserved", "The packet is for a router's own address, which answers echo requests only.";
        RouterGone = 58, "router_gone", "The router's interface has no row, or is in another network.";
        NoOutsideAddress = 60, "no_outside_address", "The packet leaves for an external network, where its sender has no address.";
        NoOutsidePort = 61, "no_outside_port", "All ports that the host has of the router's address outside are in use towards the destination; or the packet has no ports, or is of SCTP, and another instance talks to the destination by that protocol; or the two ends talk by another forwarded port already.";
        NatSessions = 62, "nat_sessions", "The port has as many sessions by shared addresses as its limit for connections.";
        NotTranslated = 63, "not_translated", "A message of ICMP that is no query, answer or error can't leave by a shared address, nor SCTP enter by a forwarded port of another number.";
        OutsidePortsAwaited = 65, "outside_ports_awaited", "The host has asked for what the packet needs of the router's address outside, and does not have it yet.";
        NoWayOutside = 66, "no_way_outside", "Another host asks whether this one is a way to the external network, and it is none now.";
        OtherScope = 67, "other_scope", "The packet would go into another address scope without being translated.";
        NoSession = 64, "no_session", "The packet by a shared address is of no session, and begins none.";
    }
    IngressPolicy {
        IngressDenied = 45, "ingress_denied", "No rule of the receiving port's security groups allows the packet in.";
        IngressFragment = 46, "ingress_fragment", "A later fragment arrives whose first one was not seen or not allowed.";
        IngressConnections = 47, "ingress_connections", "The receiving port has as many connections as its limit, and no rule lets answers out.";
    }
    Deliver {
        NotHere = 35, "not_here", "The overlay brought a packet for a MAC that is on no port of this host.";
        TargetGone = 36, "target_gone", "The destination's port or host has no row.";
        TargetNetwork = 37, "target_network", "The destination port is in another network.";
        TargetDisabled = 38, "target_disabled", "The destination port is administratively down.";
        NoOverlay = 39, "no_overlay", "The destination is on another host, but the network or this host is not in the overlay.";
        TooBig = 40, "too_big", "The packet is larger than the overlay carries.";
        OutputFailed = 41, "output_failed", "The kernel refused the packet or a copy of it, as when the interface is down.";
    }
}

/// A place for each number below [`DROP_SLOTS`], so that a number that is masked needs no other bound.
static BY_NUMBER: [Option<DropReason>; DROP_SLOTS] = {
    let mut all = [None; DROP_SLOTS];
    let mut i = 0;
    while i < DropReason::ALL.len() {
        all[DropReason::ALL[i] as usize] = Some(DropReason::ALL[i]);
        i += 1;
    }
    all
};

const _: () = {
    assert!(DROP_SLOTS.is_power_of_two());
    let mut i = 0;
    while i < DropReason::ALL.len() {
        assert!(DropReason::ALL[i] as usize != 0 && (DropReason::ALL[i] as usize) < DROP_SLOTS);
        i += 1;
    }
};
