//! The node and the kernel: interfaces, the overlay device, the real packet path. Each test in a network and a mount namespace
//! of its own, which end with its thread. Needs root; says so and does nothing without.

mod links;
mod machine;
#[path = "../conversation/server.rs"]
#[allow(dead_code, reason = "the other test uses all of it")]
mod server;
mod whole;

use std::time::Duration;

/// Runs `test` on a thread of its own in fresh namespaces.
fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root for a network namespace");
        return;
    }
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
