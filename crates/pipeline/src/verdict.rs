//! What became of a packet.

use crate::drop::DropReason;

/// What became of a packet, flat as the kernel's verifier wants it, and as it stands in `skb->cb`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Number of a [`VerdictKind`].
    pub kind: u32,
    /// First word; its meaning is the kind's.
    pub a: u32,
    /// Second word; its meaning is the kind's.
    pub b: u32,
}

/// Kinds of verdicts, with the meaning of the two words.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictKind {
    /// a: number of the [`DropReason`]; b: the packet's network, or 0.
    Drop = 1,
    /// To one interface. a: port id; b: interface index.
    Deliver = 2,
    /// Answered in place, back to the asking port. a: port id; b: interface index.
    Answer = 3,
    /// Into the overlay. a: host id; b: VNI.
    Tunnel = 4,
    /// To the host's responders. a: port id; b: number of the [`PuntReason`].
    Punt = 5,
    /// Copies. a: their number; b: sum of their targets' ids, wrapping, those of hosts with bit 31 flipped.
    Flood = 6,
    /// Out of an interface to a physical network. a: network id; b: interface index.
    Provider = 7,
    /// Not ours: to the host's own stack. a: 0; b: 0.
    Pass = 8,
    /// To the sockets of services. a: port id; b: interface index.
    Serve = 20,
}

/// Why a packet is handed to the host's responders.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PuntReason {
    /// A DHCPv4 message for a server (UDP port 67).
    Dhcp4 = 1,
    /// A DHCPv6 message for servers (UDP port 547).
    Dhcp6 = 2,
    /// A router solicitation.
    RouterSolicitation = 3,
    /// Ports of a shared address are running out; `ifindex` is the router's interface. The packet itself goes on.
    OutsidePorts = 4,
    /// A packet needs a slot of a shared address; `ifindex` is the router's interface. The packet itself is not answered.
    OutsideSlot = 5,
}

impl PuntReason {
    /// The reason of a number in a [`crate::table::PuntHeader`].
    pub const fn from_number(number: u32) -> Option<PuntReason> {
        match number {
            1 => Some(PuntReason::Dhcp4),
            2 => Some(PuntReason::Dhcp6),
            3 => Some(PuntReason::RouterSolicitation),
            4 => Some(PuntReason::OutsidePorts),
            5 => Some(PuntReason::OutsideSlot),
            _ => None,
        }
    }
}

impl Verdict {
    /// A verdict of a kind with its two words.
    #[inline(always)]
    pub const fn new(kind: VerdictKind, a: u32, b: u32) -> Self {
        Verdict { kind: kind as u32, a, b }
    }

    /// The drop reason, when this is a drop.
    pub const fn reason(self) -> Option<DropReason> {
        if self.kind == VerdictKind::Drop as u32 { DropReason::from_number(self.a) } else { None }
    }
}
