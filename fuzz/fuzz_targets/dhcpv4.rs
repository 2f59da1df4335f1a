//! The DHCPv4 server: first a frame as it comes, then the same octets as the message in a sound packet, since a fuzzer has
//! better things to do than to find checksums.
#![no_main]

#[path = "../../crates/responders/tests/client/mod.rs"]
mod client;

use client::{ADDRESS, SERVER, check, frame, lease};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let lease = lease();
    let _ = check(data, &lease);
    if data.len() < 60_000 {
        let _ = check(&frame(ADDRESS, SERVER, data), &lease);
    }
});
