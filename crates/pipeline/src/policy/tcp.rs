//! TCP's part: when a connection is answered, closing, closed, and when a packet begins another one with the same ports.

use crate::packet::{Packet, proto, tcp_flag};
use crate::table::{Connection, connection_state};

const BOTH: u8 = 3;

/// Whether a connection is kept for the packet. A connection is picked up in its middle, as after an eviction or a migration, but
/// not at its end.
#[inline(always)]
pub(super) fn may_begin(packet: &Packet) -> bool {
    packet.protocol != proto::TCP || packet.tcp_flags & (tcp_flag::RST | tcp_flag::FIN) == 0
}

/// Whether the packet begins a connection, whatever was there before with the same ports.
#[inline(always)]
pub(super) fn is_opening(packet: &Packet) -> bool {
    packet.protocol == proto::TCP
        && packet.tcp_flags & (tcp_flag::SYN | tcp_flag::ACK | tcp_flag::RST | tcp_flag::FIN) == tcp_flag::SYN
}

/// Whether the packet may be of a connection that the other side has begun.
#[inline(always)]
pub(super) fn is_midway(packet: &Packet) -> bool {
    packet.protocol == proto::TCP && !is_opening(packet)
}

/// Takes in a packet that goes `way`. A reset is believed only until a packet shows that its receiver didn't: its sequence
/// number isn't known here.
#[inline(always)]
pub(super) fn advance(connection: &mut Connection, packet: &Packet, way: u32) {
    let flags = packet.tcp_flags;
    if flags & tcp_flag::RST != 0 {
        connection.state = connection_state::CLOSED;
    } else if flags & tcp_flag::FIN != 0 && connection.finished != BOTH {
        connection.finished |= 1 << (way & 1);
        connection.state = connection_state::CLOSING;
    } else if connection.finished == BOTH {
        connection.state = connection_state::CLOSED;
    } else if connection.state == connection_state::CLOSED {
        let was_closing = connection.finished != 0;
        connection.state =
            if was_closing { connection_state::CLOSING } else { connection_state::ESTABLISHED };
    } else if connection.state == connection_state::OPENING && way != u32::from(connection.direction) {
        connection.state = connection_state::ESTABLISHED;
    }
}
