//! Stage 5: the destination MAC leads to a port here, a host elsewhere, a service, everyone, or nobody.

use crate::announced;
use crate::door::Exit;
use crate::drop::DropReason;
use crate::env::{Env, Meter};
use crate::floating;
use crate::meter;
use crate::origin;
use crate::packet::{FLOOD, Packet};
use crate::privacy;
use crate::probe;
use crate::stage::Stage;
use crate::table::{FdbKey, target};
use crate::verdict::{Verdict, VerdictKind};

/// Finds where the packet goes, and writes it into the packet for `deliver`.
#[inline(always)]
pub(crate) fn switch<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    env.enter(Stage::Switch);
    announced::by_port(env, packet)?;
    privacy::defend(env, packet);
    if packet.destination.is_multicast() {
        return multicast(env, packet);
    }
    if !by_mac(env, packet) {
        return Err(DropReason::UnknownUnicast);
    }
    match packet.target_kind {
        target::PORT if packet.target_id == packet.port => Err(DropReason::SamePort),
        target::SERVICE => Err(DropReason::ServiceUnserved),
        _ => Ok(()),
    }
}

/// Finds the port here, or everyone here, or the floating IP that a physical network's packet is for, and answers who asks for a floating
/// IP. The rest is the host's own where it has no tag.
#[inline(never)]
pub(crate) fn from_provider<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    env.enter(Stage::Switch);
    announced::by_provider(env, packet);
    probe::from_provider(env, packet);
    privacy::defend(env, packet);
    if floating::is_asked_for(env, packet) {
        return floating::answer(env, packet);
    }
    let is_here = if packet.destination.is_multicast() {
        !packet.destination.is_bridge_reserved() && everyone(env, packet)
    } else {
        by_mac(env, packet) && (packet.target_kind == target::PORT || floating::is_destination(env, packet))
    };
    if is_here {
        Ok(())
    } else if packet.vlan == 0 {
        origin::pass(packet)
    } else if packet.target_kind == target::ROUTER && packet.is_neighbour_answer() {
        // What a router has asked for; it is noted.
        packet.verdict = Verdict::new(VerdictKind::Flood, 0, 0);
        Err(Exit::Done)
    } else {
        Err(DropReason::NotHere.into())
    }
}

#[inline(always)]
fn multicast<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    if packet.destination.is_bridge_reserved() {
        return Err(DropReason::BridgeReserved);
    }
    if !everyone(env, packet) {
        return Err(DropReason::UnknownNetwork);
    }
    if meter::admits(env, packet.port, Meter::Flood) { Ok(()) } else { Err(DropReason::FloodRate) }
}

/// Looks the destination MAC up in the packet's network.
#[inline(always)]
pub(crate) fn by_mac<E: Env>(env: &E, packet: &mut Packet) -> bool {
    let key = FdbKey::new(packet.network, packet.destination);
    if let Some(entry) = env.fdb(&key) {
        (packet.target_kind, packet.target_id) = (entry.kind, entry.id);
        return true;
    }
    if let Some(entry) = env.learned_mac(&key) {
        (packet.target_kind, packet.target_id) = (entry.kind, entry.id);
        return true;
    }
    // A physical network has MACs that nobody has told of.
    (packet.target_kind, packet.target_id) = (target::PROVIDER, 0);
    is_physical(env, packet.network)
}

#[inline(never)]
fn is_physical<E: Env>(env: &E, network: u32) -> bool {
    env.network(network).is_some_and(|network| network.provider != 0)
}

/// Makes the flood list of the packet's network the destination.
#[inline(always)]
pub(crate) fn everyone<E: Env>(env: &E, packet: &mut Packet) -> bool {
    let Some(network) = env.network(packet.network) else { return false };
    packet.flood_length = network.flood_length;
    packet.target_kind = FLOOD;
    true
}
