//! Stage 1: which port and which network a packet comes from.

use crate::drop::DropReason;
use crate::env::{Env, PortCounter, Tunnel};
use crate::packet::Packet;
use crate::stage::Stage;
use crate::table::{LAYOUT_VERSION, VtepKey, port_flag};

/// By the interface.
#[inline(always)]
pub(crate) fn from_port<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    env.enter(Stage::Origin);
    layout(env)?;
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
    layout(env)?;
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

#[inline(always)]
fn layout<E: Env>(env: &E) -> Result<(), DropReason> {
    match env.config() {
        Some(config) if config.layout_version == LAYOUT_VERSION => Ok(()),
        _ => Err(DropReason::LayoutVersion),
    }
}
