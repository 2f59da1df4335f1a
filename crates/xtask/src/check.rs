//! `cargo xtask test`: the checks in order, each counted, all run even when one fails.
//!
//! Tests that need root and the kernel (layers 2, 3 and 5) are those whose test target's name begins with `kernel_` or `lab_`;
//! without root they are listed and counted as skipped.

use crate::aarch64;
use crate::command::{cargo, root, succeeds};
use crate::setup;
use crate::tally::Tally;
use anyhow::{Context, Result, bail};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

type Step = (&'static str, &'static str, fn() -> Result<Tally>);

const STEPS: &[Step] = &[
    ("format", "rustfmt finds nothing to change", format),
    ("lint", "clippy finds nothing, warnings are errors", lint),
    ("deny", "licences, sources and duplicate versions of dependencies", deny),
    ("aarch64", "the product checks for aarch64", aarch64::check),
    ("unit", "unit and property tests", unit),
    ("kernel", "the real BPF object in the real kernel", kernel),
    ("lab", "scenarios on the lab", lab),
    ("demo", "the demo, with the official client", demo),
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
        lines.push(format!("{name:<8} {tally}, {:.0} s", begun.elapsed().as_secs_f64()));
        total += tally;
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
    // The database of advisories is not part of the registry; the other checks need nothing from outside.
    let status = cargo()
        .args(["deny", "--offline", "--log-level", "error", "check", "bans", "licenses", "sources"])
        .status()?;
    Ok(Tally::of(status.success()))
}

fn unit() -> Result<Tally> {
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--no-fail-fast", "--quiet", "--lib", "--bins"]);
    let mut sum = counted(&mut tests)?;
    for target in test_targets()?.into_iter().filter(|target| !target.needs_root()) {
        sum += counted(&mut target.command())?;
    }
    Ok(sum)
}

fn kernel() -> Result<Tally> {
    privileged("kernel_")
}

fn lab() -> Result<Tally> {
    privileged("lab_")
}

fn privileged(prefix: &str) -> Result<Tally> {
    let mut sum = Tally::default();
    for target in test_targets()?.into_iter().filter(|target| target.name.starts_with(prefix)) {
        sum += if setup::is_root() { counted(&mut target.command())? } else { target.skipped()? };
    }
    Ok(sum)
}

fn demo() -> Result<Tally> {
    if !setup::is_root() {
        println!("the demo needs root");
        return Ok(Tally::skipped(1));
    }
    crate::command::run(cargo().args(["build", "--quiet", "--package", "hadron"]))?;
    let status = cargo()
        .args(["run", "--quiet", "--package", "hadron-tests", "--bin", "demo", "--", "--check"])
        .status()?;
    Ok(Tally::of(status.success()))
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

struct TestTarget {
    package: String,
    name: String,
}

impl TestTarget {
    fn needs_root(&self) -> bool {
        self.name.starts_with("kernel_") || self.name.starts_with("lab_")
    }

    fn command(&self) -> Command {
        let mut command = cargo();
        command.args(["test", "--quiet", "--no-fail-fast", "--package", &self.package, "--test", &self.name]);
        command
    }

    fn skipped(&self) -> Result<Tally> {
        let listed = self.command().args(["--", "--list"]).output()?;
        let count =
            String::from_utf8_lossy(&listed.stdout).lines().filter(|line| line.ends_with(": test")).count();
        println!("{} {}: {count} tests need root", self.package, self.name);
        Ok(Tally::skipped(count as u64))
    }
}

/// The workspace's integration tests, found as cargo finds them: `tests/*.rs` of each package.
fn test_targets() -> Result<Vec<TestTarget>> {
    let mut packages: Vec<(String, std::path::PathBuf)> = vec![("hadron-tests".into(), root().join("tests"))];
    for entry in std::fs::read_dir(root().join("crates"))? {
        let path = entry?.path();
        let room = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = if room == "hadron" || room == "xtask" { room } else { format!("hadron-{room}") };
        packages.push((name, path));
    }
    let mut targets = Vec::new();
    for (package, path) in packages {
        let Ok(entries) = std::fs::read_dir(path.join("tests")) else { continue };
        for file in entries {
            let file = file?.path();
            if file.extension().is_some_and(|extension| extension == "rs") {
                let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                targets.push(TestTarget { package: package.clone(), name });
            }
        }
    }
    targets.sort_by(|a, b| (&a.package, &a.name).cmp(&(&b.package, &b.name)));
    Ok(targets)
}
