//! Which history an etcd holds, and how a restored backup is recognised.
//!
//! A backup of etcd that is restored has lost commits, and gives their revisions to others. Nothing in the keys tells, so it is
//! recognised by what can't happen otherwise:
//!
//! - etcd's cluster has another id than when the history began: `etcdctl snapshot restore` makes a new cluster, whose id comes
//!   from its members' addresses and its `--initial-cluster-token`;
//! - the store is older than what this server has seen of the same history, in this process or, by its file, in an earlier one.
//!
//! Who recognises it begins a new history, with the backup's state as its first; the others find its record changed. All fences
//! go with it, so that nobody writes what was computed on the lost state.

use super::layout::History;
use super::proto::{
    Compare, DeleteRangeRequest, Header, KeyValue, PutRequest, RangeRequest, Request, TARGET_MOD, TxnRequest,
    result,
};
use super::{Inner, Seen};
use crate::{HistoryId, StoreError};
use prost::Message;
use std::path::Path;
use uuid::Uuid;

/// The history that an etcd holds now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) id: HistoryId,
    /// etcd's revision of its record.
    pub(super) record: i64,
    /// etcd's revision.
    pub(super) etcd: i64,
}

/// The history now; a new one if there is none, or if a backup was restored since `seen`.
pub(super) async fn find(inner: &Inner, seen: &Seen) -> Result<Found, StoreError> {
    // Each round but the last ends with somebody's having begun a history in between.
    for _ in 0..8 {
        let request = RangeRequest { key: inner.layout.history(), ..RangeRequest::default() };
        let answer = inner.client.range(request).await?;
        let header = header(answer.header)?;
        let Some(kv) = answer.kvs.into_iter().next() else {
            begin(inner, 0, header.cluster_id).await?;
            continue;
        };
        let history = History::read(&kv.value)?;
        if let Some(why) = restored(&history, &header, seen) {
            tracing::warn!(why, "etcd holds a restored backup; a new history begins");
            begin(inner, kv.mod_revision, header.cluster_id).await?;
            continue;
        }
        return Ok(found(&history, &kv, &header));
    }
    Err(StoreError::Unavailable { reason: "the store's history in etcd keeps changing".to_owned() })
}

fn found(history: &History, kv: &KeyValue, header: &Header) -> Found {
    Found { id: history.id(), record: kv.mod_revision, etcd: header.revision }
}

pub(super) fn header(header: Option<Header>) -> Result<Header, StoreError> {
    header.ok_or_else(|| StoreError::Unavailable { reason: "etcd has answered without a header".to_owned() })
}

/// Why this is not what was seen going on, if it is not.
fn restored(history: &History, header: &Header, seen: &Seen) -> Option<&'static str> {
    if history.cluster != header.cluster_id {
        Some("the history began in another cluster")
    } else if history.id() == seen.history && header.revision < seen.etcd {
        Some("its revision is lower than one seen before")
    } else {
        None
    }
}

/// Begins a history, unless the record has changed since `record`.
async fn begin(inner: &Inner, record: i64, cluster: u64) -> Result<(), StoreError> {
    let key = inner.layout.history();
    let unchanged = Compare {
        result: result::EQUAL,
        target: TARGET_MOD,
        key: key.clone(),
        mod_revision: Some(record),
        range_end: vec![],
    };
    let value = History::begin(cluster).encode_to_vec().into();
    let (start, end) = inner.layout.fences();
    let success = vec![
        Request::Put(PutRequest { key, value }).into(),
        Request::Delete(DeleteRangeRequest { key: start, range_end: end }).into(),
    ];
    inner.client.repeatable_txn(TxnRequest { compare: vec![unchanged], success, failure: vec![] }).await?;
    Ok(())
}

/// Takes away every fence: those of sessions that have ended, and of others, which make themselves new ones.
pub(super) async fn clear_fences(inner: &Inner) -> Result<(), StoreError> {
    let (key, range_end) = inner.layout.fences();
    let success = vec![Request::Delete(DeleteRangeRequest { key, range_end }).into()];
    inner.client.repeatable_txn(TxnRequest { compare: vec![], success, failure: vec![] }).await?;
    Ok(())
}

/// How far an earlier process of this server has seen the store, by its file.
pub(super) fn remembered(path: Option<&Path>) -> Seen {
    let text = path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let mut words = text.split_whitespace();
    let history = words.next().and_then(|word| word.parse::<Uuid>().ok());
    let etcd = words.next().and_then(|word| word.parse().ok());
    match (history, etcd) {
        (Some(history), Some(etcd)) => Seen { history: HistoryId(history), etcd, ..Seen::default() },
        _ => Seen::default(),
    }
}

/// Keeps that for a later one. A file that can't be written costs only that.
pub(super) fn remember(path: &Path, seen: &Seen) {
    let temporary = path.with_extension("new");
    let text = format!("{} {}\n", seen.history, seen.etcd);
    let written = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "can't keep how far the store was seen");
    }
}
