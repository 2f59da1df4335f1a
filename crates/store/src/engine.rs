//! What the embedded sequencer needs of an engine: batches made durable, all or nothing.

use crate::backend::Op;
use crate::{Position, Revision, StoreError};

/// A transaction in a batch.
#[derive(Debug)]
pub struct Append {
    /// Its revision, one more than the one before.
    pub revision: Revision,
    /// What it changes.
    pub ops: Vec<Op>,
    /// For each operation, the revision that inserted the record that it writes.
    pub created: Vec<Revision>,
    /// Its entry in the log, encoded.
    pub log: Vec<u8>,
}

/// A batch was not made durable.
#[derive(Debug)]
pub enum AppendError {
    /// Nothing of it is stored.
    Refused(StoreError),
    /// All of it is stored or nothing; [`Engine::recover`] will tell.
    InDoubt(StoreError),
}

/// A single-writer engine. Calls block.
pub trait Engine: Send + Sync + 'static {
    /// Stores a batch. When this returns without an error all of it is on disk.
    fn append(&self, batch: &[Append]) -> Result<(), AppendError>;

    /// After [`AppendError::InDoubt`]: the revision that is stored.
    fn recover(&self) -> Result<Revision, StoreError>;
}

/// What an engine holds when it is opened.
#[derive(Debug)]
pub struct Contents {
    /// The position of the newest stored transaction.
    pub position: Position,
    /// The log's newest entries, in order.
    pub log: Vec<(Revision, Vec<u8>)>,
}
