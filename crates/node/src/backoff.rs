//! How long to wait before the next attempt.

use std::time::Duration;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(15);

/// Pauses that double up to a bound, each drawn at random from the upper half of its range, so that a thousand nodes that lost
/// their server together don't come back together. The first pause is drawn from the whole of its short range.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause before the next attempt.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.pause(random());
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// An attempt succeeded.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    fn pause(&self, random: u32) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        let part = longest.mul_f64(f64::from(random) / f64::from(u32::MAX));
        if self.failures == 0 { part } else { longest / 2 + part / 2 }
    }
}

/// Something that is tried again after a pause, in a loop that does other things meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    backoff: Backoff,
    at: Option<Instant>,
}

impl Retry {
    /// When to try again, if at all.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Whether the pause lasts.
    pub(crate) fn is_pausing(&self) -> bool {
        self.at.is_some_and(|at| at > Instant::now())
    }

    /// The attempt failed. A pause that is under way is not made longer.
    pub(crate) fn failed(&mut self) {
        if !self.is_pausing() {
            self.at = Some(Instant::now() + self.backoff.next());
        }
    }

    /// The attempt succeeded, and its effect shows within `grace`, or it is to be tried again.
    pub(crate) fn expects(&mut self, grace: Duration) {
        self.at = Some(Instant::now() + grace);
    }

    /// All is well.
    pub(crate) fn settled(&mut self) {
        self.backoff.reset();
        self.at = None;
    }
}

/// Without the system's randomness the pauses are merely less spread.
pub(crate) fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_the_first_is_short() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.pause(0), Duration::ZERO);
        assert_eq!(backoff.pause(u32::MAX), FIRST);
        let mut last = Duration::ZERO;
        for _ in 0..40 {
            backoff.next();
            let (low, high) = (backoff.pause(0), backoff.pause(u32::MAX));
            assert!(low >= last.min(LONGEST / 2) && high <= LONGEST && high > low);
            last = low;
        }
        assert_eq!(last, LONGEST / 2);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
