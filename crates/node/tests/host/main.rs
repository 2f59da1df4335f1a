//! The node and the kernel: interfaces, the overlay device, the real packet path. Each test in a network and a mount namespace
//! of its own, which end with its thread. Needs root; says so and ignores the tests without.

mod links;
mod machine;
mod metadata;
mod names;
#[path = "../conversation/server.rs"]
#[allow(dead_code, reason = "the other test uses all of it")]
mod server;
mod whole;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use std::time::Duration;

/// A test by its name.
pub type Test = (&'static str, fn());

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        eprintln!("these tests need root, and are ignored without it");
    }
    let trials = links::TESTS.iter().chain(whole::TESTS).chain(metadata::TESTS).chain(names::TESTS).map(
        |&(name, test)| {
            let runner = move || -> Result<(), Failed> {
                test();
                Ok(())
            };
            Trial::test(name, runner).with_ignored_flag(!is_root)
        },
    );
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Runs `test` on a thread of its own in fresh namespaces.
fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let thread = std::thread::spawn(move || {
        machine::isolate();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(60), test()).await.expect("the test got stuck");
        });
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
