//! A router's question for a next hop: an ARP request (RFC 826), or a neighbour solicitation (RFC 4861 §7.2.2).

use super::rewrite;
use crate::address::{Address, Mac};
use crate::env::Env;
use crate::packet::{Packet, arp_op, ether, icmpv6, proto, translated};
use crate::table::router_interface_flag as flag;

/// Bytes of an ARP packet with its Ethernet header.
const ARP_END: u32 = 42;
/// Bytes of a solicitation with one option, with its Ethernet header, and of its payload alone.
const NS_END: u32 = 86;
const NS_PAYLOAD: u32 = 32;
/// What is put before the old IP header. The kernel still takes the frame for a packet whose checksum hardware may have to fill in, and cuts none
/// before that: so it must be behind all of the question.
const ROOM: u32 = 32;
/// What is left of the old packet: its headers and as much of the transport's as the kernel keeps, and enough for the longer question.
const LEAST_KEPT: u32 = 74;
const KEPT_TRANSPORT: u32 = 20;
/// Where the transport header begins at most, in a packet that is turned into a question.
const FARTHEST_TRANSPORT: u32 = 142;
/// Where ICMPv6 begins behind a plain IPv6 header.
const MESSAGE: u32 = 54;
const SOURCE_LINK_LAYER: u8 = 1;

/// Turns the packet into a question for [`Packet::next_hop`], from the router's interface in [`Packet::exit`].
#[inline(always)]
pub(super) fn question<E: Env>(env: &mut E, packet: &mut Packet) -> bool {
    if !speak(env, packet) || !make_room(env, packet) {
        return false;
    }
    if packet.next_hop.is_v4() { request(env, packet) } else { solicitation(env, packet) && sum(env, packet) }
}

/// Makes the router's interface the sender.
#[inline(never)]
fn speak<E: Env>(env: &E, packet: &mut Packet) -> bool {
    let Some(exit) = env.router_interface(packet.exit) else { return false };
    packet.source = exit.mac;
    packet.source_address = if !packet.next_hop.is_v4() {
        // On the wire the host itself asks: who is asked from a router's address notes a MAC beside it.
        if exit.flags & flag::EXTERNAL == 0 { exit.address_v6 } else { exit.mac.link_local() }
    } else if exit.flags & flag::EXTERNAL == 0 {
        Address::v4(exit.address_v4)
    } else if packet.translated & (translated::SOURCE | translated::SOURCE_PORT) == translated::SOURCE {
        packet.source_address
    } else {
        // The router's address there is not this host's to tell.
        Address::UNSPECIFIED_V4
    };
    true
}

#[inline(never)]
fn make_room<E: Env>(env: &mut E, packet: &mut Packet) -> bool {
    let kept = (packet.l4_offset + KEPT_TRANSPORT).max(LEAST_KEPT);
    packet.length = kept + ROOM;
    packet.l4_offset <= FARTHEST_TRANSPORT && env.resize(kept) && env.insert(ROOM)
}

/// Makes zero what is behind the question: nothing of the packet leaves with it. Headers are multiples of four bytes long.
#[inline(always)]
fn blank<E: Env>(env: &mut E, packet: &Packet, end: u32) -> bool {
    const MOST: u32 = (FARTHEST_TRANSPORT + KEPT_TRANSPORT + ROOM - ARP_END) / 4;
    let mut word = 0;
    while word < MOST && end + word * 4 < packet.length {
        if !env.store(end + word * 4, &[0; 4]) {
            return false;
        }
        word += 1;
    }
    true
}

#[inline(never)]
fn request<E: Env>(env: &mut E, packet: &mut Packet) -> bool {
    packet.destination = Mac::BROADCAST;
    packet.ether_type = ether::ARP;
    packet.operation = arp_op::REQUEST;
    packet.link = packet.source;
    packet.destination_address = packet.next_hop;
    let mut arp = [0u8; 30];
    arp[..10].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, arp_op::REQUEST as u8]);
    arp[10..16].copy_from_slice(&packet.source.0);
    arp[16..20].copy_from_slice(&packet.source_address.tail());
    arp[26..].copy_from_slice(&packet.next_hop.tail());
    rewrite::macs(env, packet.destination, packet.source)
        && env.store(ether::HEADER - 2, &arp)
        && blank(env, packet, ARP_END)
}

/// Writes it but for its checksum, which is zero.
#[inline(never)]
fn solicitation<E: Env>(env: &mut E, packet: &mut Packet) -> bool {
    packet.nd_target = packet.next_hop;
    packet.destination_address = packet.next_hop.solicited_node();
    let [a, b, c, d] = packet.destination_address.tail();
    packet.destination = Mac([0x33, 0x33, a, b, c, d]);
    packet.protocol = proto::ICMPV6;
    packet.icmp_type = icmpv6::NEIGHBOUR_SOLICITATION;
    packet.hop_limit = 255;
    packet.l4_offset = MESSAGE;
    packet.end = NS_END;
    let head = [0x60, 0, 0, 0, 0, NS_PAYLOAD as u8, proto::ICMPV6, 255];
    let [a, b, c, d, e, f] = packet.source.0;
    rewrite::macs(env, packet.destination, packet.source)
        && env.store(ether::HEADER, &head)
        && env.store(ether::HEADER + 8, &packet.source_address.0)
        && env.store(ether::HEADER + 24, &packet.destination_address.0)
        && env.store(MESSAGE, &[icmpv6::NEIGHBOUR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0])
        && env.store(MESSAGE + 8, &packet.nd_target.0)
        && env.store(MESSAGE + 24, &[SOURCE_LINK_LAYER, 1, a, b, c, d, e, f])
        && blank(env, packet, NS_END)
}

#[inline(never)]
fn sum<E: Env>(env: &mut E, packet: &Packet) -> bool {
    let Some(addresses) = env.sum(ether::HEADER + 8, 32) else { return false };
    let pseudo_header = addresses + NS_PAYLOAD + u32::from(proto::ICMPV6);
    rewrite::put_checksum(env, packet.l4_offset + 2, (packet.l4_offset, NS_PAYLOAD), pseudo_header)
}
