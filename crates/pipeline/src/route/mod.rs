//! Stage 6: routers. A packet for a router's MAC is taken through it, and through those behind it, at the sender's host; it then
//! stands in the destination's network, from the last router's MAC, and is delivered as if it had been sent there.
//!
//! ```text
//! target: a router's interface
//!   └─► hop ── route ── next hop's MAC ──► another router: hop again, up to 8
//!         │                           └──► a port, a host: rewritten once, delivered
//!         ├─ the router's own address ───► echo: answered; else unreachable
//!         ├─ a next hop that nobody knows ► the router's question for it, to everyone
//!         └─ no way on ──────────────────► an ICMP error, delivered to the sender
//! ```
//! What a router says to the sender goes through the ingress policy of the sender's port, like every packet.

mod error;
mod exits;
mod hop;
mod local;
mod path;
mod rewrite;
mod scope;
mod solicit;
mod translate;

use crate::drop::DropReason;
use crate::env::{Env, Meter, PortCounter};
use crate::meter;
use crate::packet::{Packet, ether};
use crate::stage::Stage;
use crate::switch;
use crate::table::target;
pub use error::complain;
pub use hop::hop;
pub(crate) use path::mix;
pub(crate) use rewrite::corrected;

/// Most routers that a packet passes.
const MAX_HOPS: u32 = 8;

/// What [`hop`] answers beside numbers of [`DropReason`].
pub(crate) mod answer {
    /// The packet has reached another router.
    pub(crate) const AGAIN: u32 = 0;
    /// It stands in the network of its destination.
    pub(crate) const ARRIVED: u32 = 0x100;
    /// It is for the router itself.
    pub(crate) const LOCAL: u32 = 0x200;
    /// The next hop is not listed, and may be there nevertheless.
    pub(crate) const UNLISTED: u32 = 0x300;
}

/// Takes a packet for a router's MAC to where it goes from there; leaves every other as it is.
#[inline(always)]
pub(crate) fn route<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    if packet.target_kind != target::ROUTER {
        return Ok(());
    }
    env.enter(Stage::Route);
    if packet.is_neighbour_answer() {
        return tell_hosts(env, packet);
    }
    if !matches!(packet.ether_type, ether::IPV4 | ether::IPV6) {
        return Err(DropReason::NotRouted);
    }
    packet.sender = packet.source;
    packet.header_source = packet.source_address;
    packet.header_destination = packet.destination_address;
    let mut found = answer::AGAIN;
    let mut hops = 0;
    while hops < MAX_HOPS && found == answer::AGAIN {
        found = env.hop(packet);
        hops += 1;
    }
    if found == answer::UNLISTED {
        match ask(env, packet) {
            Err(DropReason::NextHopUnknown) => found = DropReason::NextHopUnknown as u32,
            asked => return asked,
        }
    }
    match found {
        answer::ARRIVED => rewrite::forward(env, packet),
        answer::LOCAL => local::answer(env, packet),
        answer::AGAIN => refuse(env, packet, DropReason::RouterLoop),
        number => refuse(env, packet, DropReason::from_number(number).unwrap_or(DropReason::NotRouted)),
    }
}

/// Tells the sender why its packet does not go on, if it may be told; the packet itself is dropped either way.
#[inline(always)]
fn refuse<E: Env>(env: &mut E, packet: &mut Packet, reason: DropReason) -> Result<(), DropReason> {
    if env.complain(packet, reason as u32) == 0 {
        return Err(reason);
    }
    env.count_drop(reason);
    if packet.from_provider == 0 {
        env.count_port(packet.port, PortCounter::SentDropped, packet.length);
    }
    Ok(())
}

/// Turns the packet into the router's question for the next hop. It is lost by that; what follows it finds the answer.
#[inline(always)]
fn ask<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    // What is relayed was charged to nobody here, and becomes at most one question for each packet.
    if packet.relayed == 0 && !meter::admits(env, packet.port, Meter::Miss) {
        return Err(DropReason::NextHopUnknown);
    }
    if solicit::question(env, packet) && switch::everyone(env, packet) {
        Ok(())
    } else {
        Err(DropReason::OutputFailed)
    }
}

/// An answer to a router's question goes to all hosts of the network, each of which is the router.
#[inline(always)]
fn tell_hosts<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    if !switch::everyone(env, packet) {
        return Err(DropReason::UnknownNetwork);
    }
    if meter::admits(env, packet.port, Meter::Flood) { Ok(()) } else { Err(DropReason::FloodRate) }
}
