//! The IPv6 header and its extension headers (RFC 8200), looked through up to a bound.

use super::transport;
use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{FIRST, LATER, Packet, ether, proto};

const HEADER: u32 = 40;

/// Extension headers that are looked through; more are dropped. Hosts send two at most, fragments included.
const MAX_EXTENSION_HEADERS: u32 = 6;

#[inline(always)]
pub(super) fn parse<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    header(env, packet)?;
    if is_extension(packet.protocol) {
        extension_headers(env, packet)?;
    }
    if packet.fragment == LATER { Ok(()) } else { transport::parse(env, packet) }
}

#[inline(never)]
fn header<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let Some(header) = env.load::<40>(ether::HEADER) else { return Err(DropReason::Ipv6Malformed) };
    let end = ether::HEADER + HEADER + u32::from(u16::from_be_bytes([header[4], header[5]]));
    if header[0] >> 4 != 6 || end > packet.length {
        return Err(DropReason::Ipv6Malformed);
    }
    packet.end = end;
    packet.protocol = header[6];
    packet.hop_limit = header[7];
    packet.source_address.0.copy_from_slice(&header[8..24]);
    packet.destination_address.0.copy_from_slice(&header[24..40]);
    packet.l4_offset = ether::HEADER + HEADER;
    packet.payload_offset = packet.l4_offset;
    // An IPv4-mapped address never stands in a packet (RFC 4942 §2.2), and would be taken for the IPv4 one in the tables.
    if packet.source_address.is_v4() || packet.destination_address.is_v4() {
        return Err(DropReason::Ipv6Malformed);
    }
    Ok(())
}

#[inline(always)]
fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        proto::HOP_BY_HOP
            | proto::ROUTING
            | proto::FRAGMENT
            | proto::AUTHENTICATION
            | proto::DESTINATION_OPTIONS
            | proto::MOBILITY
    )
}

/// Moves `l4_offset` and `protocol` past the extension headers, up to the fragment that hides the rest.
#[inline(never)]
fn extension_headers<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let mut i = 0;
    while i < MAX_EXTENSION_HEADERS {
        if !is_extension(packet.protocol) || packet.fragment == LATER {
            return Ok(());
        }
        extension_header(env, packet, i)?;
        i += 1;
    }
    if is_extension(packet.protocol) && packet.fragment != LATER {
        return Err(DropReason::ExtensionHeaders);
    }
    Ok(())
}

#[inline(never)]
fn extension_header<E: Env>(env: &mut E, packet: &mut Packet, place: u32) -> Result<(), DropReason> {
    let Some(header) = env.load::<4>(packet.l4_offset) else { return Err(DropReason::ExtensionHeaders) };
    let length = match packet.protocol {
        // Only right after the IPv6 header (RFC 8200 §4.1).
        proto::HOP_BY_HOP if place != 0 => return Err(DropReason::ExtensionHeaders),
        proto::FRAGMENT if packet.fragment != 0 => return Err(DropReason::ExtensionHeaders),
        proto::FRAGMENT => {
            let later = u16::from_be_bytes([header[2], header[3]]) & 0xfff8 != 0;
            packet.fragment = if later { LATER } else { FIRST };
            let Some(identification) = env.load(packet.l4_offset + 4) else {
                return Err(DropReason::ExtensionHeaders);
            };
            packet.identification = u32::from_be_bytes(identification);
            8
        }
        // In units of 4 bytes, less 2 (RFC 4302 §2.2).
        proto::AUTHENTICATION => (u32::from(header[1]) + 2) * 4,
        _ => (u32::from(header[1]) + 1) * 8,
    };
    packet.protocol = header[0];
    packet.l4_offset += length;
    packet.payload_offset = packet.l4_offset;
    if packet.l4_offset > packet.end { Err(DropReason::ExtensionHeaders) } else { Ok(()) }
}
