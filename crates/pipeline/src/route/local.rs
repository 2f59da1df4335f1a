//! What a router answers itself: echo requests to any of its addresses (RFC 1812 §4.3.3.6, RFC 4443 §4.2).

use super::{refuse, rewrite};
use crate::address::Address;
use crate::drop::DropReason;
use crate::env::{Changed, Env};
use crate::packet::{Packet, WHOLE, ether};
use crate::table::target;

const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REPLY_V4: u8 = 0;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
/// As hosts set it (RFC 1700 "IP TIME TO LIVE PARAMETER").
const HOP_LIMIT: u8 = 64;
/// Where the checksum is in an ICMP message.
const CHECKSUM: u32 = 2;

/// Turns an echo request into its reply to the sending port; nothing else is served at a router's address.
#[inline(always)]
pub(super) fn answer<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let reply = match (packet.ether_type, packet.icmp_type) {
        (ether::IPV4, ECHO_REQUEST_V4) => ECHO_REPLY_V4,
        (_, ECHO_REQUEST_V6) => ECHO_REPLY_V6,
        _ => return refuse(env, packet, DropReason::RouterUnserved),
    };
    if !packet.is_icmp() || packet.fragment != WHOLE {
        return refuse(env, packet, DropReason::RouterUnserved);
    }
    if echo(env, packet, reply) { Ok(()) } else { Err(DropReason::OutputFailed) }
}

#[inline(never)]
fn echo<E: Env>(env: &mut E, packet: &mut Packet, reply: u8) -> bool {
    let old = [packet.icmp_type, packet.icmp_code, 0, 0];
    let new = [reply, packet.icmp_code, 0, 0];
    let l4 = packet.l4_offset;
    packet.icmp_type = reply;
    packet.hop_limit = HOP_LIMIT;
    env.store(l4, &[reply])
        && env.replace_checksum(l4 + CHECKSUM, &old, &new, Changed::Message)
        && exchange_addresses(env, packet)
        && rewrite::hop_limit(env, packet)
        && return_to_sender(env, packet)
}

/// Exchanges source and destination of the header; no checksum changes by that.
#[inline(always)]
fn exchange_addresses<E: Env>(env: &mut E, packet: &mut Packet) -> bool {
    let Packet { header_source: source_address, header_destination: destination_address, .. } = *packet;
    (packet.source_address, packet.destination_address) = (destination_address, source_address);
    if packet.ether_type == ether::IPV6 {
        return env.store(ether::HEADER + 8, &destination_address.0)
            && env.store(ether::HEADER + 24, &source_address.0);
    }
    let ([a, b, c, d], [e, f, g, h]) = (destination_address.tail(), source_address.tail());
    env.store(ether::HEADER + 12, &[a, b, c, d, e, f, g, h])
}

/// Sends the packet back by the router's interface that it entered by.
#[inline(always)]
pub(super) fn return_to_sender<E: Env>(env: &mut E, packet: &mut Packet) -> bool {
    let Some(interface) = env.router_interface(packet.entered) else { return false };
    let (mac, network) = (interface.mac, interface.network);
    packet.destination = packet.sender;
    packet.source = mac;
    packet.network = network;
    (packet.target_kind, packet.target_id) = match packet.from_provider {
        0 => (target::PORT, packet.port),
        _ => (target::PROVIDER, 0),
    };
    rewrite::macs(env, packet.destination, packet.source)
}

/// True for an address that one host alone has.
#[inline(always)]
pub(super) fn is_one_host(address: Address) -> bool {
    !address.is_multicast()
        && address != Address::UNSPECIFIED
        && address != Address::UNSPECIFIED_V4
        && address != Address::BROADCAST_V4
}
