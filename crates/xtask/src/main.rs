//! The project's front door for people and for CI: `cargo xtask setup|demo|test|conformance|bench|long`.
//!
//! It owns what must be on a machine to build and test hadron ([`setup`]), which checks make up a test run and how they are
//! counted ([`check`], [`tally`]), and starting the demo and the benches. It depends on nothing of the product, so that it
//! builds before the tools that the product's build needs are installed.
#![forbid(unsafe_code)]

mod aarch64;
mod busybox;
mod check;
mod command;
mod conformance;
mod debian;
mod long;
mod setup;
mod tally;

use anyhow::{Result, bail};
use command::cargo;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  setup              install what building and testing need (Debian packages, BPF linker, cargo-deny, openstack client)
  demo [--check] …   set up, build, bring up a cloud of three hosts and show it; --check exits 0 or 1 instead of staying up
  test [STEP …]      set up, then every check that this machine can run; with names, only those steps
  conformance [--subset] [--grow] [--list FILE] [REGEX]
                     set up, then the public test suites against a running server, compared test by test with Neutron;
                     --grow adds what passes to the list of what must, --list writes every failure at length
  bench [NAME …]     set up, then the benchmarks, built for release, and one table of all their figures
  long NAME [N]      set up, then hours of property tests (rounds), packets (millions), fuzzed frames (seconds) or requests made from the description (examples)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = arguments.split_first() else { bail!("{USAGE}") };
    match command.as_str() {
        "setup" => setup::run().map(|()| ExitCode::SUCCESS),
        "test" => check::run(rest),
        "demo" => {
            setup::run()?;
            command::run(cargo().args(["build", "--package", "hadron"]))?;
            command::status(
                cargo()
                    .args(["run", "--quiet", "--package", "hadron-tests", "--bin", "demo", "--"])
                    .args(rest),
            )
        }
        "conformance" => {
            setup::run()?;
            conformance::run(rest)
        }
        "bench" => {
            setup::run()?;
            command::run(cargo().args(["build", "--release", "--package", "hadron"]))?;
            command::status(
                cargo().args(["run", "--quiet", "--release", "--package", "hadron-bench", "--"]).args(rest),
            )
        }
        "long" => long::start(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("no command {other:?}\n{USAGE}"),
    }
}
