//! Router and neighbour solicitations and neighbour advertisements: target and link-layer address (RFC 4861 §4).

use crate::address::Mac;
use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{Packet, icmpv6};

const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

/// Options that are looked at; hosts send one or two, and a message with more is refused.
const MAX_OPTIONS: u32 = 8;

#[inline(never)]
pub(super) fn parse<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    match packet.icmp_type {
        icmpv6::ROUTER_SOLICITATION => options(env, packet, packet.l4_offset + 8, SOURCE_LINK_LAYER),
        icmpv6::NEIGHBOUR_SOLICITATION => {
            target(env, packet)?;
            options(env, packet, packet.l4_offset + 24, SOURCE_LINK_LAYER)
        }
        icmpv6::NEIGHBOUR_ADVERTISEMENT => {
            target(env, packet)?;
            options(env, packet, packet.l4_offset + 24, TARGET_LINK_LAYER)
        }
        _ => Ok(()),
    }
}

#[inline(always)]
fn target<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    if packet.l4_offset + 24 > packet.end {
        return Err(DropReason::NdMalformed);
    }
    let Some(target) = env.load(packet.l4_offset + 8) else { return Err(DropReason::NdMalformed) };
    packet.nd_target.0 = target;
    if packet.nd_target.is_v4() { Err(DropReason::NdMalformed) } else { Ok(()) }
}

#[inline(never)]
fn options<E: Env>(env: &mut E, packet: &mut Packet, start: u32, wanted: u8) -> Result<(), DropReason> {
    let mut offset = start;
    let mut i = 0;
    while i < MAX_OPTIONS {
        if offset >= packet.end {
            break;
        }
        let length = option(env, packet, offset, wanted);
        if length == 0 {
            return Err(DropReason::NdMalformed);
        }
        offset += length;
        i += 1;
    }
    if offset == packet.end { Ok(()) } else { Err(DropReason::NdMalformed) }
}

/// Reads one option and returns its length in bytes, 0 for a malformed one.
#[inline(never)]
fn option<E: Env>(env: &mut E, packet: &mut Packet, offset: u32, wanted: u8) -> u32 {
    let Some([kind, length, m0, m1, m2, m3, m4, m5]) = env.load(offset) else { return 0 };
    if kind == wanted {
        let mac = Mac([m0, m1, m2, m3, m4, m5]);
        if length != 1 || (packet.has_link == 1 && packet.link != mac) {
            return 0;
        }
        packet.link = mac;
        packet.has_link = 1;
    }
    u32::from(length) * 8
}
