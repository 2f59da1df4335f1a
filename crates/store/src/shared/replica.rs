//! The backend's state as it arrives in this process.

use crate::backend::{Loaded, Observed, Observer};
use crate::feed::{Change, Commit, Feed};
use crate::record::{AnyRecord, RecordKey};
use crate::{CommitInfo, DecodeError, Snapshot, StoreError};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

#[derive(Default)]
pub(super) struct Replica {
    published: OnceLock<(ArcSwap<Snapshot>, Arc<Feed>)>,
    /// What arrived before the state that it follows was loaded; also the order of arrivals.
    early: Mutex<Vec<Arrival>>,
    damage: Mutex<Option<StoreError>>,
}

enum Arrival {
    Commits(Vec<Observed>),
    State(Loaded),
}

impl Replica {
    pub(super) fn published(&self) -> &ArcSwap<Snapshot> {
        &self.started().0
    }

    pub(super) fn feed(&self) -> &Arc<Feed> {
        &self.started().1
    }

    /// Why this server has stopped following, if it has.
    pub(super) fn damage(&self) -> Option<StoreError> {
        self.damage.lock().clone()
    }

    fn started(&self) -> &(ArcSwap<Snapshot>, Arc<Feed>) {
        self.published.get().expect("a sequencer exists only when its state is loaded")
    }

    pub(super) fn begin(&self, loaded: Loaded) -> Result<(), StoreError> {
        let snapshot = Arc::new(snapshot_of(loaded)?);
        let mut early = self.early.lock();
        let feed = Feed::new(snapshot.clone(), snapshot.position.revision, VecDeque::new());
        self.published.get_or_init(|| (ArcSwap::new(snapshot), feed));
        for arrival in early.drain(..) {
            self.apply(arrival);
        }
        Ok(())
    }

    fn arrived(&self, arrival: Arrival) {
        let mut early = self.early.lock();
        if self.published.get().is_none() {
            early.push(arrival);
        } else {
            self.apply(arrival);
        }
    }

    fn apply(&self, arrival: Arrival) {
        let applied = match arrival {
            Arrival::Commits(_) if self.damage.lock().is_some() => Ok(()),
            Arrival::Commits(commits) => self.follow(commits).map_err(StoreError::from),
            Arrival::State(loaded) => self.begin_again(loaded),
        };
        if let Err(error) = applied {
            tracing::error!(%error, "what is stored can't be understood; this server stops following the store");
            *self.damage.lock() = Some(error);
        }
    }

    /// All commits become visible at once: no transaction may be computed on the half of a group.
    fn follow(&self, observed: Vec<Observed>) -> Result<(), DecodeError> {
        let (published, feed) = self.started();
        let mut latest = published.load_full();
        let mut commits = Vec::with_capacity(observed.len());
        for observed in observed {
            if observed.revision > latest.position.revision {
                let commit = Arc::new(next(&latest, observed)?);
                latest = commit.after.clone();
                commits.push(commit);
            }
        }
        published.store(latest);
        feed.publish(commits);
        Ok(())
    }

    fn begin_again(&self, loaded: Loaded) -> Result<(), StoreError> {
        let (published, feed) = self.started();
        let after = Arc::new(snapshot_of(loaded)?);
        *self.damage.lock() = None;
        let before = published.swap(after.clone());
        if before.position.history != after.position.history {
            feed.begin_again(after);
        } else if before.position.revision < after.position.revision {
            feed.publish([Arc::new(Commit::between(before, after, CommitInfo::system()))]);
        }
        Ok(())
    }
}

impl Observer for Replica {
    fn committed(&self, commits: Vec<Observed>) {
        self.arrived(Arrival::Commits(commits));
    }

    fn reloaded(&self, state: Loaded) {
        self.arrived(Arrival::State(state));
    }
}

fn snapshot_of(loaded: Loaded) -> Result<Snapshot, StoreError> {
    let mut snapshot = Snapshot { position: loaded.position, ..Snapshot::default() };
    for entry in loaded.entries {
        let key = RecordKey::from_bytes(&entry.key)?;
        let record = AnyRecord::decode(key.kind(), &entry.value, entry.created, entry.modified);
        snapshot.set_any(&key, Some(record?));
    }
    Ok(snapshot)
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
