//! The packet path: a host with instances in two networks, and a conversation of frames from its ports and from the overlay.
//! Nothing panics, nothing leaves its network, and what the overlay brought doesn't go back into it.
//!
//! Input: records of door (an instance, or the overlay with a network), length (two octets, big-endian) and frame.
#![no_main]
#![allow(dead_code, reason = "the tests use more of these modules")]

#[path = "../../crates/pipeline/tests/walk/cloud.rs"]
mod cloud;
#[path = "../../crates/pipeline/tests/walk/frames.rs"]
mod frames;

use cloud::{Instance, assert_contained, node, vni, vtep};
use hadron_pipeline::host::Output;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let secure = [(1, 1, 1), (1, 2, 1), (1, 3, 2), (2, 1, 1), (2, 4, 1), (2, 5, 2)];
    let mut all = secure.map(|(network, number, host)| Instance::new(network, number, host));
    all[1].is_secure = false;
    let here = [0, 1, 3, 4];
    let mut host = node(1, &all);
    // Few enough for a conversation to run into it.
    host.tables.ports.values_mut().for_each(|port| port.connection_limit = 4);
    let mut rest = data;
    while let [door, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (frame, next) = after.split_at(length);
        rest = next;
        host.now += 1_000_000;
        match here.get(usize::from(*door % 6)) {
            Some(instance) => {
                let sender = &all[*instance];
                let outcome = host.from_port(sender.ifindex(), frame.to_vec());
                assert_contained(&host, sender.network, &outcome);
            }
            None => {
                let network = u32::from(*door % 6) - 3;
                let outcome = host.from_overlay(vni(network), vtep(2), frame.to_vec());
                assert_contained(&host, network, &outcome);
                let returned = outcome.outputs.iter().any(|output| matches!(output, Output::Tunnel { .. }));
                assert!(!returned, "the overlay's packet went back into it");
            }
        }
    }
});
