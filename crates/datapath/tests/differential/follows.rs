//! Who follows packets, and what they are told.

use super::bench::Bench;
use super::case::{elsewhere, v4, v6};
use super::random::Random;
use hadron_datapath::table::*;
use hadron_datapath::{Address, FollowedPacket};
use hadron_pipeline::host::Outcome;
use std::time::Duration;

/// Rows of a case.
const ROWS: usize = 3;
/// All rows together stay below the burst of the host's rate, so that no clock decides what is told.
const MOST: usize = 60;

/// Some rows, of which each looks at a few fields.
pub fn any(random: &mut Random, interfaces: &[u32]) -> Vec<Option<Follow>> {
    (1..=ROWS as u32)
        .map(|id| {
            let until = if random.one_in(8) { 0 } else { u64::MAX };
            let (headers, mask) = wanted(random, interfaces);
            let most = random.below(MOST) as u32;
            (!random.one_in(8)).then_some(Follow { headers, mask, until, id, most, told: 0, lost: 0 })
        })
        .collect()
}

fn wanted(random: &mut Random, interfaces: &[u32]) -> (Headers, Headers) {
    let number = elsewhere(random).0[5];
    let address = if random.one_in(2) { v4(number) } else { v6(number) };
    let headers = Headers {
        source: address,
        destination: address,
        network: 1,
        ifindex: random.pick(interfaces),
        source_port: 4000,
        destination_port: 80,
        ether_type: random.pick(&[0x0800, 0x0806, 0x86dd]),
        protocol: random.pick(&[1, 6, 17, 58]),
        door: random.pick(&[door::PORT, door::OVERLAY, door::PROVIDER]),
    };
    let mut mask = Headers::default();
    match random.below(8) {
        0 => mask.source = Address([0xff; 16]),
        1 => mask.destination = Address([0xff; 16]),
        2 => mask.network = u32::MAX,
        3 => mask.ifindex = u32::MAX,
        4 => (mask.protocol, mask.destination_port) = (u8::MAX, u16::MAX),
        5 => mask.ether_type = u16::MAX,
        6 => mask.door = u8::MAX,
        _ => {}
    }
    (headers, mask)
}

impl Bench {
    /// What who follows a packet was told.
    pub fn compare_followed(&mut self, expected: &Outcome, context: &str) {
        let Some((header, frame)) = &expected.followed else { return };
        let followed = &mut self.followed;
        let next = async { tokio::time::timeout(Duration::from_secs(5), followed.next()).await };
        let found = self.runtime.block_on(next).expect("a packet").expect("a packet");
        let Followed { time, ifindex, .. } = found.header;
        // A model without an overlay does not know by which interface its packets come nevertheless.
        let ifindex = if header.ifindex == 0 { ifindex } else { header.ifindex };
        let expected = FollowedPacket { header: Followed { time, ifindex, ..*header }, frame: frame.clone() };
        assert_eq!(found, expected, "followed of {context}");
        assert!(found.header.time >= header.time, "followed before it was sent: {context}");
        self.told[header.door as usize - 1] += 1;
    }

    /// How many were told and lost.
    pub fn compare_follows(&mut self) {
        for (slot, expected) in self.node.tables.follows.iter().enumerate() {
            assert_eq!(self.datapath.tables().followed_by(slot).expect("a row"), *expected);
            self.lost += expected.lost;
        }
    }
}
