//! Limits of projects.

use super::Encoded;
use crate::DecodeError;
use hadron_model::ProjectQuota;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ProjectQuotaMessage {
    #[prost(string, tag = "1")]
    project_id: String,
    #[prost(message, repeated, tag = "2")]
    limits: Vec<LimitMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LimitMessage {
    #[prost(string, tag = "1")]
    kind: String,
    /// Absent is no limit.
    #[prost(uint32, optional, tag = "2")]
    most: Option<u32>,
}

impl Encoded for ProjectQuota {
    type Message = ProjectQuotaMessage;
    const LAST_FIELD: u32 = 2;

    fn to_message(&self) -> ProjectQuotaMessage {
        let limits = self.limits.iter().map(|(kind, most)| LimitMessage { kind: kind.clone(), most: *most });
        ProjectQuotaMessage { project_id: self.project_id.clone(), limits: limits.collect() }
    }

    fn from_message(message: ProjectQuotaMessage) -> Result<Self, DecodeError> {
        let limits = message.limits.into_iter().map(|limit| (limit.kind, limit.most)).collect();
        Ok(ProjectQuota { project_id: message.project_id, limits })
    }
}
