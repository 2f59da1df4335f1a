//! Floating IPs: addresses of an external network that stand for instances here, one for one. On the way out the source becomes the
//! floating IP, on the way in the destination becomes the instance's address; between two of them both happen, at one host or at two.
//!
//! Only [`Packet`] changes here; the header follows when the packet leaves the last router. On the wire a floating IP is at the MAC of
//! the host's own interface, which answers for it.

use crate::door::Exit;
use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{Packet, arp_op, ether, translated};
use crate::services;
use crate::table::{FloatingIpKey, FloatingSourceKey, OUTSIDE, router_interface_flag as flag, target};
use crate::verdict::{Verdict, VerdictKind};

/// Whether the physical network asks who has a floating IP that is here. Who tells that it is their own asks nobody.
#[inline(always)]
pub(crate) fn is_asked_for<E: Env>(env: &E, packet: &mut Packet) -> bool {
    packet.ether_type == ether::ARP
        && packet.operation == arp_op::REQUEST
        && packet.source_address != packet.destination_address
        && find(env, packet)
}

/// Answers that the host's interface has it.
#[inline(never)]
pub(crate) fn answer<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    let asker = packet.link;
    let Some(interface) = env.router_interface(packet.target_id) else {
        return Err(DropReason::RouterGone.into());
    };
    packet.link = interface.mac;
    if !services::reply(env, packet, asker) || packet.vlan != 0 && !env.push_vlan(packet.vlan) {
        return Err(DropReason::OutputFailed.into());
    }
    let ifindex = env.ifindex();
    env.redirect(ifindex);
    packet.verdict = Verdict::new(VerdictKind::Answer, packet.port, ifindex);
    Err(Exit::Done)
}

/// Whether the physical network's packet is for a router's MAC and a floating IP that is here.
#[inline(always)]
pub(crate) fn is_destination<E: Env>(env: &E, packet: &mut Packet) -> bool {
    let is_for_router = packet.target_kind == target::ROUTER && packet.target_id == OUTSIDE;
    if !is_for_router || packet.ether_type != ether::IPV4 || !find(env, packet) {
        return false;
    }
    packet.target_id = OUTSIDE;
    true
}

/// Looks the destination up. [`Packet::port`] and [`Packet::target_id`] become the instance's port and its router's interface.
#[inline(never)]
fn find<E: Env>(env: &E, packet: &mut Packet) -> bool {
    let key = FloatingIpKey { network: packet.network, address: packet.destination_address };
    let Some(row) = env.floating_ip(&key) else { return false };
    (packet.port, packet.target_id) = (row.port, row.interface);
    true
}

/// Leads a packet from outside to the instance that its destination stands for, by the router's interface there.
#[inline(never)]
pub(crate) fn enter<E: Env>(env: &E, packet: &mut Packet) -> bool {
    let key = FloatingIpKey { network: packet.network, address: packet.destination_address };
    let Some(row) = env.floating_ip(&key) else { return false };
    (packet.target_id, packet.destination_address) = (row.interface, row.inside);
    packet.translated |= translated::DESTINATION;
    true
}

/// Gives a packet that leaves by the router's interface in [`Packet::exit`] the source that it has outside. False when it has none, and
/// must have one.
#[inline(never)]
pub(crate) fn leave<E: Env>(env: &E, packet: &mut Packet, flags: u32) -> bool {
    if packet.ether_type != ether::IPV4 {
        return true;
    }
    let key = FloatingSourceKey { interface: packet.exit, inside: packet.source_address };
    let Some(source) = env.floating_source(&key) else { return flags & flag::TRANSLATED_ONLY == 0 };
    packet.source_address = source.address;
    packet.translated |= translated::SOURCE;
    true
}
