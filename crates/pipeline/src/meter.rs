//! Rate limits per port, by the generic cell rate algorithm (ITU-T I.371): one word of state and no division.

use crate::env::{Env, Meter};
use crate::packet::Packet;

/// True when the packet's port may send one more of this kind now, which is then charged.
/// Two CPUs that charge at the same instant may let one frame more pass, and never lock a port out.
#[inline(never)]
pub(crate) fn admits<E: Env>(env: &mut E, packet: &Packet, meter: Meter) -> bool {
    let Some(port) = env.port(packet.port) else { return false };
    let limit = match meter {
        Meter::Punt => port.punt_limit,
        Meter::Miss => port.miss_limit,
        Meter::Flood => port.flood_limit,
    };
    if limit.interval == 0 {
        return true;
    }
    let interval = u64::from(limit.interval);
    let credit = interval * u64::from(limit.burst.saturating_sub(1));
    let now = env.now();
    let Some(at) = env.meter(packet.port, meter) else { return false };
    let conforming = at.max(now.saturating_sub(credit));
    if conforming > now {
        return false;
    }
    env.set_meter(packet.port, meter, conforming + interval);
    true
}
