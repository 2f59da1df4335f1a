//! Stage 1: which port and which network a packet comes from.

use crate::door::Exit;
use crate::drop::DropReason;
use crate::env::{Env, PortCounter, Tunnel};
use crate::packet::Packet;
use crate::stage::Stage;
use crate::table::{FdbKey, LAYOUT_VERSION, SegmentKey, VtepKey, port_flag, target};
use crate::verdict::{Verdict, VerdictKind};

/// By the interface.
#[inline(always)]
pub(crate) fn from_port<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    env.enter(Stage::Origin);
    layout(env, packet)?;
    let Some(interface) = env.interface(env.ifindex()) else { return Err(DropReason::UnknownInterface) };
    packet.port = interface.port;
    env.count_port(packet.port, PortCounter::Sent, packet.length);
    let Some(port) = env.port(packet.port) else { return Err(DropReason::UnknownInterface) };
    packet.network = port.network;
    packet.port_mac = port.mac;
    packet.port_flags = port.flags;
    packet.policy = port.policy;
    if packet.port_flags & port_flag::DISABLED != 0 { Err(DropReason::PortDisabled) } else { Ok(()) }
}

/// By VNI and outer source, of which both must be known.
#[inline(never)]
pub(crate) fn from_overlay<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    env.enter(Stage::Origin);
    layout(env, packet)?;
    let mut tunnel = Tunnel::default();
    if !env.tunnel_source(&mut tunnel) {
        return Err(DropReason::NoTunnelKey);
    }
    let Some(vni) = env.vni(tunnel.vni) else { return Err(DropReason::UnknownVni) };
    packet.network = vni.network;
    let key = VtepKey { vni: tunnel.vni, address: tunnel.remote };
    let Some(vtep) = env.vtep(&key) else { return Err(DropReason::UnknownVtep) };
    packet.peer = vtep.host;
    Ok(())
}

/// By the interface to a physical network and the VLAN. What is of no network here is the host's own.
#[inline(never)]
pub(crate) fn from_provider<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    env.enter(Stage::Origin);
    packet.vlan = env.vlan();
    let key = SegmentKey { ifindex: env.ifindex(), vlan: packet.vlan };
    let network = match env.segment(&key) {
        Some(segment) if layout(env, packet).is_ok() => segment.network,
        _ => return pass(packet),
    };
    packet.network = network;
    if env.has_vlan_tag() && !env.pop_vlan() {
        return Err(DropReason::OutputFailed.into());
    }
    Ok(())
}

/// Leaves the packet to the host's own stack.
#[inline(always)]
pub(crate) fn pass(packet: &mut Packet) -> Result<(), Exit> {
    packet.verdict = Verdict::new(VerdictKind::Pass, 0, 0);
    Err(Exit::Done)
}

/// A frame from a port's own MAC has come back, or somebody pretends to be the port.
#[inline(never)]
pub(crate) fn is_own<E: Env>(env: &E, packet: &Packet) -> bool {
    let key = FdbKey::new(packet.network, packet.source);
    env.fdb(&key).is_some_and(|entry| entry.kind == target::PORT)
}

/// Whether the tables are this build's; what else each packet needs to know of its host comes with it.
#[inline(always)]
pub(crate) fn layout<E: Env>(env: &E, packet: &mut Packet) -> Result<(), DropReason> {
    match env.config() {
        Some(config) if config.layout_version == LAYOUT_VERSION => {
            packet.following = config.following;
            packet.now = env.now();
            Ok(())
        }
        _ => Err(DropReason::LayoutVersion),
    }
}
