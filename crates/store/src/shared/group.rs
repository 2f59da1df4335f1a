//! Transactions of several writers that go to the backend as one.

use crate::backend::{Compare, Op, Size, Txn};
use crate::number::Leases;
use crate::tx::Prepared;
use crate::{Revision, Snapshot, StoreError};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Most bytes of a group of several; what is larger goes alone.
const GROUP_BYTES: usize = 1 << 20;

/// Why a transaction was not committed.
#[derive(Clone)]
pub(super) enum Lost {
    /// The backend failed.
    Failed(StoreError),
    /// Somebody else changed what it, or another one of its group, depends on; it has to run again.
    Again,
}

/// A group that can still grow.
pub(super) struct Group {
    /// The committed state that the first member was computed on.
    pub(super) base: Arc<Snapshot>,
    /// The state with all members.
    pub(super) head: Arc<Snapshot>,
    pub(super) leases: Leases,
    pub(super) txn: Txn,
    pub(super) waiters: Vec<oneshot::Sender<Result<Revision, Lost>>>,
    /// Somebody did not fit any more.
    pub(super) is_full: bool,
    size: Size,
    /// What is put under each key, `None` where it is removed.
    written: HashMap<Vec<u8>, Option<Bytes>>,
}

impl Group {
    /// A group of one.
    pub(super) fn begin(first: Prepared) -> (Self, oneshot::Receiver<Result<Revision, Lost>>) {
        let (waiter, answer) = oneshot::channel();
        let txn = Txn { compares: first.compares, parts: vec![first.part] };
        let group = Self {
            base: first.base,
            head: Arc::new(first.view),
            leases: first.leases,
            waiters: vec![waiter],
            is_full: false,
            size: txn.size(),
            written: txn.ops().map(written).collect(),
            txn,
        };
        (group, answer)
    }

    /// Adds a transaction that was computed on `head`: its place, and where its answer comes; `None` if it does not fit.
    pub(super) fn add(
        &mut self,
        next: Prepared,
    ) -> Option<(usize, oneshot::Receiver<Result<Revision, Lost>>)> {
        let compares: Vec<Compare> =
            next.compares.into_iter().filter_map(|compare| self.translate(compare)).collect();
        let mut part = next.part;
        part.ops.retain(|op| !self.does(op));
        let added = Txn { compares, parts: vec![part] };
        let size = self.size.plus(added.size());
        let writes_again = added.ops().any(|op| self.written.contains_key(op.key()));
        if writes_again || size.check().is_err() || size.bytes > GROUP_BYTES {
            self.is_full = true;
            return None;
        }
        self.size = size;
        self.written.extend(added.ops().map(written));
        self.txn.compares.extend(added.compares);
        self.txn.parts.extend(added.parts);
        self.head = Arc::new(next.view);
        self.leases = next.leases;
        let (waiter, answer) = oneshot::channel();
        self.waiters.push(waiter);
        Some((self.txn.parts.len() - 1, answer))
    }

    /// Whether the group puts the same value under the same key already.
    fn does(&self, op: &Op) -> bool {
        matches!(op, Op::Put { key, value } if self.written.get(key).is_some_and(|put| put.as_ref() == Some(value)))
    }

    /// A condition on `head` as a condition on `base`; `None` if the group itself sees to it or has it already.
    fn translate(&self, compare: Compare) -> Option<Compare> {
        let compare = match compare {
            Compare::Key { key, .. } if self.written.contains_key(&key) => return None,
            Compare::Range { start, end, .. } => {
                Compare::Range { start, end, since: self.base.position.revision }
            }
            key => key,
        };
        (!self.txn.compares.contains(&compare)).then_some(compare)
    }
}

fn written(op: &Op) -> (Vec<u8>, Option<Bytes>) {
    match op {
        Op::Put { key, value } => (key.clone(), Some(value.clone())),
        Op::Delete { key } => (key.clone(), None),
    }
}
