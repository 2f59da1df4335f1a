//! DHCPv4 messages of clients, handed to the host's responder (RFC 2131).

use super::{Meter, WHOLE, meter};
use crate::address::Address;
use crate::door::Exit;
use crate::drop::DropReason;
use crate::env::{Env, PortCounter};
use crate::packet::Packet;
use crate::table::{NeighbourKey, PuntHeader, neighbour_kind, network_flag};
use crate::verdict::{PuntReason, Verdict, VerdictKind};

/// The server's UDP port.
pub(super) const SERVER: u16 = 67;

#[inline(never)]
pub(super) fn request<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    if packet.fragment != WHOLE || !is_served(env, packet) {
        return Ok(());
    }
    if !meter::admits(env, packet.port, Meter::Punt) {
        return Err(DropReason::PuntRate.into());
    }
    let reason = PuntReason::Dhcp4 as u32;
    let header = PuntHeader { port: packet.port, length: packet.length, ifindex: env.ifindex(), reason };
    if !env.punt(&header) {
        return Err(DropReason::PuntFull.into());
    }
    env.count_port(packet.port, PortCounter::Punted, packet.length);
    packet.verdict = Verdict::new(VerdictKind::Punt, packet.port, reason);
    Err(Exit::Done)
}

/// True for broadcast on a network whose DHCP the hosts answer, and for the address of its DHCP service.
#[inline(always)]
fn is_served<E: Env>(env: &E, packet: &Packet) -> bool {
    match env.network(packet.network) {
        Some(network) if network.flags & network_flag::DHCP4 != 0 => {}
        _ => return false,
    }
    if packet.destination_address == Address::BROADCAST_V4 {
        return true;
    }
    let key = NeighbourKey { network: packet.network, address: packet.destination_address };
    env.neighbour(&key).is_some_and(|neighbour| neighbour.kind == neighbour_kind::SERVICE)
}
