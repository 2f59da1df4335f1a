//! What would let a packet pass that was dropped: for who reads a trace.

use crate::drop::DropReason::{self, *};

impl DropReason {
    /// The next step of an operator or a tenant, as a sentence.
    pub const fn remedy(self) -> &'static str {
        match self {
            FrameTooShort | ArpMalformed | Ipv4Malformed | Ipv6Malformed | TransportMalformed
            | NdMalformed => {
                "Nothing: the packet itself is broken. Look at what sends it, or at what cuts it on the way."
            }
            ExtensionHeaders => "Send fewer IPv6 extension headers, and whole ones.",
            FragmentTiny => {
                "Send fragments that hold the transport header in the first one; a larger MTU on the way avoids them."
            }
            SourceMulticast => "Give the interface of the instance a unicast MAC.",
            VlanTagged => "Send untagged frames: the port is no trunk.",
            LayoutVersion => {
                "Wait: the agent of the host is rebuilding its tables after an upgrade; its log tells how far it is."
            }
            UnknownInterface => "Bind the port to this host, and see in the agent's log why it is not wired.",
            PortDisabled | TargetDisabled => "Set admin_state_up of the port and its network to true.",
            NoTunnelKey => "See that the overlay's device is the agent's own (external, collect metadata).",
            UnknownVni => {
                "Nothing, if the network has no port on this host any more; else look in `hadron status` for rows that are not in force."
            }
            UnknownVtep => {
                "Have the other host join this cloud, or wait until this host knows its new address."
            }
            OwnReturned => "Look for a loop in the physical network, or a second machine with the MAC.",
            SourceMac | SourceAddress | ArpSender | NdLinkLayer | NdTarget => {
                "Send from the port's own MAC and fixed_ips, or add the pair to its allowed_address_pairs."
            }
            NdInvalid => "Nothing: such a message is refused everywhere (RFC 4861 §6.1, §7.1).",
            DhcpServer | RouterAdvertisement => {
                "Disable port security of the port, if its instance is to serve the network."
            }
            EtherType => "Disable port security of the port, if its instance must send what is no IP.",
            PuntRate | ServiceRate => "Ask less often; --service-rate and the port's limits say how often.",
            PuntFull => "See why the agent of the host doesn't answer: its load, or its log.",
            MissRate | AnnounceRate | FloodRate => {
                "Send fewer of these: the port has used up its rate for the moment."
            }
            ServiceQuestion => "Ask for metadata at TCP port 80, and names at port 53.",
            ServiceAbsent => "See in the agent's log why its services do not run.",
            SessionTaken => "Ask again: another source port will be free.",
            SessionUnknown => "Nothing: an answer to nobody.",
            BridgeReserved => "Nothing: no bridge forwards these (IEEE 802.1Q table 8-1).",
            UnknownUnicast => {
                "Look whether the instance with this MAC has a port in the network; a MAC beside its own needs an allowed address pair."
            }
            SamePort => "Nothing: the instance has the address itself.",
            ServiceUnserved => "Ask the network's DHCP port for DHCP only.",
            UnknownNetwork => "Look in `hadron status` for rows of this host that are not in force.",
            EgressDenied => "Add an egress rule to one of the port's security groups.",
            IngressDenied => "Add an ingress rule to one of the receiving port's security groups.",
            EgressFragment | IngressFragment => {
                "Send the first fragment first, and have it allowed by a rule."
            }
            EgressConnections | IngressConnections => {
                "Close connections, raise --connection-limit, or allow the answers by a rule: what rules let both ways needs no connection."
            }
            NotRouted => {
                "Send from and to addresses that routers forward: no link-local, multicast or loopback ones."
            }
            HopLimit => "Send with a higher TTL; if it is high, look for routers that lead in a circle.",
            RouterLoop => {
                "Mend the routers' extra routes: they lead in a circle, or over more than 8 routers of one host."
            }
            NoRoute => {
                "Add an interface, an extra route or a gateway to the router that leads to the destination."
            }
            NextHopUnknown => {
                "Look whether anybody has the destination's or the next hop's address, and is up."
            }
            RouteTooBig => "Send smaller packets: path MTU discovery needs ICMP errors to be heard.",
            RouterUnserved => "Nothing: routers answer echo requests and nothing else.",
            RouterGone => {
                "Wait for the host's rows to be in force, or set admin_state_up of the router and its port to true."
            }
            NoOutsideAddress => "Give the port a floating IP, or set enable_snat of the router's gateway.",
            NoOutsidePort => {
                "Spread the load over floating IPs: what the packet needs of the shared address is in use towards this destination."
            }
            OutsidePortsAwaited => {
                "Try again in a moment: the server is giving this host ports of the shared address, or the destination, unless it has as many as it may."
            }
            NatSessions => "Close sessions, give the port a floating IP, or raise --connection-limit.",
            NotTranslated => {
                "Give the port a floating IP, or have the same number outside and inside where SCTP is forwarded."
            }
            OtherScope => {
                "Give the port a floating IP, or take both networks' subnets from pools of one address scope."
            }
            NoSession => {
                "Nothing: nobody inside has asked. For what begins outside give the port a floating IP, or forward a port of one."
            }
            NoWayOutside => "See why this host does not hear its next hop on the physical network.",
            NotHere => {
                "Nothing, if the port has just moved; else look in `hadron status` for rows that are not in force."
            }
            TargetGone | TargetNetwork => {
                "Wait for the host's rows to be in force; `hadron status` says what is not."
            }
            NoOverlay => "See in the agent's log why there is no overlay on this host.",
            TooBig => "Set the instance's MTU to that of its network, or raise the underlay's.",
            OutputFailed => "See whether the interface is up; the kernel refused the packet.",
        }
    }
}
