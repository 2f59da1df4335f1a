//! The public test suites of the Networking API against a running hadron, compared test by test with Neutron.
//!
//! `conformance ENVIRONMENT [--subset] [--grow] [--list FILE] [REGEX]`, where ENVIRONMENT is the virtual environment with the suites.
//! It ends with 0 if every selected test of `spec/conformance/required.txt` passes.
#![forbid(unsafe_code)]

mod cloud;
mod outcome;
mod suite;

use anyhow::{Context, Result, bail};
use cloud::Cloud;
use outcome::{Comparison, Expected, Outcome, TestResult, names};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use suite::{Selection, Suite};

const EXPECTED: &str = "expected.txt";
const REQUIRED: &str = "required.txt";
const SUBSET: &str = "subset.txt";

#[derive(Default)]
struct Options {
    environment: PathBuf,
    /// Only the required tests of the classes in `subset.txt`.
    is_subset: bool,
    /// Adds what passes to the list of what must.
    grows: bool,
    /// Where every failed test is written with its whole traceback.
    list: Option<PathBuf>,
    regex: Option<String>,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options> {
    let mut arguments = std::env::args().skip(1);
    let mut options =
        Options { environment: arguments.next().context("no environment")?.into(), ..Options::default() };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--subset" => options.is_subset = true,
            "--grow" => options.grows = true,
            "--list" => options.list = Some(arguments.next().context("--list needs a file")?.into()),
            option if option.starts_with("--") => {
                bail!("no option {option:?}; there are --subset, --grow and --list FILE")
            }
            regex => options.regex = Some(regex.to_owned()),
        }
    }
    if options.is_subset && options.regex.is_some() {
        bail!("--subset and a regular expression exclude each other");
    }
    Ok(options)
}

/// Whether all that must pass does.
fn run(options: &Options) -> Result<bool> {
    let expected = Expected::read(&read(EXPECTED)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let cloud = runtime.block_on(Cloud::start())?;
    let suite = Suite::prepare(&options.environment, &cloud)?;
    let selection = selection(options)?;
    let begun = Instant::now();
    let results = run_suite(&suite, &selection)?;
    let elapsed = begun.elapsed();
    drop(cloud);

    let ran: BTreeSet<&str> = results.iter().map(|result| result.id.as_str()).collect();
    let comparison = match &selection {
        Selection::All => Comparison::new(&expected, &results, |_| true),
        Selection::Listed(tests) => {
            let tests: BTreeSet<&str> = tests.iter().map(String::as_str).collect();
            Comparison::new(&expected, &results, |name| tests.contains(name))
        }
        // The runner's regular expressions are Python's; what it chose shows in what it ran.
        Selection::Matching(_) => Comparison::new(&expected, &results, |name| {
            ran.contains(name) || ran.contains(outcome::class_of(name).as_str())
        }),
    };
    println!("{comparison}; {} s", elapsed.as_secs());
    if let Some(file) = &options.list {
        fs::write(file, listing(&comparison, &results)).with_context(|| file.display().to_string())?;
    }
    judge(options, &comparison)
}

fn selection(options: &Options) -> Result<Selection> {
    if options.is_subset {
        let (required, subset) = (read(REQUIRED)?, read(SUBSET)?);
        let classes: BTreeSet<&str> = names(&subset).collect();
        let is_selected = |test: &&str| classes.contains(outcome::class_name(test));
        return Ok(Selection::Listed(names(&required).filter(is_selected).map(str::to_owned).collect()));
    }
    Ok(options.regex.clone().map_or(Selection::All, Selection::Matching))
}

fn run_suite(suite: &Suite, selection: &Selection) -> Result<Vec<TestResult>> {
    let mut results = Vec::new();
    suite.run(selection, |result| {
        if let Outcome::Failed(_) = &result.outcome {
            println!("failed: {}", result.id);
        }
        results.push(result);
    })?;
    if results.is_empty() {
        bail!("no test ran");
    }
    Ok(results)
}

/// Whether all of the required tests that were selected passed; with `--grow` the list is completed first.
fn judge(options: &Options, comparison: &Comparison) -> Result<bool> {
    let text = read(REQUIRED)?;
    let required: BTreeSet<&str> = names(&text).collect();
    let broken: Vec<_> = comparison.failed.keys().filter(|name| required.contains(name.as_str())).collect();
    if options.grows {
        let comments: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let all: BTreeSet<&str> =
            required.iter().copied().chain(comparison.passed.iter().map(String::as_str)).collect();
        let lines: Vec<&str> = comments.into_iter().chain(all).collect();
        fs::write(spec(REQUIRED), lines.join("\n") + "\n")?;
    }
    for name in &broken {
        println!("must pass: {name}");
    }
    println!("{} of {} required tests failed", broken.len(), required.len());
    Ok(broken.is_empty())
}

/// Every failed test, with what the runner said at length.
fn listing(comparison: &Comparison, results: &[TestResult]) -> String {
    let mut listing = format!("{comparison}\n");
    for result in results {
        if let Outcome::Failed(text) = &result.outcome {
            listing += &format!("\n=== {} ({:.1} s)\n{text}\n", result.id, result.seconds);
        }
    }
    let mut slow: Vec<_> = results.iter().filter(|result| result.outcome == Outcome::Passed).collect();
    slow.sort_by(|one, two| two.seconds.total_cmp(&one.seconds));
    for result in slow {
        listing += &format!("\npassed {:.2} s {}", result.seconds, result.id);
    }
    listing
}

fn spec(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/conformance").join(name)
}

fn read(name: &str) -> Result<String> {
    let path = spec(name);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}
