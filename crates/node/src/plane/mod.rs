//! Where entries are written: the kernel's tables and programs, or memory.
//!
//! [`Plane`] is all that the node asks of the packet path. [`memory::Memory`] keeps the entries in this process: a node with it
//! and without interfaces is a simulated one, as the scale simulation runs them by the hundred.

pub mod memory;

use crate::apply::{Key, Value};
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A write or read that the packet path refused.
#[derive(Debug)]
pub struct PlaneError(Box<dyn std::error::Error + Send + Sync>);

impl PlaneError {
    /// Wraps what the packet path said.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for PlaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for PlaneError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// The packet path of a host, as something that holds entries.
pub trait Plane: Send + 'static {
    /// Every entry that is there, written by this process or by one before it.
    fn dump(&mut self) -> Result<Vec<(Key, Value)>, PlaneError>;

    /// Writes an entry, over the one that is there. The variants of `key` and `value` are the same.
    fn put(&mut self, key: &Key, value: &Value) -> Result<(), PlaneError>;

    /// Removes an entry. One that isn't there is no error.
    fn remove(&mut self, key: &Key) -> Result<(), PlaneError>;

    /// Removes everything, pins included: the host is as if there had been no node.
    fn clear(&mut self) -> Result<(), PlaneError>;
}

/// A frame that the packet path handed to the responders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Punt {
    /// Number of the port that sent it.
    pub port: u32,
    /// Index of the interface that it came from, for the answer.
    pub ifindex: u32,
    /// The Ethernet frame; its checksums may be partial.
    pub frame: Vec<u8>,
}

/// A way to send a frame to an instance, as if it came out of the packet path.
pub trait Inject: Send + Sync + 'static {
    /// Sends an Ethernet frame out of the interface of this index, towards the instance.
    fn inject(&self, ifindex: u32, frame: &[u8]) -> std::io::Result<()>;
}

/// A plane with its way for frames to and from the responders.
pub struct PlaneParts<P> {
    /// The entries.
    pub plane: P,
    /// Frames for the responders.
    pub punts: mpsc::Receiver<Punt>,
    /// Their answers.
    pub inject: Arc<dyn Inject>,
}
