//! The packet path's clock, and ours.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Nanoseconds of the monotonic clock, by which the packet path tells time.
pub(crate) fn monotonic() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |now| now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// When the monotonic clock showed so many nanoseconds.
pub(crate) fn wall(time: u64) -> jiff::Timestamp {
    jiff::Timestamp::now() - Duration::from_nanos(monotonic().saturating_sub(time))
}
