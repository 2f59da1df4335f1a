//! One router: which way the packet goes on from it.

use super::scope::{self, crossing};
use super::{answer, exits, path};
use crate::address::{Address, Mac};
use crate::drop::DropReason;
use crate::env::Env;
use crate::floating;
use crate::nat;
use crate::packet::{Packet, ether};
use crate::switch;
use crate::table::{
    NeighbourKey, OUTSIDE, RouteKey, network_flag, route_kind, router_interface_flag as flag, target,
};

/// Takes the packet from the router's interface in [`Packet::target_id`] to its next hop. 0 when that is another router, else what
/// `answer` or a [`DropReason`]'s number says.
#[inline(always)]
pub fn hop<E: Env>(env: &mut E, packet: &mut Packet) -> u32 {
    match step(env, packet) {
        Ok(()) if packet.target_kind == target::ROUTER => answer::AGAIN,
        Ok(()) => answer::ARRIVED,
        Err(answer) => answer,
    }
}

#[inline(always)]
fn step<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), u32> {
    let is_led_in = packet.target_id == OUTSIDE;
    let entering = if is_led_in { floating::enter(env, packet) } else { 0 };
    if packet.target_kind == target::ROUTER {
        packet.router_interface = packet.target_id;
        if packet.entered == 0 {
            packet.entered = packet.target_id;
        }
    }
    if entering != 0 {
        return Err(entering);
    }
    let Some(entry) = env.router_interface(packet.target_id) else { return Err(GONE) };
    let (router, network, mac, own_mac) = (entry.router, entry.network, entry.mac, entry.own_mac);
    let flags = entry.flags;
    // A row that has just become another's must not lead into another network.
    if network != packet.network {
        return Err(GONE);
    }
    if is_link_local_of(packet, mac) || is_link_local_of(packet, own_mac) {
        return Err(answer::LOCAL);
    }
    if !is_forwarded(packet) {
        return Err(DropReason::NotRouted as u32);
    }
    choose(env, packet, router)?;
    // Who relays a packet has taken it through the router.
    if packet.relayed == 0 {
        if packet.hop_limit <= 1 {
            return Err(DropReason::HopLimit as u32);
        }
        packet.hop_limit -= 1;
    }
    leave(env, packet, router, flags, is_led_in)
}

/// Whether the packet may go from one side of the router to the other, and as whom: its source becomes the one that it has there.
#[inline(never)]
fn cross<E: Env>(
    env: &mut E,
    packet: &mut Packet,
    [before, after]: [u32; 2],
    is_led_in: bool,
) -> Result<(), u32> {
    let is_scoped = (before | after) & flag::SCOPED != 0;
    let crossing =
        if is_scoped { scope::crossing_from(env, packet, packet.target_id) } else { crossing::UNSCOPED };
    let is_v4 = packet.ether_type == ether::IPV4;
    // From outside to what has no address there.
    if before & flag::TRANSLATED_ONLY != 0 && is_v4 && !is_led_in && crossing != crossing::WITHIN {
        return Err(NO_ROUTE);
    }
    let was = packet.translated;
    if after & flag::EXTERNAL != 0 {
        let flags = if crossing == crossing::WITHIN { after & !flag::TRANSLATED_ONLY } else { after };
        let reason = floating::leave(env, packet, flags);
        if reason != 0 {
            return Err(reason);
        }
    }
    let is_translated = is_led_in || packet.translated != was;
    if crossing == crossing::BETWEEN && !is_translated { Err(OTHER_SCOPE) } else { Ok(()) }
}

/// Whether the packet is for the address that a router has by its MAC (RFC 4291 appendix A).
#[inline(never)]
fn is_link_local_of(packet: &Packet, mac: Mac) -> bool {
    packet.destination_address == mac.link_local()
}

const GONE: u32 = DropReason::RouterGone as u32;
const NO_ROUTE: u32 = DropReason::NoRoute as u32;
const OTHER_SCOPE: u32 = DropReason::OtherScope as u32;

/// Link-local, multicast and unspecified addresses stay in their network (RFC 4291 §2.5.6, RFC 3927 §7, RFC 1812 §5.3.7).
#[inline(never)]
fn is_forwarded(packet: &Packet) -> bool {
    !packet.destination_address.is_multicast()
        && packet.destination_address.is_global()
        && packet.source_address.is_global()
        && packet.destination_address != Address::BROADCAST_V4
}

/// Sets [`Packet::exit`] and [`Packet::next_hop`] as the router's routes say.
#[inline(never)]
fn choose<E: Env>(env: &E, packet: &mut Packet, router: u32) -> Result<(), u32> {
    let key = RouteKey::new(router, packet.destination_address, 128);
    let Some(route) = env.route(&key) else { return Err(NO_ROUTE) };
    match route.kind {
        route_kind::LOCAL => return Err(answer::LOCAL),
        route_kind::FORWARD => {}
        _ => return Err(NO_ROUTE),
    }
    let path = env.path(route, path::of_flow(packet, route.count));
    packet.exit = path.interface;
    packet.next_hop = path.gateway;
    if packet.next_hop == Address::UNSPECIFIED {
        packet.next_hop = packet.destination_address;
    }
    // The kernel takes a packet that becomes an ARP request for one of IP still, and its header must fit.
    if packet.next_hop.is_v4() != (packet.ether_type == ether::IPV4) {
        return Err(NO_ROUTE);
    }
    Ok(())
}

/// Puts the packet into the next network, on its way from the router's interface in [`Packet::exit`] to the next hop.
/// `before` has the flags of the interface that it came by.
#[inline(always)]
fn leave<E: Env>(
    env: &mut E,
    packet: &mut Packet,
    router: u32,
    before: u32,
    is_led_in: bool,
) -> Result<(), u32> {
    let Some(mut exit) = env.router_interface(packet.exit) else { return Err(NO_ROUTE) };
    if exit.flags & flag::ONE_OF_SEVERAL != 0 {
        exits::keep(env, packet, router);
        let Some(kept) = env.router_interface(packet.exit) else { return Err(NO_ROUTE) };
        exit = kept;
    }
    let (owner, network, mac, mtu) = (exit.router, exit.network, exit.mac, exit.mtu);
    let (flags, relay, own_mac) = (exit.flags, exit.relay, exit.own_mac);
    if owner != router {
        return Err(NO_ROUTE);
    }
    if packet.relayed == 0 {
        cross(env, packet, [before, flags], is_led_in)?;
    }
    let mtu = if relay == 0 { mtu } else { mtu.min(nat::overlay_mtu(env)) };
    if packet.ip_length(env.gso_size()) > mtu {
        packet.error_mtu = mtu;
        return Err(DropReason::RouteTooBig as u32);
    }
    packet.source = mac;
    packet.network = network;
    let is_known = find_next_hop(env, packet);
    let is_reached = is_known && switch::by_mac(env, packet);
    let is_router = is_reached && packet.target_kind == target::ROUTER;
    if is_router && flags & flag::EXTERNAL != 0 && floating::is_outside(env, packet) {
        packet.target_id = OUTSIDE;
        return Ok(());
    }
    if relay != 0 && !is_router {
        packet.destination = own_mac;
        (packet.target_kind, packet.target_id) = (target::HOST, relay);
        return Ok(());
    }
    match (is_reached, is_known) {
        (true, _) => Ok(()),
        (_, true) => Err(DropReason::NextHopUnknown as u32),
        _ => Err(unknown(env, network)),
    }
}

/// Sets [`Packet::destination`] to the next hop's MAC.
#[inline(never)]
fn find_next_hop<E: Env>(env: &mut E, packet: &mut Packet) -> bool {
    let key = NeighbourKey { network: packet.network, address: packet.next_hop };
    if let Some(neighbour) = env.neighbour(&key) {
        packet.destination = neighbour.mac;
        return true;
    }
    let Some(neighbour) = env.learned_neighbour(&key) else { return false };
    packet.destination = neighbour.mac;
    true
}

/// Whether it is worth to ask.
#[inline(always)]
fn unknown<E: Env>(env: &E, network: u32) -> u32 {
    match env.network(network) {
        Some(network) if network.flags & network_flag::UNLISTED != 0 => answer::UNLISTED,
        _ => DropReason::NextHopUnknown as u32,
    }
}

impl Address {
    /// False for the addresses that no router passes on: unspecified, link-local, loopback, "this network".
    #[inline(always)]
    fn is_global(&self) -> bool {
        let b = &self.0;
        if self.is_v4() {
            return !matches!((b[12], b[13]), (169, 254) | (0 | 127, _));
        }
        !(b[0] == 0xfe && b[1] & 0xc0 == 0x80) && *self != Address::UNSPECIFIED
    }
}

impl Packet {
    /// Bytes of the IP packet, or of the longest segment that a GSO frame becomes.
    #[inline(always)]
    pub(crate) fn ip_length(&self, gso_size: u32) -> u32 {
        if gso_size == 0 {
            self.end.saturating_sub(ether::HEADER)
        } else {
            self.payload_offset.saturating_sub(ether::HEADER).saturating_add(gso_size)
        }
    }
}
