//! A router with several ways outside: who has an address or a session by one of them leaves by that, whatever the routes would choose.

use crate::env::Env;
use crate::floating;
use crate::packet::{Packet, ether};
use crate::table::{MAX_PATHS, RouteKey};

/// Sets [`Packet::exit`] and [`Packet::next_hop`] to the way outside where the packet's source is known, if it is by one; first of all by
/// the one that is chosen. What another host has sent to be brought outside leaves by the interface that it came to.
#[inline(never)]
pub(super) fn keep<E: Env>(env: &mut E, packet: &mut Packet, router: u32) {
    let is_v4 = packet.ether_type == ether::IPV4;
    let may_be_known = is_v4 || packet.relayed != 0;
    if !may_be_known || is_here(env, packet) || is_known(env, packet) {
        return;
    }
    let (chosen, next_hop) = (packet.exit, packet.next_hop);
    let mut place = 0;
    while place < MAX_PATHS as u32 {
        let Some(route) = env.route(&RouteKey::everywhere(router, is_v4)) else { break };
        let path = env.path(route, place);
        if path.interface == 0 {
            break;
        }
        packet.exit = path.interface;
        if path.interface != chosen && is_known(env, packet) {
            packet.next_hop = path.gateway;
            return;
        }
        place += 1;
    }
    (packet.exit, packet.next_hop) = (chosen, next_hop);
}

/// Whether the source is known by the interface in [`Packet::exit`].
#[inline(always)]
fn is_known<E: Env>(env: &mut E, packet: &mut Packet) -> bool {
    if packet.relayed != 0 { packet.exit == packet.target_id } else { env.nat_knows(packet) != 0 }
}

/// Whether the packet is for a floating IP that is found without leaving.
#[inline(always)]
fn is_here<E: Env>(env: &E, packet: &mut Packet) -> bool {
    let Some(exit) = env.router_interface(packet.exit) else { return true };
    let (network, before) = (exit.network, packet.network);
    packet.network = network;
    let is_here = floating::is_outside(env, packet);
    packet.network = before;
    is_here
}
