//! Addresses of an external network that stand for instances here: floating IPs, one for one, and those that instances share, of which
//! `nat` knows more. On the way out the source becomes the
//! floating IP, on the way in the destination becomes the instance's address; between two of them both happen, at one host or at two.
//!
//! Only [`Packet`] changes here; the header follows when the packet leaves the last router. On the wire a floating IP is at the MAC of
//! the host's own interface, which answers for it.

use crate::address::Address;
use crate::door::Exit;
use crate::drop::DropReason;
use crate::env::Env;
use crate::nat;
use crate::packet::{Packet, arp_op, ether, icmpv6, translated};
#[cfg(doc)]
use crate::route::answer;
use crate::services;
use crate::table::{
    FloatingIpKey, FloatingSourceKey, OUTSIDE, floating_flag, router_interface_flag as flag, target,
};
use crate::verdict::{Verdict, VerdictKind};

/// Whether the physical network asks who has an address that is answered for here. Who tells that it is their own asks nobody.
#[inline(always)]
pub(crate) fn is_asked_for<E: Env>(env: &E, packet: &mut Packet) -> bool {
    let is_arp = packet.ether_type == ether::ARP
        && packet.operation == arp_op::REQUEST
        && packet.source_address != packet.destination_address;
    let is_nd = packet.is_icmpv6() && packet.icmp_type == icmpv6::NEIGHBOUR_SOLICITATION;
    (is_arp || is_nd) && asked(env, packet) & floating_flag::ANSWERED != 0
}

/// [`find`] of the address that is asked for.
#[inline(always)]
fn asked<E: Env>(env: &E, packet: &mut Packet) -> u32 {
    packet.next_hop =
        if packet.ether_type == ether::ARP { packet.destination_address } else { packet.nd_target };
    find(env, packet)
}

/// Answers who has it: the host's interface, or the router itself.
#[inline(never)]
pub(crate) fn answer<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    let asker = packet.link;
    let is_at_own_mac = asked(env, packet) & floating_flag::AT_OWN_MAC != 0;
    let Some(interface) = env.router_interface(packet.target_id) else {
        return Err(DropReason::RouterGone.into());
    };
    packet.link = if is_at_own_mac { interface.own_mac } else { interface.mac };
    let is_made = if packet.ether_type == ether::ARP {
        services::reply(env, packet, asker)
    } else {
        services::advertise(env, packet)
    };
    if !is_made || packet.vlan != 0 && !env.push_vlan(packet.vlan) {
        return Err(DropReason::OutputFailed.into());
    }
    let ifindex = env.ifindex();
    env.redirect(ifindex);
    packet.verdict = Verdict::new(VerdictKind::Answer, packet.port, ifindex);
    Err(Exit::Done)
}

/// Whether the physical network's packet is for a router's MAC, and goes on here: to an address that is here, or through a router that this
/// host stands for.
#[inline(never)]
pub(crate) fn is_destination<E: Env>(env: &E, packet: &mut Packet) -> bool {
    let is_ip = matches!(packet.ether_type, ether::IPV4 | ether::IPV6) && !packet.is_neighbour_answer();
    if packet.target_kind != target::ROUTER || !is_ip {
        return false;
    }
    let interface = packet.target_id;
    let stands = interface == OUTSIDE || stands_for(env, interface);
    packet.next_hop = packet.destination_address;
    let found = find(env, packet);
    if found != NOT_HERE && found & floating_flag::OWN == 0 {
        packet.target_id = OUTSIDE;
        return stands;
    }
    packet.target_id = interface;
    stands && interface != OUTSIDE
}

/// Whether this host stands for the router of an interface on an external network.
#[inline(always)]
fn stands_for<E: Env>(env: &E, interface: u32) -> bool {
    env.router_interface(interface).is_some_and(|row| row.flags & flag::STANDS != 0)
}

/// [`find`]: no such address.
const NOT_HERE: u32 = 0;
/// [`find`]: a bit that is no flag.
const IS_HERE: u32 = 1 << 31;

/// The flags of the address in [`Packet::next_hop`], and [`IS_HERE`]. [`Packet::port`] and [`Packet::target_id`] become the instance's port
/// and its router's interface.
#[inline(never)]
fn find<E: Env>(env: &E, packet: &mut Packet) -> u32 {
    let key = FloatingIpKey { network: packet.network, address: packet.next_hop };
    let Some(row) = env.floating_ip(&key) else { return NOT_HERE };
    let flags = row.flags;
    packet.port = if flags & floating_flag::RELAYED == 0 { row.port } else { 0 };
    packet.target_id = row.interface;
    flags | IS_HERE
}

/// Whether the next hop is an address outside of which this host knows where it leads.
#[inline(never)]
pub(crate) fn is_outside<E: Env>(env: &E, packet: &Packet) -> bool {
    let key = FloatingIpKey { network: packet.network, address: packet.next_hop };
    env.floating_ip(&key).is_some_and(|row| row.flags & floating_flag::OWN == 0)
}

/// Whether the overlay's packet is for a router on an external network: another host has it for an address that is here, or relays what
/// this one is to bring outside.
#[inline(never)]
pub(crate) fn is_relayed<E: Env>(env: &E, packet: &mut Packet) -> bool {
    let Some(interface) = env.router_interface(packet.target_id) else { return false };
    if interface.flags & flag::EXTERNAL == 0 {
        return false;
    }
    let key = FloatingIpKey { network: packet.network, address: packet.destination_address };
    if env.floating_ip(&key).is_some() {
        packet.target_id = OUTSIDE;
    } else {
        packet.relayed = 1;
    }
    true
}

/// Leads a packet from outside to the instance that its destination stands for, by the router's interface there. 0 when it has entered,
/// else what [`answer`] says.
#[inline(never)]
pub(crate) fn enter<E: Env>(env: &mut E, packet: &mut Packet) -> u32 {
    let key = FloatingIpKey { network: packet.network, address: packet.destination_address };
    let Some(row) = env.floating_ip(&key) else { return DropReason::RouterGone as u32 };
    if row.flags & floating_flag::SHARED != 0 {
        return env.nat_enter(packet);
    }
    if row.flags & floating_flag::RELAYED != 0 {
        let host = row.port;
        packet.target_id = row.interface;
        return nat::to_host(env, packet, host);
    }
    (packet.target_id, packet.destination_address) = (row.interface, row.inside);
    packet.translated |= translated::DESTINATION;
    0
}

/// Gives a packet that leaves by the router's interface in [`Packet::exit`] the source that it has outside. 0, or the number of the [`DropReason`]
/// when it has none, and must have one.
#[inline(always)]
pub(crate) fn leave<E: Env>(env: &mut E, packet: &mut Packet, flags: u32) -> u32 {
    if packet.ether_type != ether::IPV4 {
        return 0;
    }
    let key = FloatingSourceKey { interface: packet.exit, inside: packet.source_address };
    let must_be = flags & flag::TRANSLATED_ONLY != 0;
    let mut may_be = must_be;
    if let Some(source) = env.floating_source(&key) {
        if source.address != Address::UNSPECIFIED {
            packet.source_address = source.address;
            packet.translated |= translated::SOURCE;
            return 0;
        }
        may_be = true;
    }
    let reason = if may_be { env.nat_leave(packet, must_be.into()) } else { 0 };
    if must_be { reason } else { 0 }
}
