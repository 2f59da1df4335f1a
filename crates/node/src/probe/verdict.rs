//! Whether somebody is there, from what was heard between probes.

/// Probes without an answer after which somebody counts as gone.
pub(super) const MISSED: u32 = 3;
/// Answers in a row after which it counts as back: who comes and goes is not followed at once.
const ANSWERED: u32 = 10;

/// Counts probes, not time: a look that comes late is not held against whoever was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    /// What was known at the last look.
    heard: u64,
    missed: u32,
    answered: u32,
    is_silent: bool,
}

impl Verdict {
    /// Somebody is believed to be there until probes say otherwise.
    pub(super) fn begin(heard: u64) -> Self {
        // The first look comes before the first probe.
        Self { heard, missed: 0, answered: 0, is_silent: false }
    }

    /// Takes in the time at which something was last heard, before the next probe.
    pub(super) fn look(&mut self, heard: u64) {
        if heard == self.heard {
            self.missed = self.missed.saturating_add(1);
            self.answered = 0;
            // The look before the first probe finds nothing either.
            self.is_silent |= self.missed > MISSED;
        } else {
            self.heard = heard;
            self.missed = 0;
            self.answered = self.answered.saturating_add(1);
            self.is_silent &= self.answered < ANSWERED;
        }
    }

    /// Probes without an answer, since the last one.
    pub(super) fn missed(&self) -> u32 {
        self.missed
    }

    /// Whether it counts as gone.
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_probes_may_be_lost() {
        let mut verdict = Verdict::begin(0);
        for round in 1..100_u64 {
            verdict.look(round / u64::from(MISSED));
            assert!(!verdict.is_silent(), "at look {round}");
        }
    }

    #[test]
    fn who_is_gone_is_known_and_who_is_back_after_a_while() {
        let mut verdict = Verdict::begin(7);
        verdict.look(8);
        let looks = (1..).find(|_| {
            verdict.look(8);
            verdict.is_silent()
        });
        assert_eq!(looks, Some(MISSED + 1));
        for round in 1..u64::from(ANSWERED) {
            verdict.look(8 + round);
            assert!(verdict.is_silent());
        }
        verdict.look(100);
        assert!(!verdict.is_silent());
    }

    #[test]
    fn one_answer_among_silences_is_no_return() {
        let mut verdict = Verdict::begin(0);
        (0..=MISSED).for_each(|_| verdict.look(0));
        for round in 0..100 {
            verdict.look(round / 2);
            assert!(verdict.is_silent(), "at look {round}");
        }
    }
}
