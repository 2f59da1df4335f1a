//! The headers of a packet that a router has sent on.

use super::translate;
use crate::address::Mac;
use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{Packet, ether};

/// Where an IPv4 header has time to live, protocol and checksum.
const V4_HOP_LIMIT: u32 = ether::HEADER + 8;
/// Where an IPv6 header has the hop limit.
const V6_HOP_LIMIT: u32 = ether::HEADER + 7;

/// Writes MACs, hop limit and addresses as the last router leaves them.
#[inline(always)]
pub(super) fn forward<E: Env>(env: &mut E, packet: &Packet) -> Result<(), DropReason> {
    let is_written = if packet.ether_type == ether::IPV6 {
        v6(env, packet)
    } else {
        v4(env, packet) && (packet.translated == 0 || translate::payload(env, packet))
    };
    if is_written { Ok(()) } else { Err(DropReason::OutputFailed) }
}

/// All that changes in the headers of link and network, at once: each write costs as much as a look-up.
#[inline(never)]
fn v4<E: Env>(env: &mut E, packet: &Packet) -> bool {
    let Some(mut bytes) = env.load::<34>(0) else { return false };
    let (from, to) = ([bytes[22], bytes[23], 0, 0], [packet.hop_limit, bytes[23], 0, 0]);
    let mut checksum = corrected([bytes[24], bytes[25]], from, to);
    if packet.translated != 0 {
        checksum = corrected(checksum, packet.header_source.tail(), packet.source_address.tail());
        checksum = corrected(checksum, packet.header_destination.tail(), packet.destination_address.tail());
        bytes[26..30].copy_from_slice(&packet.source_address.tail());
        bytes[30..].copy_from_slice(&packet.destination_address.tail());
    }
    bytes[..6].copy_from_slice(&packet.destination.0);
    bytes[6..12].copy_from_slice(&packet.source.0);
    bytes[22] = packet.hop_limit;
    bytes[24..26].copy_from_slice(&checksum);
    env.store(0, &bytes)
}

/// As [`v4`]; an IPv6 header has no checksum, and its addresses stay.
#[inline(never)]
fn v6<E: Env>(env: &mut E, packet: &Packet) -> bool {
    let Some(mut bytes) = env.load::<22>(0) else { return false };
    bytes[..6].copy_from_slice(&packet.destination.0);
    bytes[6..12].copy_from_slice(&packet.source.0);
    bytes[21] = packet.hop_limit;
    env.store(0, &bytes)
}

/// Writes the frame's MACs.
#[inline(always)]
pub(super) fn macs<E: Env>(env: &mut E, destination: Mac, source: Mac) -> bool {
    let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (destination.0, source.0);
    env.store(0, &[a, b, c, d, e, f, g, h, i, j, k, l])
}

/// Writes [`Packet::hop_limit`], and corrects the checksum of an IPv4 header for it.
#[inline(always)]
pub(super) fn hop_limit<E: Env>(env: &mut E, packet: &Packet) -> bool {
    if packet.ether_type == ether::IPV6 {
        return env.store(V6_HOP_LIMIT, &[packet.hop_limit]);
    }
    let Some([old, protocol, high, low]) = env.load(V4_HOP_LIMIT) else { return false };
    let (from, to) = ([old, protocol, 0, 0], [packet.hop_limit, protocol, 0, 0]);
    let [high, low] = corrected([high, low], from, to);
    env.store(V4_HOP_LIMIT, &[packet.hop_limit, protocol, high, low])
}

/// A checksum after two words have changed (RFC 1624 §3).
#[inline(always)]
pub(crate) fn corrected(checksum: [u8; 2], from: [u8; 4], to: [u8; 4]) -> [u8; 2] {
    let word = |high, low| u32::from(u16::from_be_bytes([high, low]));
    let sum = (word(checksum[0], checksum[1]) ^ 0xffff)
        + (word(from[0], from[1]) ^ 0xffff)
        + (word(from[2], from[3]) ^ 0xffff)
        + word(to[0], to[1])
        + word(to[2], to[3]);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    (!(sum as u16)).to_be_bytes()
}

/// Writes the Internet checksum (RFC 1071) of a range (offset, length), and of what is summed up already, to where there are zeroes now.
#[inline(always)]
pub(super) fn put_checksum<E: Env>(env: &mut E, at: u32, (offset, length): (u32, u32), summed: u32) -> bool {
    let Some(sum) = env.sum(offset, length) else { return false };
    let sum = sum + summed;
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    env.store(at, &(!(sum as u16)).to_be_bytes())
}
