//! `cargo xtask long`: what takes hours, by hand or nightly, at the lowest priority.
//!
//! | run | is |
//! |---|---|
//! | `properties [ROUNDS]` | the unit and property tests, each round from another seed, which is printed; 100 rounds |
//! | `packets [MILLIONS]` | the packet path's host build against the plain reference, then its programs in the kernel against the host build; 100 millions each |
//! | `frames [SECONDS]` | the fuzz target `frames`; 600 seconds |
//! | `asks [SECONDS]` | the fuzz targets of what a guest asks its network, one for each processor at a time; an hour each |
//! | `schemathesis [EXAMPLES]` | requests made from the served description, so many of each operation; 50 |

use crate::check;
use crate::command::{self, cargo_bin, path_with_cargo_bin, root, run, status};
use crate::setup;
use anyhow::{Context, Result, bail};
use std::process::{Child, Command, ExitCode};
use std::time::{SystemTime, UNIX_EPOCH};

const USAGE: &str = "usage: cargo xtask long properties [ROUNDS] | long packets [MILLIONS] | long frames [SECONDS] | long asks [SECONDS] | long schemathesis [EXAMPLES]";

/// Packets of a case of `kernel_differential`.
const PER_CASE: u64 = 1000;

/// Runs what the arguments name.
pub fn start(arguments: &[String]) -> Result<ExitCode> {
    let (what, amount) = match arguments {
        [what] => (what, None),
        [what, amount] => (what, Some(amount.parse::<u64>().context(USAGE)?)),
        _ => bail!(USAGE),
    };
    setup::run()?;
    match what.as_str() {
        "properties" => properties(amount.unwrap_or(100)),
        "packets" => packets(amount.unwrap_or(100) * 1_000_000),
        "frames" => {
            build_fuzz_targets()?;
            status(&mut fuzz("frames", amount.unwrap_or(600))?)
        }
        "asks" => asks(amount.unwrap_or(3600)),
        "schemathesis" => schemathesis(amount.unwrap_or(50)),
        _ => bail!(USAGE),
    }
}

/// Ends with the first round that fails.
fn properties(rounds: u64) -> Result<ExitCode> {
    let first = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    for seed in first..first + rounds {
        println!("PROPTEST_RNG_SEED={seed}");
        run(&mut check::unit_tests(seed)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn packets(count: u64) -> Result<ExitCode> {
    run(&mut test("hadron-node", "reference", &["--no-run"]))?;
    run(&mut test("hadron-datapath", "kernel_differential", &["--no-run"]))?;
    let mut reference = test("hadron-node", "reference", &["--", "--nocapture"]);
    run(reference.env("HADRON_PACKETS", count.to_string()))?;
    if !setup::is_root() {
        println!("the programs in the kernel need root");
        return Ok(ExitCode::SUCCESS);
    }
    kernel(count)
}

/// A process for each processor: each has its own tables, and its part of the cases.
fn kernel(count: u64) -> Result<ExitCode> {
    let processes = std::thread::available_parallelism()?.get() as u64;
    let cases = count.div_ceil(PER_CASE).div_ceil(processes);
    let start = |part: u64| -> Result<Child> {
        let mut test = test("hadron-datapath", "kernel_differential", &["--", "--nocapture"]);
        test.env("HADRON_PACKETS", (cases * PER_CASE).to_string());
        test.env("HADRON_FIRST", (part * cases).to_string());
        test.spawn().context("cannot start cargo")
    };
    let started: Vec<_> = (0..processes).map(start).collect();
    let mut is_good = true;
    for child in started {
        is_good &= child?.wait()?.success();
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The parsers of what a guest asks its network.
const ASKS: [&str; 5] = ["dhcpv4", "dhcpv6", "dns", "metadata", "solicitations"];

/// Each of [`ASKS`] for so long, as many at a time as there are processors.
pub fn asks(seconds: u64) -> Result<ExitCode> {
    build_fuzz_targets()?;
    let processors = std::thread::available_parallelism()?.get();
    let mut is_good = true;
    for targets in ASKS.chunks(processors) {
        let start = |target: &&str| fuzz(target, seconds)?.spawn().context("cannot start cargo-fuzz");
        let started: Vec<Result<Child>> = targets.iter().map(start).collect();
        for child in started {
            is_good &= child?.wait()?.success();
        }
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The targets that need no part of the server.
fn build_fuzz_targets() -> Result<()> {
    setup::cargo_fuzz()?;
    run(cargo_fuzz("build").arg("--no-default-features"))
}

/// Runs a target from what it found before and from what once broke it.
fn fuzz(target: &str, seconds: u64) -> Result<Command> {
    let corpus = root().join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&corpus)?;
    let regressions = root().join("fuzz/regressions").join(target);
    let mut fuzz = cargo_fuzz("run");
    fuzz.args(["--no-default-features", target]).arg(corpus);
    if regressions.is_dir() {
        fuzz.arg(regressions);
    }
    fuzz.arg("--").arg(format!("-max_total_time={seconds}"));
    Ok(fuzz)
}

fn cargo_fuzz(action: &str) -> Command {
    let mut fuzz = nice(cargo_bin().join("cargo-fuzz"));
    // The compiler's switches for fuzzing are those of a nightly one.
    fuzz.arg(action).env("RUSTC_BOOTSTRAP", "1").env_remove("CARGO_TARGET_DIR");
    fuzz
}

fn schemathesis(examples: u64) -> Result<ExitCode> {
    let environment = setup::schemathesis_environment()?;
    run(command::cargo().args(["build", "--quiet", "--package", "hadron"]))?;
    run(command::cargo().args(["build", "--quiet", "--package", "hadron-tests", "--bin", "schemathesis"]))?;
    let mut program = nice(command::target().join("debug/schemathesis"));
    status(program.arg(environment).arg(examples.to_string()))
}

fn test(package: &str, test: &str, arguments: &[&str]) -> Command {
    let mut command = nice(command::cargo().get_program());
    command.args(["test", "--quiet", "--package", package, "--test", test]).args(arguments);
    command
}

fn nice(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(program).current_dir(root()).env("PATH", path_with_cargo_bin());
    command
}
