//! The store as the other rooms use it.

use crate::backend::Backend;
use crate::feed::Watch;
use crate::memory::Memory;
use crate::shared::Shared;
use crate::{CommitInfo, HistoryGone, Position, Snapshot, StoreError, Tx};
use std::sync::Arc;

/// A handle on the store; a clone is another handle on the same.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

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
    /// Opens a backend that several servers share.
    pub async fn open_with(backend: Arc<dyn Backend>) -> Result<Store, StoreError> {
        Ok(Self(Arc::new(Shared::open(backend).await?)))
    }

    /// A store of its own in memory that enforces etcd's limits, for tests.
    pub async fn in_memory() -> Store {
        Self::open_with(Arc::new(Memory::new())).await.expect("an empty backend has nothing that could fail")
    }

    /// The newest durable state. It costs one atomic operation; hold it as long as needed.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.published().load_full()
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
        self.0.write(info, f).await
    }

    /// Follows the store from its newest durable state.
    pub fn watch(&self) -> Watch {
        self.0.feed().watch()
    }

    /// Follows the store from an earlier position, if the changes since are still known.
    pub fn watch_from(&self, position: Position) -> Result<Watch, HistoryGone> {
        self.0.feed().watch_from(position)
    }

    /// A state that includes everything that any server has had acknowledged before the call.
    pub async fn wait_current(&self) -> Result<Arc<Snapshot>, StoreError> {
        self.0.wait_current().await
    }

    /// Whether the store takes writes.
    pub fn state(&self) -> StoreState {
        self.0.state()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store at {}", self.snapshot().position())
    }
}
