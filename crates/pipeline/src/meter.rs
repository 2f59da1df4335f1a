//! Rate limits per port, by the generic cell rate algorithm (ITU-T I.371): one word of state and no division.

use crate::env::{Env, Meter};
use crate::table::Limit;

/// True when one more of this kind may pass at the port now, which is then charged.
/// Two CPUs that charge at the same instant may let one frame more pass, and never lock a port out.
#[inline(never)]
pub(crate) fn admits<E: Env>(env: &mut E, port: u32, meter: Meter) -> bool {
    let Some(limit) = limit(env, port, meter) else { return false };
    if limit.interval == 0 {
        return true;
    }
    let interval = u64::from(limit.interval);
    let credit = interval * u64::from(limit.burst.saturating_sub(1));
    let now = env.now();
    let Some(at) = env.meter(port, meter) else { return false };
    let conforming = at.max(now.saturating_sub(credit));
    if conforming > now {
        return false;
    }
    env.set_meter(port, meter, conforming + interval);
    true
}

/// Of what comes from outside, and is charged to no port: a thousand a second for the whole host.
const STRANGERS: Limit = Limit { interval: 1_000_000, burst: 1000 };
/// Of packets that are followed: two hundred a second for the whole host.
const FOLLOWED: Limit = Limit { interval: 5_000_000, burst: 200 };

#[inline(always)]
fn limit<E: Env>(env: &E, port: u32, meter: Meter) -> Option<Limit> {
    if port == 0 {
        return match meter {
            Meter::Error | Meter::Miss => Some(STRANGERS),
            Meter::Follow => Some(FOLLOWED),
            _ => None,
        };
    }
    let row = env.port(port)?;
    Some(match meter {
        Meter::Punt => row.punt_limit,
        Meter::Miss => row.miss_limit,
        Meter::Flood => row.flood_limit,
        Meter::Log => row.log_limit,
        Meter::Error => row.error_limit,
        Meter::Service => env.service_link()?.limit,
        Meter::Follow => return None,
    })
}
