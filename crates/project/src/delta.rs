//! What one commit did to the projection, and whom it concerns.

use crate::{Interest, Projection};
use hadron_store::Revision;
use hadron_wire::RowKey;

/// What one commit did to the rows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Delta {
    /// The commit.
    pub revision: Revision,
    /// Rows that came, went, or have another content or interest.
    pub rows: Vec<RowDelta>,
    /// Interests that hosts came to have, by host number.
    pub gained: Vec<(u32, Interest)>,
    /// Interests that hosts no longer have.
    pub lost: Vec<(u32, Interest)>,
    /// Numbers of hosts that were removed.
    pub removed_hosts: Vec<u32>,
}

/// What happened to a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowDelta {
    /// The row.
    pub key: RowKey,
    /// Who had it before; `None` for a new row.
    pub before: Option<Interest>,
    /// Who is to have it now; `None` when it is gone.
    pub after: Option<Interest>,
}

/// What a commit means to one host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// A row that it had by the projection before, or has now, or both.
    Row {
        /// The row.
        key: RowKey,
        /// Whether it was to have the row before.
        had: bool,
        /// Whether it is to have the row now.
        has: bool,
    },
    /// It is to have the rows of this interest.
    Gained(Interest),
    /// It drops the rows of this interest.
    Lost(Interest),
    /// It no longer exists.
    Removed,
}

impl Delta {
    /// Whether no row and no interest changed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.gained.is_empty()
            && self.lost.is_empty()
            && self.removed_hosts.is_empty()
    }

    /// Tells `sink` the (host number, note) pairs of the commit, in the order in which a [`Subscription`] takes them.
    /// `projection` is the one that made the delta, with nothing applied since.
    ///
    /// [`Subscription`]: crate::Subscription
    pub fn notes(&self, projection: &Projection, mut sink: impl FnMut(u32, Note)) {
        for &(host, interest) in &self.lost {
            sink(host, Note::Lost(interest));
        }
        for &(host, interest) in &self.gained {
            sink(host, Note::Gained(interest));
        }
        for row in &self.rows {
            let covers = |interest: Option<Interest>, host| {
                interest.is_some_and(|i| projection.is_interested(host, i))
            };
            let moved_to = row.after.filter(|after| Some(*after) != row.before);
            for interest in row.before.into_iter().chain(moved_to) {
                for host in projection.interested(interest) {
                    let (had, has) = (covers(row.before, host), covers(row.after, host));
                    sink(host, Note::Row { key: row.key, had, has });
                }
            }
        }
        for &host in &self.removed_hosts {
            sink(host, Note::Removed);
        }
    }
}
