//! Operations that may not fit one transaction.
//!
//! A transaction holds at most 127 changes. An operation that touches every port of a network is done in several, each
//! of which leaves a consistent state and brings the end nearer; the last one is what the caller waits for.

use crate::Error;
use hadron_store::{CommitInfo, Committed, Store, Tx};

/// What one transaction of an operation achieved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step<T> {
    /// The operation is complete.
    Done(T),
    /// Some of it is done; do it again.
    More,
}

/// Most objects that one transaction of a long operation changes: each takes up to three of its 127 changes.
pub(crate) const BATCH: usize = 32;

/// Runs `step` in one transaction after another until it is done.
pub async fn run<T>(
    store: &Store,
    info: &CommitInfo,
    mut step: impl FnMut(&mut Tx) -> Result<Step<T>, Error> + Send,
) -> Result<Committed<T>, Error>
where
    T: Send,
{
    loop {
        let committed = store.write(info.clone(), &mut step).await?;
        if let Step::Done(value) = committed.value {
            return Ok(Committed { value, position: committed.position, snapshot: committed.snapshot });
        }
    }
}
