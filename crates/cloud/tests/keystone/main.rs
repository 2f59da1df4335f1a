//! The client of Keystone against the real one, where it is installed, and against hostile ones.

#![allow(missing_docs)]

mod confirmed;
mod fake;
mod hostile;
mod real;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// A test as a future, on a runtime of its own.
fn run(test: impl Future<Output = ()>) -> Result<(), libtest_mimic::Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(test);
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The real one's tokens last seconds; tests that compete for the processor would outlast them.
    arguments.test_threads = Some(1);
    let is_away = !real::is_installed();
    let hostile = hostile::TESTS.iter().map(|(name, test)| Trial::test(*name, move || run(test())));
    let confirmed = confirmed::TESTS
        .iter()
        .map(|(name, test)| Trial::test(*name, move || run(test())).with_ignored_flag(is_away));
    libtest_mimic::run(&arguments, hostile.chain(confirmed).collect()).exit_code()
}
