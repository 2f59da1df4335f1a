//! What the tests said, held against what they say on Neutron.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What the runner says of a test, or of a class whose preparation failed or was skipped.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// Name, with its attributes in brackets; of a class, `setUpClass (NAME)`.
    pub id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
}

/// How a test ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed, with this traceback.
    Failed(String),
    /// It was skipped, for this reason.
    Skipped(String),
}

impl TestResult {
    /// From a line of `results.py`.
    pub fn read(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line).with_context(|| format!("not a result: {line}"))?;
        let text = value["text"].as_str().unwrap_or_default().to_owned();
        let outcome = match value["status"].as_str() {
            Some("success" | "xfail") => Outcome::Passed,
            Some("skip") => Outcome::Skipped(text),
            _ => Outcome::Failed(text),
        };
        let id = value["id"].as_str().context("a result without id")?.to_owned();
        Ok(Self { id, outcome, seconds: value["seconds"].as_f64().unwrap_or_default() })
    }
}

/// Tests that pass and tests that are skipped on Neutron, by name.
pub struct Expected {
    tests: BTreeMap<String, bool>,
}

impl Expected {
    /// From lines `pass NAME` and `skip NAME`.
    pub fn read(text: &str) -> Self {
        let lines = names(text).filter_map(|line| line.split_once(' '));
        Self { tests: lines.map(|(how, name)| (name.to_owned(), how == "pass")).collect() }
    }
}

/// Lines that are neither empty nor comments.
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A run, test by test.
pub struct Comparison {
    /// Passed here and there.
    pub passed: BTreeSet<String>,
    /// Passes there; failed here, was skipped or did not run: with the reason.
    pub failed: BTreeMap<String, String>,
    /// Skipped there and here.
    pub skipped: BTreeSet<String>,
    /// Passed here though it is skipped there, or not known there.
    pub beyond: BTreeSet<String>,
}

impl Comparison {
    /// Compares `results` with what is `expected` of the tests of which `is_selected` is true.
    pub fn new(expected: &Expected, results: &[TestResult], is_selected: impl Fn(&str) -> bool) -> Self {
        let by_id: BTreeMap<&str, &Outcome> =
            results.iter().map(|result| (result.id.as_str(), &result.outcome)).collect();
        let mut comparison = Self {
            passed: BTreeSet::new(),
            failed: BTreeMap::new(),
            skipped: BTreeSet::new(),
            beyond: BTreeSet::new(),
        };
        for (name, &passes) in expected.tests.iter().filter(|(name, _)| is_selected(name)) {
            comparison.count(name, passes, outcome_of(name, &by_id));
        }
        let beyond = by_id.iter().filter(|(id, outcome)| {
            matches!(outcome, Outcome::Passed) && !expected.tests.contains_key(**id) && !id.contains(" (")
        });
        comparison.beyond.extend(beyond.map(|(id, _)| (*id).to_owned()));
        comparison
    }

    fn count(&mut self, name: &str, passes_there: bool, outcome: Option<&Outcome>) {
        let name = name.to_owned();
        let _ = match outcome {
            Some(Outcome::Passed) if passes_there => self.passed.insert(name),
            Some(Outcome::Passed) => self.beyond.insert(name),
            Some(Outcome::Failed(text)) => self.failed.insert(name, last_line(text)).is_none(),
            _ if !passes_there => self.skipped.insert(name),
            Some(Outcome::Skipped(reason)) => {
                self.failed.insert(name, format!("skipped: {}", reason.trim())).is_none()
            }
            None => self.failed.insert(name, "did not run".into()).is_none(),
        };
    }
}

/// What was said of a test, or else of its class.
fn outcome_of<'a>(name: &str, results: &BTreeMap<&str, &'a Outcome>) -> Option<&'a Outcome> {
    let own = results.get(name).copied();
    own.or_else(|| results.get(class_of(name).as_str()).copied())
}

/// The class of a test.
pub fn class_name(test: &str) -> &str {
    let test = test.split('[').next().unwrap_or(test);
    test.rsplit_once('.').map_or(test, |(class, _)| class)
}

/// The runner's name for the preparation of a test's class.
pub fn class_of(test: &str) -> String {
    format!("setUpClass ({})", class_name(test))
}

fn last_line(text: &str) -> String {
    let line = text.lines().rfind(|line| !line.trim().is_empty() && !line.starts_with(' '));
    line.unwrap_or("failed").trim().chars().take(300).collect()
}

impl fmt::Display for Comparison {
    /// Failed tests by module, then the sums.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut modules: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for (name, reason) in &self.failed {
            modules.entry(module(name)).or_default().push((name, reason));
        }
        for (module, tests) in modules {
            writeln!(f, "\n{module}: {} failed", tests.len())?;
            for (name, reason) in tests {
                writeln!(f, "  {}\n      {reason}", &name[module.len() + 1..])?;
            }
        }
        for name in &self.beyond {
            writeln!(f, "passes beyond Neutron: {name}")?;
        }
        write!(
            f,
            "\n{} passed, {} failed, {} skipped as on Neutron",
            self.passed.len(),
            self.failed.len(),
            self.skipped.len()
        )
    }
}

/// The module of a test: its name without class, test and attributes.
fn module(name: &str) -> &str {
    let test = name.split('[').next().unwrap_or(name);
    test.rsplitn(3, '.').nth(2).unwrap_or(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(id: &str, outcome: Outcome) -> TestResult {
        TestResult { id: id.into(), outcome, seconds: 0.0 }
    }

    #[test]
    fn what_is_skipped_or_missing_counts_as_failed() {
        let expected = Expected::read(
            "# head\npass a.b.C.one[x]\npass a.b.C.two\npass a.b.D.three\nskip a.b.E.four\nskip a.F.five",
        );
        let results = [
            result("a.b.C.one[x]", Outcome::Passed),
            result("setUpClass (a.b.D)", Outcome::Skipped("no extension".into())),
            result("setUpClass (a.b.E)", Outcome::Skipped("no extension".into())),
            result("a.F.five", Outcome::Passed),
        ];
        let comparison = Comparison::new(&expected, &results, |_| true);
        assert_eq!(comparison.passed, BTreeSet::from(["a.b.C.one[x]".to_owned()]));
        let failed = [("a.b.C.two", "did not run"), ("a.b.D.three", "skipped: no extension")];
        assert_eq!(comparison.failed, failed.map(|(name, why)| (name.to_owned(), why.to_owned())).into());
        assert_eq!(comparison.skipped, BTreeSet::from(["a.b.E.four".to_owned()]));
        assert_eq!(comparison.beyond, BTreeSet::from(["a.F.five".to_owned()]));
        assert!(comparison.to_string().ends_with("1 passed, 2 failed, 1 skipped as on Neutron"));
    }

    #[test]
    fn a_failure_that_neutron_skips_is_a_failure() {
        let expected = Expected::read("skip a.b.C.one");
        let results = [result("a.b.C.one", Outcome::Failed("Traceback:\n  x\nValueError: y\n".into()))];
        let comparison = Comparison::new(&expected, &results, |_| true);
        assert_eq!(comparison.failed["a.b.C.one"], "ValueError: y");
    }
}
