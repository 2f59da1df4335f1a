//! Counting what tests said.

use std::io::{BufRead, BufReader, Read};
use std::ops::AddAssign;

/// Numbers of tests or checks by outcome, and what the failed ones said.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
    /// Lines of test runners about failed tests: what they printed, and their names.
    pub complaints: Vec<String>,
}

/// Lines that are kept of what the failed tests of one program said; the last ones, which name them.
const MOST_COMPLAINTS: usize = 60;

impl Tally {
    /// One check that passed.
    pub const PASSED: Tally = Tally { passed: 1, failed: 0, skipped: 0, complaints: Vec::new() };
    /// One check that failed.
    pub const FAILED: Tally = Tally { passed: 0, failed: 1, skipped: 0, complaints: Vec::new() };

    /// `count` tests that this machine cannot run.
    pub fn skipped(count: u64) -> Tally {
        Tally { skipped: count, ..Tally::default() }
    }

    /// One check, by whether it succeeded.
    pub fn of(success: bool) -> Tally {
        if success { Tally::PASSED } else { Tally::FAILED }
    }

    /// Reads a test runner's output to its end, passes it on to this process's output, adds up its closing lines, and keeps what it
    /// says of failed tests, which stands between a line `failures:` and the closing one.
    pub fn read_passing_on(output: impl Read) -> Tally {
        let mut sum = Tally::default();
        let mut complaints: Option<Vec<String>> = None;
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{line}");
            if line == "failures:" {
                complaints.get_or_insert_default();
            }
            let counts = Tally::of_line(&line);
            if let Some(lines) = &mut complaints {
                lines.push(line);
            }
            if let Some(counts) = counts {
                sum += counts;
                sum.complaints.extend(complaints.take().map(last).unwrap_or_default());
            }
        }
        sum.complaints.extend(complaints.map(last).unwrap_or_default());
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
        Some(Tally {
            passed: count("passed"),
            failed: count("failed"),
            skipped: count("ignored"),
            ..Tally::default()
        })
    }
}

fn last(mut lines: Vec<String>) -> Vec<String> {
    lines.split_off(lines.len().saturating_sub(MOST_COMPLAINTS))
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.complaints.extend(other.complaints);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_COMPLAINTS, Tally};

    #[test]
    fn adds_up_closing_lines_and_keeps_what_failed_tests_said() {
        let output = "running 2 tests\ntest a ... ok\n\
            test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            noise\nfailures:\n\n---- b stdout ----\nb panicked\n\nfailures:\n    b\n\n\
            test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\nmore noise\n";
        let tally = Tally::read_passing_on(output.as_bytes());
        assert_eq!((tally.passed, tally.failed, tally.skipped), (15, 2, 1));
        assert_eq!(tally.complaints.first().unwrap(), "failures:");
        assert!(tally.complaints.contains(&"b panicked".to_owned()));
        assert!(tally.complaints.last().unwrap().starts_with("test result: FAILED"));
    }

    #[test]
    fn keeps_what_a_runner_said_that_never_came_to_its_closing_line() {
        let lines: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let tally = Tally::read_passing_on(format!("failures:\n{lines}").as_bytes());
        assert_eq!(tally.complaints.len(), MOST_COMPLAINTS);
        assert_eq!(tally.complaints.last().unwrap(), "line 999");
    }
}
