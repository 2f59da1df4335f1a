//! The DHCPv6 server: first a frame as it comes, then the same octets as the message in a sound packet, since a fuzzer has
//! better things to do than to find checksums.
#![no_main]

#[path = "../../crates/responders/tests/client6/mod.rs"]
mod client6;

use client6::{MAC, SERVERS, binding, check, frame};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let binding = binding();
    let _ = check(data, &binding);
    if data.len() < 60_000 {
        let _ = check(&frame(MAC.link_local(), SERVERS, data), &binding);
    }
});
