//! From which requests of the API the changes come that the node applies, and when each is in force.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

/// The rows of a request are written into the packet path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// `req-` and a UUID: the API's.
    pub request_id: String,
    /// Revision up to which everything is written.
    pub revision: u64,
    /// When the first row came.
    pub since: SystemTime,
    /// Entries of the packet path that are not as they should be; not all of them need be of this request.
    pub pending: usize,
}

/// Who is told of changes. It must not block.
pub trait Observer: Debug + Send + Sync {
    /// A change is applied.
    fn applied(&self, applied: &Applied);
}

/// Requests whose rows have come and are not yet told as applied.
#[derive(Debug)]
pub(crate) struct Requests {
    observer: Option<Arc<dyn Observer>>,
    came: Vec<(String, SystemTime)>,
}

impl Requests {
    pub(crate) fn new(observer: Option<Arc<dyn Observer>>) -> Self {
        Self { observer, came: Vec::new() }
    }

    /// Rows of a request have come; an empty id is that of none.
    pub(crate) fn come(&mut self, request_id: String) {
        if !request_id.is_empty() && self.came.iter().all(|(came, _)| *came != request_id) {
            self.came.push((request_id, SystemTime::now()));
        }
    }

    /// All that came is written.
    pub(crate) fn applied(&mut self, revision: u64, pending: usize) {
        for (request_id, since) in self.came.drain(..) {
            tracing::info!(request_id, revision, pending, "a change is applied");
            if let Some(observer) = &self.observer {
                observer.applied(&Applied { request_id, revision, since, pending });
            }
        }
    }
}
