//! Where a state stands in the history, and who brought it there.

use hadron_model::Timestamp;
use std::fmt;
use uuid::Uuid;

/// The number of a commit within a history. It rises with every commit; 0 is before everything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision before everything; in a condition it stands for "absent".
    pub const ZERO: Revision = Revision(0);
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity of a history. A restored backup starts a new one, because revisions after the backup mean other things in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct HistoryId(pub Uuid);

impl HistoryId {
    /// A new random history.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for HistoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A point in a history.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Position {
    /// Which history.
    pub history: HistoryId,
    /// The last commit that is part of the state.
    pub revision: Revision,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.revision, self.history)
    }
}

/// Who made a commit, for the audit log, receipts and traces.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CommitInfo {
    /// User id, `node:NAME` or `system`.
    pub actor: String,
    /// Project id in whose name it was made; may be empty.
    pub project: String,
    /// The API's request id; may be empty.
    pub request_id: String,
    /// When it was made, by the clock of the server that made it.
    pub time: Timestamp,
}

impl CommitInfo {
    /// A commit of the control plane's own making, now.
    pub fn system() -> Self {
        Self { actor: "system".to_owned(), time: Timestamp::now(), ..Self::default() }
    }
}
