//! What an IPv4 packet whose addresses change has behind its header: ports, checksums, and what an ICMP error quotes (RFC 3022 §4,
//! RFC 5508 §4).

use super::rewrite::corrected;
use crate::env::{Changed, Env};
use crate::packet::{LATER, Packet, proto, translated};
use crate::policy;

/// Where a quoted IPv4 header has its checksum, and the addresses behind it.
const CHECKSUM: u32 = 10;
const SOURCE: u32 = 12;
const DESTINATION: u32 = 16;
/// Where an ICMP error has its checksum, and what it quotes.
const ICMP_CHECKSUM: u32 = 2;
const QUOTE: u32 = 8;
/// Where an ICMP query has its identifier.
const IDENTIFIER: u32 = 4;

/// Writes what follows the header of a translated packet: ports, checksums for them and for the addresses, and what an ICMP error quotes.
#[inline(always)]
pub(super) fn payload<E: Env>(env: &mut E, packet: &Packet) -> bool {
    let is_error =
        packet.fragment != LATER && packet.is_icmp() && policy::is_error(proto::ICMP, packet.icmp_type);
    transport(env, packet) && if is_error { quote(env, packet) } else { ports(env, packet) }
}

/// The pseudo-header's part of the checksum; ICMP and SCTP have none, and later fragments no transport header.
#[inline(never)]
fn transport<E: Env>(env: &mut E, packet: &Packet) -> bool {
    if packet.fragment == LATER {
        return true;
    }
    let (at, changed) = match packet.protocol {
        proto::TCP => (16, Changed::PseudoHeader),
        proto::UDP => (6, Changed::PseudoHeaderOfUdp),
        proto::UDP_LITE | proto::DCCP => (6, Changed::PseudoHeader),
        _ => return true,
    };
    let (old, new) = change(packet);
    env.replace_checksum(packet.l4_offset + at, &old, &new, changed)
}

/// Source and destination, before and after.
#[inline(always)]
fn change(packet: &Packet) -> ([u8; 8], [u8; 8]) {
    let pair = |[a, b, c, d]: [u8; 4], [e, f, g, h]: [u8; 4]| [a, b, c, d, e, f, g, h];
    (
        pair(packet.header_source.tail(), packet.header_destination.tail()),
        pair(packet.source_address.tail(), packet.destination_address.tail()),
    )
}

/// The ports, or the identifier of an ICMP query.
#[inline(never)]
fn ports<E: Env>(env: &mut E, packet: &Packet) -> bool {
    let is_changed = packet.translated & (translated::SOURCE_PORT | translated::DESTINATION_PORT) != 0;
    if !is_changed || packet.fragment == LATER {
        return true;
    }
    let (at, checksum, changed) = match packet.protocol {
        proto::TCP => (0, 16, Changed::Message),
        proto::UDP => (0, 6, Changed::MessageOfUdp),
        proto::UDP_LITE | proto::DCCP => (0, 6, Changed::Message),
        _ => (IDENTIFIER, ICMP_CHECKSUM, Changed::Message),
    };
    let Some(old) = env.load(packet.l4_offset + at) else { return false };
    let new = renumbered(packet, old, at == IDENTIFIER);
    env.store(packet.l4_offset + at, &new)
        && env.replace_checksum(packet.l4_offset + checksum, &old, &new, changed)
}

/// A word of ports, or of an identifier and what follows it, as it becomes.
#[inline(always)]
fn renumbered(packet: &Packet, [a, b, c, d]: [u8; 4], is_query: bool) -> [u8; 4] {
    let is_source = packet.translated & translated::SOURCE_PORT != 0;
    let is_destination = packet.translated & translated::DESTINATION_PORT != 0;
    let [source, destination] = packet.ports;
    let [e, f] = if is_source { source.to.to_be_bytes() } else { [a, b] };
    let [g, h] = if is_destination { destination.to.to_be_bytes() } else { [c, d] };
    match (is_query, is_destination) {
        (false, _) => [e, f, g, h],
        (true, false) => [e, f, c, d],
        (true, true) => [g, h, c, d],
    }
}

/// What is quoted went the other way: its destination was the error's source, and its source the error's destination.
#[inline(always)]
fn quote<E: Env>(env: &mut E, packet: &Packet) -> bool {
    let start = packet.l4_offset + QUOTE;
    let is_source = packet.translated & translated::DESTINATION != 0;
    let is_destination = packet.translated & translated::SOURCE != 0;
    (!is_source
        || quoted(
            env,
            packet,
            start + SOURCE,
            packet.header_destination.tail(),
            packet.destination_address.tail(),
        ))
        && (!is_destination
            || quoted(
                env,
                packet,
                start + DESTINATION,
                packet.header_source.tail(),
                packet.source_address.tail(),
            ))
}

/// Replaces an address of the quoted header, if it is `from`, or by the session of what is quoted, and then the port too. False when the
/// kernel refuses; a quote that is cut short or of another version is left as it is.
#[inline(never)]
fn quoted<E: Env>(env: &mut E, packet: &Packet, at: u32, from: [u8; 4], to: [u8; 4]) -> bool {
    let start = packet.l4_offset + QUOTE;
    let is_source = at == start + SOURCE;
    let by_session = if is_source { translated::DESTINATION_PORT } else { translated::SOURCE_PORT };
    let is_by_session = packet.translated & by_session != 0;
    let Some([version, _, _, _, _, _, fragment, offset, hop_limit, protocol, high, low]) = env.load(start)
    else {
        return true;
    };
    let Some(held) = env.load(at) else { return true };
    if version >> 4 != 4 || held != from && !is_by_session {
        return true;
    }
    let [new_high, new_low] = corrected([high, low], held, to);
    let is_later = u16::from_be_bytes([fragment, offset]) & 0x1fff != 0;
    let message = start + u32::from(version & 0xf) * 4;
    put(env, packet, at, held, to)
        && put(
            env,
            packet,
            start + CHECKSUM - 2,
            [hop_limit, protocol, high, low],
            [hop_limit, protocol, new_high, new_low],
        )
        && (is_later
            || protocol == proto::ICMP
            || quoted_checksum(env, packet, message, protocol, [held, to]))
        && (!is_by_session || quoted_port(env, packet, message, is_source))
}

/// Replaces a port of the quoted transport header, or its identifier.
#[inline(never)]
fn quoted_port<E: Env>(env: &mut E, packet: &Packet, message: u32, is_source: bool) -> bool {
    let protocol = packet.ports_protocol;
    let at = if protocol == proto::ICMP { message + IDENTIFIER } else { message };
    let Some([a, b, c, d]) = env.load(at) else { return true };
    let number = if is_source { packet.ports[1] } else { packet.ports[0] };
    if number.from == number.to {
        return true;
    }
    let [e, f] = number.to.to_be_bytes();
    let new = if is_source || protocol == proto::ICMP { [e, f, c, d] } else { [a, b, e, f] };
    put(env, packet, at, [a, b, c, d], new)
        && quoted_checksum(env, packet, message, protocol, [[a, b, c, d], new])
}

/// Corrects the checksum of the quoted transport header, as far as that is quoted, for a word that has changed.
#[inline(never)]
fn quoted_checksum<E: Env>(
    env: &mut E,
    packet: &Packet,
    message: u32,
    protocol: u8,
    [from, to]: [[u8; 4]; 2],
) -> bool {
    // The word that has the checksum in its first half, or in its second.
    let (at, is_first) = match protocol {
        proto::TCP => (message + 16, true),
        proto::UDP | proto::UDP_LITE | proto::DCCP => (message + 4, false),
        proto::ICMP => (message, false),
        _ => return true,
    };
    let Some([a, b, c, d]) = env.load(at) else { return true };
    let new = if is_first {
        let [a, b] = corrected([a, b], from, to);
        [a, b, c, d]
    } else if protocol == proto::UDP && [c, d] == [0; 2] {
        return true;
    } else {
        let [c, d] = corrected([c, d], from, to);
        [a, b, c, d]
    };
    put(env, packet, at, [a, b, c, d], new)
}

/// Writes a word of the message, and corrects the message's checksum.
#[inline(never)]
fn put<E: Env>(env: &mut E, packet: &Packet, at: u32, from: [u8; 4], to: [u8; 4]) -> bool {
    env.store(at, &to) && env.replace_checksum(packet.l4_offset + ICMP_CHECKSUM, &from, &to, Changed::Message)
}
