//! What is gone, for nodes that were away when it went.

use crate::Interest;
use hadron_store::Revision;
use hadron_wire::RowKey;
use std::collections::VecDeque;

/// Something that a node may still hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gone {
    /// A row left an interest: it was deleted, or belongs to another one now.
    Row { interest: Interest, key: RowKey },
    /// A host lost an interest.
    Interest { host: u32, interest: Interest },
}

/// The most recent departures, oldest first.
#[derive(Debug)]
pub(crate) struct Tombstones {
    gone: VecDeque<(Revision, Gone)>,
    capacity: usize,
    /// Departures after this revision are all here.
    complete_since: Revision,
}

impl Tombstones {
    pub(crate) fn new(start: Revision, capacity: usize) -> Self {
        Self { gone: VecDeque::new(), capacity, complete_since: start }
    }

    pub(crate) fn push(&mut self, revision: Revision, gone: Gone) {
        self.gone.push_back((revision, gone));
        if self.gone.len() > self.capacity
            && let Some((revision, _)) = self.gone.pop_front()
        {
            self.complete_since = revision;
        }
    }

    /// Whether a node that holds `revision` can be told all that it must drop.
    pub(crate) fn reach_back_to(&self, revision: Revision) -> bool {
        revision >= self.complete_since
    }

    /// What went after `revision`.
    pub(crate) fn since(&self, revision: Revision) -> impl Iterator<Item = Gone> {
        self.dated_since(revision).map(|(_, gone)| gone)
    }

    /// What went after `revision`, and when.
    pub(crate) fn dated_since(&self, revision: Revision) -> impl Iterator<Item = (Revision, Gone)> {
        let first = self.gone.partition_point(|(at, _)| *at <= revision);
        self.gone.range(first..).copied()
    }
}
