//! Stage 8: to the interface of a port, into the tunnel to a host, or copies to everyone in the network.

use crate::announced;
use crate::door::Exit;
use crate::drop::DropReason;
use crate::env::{Env, PortCounter, Tunnel};
use crate::floating;
use crate::packet::{FLOOD, Packet, ether};
use crate::policy;
use crate::privacy;
use crate::route::route;
use crate::stage::Stage;
use crate::switch;
use crate::table::{FloodKey, port_flag, target};
use crate::verdict::{Verdict, VerdictKind};

/// Sends the packet where [`Packet::target_kind`] says.
#[inline(always)]
pub(crate) fn deliver<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    env.enter(Stage::Deliver);
    send(env, packet)
}

/// Sends the overlay's packet to the port here, or to everyone here, that it is for; what another host has for a router on an external
/// network, where that leads. There is no way back into the overlay.
#[inline(always)]
pub(crate) fn from_overlay<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    env.enter(Stage::Deliver);
    announced::by_host(env, packet)?;
    privacy::defend(env, packet);
    find_here(env, packet)?;
    if packet.target_kind == target::ROUTER {
        if packet.is_neighbour_answer() {
            // To a router's question, brought for what it announces.
            packet.verdict = Verdict::new(VerdictKind::Flood, 0, 0);
            return Err(Exit::Done);
        }
        through_router(env, packet)?;
    }
    send(env, packet)
}

/// Sends the physical network's packet where `switch` and `route` have found.
#[inline(always)]
pub(crate) fn from_provider<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    env.enter(Stage::Deliver);
    send(env, packet)
}

#[inline(never)]
fn through_router<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    Ok(route(env, packet)?)
}

#[inline(always)]
fn find_here<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let found = if packet.destination.is_multicast() {
        switch::everyone(env, packet)
    } else {
        switch::by_mac(env, packet) && (packet.target_kind == target::PORT || is_for_router(env, packet))
    };
    if found { Ok(()) } else { Err(DropReason::NotHere) }
}

/// Whether the packet says who has an address, and a router has asked; or is for a router on an external network.
#[inline(always)]
fn is_for_router<E: Env>(env: &E, packet: &mut Packet) -> bool {
    packet.target_kind == target::ROUTER
        && (packet.is_neighbour_answer() || floating::is_relayed(env, packet))
}

#[inline(always)]
fn send<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    match packet.target_kind {
        target::PORT => Ok(to_port(env, packet)?),
        target::HOST if packet.from_overlay == 0 => Ok(to_host(env, packet)?),
        target::PROVIDER => Ok(to_provider(env, packet)?),
        FLOOD => {
            flood(env, packet);
            Ok(())
        }
        _ => Err(DropReason::TargetGone.into()),
    }
}

#[inline(always)]
fn to_port<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let id = packet.target_id;
    aim_at_port(env, packet, id)?;
    if packet.judged_flags & port_flag::PAIR != 0 {
        env.redirect_into_pair(packet.out);
    } else {
        env.redirect(packet.out);
    }
    packet.verdict = Verdict::new(VerdictKind::Deliver, packet.target_id, packet.out);
    Ok(())
}

#[inline(always)]
fn to_host<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    aim_at_host(env, packet, packet.target_id)?;
    env.redirect(packet.out);
    packet.verdict = Verdict::new(VerdictKind::Tunnel, packet.target_id, packet.vni);
    Ok(())
}

#[inline(never)]
fn to_provider<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    aim_at_provider(env, packet)?;
    if packet.vlan != 0 && !env.push_vlan(packet.vlan) {
        return Err(DropReason::OutputFailed);
    }
    env.redirect(packet.out);
    packet.verdict = Verdict::new(VerdictKind::Provider, packet.network, packet.out);
    Ok(())
}

/// Copies to the flood list, but for the sender, and for other hosts when the overlay brought the packet (split horizon).
#[inline(always)]
fn flood<E: Env>(env: &mut E, packet: &mut Packet) {
    packet.verdict = Verdict::new(VerdictKind::Flood, 0, 0);
    let length = packet.flood_length;
    env.flood_slots(packet, length);
}

/// Sends a copy to one place of the flood list. A copy that can't be sent is counted as a drop, and the others go on.
#[inline(always)]
pub fn copy_to_slot<E: Env>(env: &mut E, packet: &mut Packet, slot: u32) {
    let key = FloodKey { network: packet.network, slot };
    let Some(member) = env.flood_target(&key) else { return };
    let (kind, id) = (member.kind, member.id);
    let aimed = match kind {
        target::PORT if packet.from_overlay == 1 || id != packet.port => aim_at_port(env, packet, id),
        target::HOST if packet.from_overlay == 0 => aim_at_host(env, packet, id),
        target::PROVIDER if packet.from_provider == 0 => aim_at_provider(env, packet),
        _ => return,
    };
    match aimed {
        Ok(()) => {
            let mark = if kind == target::HOST { HOST_MARK } else { 0 };
            packet.verdict.a = packet.verdict.a.wrapping_add(1);
            packet.verdict.b = packet.verdict.b.wrapping_add(id ^ mark);
            let vlan = if kind == target::PROVIDER { packet.vlan } else { 0 };
            if !copy(env, packet.out, vlan) {
                env.count_drop(DropReason::OutputFailed);
            }
        }
        Err(reason) => env.count_drop(reason),
    }
}

/// Sends a copy out of an interface, with a tag if `vlan` says so.
#[inline(never)]
fn copy<E: Env>(env: &mut E, out: u32, vlan: u32) -> bool {
    if vlan == 0 {
        return env.clone_redirect(out);
    }
    if !env.push_vlan(vlan) {
        return false;
    }
    let is_sent = env.clone_redirect(out);
    env.pop_vlan() && is_sent
}

/// What sets ids of hosts apart from ids of ports in [`VerdictKind::Flood`].
const HOST_MARK: u32 = 1 << 31;

/// Sets [`Packet::out`] to the interface of a port that may have the packet and whose rules let it in, and counts the packet there.
#[inline(always)]
fn aim_at_port<E: Env>(env: &mut E, packet: &mut Packet, id: u32) -> Result<(), DropReason> {
    let Some(port) = env.port(id) else { return Err(DropReason::TargetGone) };
    let (network, flags) = (port.network, port.flags);
    packet.out = port.ifindex;
    packet.policy = port.policy;
    if network != packet.network {
        return Err(DropReason::TargetNetwork);
    }
    let allowed = if flags & port_flag::DISABLED != 0 {
        Err(DropReason::TargetDisabled)
    } else {
        policy::ingress(env, packet, id, flags)
    };
    let counter = if allowed.is_ok() { PortCounter::Received } else { PortCounter::ReceivedDropped };
    env.count_port(id, counter, packet.length);
    allowed
}

/// Sets [`Packet::out`] to the interface to the network's physical network, and [`Packet::vlan`] to its VLAN there.
#[inline(never)]
fn aim_at_provider<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let Some(network) = env.network(packet.network) else { return Err(DropReason::TargetGone) };
    (packet.out, packet.vlan) = (network.provider, network.vlan);
    if packet.out == 0 { Err(DropReason::TargetGone) } else { Ok(()) }
}

/// Sets [`Packet::out`] to the overlay's interface, and the tunnel key to the network's VNI and the host's VTEP.
#[inline(never)]
pub(crate) fn aim_at_host<E: Env>(env: &mut E, packet: &mut Packet, id: u32) -> Result<(), DropReason> {
    let Some(network) = env.network(packet.network) else { return Err(DropReason::NoOverlay) };
    packet.vni = network.vni;
    let Some(config) = env.config() else { return Err(DropReason::NoOverlay) };
    packet.out = config.overlay_ifindex;
    let (mtu, local) = (config.overlay_mtu, config.underlay);
    if packet.vni == 0 || packet.out == 0 {
        return Err(DropReason::NoOverlay);
    }
    if inner_length(packet, env.gso_size()) > mtu {
        return Err(DropReason::TooBig);
    }
    let Some(host) = env.host(id) else { return Err(DropReason::TargetGone) };
    let tunnel = Tunnel { vni: packet.vni, remote: host.vtep, local };
    if env.set_tunnel(&tunnel) { Ok(()) } else { Err(DropReason::OutputFailed) }
}

/// Bytes behind the Ethernet header: of the frame, or of the longest segment that a GSO frame becomes.
#[inline(always)]
fn inner_length(packet: &Packet, gso_size: u32) -> u32 {
    if gso_size == 0 {
        packet.length.saturating_sub(ether::HEADER)
    } else {
        packet.payload_offset.saturating_sub(ether::HEADER).saturating_add(gso_size)
    }
}
