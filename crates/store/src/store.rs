//! The store as the other rooms use it.

use crate::backend::Backend;
use crate::embedded::{Embedded, Medium, place};
use crate::engine::Contents;
use crate::feed::{Feed, Watch, past_of_log};
use crate::local::Local;
use crate::memory::Memory;
use crate::shared::Shared;
use crate::{CommitInfo, HistoryGone, HistoryId, Position, Revision, Snapshot, StoreError, Tx};
use arc_swap::ArcSwap;
use std::path::Path;
use std::sync::Arc;

/// A handle on the store; a clone is another handle on the same.
#[derive(Clone)]
pub struct Store(Arc<Sequencer>);

enum Sequencer {
    Local(Local),
    Shared(Shared),
}

/// A transaction's result.
#[derive(Clone, Debug)]
pub struct Committed<R> {
    /// What the function returned.
    pub value: R,
    /// Where in the history the transaction is; the position that it read if it changed nothing.
    pub position: Position,
    /// A state that includes the transaction.
    pub snapshot: Arc<Snapshot>,
}

/// Whether the store takes writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreState {
    /// It does.
    Ok,
    /// The last write failed; reads go on, and every further write is tried.
    ReadOnly {
        /// Cause and next step, for an operator.
        reason: String,
    },
}

impl Store {
    /// Opens the embedded store in the file `path`, or begins one there. The process has it to itself until the last
    /// handle is dropped.
    pub async fn open(path: impl AsRef<Path>) -> Result<Store, StoreError> {
        let path = path.as_ref().to_owned();
        blocking(move || Self::embedded(place::open(&path)?)).await
    }

    /// Opens the embedded store on a medium, or begins one if it is empty. It blocks while it reads everything.
    pub fn open_on(medium: impl Medium) -> Result<Store, StoreError> {
        Self::embedded(Embedded::open_or_begin(medium)?)
    }

    fn embedded<M: Medium>(
        (engine, snapshot, contents): (Embedded<M>, Snapshot, Contents),
    ) -> Result<Store, StoreError> {
        let snapshot = Arc::new(snapshot);
        let older = past_of_log(contents.log)?;
        let newest = snapshot.position().revision;
        let floor = older.front().map_or(newest, |oldest| Revision(oldest.revision.0 - 1));
        let feed = Feed::new(snapshot.clone(), floor, older);
        Ok(Self(Arc::new(Sequencer::Local(Local::new(Box::new(engine), snapshot, feed)?))))
    }

    /// Opens a backend that several servers share.
    pub async fn open_with(backend: Arc<dyn Backend>) -> Result<Store, StoreError> {
        Ok(Self(Arc::new(Sequencer::Shared(Shared::open(backend).await?))))
    }

    /// A store of its own in memory that enforces etcd's limits, for tests.
    pub async fn in_memory() -> Store {
        Self::open_with(Arc::new(Memory::new())).await.expect("an empty backend has nothing that could fail")
    }

    /// The newest durable state. It costs one atomic operation; hold it as long as needed.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published().load_full()
    }

    /// Runs `f` on the newest state and commits what it changed, all or nothing; answers when that is durable and
    /// visible in [`Store::snapshot`].
    ///
    /// `f` may run more than once and must depend on nothing but its argument; it must not block. If it fails, or
    /// changes nothing, nothing is written; that answer too is given only when the state that `f` saw is durable.
    /// At most [`crate::backend::MAX_OPS`] records can change at once ([`StoreError::TooLarge`]).
    pub async fn write<R, E: From<StoreError>>(
        &self,
        info: CommitInfo,
        f: impl FnMut(&mut Tx) -> Result<R, E>,
    ) -> Result<Committed<R>, E> {
        match &*self.0 {
            Sequencer::Local(local) => local.write(info, f).await,
            Sequencer::Shared(shared) => shared.write(info, f).await,
        }
    }

    /// Follows the store from its newest durable state.
    pub fn watch(&self) -> Watch {
        self.feed().watch()
    }

    /// Follows the store from an earlier position, if the changes since are still known.
    pub fn watch_from(&self, position: Position) -> Result<Watch, HistoryGone> {
        self.feed().watch_from(position)
    }

    /// What `snapshot` would be had the commit of `revision` not been; `None` if what it changed is not known any more. What other commits have
    /// changed since in the same records is not in it either.
    pub fn without(&self, revision: Revision, snapshot: &Snapshot) -> Option<Snapshot> {
        self.feed().without(revision, snapshot)
    }

    /// How far back [`Store::watch_from`] can begin without meeting more than so many changed records on its way to now.
    pub fn oldest_within(&self, changes: usize) -> Position {
        self.feed().oldest_within(changes)
    }

    /// A state that includes everything that any server has had acknowledged before the call.
    pub async fn wait_current(&self) -> Result<Arc<Snapshot>, StoreError> {
        match &*self.0 {
            Sequencer::Local(_) => Ok(self.snapshot()),
            Sequencer::Shared(shared) => shared.wait_current().await,
        }
    }

    /// Writes the newest durable state to a new file, which [`Store::restore`] takes. Writers and readers go on meanwhile.
    /// The audit log is not part of it. The answer is the state's position.
    pub async fn backup(&self, path: impl AsRef<Path>) -> Result<Position, StoreError> {
        let (path, snapshot) = (path.as_ref().to_owned(), self.snapshot());
        blocking(move || place::create(&path, &snapshot).map(|_| snapshot.position())).await
    }

    /// Makes a store at `path`, where nothing may be, of a backup. Revisions go on from the backup's, but the history is a
    /// new one: what happened after the backup has not happened in it.
    pub async fn restore(backup: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<HistoryId, StoreError> {
        let (backup, path) = (backup.as_ref().to_owned(), path.as_ref().to_owned());
        blocking(move || place::restore(&backup, &path)).await
    }

    /// Whether the store takes writes.
    pub fn state(&self) -> StoreState {
        match &*self.0 {
            Sequencer::Local(local) => local.state(),
            Sequencer::Shared(shared) => shared.state(),
        }
    }

    fn published(&self) -> &ArcSwap<Snapshot> {
        match &*self.0 {
            Sequencer::Local(local) => local.published(),
            Sequencer::Shared(shared) => shared.published(),
        }
    }

    fn feed(&self) -> &Arc<Feed> {
        match &*self.0 {
            Sequencer::Local(local) => local.feed(),
            Sequencer::Shared(shared) => shared.feed(),
        }
    }
}

/// Runs `f` where blocking is allowed.
async fn blocking<R: Send + 'static>(
    f: impl FnOnce() -> Result<R, StoreError> + Send + 'static,
) -> Result<R, StoreError> {
    match tokio::task::spawn_blocking(f).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::Closed),
        },
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store at {}", self.snapshot().position())
    }
}
