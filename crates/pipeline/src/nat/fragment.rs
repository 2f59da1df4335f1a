//! Later fragments of translated packets: they have no ports, and follow their first one.

use super::to_host;
use crate::address::Address;
use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{FIRST, Packet, translated};
use crate::policy::FRAGMENT_LIFETIME;
use crate::table::{NatFragment, NatFragmentKey, direction};

/// Remembers what a first fragment becomes.
#[inline(always)]
pub(super) fn note<E: Env>(env: &mut E, packet: &Packet, way: u32, address: [u8; 4], port: u32) {
    if packet.fragment == FIRST {
        remember(env, packet, way, address, [port, 0]);
    }
}

/// Remembers that a first fragment is relayed to a host.
#[inline(always)]
pub(super) fn note_relayed<E: Env>(env: &mut E, packet: &Packet, host: u32) {
    if packet.fragment == FIRST {
        remember(env, packet, direction::INGRESS, [0; 4], [0, host]);
    }
}

/// Whether the first fragment left by the router's interface in [`Packet::exit`].
#[inline(never)]
pub(super) fn is_known<E: Env>(env: &E, packet: &Packet) -> bool {
    env.nat_fragment(&key(packet, direction::EGRESS)).is_some_and(|row| row.expires > env.now())
}

/// Gives a later fragment the source of its first one.
#[inline(never)]
pub(super) fn leave<E: Env>(env: &E, packet: &mut Packet) -> bool {
    let Some(row) = env.nat_fragment(&key(packet, direction::EGRESS)) else { return false };
    if row.expires <= env.now() {
        return false;
    }
    packet.source_address = Address::v4(row.address);
    packet.translated |= translated::SOURCE;
    true
}

/// Leads a later fragment where its first one went.
#[inline(never)]
pub(super) fn enter<E: Env>(env: &E, packet: &mut Packet) -> u32 {
    let Some(row) = env.nat_fragment(&key(packet, direction::INGRESS)) else {
        return DropReason::NoSession as u32;
    };
    if row.expires <= env.now() {
        return DropReason::NoSession as u32;
    }
    let NatFragment { address, interface, port, host, .. } = *row;
    if host != 0 {
        return to_host(env, packet, host);
    }
    (packet.port, packet.target_id) = (port, interface);
    packet.destination_address = Address::v4(address);
    packet.translated |= translated::DESTINATION;
    0
}

#[inline(never)]
fn remember<E: Env>(env: &mut E, packet: &Packet, way: u32, address: [u8; 4], [port, host]: [u32; 2]) {
    let expires = env.now() + FRAGMENT_LIFETIME;
    let row = NatFragment { expires, address, interface: packet.target_id, port, host };
    env.insert_nat_fragment(&key(packet, way), &row);
}

#[inline(always)]
fn key(packet: &Packet, way: u32) -> NatFragmentKey {
    NatFragmentKey {
        scope: if way == direction::EGRESS { packet.exit } else { packet.network },
        source: packet.source_address.tail(),
        destination: packet.destination_address.tail(),
        identification: packet.identification as u16,
        protocol: packet.protocol,
        direction: (way & 1) as u8,
        reserved: 0,
    }
}
