//! Neighbour solicitations, rewritten in place into solicited advertisements (RFC 4861 §7.2.4, DAD RFC 4862 §5.4).

use super::{Known, answer, ethernet, known, miss};
use crate::address::{Address, Mac};
use crate::door::Exit;
use crate::drop::DropReason;
use crate::env::{Changed, Env};
use crate::packet::{Packet, WHOLE, ether, icmpv6, proto};

/// Where ICMPv6 begins behind a plain IPv6 header.
const MESSAGE: u32 = 54;
/// Bytes of a solicitation without options.
const SOLICITATION_LENGTH: u32 = 24;
/// Bytes of an advertisement with one link-layer address.
const ADVERTISEMENT_LENGTH: u32 = 32;
/// Where the checksum is in the message.
const CHECKSUM: u32 = 2;
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
const TARGET_LINK_LAYER: u8 = 2;

/// ff02::1 as a MAC (RFC 2464 §7).
const ALL_NODES: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);

#[inline(never)]
pub(super) fn solicited<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    if !is_plain(env, packet) {
        return miss(env, packet);
    }
    match known(env, packet, packet.nd_target) {
        Known::Own => return Ok(()),
        Known::Nobody => return miss(env, packet),
        Known::Other => {}
    }
    if !advertise(env, packet) {
        return Err(DropReason::OutputFailed.into());
    }
    answer(env, packet)
}

/// Rewrites a solicitation into the answer that [`Packet::link`], a router, has the target. False where that can't be done in its place.
#[inline(never)]
pub(crate) fn reply<E: Env>(env: &mut E, packet: &mut Packet) -> bool {
    packet.is_router = 1;
    // Routers pad their questions.
    if packet.length > packet.end {
        packet.length = packet.end;
        if !env.resize(packet.end) {
            return false;
        }
    }
    is_plain(env, packet) && advertise(env, packet)
}

/// True for a valid solicitation that can be answered in its place: no extension headers, nothing behind the IP packet, and a
/// first option, if any, of 8 bytes, as a link-layer address and a nonce have (RFC 3971 §5.3.2).
#[inline(always)]
fn is_plain<E: Env>(env: &E, packet: &Packet) -> bool {
    if packet.fragment != WHOLE
        || packet.l4_offset != MESSAGE
        || packet.end != packet.length
        || packet.hop_limit != 255
        || packet.icmp_code != 0
    {
        return false;
    }
    packet.end == MESSAGE + SOLICITATION_LENGTH
        || matches!(env.load(MESSAGE + SOLICITATION_LENGTH), Some([_, 1]))
}

/// Rewrites the packet. Its first option, made room for where there is none, becomes the target's link-layer address; further
/// options stay, and readers of advertisements ignore them (RFC 4861 §7.1.2).
#[inline(always)]
fn advertise<E: Env>(env: &mut E, packet: &mut Packet) -> bool {
    let old_length = packet.length;
    if old_length == MESSAGE + SOLICITATION_LENGTH {
        packet.length = MESSAGE + ADVERTISEMENT_LENGTH;
        if !env.resize(packet.length) {
            return false;
        }
    }
    let destination = match packet.source_address {
        Address::UNSPECIFIED => Address::ALL_NODES,
        asker => asker,
    };
    message(env, packet)
        && pseudo_header(env, packet, &destination, old_length)
        && headers(env, packet, &destination)
}

/// Rewrites the ICMPv6 message and corrects its checksum for that.
#[inline(never)]
fn message<E: Env>(env: &mut E, packet: &Packet) -> bool {
    let Some(old) = env.load::<{ ADVERTISEMENT_LENGTH as usize }>(MESSAGE) else { return false };
    let mut new = old;
    new[0] = icmpv6::NEIGHBOUR_ADVERTISEMENT;
    let solicited = if packet.source_address == Address::UNSPECIFIED { 0 } else { SOLICITED };
    let router = if packet.is_router == 1 { ROUTER } else { 0 };
    new[4..8].copy_from_slice(&[router | solicited | OVERRIDE, 0, 0, 0]);
    new[24] = TARGET_LINK_LAYER;
    new[25] = 1;
    new[26..].copy_from_slice(&packet.link.0);
    env.store(MESSAGE, &new) && env.replace_checksum(MESSAGE + CHECKSUM, &old, &new, Changed::Message)
}

/// Corrects the checksum for the new addresses and length (RFC 8200 §8.1).
#[inline(never)]
fn pseudo_header<E: Env>(env: &mut E, packet: &Packet, destination: &Address, old_length: u32) -> bool {
    let old = pseudo(&packet.source_address, &packet.destination_address, old_length - MESSAGE);
    let new = pseudo(&packet.nd_target, destination, packet.length - MESSAGE);
    env.replace_checksum(MESSAGE + CHECKSUM, &old, &new, Changed::PseudoHeader)
}

#[inline(always)]
fn pseudo(source: &Address, destination: &Address, length: u32) -> [u8; 36] {
    let mut bytes = [0u8; 36];
    bytes[..16].copy_from_slice(&source.0);
    bytes[16..32].copy_from_slice(&destination.0);
    bytes[32..].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// Rewrites the Ethernet and IPv6 headers.
#[inline(never)]
fn headers<E: Env>(env: &mut E, packet: &Packet, destination: &Address) -> bool {
    let to = if packet.source_address == Address::UNSPECIFIED { ALL_NODES } else { packet.source };
    let payload = (packet.length - MESSAGE) as u16;
    let mut ip = [0u8; 36];
    ip[..2].copy_from_slice(&payload.to_be_bytes());
    ip[2] = proto::ICMPV6;
    ip[3] = 255;
    ip[4..20].copy_from_slice(&packet.nd_target.0);
    ip[20..].copy_from_slice(&destination.0);
    env.store(0, &ethernet(to, packet.link, ether::IPV6)) && env.store(ether::HEADER + 4, &ip)
}
