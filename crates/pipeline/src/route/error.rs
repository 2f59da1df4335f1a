//! ICMP errors of routers (RFC 792, RFC 4443 §3, RFC 1812 §4.3): the packet itself is turned into one, for its sender.

use super::local::{is_one_host, return_to_sender};
use super::rewrite;
use crate::address::Address;
use crate::drop::DropReason;
use crate::env::{Env, Meter};
use crate::meter;
use crate::packet::{LATER, Packet, WHOLE, ether, proto};

/// Most bytes that are quoted: with the ICMP header what can be summed up at once. The whole stays below the 576 of RFC 1812 §4.3.2.3.
const MAX_QUOTE: u32 = 504;
const HOP_LIMIT: u8 = 64;
/// Internetwork control (RFC 1812 §4.3.2.5).
const PRECEDENCE: u8 = 0xc0;
const V4_HEADER: u32 = 20;
const V6_HEADER: u32 = 40;
const ICMP_HEADER: u32 = 8;

/// Turns the packet into the error for a [`DropReason`]'s number. 1 when it is now one on its way to the sender, 0 when nothing may be
/// said: then the packet is as it was.
#[inline(always)]
pub fn complain<E: Env>(env: &mut E, packet: &mut Packet, reason: u32) -> u32 {
    let v4 = packet.ether_type == ether::IPV4;
    let Some((icmp_type, code)) = message(reason, v4) else { return 0 };
    if !may_be_told(packet) || !meter::admits(env, packet.port, Meter::Error) {
        return 0;
    }
    let Some(speaker) = env.router_interface(packet.router_interface) else { return 0 };
    let speaker = if v4 { Address::v4(speaker.address_v4) } else { speaker.address_v6 };
    if !is_one_host(speaker) {
        return 0;
    }
    packet.icmp_type = icmp_type;
    packet.icmp_code = code;
    packet.destination_address = packet.header_source;
    packet.source_address = speaker;
    let made = if v4 {
        make_room(env, packet, V4_HEADER, proto::ICMP) && write_v4(env, packet) && sum_v4(env, packet)
    } else {
        make_room(env, packet, V6_HEADER, proto::ICMPV6) && write_v6(env, packet) && sum_v6(env, packet)
    };
    u32::from(made && return_to_sender(env, packet))
}

/// Type and code.
#[inline(always)]
fn message(reason: u32, v4: bool) -> Option<(u8, u8)> {
    const HOP_LIMIT: u32 = DropReason::HopLimit as u32;
    const LOOP: u32 = DropReason::RouterLoop as u32;
    const NO_ROUTE: u32 = DropReason::NoRoute as u32;
    const NO_OUTSIDE_ADDRESS: u32 = DropReason::NoOutsideAddress as u32;
    const NO_OUTSIDE_PORT: u32 = DropReason::NoOutsidePort as u32;
    const NAT_SESSIONS: u32 = DropReason::NatSessions as u32;
    const NOT_TRANSLATED: u32 = DropReason::NotTranslated as u32;
    const NEXT_HOP_UNKNOWN: u32 = DropReason::NextHopUnknown as u32;
    const UNSERVED: u32 = DropReason::RouterUnserved as u32;
    const OTHER_SCOPE: u32 = DropReason::OtherScope as u32;
    const TOO_BIG: u32 = DropReason::RouteTooBig as u32;
    Some(match (reason, v4) {
        (HOP_LIMIT | LOOP, true) => (11, 0),
        (HOP_LIMIT | LOOP, false) => (3, 0),
        (NO_ROUTE | NO_OUTSIDE_ADDRESS, true) => (3, 0),
        (NO_ROUTE, false) => (1, 0),
        // RFC 6888 §3, REQ-11.
        (NEXT_HOP_UNKNOWN | NO_OUTSIDE_PORT | NAT_SESSIONS, true) => (3, 1),
        (NOT_TRANSLATED, true) => (3, 2),
        (NEXT_HOP_UNKNOWN, false) => (1, 3),
        (UNSERVED, true) => (3, 3),
        (UNSERVED, false) => (1, 4),
        // Administratively prohibited (RFC 1812 §5.2.7.1, RFC 4443 §3.1).
        (OTHER_SCOPE, true) => (3, 13),
        (OTHER_SCOPE, false) => (1, 1),
        (TOO_BIG, true) => (3, 4),
        (TOO_BIG, false) => (2, 0),
        _ => return None,
    })
}

/// No errors about errors, nor about what has no single sender, nor about later fragments (RFC 1122 §3.2.2, RFC 4443 §2.4).
#[inline(always)]
fn may_be_told(packet: &Packet) -> bool {
    packet.fragment != LATER && is_one_host(packet.header_source) && !is_error(packet)
}

/// ICMP messages that are no queries count as errors, so that unknown ones do too.
#[inline(always)]
fn is_error(packet: &Packet) -> bool {
    if !packet.is_icmp() {
        return false;
    }
    if packet.ether_type == ether::IPV6 {
        return packet.icmp_type < 128;
    }
    !matches!(packet.icmp_type, 0 | 8 | 13..=18)
}

/// Cuts the packet to what is quoted, makes room for the headers before it, and sets all of [`Packet`] that depends on it.
#[inline(never)]
fn make_room<E: Env>(env: &mut E, packet: &mut Packet, header: u32, protocol: u8) -> bool {
    let quote = packet.end.saturating_sub(ether::HEADER).min(MAX_QUOTE) & !3;
    if quote < V4_HEADER || !env.resize(ether::HEADER + quote) || !env.insert(header + ICMP_HEADER) {
        return false;
    }
    packet.l4_offset = ether::HEADER + header;
    packet.payload_offset = packet.l4_offset + ICMP_HEADER;
    packet.length = packet.payload_offset + quote;
    packet.end = packet.length;
    packet.protocol = protocol;
    packet.fragment = WHOLE;
    packet.hop_limit = HOP_LIMIT;
    packet.icmp_id = 0;
    true
}

/// Writes the headers, checksums zero.
#[inline(never)]
fn write_v4<E: Env>(env: &mut E, packet: &Packet) -> bool {
    let [high, low] = ((packet.end - ether::HEADER) as u16).to_be_bytes();
    let head = [0x45, PRECEDENCE, high, low, 0, 0, 0, 0, HOP_LIMIT, proto::ICMP, 0, 0];
    let ([a, b, c, d], [e, f, g, h]) = (packet.source_address.tail(), packet.destination_address.tail());
    let [mtu_high, mtu_low] = (packet.error_mtu as u16).to_be_bytes();
    let icmp = [packet.icmp_type, packet.icmp_code, 0, 0, 0, 0, mtu_high, mtu_low];
    env.store(ether::HEADER, &head)
        && env.store(ether::HEADER + 12, &[a, b, c, d, e, f, g, h])
        && env.store(packet.l4_offset, &icmp)
}

#[inline(never)]
fn sum_v4<E: Env>(env: &mut E, packet: &Packet) -> bool {
    rewrite::put_checksum(env, ether::HEADER + 10, (ether::HEADER, V4_HEADER), 0)
        && rewrite::put_checksum(
            env,
            packet.l4_offset + 2,
            (packet.l4_offset, packet.end - packet.l4_offset),
            0,
        )
}

/// As [`write_v4`].
#[inline(never)]
fn write_v6<E: Env>(env: &mut E, packet: &Packet) -> bool {
    let [high, low] = ((packet.end - packet.l4_offset) as u16).to_be_bytes();
    let head = [0x60, 0, 0, 0, high, low, proto::ICMPV6, HOP_LIMIT];
    let [a, b, c, d] = packet.error_mtu.to_be_bytes();
    let icmp = [packet.icmp_type, packet.icmp_code, 0, 0, a, b, c, d];
    env.store(ether::HEADER, &head)
        && env.store(ether::HEADER + 8, &packet.source_address.0)
        && env.store(ether::HEADER + 24, &packet.destination_address.0)
        && env.store(packet.l4_offset, &icmp)
}

#[inline(never)]
fn sum_v6<E: Env>(env: &mut E, packet: &Packet) -> bool {
    let length = packet.end - packet.l4_offset;
    let Some(addresses) = env.sum(ether::HEADER + 8, 32) else { return false };
    let pseudo_header = addresses + length + u32::from(proto::ICMPV6);
    rewrite::put_checksum(env, packet.l4_offset + 2, (packet.l4_offset, length), pseudo_header)
}
