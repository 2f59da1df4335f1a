//! A backend in memory that behaves as etcd does: its limits, its conditions, its order. Several stores can share one, as
//! several servers share an etcd. It is for tests; nothing is on disk.

use crate::backend::{Backend, Compare, Entry, Loaded, Observed, Observer, Op, Outcome, Part, Txn};
use crate::{HistoryId, Position, Revision, StoreError};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;

/// The in-memory backend.
pub struct Memory {
    history: HistoryId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    revision: Revision,
    entries: BTreeMap<Vec<u8>, Value>,
    observers: Vec<Weak<dyn Observer>>,
    unavailable: Option<String>,
}

struct Value {
    value: Bytes,
    created: Revision,
    modified: Revision,
}

impl Default for Memory {
    fn default() -> Self {
        Self { history: HistoryId::random(), state: Mutex::default() }
    }
}

impl Memory {
    /// An empty backend with a history of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes every transaction fail for `reason`, as a lost quorum would, until it is called with `None`.
    pub fn set_unavailable(&self, reason: Option<&str>) {
        self.state.lock().unavailable = reason.map(str::to_owned);
    }
}

impl State {
    fn holds(&self, compare: &Compare) -> bool {
        match compare {
            Compare::Key { key, revision } => {
                self.entries.get(key).map_or(Revision::ZERO, |value| value.modified) == *revision
            }
            Compare::Range { start, end, since } => {
                start >= end
                    || self
                        .entries
                        .range(start.clone()..end.clone())
                        .all(|(_, value)| value.modified <= *since)
            }
        }
    }

    fn submit(&mut self, txn: Txn) -> Result<Outcome, StoreError> {
        if let Some(reason) = &self.unavailable {
            return Err(StoreError::Unavailable { reason: reason.clone() });
        }
        txn.check_size()?;
        let keys: BTreeSet<&[u8]> = txn.ops().map(Op::key).collect();
        assert_eq!(keys.len(), txn.ops().count(), "a transaction changes a key twice, which etcd refuses");
        if !txn.compares.iter().all(|compare| self.holds(compare)) {
            return Ok(Outcome::Conflict(self.revision));
        }
        let first = Revision(self.revision.0 + 1);
        let commits: Vec<Observed> = txn.parts.into_iter().map(|part| self.apply(part)).collect();
        self.observers.retain(|observer| observer.strong_count() > 0);
        for observer in self.observers.iter().filter_map(Weak::upgrade) {
            observer.committed(commits.clone());
        }
        Ok(Outcome::Committed(first))
    }

    fn apply(&mut self, part: Part) -> Observed {
        self.revision.0 += 1;
        let revision = self.revision;
        let mut observed = Observed { revision, info: part.info, puts: Vec::new(), deletes: Vec::new() };
        for op in part.ops {
            match op {
                Op::Put { key, value } => {
                    let created = self.entries.get(&key).map_or(revision, |old| old.created);
                    self.entries
                        .insert(key.clone(), Value { value: value.clone(), created, modified: revision });
                    observed.puts.push(Entry { key, value, created, modified: revision });
                }
                Op::Delete { key } => {
                    if self.entries.remove(&key).is_some() {
                        observed.deletes.push(key);
                    }
                }
            }
        }
        observed
    }
}

impl Backend for Memory {
    fn load(&self, observer: Weak<dyn Observer>) -> BoxFuture<'_, Result<Loaded, StoreError>> {
        let mut state = self.state.lock();
        state.observers.push(observer);
        let entries = state.entries.iter().map(|(key, value)| Entry {
            key: key.clone(),
            value: value.value.clone(),
            created: value.created,
            modified: value.modified,
        });
        let position = Position { history: self.history, revision: state.revision };
        let loaded = Loaded { position, entries: entries.collect() };
        ready(Ok(loaded)).boxed()
    }

    fn submit(&self, txn: Txn) -> BoxFuture<'_, Result<Outcome, StoreError>> {
        ready(self.state.lock().submit(txn)).boxed()
    }

    fn current(&self) -> BoxFuture<'_, Result<Revision, StoreError>> {
        ready(Ok(self.state.lock().revision)).boxed()
    }

    fn trouble(&self) -> Option<String> {
        self.state.lock().unavailable.clone()
    }
}
