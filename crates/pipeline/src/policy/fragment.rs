//! Fragments: the first one has the ports and is judged, later ones follow it for as long as a host puts them together
//! (RFC 8200 §4.5: a minute; Linux: half of that). One that overtakes its first one is dropped, and the sender's packet with it.

use super::Denial;
use crate::env::Env;
use crate::packet::{FIRST, Packet, ether};
use crate::table::{Fragment, FragmentKey};

/// Nanoseconds for which later fragments may follow.
pub(crate) const LIFETIME: u64 = 30_000_000_000;

/// A later fragment passes where its first one has passed.
#[inline(never)]
pub(super) fn follows<E: Env>(env: &E, packet: &Packet, port: u32, way: u32) -> Result<(), Denial> {
    match env.fragment(&key(packet, port, way)) {
        Some(fragment) if fragment.expires > env.now() => Ok(()),
        _ => Err(Denial::Fragment),
    }
}

/// Remembers that a first fragment has passed.
#[inline(always)]
pub(super) fn note<E: Env>(env: &mut E, packet: &Packet, port: u32, way: u32) {
    if packet.fragment == FIRST {
        remember(env, packet, port, way);
    }
}

#[inline(never)]
fn remember<E: Env>(env: &mut E, packet: &Packet, port: u32, way: u32) {
    let fragment = Fragment { expires: env.now() + LIFETIME };
    env.insert_fragment(&key(packet, port, way), &fragment);
}

#[inline(always)]
fn key(packet: &Packet, port: u32, way: u32) -> FragmentKey {
    FragmentKey {
        port,
        source: packet.source_address,
        destination: packet.destination_address,
        identification: packet.identification,
        protocol: if packet.ether_type == ether::IPV4 { packet.protocol } else { 0 },
        direction: (way & 1) as u8,
        pad: [0; 2],
    }
}
