//! Names of ports and floating IPs, written into zones of a name server outside (RFC 2136).
//!
//! ```text
//! store's commits ─► Book ─► names to look at ─► Batch ─► name server
//!                                  ▲                │
//!                                  └─ not yet ◄─────┴─► PublishedName (what is there)
//! ```
//!
//! One of the servers that share a store does it: who has the duty, and shows every few seconds that it is there. Every step compares what
//! should be with what is written down as being there, so that nothing is lost by a restart or while the name server is away.

mod batch;
mod duty;

use batch::{Batch, Trouble};
use duty::Duty;
use hadron_cloud::name_server::{NameServer, UpdateKey};
use hadron_control::publication::{Book, Zones, ledger};
use hadron_model::PublishedName;
use hadron_store::{Snapshot, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How often everything is written again, for a name server that has lost something.
const AGAIN: Duration = Duration::from_secs(3600);
/// When a name that somebody else has is tried again.
const TAKEN: Duration = Duration::from_secs(300);
/// Pauses while the name server is away or refuses, doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Where names are published.
#[derive(Clone, Debug)]
pub struct PublisherConfig {
    /// The name server that takes updates, by TCP.
    pub server: SocketAddr,
    /// The key that it shares with us.
    pub key: UpdateKey,
    /// The zones that are ours to write.
    pub zones: Zones,
    /// Of the records, seconds.
    pub ttl: u32,
}

pub(crate) struct Publisher {
    store: Store,
    duty: Duty,
    name_server: NameServer,
    zones: Zones,
}

impl Publisher {
    /// `is_shared` tells whether other servers use the store.
    pub(crate) fn new(store: Store, config: PublisherConfig, is_shared: bool) -> Self {
        let PublisherConfig { server, key, zones, ttl } = config;
        let duty = Duty::new(store.clone(), is_shared);
        Self { store, duty, name_server: NameServer::new(server, key, ttl), zones }
    }

    pub(crate) async fn run(mut self, stopped: impl Future<Output = ()>) -> &'static str {
        tokio::select! {
            () = stopped => {}
            () = self.publish_for_ever() => {}
        }
        self.duty.resign().await;
        "published names"
    }

    async fn publish_for_ever(&mut self) {
        loop {
            self.duty.take().await;
            tracing::info!(name_server = ?self.name_server, "this server publishes names");
            self.publish().await;
            tracing::info!("another server publishes names");
        }
    }

    /// Publishes as long as the duty is this server's.
    async fn publish(&mut self) {
        let mut watch = self.store.watch();
        let mut book = Book::new(self.zones.clone(), &watch.initial());
        let mut work = Work::default();
        work.all(&book, &watch.snapshot());
        loop {
            while let Some(commit) = watch.next_known() {
                work.dirty.extend(book.follow(&commit));
            }
            work.wake();
            if !self.duty.show().await {
                return;
            }
            if let Some((zone, names)) = work.next(&book) {
                let batch = Batch::new(&self.store, &book, &zone, self.duty.holder());
                match batch.run(&mut self.name_server, &names, &work.again).await {
                    Ok(done) => work.succeeded(&book, &zone, &names, done),
                    Err(Trouble::NotOurs) => return,
                    Err(trouble) => work.failed(&book, zone, names, &trouble),
                }
                continue;
            }
            tokio::select! {
                commit = watch.next() => work.dirty.extend(book.follow(&commit)),
                () = sleep_until(work.until(&book, self.duty.next_show())) => {}
            }
            if work.again_at <= Instant::now() {
                work.all(&book, &watch.snapshot());
            }
        }
    }
}

/// What is to be looked at, and when.
#[derive(Debug)]
struct Work {
    dirty: BTreeSet<String>,
    /// Those that are written even if nothing has changed.
    again: BTreeSet<String>,
    again_at: Instant,
    /// Names that somebody else has, and when they are tried again.
    taken: BTreeMap<String, Instant>,
    /// Zones that can't be written now.
    paused: BTreeMap<String, Pause>,
}

/// Why a zone can't be written, and when it is tried again.
#[derive(Debug)]
struct Pause {
    length: Duration,
    until: Instant,
    reason: String,
}

impl Default for Work {
    fn default() -> Self {
        let (dirty, again, taken, paused) = Default::default();
        Self { dirty, again, again_at: Instant::now() + AGAIN, taken, paused }
    }
}

impl Work {
    /// Everything is looked at, and written again.
    fn all(&mut self, book: &Book, view: &Snapshot) {
        let published = view.iter::<PublishedName>().map(|published| published.name.clone());
        self.again = published.chain(book.names().cloned()).collect();
        self.dirty = self.again.clone();
        self.again_at = Instant::now() + AGAIN;
    }

    /// Names of one zone that can be written; an address's name comes after what it leads back to.
    fn next(&mut self, book: &Book) -> Option<(String, Vec<String>)> {
        let zones = book.zones();
        let (lost, known): (BTreeSet<_>, _) =
            std::mem::take(&mut self.dirty).into_iter().partition(|name| zones.of_name(name).is_none());
        self.dirty = known;
        for name in lost {
            tracing::warn!(
                name,
                "it was published in a zone that is none of --dns-update-zones now; it stays there"
            );
        }
        let now = Instant::now();
        let is_writable = |zone: &String| self.paused.get(zone).is_none_or(|pause| pause.until <= now);
        let zone_of = |name: &&String| zones.of_name(name).filter(is_writable);
        let is_reverse = |name: &&String| name.ends_with(".arpa.");
        let forward = self.dirty.iter().filter(|name| !is_reverse(name));
        let zone = forward.chain(self.dirty.iter().filter(is_reverse)).find_map(|name| zone_of(&name))?;
        let names = self.dirty.iter().filter(|name| zones.of_name(name).as_ref() == Some(&zone));
        let names: Vec<String> = names.take(ledger::BATCH).cloned().collect();
        for name in &names {
            self.dirty.remove(name);
        }
        Some((zone, names))
    }

    fn succeeded(&mut self, book: &Book, zone: &str, names: &[String], done: batch::Done) {
        for name in names {
            self.again.remove(name);
            self.taken.remove(name);
        }
        for name in done.changed {
            self.dirty.extend(book.reverse_of(&name));
        }
        self.dirty.extend(done.unfinished);
        for (name, reason) in done.refused {
            tracing::warn!(name, "a name is not published: {reason}");
            self.taken.insert(name, Instant::now() + TAKEN);
        }
        if done.is_asked && self.paused.remove(zone).is_some() {
            tracing::info!(zone, "names are published again");
        }
    }

    fn failed(&mut self, book: &Book, zone: String, names: Vec<String>, trouble: &Trouble) {
        for name in names {
            self.dirty.extend(book.reverse_of(&name));
            self.dirty.insert(name);
        }
        let old = self.paused.get(&zone);
        let length = old.map_or(PAUSES.0, |old| (old.length * 2).min(PAUSES.1));
        let reason = trouble.to_string();
        if old.is_none_or(|old| old.reason != reason) {
            tracing::warn!(zone, "names are not published until this is mended: {reason}");
        }
        self.paused.insert(zone, Pause { length, until: Instant::now() + length, reason });
    }

    /// Names that somebody else had are tried again.
    fn wake(&mut self) {
        let now = Instant::now();
        let due = self.taken.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone());
        let due: Vec<String> = due.collect();
        for name in due {
            self.taken.remove(&name);
            self.dirty.insert(name);
        }
    }

    /// When there is something to do again.
    fn until(&self, book: &Book, show: Instant) -> Instant {
        let zones = self.dirty.iter().filter_map(|name| book.zones().of_name(name));
        let paused = zones.filter_map(|zone| self.paused.get(&zone)).map(|pause| pause.until);
        paused.chain(self.taken.values().copied()).chain([show, self.again_at]).min().unwrap_or(show)
    }
}
