//! `cargo xtask conformance`: the public test suites of the Networking API, in a virtual environment of their own.
//!
//! The program that runs them and compares is `conformance` of `hadron-tests`; what it compares with is `spec/conformance`.

use crate::command::{self, cargo};
use crate::setup;
use crate::tally::Tally;
use anyhow::Result;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Installs the suites if need be, builds, and runs them with these arguments.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let environment = setup::suites_environment()?;
    command::run(cargo().args(["build", "--quiet", "--package", "hadron"]))?;
    command::run(cargo().args(["build", "--quiet", "--package", "hadron-tests", "--bin", "conformance"]))?;
    command::status(program(&environment).args(arguments))
}

/// The subset, each of whose tests must pass; skipped where the suites can't be installed.
pub fn subset() -> Result<Tally> {
    match setup::suites_environment() {
        Ok(environment) => Ok(Tally::of(program(&environment).arg("--subset").status()?.success())),
        Err(error) => {
            println!("the public suites can't be installed: {error:#}");
            Ok(Tally::skipped(1))
        }
    }
}

fn program(environment: &Path) -> Command {
    let mut program = Command::new(command::target().join("debug/conformance"));
    program.arg(environment);
    program
}
