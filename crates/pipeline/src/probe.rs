//! Who is still there. A host asks another one, by the overlay and in the VNI of an external network, whether that is a way to the physical
//! network; the packet path answers, so that it is the packet path that is watched, and an agent that restarts is not missed. Next hops
//! outside are watched by their ARP replies and neighbour advertisements.
//!
//! Nothing is forwarded here: a request is answered to the host that it came from, a reply is noted and ends.

use crate::deliver;
use crate::door::Exit;
use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{Packet, ether};
use crate::table::{HeardKey, network_flag, probe};
use crate::verdict::{Verdict, VerdictKind};

/// Takes what another host asks or answers; leaves every other packet as it is. Only hosts speak in a network of transit.
#[inline(never)]
pub(crate) fn between_hosts<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    if packet.ether_type != ether::PROBE {
        return Ok(());
    }
    let Some(network) = env.network(packet.network) else { return Ok(()) };
    if network.flags & network_flag::TRANSIT == 0 {
        return Ok(());
    }
    let is_way = network.provider != 0 && network.flags & network_flag::NO_UPSTREAM == 0;
    match env.load(ether::HEADER) {
        Some([probe::REQUEST]) if is_way => answer(env, packet),
        Some([probe::REQUEST]) => Err(DropReason::NoWayOutside.into()),
        Some([probe::REPLY]) => note_host(env, packet),
        _ => Err(DropReason::NotHere.into()),
    }
}

/// Says that this host is a way to the physical network.
#[inline(always)]
fn answer<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    if !env.store(ether::HEADER, &[probe::REPLY]) {
        return Err(DropReason::OutputFailed.into());
    }
    let peer = packet.peer;
    deliver::aim_at_host(env, packet, peer)?;
    env.redirect(packet.out);
    packet.verdict = Verdict::new(VerdictKind::Tunnel, peer, packet.vni);
    Err(Exit::Done)
}

#[inline(never)]
fn note_host<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    if let Some(host) = env.host(packet.peer) {
        let key = HeardKey { network: packet.network, address: host.vtep };
        env.note_heard(&key);
    }
    packet.verdict = Verdict::new(VerdictKind::Flood, 0, 0);
    Err(Exit::Done)
}

/// Takes note that somebody on the physical network has answered.
#[inline(always)]
pub(crate) fn from_provider<E: Env>(env: &mut E, packet: &Packet) {
    if packet.is_neighbour_answer() {
        note(env, packet);
    }
}

#[inline(never)]
fn note<E: Env>(env: &mut E, packet: &Packet) {
    let is_arp = packet.ether_type == ether::ARP;
    let address = if is_arp { packet.source_address } else { packet.nd_target };
    let key = HeardKey { network: packet.network, address };
    env.note_heard(&key);
}
