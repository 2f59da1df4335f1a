//! What ports' logs are told: what their rules allow, and what these or port security drop.

use crate::env::{Env, Meter};
use crate::meter;
use crate::packet::{LATER, Packet, ether};
use crate::table::{LogEvent, direction, port_flag};

/// Tells the log of a port what became of a packet, if the port's flags and its limit say so. `reason` is the number of a drop
/// reason, or 0 of a packet that [`Packet::rule`] has allowed.
#[inline(always)]
pub(crate) fn tell<E: Env>(env: &mut E, packet: &Packet, port: u32, way: u32, reason: u32) {
    let is_wanted = if reason != 0 {
        packet.judged_flags & port_flag::LOG_DROPPED != 0
    } else {
        packet.judged_flags & port_flag::LOG_ACCEPTED != 0 && packet.rule != 0
    };
    if is_wanted {
        write(env, packet, port, way, reason);
    }
}

#[inline(never)]
fn write<E: Env>(env: &mut E, packet: &Packet, port: u32, way: u32, reason: u32) {
    if !meter::admits(env, port, Meter::Log) {
        return;
    }
    let time = env.now();
    env.log(|event| {
        fill(event, packet);
        event.time = time;
        event.port = port;
        event.direction = (way & 1) as u8;
        event.reason = (reason & 0xff) as u8;
        event.rule = if reason == 0 { packet.rule } else { 0 };
    });
}

#[inline(always)]
fn fill(event: &mut LogEvent, packet: &Packet) {
    event.source = packet.source_address;
    event.destination = packet.destination_address;
    event.ether_type = packet.ether_type;
    event.protocol = packet.protocol;
    event.tcp_flags = packet.tcp_flags;
    event.length = packet.length;
    event.pad = 0;
    (event.source_port, event.destination_port) = if packet.ether_type == ether::ARP {
        (packet.operation, 0)
    } else if packet.fragment == LATER {
        (0, 0)
    } else if packet.is_icmp() {
        (packet.icmp_type.into(), packet.icmp_code.into())
    } else {
        (packet.source_port, packet.destination_port)
    };
}

/// Tells the sender's log of a packet that port security drops.
#[inline(always)]
pub(crate) fn tell_of_spoof<E: Env>(env: &mut E, packet: &mut Packet, reason: u32) {
    packet.judged_flags = packet.port_flags;
    let port = packet.port;
    tell(env, packet, port, direction::EGRESS, reason);
}
