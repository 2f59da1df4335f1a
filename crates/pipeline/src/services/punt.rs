//! Handing a packet to the host's responders.

use super::{Meter, meter};
use crate::door::Exit;
use crate::drop::DropReason;
use crate::env::{Env, PortCounter};
use crate::packet::Packet;
use crate::table::PuntHeader;
use crate::verdict::{PuntReason, Verdict, VerdictKind};

/// Whether the packet's network has a flag.
#[inline(always)]
pub(super) fn is_flagged<E: Env>(env: &E, packet: &Packet, flag: u32) -> bool {
    env.network(packet.network).is_some_and(|network| network.flags & flag != 0)
}

/// Hands the packet over, at most as often as the port may ask.
#[inline(always)]
pub(super) fn punt<E: Env>(env: &mut E, packet: &mut Packet, reason: PuntReason) -> Result<(), Exit> {
    if !meter::admits(env, packet.port, Meter::Punt) {
        return Err(DropReason::PuntRate.into());
    }
    let reason = reason as u32;
    let header = PuntHeader { port: packet.port, length: packet.length, ifindex: env.ifindex(), reason };
    if !env.punt(&header) {
        return Err(DropReason::PuntFull.into());
    }
    env.count_port(packet.port, PortCounter::Punted, packet.length);
    packet.verdict = Verdict::new(VerdictKind::Punt, packet.port, reason);
    Err(Exit::Done)
}
