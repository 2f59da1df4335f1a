//! The store: one ordered history of commits over the whole model, and immutable snapshots of it with indexes.
//!
//! This room owns revisions, transactions, snapshots, indexes, watching, the encoding of records and the engines that
//! keep them: an embedded single-file engine whose acknowledged writes are on disk, and backends that several servers
//! share: [`etcd`], and an in-memory one for tests that enforces etcd's limits. It knows the shape of the model's nouns but not what an
//! operation means: which checks a new port needs is `hadron-control`'s business.
//!
//! Begin with [`Store`], then [`Tx`] (what a writer sees) and [`Snapshot`] (what a reader sees). [`Watch`] is how other
//! rooms follow. The two sequencers are `local` (this process orders transactions itself and an [`Engine`] makes them
//! durable in groups) and `shared` (a [`Backend`] orders them and may refuse one because its conditions no longer hold).
//!
//! ```text
//!  write(f) ── f(Tx on head) ──▶ local:  head moves at once ─▶ committer thread ─▶ Engine::append ─┐ one fsync a batch
//!                           └──▶ shared: Backend::submit(conditions, ops) ─▶ Observer::committed ──┤
//!                                                          snapshot published, watchers woken ◀────┘ then the answer
//! ```
#![forbid(unsafe_code)]

#[cfg(test)]
mod arbitrary;
pub mod backend;
mod claim;
pub mod embedded;
mod encoding;
pub mod engine;
mod error;
pub mod etcd;
mod feed;
mod index;
mod interval;
mod key;
mod local;
mod memory;
mod number;
mod position;
mod prefixes;
mod record;
mod shared;
mod snapshot;
mod store;
mod tx;

pub use backend::Backend;
pub use claim::{
    AddressClaim, BulkIntent, CounterRecord, Created, Duty, FloatingClaim, MacClaim, Milestone, SegmentClaim,
    TunnelClaim, Turn, VniClaim,
};
pub use error::{AlreadyExists, DecodeError, HistoryGone, StoreError};
pub use feed::{Change, Commit, Watch};
pub use index::{Logged, SetId};
pub use memory::Memory;
pub use number::Counter;
pub use position::{CommitInfo, HistoryId, Position, Revision};
pub use record::{AnyRecord, Kind, Record, RecordKey, Stored};
pub use snapshot::Snapshot;
pub use store::{Committed, Store, StoreState};
pub use tx::Tx;
