//! The state that a request is answered from, as its caller sees it.

use hadron_store::Snapshot;
use std::ops::Deref;

/// A snapshot and the project that looks at it: whether an object is shared depends on who asks.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    snapshot: &'a Snapshot,
    project: &'a str,
}

impl<'a> View<'a> {
    /// The snapshot as `project` sees it; empty without one.
    pub fn new(snapshot: &'a Snapshot, project: &'a str) -> Self {
        Self { snapshot, project }
    }

    /// The snapshot, for as long as it lives.
    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// The project that looks; empty without one.
    pub fn project(&self) -> &'a str {
        self.project
    }
}

impl Deref for View<'_> {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        self.snapshot
    }
}
