//! `cargo xtask test`: the checks in order, each counted, all run even when one fails.
//!
//! Tests that need root and the kernel (layers 2, 3 and 5) are those whose test target's name begins with `kernel_`, `lab_` or
//! `guest_`; without root they are listed and counted as skipped.

use crate::aarch64;
use crate::command::{self, cargo, root, succeeds};
use crate::conformance;
use crate::setup;
use crate::tally::Tally;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

type Step = (&'static str, &'static str, fn() -> Result<Tally>);

const STEPS: &[Step] = &[
    ("format", "rustfmt finds nothing to change", format),
    ("lint", "clippy finds nothing, warnings are errors", lint),
    ("deny", "licences, sources and duplicate versions of dependencies", deny),
    ("build", "the product and its tests build", build),
    ("unit", "unit and property tests", unit),
    ("kernel", "the real BPF object in the real kernel", kernel),
    ("kernel-v4", "the same object for the instruction set of newer kernels", kernel_v4),
    ("lab", "scenarios on the lab", lab),
    ("guests", "real guests and their real programs", guests),
    ("fuzz", "a minute of fuzzing for each parser of what a guest asks its network", fuzz),
    ("demo", "the demo over both underlays, with the official client", demo),
    ("client", "every network command of the official client whose objects are served", client),
    ("conformance", "a subset of the public test suites", conformance::subset),
    ("aarch64", "the product checks for aarch64", aarch64::check),
];

/// Runs the steps of these names, all if none is named.
pub fn run(names: &[String]) -> Result<ExitCode> {
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|(step, ..)| step == name)) {
        bail!("no step {unknown:?}; there are {}", step_names());
    }
    setup::run()?;
    let mut total = Tally::default();
    let mut lines = Vec::new();
    for (name, what, step) in
        STEPS.iter().filter(|(step, ..)| names.is_empty() || names.iter().any(|n| n == step))
    {
        println!("\n== {name}: {what}");
        let begun = Instant::now();
        let tally = step().unwrap_or_else(|error| {
            eprintln!("{name}: {error:#}");
            Tally::FAILED
        });
        lines.push(format!("{name:<11} {tally}, {:.0} s", begun.elapsed().as_secs_f64()));
        total += tally;
    }
    // Once more at the end, since whoever reads a long log begins there.
    if !total.complaints.is_empty() {
        println!("\n{}", total.complaints.join("\n"));
    }
    println!("\n{}\n\n{total}", lines.join("\n"));
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn step_names() -> String {
    STEPS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
}

fn format() -> Result<Tally> {
    if !succeeds(cargo().args(["fmt", "--version"])) {
        println!("rustfmt is not installed");
        return Ok(Tally::skipped(1));
    }
    let workspace = cargo().args(["fmt", "--all", "--check"]).status()?.success();
    let ebpf =
        cargo().args(["fmt", "--check", "--manifest-path", "crates/ebpf/Cargo.toml"]).status()?.success();
    Ok(Tally::of(workspace && ebpf))
}

fn lint() -> Result<Tally> {
    if !succeeds(cargo().args(["clippy", "--version"])) {
        println!("clippy is not installed");
        return Ok(Tally::skipped(1));
    }
    let status = cargo()
        .args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"])
        .status()?;
    Ok(Tally::of(status.success()))
}

fn deny() -> Result<Tally> {
    // Dependencies of other systems too, which no build has fetched.
    command::run(cargo().args(["fetch", "--quiet", "--locked"]))?;
    // The database of advisories is not part of the registry; the other checks need nothing from outside.
    let status = cargo()
        .args(["deny", "--offline", "--log-level", "error", "check", "bans", "licenses", "sources"])
        .status()?;
    Ok(Tally::of(status.success()))
}

/// Everything is built at once, so that no later step builds a dependency again with other features.
fn build() -> Result<Tally> {
    Ok(Tally::of(cargo().args(["build", "--quiet", "--workspace", "--all-targets"]).status()?.success()))
}

/// Property tests begin with the same number at each run, so that what fails does so because of what was changed and does so again;
/// `cargo xtask long properties` begins with others.
const SEED: u64 = 2026;

fn unit() -> Result<Tally> {
    counted(&mut unit_tests(SEED)?)
}

/// The unit and property tests, with what the latter make their cases from.
pub fn unit_tests(seed: u64) -> Result<Command> {
    let mut tests = tests(&["--lib", "--bins"]);
    for name in unprivileged_targets()? {
        tests.args(["--test", &name]);
    }
    tests.env("PROPTEST_RNG_SEED", seed.to_string());
    Ok(tests)
}

fn kernel() -> Result<Tally> {
    privileged("kernel_*")
}

/// The verifier's budget and the host build's verdicts, with the programs built for `v4`. It has a directory of its own, so that the
/// product isn't built again with every change of the instruction set.
fn kernel_v4() -> Result<Tally> {
    let mut tests = cargo();
    tests
        .args(["test", "--quiet", "--package", "hadron-datapath"])
        .args(["--test", "kernel_verifier", "--test", "kernel_differential"])
        .env("CARGO_TARGET_DIR", command::target().join("v4"))
        .env("HADRON_BPF_CPU", "v4");
    if setup::is_root() {
        return counted(&mut tests);
    }
    println!("2 tests need root");
    Ok(Tally::skipped(2))
}

fn lab() -> Result<Tally> {
    // Scenarios start the binary, which tests alone do not build.
    build()?;
    privileged("lab_*")
}

/// Skipped where the packages that guests are made of can't be had.
fn guests() -> Result<Tally> {
    build()?;
    if setup::is_root()
        && let Err(error) = crate::debian::root()
    {
        println!("no Debian packages for guests: {error:#}");
        return skipped(&mut tests(&["--test", "guest_*"]));
    }
    privileged("guest_*")
}

/// Skipped where the fuzzer can't be installed.
fn fuzz() -> Result<Tally> {
    if let Err(error) = setup::cargo_fuzz() {
        println!("no cargo-fuzz: {error:#}");
        return Ok(Tally::skipped(1));
    }
    Ok(Tally::of(crate::long::asks(60)? == ExitCode::SUCCESS))
}

fn privileged(targets: &str) -> Result<Tally> {
    let mut tests = tests(&["--test", targets]);
    if setup::is_root() {
        return counted(&mut tests);
    }
    println!("these tests need root");
    skipped(&mut tests)
}

/// As many skipped tests as there are.
fn skipped(tests: &mut Command) -> Result<Tally> {
    let listed = tests.args(["--", "--list"]).output()?;
    let count =
        String::from_utf8_lossy(&listed.stdout).lines().filter(|line| line.ends_with(": test")).count();
    println!("{count} tests are skipped");
    Ok(Tally::skipped(count as u64))
}

fn tests(which: &[&str]) -> Command {
    let mut command = cargo();
    command.args(["test", "--quiet", "--workspace", "--no-fail-fast"]).args(which);
    command
}

fn demo() -> Result<Tally> {
    if !setup::is_root() {
        println!("the demo needs root");
        return Ok(Tally::skipped(1));
    }
    let program = command::target().join("debug/demo");
    let v4 = Tally::of(Command::new(&program).arg("--check").status()?.success());
    let mut sum = Tally::of(Command::new(&program).args(["--check", "--ipv6"]).status()?.success());
    sum += v4;
    Ok(sum)
}

fn client() -> Result<Tally> {
    Ok(Tally::of(Command::new(command::target().join("debug/client")).status()?.success()))
}

/// Runs tests and counts them. A runner that fails without naming a failed test (it did not build, it crashed) is one failure.
fn counted(tests: &mut Command) -> Result<Tally> {
    tests.stdout(Stdio::piped());
    let mut child = tests.spawn().context("cannot start cargo")?;
    let output = child.stdout.take().context("no output of cargo")?;
    let mut tally = Tally::read_passing_on(output);
    if !child.wait()?.success() && tally.failed == 0 {
        tally += Tally::FAILED;
    }
    Ok(tally)
}

/// Names of the integration tests that need no root, found as cargo finds them: `tests/NAME.rs` and `tests/NAME/main.rs`.
fn unprivileged_targets() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for package in std::fs::read_dir(root().join("crates"))? {
        let Ok(entries) = std::fs::read_dir(package?.path().join("tests")) else { continue };
        for entry in entries {
            let path = entry?.path();
            let is_target =
                path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file();
            if let Some(name) = path.file_stem().filter(|_| is_target) {
                names.insert(name.to_string_lossy().into_owned());
            }
        }
    }
    names.retain(|name| !["kernel_", "lab_", "guest_"].iter().any(|layer| name.starts_with(layer)));
    Ok(names)
}
