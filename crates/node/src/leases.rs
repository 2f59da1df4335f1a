//! Ports of routers' addresses outside: what this host has of them, what it asks the server for, and what it gives back.
//!
//! A few blocks are asked for as soon as an instance here is behind the router, twice as many whenever the packet path says that they run
//! out. What a server has no room for is asked for again the next time that they do. Slots, by which protocols without ports share the address,
//! are asked for one by one when a packet needs one. They are given back when they have had no session for long, when all who used them have
//! left the host, and the longest unused when there is no room for another.
//!
//! To give back is to tell the server. What the packet path may use is what the rows say, so nothing depends on what is remembered here.

use crate::apply::{Key, Value};
use crate::sync::outbox::Outbox;
use hadron_datapath::Slot;
use hadron_model::nat::MOST_SLOTS;
use hadron_pipeline::table::{NAT_POOL, NatOwner};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Blocks that a host begins with: 256 ports, for as many connections to one remote end.
const FIRST: u32 = 4;
/// What has not been granted for so long is asked for again.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is given back and still there after so long is given back again.
const REPEAT: Duration = Duration::from_secs(60);

/// By router's interface to an external network.
#[derive(Debug)]
pub struct Leases {
    outbox: Arc<Outbox>,
    /// How long a slot stays after its last session.
    idle: Duration,
    inner: Mutex<HashMap<u32, Lease>>,
    /// How often slots have lost their last user.
    left: AtomicU64,
    /// They have, since the last sweep.
    sweep: Notify,
}

#[derive(Debug, Default)]
struct Lease {
    /// Blocks that the host has.
    held: u32,
    /// Blocks that it was to have, and when that was said.
    asked: Option<(u32, Instant)>,
    /// Slots that it has, or has asked for of late.
    slots: BTreeMap<u16, Use>,
}

/// What is known of a slot since the agent's start, or since it was asked for.
#[derive(Debug)]
struct Use {
    /// Whether the host had it at the last sweep.
    is_held: bool,
    /// Whether it had sessions then.
    is_live: bool,
    /// The ports that have asked for it or had sessions in it, and have not left.
    users: BTreeSet<u32>,
    /// All that it had have left.
    is_left: bool,
    /// When it was last known to be used.
    used: Instant,
    asked: Option<Instant>,
    given_back: Option<Instant>,
}

impl Use {
    fn new() -> Self {
        Self {
            is_held: false,
            is_live: false,
            users: BTreeSet::new(),
            is_left: false,
            used: Instant::now(),
            asked: None,
            given_back: None,
        }
    }

    fn by(&mut self, ports: impl IntoIterator<Item = u32>) {
        self.users.extend(ports);
        (self.is_left, self.used) = (false, Instant::now());
    }

    fn is_awaited(&self) -> bool {
        is_recent(self.asked, PATIENCE)
    }

    /// Whether it is to be given back.
    fn is_over(&self, idle: Duration) -> bool {
        self.is_unused() && (self.is_left || self.used.elapsed() >= idle)
    }

    fn is_unused(&self) -> bool {
        self.is_held && !self.is_live && !is_recent(self.given_back, REPEAT)
    }
}

fn is_recent(at: Option<Instant>, within: Duration) -> bool {
    at.is_some_and(|at| at.elapsed() < within)
}

impl Leases {
    /// Of a host that says what it wants by `outbox`, and gives back slots that had no session for as long as `idle`.
    pub fn new(outbox: Arc<Outbox>, idle: Duration) -> Self {
        Self { outbox, idle, inner: Mutex::default(), left: AtomicU64::new(0), sweep: Notify::new() }
    }

    /// Takes note of entries that changed.
    pub(crate) fn note(&self, changes: &[(Key, Option<Value>)]) {
        for (key, value) in changes {
            match (key, value) {
                (Key::NatPool(key), Some(Value::NatPool(pool))) => {
                    self.lock().entry(key.interface).or_default().held = pool.count;
                }
                (Key::NatPool(key), _) => self.lock().entry(key.interface).or_default().held = 0,
                (Key::NatOwner(_), Some(Value::NatOwner(NatOwner { host: 0 }))) => {}
                (Key::NatOwner(key), _) => self.lost(key.block),
                (Key::RouterInterface(key), None) => {
                    self.lock().remove(&key.interface);
                    self.outbox.want_ports(key.interface, 0);
                }
                _ => {}
            }
        }
    }

    /// An instance here is behind the router.
    pub(crate) fn need(&self, interface: u32) {
        self.ask(interface, |_| FIRST);
    }

    /// The ports that the host has are nearly all taken towards somebody.
    pub(crate) fn more(&self, interface: u32) {
        self.ask(interface, |held| (held * 2).max(FIRST));
    }

    /// A packet of a protocol without ports needs a slot.
    pub(crate) fn slot(&self, interface: u32, slot: u16, port: u32) {
        let mut inner = self.lock();
        let slots = &mut inner.entry(interface).or_default().slots;
        slots.retain(|_, it| it.is_held || it.is_awaited());
        let it = slots.entry(slot).or_insert_with(Use::new);
        it.by([port]);
        if it.is_awaited() {
            return;
        }
        (it.asked, it.given_back) = (Some(Instant::now()), None);
        if let Some((longest, it)) =
            slots.len().checked_sub(MOST_SLOTS + 1).and_then(|_| longest_unused(slots))
        {
            it.given_back = Some(Instant::now());
            self.outbox.give_back(interface, longest);
        }
        self.outbox.want_slot(interface, slot);
    }

    /// A port is no longer on this host.
    pub(crate) fn left(&self, port: u32) {
        for it in self.lock().values_mut().flat_map(|lease| lease.slots.values_mut()) {
            if it.users.remove(&port) && it.users.is_empty() {
                it.is_left = true;
                self.left.fetch_add(1, Relaxed);
                self.sweep.notify_one();
            }
        }
    }

    /// Waits until it is worth while to sweep at once.
    pub(crate) async fn asks_for_sweep(&self) {
        self.sweep.notified().await;
    }

    /// What [`Leases::swept`] needs to know of the time before the sweep.
    pub(crate) fn before_sweep(&self) -> u64 {
        self.left.load(Relaxed)
    }

    /// A sweep has found these slots of the host. Gives back what is no longer needed. A sweep during which ports have left may have found
    /// them still; another one follows at once.
    pub(crate) fn swept(&self, before: u64, found: &[Slot]) {
        let mut inner = self.lock();
        if self.left.load(Relaxed) != before {
            return;
        }
        inner.values_mut().flat_map(|lease| lease.slots.values_mut()).for_each(|it| it.is_held = false);
        for Slot { interface, slot, ports } in found {
            let it = inner.entry(*interface).or_default().slots.entry(*slot).or_insert_with(Use::new);
            (it.is_held, it.is_live) = (true, !ports.is_empty());
            if it.is_live {
                it.by(ports.iter().copied());
                // It was given back in the moment in which a session began.
                if it.given_back.take().is_some() {
                    self.outbox.want_slot(*interface, *slot);
                }
            }
        }
        for (interface, lease) in inner.iter_mut() {
            lease.slots.retain(|_, it| it.is_held || it.is_awaited());
            for (slot, it) in lease.slots.iter_mut().filter(|(_, it)| it.is_over(self.idle)) {
                it.given_back = Some(Instant::now());
                self.outbox.give_back(*interface, *slot);
            }
        }
    }

    /// A row no longer gives the host this slot of some router. One with sessions is asked for again before that is acknowledged, as long as
    /// nobody else can have it.
    fn lost(&self, slot: u16) {
        for (interface, lease) in self.lock().iter_mut() {
            let Some(it) = lease.slots.get_mut(&slot) else { continue };
            if std::mem::take(&mut it.is_held) && it.is_live {
                self.outbox.want_slot(*interface, slot);
            }
        }
    }

    fn ask(&self, interface: u32, wanted: impl Fn(u32) -> u32) {
        let mut inner = self.lock();
        let lease = inner.entry(interface).or_default();
        let wanted = wanted(lease.held).min(NAT_POOL as u32);
        let is_said = lease.asked.is_some_and(|(asked, at)| asked >= wanted && at.elapsed() < PATIENCE);
        if wanted > lease.held && !is_said {
            lease.asked = Some((wanted, Instant::now()));
            self.outbox.want_ports(interface, wanted);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Lease>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slot that has been without a session for longest.
fn longest_unused(slots: &mut BTreeMap<u16, Use>) -> Option<(u16, &mut Use)> {
    let unused = slots.iter_mut().filter(|(_, it)| it.is_unused());
    unused.min_by_key(|(_, it)| it.used).map(|(slot, it)| (*slot, it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadron_pipeline::table::{NatOwnerKey, NatPool, NatPoolKey, RouterInterfaceKey};
    use hadron_wire::proto::PortsWanted;
    use hadron_wire::proto::node_message::Message;

    const INTERFACE: u32 = 9;
    const PORT: u32 = 7;
    const IDLE: Duration = Duration::from_secs(600);

    fn wanted(leases: &Leases) -> Vec<PortsWanted> {
        let messages = leases.outbox.take().into_iter().filter_map(|message| message.message);
        let wanted = messages.filter_map(|message| match message {
            Message::PortsWanted(wanted) => Some(wanted),
            _ => None,
        });
        wanted.collect()
    }

    fn said(leases: &Leases) -> Vec<(u32, u32)> {
        wanted(leases).into_iter().map(|wanted| (wanted.interface, wanted.blocks)).collect()
    }

    /// Slots that were asked for, and that were given back.
    fn slots(leases: &Leases) -> (Vec<u32>, Vec<u32>) {
        let wanted = wanted(leases);
        let all = |of: fn(&PortsWanted) -> &Vec<u32>| wanted.iter().flat_map(of).copied().collect();
        (all(|wanted| &wanted.slots), all(|wanted| &wanted.unused))
    }

    fn sweep(leases: &Leases, found: &[(u16, &[u32])]) {
        let slot =
            |(slot, ports): &(u16, &[u32])| Slot { interface: INTERFACE, slot: *slot, ports: ports.to_vec() };
        leases.swept(leases.before_sweep(), &found.iter().map(slot).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_given_back_after_it_was_idle_for_long() {
        let leases = leases();
        leases.slot(INTERFACE, 2000, PORT);
        sweep(&leases, &[(2000, &[PORT]), (3000, &[])]);
        assert_eq!(slots(&leases), (vec![2000], vec![]));
        tokio::time::advance(IDLE - Duration::from_secs(1)).await;
        sweep(&leases, &[(2000, &[PORT]), (3000, &[])]);
        assert_eq!(slots(&leases), (vec![], vec![]));
        tokio::time::advance(Duration::from_secs(1)).await;
        // What was there when the agent started counts from then.
        sweep(&leases, &[(2000, &[]), (3000, &[])]);
        assert_eq!(slots(&leases), (vec![], vec![3000]));
        sweep(&leases, &[(2000, &[]), (3000, &[])]);
        assert_eq!(slots(&leases), (vec![], vec![]), "not all the time");
        tokio::time::advance(REPEAT).await;
        // A server of the release before leaves it where it is, and a word is lost with its stream.
        sweep(&leases, &[(2000, &[]), (3000, &[])]);
        leases.outbox.close();
        leases.outbox.open(2);
        assert_eq!(slots(&leases), (vec![], vec![]), "it may be needed again by now");
        tokio::time::advance(REPEAT).await;
        sweep(&leases, &[(2000, &[]), (3000, &[])]);
        assert_eq!(slots(&leases), (vec![], vec![3000]));
        sweep(&leases, &[(2000, &[])]);
        tokio::time::advance(IDLE).await;
        sweep(&leases, &[(2000, &[])]);
        assert_eq!(slots(&leases), (vec![], vec![2000]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_in_which_a_session_begins_is_taken_back() {
        let leases = leases();
        sweep(&leases, &[(2000, &[]), (3000, &[])]);
        tokio::time::advance(IDLE).await;
        sweep(&leases, &[(2000, &[]), (3000, &[])]);
        sweep(&leases, &[(2000, &[PORT]), (3000, &[])]);
        assert_eq!(slots(&leases), (vec![2000], vec![3000]), "the last word counts");
        // The server was quicker: it is asked for again with the rows that take it away, if it is in use.
        for (value, asked) in [(Some(Value::NatOwner(NatOwner { host: 0 })), vec![]), (None, vec![2000])] {
            let owner = |block| NatOwnerKey { network: 5, address: [203, 0, 113, 1], block, pad: [0; 2] };
            leases.note(&[2000, 3000].map(|slot| (Key::NatOwner(owner(slot)), value)));
            assert_eq!(slots(&leases), (asked, vec![]));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_only_ports_used_that_have_left_is_given_back_at_once() {
        let leases = leases();
        for (slot, port) in [(2000, 7), (3000, 7), (3000, 8), (4000, 8)] {
            leases.slot(INTERFACE, slot, port);
        }
        sweep(&leases, &[(2000, &[7]), (3000, &[]), (4000, &[]), (5000, &[7, 9])]);
        assert_eq!(slots(&leases), (vec![2000, 3000, 4000], vec![]));
        let before = leases.before_sweep();
        leases.left(7);
        leases.asks_for_sweep().await;
        leases.swept(before, &[Slot { interface: INTERFACE, slot: 2000, ports: vec![7] }]);
        sweep(&leases, &[(2000, &[]), (3000, &[]), (4000, &[]), (5000, &[9])]);
        assert_eq!(slots(&leases), (vec![], vec![2000]));
        leases.left(8);
        // It is back before the sweep, on its way to another instance.
        leases.slot(INTERFACE, 4000, 10);
        sweep(&leases, &[(3000, &[]), (4000, &[]), (5000, &[])]);
        assert_eq!(slots(&leases), (vec![], vec![3000]));
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_unused_makes_room_for_another() {
        let leases = leases();
        let mut found: Vec<(u16, &[u32])> =
            (2000..).take(MOST_SLOTS).map(|slot| (slot, &[PORT][..])).collect();
        sweep(&leases, &found);
        leases.slot(INTERFACE, 5000, PORT);
        assert_eq!(slots(&leases), (vec![5000], vec![]), "all are in use");
        tokio::time::advance(PATIENCE).await;
        found[3].1 = &[];
        sweep(&leases, &found);
        tokio::time::advance(PATIENCE).await;
        found[1].1 = &[];
        sweep(&leases, &found);
        for (wanted, longest) in [(5000, vec![2003]), (5001, vec![2001]), (5002, vec![])] {
            leases.slot(INTERFACE, wanted, PORT);
            assert_eq!(slots(&leases), (vec![wanted.into()], longest));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_asked_for_once_in_a_while() {
        let leases = leases();
        let said = |leases: &Leases| -> Vec<_> {
            wanted(leases).into_iter().map(|wanted| (wanted.blocks, wanted.slots)).collect()
        };
        for slot in [2000, 1024, 2000] {
            leases.slot(INTERFACE, slot, PORT);
        }
        assert_eq!(said(&leases), [(0, vec![1024, 2000])]);
        leases.slot(INTERFACE, 1024, PORT);
        leases.need(INTERFACE);
        assert_eq!(said(&leases), [(FIRST, vec![])], "what was asked for is not asked for again");
        tokio::time::advance(PATIENCE).await;
        leases.slot(INTERFACE, 1024, PORT);
        assert_eq!(said(&leases), [(0, vec![1024])]);
    }

    fn held(leases: &Leases, blocks: &[u16]) {
        let pool = Value::NatPool(NatPool::new([203, 0, 113, 1], blocks));
        leases.note(&[(Key::NatPool(NatPoolKey { interface: INTERFACE }), Some(pool))]);
    }

    fn leases() -> Leases {
        let leases = Leases::new(Arc::default(), IDLE);
        leases.outbox.open(1);
        said(&leases);
        leases
    }

    #[tokio::test(start_paused = true)]
    async fn some_are_asked_for_once_and_more_when_they_run_out() {
        let leases = leases();
        leases.need(INTERFACE);
        leases.need(INTERFACE);
        leases.more(INTERFACE);
        assert_eq!(said(&leases), [(INTERFACE, FIRST)]);
        held(&leases, &[16, 17, 18, 19]);
        leases.need(INTERFACE);
        assert_eq!(said(&leases), []);
        leases.more(INTERFACE);
        leases.more(INTERFACE);
        assert_eq!(said(&leases), [(INTERFACE, 2 * FIRST)]);
        tokio::time::advance(PATIENCE).await;
        leases.more(INTERFACE);
        assert_eq!(said(&leases), [(INTERFACE, 2 * FIRST)], "it was not granted");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_asks_for_more_than_a_pool_takes() {
        let leases = leases();
        let blocks: Vec<u16> = (16..16 + NAT_POOL as u16).collect();
        held(&leases, &blocks);
        leases.more(INTERFACE);
        assert_eq!(said(&leases), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wanted_is_said_on_every_stream_until_the_interface_goes() {
        let leases = leases();
        leases.need(INTERFACE);
        said(&leases);
        leases.outbox.close();
        leases.outbox.open(2);
        assert_eq!(said(&leases), [(INTERFACE, FIRST)]);
        leases.note(&[(Key::RouterInterface(RouterInterfaceKey { interface: INTERFACE }), None)]);
        leases.outbox.open(3);
        assert_eq!(said(&leases), []);
    }
}
