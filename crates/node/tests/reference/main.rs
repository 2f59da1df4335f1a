//! Rows, the node's calculation of entries, and the host build of the packet path, against a plain reference: a list of rules and
//! a map of connections. Random rules and members that change under way, random packets of five ports here and three elsewhere,
//! both families, restarts of the agent, time. Every packet must meet the same fate, and be told
//! alike to the ports' logs.
//!
//! A million packets, in cases of a world each, on every processor. A failure prints the case's seed; `HADRON_SEED=<seed>` runs that
//! case alone, `HADRON_PACKETS=<n>` another number of packets, from the case `HADRON_FIRST=<seed>` on. Begin reading at `run_case`.

mod events;
mod host;
mod model;
mod packet;
mod random;
mod told;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use world::World;

const PACKETS: u64 = 1_000_000;
const PER_CASE: u64 = 2000;
/// Cases between two signs of life of a long run.
const REPORTED_EVERY: u64 = 1000;

#[test]
fn every_packet_meets_the_fate_that_the_rules_say() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("HADRON_SEED") {
        run_case(seed);
        return;
    }
    let mut seen: Seen = BTreeMap::new();
    let cases = number("HADRON_PACKETS").unwrap_or(PACKETS).div_ceil(PER_CASE);
    let first = number("HADRON_FIRST").unwrap_or(0);
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(|| run_cases(&next, first + cases))).collect();
        for thread in all {
            let part = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            add(&mut seen, part);
        }
    });
    println!("{} packets: {seen:?}", cases * PER_CASE);
    for what in [
        "connection begins",
        "connection goes on",
        "connection ends",
        "error passes",
        "drop told",
        "fragment denied",
        "fragment passes",
        "midway out waits for what comes in",
        "no room",
        "no rule",
        "pass told",
        "passes for lack of room",
        "passes without",
        "single denied",
        "single passes",
        "takes what is left",
    ] {
        assert!(seen.get(what).is_some_and(|times| *times >= cases), "hardly ever: {what}");
    }
}

/// How often packets were judged in which way.
type Seen = BTreeMap<&'static str, u64>;

fn add(sum: &mut Seen, part: Seen) {
    part.into_iter().for_each(|(what, times)| *sum.entry(what).or_default() += times);
}

/// Takes one case after the other, up to `end`. A failure ends every thread's work.
fn run_cases(next: &AtomicU64, end: u64) -> Seen {
    let mut seen = Seen::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return seen;
        }
        match std::panic::catch_unwind(|| run_case(seed)) {
            Ok(case) => add(&mut seen, case),
            Err(panic) => {
                next.store(end, Ordering::Relaxed);
                eprintln!("the failing case: HADRON_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
        if (seed + 1).is_multiple_of(REPORTED_EVERY) {
            println!("the cases up to {seed} are begun");
        }
    }
}

/// One world. Answers how its packets were judged.
fn run_case(seed: u64) -> Seen {
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
        let (fate, events) = world.send(&packet);
        if let Err(expected) = world.agrees(&packet, &fate, &events) {
            panic!("packet {number} of case {seed}: {fate:?} and {events:?}, not {expected:?}: {packet:?}");
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
