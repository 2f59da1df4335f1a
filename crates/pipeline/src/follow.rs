//! Packets that an operator follows: what is like a row of `FOLLOWS` is told to the node, as it came in and with what became of it.
//!
//! While nothing is followed, a packet pays for this with a look at one of its own fields. The node's copy of a packet is bounded three
//! times over: by the row's number, by its time, and by a rate for the whole host ([`Meter::Follow`]).

use crate::env::{Env, FollowCount, Meter};
use crate::meter;
use crate::packet::Packet;
use crate::table::{Follow, Followed, Headers, MAX_FOLLOWS, door};

/// Keeps a packet that somebody follows as it is, once its headers and its origin are known. Nothing has changed it yet.
#[inline(always)]
pub(crate) fn begin<E: Env>(env: &mut E, packet: &mut Packet) {
    if packet.following != 0 {
        packet.followed = env.follow(packet) as u8;
    }
}

/// Finds the row that a packet is followed by, and keeps the packet. The row's place from 1, or 0 for none.
#[inline(always)]
pub fn find_follow<E: Env>(env: &mut E, packet: &Packet) -> u32 {
    let seen = headers(env, packet);
    let now = env.now();
    let mut slot = 0;
    while slot < MAX_FOLLOWS as u32 && slot < packet.following {
        if env.follow_row(slot).is_some_and(|row| is_open(row, now) && row.is_of(&seen)) {
            return if keep(env, packet, slot, now) { slot + 1 } else { 0 };
        }
        slot += 1;
    }
    0
}

#[inline(always)]
fn is_open(row: &Follow, now: u64) -> bool {
    now < row.until && row.told < u64::from(row.most)
}

#[inline(always)]
fn headers<E: Env>(env: &E, packet: &Packet) -> Headers {
    Headers {
        source: packet.source_address,
        destination: packet.destination_address,
        network: packet.network,
        ifindex: env.ifindex(),
        source_port: packet.source_port,
        destination_port: packet.destination_port,
        ether_type: packet.ether_type,
        protocol: packet.protocol,
        door: door_of(packet),
    }
}

#[inline(always)]
fn door_of(packet: &Packet) -> u8 {
    match (packet.from_overlay, packet.from_provider) {
        (0, 0) => door::PORT,
        (0, _) => door::PROVIDER,
        _ => door::OVERLAY,
    }
}

/// Charges a packet to the host's rate and to its row, and keeps it.
#[inline(always)]
fn keep<E: Env>(env: &mut E, packet: &Packet, slot: u32, now: u64) -> bool {
    if !meter::admits(env, 0, Meter::Follow) {
        env.count_follow(slot, FollowCount::Lost);
        return false;
    }
    let told = env.count_follow(slot, FollowCount::Told);
    let Some((id, most)) = env.follow_row(slot).map(|row| (row.id, row.most)) else { return false };
    let (ifindex, gso_size) = (env.ifindex(), env.gso_size());
    told < u64::from(most)
        && env.keep(|kept| {
            *kept = Followed {
                time: now,
                id,
                length: packet.length,
                gso_size,
                ifindex,
                network: packet.network,
                peer: packet.peer,
                vlan: packet.vlan,
                door: door_of(packet).into(),
                ..Followed::default()
            };
        })
}

/// Tells of a packet that was kept, now that it is known what became of it.
#[inline(always)]
pub(crate) fn end<E: Env>(env: &mut E, packet: &Packet) {
    if packet.followed != 0 {
        tell(env, packet);
    }
}

#[inline(never)]
fn tell<E: Env>(env: &mut E, packet: &Packet) {
    let is_told = env.tell_followed(|kept| {
        (kept.verdict, kept.a, kept.b) = (packet.verdict.kind, packet.verdict.a, packet.verdict.b);
        kept.rule = packet.rule;
    });
    if !is_told {
        env.count_follow(u32::from(packet.followed) - 1, FollowCount::Lost);
    }
}
