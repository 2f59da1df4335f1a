//! A request after its caller is known and its body is read.

use crate::query::Query;
use crate::{ApiError, Caller};
use axum::http::{HeaderMap, Method, header};
use bytes::Bytes;
use hadron_model::Timestamp;
use hadron_store::CommitInfo;
use std::sync::Arc;
use uuid::Uuid;

/// A request to a resource.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The part of the path behind the collection.
    pub(crate) id: Option<String>,
    /// What the object of the address belongs to, if it stands below that.
    pub(crate) parent: Option<Uuid>,
    /// The parts of the path behind the id: what is to be done with the object, or what belongs to it.
    pub(crate) below: Vec<String>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) caller: Arc<Caller>,
    /// `req-` and a UUID.
    pub(crate) request_id: String,
    /// The full address without query, for links.
    pub(crate) address: String,
}

impl Call {
    /// Who commits what this request changes.
    pub(crate) fn commit_info(&self) -> CommitInfo {
        CommitInfo {
            actor: self.caller.user_id.clone(),
            project: self.caller.project().to_owned(),
            request_id: self.request_id.clone(),
            time: Timestamp::now(),
        }
    }

    /// The revision that `If-Match: revision_number=N` demands, if any (`revision-if-match`).
    pub(crate) fn demanded_revision(&self) -> Result<Option<u64>, ApiError> {
        let values = self.headers.get_all(header::IF_MATCH).iter();
        let texts = values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
        let tags = texts.filter_map(|tag| tag.trim().trim_matches('"').strip_prefix("revision_number="));
        let mut demanded = None;
        for tag in tags {
            let revision = tag
                .parse()
                .map_err(|_| ApiError::bad_resource("if-match", "the form is revision_number=<number>"))?;
            if demanded.replace(revision).is_some() {
                return Err(ApiError::bad_resource("if-match", "only one revision_number can be demanded"));
            }
        }
        Ok(demanded)
    }
}
