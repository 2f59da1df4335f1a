//! TCP's part: when a connection is answered, closing, closed, and when a packet begins another one with the same ports.

use crate::packet::{Packet, proto, tcp_flag};
use crate::table::connection_state;

const BOTH: u8 = 3;

/// Whether a connection is kept for the packet. A connection is picked up in its middle, as after an eviction or a migration, but
/// not at its end.
#[inline(always)]
pub(crate) fn may_begin(packet: &Packet) -> bool {
    packet.protocol != proto::TCP || packet.tcp_flags & (tcp_flag::RST | tcp_flag::FIN) == 0
}

/// Whether the packet begins a connection, whatever was there before with the same ports.
#[inline(always)]
pub(crate) fn is_opening(packet: &Packet) -> bool {
    packet.protocol == proto::TCP
        && packet.tcp_flags & (tcp_flag::SYN | tcp_flag::ACK | tcp_flag::RST | tcp_flag::FIN) == tcp_flag::SYN
}

/// Whether the packet may be of a connection that the other side has begun.
#[inline(always)]
pub(super) fn is_midway(packet: &Packet) -> bool {
    packet.protocol == proto::TCP && !is_opening(packet)
}

/// How far a connection has come.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    /// A constant of [`connection_state`].
    pub(crate) state: u8,
    /// The directions from which a FIN was seen, as in [`crate::table::Connection::finished`].
    pub(crate) finished: u8,
}

/// Takes in a packet that goes `way`, of a connection that one going `began` has begun. A reset is believed only until a packet shows
/// that its receiver didn't: its sequence number isn't known here.
#[inline(always)]
pub(crate) fn advance(before: Progress, began: u8, packet: &Packet, way: u32) -> Progress {
    let Progress { mut state, mut finished } = before;
    let flags = packet.tcp_flags;
    if flags & tcp_flag::RST != 0 {
        state = connection_state::CLOSED;
    } else if flags & tcp_flag::FIN != 0 && finished != BOTH {
        finished |= 1 << (way & 1);
        state = connection_state::CLOSING;
    } else if finished == BOTH {
        state = connection_state::CLOSED;
    } else if state == connection_state::CLOSED {
        state = if finished != 0 { connection_state::CLOSING } else { connection_state::ESTABLISHED };
    } else if state == connection_state::OPENING && way != u32::from(began) {
        state = connection_state::ESTABLISHED;
    }
    Progress { state, finished }
}
