//! The Networking API: one or more requests, each as lines `TOKEN METHOD PATH` and the body, parted by lines of `--`. `$0` to `$3`
//! are the ids of a network, a shared network, a subnet and a port that exist.
#![no_main]

#[path = "../../crates/api/tests/api/regressions/script.rs"]
mod script;
#[path = "../../crates/api/tests/api/support/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let view = runtime.block_on(script::run(text));
        support::consistency::check(&view);
    }
});
