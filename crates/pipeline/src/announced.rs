//! MACs that are no port's own, as of allowed address pairs: `LEARNED_MACS` knows where each was last announced. So a virtual
//! router's MAC (RFC 5798 §7.3) moves on every host with the gratuitous ARP or unsolicited advertisement of its new master.
//!
//! A port announces only what port security lets it say; a host is believed what its ports have announced. `FDB` stands first:
//! nobody takes a MAC that is a port's own.

use crate::drop::DropReason;
use crate::env::{Env, Meter};
use crate::meter;
use crate::packet::{Packet, ether, icmpv6};
use crate::table::{FdbKey, LearnedMac, port_flag, target};

/// Learns from what a port here sends. More news than its limit for misses are dropped, or other hosts would have to learn them.
#[inline(always)]
pub(crate) fn by_port<E: Env>(env: &mut E, packet: &Packet) -> Result<(), DropReason> {
    let may_announce = packet.port_flags & port_flag::ACCEPT_UNKNOWN != 0 && packet.source != packet.port_mac;
    if may_announce && is_announcement(packet) {
        learn(env, packet, target::PORT, packet.port)
    } else {
        Ok(())
    }
}

/// Learns from what another host brings.
#[inline(always)]
pub(crate) fn by_host<E: Env>(env: &mut E, packet: &Packet) -> Result<(), DropReason> {
    if is_announcement(packet) { learn(env, packet, target::HOST, packet.peer) } else { Ok(()) }
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
