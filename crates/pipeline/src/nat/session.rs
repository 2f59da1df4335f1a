//! Sessions: finding one, keeping it in force, beginning one with a free port.

use super::Translation;
use super::ends::Ends;
use crate::drop::DropReason;
use crate::env::{Env, Meter};
use crate::meter;
use crate::packet::{Packet, proto};
use crate::policy::{Progress, advance, is_opening, lifetime, may_begin, query_of};
use crate::route::mix;
use crate::table::{
    NAT_BLOCK, NAT_POOL, NatPoolKey, NatSession, NatSessionKey, PuntHeader, SWEEP_OVERDUE, connection_state,
    direction, is_renumbered,
};
use crate::verdict::PuntReason;

/// Ports that a new session tries, from one that its addresses and ports name.
const TRIES: u32 = 64;
/// How far apart these are; odd, so that the tries of one block are all its ports (Knuth's multiplicative constant).
const STRIDE: u32 = 0x9e37_79b1;
/// From so many tries on the host is to lease further ports.
const CROWDED: u32 = 16;
const SECOND: u64 = 1_000_000_000;

/// Finds or begins the session of a packet on the way out. 0, or the number of a [`DropReason`].
#[inline(always)]
pub(super) fn of_leaving<E: Env>(
    env: &mut E,
    packet: &Packet,
    scratch: &mut Translation,
    may_begin: bool,
) -> u32 {
    let is_found = find(env, packet, scratch) && holds_slot(env, scratch);
    if scratch.ends.kind == Ends::ERROR {
        return if is_found { 0 } else { DropReason::NoSession as u32 };
    }
    if is_found && take_in(env, packet, scratch, direction::EGRESS) {
        return 0;
    }
    if may_begin { begin(env, packet, scratch) } else { DropReason::NoSession as u32 }
}

/// Finds the session of a packet on the way in.
#[inline(always)]
pub(super) fn of_entering<E: Env>(env: &mut E, packet: &Packet, scratch: &mut Translation) -> bool {
    let Translation { key, back_key, back, .. } = scratch;
    let Some(row) = env.nat_return(back_key) else { return false };
    *back = *row;
    *key = back.session(back_key);
    if !find(env, packet, scratch) || !scratch.is_mutual() || !holds_slot(env, scratch) {
        return false;
    }
    if scratch.ends.kind != Ends::ERROR {
        take_in(env, packet, scratch, direction::INGRESS);
    }
    true
}

/// Finds or begins the session of a packet on the way in to a port that is forwarded. 0, or the number of a [`DropReason`].
#[inline(never)]
pub(super) fn of_forwarded<E: Env>(env: &mut E, packet: &Packet, scratch: &mut Translation) -> u32 {
    let is_found = find(env, packet, scratch);
    if is_found && !scratch.is_mutual() {
        // The same two ends talk by another port outside.
        return DropReason::NoOutsidePort as u32;
    }
    if scratch.ends.kind == Ends::ERROR {
        return if is_found { 0 } else { DropReason::NoSession as u32 };
    }
    if is_found {
        take_in(env, packet, scratch, direction::INGRESS);
        return 0;
    }
    if !begins(packet, scratch) {
        return DropReason::NoSession as u32;
    }
    if !insert(env, packet, scratch, direction::INGRESS) {
        return DropReason::NatSessions as u32;
    }
    if !env.claim_nat_return(&scratch.back_key, &scratch.back) {
        // Left by a session of who had the port before.
        env.set_nat_return(&scratch.back_key, &scratch.back);
    }
    0
}

/// Whether a packet may begin a session.
#[inline(always)]
fn begins(packet: &Packet, scratch: &Translation) -> bool {
    let is_answer =
        scratch.ends.kind == Ends::QUERY && packet.icmp_type != query_of(proto::ICMP, packet.icmp_type);
    may_begin(packet) && !is_answer
}

/// Copies the session in force.
#[inline(always)]
pub(super) fn find<E: Env>(env: &E, packet: &Packet, scratch: &mut Translation) -> bool {
    let Some(row) = env.nat_session(&scratch.key) else { return false };
    scratch.session = *row;
    scratch.session.expires > packet.now
}

/// Whether the session needs no slot or this host still has it: one that it has given back may be another host's now. Forwarded ports
/// need none.
#[inline(never)]
fn holds_slot<E: Env>(env: &E, scratch: &Translation) -> bool {
    let is_forwarded = u32::from(scratch.session.direction) == direction::INGRESS;
    if is_renumbered(scratch.key.protocol) || is_forwarded {
        return true;
    }
    env.nat_owner(&scratch.owner(scratch.session.outside)).is_some_and(|owner| owner.host == 0)
}

impl Translation {
    /// Whether the session has the address and the port of the way back.
    #[inline(always)]
    fn is_mutual(&self) -> bool {
        (self.session.outside, self.session.outside_port)
            == (self.back_key.outside, self.back_key.outside_port)
    }
}

/// Takes a packet into its session. False when that has lost its port to another, as after an eviction.
#[inline(always)]
fn take_in<E: Env>(env: &mut E, packet: &Packet, scratch: &mut Translation, way: u32) -> bool {
    let session = &mut scratch.session;
    let before = (session.state, session.finished, session.expires);
    if packet.protocol == proto::TCP {
        let after = if session.state >= connection_state::CLOSING && is_opening(packet) {
            Progress { state: connection_state::OPENING, finished: 0 }
        } else {
            let progress = Progress { state: session.state, finished: session.finished };
            advance(progress, session.direction, packet, way)
        };
        (session.state, session.finished) = (after.state, after.finished);
    } else if session.state == connection_state::OPENING && way != u32::from(session.direction) {
        session.state = connection_state::ESTABLISHED;
    }
    let lifetime = lifetime(env, packet.protocol, session.state);
    session.expires = packet.now + lifetime;
    // As with connections: not for each packet.
    let is_same = (session.state, session.finished) == (before.0, before.1);
    if is_same && session.expires <= before.2 + (lifetime / 16).min(SECOND) {
        return true;
    }
    env.set_nat_session(&scratch.key, &scratch.session);
    way == direction::INGRESS || holds_port(env, scratch)
}

/// Makes sure that the way back leads to the session.
#[inline(never)]
fn holds_port<E: Env>(env: &mut E, scratch: &mut Translation) -> bool {
    scratch.back_key.outside = scratch.session.outside;
    scratch.back_key.outside_port = scratch.session.outside_port;
    claim(env, scratch)
}

/// Begins a session with a port that is free towards the other side.
#[inline(always)]
fn begin<E: Env>(env: &mut E, packet: &Packet, scratch: &mut Translation) -> u32 {
    if !begins(packet, scratch) {
        return DropReason::NoSession as u32;
    }
    let key = NatPoolKey { interface: scratch.key.interface };
    if !has_address(env, key.interface) {
        return DropReason::NoOutsideAddress as u32;
    }
    let mut ports = 0;
    if let Some(pool) = env.nat_pool(&key) {
        ports = pool.count.min(NAT_POOL as u32) * u32::from(NAT_BLOCK);
        scratch.back_key.outside = pool.address;
    }
    if !insert(env, packet, scratch, direction::EGRESS) {
        return DropReason::NatSessions as u32;
    }
    let reason = if is_renumbered(scratch.ends.protocol) {
        by_port(env, packet, scratch, ports)
    } else {
        by_slot(env, packet, scratch)
    };
    if reason != 0 {
        remove(env, packet.port, &scratch.key);
    }
    reason
}

/// Gives the session a port that is free.
#[inline(always)]
fn by_port<E: Env>(env: &mut E, packet: &Packet, scratch: &mut Translation, ports: u32) -> u32 {
    let tried = if ports == 0 { TRIES + 1 } else { find_port(env, scratch, ports) };
    if tried > CROWDED {
        ask(env, packet, scratch.key.interface, PuntReason::OutsidePorts);
    }
    match (tried, ports) {
        (..=TRIES, _) => 0,
        (_, 0) => DropReason::OutsidePortsAwaited as u32,
        _ => DropReason::NoOutsidePort as u32,
    }
}

/// Lets the session keep its port, or have none, if this host has its slot and nobody here has the same.
#[inline(never)]
fn by_slot<E: Env>(env: &mut E, packet: &Packet, scratch: &mut Translation) -> u32 {
    let Some(owner) = env.nat_owner(&scratch.owner(scratch.back_key.outside)) else {
        ask(env, packet, scratch.key.interface, PuntReason::OutsideSlot);
        return DropReason::OutsidePortsAwaited as u32;
    };
    let is_own = owner.host == 0;
    let port = scratch.key.inside_port;
    (scratch.back_key.outside_port, scratch.session.outside_port) = (port, port);
    if is_own {
        env.set_nat_session(&scratch.key, &scratch.session);
    }
    if is_own && claim(env, scratch) { 0 } else { DropReason::NoOutsidePort as u32 }
}

/// Whether the router has an address to be shared.
#[inline(never)]
fn has_address<E: Env>(env: &E, interface: u32) -> bool {
    env.router_interface(interface).is_some_and(|row| row.address_v4 != [0; 4])
}

/// Tries ports one by one; how many it took, more than [`TRIES`] when none was free.
#[inline(always)]
fn find_port<E: Env>(env: &mut E, scratch: &mut Translation, ports: u32) -> u32 {
    let first = hash(scratch);
    let mut tried = 0;
    while tried < TRIES {
        let place = first.wrapping_add(tried.wrapping_mul(STRIDE)).checked_rem(ports).unwrap_or(0);
        tried += 1;
        if env.nat_try(scratch, place) != 0 {
            return tried;
        }
    }
    TRIES + 1
}

/// Tries the port in this place of the host's blocks. 1 when the session has it.
#[inline(always)]
pub fn nat_try<E: Env>(env: &mut E, scratch: &mut Translation, place: u32) -> u32 {
    let Some(block) = env.nat_block(scratch.key.interface, place / u32::from(NAT_BLOCK)) else { return 0 };
    let port = block.wrapping_mul(NAT_BLOCK).wrapping_add(place as u16 & (NAT_BLOCK - 1));
    scratch.back_key.outside_port = port;
    scratch.session.outside_port = port;
    // First the session: who finds the way back taken asks for it.
    env.set_nat_session(&scratch.key, &scratch.session);
    u32::from(claim(env, scratch))
}

#[inline(always)]
fn hash(scratch: &Translation) -> u32 {
    let NatSessionKey { inside, remote, inside_port, remote_port, protocol, .. } = scratch.key;
    let hash = mix(mix(protocol.into(), u32::from_ne_bytes(inside)), u32::from_ne_bytes(remote));
    let hash = mix(hash, u32::from(inside_port) << 16 | u32::from(remote_port));
    hash ^ hash >> 16
}

/// Makes the way back lead to the session, unless another in force has it. Two that take it from one that is over at once both have
/// it; the next refresh of the one that lost it tells.
#[inline(never)]
fn claim<E: Env>(env: &mut E, scratch: &Translation) -> bool {
    let Translation { back_key, back, .. } = scratch;
    if env.claim_nat_return(back_key, back) {
        return true;
    }
    let Some(row) = env.nat_return(back_key) else { return false };
    let holder = *row;
    if holder == *back {
        return true;
    }
    if let Some(session) = env.nat_session(&holder.session(back_key)) {
        let has = (session.outside, session.outside_port) == (back_key.outside, back_key.outside_port);
        if has && session.expires > env.now() {
            return false;
        }
    }
    env.set_nat_return(back_key, back);
    true
}

/// Writes the session's row, on the way out without a port yet, and charges it to the instance's port; false if that may have no more.
#[inline(never)]
fn insert<E: Env>(env: &mut E, packet: &Packet, scratch: &mut Translation, way: u32) -> bool {
    let is_new = env.nat_session(&scratch.key).is_none();
    if is_new && !has_room(env, packet.port) {
        return false;
    }
    let state = connection_state::OPENING;
    let lifetime = lifetime(env, packet.protocol, state);
    scratch.session = NatSession {
        expires: packet.now + lifetime,
        port: packet.port,
        outside: scratch.back_key.outside,
        outside_port: scratch.back_key.outside_port,
        state,
        finished: 0,
        direction: (way & 1) as u8,
        pad: [0; 3],
    };
    let is_kept = env.insert_nat_session(&scratch.key, &scratch.session);
    if is_kept && is_new {
        count(env, packet.port, 1);
    }
    is_kept
}

/// Room for one more session. A port of which nothing is counted has none.
#[inline(never)]
fn has_room<E: Env>(env: &mut E, port: u32) -> bool {
    let Some(row) = env.port(port) else { return false };
    let limit = row.connection_limit;
    let Some(row) = env.nat_count(port) else { return false };
    let (count, since) = (row.count, row.since);
    if count < limit {
        return true;
    }
    // What has expired still has its rows while no sweep comes, and must lock nobody out.
    let is_overdue = env.now() > since + SWEEP_OVERDUE;
    if limit != 0 && is_overdue {
        env.restart_nat_count(port);
    }
    limit != 0 && is_overdue
}

#[inline(never)]
fn remove<E: Env>(env: &mut E, port: u32, key: &NatSessionKey) {
    if env.remove_nat_session(key) {
        count(env, port, u32::MAX);
    }
}

/// Adds to the port's count; it is not below zero, as the sweep may have begun it anew.
#[inline(always)]
fn count<E: Env>(env: &mut E, port: u32, change: u32) {
    let Some(row) = env.nat_count(port) else { return };
    let count = row.count.wrapping_add(change);
    if count != u32::MAX {
        env.set_nat_count(port, count);
    }
}

/// Tells the host's node that more of a router's address is needed.
#[inline(never)]
fn ask<E: Env>(env: &mut E, packet: &Packet, interface: u32, reason: PuntReason) {
    if meter::admits(env, packet.port, Meter::Punt) {
        let reason = reason as u32;
        // Nobody waits for it: what is lost is told again by the next session.
        env.punt(&PuntHeader { port: packet.port, length: packet.length, ifindex: interface, reason });
    }
}
