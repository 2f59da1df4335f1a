//! Rows, the node's calculation of entries, and the host build of the packet path, against a plain reference: a list of rules and
//! a map of connections. Random rules and members that change under way, random packets of five ports here and three elsewhere,
//! both families, restarts of the agent, time. Every packet must meet the same fate.
//!
//! A million packets, in cases of a world each. A failure prints the case's seed; `HADRON_SEED=<seed>` runs that case alone,
//! `HADRON_PACKETS=<n>` another number of packets. Begin reading at `run_case`.

mod events;
mod host;
mod model;
mod packet;
mod random;
mod world;

use std::collections::BTreeMap;
use world::World;

const PACKETS: u64 = 1_000_000;
const PER_CASE: u64 = 2000;

#[test]
fn every_packet_meets_the_fate_that_the_rules_say() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("HADRON_SEED") {
        run_case(seed);
        return;
    }
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    let cases = number("HADRON_PACKETS").unwrap_or(PACKETS).div_ceil(PER_CASE);
    for seed in 0..cases {
        match std::panic::catch_unwind(|| run_case(seed)) {
            Ok(case) => case.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times),
            Err(panic) => {
                eprintln!("the failing case: HADRON_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{} packets: {seen:?}", cases * PER_CASE);
    for what in [
        "connection begins",
        "connection goes on",
        "connection ends",
        "error passes",
        "fragment denied",
        "fragment passes",
        "midway out waits for what comes in",
        "no room",
        "no rule",
        "passes for lack of room",
        "passes without",
        "single denied",
        "single passes",
        "takes what is left",
    ] {
        assert!(seen.get(what).is_some_and(|times| *times >= cases), "hardly ever: {what}");
    }
}

/// One world. Answers how its packets were judged.
fn run_case(seed: u64) -> BTreeMap<&'static str, u64> {
    let mut world = World::new(seed);
    for _ in 0..40 {
        events::change(&mut world);
    }
    let mut recent = Vec::new();
    for number in 0..PER_CASE {
        if world.random.one_in(12) {
            events::change(&mut world);
        }
        let packet = events::packet(&mut world.random, &recent);
        let fate = world.send(&packet);
        if let Err(expected) = world.agrees(&packet, &fate) {
            panic!("packet {number} of case {seed}: {fate:?}, not {expected:?}: {packet:?}");
        }
        if recent.len() < 16 {
            recent.push(packet);
        } else {
            let place = world.random.below(recent.len());
            recent[place] = packet;
        }
    }
    assert_eq!(world.miscounted(), [0; 0], "ports that have counted otherwise in case {seed}");
    world.model.seen
}
