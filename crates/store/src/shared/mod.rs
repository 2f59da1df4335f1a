//! The sequencer over a backend that several servers share: the backend orders the transactions, this process computes them on
//! the newest state that it has seen and computes again when their conditions do not hold any more.
//!
//! One transaction of a process is under way at a time, since the next has to be computed on its result. So that many writers
//! don't wait for each other, those that come meanwhile are gathered into the next one: each is computed on the result of those
//! before it and becomes a part of its own. The conditions of a later part hold in the state before the first, because no part
//! changes a key that an earlier one has changed, and what a part has read of an earlier one comes about with it.
//!
//! ```text
//!  writers ──lock──▶ desk: group ── head ─┐ part, part, part …
//!     ▲                                   ▼
//!     │                        Backend::submit ──▶ ordered ──▶ Replica (Observer) ──▶ snapshot, feed
//!     └── answers ◀── reached ◀───────────┘ refused: all compute again
//! ```

mod group;
mod replica;

use crate::backend::{Backend, Observer, Outcome};
use crate::feed::Feed;
use crate::number::Leases;
use crate::store::{Committed, StoreState};
use crate::tx::{Prepared, Tx};
use crate::{CommitInfo, HistoryId, Position, Revision, Snapshot, StoreError};
use arc_swap::ArcSwap;
use group::{Group, Lost};
use parking_lot::Mutex;
use replica::Replica;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// How often a transaction is computed again before its writer is told.
const ATTEMPTS: usize = 64;
/// How often a group lets other tasks run, so that writers who have waited for it can join.
const COURTESY: usize = 32;
/// How long a commit that the backend has acknowledged may take to arrive here.
const ARRIVAL: Duration = Duration::from_secs(30);

pub(crate) struct Shared(Arc<Core>);

struct Core {
    backend: Arc<dyn Backend>,
    replica: Arc<Replica>,
    desk: Mutex<Desk>,
    /// Tells those who wait for a group that it has gone.
    gone: Notify,
}

/// Where writers meet.
struct Desk {
    /// What this process may give out for certain.
    leases: Leases,
    /// The history that the leases are of.
    history: HistoryId,
    group: Option<Group>,
    /// A group is with the backend.
    is_under_way: bool,
    /// Writers who wait for the group to go.
    queue: usize,
}

/// What became of a writer's function.
enum Run<R, E> {
    /// Its transaction is a part of the group; the answer comes with the group's.
    Joined(R, usize, oneshot::Receiver<Result<Revision, Lost>>),
    /// It has to run again when the group has gone.
    Wait,
    /// It failed or changed nothing, on this committed state.
    Nothing(Result<R, E>, Arc<Snapshot>),
    /// It failed or changed nothing, on what may not come about; it has to run on what is committed.
    Unsure,
    /// On what is committed it would change something, but not on what the group makes of it: the group decides.
    Later,
    /// It would change something, and nobody is in its way any more.
    Again,
}

impl Shared {
    pub(crate) async fn open(backend: Arc<dyn Backend>) -> Result<Self, StoreError> {
        let replica = Arc::new(Replica::default());
        let observer: Weak<dyn Observer> = Arc::downgrade(&(replica.clone() as Arc<dyn Observer>));
        let loaded = backend.load(observer).await?;
        let history = loaded.position.history;
        replica.begin(loaded)?;
        let desk = Desk { leases: Leases::default(), history, group: None, is_under_way: false, queue: 0 };
        let core = Core { backend, replica, desk: Mutex::new(desk), gone: Notify::new() };
        let shared = Self(Arc::new(core));
        shared.wait_current().await?;
        Ok(shared)
    }

    pub(crate) fn published(&self) -> &ArcSwap<Snapshot> {
        self.0.replica.published()
    }

    pub(crate) fn feed(&self) -> &Arc<Feed> {
        self.0.replica.feed()
    }

    pub(crate) fn state(&self) -> StoreState {
        let damage = self.0.replica.damage().map(|error| error.to_string());
        match damage.or_else(|| self.0.backend.trouble()) {
            None => StoreState::Ok,
            Some(reason) => StoreState::ReadOnly { reason },
        }
    }

    pub(crate) async fn wait_current(&self) -> Result<Arc<Snapshot>, StoreError> {
        self.0.catch_up().await?;
        Ok(self.published().load_full())
    }

    pub(crate) async fn write<R, E: From<StoreError>>(
        &self,
        info: CommitInfo,
        mut f: impl FnMut(&mut Tx) -> Result<R, E>,
    ) -> Result<Committed<R>, E> {
        let core = &self.0;
        // A state that contains everything that was acknowledged before the call: what is true in it may be answered.
        let mut fresh: Option<Position> = None;
        let mut queued: Option<Queued<'_>> = None;
        let mut is_alone = false;
        let mut attempts = 0;
        while attempts < ATTEMPTS {
            let gone = core.gone.notified();
            match core.run(&info, &mut f, is_alone)? {
                Run::Wait => {
                    is_alone = false;
                    queued.get_or_insert_with(|| Queued::new(core));
                    gone.await;
                    continue;
                }
                Run::Joined(value, index, answer) => {
                    queued = None;
                    match answer.await.unwrap_or(Err(Lost::Failed(StoreError::Closed))) {
                        Ok(first) => {
                            let snapshot = self.published().load_full();
                            let revision = Revision(first.0 + index as u64);
                            let position = Position { revision, ..snapshot.position };
                            return Ok(Committed { value, position, snapshot });
                        }
                        Err(Lost::Again) => {}
                        Err(Lost::Failed(error)) => return Err(error.into()),
                    }
                }
                Run::Unsure => is_alone = true,
                Run::Later => {
                    is_alone = false;
                    gone.await;
                }
                Run::Again => is_alone = false,
                Run::Nothing(answer, base) => {
                    queued = None;
                    let position = base.position;
                    if fresh.is_some_and(|fresh| fresh.includes(position)) {
                        return answer.map(|value| Committed { value, position, snapshot: base });
                    }
                    let current = core.catch_up().await?;
                    if current.includes(position) {
                        return answer.map(|value| Committed { value, position, snapshot: base });
                    }
                    fresh = Some(current);
                }
            }
            attempts += 1;
        }
        Err(StoreError::Conflict.into())
    }
}

impl Position {
    /// Whether a state at `other` has everything that is acknowledged here.
    fn includes(self, other: Position) -> bool {
        self.history == other.history && self.revision <= other.revision
    }
}

impl Core {
    /// Runs `f` on what the group makes of the newest state and lets its transaction join the group; or, if `is_alone`, on the
    /// committed state to see whether it has anything to write.
    fn run<R, E: From<StoreError>>(
        self: &Arc<Self>,
        info: &CommitInfo,
        f: &mut impl FnMut(&mut Tx) -> Result<R, E>,
        is_alone: bool,
    ) -> Result<Run<R, E>, E> {
        if let Some(error) = self.replica.damage() {
            return Err(error.into());
        }
        let mut desk = self.desk.lock();
        if !is_alone && desk.is_closed() {
            return Ok(Run::Wait);
        }
        let group = desk.group.as_ref().filter(|_| !is_alone);
        let (is_sure, base) = match group {
            Some(group) => (false, group.head.clone()),
            None => (true, self.replica.published().load_full()),
        };
        let leases = group.map(|group| group.leases);
        desk.belong_to(base.position.history);
        let mut tx = Tx::new(base.clone(), info.clone(), leases.unwrap_or(desk.leases), true);
        let value = match f(&mut tx) {
            Ok(value) => value,
            Err(error) if is_sure => return Ok(Run::Nothing(Err(error), base)),
            Err(_) => return Ok(Run::Unsure),
        };
        let prepared = tx.finish()?;
        if prepared.part.ops.is_empty() {
            desk.burn(&prepared.leases);
            return Ok(if is_sure { Run::Nothing(Ok(value), base) } else { Run::Unsure });
        }
        if is_alone {
            let is_busy = desk.is_under_way || desk.group.is_some();
            return Ok(if is_busy { Run::Later } else { Run::Again });
        }
        Ok(match self.join(&mut desk, prepared) {
            Some((index, answer)) => Run::Joined(value, index, answer),
            None => Run::Wait,
        })
    }

    /// Adds a transaction to the group, and begins one if there is none; `None` if it has to wait for the next.
    fn join(
        self: &Arc<Self>,
        desk: &mut Desk,
        prepared: Prepared,
    ) -> Option<(usize, oneshot::Receiver<Result<Revision, Lost>>)> {
        if let Some(group) = &mut desk.group {
            return group.add(prepared);
        }
        let (group, answer) = Group::begin(prepared);
        desk.group = Some(group);
        tokio::spawn(self.clone().depart());
        Some((0, answer))
    }

    /// Sends the group on its way once those who waited for it had a chance to join, and brings its members their answers.
    async fn depart(self: Arc<Self>) {
        for _ in 0..COURTESY {
            let is_ready = {
                let desk = self.desk.lock();
                desk.queue == 0 || desk.group.as_ref().is_none_or(|group| group.is_full)
            };
            if is_ready {
                break;
            }
            tokio::task::yield_now().await;
        }
        let Some(group) = self.desk.lock().take_group() else { return };
        let _reopened = Reopened(&self);
        let Group { txn, leases, waiters, base, .. } = group;
        let last = Revision(txn.parts.len() as u64 - 1);
        let outcome = match self.backend.submit(txn).await {
            Ok(Outcome::Committed(first)) => {
                self.desk.lock().keep(&leases);
                self.reach(base.position, Revision(first.0 + last.0))
                    .await
                    .map(|()| first)
                    .map_err(Lost::Failed)
            }
            Ok(Outcome::Conflict(revision)) => {
                self.desk.lock().leases.burn(&leases);
                Err(self.reach(base.position, revision).await.map_or_else(Lost::Failed, |()| Lost::Again))
            }
            Err(error) => {
                self.desk.lock().leases.burn(&leases);
                Err(Lost::Failed(error))
            }
        };
        for waiter in waiters {
            // A writer that went away does not need its answer.
            let _ = waiter.send(outcome.clone());
        }
    }

    /// Waits for what others have had acknowledged, and tells where that is.
    async fn catch_up(&self) -> Result<Position, StoreError> {
        let seen = self.replica.published().load().position;
        let revision = self.backend.current().await?;
        self.reach(seen, revision).await?;
        let now = self.replica.published().load().position;
        Ok(if now.history == seen.history { Position { revision, ..seen } } else { now })
    }

    /// Waits until `revision` of the history of `seen` has arrived here.
    async fn reach(&self, seen: Position, revision: Revision) -> Result<(), StoreError> {
        if let Some(error) = self.replica.damage() {
            return Err(error);
        }
        let arrival = self.replica.feed().reach(Position { revision, ..seen });
        tokio::time::timeout(ARRIVAL, arrival).await.map_err(|_| {
            let reason =
                self.backend.trouble().unwrap_or_else(|| "its announcements don't arrive".to_owned());
            StoreError::Unavailable {
                reason: format!("revision {revision} of the shared store is not known here: {reason}"),
            }
        })
    }
}

impl Desk {
    /// Whether writers have to wait for the next group.
    fn is_closed(&self) -> bool {
        self.is_under_way || self.group.as_ref().is_some_and(|group| group.is_full)
    }

    /// Numbers were given out without a commit.
    fn burn(&mut self, leases: &Leases) {
        self.leases.burn(leases);
        if let Some(group) = &mut self.group {
            group.leases.burn(leases);
        }
    }

    /// Numbers leased in another history may be leased by others in this one.
    fn belong_to(&mut self, history: HistoryId) {
        if self.history != history {
            self.history = history;
            self.leases.drop_blocks();
        }
    }

    /// The blocks that a committed group has leased are this process's.
    fn keep(&mut self, leases: &Leases) {
        self.leases.burn(leases);
        self.leases.adopt(leases);
    }

    fn take_group(&mut self) -> Option<Group> {
        let group = self.group.take()?;
        self.is_under_way = true;
        Some(group)
    }
}

/// Lets writers come to the desk again, however the group's way ended.
struct Reopened<'a>(&'a Core);

impl Drop for Reopened<'_> {
    fn drop(&mut self) {
        self.0.desk.lock().is_under_way = false;
        self.0.gone.notify_waiters();
    }
}

/// A writer in the queue for the next group.
struct Queued<'a>(&'a Core);

impl<'a> Queued<'a> {
    fn new(core: &'a Core) -> Self {
        core.desk.lock().queue += 1;
        Self(core)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.desk.lock().queue -= 1;
    }
}
