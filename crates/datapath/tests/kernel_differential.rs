//! The kernel's programs against the host build of the same crate: random tables, random packets, both doors. The same
//! verdict, the same packet, the same copies and punts, the same counters, rate limits and connections.
//!
//! A million packets, in cases of a random set of tables each. A failure prints the case's seed; `HADRON_SEED=<seed>` runs that
//! case alone, `HADRON_PACKETS=<n>` another number of packets, from the case `HADRON_FIRST=<seed>` on. Begin reading at `run_case`.
//!
//! The model's clock is set just before the kernel reads its own. A case that fails after the machine has held it up in between is run
//! again.

mod differential;
mod support;

use differential::bench::Bench;
use differential::random::Random;
use differential::{case, frames, questions};
use std::time::Instant;

const PACKETS: u64 = 1_000_000;
const PER_CASE: u64 = 1000;
/// Cases between two signs of life of a long run.
const REPORTED_EVERY: u64 = 1000;
/// How often a case may be held up.
const ATTEMPTS: u32 = 30;

fn main() -> std::process::ExitCode {
    support::run(&[("kernel_and_host_agree", kernel_and_host_agree)])
}

fn kernel_and_host_agree() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let mut bench = Bench::new();
    if let Some(seed) = number("HADRON_SEED") {
        run_case(&mut bench, seed);
        return;
    }
    let cases = number("HADRON_PACKETS").unwrap_or(PACKETS).div_ceil(PER_CASE);
    let first = number("HADRON_FIRST").unwrap_or(0);
    let start = Instant::now();
    let mut again = 0;
    for seed in first..first + cases {
        again += run_unhurried(&mut bench, seed);
        if (seed + 1).is_multiple_of(REPORTED_EVERY) {
            println!("the cases up to {seed} are done, {again} of them were held up");
        }
    }
    bench.report();
    println!("{} packets in {:.1} s", cases * PER_CASE, start.elapsed().as_secs_f32());
    if cases * PER_CASE >= PACKETS {
        bench.assert_covered();
    }
}

/// Runs a case until it fails or isn't held up. Answers how often it was.
fn run_unhurried(bench: &mut Bench, seed: u64) -> u32 {
    let mut was_held_up = false;
    for attempt in 0.. {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run_case(bench, seed)));
        match outcome {
            Ok(()) => return attempt,
            // The first failure after one that was excused may be of what that one has left.
            Err(_) if (bench.was_held_up() || was_held_up) && attempt < ATTEMPTS => {
                was_held_up = bench.was_held_up();
                bench.forget_outputs();
            }
            Err(panic) => {
                eprintln!("the failing case: HADRON_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    unreachable!("the last attempt fails")
}

/// One set of tables, and packets from ports and from the overlay. Half-way some permissions go, and slots of shared addresses.
fn run_case(bench: &mut Bench, seed: u64) {
    let mut random = Random::new(seed);
    let mut world = case::world(&mut random, bench.interfaces());
    bench.load(&world);
    let mut recent: Vec<Vec<u8>> = vec![Vec::new(); 8];
    for number in 0..PER_CASE {
        if number == PER_CASE / 2 {
            world.policies.change(&mut random);
            bench.load_policies(&world.policies);
            world.move_slots(&mut random);
            bench.load_owners(&world);
            bench.settle_addresses();
        }
        let earlier = random.below(recent.len());
        let answer = if random.one_in(3) { frames::answer(&mut random, &recent[earlier]) } else { None };
        if random.one_in(20) {
            bench.services_answer(&mut random);
        } else if random.one_in(12) {
            let (ifindex, mac) = world.interface(&mut random);
            let frame = questions::any(&mut random, &world, mac);
            bench.port_sends(ifindex, &frame, 0);
        } else if let Some(frame) = answer {
            recent[earlier] = frame.clone();
            match world.interface_of(&frame) {
                Some(ifindex) => bench.port_sends(ifindex, &frame, 0),
                None => {
                    let (vni, source) = world.tunnel_source(&mut random);
                    bench.overlay_brings(vni, source, &frame);
                }
            }
        } else if random.one_in(3) {
            let (vni, source) = world.tunnel_source(&mut random);
            let mac = case::elsewhere(&mut random);
            let frame = frames::any(&mut random, &world, mac);
            if random.one_in(2) {
                bench.provider_brings(world.provider, world.vlan(&mut random), &frame);
                recent[earlier] = frame;
                continue;
            }
            bench.overlay_brings(vni, source, &frame);
            recent[earlier] = frame;
        } else {
            let (ifindex, mac) = world.interface(&mut random);
            let frame = frames::any(&mut random, &world, mac);
            let gso_size = if random.one_in(50) { random.below(1600) as u32 } else { 0 };
            bench.port_sends(ifindex, &frame, gso_size);
            recent[earlier] = frame;
        }
    }
    bench.compare_counters();
    bench.compare_learned();
    bench.compare_connections();
    bench.compare_sessions();
    bench.compare_heard();
    bench.compare_follows();
}
