//! What a backend offers that several servers share. The shape is etcd's: conditions and operations in one transaction,
//! ordered by the backend, seen by everyone as a stream of commits.

use crate::{CommitInfo, Position, Revision, StoreError};
use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Most operations in a transaction: etcd's 128 (`--max-txn-ops`), of which one carries the [`CommitInfo`].
pub const MAX_OPS: usize = 127;
/// Most conditions in a transaction: etcd's 128 (`--max-txn-ops`), of which two are the backend's own.
pub const MAX_COMPARES: usize = 126;
/// Most bytes in a transaction, keys and values together: etcd's 1.5 MiB (`--max-request-bytes`) less 16 KiB for its framing.
pub const MAX_BYTES: usize = 1536 * 1024 - 16 * 1024;

/// A change of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// Insert or replace.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The encoded record.
        value: Bytes,
    },
    /// Remove.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
}

impl Op {
    /// The key that it changes.
    pub fn key(&self) -> &[u8] {
        match self {
            Op::Put { key, .. } | Op::Delete { key } => key,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Op::Put { key, value } => key.len() + value.len(),
            Op::Delete { key } => key.len(),
        }
    }
}

/// A condition under which a transaction is applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Compare {
    /// The key was last modified at exactly this revision; [`Revision::ZERO`] means that it is absent.
    Key {
        /// The key.
        key: Vec<u8>,
        /// Its modification revision.
        revision: Revision,
    },
    /// No key in `[start, end)` was modified after `since`. It notices inserts and updates, but not deletions.
    Range {
        /// First key of the range.
        start: Vec<u8>,
        /// First key behind the range.
        end: Vec<u8>,
        /// The newest modification revision that may be there.
        since: Revision,
    },
}

/// What one writer changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Who makes it.
    pub info: CommitInfo,
    /// Operations, in order.
    pub ops: Vec<Op>,
}

/// A transaction: all operations of all parts if every condition holds in the state before them, else nothing. No key is
/// changed twice. Each part is a commit of its own, and they follow each other without another in between.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Txn {
    /// Conditions.
    pub compares: Vec<Compare>,
    /// At least one.
    pub parts: Vec<Part>,
}

impl Txn {
    /// A transaction of one part.
    pub fn one(info: CommitInfo, compares: Vec<Compare>, ops: Vec<Op>) -> Self {
        Self { compares, parts: vec![Part { info, ops }] }
    }

    /// Every operation, in order.
    pub fn ops(&self) -> impl Iterator<Item = &Op> {
        self.parts.iter().flat_map(|part| &part.ops)
    }

    /// Refuses a transaction that some backend could not take.
    pub fn check_size(&self) -> Result<(), StoreError> {
        self.size().check()
    }

    /// How large it is.
    pub(crate) fn size(&self) -> Size {
        let compares = self.compares.iter().map(Compare::bytes);
        let ops = self.ops().map(Op::bytes);
        let infos = self.parts.iter().map(|part| part.info.bytes());
        Size {
            ops: self.ops().count(),
            compares: self.compares.len(),
            bytes: compares.chain(ops).chain(infos).sum(),
        }
    }
}

/// What counts against the limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Size {
    pub(crate) ops: usize,
    pub(crate) compares: usize,
    pub(crate) bytes: usize,
}

impl Size {
    pub(crate) fn check(self) -> Result<(), StoreError> {
        within("operations", self.ops, MAX_OPS)?;
        within("conditions", self.compares, MAX_COMPARES)?;
        within("bytes", self.bytes, MAX_BYTES)
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            ops: self.ops + other.ops,
            compares: self.compares + other.compares,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl Compare {
    fn bytes(&self) -> usize {
        match self {
            Compare::Key { key, .. } => key.len(),
            Compare::Range { start, end, .. } => start.len() + end.len(),
        }
    }
}

impl CommitInfo {
    fn bytes(&self) -> usize {
        self.actor.len() + self.project.len() + self.request_id.len()
    }
}

fn within(what: &'static str, actual: usize, limit: usize) -> Result<(), StoreError> {
    if actual <= limit { Ok(()) } else { Err(StoreError::TooLarge { what, actual, limit }) }
}

/// A stored key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// The encoded record.
    pub value: Bytes,
    /// The commit that inserted it.
    pub created: Revision,
    /// The commit that last wrote it.
    pub modified: Revision,
}

/// A commit as a backend reports it: the new entry of each key that it changed, or the key alone where it removed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    /// Its revision.
    pub revision: Revision,
    /// Who made it.
    pub info: CommitInfo,
    /// Inserted or replaced.
    pub puts: Vec<Entry>,
    /// Removed.
    pub deletes: Vec<Vec<u8>>,
}

/// What a backend did with a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Applied, durably: the first part at this revision, each further one at the next.
    Committed(Revision),
    /// Not applied: a condition does not hold in the state of this revision.
    Conflict(Revision),
}

/// The whole state as of one position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// The position.
    pub position: Position,
    /// Every key.
    pub entries: Vec<Entry>,
}

/// Whom a backend tells about commits, its own callers' and other servers'.
pub trait Observer: Send + Sync {
    /// The commits of one transaction, in order of revision, none left out, none twice. Must not block for long.
    fn committed(&self, commits: Vec<Observed>);

    /// Commits were missed, or another history has begun: this is the state now.
    fn reloaded(&self, state: Loaded);
}

/// A backend that several servers share.
pub trait Backend: Send + Sync + 'static {
    /// The state now, or a little while ago; from then on every later commit goes to `observer`, until it is dropped.
    fn load(&self, observer: std::sync::Weak<dyn Observer>) -> BoxFuture<'_, Result<Loaded, StoreError>>;

    /// Applies `txn` durably if its conditions hold.
    fn submit(&self, txn: Txn) -> BoxFuture<'_, Result<Outcome, StoreError>>;

    /// The newest revision that anyone has had acknowledged.
    fn current(&self) -> BoxFuture<'_, Result<Revision, StoreError>>;

    /// Why it takes no transactions for now, if that is so.
    fn trouble(&self) -> Option<String> {
        None
    }
}
