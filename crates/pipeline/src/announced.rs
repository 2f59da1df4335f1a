//! MACs that are no port's own, as of allowed address pairs: `LEARNED_MACS` knows where each was last announced. So a virtual
//! router's MAC (RFC 5798 §7.3) moves on every host with the gratuitous ARP or unsolicited advertisement of its new master.
//!
//! A port announces only what port security lets it say; a host is believed what its ports have announced. `FDB` stands first:
//! nobody takes a MAC that is a port's own.
//!
//! Addresses that are no port's own are noted in `LEARNED_NEIGHBOURS` beside the MAC that was announced with them, for routers; of an
//! address that an instance chooses itself, what it asks before it has it is the only announcement (RFC 4862 §5.4).

use crate::address::Address;
use crate::drop::DropReason;
use crate::env::{Env, Meter};
use crate::meter;
use crate::packet::{Packet, ether, icmpv6};
use crate::table::{FdbKey, LearnedMac, LearnedNeighbour, NeighbourKey, port_flag, target};

/// Learns from what a port here sends. More news than its limit for misses are dropped, or other hosts would have to learn them.
#[inline(never)]
pub(crate) fn by_port<E: Env>(env: &mut E, packet: &Packet) -> Result<(), DropReason> {
    note_neighbour(env, packet);
    let may_announce = packet.port_flags & port_flag::ACCEPT_UNKNOWN != 0 && packet.source != packet.port_mac;
    if may_announce && is_announcement(packet) {
        learn(env, packet, target::PORT, packet.port)
    } else {
        Ok(())
    }
}

/// Learns from what another host brings.
#[inline(never)]
pub(crate) fn by_host<E: Env>(env: &mut E, packet: &Packet) -> Result<(), DropReason> {
    note_neighbour(env, packet);
    if is_announcement(packet) { learn(env, packet, target::HOST, packet.peer) } else { Ok(()) }
}

/// Learns from what a physical network brings: who has an address there, and that a MAC has left the port or host that had it.
#[inline(never)]
pub(crate) fn by_provider<E: Env>(env: &mut E, packet: &Packet) {
    note_neighbour(env, packet);
    let key = FdbKey::new(packet.network, packet.source);
    let place = LearnedMac { kind: target::PROVIDER, id: 0 };
    if is_announcement(packet) && env.learned_mac(&key).is_some_and(|row| *row != place) {
        env.learn_mac(&key, &place);
    }
}

/// ARP, or neighbour discovery with a link-layer address, from its own MAC.
#[inline(always)]
fn is_announcement(packet: &Packet) -> bool {
    let tells = match packet.ether_type {
        ether::ARP => true,
        ether::IPV6 => packet.has_link == 1 && packet.icmp_type != icmpv6::ROUTER_SOLICITATION,
        _ => false,
    };
    tells && packet.link == packet.source
}

#[inline(never)]
fn learn<E: Env>(env: &mut E, packet: &Packet, kind: u32, id: u32) -> Result<(), DropReason> {
    let key = FdbKey::new(packet.network, packet.source);
    if env.fdb(&key).is_some() {
        return Ok(());
    }
    let place = LearnedMac { kind, id };
    if env.learned_mac(&key).is_some_and(|row| *row == place) {
        return Ok(());
    }
    if kind == target::PORT && !meter::admits(env, id, Meter::Miss) {
        return Err(DropReason::AnnounceRate);
    }
    env.learn_mac(&key, &place);
    Ok(())
}

/// Notes who says to have an address, if the packet says so.
#[inline(always)]
fn note_neighbour<E: Env>(env: &mut E, packet: &Packet) {
    let is_nd = packet.is_icmpv6()
        && matches!(packet.icmp_type, icmpv6::NEIGHBOUR_SOLICITATION | icmpv6::NEIGHBOUR_ADVERTISEMENT);
    if packet.ether_type == ether::ARP || is_nd {
        learn_neighbour(env, packet);
    }
}

#[inline(never)]
fn learn_neighbour<E: Env>(env: &mut E, packet: &Packet) {
    let asks = packet.icmp_type == icmpv6::NEIGHBOUR_SOLICITATION;
    let address = match packet.ether_type {
        ether::ARP => packet.source_address,
        _ if asks && packet.source_address != Address::UNSPECIFIED => packet.source_address,
        _ => packet.nd_target,
    };
    if address == Address::UNSPECIFIED_V4 || address.is_multicast() {
        return;
    }
    let key = NeighbourKey { network: packet.network, address };
    let row = LearnedNeighbour { mac: packet.source, pad: [0; 2] };
    if env.neighbour(&key).is_none() && env.learned_neighbour(&key).is_none_or(|known| *known != row) {
        env.learn_neighbour(&key, &row);
    }
}
