//! The log's form of a commit: who, and what each changed record was before, so that older states can be rebuilt.

use crate::CommitInfo;
use hadron_model::Timestamp;

/// A commit in the log.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LogEntry {
    #[prost(string, tag = "1")]
    actor: String,
    #[prost(string, tag = "2")]
    project: String,
    #[prost(string, tag = "3")]
    request_id: String,
    #[prost(int64, tag = "4")]
    time: i64,
    #[prost(message, repeated, tag = "5")]
    pub(crate) changes: Vec<LogChange>,
}

/// A changed key.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LogChange {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    /// The encoded record as it was before; absent if there was none.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) before: Option<Vec<u8>>,
    #[prost(uint64, tag = "3")]
    pub(crate) before_created: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) before_modified: u64,
}

impl LogEntry {
    pub(crate) fn new(info: &CommitInfo, changes: Vec<LogChange>) -> Self {
        Self {
            actor: info.actor.clone(),
            project: info.project.clone(),
            request_id: info.request_id.clone(),
            time: info.time.0,
            changes,
        }
    }

    pub(crate) fn info(&self) -> CommitInfo {
        CommitInfo {
            actor: self.actor.clone(),
            project: self.project.clone(),
            request_id: self.request_id.clone(),
            time: Timestamp(self.time),
        }
    }
}
