//! The sequencer over an engine that this process has to itself.
//!
//! A writer's function runs on the head, the newest state, durable or not, under a short lock; its transaction moves the head
//! at once and waits. One thread takes whatever waits as a batch, makes it durable with one sync, publishes the state and
//! wakes the writers. When a batch fails, the head falls back to the published state and everything that was computed on
//! the lost head fails with it.
//!
//! ```text
//!  writers ──lock──▶ head ──▶ pending ══batch══▶ committer thread ──▶ Engine::append (one sync)
//!     ▲                                                │ ok: publish snapshot, feed watchers
//!     └───────────────── answers ◀─────────────────────┘ failed: head = published, all waiters get the error
//! ```

#[cfg(test)]
mod tests;

use crate::backend::Op;
use crate::encoding::{LogChange, LogEntry};
use crate::engine::{Append, AppendError, Engine};
use crate::feed::{Change, Commit, Feed};
use crate::number::Leases;
use crate::store::{Committed, StoreState};
use crate::tx::{Prepared, Tx};
use crate::{CommitInfo, Revision, Snapshot, StoreError};
use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};
use prost::Message;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Most transactions in a batch, which bounds how long the first of them waits.
const BATCH: usize = 1024;

pub(crate) struct Local {
    core: Arc<Core>,
    committer: Option<JoinHandle<()>>,
}

struct Core {
    engine: Box<dyn Engine>,
    published: ArcSwap<Snapshot>,
    feed: Arc<Feed>,
    head: Mutex<Head>,
    work: Condvar,
}

struct Head {
    latest: Arc<Snapshot>,
    leases: Leases,
    pending: Vec<Pending>,
    /// Who waits for a revision to be durable without having written it.
    barriers: Vec<(Revision, Waiter)>,
    state: StoreState,
    closed: bool,
}

/// A transaction on the head that is not durable yet.
struct Pending {
    commit: Arc<Commit>,
    ops: Vec<Op>,
    created: Vec<Revision>,
    waiter: Waiter,
}

type Waiter = oneshot::Sender<Result<(), Lost>>;

/// Why a transaction on the head did not become durable.
#[derive(Clone)]
enum Lost {
    /// The engine failed.
    Failed(StoreError),
    /// It was computed on a state that is not the stored one; it has to run again.
    Again,
}

impl Local {
    pub(crate) fn new(
        engine: Box<dyn Engine>,
        snapshot: Arc<Snapshot>,
        feed: Arc<Feed>,
    ) -> Result<Self, StoreError> {
        let head = Head {
            latest: snapshot.clone(),
            leases: Leases::default(),
            pending: Vec::new(),
            barriers: Vec::new(),
            state: StoreState::Ok,
            closed: false,
        };
        let core = Arc::new(Core {
            engine,
            published: ArcSwap::new(snapshot),
            feed,
            head: Mutex::new(head),
            work: Condvar::new(),
        });
        let mut committer = Committer { core: core.clone(), in_doubt: Vec::new() };
        let thread = std::thread::Builder::new().name("store-committer".to_owned());
        let committer = thread.spawn(move || committer.run()).map_err(|source| StoreError::Io {
            what: "can't start the store's committer thread".to_owned(),
            source: Arc::new(source),
        })?;
        Ok(Self { core, committer: Some(committer) })
    }

    pub(crate) fn published(&self) -> &ArcSwap<Snapshot> {
        &self.core.published
    }

    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.core.feed
    }

    pub(crate) fn state(&self) -> StoreState {
        self.core.head.lock().state.clone()
    }

    pub(crate) async fn write<R, E: From<StoreError>>(
        &self,
        info: CommitInfo,
        mut f: impl FnMut(&mut Tx) -> Result<R, E>,
    ) -> Result<Committed<R>, E> {
        loop {
            let (answer, snapshot, durable) = self.core.run(&info, &mut f)?;
            if let Some(durable) = durable {
                match durable.await.unwrap_or(Err(Lost::Failed(StoreError::Closed))) {
                    Ok(()) => {}
                    Err(Lost::Again) => continue,
                    Err(Lost::Failed(error)) => return Err(error.into()),
                }
            }
            return answer.map(|value| Committed { value, position: snapshot.position, snapshot });
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.core.head.lock().closed = true;
        self.core.work.notify_one();
        if let Some(committer) = self.committer.take() {
            // A panic of the committer was reported when it happened.
            let _ = committer.join();
        }
    }
}

/// A function's answer, the state that it is true in, and what to wait for before giving it.
type Sequenced<R, E> = (Result<R, E>, Arc<Snapshot>, Option<oneshot::Receiver<Result<(), Lost>>>);

impl Core {
    /// Runs `f` on the head and sequences what it wants. The outer error needs no waiting.
    fn run<R, E: From<StoreError>>(
        &self,
        info: &CommitInfo,
        f: &mut impl FnMut(&mut Tx) -> Result<R, E>,
    ) -> Result<Sequenced<R, E>, E> {
        let mut head = self.head.lock();
        if head.closed {
            return Err(StoreError::Closed.into());
        }
        let mut tx = Tx::new(head.latest.clone(), info.clone(), head.leases, false);
        let answer = f(&mut tx);
        if answer.is_ok() {
            let prepared = tx.finish()?;
            if !prepared.part.ops.is_empty() {
                let (after, durable) = head.sequence(prepared);
                drop(head);
                self.work.notify_one();
                return Ok((answer, after, Some(durable)));
            }
            // Nothing was written, hence no block leased, but numbers may have been taken.
            head.leases = prepared.leases;
        }
        let read = head.latest.clone();
        if read.position.revision <= self.published.load().position.revision {
            return Ok((answer, read, None));
        }
        let (waiter, durable) = oneshot::channel();
        head.barriers.push((read.position.revision, waiter));
        Ok((answer, read, Some(durable)))
    }
}

impl Head {
    fn sequence(&mut self, prepared: Prepared) -> (Arc<Snapshot>, oneshot::Receiver<Result<(), Lost>>) {
        let (waiter, durable) = oneshot::channel();
        let after = Arc::new(prepared.view);
        let commit = Arc::new(Commit {
            position: after.position,
            info: prepared.part.info,
            changes: prepared.changed.into_iter().map(|key| Change { key }).collect(),
            before: prepared.base,
            after: after.clone(),
        });
        self.latest = after.clone();
        self.leases = prepared.leases;
        self.pending.push(Pending { commit, ops: prepared.part.ops, created: prepared.created, waiter });
        (after, durable)
    }
}

/// The thread that makes batches durable.
struct Committer {
    core: Arc<Core>,
    /// Commits of a batch of which it is not known whether it is stored.
    in_doubt: Vec<Arc<Commit>>,
}

impl Committer {
    fn run(&mut self) {
        while let Some(batch) = self.wait() {
            self.commit(batch);
        }
    }

    /// The next batch; `None` when the store is closed and nothing is left.
    fn wait(&self) -> Option<Vec<Pending>> {
        let mut head = self.core.head.lock();
        while head.pending.is_empty() && !head.closed {
            self.core.work.wait(&mut head);
        }
        if head.pending.is_empty() {
            return None;
        }
        if head.pending.len() <= BATCH {
            return Some(std::mem::take(&mut head.pending));
        }
        let rest = head.pending.split_off(BATCH);
        Some(std::mem::replace(&mut head.pending, rest))
    }

    fn commit(&mut self, batch: Vec<Pending>) {
        let mut appends = Vec::with_capacity(batch.len());
        let mut commits = Vec::with_capacity(batch.len());
        let mut waiters = Vec::with_capacity(batch.len());
        for Pending { commit, ops, created, waiter } in batch {
            appends.push(Append {
                revision: commit.position.revision,
                ops,
                created,
                log: log_entry(&commit),
            });
            commits.push(commit);
            waiters.push(waiter);
        }
        let outcome = self.settle().and_then(|()| {
            self.core.engine.append(&appends).map_err(|error| match error {
                AppendError::Refused(error) => Lost::Failed(error),
                AppendError::InDoubt(error) => {
                    self.in_doubt = std::mem::take(&mut commits);
                    Lost::Failed(error)
                }
            })
        });
        match outcome {
            Ok(()) => self.core.publish(commits),
            Err(lost) => self.core.fall_back(lost, waiters.drain(..)),
        }
        for waiter in waiters {
            // A writer that went away does not need its answer.
            let _ = waiter.send(Ok(()));
        }
    }

    /// Finds out what became of the batch in doubt, if there is one.
    fn settle(&mut self) -> Result<(), Lost> {
        let Some(last) = self.in_doubt.last().map(|commit| commit.position.revision) else { return Ok(()) };
        let stored = self.core.engine.recover().map_err(Lost::Failed)?;
        let in_doubt = std::mem::take(&mut self.in_doubt);
        if stored < last {
            return Ok(());
        }
        self.core.publish(in_doubt);
        Err(Lost::Again)
    }
}

impl Core {
    /// Makes durable commits visible.
    fn publish(&self, commits: Vec<Arc<Commit>>) {
        let Some(latest) = commits.last().map(|commit| commit.after.clone()) else { return };
        let revision = latest.position.revision;
        self.published.store(latest);
        self.feed.publish(commits);
        let mut head = self.head.lock();
        head.state = StoreState::Ok;
        let reached: Vec<_> = head.barriers.extract_if(.., |barrier| barrier.0 <= revision).collect();
        drop(head);
        for (_, waiter) in reached {
            let _ = waiter.send(Ok(()));
        }
    }

    /// Takes the head back to what is durable.
    fn fall_back(&self, lost: Lost, waiters: impl Iterator<Item = Waiter>) {
        let mut head = self.head.lock();
        head.latest = self.published.load_full();
        head.leases.drop_blocks();
        if let Lost::Failed(error) = &lost {
            tracing::warn!(%error, "a batch of transactions was not stored");
            head.state = StoreState::ReadOnly { reason: error.to_string() };
        }
        let pending = std::mem::take(&mut head.pending);
        let barriers = std::mem::take(&mut head.barriers);
        drop(head);
        for waiter in waiters.chain(pending.into_iter().map(|pending| pending.waiter)) {
            let _ = waiter.send(Err(lost.clone()));
        }
        for (_, waiter) in barriers {
            let _ = waiter.send(Err(Lost::Again));
        }
    }
}

fn log_entry(commit: &Commit) -> Vec<u8> {
    let changes = commit.changes.iter().map(|change| {
        let before = commit.before.record(&change.key);
        let (created, modified) = before.as_ref().map_or_else(Default::default, |before| before.revisions());
        LogChange {
            key: change.key.to_bytes(),
            before: before.map(|before| before.encode()),
            before_created: created.0,
            before_modified: modified.0,
        }
    });
    LogEntry::new(&commit.info, changes.collect()).encode_to_vec()
}
