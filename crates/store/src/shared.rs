//! The sequencer over a backend that several servers share: the backend orders the transactions, this process computes them on the
//! newest state that it has seen and computes again when their conditions do not hold any more.
//!
//! One transaction of a process is under way at a time, since the next one has to be computed on its result.

use crate::backend::{Backend, Observed, Observer, Outcome};
use crate::feed::{Change, Commit, Feed};
use crate::number::Leases;
use crate::record::{AnyRecord, RecordKey};
use crate::store::{Committed, StoreState};
use crate::tx::Tx;
use crate::{CommitInfo, DecodeError, Revision, Snapshot, StoreError};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};

/// How often a transaction is computed again before its writer is told.
const ATTEMPTS: usize = 64;

pub(crate) struct Shared {
    backend: Arc<dyn Backend>,
    replica: Arc<Replica>,
    turn: tokio::sync::Mutex<()>,
    leases: Mutex<Leases>,
}

/// The backend's state as it arrives.
struct Replica {
    published: OnceLock<(ArcSwap<Snapshot>, Arc<Feed>)>,
    /// Commits that arrived before the state that they follow was loaded.
    early: Mutex<Vec<Observed>>,
    damage: Mutex<Option<StoreError>>,
}

impl Shared {
    pub(crate) async fn open(backend: Arc<dyn Backend>) -> Result<Self, StoreError> {
        let replica = Arc::new(Replica {
            published: OnceLock::new(),
            early: Mutex::default(),
            damage: Mutex::default(),
        });
        let observer: Weak<dyn Observer> = Arc::downgrade(&(replica.clone() as Arc<dyn Observer>));
        let loaded = backend.load(observer).await?;
        let mut snapshot = Snapshot { position: loaded.position, ..Snapshot::default() };
        for entry in loaded.entries {
            let key = RecordKey::from_bytes(&entry.key)?;
            let record = AnyRecord::decode(key.kind(), &entry.value, entry.created, entry.modified);
            snapshot.set_any(&key, Some(record?));
        }
        replica.begin(snapshot);
        Ok(Self { backend, replica, turn: tokio::sync::Mutex::default(), leases: Mutex::default() })
    }

    pub(crate) fn published(&self) -> &ArcSwap<Snapshot> {
        &self.replica.started().0
    }

    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.replica.started().1
    }

    pub(crate) fn state(&self) -> StoreState {
        match &*self.replica.damage.lock() {
            None => StoreState::Ok,
            Some(error) => StoreState::ReadOnly { reason: error.to_string() },
        }
    }

    pub(crate) async fn write<R, E: From<StoreError>>(
        &self,
        info: CommitInfo,
        mut f: impl FnMut(&mut Tx) -> Result<R, E>,
    ) -> Result<Committed<R>, E> {
        let _turn = self.turn.lock().await;
        for _ in 0..ATTEMPTS {
            let base = self.published().load_full();
            let (answer, leases, txn) = {
                let mut tx = Tx::new(base.clone(), info.clone(), *self.leases.lock(), true);
                match f(&mut tx) {
                    Ok(value) => {
                        let prepared = tx.finish()?;
                        self.leases.lock().burn(&prepared.leases);
                        (Ok(value), prepared.leases, Some(prepared.txn).filter(|txn| !txn.ops.is_empty()))
                    }
                    Err(error) => (Err(error), Leases::default(), None),
                }
            };
            let Some(txn) = txn else {
                if self.catch_up(base.position.revision).await? {
                    continue;
                }
                return answer.map(|value| Committed { value, position: base.position, snapshot: base });
            };
            match self.backend.submit(txn).await? {
                Outcome::Committed(revision) => {
                    self.leases.lock().adopt(&leases);
                    self.reach(revision).await?;
                    let snapshot = self.published().load_full();
                    let position = crate::Position { revision, ..snapshot.position };
                    return answer.map(|value| Committed { value, position, snapshot });
                }
                Outcome::Conflict(revision) => self.reach(revision).await?,
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Waits for what others have had acknowledged; true if that is more than `revision`.
    async fn catch_up(&self, revision: Revision) -> Result<bool, StoreError> {
        let current = self.backend.current().await?;
        self.reach(current).await?;
        Ok(current > revision)
    }

    pub(crate) async fn wait_current(&self) -> Result<Arc<Snapshot>, StoreError> {
        self.catch_up(Revision::ZERO).await?;
        Ok(self.published().load_full())
    }

    async fn reach(&self, revision: Revision) -> Result<(), StoreError> {
        if let Some(error) = self.replica.damage.lock().clone() {
            return Err(error);
        }
        self.feed().reach(revision).await;
        Ok(())
    }
}

impl Replica {
    fn started(&self) -> &(ArcSwap<Snapshot>, Arc<Feed>) {
        self.published.get().expect("a sequencer exists only when its state is loaded")
    }

    fn begin(&self, snapshot: Snapshot) {
        let mut early = self.early.lock();
        let snapshot = Arc::new(snapshot);
        let feed = Feed::new(snapshot.clone(), snapshot.position.revision, VecDeque::new());
        self.published.get_or_init(|| (ArcSwap::new(snapshot), feed));
        for commit in early.drain(..) {
            self.apply(commit);
        }
    }

    fn apply(&self, observed: Observed) {
        let (published, feed) = self.started();
        let before = published.load_full();
        if observed.revision <= before.position.revision {
            return;
        }
        match next(&before, observed) {
            Ok(commit) => {
                published.store(commit.after.clone());
                feed.publish([Arc::new(commit)]);
            }
            Err(error) => {
                tracing::error!(%error, "a commit can't be understood; this server stops following the store");
                *self.damage.lock() = Some(error.into());
            }
        }
    }
}

impl Observer for Replica {
    fn committed(&self, commit: Observed) {
        let mut early = self.early.lock();
        if self.published.get().is_none() {
            early.push(commit);
        } else if self.damage.lock().is_none() {
            self.apply(commit);
        }
    }
}

/// The commit that `observed` makes of `before`.
fn next(before: &Arc<Snapshot>, observed: Observed) -> Result<Commit, DecodeError> {
    let mut after = Snapshot::clone(before);
    after.position.revision = observed.revision;
    let mut changes = Vec::with_capacity(observed.puts.len() + observed.deletes.len());
    for entry in observed.puts {
        let key = RecordKey::from_bytes(&entry.key)?;
        let record = AnyRecord::decode(key.kind(), &entry.value, entry.created, entry.modified)?;
        after.set_any(&key, Some(record));
        changes.push(Change { key });
    }
    for bytes in observed.deletes {
        let key = RecordKey::from_bytes(&bytes)?;
        after.set_any(&key, None);
        changes.push(Change { key });
    }
    let position = after.position;
    Ok(Commit { position, info: observed.info, changes, before: before.clone(), after: Arc::new(after) })
}
