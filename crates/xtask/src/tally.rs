//! Counting what tests said.

use std::io::{BufRead, BufReader, Read};
use std::ops::AddAssign;

/// Numbers of tests or checks by outcome.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl Tally {
    /// One check that passed.
    pub const PASSED: Tally = Tally { passed: 1, failed: 0, skipped: 0 };
    /// One check that failed.
    pub const FAILED: Tally = Tally { passed: 0, failed: 1, skipped: 0 };

    /// `count` tests that this machine cannot run.
    pub fn skipped(count: u64) -> Tally {
        Tally { skipped: count, ..Tally::default() }
    }

    /// One check, by whether it succeeded.
    pub fn of(success: bool) -> Tally {
        if success { Tally::PASSED } else { Tally::FAILED }
    }

    /// Reads a test runner's output to its end, passes it on to this process's output, and adds up its closing lines.
    pub fn read_passing_on(output: impl Read) -> Tally {
        let mut sum = Tally::default();
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{line}");
            sum += Tally::of_line(&line).unwrap_or_default();
        }
        sum
    }

    /// The counts in a closing line of Rust's test harness: `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn of_line(line: &str) -> Option<Tally> {
        let counts = line.trim_start().strip_prefix("test result: ")?.split_once(". ")?.1;
        let count = |word: &str| {
            counts
                .split(';')
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
                .unwrap_or(0)
        };
        Some(Tally { passed: count("passed"), failed: count("failed"), skipped: count("ignored") })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn adds_up_closing_lines_only() {
        let output = "running 2 tests\ntest a ... ok\n\
            test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n";
        assert_eq!(Tally::read_passing_on(output.as_bytes()), Tally { passed: 15, failed: 2, skipped: 1 });
    }
}
