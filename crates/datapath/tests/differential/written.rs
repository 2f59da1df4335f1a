//! What both have written: counters, rate limits, connections.

use super::bench::Bench;
use super::load::rows;
use crate::support::program;
use hadron_datapath::drop::DropReason;
use hadron_datapath::stage::Stage;
use hadron_datapath::table::*;
use hadron_pipeline::host::Outcome;
use std::collections::HashMap;
use std::time::Duration;

impl Bench {
    /// What the ports' logs were told of a packet, at whatever time.
    pub fn compare_events(&mut self, expected: &Outcome, context: &str) {
        for event in &expected.events {
            let logs = &mut self.logs;
            let next = async { tokio::time::timeout(Duration::from_secs(5), logs.next()).await };
            let found = self.runtime.block_on(next).expect("an event").expect("an event");
            assert_eq!(LogEvent { time: event.time, ..found }, *event, "event of {context}");
            self.events[usize::from(event.reason != 0)] += 1;
        }
    }

    /// What the packet path has learned from announcements.
    pub fn compare_learned(&mut self) {
        let tables = self.datapath.tables();
        let passed = program::monotonic() - self.began;
        let macs: HashMap<_, _> = rows(&tables.learned_macs);
        assert_eq!(macs, self.node.tables.learned_macs);
        let neighbours: HashMap<_, _> = rows(&tables.learned_neighbours);
        assert_eq!(neighbours, self.node.tables.learned_neighbours);
        self.learned[2] += neighbours.len() as u64;
        let mut found: HashMap<_, _> = rows(&tables.privacy_addresses);
        for (key, expected) in &self.node.tables.privacy_addresses {
            let row = found.remove(key).unwrap_or_else(|| panic!("{key:?} was not learned"));
            assert!((expected.expires..=expected.expires + passed).contains(&row.expires), "{key:?}");
            assert_eq!(row.port, expected.port, "{key:?}");
        }
        assert_eq!(found, HashMap::new(), "addresses that nobody expects");
        self.learned[0] += macs.len() as u64;
        self.learned[1] += self.node.tables.privacy_addresses.len() as u64;
    }

    /// Who was heard, and whether anybody else was.
    pub fn compare_heard(&mut self) {
        let passed = program::monotonic() - self.began;
        let found: HashMap<_, _> = rows(&self.datapath.tables().heard);
        assert_eq!(found.len(), self.node.tables.heard.len());
        for (key, Heard { at }) in &self.node.tables.heard {
            let expected = if *at == 0 { 0..=0 } else { *at..=*at + passed };
            assert!(expected.contains(&found[key].at), "{key:?}: {} and not in {expected:?}", found[key].at);
            self.heard[0] += u64::from(*at != 0);
        }
    }

    /// Who has asked services.
    pub fn compare_sessions(&mut self) {
        let passed = program::monotonic() - self.began;
        let mut found: HashMap<_, _> = rows(&self.datapath.tables().service_sessions);
        for (key, expected) in &self.node.tables.service_sessions {
            let row = found.remove(key).unwrap_or_else(|| panic!("no session {key:?}: {expected:?}"));
            assert!((expected.seen..=expected.seen + passed).contains(&row.seen), "{key:?}");
            assert_eq!(ServiceSession { seen: expected.seen, ..row }, *expected, "{key:?}");
        }
        assert_eq!(found, HashMap::new(), "sessions that nobody expects");
    }

    /// What both have counted since the tables were loaded.
    pub fn compare_counters(&mut self) {
        assert_eq!(self.capture.next(), None, "a frame left that nobody expects");
        let tables = self.datapath.tables();
        let totals = tables.totals().expect("counters");
        for stage in Stage::ALL {
            let counted = totals.stage(*stage) - self.before.stage(*stage);
            assert_eq!(counted, self.node.counters.stages[*stage as usize], "{stage:?}");
        }
        for reason in DropReason::ALL {
            let counted = totals.drop(*reason) - self.before.drop(*reason);
            assert_eq!(counted, self.node.counters.drops[*reason as usize], "{reason:?}");
        }
        for (key, expected) in &self.node.tables.port_counters {
            assert_eq!(tables.port_counters(key.port).expect("counters"), Some(*expected), "{key:?}");
        }
        let passed = program::monotonic() - self.began;
        for (key, expected) in &self.node.tables.meters {
            let found = tables.meters(key.port).expect("meters").expect("meters");
            for (found, expected) in [
                (found.punt, expected.punt),
                (found.miss, expected.miss),
                (found.flood, expected.flood),
                (found.log, expected.log),
                (found.service, expected.service),
            ] {
                assert!((expected..=expected + passed).contains(&found), "{key:?}: {found} for {expected}");
            }
        }
    }

    /// Sessions by shared addresses. What one CPU writes is in order, so both give them the same ports.
    fn compare_translations(&self, passed: u64) -> u64 {
        let tables = self.datapath.tables();
        let later = |found: u64, expected: u64| (expected..=expected + passed).contains(&found);
        let mut found: HashMap<_, _> = rows(&tables.nat_sessions);
        for (key, expected) in &self.node.tables.nat_sessions {
            let row = found.remove(key).unwrap_or_else(|| panic!("no session {key:?}: {expected:?}"));
            assert!(later(row.expires, expected.expires), "{key:?}");
            assert_eq!(NatSession { expires: expected.expires, ..row }, *expected, "{key:?}");
        }
        assert_eq!(found, HashMap::new(), "sessions that nobody expects");
        assert_eq!(rows::<_, NatReturn>(&tables.nat_returns), self.node.tables.nat_returns);
        let mut found: HashMap<_, _> = rows(&tables.nat_fragments);
        for (key, expected) in &self.node.tables.nat_fragments {
            let row: NatFragment = found.remove(key).unwrap_or_else(|| panic!("no fragment {key:?}"));
            assert!(later(row.expires, expected.expires), "{key:?}");
            assert_eq!(NatFragment { expires: expected.expires, ..row }, *expected, "{key:?}");
        }
        assert_eq!(found, HashMap::new(), "fragments that nobody expects");
        self.node.tables.nat_sessions.len() as u64
    }

    /// The tables that the programs write. Times differ by what has passed in the kernel meanwhile.
    pub fn compare_connections(&mut self) {
        let tables = self.datapath.tables();
        let passed = program::monotonic() - self.began;
        let later = |found: u64, expected: u64| (expected..=expected + passed).contains(&found);
        let mut found: HashMap<_, _> = rows(&tables.connections);
        for (key, expected) in &self.node.tables.connections {
            let row = found.remove(key).unwrap_or_else(|| panic!("no connection {key:?}: {expected:?}"));
            assert!(later(row.expires, expected.expires) && later(row.began, expected.began), "{key:?}");
            let timeless = Connection { expires: expected.expires, began: expected.began, ..row };
            assert_eq!(timeless, *expected, "{key:?}");
            *self.connections.entry(row.state).or_default() += 1;
        }
        assert_eq!(found, HashMap::new(), "connections that nobody expects");
        let mut found: HashMap<_, _> = rows(&tables.fragments);
        for (key, expected) in &self.node.tables.fragments {
            assert!(found.remove(key).is_some_and(|row| later(row.expires, expected.expires)), "{key:?}");
        }
        assert_eq!(found, HashMap::new(), "fragments that nobody expects");
        let sessions = self.compare_translations(passed);
        for (key, expected) in &self.node.tables.rule_counters {
            assert_eq!(tables.rule_allowed(key.rule).expect("counter"), Some(expected.allowed), "{key:?}");
        }
        let expired =
            self.node.tables.connections.values().filter(|row| row.expires <= self.node.now).count();
        let sweep = tables.sweep().expect("sweep");
        assert_eq!(sweep.expired, expired as u64);
        assert_eq!(sweep.live, (self.node.tables.connections.len() - expired) as u64);
        let refused: u64 =
            self.node.tables.connection_counts.values().map(|row| u64::from(row.refused)).sum();
        let untracked: u64 = self.node.tables.port_counters.values().map(|row| row.untracked).sum();
        assert_eq!(sweep.untracked, untracked);
        self.untracked += untracked;
        self.sessions += sessions;
        // Ports without a row to count in have none of their connections kept, so none was lost.
        assert_eq!((sweep.refused, sweep.lost), (refused, 0));
    }
}
