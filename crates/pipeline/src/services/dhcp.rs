//! DHCPv4 messages of clients, handed to the host's responder (RFC 2131).

use super::{WHOLE, punt};
use crate::address::Address;
use crate::door::Exit;
use crate::env::Env;
use crate::packet::Packet;
use crate::table::{NeighbourKey, neighbour_kind, network_flag};
use crate::verdict::PuntReason;

/// The server's UDP port.
pub(super) const SERVER: u16 = 67;

#[inline(never)]
pub(super) fn request<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    if packet.fragment != WHOLE || !is_served(env, packet) {
        return Ok(());
    }
    punt::punt(env, packet, PuntReason::Dhcp4)
}

/// True for broadcast on a network whose DHCP the hosts answer, and for the address of its DHCP service.
#[inline(always)]
fn is_served<E: Env>(env: &E, packet: &Packet) -> bool {
    if !punt::is_flagged(env, packet, network_flag::DHCP4) {
        return false;
    }
    if packet.destination_address == Address::BROADCAST_V4 {
        return true;
    }
    let key = NeighbourKey { network: packet.network, address: packet.destination_address };
    env.neighbour(&key).is_some_and(|neighbour| neighbour.kind == neighbour_kind::SERVICE)
}
