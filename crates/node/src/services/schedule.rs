//! When routers advertise themselves unasked (RFC 4861 §6.2.4): soon after a port is wired or something changed, and then at random
//! intervals; and for the last time when they go (§6.2.5).

use hadron_responders::router::{Advertisement, Asker, State};
use std::collections::{BTreeSet, HashMap};
use std::net::Ipv6Addr;
use std::time::Duration;
use tokio::time::Instant;

/// MinRtrAdvInterval and MaxRtrAdvInterval.
const INTERVAL: [Duration; 2] = [Duration::from_secs(200), Duration::from_secs(600)];
/// MAX_INITIAL_RTR_ADVERTISEMENTS and their interval; MAX_FINAL_RTR_ADVERTISEMENTS is the same.
const INITIAL: u8 = 3;
const INITIAL_INTERVAL: Duration = Duration::from_secs(16);
/// MIN_DELAY_BETWEEN_RAS.
const LEAST_INTERVAL: Duration = Duration::from_secs(3);

/// What a port hears.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Heard {
    /// Index of its interface.
    pub(super) ifindex: u32,
    pub(super) routers: Vec<Advertisement>,
    /// The port's own addresses.
    pub(super) addresses: Vec<Ipv6Addr>,
}

/// When each port hears its routers next.
#[derive(Default, Debug)]
pub(super) struct Schedule {
    ports: HashMap<u32, Entry>,
    queue: BTreeSet<(Instant, u32)>,
}

#[derive(Debug)]
struct Entry {
    heard: Heard,
    at: Option<Instant>,
    /// Advertisements that are left to be sent soon.
    initial: u8,
    /// Prefixes that no router advertises any more while the port has an address in them, beside what the router said.
    lost: Vec<Advertisement>,
    /// What is over.
    farewell: Vec<(Advertisement, State)>,
}

impl Schedule {
    /// Sets what a port hears; `None` for one that is not wired.
    pub(super) fn set(&mut self, port: u32, heard: Option<Heard>, now: Instant) {
        let old = self.take(port);
        let Some(heard) = heard else { return };
        let entry = match old {
            Some(old) if old.heard.ifindex == heard.ifindex => old.changed(heard, now),
            _ => Entry::new(heard, now),
        };
        if !entry.is_over() {
            self.put(port, entry);
        }
    }

    /// When something is due, if ever.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Interface and frame of what is due; `random` is what intervals are drawn by.
    pub(super) fn due(&mut self, now: Instant, mut random: impl FnMut() -> u32) -> Vec<(u32, Vec<u8>)> {
        let mut frames = Vec::new();
        while let Some(&(at, port)) = self.queue.first().filter(|(at, _)| *at <= now) {
            let Some(mut entry) = self.take(port) else {
                self.queue.remove(&(at, port));
                continue;
            };
            frames.extend(entry.frames().into_iter().map(|frame| (entry.heard.ifindex, frame)));
            entry.advance(now, random());
            if !entry.is_over() {
                self.put(port, entry);
            }
        }
        frames
    }

    fn take(&mut self, port: u32) -> Option<Entry> {
        let entry = self.ports.remove(&port)?;
        if let Some(at) = entry.at {
            self.queue.remove(&(at, port));
        }
        Some(entry)
    }

    fn put(&mut self, port: u32, entry: Entry) {
        self.queue.extend(entry.at.map(|at| (at, port)));
        self.ports.insert(port, entry);
    }
}

impl Entry {
    fn new(heard: Heard, now: Instant) -> Self {
        Self { heard, at: Some(now), initial: INITIAL, lost: Vec::new(), farewell: Vec::new() }
    }

    fn changed(mut self, heard: Heard, now: Instant) -> Self {
        let old = std::mem::replace(&mut self.heard, heard);
        let has_other_routers = old.routers != self.heard.routers;
        for router in &old.routers {
            self.lost.push(router.clone());
            if !self.has_router(router) {
                self.farewell.push((Advertisement { prefixes: Vec::new(), ..router.clone() }, State::Gone));
            }
        }
        let has_lost = self.bid_lost_farewell();
        let Self { heard, farewell, .. } = &mut self;
        farewell.retain(|(router, state)| {
            *state != State::Gone || heard.routers.iter().all(|known| known.mac != router.mac)
        });
        if has_other_routers || has_lost {
            self.at = Some(now);
            self.initial = INITIAL;
        }
        self
    }

    fn has_router(&self, router: &Advertisement) -> bool {
        self.heard.routers.iter().any(|known| known.mac == router.mac)
    }

    /// Of the prefixes that were advertised keeps those that no router advertises any more as long as the port has an address in them:
    /// the address stays the port's, whatever routers there are. The others are over. Answers whether there are any.
    fn bid_lost_farewell(&mut self) -> bool {
        let Heard { routers, addresses, .. } = &self.heard;
        let is_advertised =
            |net| routers.iter().any(|router| router.prefixes.iter().any(|prefix| prefix.net == net));
        let mut kept = Vec::new();
        let mut over = Vec::new();
        for router in self.lost.drain(..) {
            let lost = router.prefixes.iter().filter(|prefix| !is_advertised(prefix.net));
            let (held, left): (Vec<_>, Vec<_>) =
                lost.partition(|prefix| addresses.iter().any(|address| prefix.net.contains(address)));
            let with = |prefixes| Advertisement { prefixes, ..router.clone() };
            kept.extend((!held.is_empty()).then(|| with(held)));
            over.extend((!left.is_empty()).then(|| with(left)));
        }
        self.lost = kept;
        let has_any = !over.is_empty();
        for router in over {
            let state = if self.has_router(&router) { State::LostPrefixes } else { State::Gone };
            self.farewell.push((router, state));
        }
        has_any
    }

    fn frames(&self) -> Vec<Vec<u8>> {
        let over = self.farewell.iter().map(|(router, state)| router.to(Asker::EVERYONE, *state));
        let routers = self.heard.routers.iter().map(|router| router.to(Asker::EVERYONE, State::Routes));
        over.chain(routers).flatten().collect()
    }

    fn advance(&mut self, now: Instant, random: u32) {
        self.initial = self.initial.saturating_sub(1);
        if self.initial == 0 {
            self.farewell.clear();
        }
        let [least, most] = INTERVAL;
        let interval = match self.initial {
            0 => least + (most - least).mul_f64(f64::from(random) / f64::from(u32::MAX)),
            _ if !self.farewell.is_empty() => LEAST_INTERVAL,
            _ => INITIAL_INTERVAL,
        };
        let is_silent = self.farewell.is_empty() && self.heard.routers.is_empty();
        self.at = (!is_silent).then(|| now + interval);
    }

    /// Whether there is nothing to say, now or later.
    fn is_over(&self) -> bool {
        self.heard.routers.is_empty() && self.farewell.is_empty() && self.lost.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadron_model::Mac;
    use hadron_responders::router::Prefix;

    fn router(last: u8, nets: &[&str]) -> Advertisement {
        let prefix = |net: &&str| Prefix { net: net.parse().unwrap(), is_autonomous: true };
        Advertisement {
            mac: Mac([2, 0, 0, 0, 0, last]),
            mtu: 1450,
            prefixes: nets.iter().map(prefix).collect(),
            dns: Vec::new(),
            domain: String::new(),
            is_managed: false,
            has_other: false,
        }
    }

    fn heard(routers: &[Advertisement], addresses: &[&str]) -> Option<Heard> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Some(Heard { ifindex: 7, routers: routers.to_vec(), addresses })
    }

    /// Last octet of the router's MAC, its lifetime, and the preferred lifetimes of its prefixes.
    type Said = (u8, u16, Vec<u32>);

    fn said(frame: &[u8]) -> Said {
        assert_eq!((&frame[..6], frame[54]), (&[0x33, 0x33, 0, 0, 0, 1][..], 134));
        let mut options = &frame[70..];
        let mut preferred = Vec::new();
        while let [kind, length, ..] = *options {
            if kind == 3 {
                preferred.push(u32::from_be_bytes(options[8..12].try_into().unwrap()));
            }
            options = &options[usize::from(length) * 8..];
        }
        (frame[11], u16::from_be_bytes([frame[60], frame[61]]), preferred)
    }

    struct Clock {
        schedule: Schedule,
        now: Instant,
    }

    impl Clock {
        fn new() -> Self {
            Self { schedule: Schedule::default(), now: Instant::now() }
        }

        fn set(&mut self, heard: Option<Heard>) {
            self.schedule.set(1, heard, self.now);
        }

        /// Seconds until the next frames, and what they say.
        fn next(&mut self) -> Option<(u64, Vec<Said>)> {
            let at = self.schedule.next()?;
            let waited = at.saturating_duration_since(self.now);
            self.now = self.now.max(at);
            let frames = self.schedule.due(self.now, || u32::MAX);
            assert!(frames.iter().all(|(ifindex, _)| *ifindex == 7));
            Some((waited.as_secs(), frames.iter().map(|(_, frame)| said(frame)).collect()))
        }
    }

    const BLUE: &str = "2001:db8:1::/64";
    const GREEN: &str = "2001:db8:2::/64";
    const PREFERRED: u32 = 604_800;

    #[tokio::test]
    async fn a_port_hears_its_routers_at_once_a_few_times_soon_and_then_seldom() {
        let mut clock = Clock::new();
        clock.set(heard(&[router(1, &[BLUE])], &["2001:db8:1::5"]));
        let says = vec![(1, 9000, vec![PREFERRED])];
        for waited in [0, 16, 16, 600, 600] {
            assert_eq!(clock.next(), Some((waited, says.clone())));
            // What changes nothing changes no plan.
            clock.set(heard(&[router(1, &[BLUE])], &["2001:db8:1::5"]));
        }
        clock.set(None);
        assert_eq!(clock.next(), None);
    }

    #[tokio::test]
    async fn a_router_that_goes_is_taken_back_but_the_ports_addresses_are_not() {
        let mut clock = Clock::new();
        let address = ["2001:db8:1::5"];
        clock.set(heard(&[router(1, &[BLUE]), router(2, &[GREEN])], &address));
        clock.next();
        clock.set(heard(&[router(2, &[GREEN])], &address));
        let says = vec![(1, 0, vec![]), (2, 9000, vec![PREFERRED])];
        assert_eq!(clock.next(), Some((0, says.clone())));
        assert_eq!(clock.next(), Some((3, says.clone())));
        assert_eq!(clock.next(), Some((3, says)));
        assert_eq!(clock.next(), Some((600, vec![(2, 9000, vec![PREFERRED])])));
        // The subnet goes too, and with it the address.
        clock.set(heard(&[router(2, &[GREEN])], &[]));
        assert_eq!(clock.next(), Some((0, vec![(1, 0, vec![0]), (2, 9000, vec![PREFERRED])])));
    }

    #[tokio::test]
    async fn the_last_router_is_taken_back_and_then_there_is_silence() {
        let mut clock = Clock::new();
        clock.set(heard(&[router(1, &[BLUE])], &[]));
        clock.next();
        clock.set(heard(&[], &[]));
        for waited in [0, 3, 3] {
            assert_eq!(clock.next(), Some((waited, vec![(1, 0, vec![]), (1, 0, vec![0])])));
        }
        assert_eq!(clock.next(), None);
        assert!(clock.schedule.ports.is_empty());
    }

    #[tokio::test]
    async fn a_prefix_that_goes_and_comes_back_is_told_as_it_is() {
        let mut clock = Clock::new();
        clock.set(heard(&[router(1, &[BLUE, GREEN])], &["2001:db8:1::5"]));
        clock.next();
        clock.set(heard(&[router(1, &[BLUE])], &["2001:db8:1::5"]));
        assert_eq!(clock.next(), Some((0, vec![(1, 9000, vec![0]), (1, 9000, vec![PREFERRED])])));
        clock.set(heard(&[], &["2001:db8:1::5"]));
        clock.set(heard(&[router(1, &[BLUE])], &["2001:db8:1::5"]));
        let (waited, says) = clock.next().unwrap();
        assert_eq!(waited, 0);
        assert!(says.iter().all(|(_, lifetime, _)| *lifetime == 9000), "{says:?}");
        assert_eq!(says.last(), Some(&(1, 9000, vec![PREFERRED])));
    }

    #[tokio::test]
    async fn another_interface_hears_from_the_beginning() {
        let mut schedule = Schedule::default();
        let now = Instant::now();
        schedule.set(1, heard(&[router(1, &[BLUE])], &[]), now);
        assert_eq!(schedule.due(now, || 0).len(), 1);
        let other = Heard { ifindex: 8, ..heard(&[router(2, &[BLUE])], &[]).unwrap() };
        schedule.set(1, Some(other), now);
        let frames = schedule.due(now, || 0);
        assert_eq!(
            frames.iter().map(|(ifindex, frame)| (*ifindex, said(frame).0)).collect::<Vec<_>>(),
            [(8, 2)]
        );
    }
}
