//! Lines of the log.
//!
//! | `event` | of what | with |
//! |---|---|---|
//! | `request` | a request that would change something, after its answer | who, from where, what, the answer's status |
//! | `commit` | a commit of the store, whichever server made it | who, which objects, which of their attributes |
//! | `gap` | commits that could not be written down | after and up to which revision |

use hadron_api::audit::{Asked, ChangedObject, changes};
use hadron_model::Timestamp;
use hadron_store::{Commit, HistoryId, Position, Revision};
use serde_json::{Value, json};

/// A request.
pub(super) fn of_request(asked: &Asked) -> String {
    let caller = asked.caller.as_deref();
    let line = json!({
        "time": Timestamp::now().to_string(),
        "event": "request",
        "request_id": asked.request_id,
        "actor": caller.map(|caller| &caller.user_id),
        "project": caller.and_then(|caller| caller.project_id.as_ref()),
        "roles": caller.map(|caller| &caller.roles),
        "client": asked.client,
        "method": asked.method.as_str(),
        "path": asked.path,
        "status": asked.status,
        "outcome": outcome(asked.status),
    });
    line.to_string()
}

fn outcome(status: Option<u16>) -> &'static str {
    match status {
        Some(200..=399) => "done",
        Some(400..=499) => "refused",
        Some(_) => "failed",
        None => "unanswered",
    }
}

/// A commit, if it changed what somebody asked for. If it follows another one than the last that was seen, all in between is in it.
pub(super) fn of_commit(commit: &Commit, last: Position) -> Option<String> {
    let objects = changes(commit);
    if objects.is_empty() {
        return None;
    }
    let position = commit.position;
    let mut line = json!({
        "time": commit.info.time.to_string(),
        "event": "commit",
        "history": position.history.to_string(),
        "revision": position.revision.0,
        "actor": commit.info.actor,
        "project": commit.info.project,
        "request_id": commit.info.request_id,
        "objects": objects.iter().map(of_object).collect::<Vec<_>>(),
    });
    if last.history != position.history || last.revision.0 + 1 < position.revision.0 {
        line["after_revision"] = json!(last.revision.0);
    }
    Some(line.to_string())
}

fn of_object(object: &ChangedObject) -> Value {
    json!({
        "resource": object.resource,
        "id": object.id,
        "change": object.happened.as_str(),
        "attributes": object.attributes,
    })
}

/// Commits that nobody knows any more.
pub(super) fn of_gap(after: Position, now: Position) -> String {
    let line = json!({
        "time": Timestamp::now().to_string(),
        "event": "gap",
        "after_history": after.history.to_string(),
        "after_revision": after.revision.0,
        "history": now.history.to_string(),
        "revision": now.revision.0,
    });
    line.to_string()
}

/// Up to where a line says that commits are written down, if it says so.
pub(super) fn position(line: &str) -> Option<Position> {
    let line: Value = serde_json::from_str(line).ok()?;
    let history = HistoryId(line["history"].as_str()?.parse().ok()?);
    Some(Position { history, revision: Revision(line["revision"].as_u64()?) })
}
