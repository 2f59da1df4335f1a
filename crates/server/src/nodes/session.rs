//! One node's stream, as the rest of the server sees it.

use super::follow::Listeners;
use super::goodbye::Farewell;
use super::peer::Peer;
use super::ports::Wanted;
use super::question::Questions;
use hadron_model::{PortId, Timestamp};
use hadron_project::Subscription;
use hadron_wire::proto::{Hello, PortReport};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use tokio::sync::Notify;

/// What the tasks of a stream, the projector and the hub share.
pub(super) struct Session {
    pub(super) peer: Arc<Peer>,
    /// The host's number.
    pub(super) host: u32,
    pub(super) remote: SocketAddr,
    pub(super) software_version: String,
    pub(super) availability_zone: String,
    pub(super) instance_id: Vec<u8>,
    pub(super) since: Timestamp,
    pub(super) subscription: Mutex<Subscription>,
    /// Wakes outbound: something is dirty, the node asks to be caught up, or the stream is to end.
    pub(super) wake: Notify,
    pub(super) wants_catch_up: AtomicBool,
    farewell: Mutex<Option<Farewell>>,
    /// Wakes inbound and reporter at the end.
    pub(super) ended: Notify,
    has_ended: AtomicBool,
    /// Whether it is in the store that the node was heard.
    is_recorded: AtomicBool,
    acked: AtomicU64,
    last_heard: AtomicI64,
    /// Reports that wait to be recorded, by port number; the latest wins.
    pub(super) reports: Mutex<BTreeMap<u32, PortReport>>,
    /// What the host wants of routers' addresses, by router's interface; it waits as reports do.
    pub(super) wanted: Mutex<BTreeMap<u32, Wanted>>,
    /// The routers' ports outside of which leases of the host may have something that ends.
    pub(super) ending: Mutex<BTreeSet<PortId>>,
    /// Wakes the reporter.
    pub(super) reported: Notify,
    /// What the node last said is wrong with its ports, by their numbers.
    pub(super) errors: Mutex<BTreeMap<u32, String>>,
    /// Traces that the node is asked for.
    pub(super) traces: Questions,
    /// Packets that it tells of.
    pub(super) listeners: Listeners,
    /// The API request of the last commit that waits to be sent; empty if none made it.
    request: Mutex<String>,
}

impl Session {
    pub(super) fn new(
        peer: Arc<Peer>,
        remote: SocketAddr,
        hello: &Hello,
        subscription: Subscription,
    ) -> Self {
        let now = Timestamp::now();
        Self {
            peer,
            host: subscription.host(),
            remote,
            software_version: hello.software_version.chars().take(64).collect(),
            availability_zone: hello.availability_zone.chars().take(255).collect(),
            instance_id: hello.instance_id.iter().copied().take(16).collect(),
            since: now,
            acked: AtomicU64::new(0),
            is_recorded: AtomicBool::new(false),
            subscription: Mutex::new(subscription),
            wake: Notify::new(),
            wants_catch_up: AtomicBool::new(false),
            farewell: Mutex::new(None),
            ended: Notify::new(),
            has_ended: AtomicBool::new(false),
            last_heard: AtomicI64::new(now.0),
            reports: Mutex::new(BTreeMap::new()),
            wanted: Mutex::new(BTreeMap::new()),
            ending: Mutex::default(),
            reported: Notify::new(),
            errors: Mutex::default(),
            traces: Questions::default(),
            listeners: Listeners::default(),
            request: Mutex::default(),
        }
    }

    /// A commit of an API request has something for the node.
    pub(super) fn note_request(&self, id: &str) {
        if !id.is_empty() {
            id.clone_into(&mut self.request.lock());
        }
    }

    /// The request to name in a batch; forgotten if that is the last of what waits.
    pub(super) fn request_of_batch(&self, is_complete: bool) -> String {
        let mut request = self.request.lock();
        if is_complete { std::mem::take(&mut request) } else { request.clone() }
    }

    /// Ends the stream with a goodbye; the first one counts.
    pub(super) fn close(&self, farewell: Farewell) {
        self.farewell.lock().get_or_insert(farewell);
        self.end();
        self.wake.notify_one();
    }

    /// The goodbye that the node is to get now.
    pub(super) fn take_farewell(&self) -> Option<Farewell> {
        self.farewell.lock().take()
    }

    /// The stream is over: its tasks end.
    pub(super) fn end(&self) {
        self.has_ended.store(true, Relaxed);
        self.traces.end();
        self.listeners.end();
        self.ended.notify_waiters();
        self.wake.notify_one();
    }

    /// Whether the stream is over, or about to be.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Relaxed)
    }

    /// The node was heard.
    pub(super) fn heard(&self) {
        self.last_heard.store(Timestamp::now().0, Relaxed);
    }

    /// When the node was last heard.
    /// Marks it as recorded; whether it was so before.
    pub(super) fn mark_recorded(&self) -> bool {
        self.is_recorded.swap(true, Relaxed)
    }

    pub(super) fn last_heard(&self) -> Timestamp {
        Timestamp(self.last_heard.load(Relaxed))
    }

    /// The revision up to which everything is in force on the node.
    pub(super) fn acked(&self) -> u64 {
        self.acked.load(Acquire)
    }

    /// The node acknowledges `revision`.
    pub(super) fn ack(&self, revision: u64) -> Result<(), Farewell> {
        let told = self.subscription.lock().told().0;
        let before = self.acked();
        if revision < before || revision > told {
            return Err(Farewell::protocol(format!(
                "acknowledged revision {revision}, after {before} and while told {told}"
            )));
        }
        // Whoever sees it sees what the node said before, too.
        self.acked.store(revision, Release);
        if !self.ending.lock().is_empty() {
            self.reported.notify_one();
        }
        Ok(())
    }
}
