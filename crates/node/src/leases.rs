//! Ports of routers' addresses outside: what this host has of them, and what it asks the server for.
//!
//! A few blocks are asked for as soon as an instance here is behind the router, twice as many whenever the packet path says that they run
//! out. What a server has no room for is asked for again the next time that they do. Slots, by which protocols without ports share the address,
//! are asked for one by one when a packet needs one.

use crate::apply::{Key, Value};
use crate::sync::outbox::Outbox;
use hadron_pipeline::table::NAT_POOL;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Blocks that a host begins with: 256 ports, for as many connections to one remote end.
const FIRST: u32 = 4;
/// What has not been granted for so long is asked for again.
const PATIENCE: Duration = Duration::from_secs(5);

/// By router's interface to an external network.
#[derive(Debug)]
pub struct Leases {
    outbox: Arc<Outbox>,
    inner: Mutex<HashMap<u32, Lease>>,
}

#[derive(Clone, Debug, Default)]
struct Lease {
    /// Blocks that the host has.
    held: u32,
    /// Blocks that it was to have, and when that was said.
    asked: Option<(u32, Instant)>,
    /// Slots that were asked for of late, and when.
    slots: HashMap<u16, Instant>,
}

impl Leases {
    /// Of a host that says what it wants by `outbox`.
    pub fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox, inner: Mutex::default() }
    }

    /// Takes note of entries that changed.
    pub(crate) fn note(&self, changes: &[(Key, Option<Value>)]) {
        for (key, value) in changes {
            match (key, value) {
                (Key::NatPool(key), Some(Value::NatPool(pool))) => {
                    self.lock().entry(key.interface).or_default().held = pool.count;
                }
                (Key::NatPool(key), _) => self.lock().entry(key.interface).or_default().held = 0,
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
    pub(crate) fn slot(&self, interface: u32, slot: u16) {
        let mut inner = self.lock();
        let asked = &mut inner.entry(interface).or_default().slots;
        asked.retain(|_, at| at.elapsed() < PATIENCE);
        if let Entry::Vacant(entry) = asked.entry(slot) {
            entry.insert(Instant::now());
            self.outbox.want_slot(interface, slot);
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

#[cfg(test)]
mod tests {
    use super::*;
    use hadron_pipeline::table::{NatPool, NatPoolKey, RouterInterfaceKey};
    use hadron_wire::proto::node_message::Message;

    const INTERFACE: u32 = 9;

    fn said(leases: &Leases) -> Vec<(u32, u32)> {
        let messages = leases.outbox.take().into_iter().filter_map(|message| message.message);
        let wanted = messages.filter_map(|message| match message {
            Message::PortsWanted(wanted) => Some((wanted.interface, wanted.blocks)),
            _ => None,
        });
        wanted.collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_asked_for_once_in_a_while() {
        let leases = leases();
        let said = |leases: &Leases| {
            let messages = leases.outbox.take().into_iter().filter_map(|message| message.message);
            let wanted = messages.filter_map(|message| match message {
                Message::PortsWanted(wanted) => Some((wanted.blocks, wanted.slots)),
                _ => None,
            });
            wanted.collect::<Vec<_>>()
        };
        for slot in [2000, 1024, 2000] {
            leases.slot(INTERFACE, slot);
        }
        assert_eq!(said(&leases), [(0, vec![1024, 2000])]);
        leases.slot(INTERFACE, 1024);
        leases.need(INTERFACE);
        assert_eq!(said(&leases), [(FIRST, vec![])], "what was asked for is not asked for again");
        tokio::time::advance(PATIENCE).await;
        leases.slot(INTERFACE, 1024);
        assert_eq!(said(&leases), [(0, vec![1024])]);
    }

    fn held(leases: &Leases, blocks: &[u16]) {
        let pool = Value::NatPool(NatPool::new([203, 0, 113, 1], blocks));
        leases.note(&[(Key::NatPool(NatPoolKey { interface: INTERFACE }), Some(pool))]);
    }

    fn leases() -> Leases {
        let leases = Leases::new(Arc::default());
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
