//! Addresses that an instance chooses itself in its network's prefixes (RFC 4862, RFC 8981), bound to its port when it asks whether
//! anybody has them (duplicate address detection), first come, first served (RFC 6620).
//!
//! ```text
//! solicitation from :: ──► bound, tentative ──► half a second ──► the port may use it ──► idle for days: gone
//!                              │ an advertisement of somebody else who has it: gone
//! ```
//! It is bounded: a port has the last [`crate::table::PRIVACY_SLOTS`] that it has chosen.

use crate::address::Address;
use crate::env::Env;
use crate::packet::{Packet, icmpv6};
use crate::table::{NeighbourKey, PrivacyAddress, PrivacyPrefixKey, port_flag};

/// Nanoseconds in which somebody else may say that an address is theirs; RFC 6620 §4: TENT_LT. A host asks for a second before
/// it uses an address (RFC 4862 §5.4).
const TENTATIVE: u64 = 500_000_000;

/// Nanoseconds after which an address that is not used is the port's no more. Hosts drop theirs after a week at most (RFC 8981 §3.8
/// and its predecessors).
const LIFETIME: u64 = 8 * 86_400 * 1_000_000_000;

/// A use prolongs an address that many nanoseconds after the last one that did.
const PROLONGED_AFTER: u64 = 3600 * 1_000_000_000;

/// Binds what the port asks for, if it may have it. To be asked for valid solicitations from the unspecified address only.
#[inline(always)]
pub(crate) fn choose<E: Env>(env: &mut E, packet: &Packet) {
    if packet.port_flags & port_flag::PRIVACY != 0 && packet.icmp_type == icmpv6::NEIGHBOUR_SOLICITATION {
        bind(env, packet);
    }
}

#[inline(never)]
fn bind<E: Env>(env: &mut E, packet: &Packet) {
    let key = NeighbourKey { network: packet.network, address: packet.nd_target };
    if !env.is_privacy_prefix(&PrivacyPrefixKey::new(key.network, key.address, 128))
        || env.neighbour(&key).is_some()
        || is_taken(env, &key)
    {
        return;
    }
    let mut replaced = key;
    if !env.choose_address(packet.port, &mut replaced.address) {
        return;
    }
    if replaced.address != Address::UNSPECIFIED {
        remove(env, &replaced, packet.port);
    }
    let now = env.now();
    let (expires, tentative) = (now + LIFETIME, now + TENTATIVE);
    env.insert_privacy_address(&key, &PrivacyAddress { port: packet.port, reserved: 0, expires, tentative });
}

/// True when the address is bound to a port that is still here, be it the asking one.
#[inline(always)]
fn is_taken<E: Env>(env: &E, key: &NeighbourKey) -> bool {
    let Some(row) = env.privacy_address(key) else { return false };
    let (port, expires) = (row.port, row.expires);
    expires > env.now() && env.port(port).is_some()
}

#[inline(always)]
fn remove<E: Env>(env: &mut E, key: &NeighbourKey, port: u32) {
    if env.privacy_address(key).is_some_and(|row| row.port == port) {
        env.remove_privacy_address(key);
    }
}

/// Whether the port may use an address that it has chosen.
#[inline(never)]
pub(crate) fn owns<E: Env>(env: &mut E, packet: &Packet, address: &Address) -> bool {
    let key = NeighbourKey { network: packet.network, address: *address };
    let Some(row) = env.privacy_address(&key) else { return false };
    let mut row = *row;
    let now = env.now();
    if row.port != packet.port || row.expires <= now || row.tentative > now {
        return false;
    }
    if row.expires + PROLONGED_AFTER < now + LIFETIME {
        row.expires = now + LIFETIME;
        env.insert_privacy_address(&key, &row);
    }
    true
}

/// Takes in an advertisement: what a port here has just asked for is somebody else's.
#[inline(always)]
pub(crate) fn defend<E: Env>(env: &mut E, packet: &Packet) {
    if packet.is_icmpv6() && packet.icmp_type == icmpv6::NEIGHBOUR_ADVERTISEMENT {
        unbind(env, packet);
    }
}

#[inline(never)]
fn unbind<E: Env>(env: &mut E, packet: &Packet) {
    let key = NeighbourKey { network: packet.network, address: packet.nd_target };
    let Some(row) = env.privacy_address(&key) else { return };
    let (port, tentative) = (row.port, row.tentative);
    if port != packet.port && tentative > env.now() {
        env.remove_privacy_address(&key);
    }
}
