//! Several paths of equal cost: a flow keeps to one (RFC 2992).

use crate::packet::{Packet, WHOLE};

/// Which of `count` paths, at least one, the packet's flow takes.
#[inline(always)]
pub(super) fn of_flow(packet: &Packet, count: u32) -> u32 {
    if count <= 1 { 0 } else { flow(packet) % count }
}

/// A hash of addresses, protocol and ports. Fragments have no ports, so none of theirs count.
#[inline(never)]
fn flow(packet: &Packet) -> u32 {
    let mut hash = mix(0x9e37_79b9, u32::from(packet.protocol));
    let mut place = 0;
    while place < 16 {
        hash = mix(hash, word(&packet.source_address.0, place));
        hash = mix(hash, word(&packet.destination_address.0, place));
        place += 4;
    }
    if packet.fragment == WHOLE {
        hash = mix(hash, u32::from(packet.source_port) << 16 | u32::from(packet.destination_port));
    }
    hash ^ hash >> 16
}

#[inline(always)]
fn word(bytes: &[u8; 16], place: usize) -> u32 {
    u32::from_ne_bytes([
        bytes[place & 15],
        bytes[(place + 1) & 15],
        bytes[(place + 2) & 15],
        bytes[(place + 3) & 15],
    ])
}

/// A round of Murmur3's mixing.
#[inline(always)]
pub(crate) fn mix(hash: u32, word: u32) -> u32 {
    let word = word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    (hash ^ word).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}
