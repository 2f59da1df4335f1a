//! The backend on etcd, API v3 (3.4 or newer), for several servers.
//!
//! ```text
//! submit ─▶ one transaction: conditions, fence, commit mark ─▶ etcd ─▶ watch ─▶ follow ─▶ Observer
//! current ─▶ linearizable read of the commit mark, one for all who ask meanwhile
//! ```
//!
//! | matter | how |
//! |---|---|
//! | order | etcd's revisions; see `layout` for commits that share a transaction |
//! | what everybody has had acknowledged | the modification revision of the commit mark, which every transaction writes |
//! | no answer | this session's fence is replaced: it can't be applied any more, and the watch tells whether it was |
//! | a member that is away | the next one; the watch begins again behind what was seen |
//! | compaction of what was not seen yet | everything is read again |
//! | a restored backup | a new history: see `history` |
//!
//! While etcd can't be reached, calls fail at once with the reason, and one task tries to come back to it.

mod client;
mod follow;
mod history;
mod layout;
mod options;
mod proto;
mod submit;

pub use options::{DEFAULT_PREFIX, EtcdOptions, EtcdTls, NotAnEtcd};

use crate::backend::{Backend, Loaded, Observer, Outcome, Txn};
use crate::{HistoryId, Revision, StoreError};
use client::{Client, Failure};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use layout::{Layout, Mark};
use parking_lot::Mutex;
use proto::RangeRequest;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use uuid::Uuid;

/// A store in an etcd.
pub struct Etcd {
    inner: Arc<Inner>,
    follower: Mutex<Option<AbortHandle>>,
}

struct Inner {
    client: Client,
    layout: Layout,
    options: EtcdOptions,
    /// Of this server, until it ends.
    session: Uuid,
    fence: tokio::sync::Mutex<submit::Fence>,
    /// How far the watch has come.
    seen: watch::Sender<Seen>,
    trouble: Mutex<Option<String>>,
    /// Makes the follower begin anew.
    doubt: Notify,
    clock: AtomicU64,
    newest: tokio::sync::Mutex<Newest>,
}

/// What the observer has been told.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    history: HistoryId,
    /// etcd's revision of the history's record.
    history_revision: i64,
    /// etcd's revision up to which everything is told.
    etcd: i64,
    /// etcd's revision of the last commit mark among that.
    commit: i64,
    /// Number and first revision of this session's last transaction among that.
    own: Option<(u64, Revision)>,
    /// Another server that claims the next turn.
    claim: Option<Claim>,
    /// How often the watch has begun, having made sure that it is of the same history.
    rounds: u64,
    /// How often commits were missed and everything was read again.
    reloads: u64,
}

/// A claim of the next turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Claim {
    session: Uuid,
    at: std::time::Instant,
}

/// The last read of the commit mark, and when it began by [`Inner::clock`].
#[derive(Default)]
struct Newest {
    begun: u64,
    found: Option<Result<Revision, StoreError>>,
}

impl Etcd {
    /// A store in the etcd that `options` name. Nothing is sent before the store is opened.
    ///
    /// # Errors
    /// An endpoint or a certificate can't be used.
    pub fn new(options: EtcdOptions) -> Result<Self, StoreError> {
        let inner = Inner {
            client: Client::new(&options)?,
            layout: Layout::new(&options.prefix),
            options,
            session: Uuid::new_v4(),
            fence: tokio::sync::Mutex::default(),
            seen: watch::Sender::new(Seen::default()),
            trouble: Mutex::new(None),
            doubt: Notify::new(),
            clock: AtomicU64::new(0),
            newest: tokio::sync::Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner), follower: Mutex::new(None) })
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        if let Some(follower) = self.follower.lock().take() {
            follower.abort();
        }
    }
}

impl Backend for Etcd {
    fn load(&self, observer: Weak<dyn Observer>) -> BoxFuture<'_, Result<Loaded, StoreError>> {
        async move {
            let loaded = follow::load(&self.inner).await?;
            let follower = tokio::spawn(follow::follow(self.inner.clone(), observer));
            *self.follower.lock() = Some(follower.abort_handle());
            Ok(loaded)
        }
        .boxed()
    }

    fn submit(&self, txn: Txn) -> BoxFuture<'_, Result<Outcome, StoreError>> {
        submit::submit(&self.inner, txn).boxed()
    }

    fn current(&self) -> BoxFuture<'_, Result<Revision, StoreError>> {
        self.inner.current().boxed()
    }

    fn trouble(&self) -> Option<String> {
        self.inner.trouble.lock().clone()
    }
}

impl Inner {
    /// Fails at once while etcd is known to be away.
    fn ready(&self) -> Result<(), StoreError> {
        match &*self.trouble.lock() {
            None => Ok(()),
            Some(reason) => Err(StoreError::Unavailable { reason: reason.clone() }),
        }
    }

    /// etcd has not answered on any member: until the follower has come back to it, nobody else tries.
    fn away(&self, failure: &Failure) {
        if let Failure::NoAnswer(reason) = failure {
            self.in_trouble(reason);
            self.doubt.notify_one();
        }
    }

    fn in_trouble(&self, reason: &str) {
        let mut trouble = self.trouble.lock();
        if trouble.is_none() {
            tracing::warn!(reason, "no access to the store; writes are refused until it is back");
        }
        *trouble = Some(reason.to_owned());
    }

    fn out_of_trouble(&self) {
        if self.trouble.lock().take().is_some() {
            tracing::info!("the store is accessible again");
        }
    }

    /// Has the follower make sure that the history is still the same, and waits until it has.
    async fn look_again(&self, since: Seen) -> Result<(), StoreError> {
        self.doubt.notify_one();
        self.until(|seen| seen.rounds > since.rounds, "does not confirm the store's history").await
    }

    /// Waits until the watch has come so far.
    async fn until(&self, is_so: impl FnMut(&Seen) -> bool, what_not: &str) -> Result<(), StoreError> {
        let mut seen = self.seen.subscribe();
        let waiting = tokio::time::timeout(self.patience(), seen.wait_for(is_so)).await;
        match waiting {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => {
                let trouble = self.trouble.lock().clone();
                Err(StoreError::Unavailable { reason: trouble.unwrap_or_else(|| format!("etcd {what_not}")) })
            }
        }
    }

    /// How long something may take that needs a few requests.
    fn patience(&self) -> Duration {
        self.options.timeout * 2
    }

    /// Reads one key as it is now.
    async fn read(&self, key: Vec<u8>) -> Result<proto::RangeResponse, Failure> {
        self.client.range(RangeRequest { key, ..RangeRequest::default() }).await
    }

    /// The newest revision that was acknowledged before the call. One read serves all who came before it began.
    async fn current(&self) -> Result<Revision, StoreError> {
        let came = self.clock.fetch_add(1, Relaxed);
        let mut newest = self.newest.lock().await;
        if let Some(found) = newest.found.clone().filter(|_| newest.begun > came) {
            return found;
        }
        self.ready()?;
        let seen = *self.seen.borrow();
        let begun = self.clock.fetch_add(1, Relaxed);
        let found = self.read_newest(seen).await;
        *newest = Newest { begun, found: Some(found.clone()) };
        found
    }

    async fn read_newest(&self, seen: Seen) -> Result<Revision, StoreError> {
        let answer = self.read(self.layout.commit()).await.inspect_err(|failure| self.away(failure))?;
        let kv = answer.kvs.first();
        if kv.map_or(0, |kv| kv.mod_revision) < seen.commit {
            // Older than what was seen: another history.
            self.look_again(seen).await?;
            let answer = self.read(self.layout.commit()).await?;
            return Mark::newest(answer.kvs.first());
        }
        Mark::newest(kv)
    }
}

impl std::fmt::Debug for Etcd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.options.fmt(f)
    }
}
