//! What a writer's function works on: the newest state with its own changes on top.

use crate::backend::{Compare, Op, Part, Txn};
use crate::number::Leases;
use crate::record::{Record, RecordKey, Stored, prefix_range};
use crate::{AlreadyExists, CommitInfo, Counter, CounterRecord, Revision, Snapshot, StoreError, Turn};
use bytes::Bytes;
use std::sync::Arc;

/// A transaction under way. Reads through [`Tx::get`] and [`Tx::insert`] are guarded: the transaction is applied only if
/// what they found still holds, and is run again otherwise. Reads through [`Tx::view`] are not.
pub struct Tx {
    info: CommitInfo,
    base: Arc<Snapshot>,
    view: Snapshot,
    next: Revision,
    leases: Leases,
    is_shared: bool,
    writes: Vec<RecordKey>,
    guards: Vec<Guard>,
}

#[derive(PartialEq)]
enum Guard {
    Key(RecordKey, Revision),
    Range(Vec<u8>, Vec<u8>),
}

impl Tx {
    /// `is_shared` tells whether other servers commit to the same backend.
    pub(crate) fn new(base: Arc<Snapshot>, info: CommitInfo, leases: Leases, is_shared: bool) -> Self {
        let view = Snapshot::clone(&base);
        let next = Revision(base.position.revision.0 + 1);
        Self { info, base, view, next, leases, is_shared, writes: Vec::new(), guards: Vec::new() }
    }

    /// Who makes the transaction.
    pub fn info(&self) -> &CommitInfo {
        &self.info
    }

    /// The newest state with this transaction's changes. What is read here may have changed by the time of the commit
    /// where several servers share a backend; guard what matters.
    pub fn view(&self) -> &Snapshot {
        &self.view
    }

    /// The record under `key`, guarded: the commit happens only if nobody else changes it in between.
    pub fn get<T: Record>(&mut self, key: &T::Key) -> Option<Arc<Stored<T>>> {
        self.guard_key::<T>(key);
        self.view.get::<T>(key).cloned()
    }

    /// Guards a scan of the records whose keys begin with `prefix` (`()` for all of the kind): the commit happens only if
    /// nobody else inserts or updates one. Deletions are not noticed, since etcd can't.
    pub fn guard_range<T: Record>(&mut self, prefix: T::Prefix) {
        let (start, end) = prefix_range::<T>(&prefix);
        self.guard(Guard::Range(start, end));
    }

    /// Makes sure that what [`Tx::view`] shows includes what every committed transaction did that took a turn of this name: of
    /// two that take it at the same time on two servers one is run again. It takes one of the transaction's operations where
    /// servers share the backend; on a store of its own transactions follow each other anyway.
    pub fn take_turn(&mut self, name: String) {
        if self.is_shared {
            self.guard_key::<Turn>(&name);
            self.put(Turn { name });
        }
    }

    /// Inserts or replaces a record.
    pub fn put<T: Record>(&mut self, value: T) {
        let key = value.key();
        let before = self.base.get::<T>(&key);
        let stored = Stored {
            created: before.map_or(self.next, |before| before.created),
            modified: self.next,
            unknown: before.and_then(|before| before.unknown.clone()),
            value,
        };
        self.view.set::<T>(&key, Some(Arc::new(stored)));
        self.wrote(T::record_key(key));
    }

    /// Inserts a record, guarded: the commit happens only if nobody else inserts it in between.
    pub fn insert<T: Record>(&mut self, value: T) -> Result<(), AlreadyExists> {
        let key = value.key();
        self.guard_key::<T>(&key);
        if self.view.has::<T>(&key) {
            return Err(AlreadyExists);
        }
        self.put(value);
        Ok(())
    }

    /// Removes a record; nothing happens if there is none.
    pub fn delete<T: Record>(&mut self, key: &T::Key) {
        if self.view.has::<T>(key) {
            self.view.set::<T>(key, None);
            self.wrote(T::record_key(key.clone()));
        }
    }

    /// The next number of a sequence, never 0 and never given out before. It counts as given out when the transaction's
    /// function succeeds.
    pub fn next_number(&mut self, counter: Counter) -> Result<u32, StoreError> {
        if let Some(number) = self.leases.take(counter) {
            return Ok(number);
        }
        let unleased = self.get::<CounterRecord>(&counter).map_or(1, |record| record.next);
        let next = self.leases.extend(counter, unleased).ok_or(StoreError::NumbersExhausted)?;
        self.put(CounterRecord { counter, next });
        self.leases.take(counter).ok_or(StoreError::NumbersExhausted)
    }

    fn wrote(&mut self, key: RecordKey) {
        if !self.writes.contains(&key) {
            self.writes.push(key);
        }
    }

    fn guard_key<T: Record>(&mut self, key: &T::Key) {
        let revision = self.base.get::<T>(key).map_or(Revision::ZERO, |stored| stored.modified);
        self.guard(Guard::Key(T::record_key(key.clone()), revision));
    }

    fn guard(&mut self, guard: Guard) {
        if !self.guards.contains(&guard) {
            self.guards.push(guard);
        }
    }

    /// What the transaction wants, after its function has run.
    pub(crate) fn finish(self) -> Result<Prepared, StoreError> {
        let Self { info, base, mut view, next, leases, writes, guards, is_shared: _ } = self;
        let mut changed = Vec::with_capacity(writes.len());
        let mut ops = Vec::with_capacity(writes.len());
        let mut created = Vec::with_capacity(writes.len());
        for key in writes {
            let bytes = key.to_bytes();
            match view.tables.record(&key) {
                Some(record) => {
                    ops.push(Op::Put { key: bytes, value: Bytes::from(record.encode()) });
                    created.push(record.revisions().0);
                }
                None if base.tables.record(&key).is_some() => {
                    ops.push(Op::Delete { key: bytes });
                    created.push(Revision::ZERO);
                }
                None => continue,
            }
            changed.push(key);
        }
        view.position.revision = next;
        let since = base.position.revision;
        let compares = guards.into_iter().map(|guard| guard.into_compare(since)).collect();
        let txn = Txn::one(info, compares, ops);
        txn.check_size()?;
        let Txn { compares, mut parts } = txn;
        let part = parts.remove(0);
        Ok(Prepared { compares, part, created, changed, base, view, leases })
    }
}

impl Guard {
    fn into_compare(self, since: Revision) -> Compare {
        match self {
            Guard::Key(key, revision) => Compare::Key { key: key.to_bytes(), revision },
            Guard::Range(start, end) => Compare::Range { start, end, since },
        }
    }
}

/// A transaction ready to be sequenced.
pub(crate) struct Prepared {
    pub(crate) compares: Vec<Compare>,
    pub(crate) part: Part,
    /// For each operation, the revision that inserted the record that it writes.
    pub(crate) created: Vec<Revision>,
    pub(crate) changed: Vec<RecordKey>,
    pub(crate) base: Arc<Snapshot>,
    pub(crate) view: Snapshot,
    pub(crate) leases: Leases,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tx on {}, {} written", self.base.position, self.writes.len())
    }
}
