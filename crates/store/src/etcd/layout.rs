//! What is kept in etcd under which key.
//!
//! | key, behind the prefix | value |
//! |---|---|
//! | `r/` and the bytes of the record's key | the commit's place in its transaction, one byte; the record, protobuf |
//! | `meta/commit` | who made the newest transaction's commits: [`Mark`] |
//! | `meta/history` | the history's id, the release's format, the cluster it began in: [`History`] |
//! | `meta/claim` | the session that asks the others to let it go first |
//! | `fence/` and a server's session | empty; as long as it is what the server wrote, the server's transactions count |
//!
//! A transaction of etcd has one revision, and up to [`PLACES`] commits: revision `r` and place `p` make the store's revision
//! `r · 128 + p`.

use super::proto::KeyValue;
use crate::backend::{Entry, Op, Part};
use crate::{CommitInfo, HistoryId, Revision, StoreError};
use hadron_model::Timestamp;
use prost::Message;
use uuid::Uuid;

/// The newest form that this release reads and writes.
pub(super) const FORMAT: u32 = 1;
/// Most commits in a transaction: each has an operation.
const PLACES: u64 = 128;

/// The keys of a store.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    prefix: Vec<u8>,
}

impl Layout {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.as_bytes().to_vec() }
    }

    fn under(&self, rest: &[u8]) -> Vec<u8> {
        [&self.prefix, rest].concat()
    }

    /// First key of the store and first key behind it.
    pub(super) fn everything(&self) -> (Vec<u8>, Vec<u8>) {
        (self.prefix.clone(), crate::key::end_of_prefix(&self.prefix))
    }

    /// First fence and first key behind them.
    pub(super) fn fences(&self) -> (Vec<u8>, Vec<u8>) {
        let start = self.under(b"fence/");
        let end = crate::key::end_of_prefix(&start);
        (start, end)
    }

    pub(super) fn fence(&self, session: Uuid) -> Vec<u8> {
        self.under(format!("fence/{session}").as_bytes())
    }

    pub(super) fn commit(&self) -> Vec<u8> {
        self.under(b"meta/commit")
    }

    pub(super) fn claim(&self) -> Vec<u8> {
        self.under(b"meta/claim")
    }

    pub(super) fn history(&self) -> Vec<u8> {
        self.under(b"meta/history")
    }

    pub(super) fn record(&self, key: &[u8]) -> Vec<u8> {
        self.under(&[b"r/", key].concat())
    }

    /// The record's key, if `key` is one's.
    pub(super) fn record_of<'a>(&self, key: &'a [u8]) -> Option<&'a [u8]> {
        key.strip_prefix(self.prefix.as_slice())?.strip_prefix(b"r/")
    }
}

/// The store's revision of a commit.
pub(super) fn revision(etcd: i64, place: u64) -> Revision {
    Revision(etcd.max(0).unsigned_abs() * PLACES + place)
}

/// etcd's revision of a commit.
pub(super) fn etcd_revision(revision: Revision) -> i64 {
    i64::try_from(revision.0 / PLACES).unwrap_or(i64::MAX)
}

/// The value under which a record is kept.
pub(super) fn value(place: usize, record: &[u8]) -> bytes::Bytes {
    let mut value = Vec::with_capacity(1 + record.len());
    value.push(place as u8);
    value.extend_from_slice(record);
    value.into()
}

/// The entry that etcd keeps under a record's key, and its commit's place.
pub(super) fn entry(key: &[u8], kv: &KeyValue) -> Result<(Entry, u64), StoreError> {
    let place = kv.value.first().copied().map(u64::from).filter(|place| *place < PLACES);
    let place = place.ok_or_else(|| StoreError::Corrupt {
        reason: format!("the value of key {key:02x?} in etcd has no place"),
    })?;
    // The place of the commit that inserted it is kept only as long as that is the last one.
    let created = revision(kv.create_revision, if kv.version == 1 { place } else { 0 });
    let modified = revision(kv.mod_revision, place);
    let entry = Entry { key: key.to_vec(), value: kv.value.slice(1..), created, modified };
    Ok((entry, place))
}

/// The commits of a transaction.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Mark {
    /// Whose: the session's id.
    #[prost(bytes = "vec", tag = "1")]
    session: Vec<u8>,
    /// The number of the transaction within the session.
    #[prost(uint64, tag = "2")]
    pub(super) number: u64,
    #[prost(message, repeated, tag = "3")]
    pub(super) parts: Vec<MarkPart>,
}

/// A commit of a transaction.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MarkPart {
    #[prost(string, tag = "1")]
    actor: String,
    #[prost(string, tag = "2")]
    project: String,
    #[prost(string, tag = "3")]
    request_id: String,
    #[prost(int64, tag = "4")]
    time: i64,
    /// The keys of the records that it removes: what is gone has no value to say its place.
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub(super) deletes: Vec<Vec<u8>>,
}

impl Mark {
    pub(super) fn new(session: Uuid, number: u64, parts: &[Part]) -> Self {
        let parts = parts.iter().map(MarkPart::of).collect();
        Self { session: session.as_bytes().to_vec(), number, parts }
    }

    /// Whose they are.
    pub(super) fn session(&self) -> Option<Uuid> {
        Uuid::from_slice(&self.session).ok()
    }

    /// The place of the last commit.
    fn last_place(&self) -> u64 {
        (self.parts.len() as u64).saturating_sub(1)
    }

    pub(super) fn read(value: &[u8]) -> Result<Self, StoreError> {
        Self::decode(value)
            .map_err(|error| StoreError::Corrupt { reason: format!("etcd's key meta/commit: {error}") })
    }

    /// The store's newest revision, by the key that etcd has.
    pub(super) fn newest(kv: Option<&KeyValue>) -> Result<Revision, StoreError> {
        match kv {
            Some(kv) => Ok(revision(kv.mod_revision, Self::read(&kv.value)?.last_place())),
            None => Ok(Revision::ZERO),
        }
    }
}

impl MarkPart {
    fn of(part: &Part) -> Self {
        let CommitInfo { actor, project, request_id, time } = part.info.clone();
        let deletes = part.ops.iter().filter_map(|op| match op {
            Op::Delete { key } => Some(key.clone()),
            Op::Put { .. } => None,
        });
        Self { actor, project, request_id, time: time.0, deletes: deletes.collect() }
    }

    pub(super) fn info(self) -> CommitInfo {
        let Self { actor, project, request_id, time, .. } = self;
        CommitInfo { actor, project, request_id, time: Timestamp(time) }
    }
}

/// What is known of a history.
#[derive(Clone, PartialEq, Message)]
pub(super) struct History {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    format: u32,
    /// etcd's cluster id when it began.
    #[prost(uint64, tag = "3")]
    pub(super) cluster: u64,
}

impl History {
    pub(super) fn begin(cluster: u64) -> Self {
        Self { id: HistoryId::random().0.as_bytes().to_vec(), format: FORMAT, cluster }
    }

    pub(super) fn read(value: &[u8]) -> Result<Self, StoreError> {
        let history = Self::decode(value)
            .map_err(|error| StoreError::Corrupt { reason: format!("etcd's key meta/history: {error}") })?;
        if history.format > FORMAT {
            return Err(StoreError::Format { found: history.format, known: FORMAT });
        }
        Ok(history)
    }

    pub(super) fn id(&self) -> HistoryId {
        HistoryId(Uuid::from_slice(&self.id).unwrap_or_default())
    }
}
