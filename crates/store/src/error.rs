//! What can go wrong in the store.

use crate::{Position, Revision};
use std::sync::Arc;

/// A failed operation of the store. It is cheap to clone, since one failure may answer many writers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Writes can't be made durable for now; reads go on, and writing resumes by itself. The API answers 503.
    #[error("the store can't write: {reason}")]
    Unavailable {
        /// Cause and next step, for an operator.
        reason: String,
    },
    /// Other servers changed what the transaction read, again and again.
    #[error("the transaction kept conflicting with others; try again")]
    Conflict,
    /// The transaction is larger than every backend can take.
    #[error("the transaction has {actual} {what}, more than the {limit} that fit; split it")]
    TooLarge {
        /// What there is too much of: operations, conditions or bytes.
        what: &'static str,
        /// How much there is.
        actual: usize,
        /// How much may be.
        limit: usize,
    },
    /// What is stored can't be understood.
    #[error("the store is damaged or not a store: {reason}; restore a backup")]
    Corrupt {
        /// What was found where.
        reason: String,
    },
    /// A newer release wrote the store in a form that this one does not know.
    #[error("the store has format {found}, this release knows up to {known}; use the newer release")]
    Format {
        /// The format found.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// Another process has the store open.
    #[error("another process has the store {path} open; stop it first")]
    InUse {
        /// The store's file.
        path: String,
    },
    /// A target that must not exist does.
    #[error("{path} exists already; move it away first")]
    Exists {
        /// The file.
        path: String,
    },
    /// The changes since a position are no longer kept.
    #[error(transparent)]
    HistoryGone(#[from] HistoryGone),
    /// A file can't be opened, read or written.
    #[error("{what}")]
    Io {
        /// Which operation on which file.
        what: String,
        /// The system's reason.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// Every number of a kind has been given out.
    #[error("all numbers of this kind have been used")]
    NumbersExhausted,
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// The changes since a position are not known: it belongs to another history, is older than what is kept, or is newer
/// than what is stored. Start again from a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the changes after {asked} are not known; history reaches from revision {oldest} to {newest}")]
pub struct HistoryGone {
    /// The position asked for.
    pub asked: Position,
    /// The oldest revision from which changes are known.
    pub oldest: Revision,
    /// The newest state.
    pub newest: Position,
}

/// A record with this key exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record with this key exists already")]
pub struct AlreadyExists;

/// A stored value can't be understood: damaged, or written by a release that knows more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub(crate) String);

impl From<prost::DecodeError> for DecodeError {
    fn from(error: prost::DecodeError) -> Self {
        Self(error.to_string())
    }
}

impl From<DecodeError> for StoreError {
    fn from(DecodeError(reason): DecodeError) -> Self {
        StoreError::Corrupt { reason }
    }
}
