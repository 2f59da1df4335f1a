//! What one node still has to be told.

use crate::{Interest, Note, Projection};
use hadron_store::{Position, Revision};
use hadron_wire::proto::{Batch, welcome::Mode};
use hadron_wire::{RowChange, RowKey};
use std::collections::{BTreeMap, BTreeSet};

/// The host is not in the projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("host number {0} is unknown; it was removed, or joined an instant ago")]
pub struct UnknownHost(pub u32);

/// How large a batch may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Changes in a batch.
    pub changes: usize,
    /// Bytes of these changes; one change may go beyond.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { changes: hadron_wire::MAX_BATCH_CHANGES, bytes: 256 << 10 }
    }
}

/// The dirty keys of one node. Values are looked up when they are sent, so that the latest wins; and what came and went
/// without having been sent is forgotten, so that a node that doesn't read costs at most the keys of the rows that it holds
/// and of those that it is to hold.
#[derive(Debug)]
pub struct Subscription {
    host: u32,
    mode: Mode,
    forget: BTreeSet<Interest>,
    dirty: BTreeMap<RowKey, Knowledge>,
    /// Interests of which the node has been sent nothing yet.
    fresh: BTreeSet<Interest>,
    /// The first complete batch is still to come; it is sent even if it is empty.
    is_first: bool,
    told: Revision,
}

/// What a node knows of a dirty row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Knowledge {
    /// Nothing: if the row goes before it is sent, there is nothing to say.
    None,
    /// It may hold an older version.
    Older,
}

impl Subscription {
    /// The host's number.
    pub fn host(&self) -> u32 {
        self.host
    }

    /// Whether the first batches are a snapshot or a difference.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Up to which revision the node has been told everything.
    pub fn told(&self) -> Revision {
        self.told
    }

    /// Up to which revision the node has everything in force, having acknowledged `acknowledged`: if it is told nothing more, that is where
    /// the projection is, however long ago something of its own changed.
    pub fn watermark(&self, acknowledged: Revision, projection: &Projection) -> Revision {
        let is_settled = !self.is_first && self.waiting() == 0 && acknowledged == self.told;
        if is_settled { projection.position().revision } else { acknowledged }
    }

    /// How many keys wait to be sent.
    pub fn waiting(&self) -> usize {
        self.dirty.len() + self.forget.len()
    }

    /// Takes a note of a [`Delta`](crate::Delta). Returns whether there is something to send.
    pub fn note(&mut self, note: Note, projection: &Projection) -> bool {
        match note {
            Note::Row { key, had, has } => self.note_row(key, had, has),
            Note::Gained(interest) => {
                if !self.forget.contains(&interest) {
                    self.fresh.insert(interest);
                }
                self.add_new(projection.keys(interest));
            }
            Note::Lost(interest) => {
                self.dirty.retain(|key, _| Interest::that_forgets(*key) != Some(interest));
                if !self.fresh.remove(&interest) {
                    self.forget.insert(interest);
                }
            }
            Note::Removed => {}
        }
        self.is_first || self.waiting() > 0
    }

    fn note_row(&mut self, key: RowKey, had: bool, has: bool) {
        match self.dirty.get(&key) {
            Some(Knowledge::None) if !has => drop(self.dirty.remove(&key)),
            Some(_) => {}
            None => drop(self.dirty.insert(key, if had { Knowledge::Older } else { Knowledge::None })),
        }
    }

    fn add_new(&mut self, keys: impl Iterator<Item = RowKey>) {
        self.dirty.extend(keys.map(|key| (key, Knowledge::None)));
    }

    fn add_changed(&mut self, keys: impl Iterator<Item = RowKey>) {
        self.dirty.extend(keys.map(|key| (key, Knowledge::Older)));
    }

    /// The next key to be sent.
    fn pop(&mut self) -> Option<RowKey> {
        let (key, _) = self.dirty.pop_first()?;
        if let Some(interest) = Interest::that_forgets(key) {
            self.fresh.remove(&interest);
        }
        Some(key)
    }
}

impl Projection {
    /// What a node of `host` that holds the rows of the position `held`, or none, has to be told: the difference if the
    /// projection remembers far enough back, or everything.
    pub fn subscribe(&self, host: u32, held: Option<Position>) -> Result<Subscription, UnknownHost> {
        let entry = self.host(host).ok_or(UnknownHost(host))?;
        let now = self.position();
        let since = held.filter(|held| {
            held.history == now.history
                && held.revision <= now.revision
                && entry.since <= held.revision
                && self.tombstones.reach_back_to(held.revision)
        });
        let mut subscription = Subscription {
            host,
            mode: if since.is_some() { Mode::Difference } else { Mode::Snapshot },
            forget: BTreeSet::new(),
            dirty: BTreeMap::new(),
            fresh: BTreeSet::new(),
            is_first: true,
            told: since.map_or(Revision::ZERO, |held| held.revision),
        };
        match since {
            Some(held) => self.add_difference(&mut subscription, held.revision),
            None => self.add_everything(&mut subscription),
        }
        Ok(subscription)
    }

    /// The next batch for a node, if there is anything to tell it.
    pub fn next_batch(&self, subscription: &mut Subscription, limits: Limits) -> Option<Batch> {
        if !subscription.is_first && subscription.waiting() == 0 {
            return None;
        }
        // A removed host is told nothing more: its position must not pass its own end.
        self.host(subscription.host)?;
        let mut batch = Batch::default();
        for interest in std::mem::take(&mut subscription.forget) {
            interest.forget_in(&mut batch);
        }
        let mut bytes = 0;
        while batch.changes.len() < limits.changes.max(1)
            && bytes < limits.bytes.max(1)
            && let Some(key) = subscription.pop()
        {
            if let Some(change) = self.change_for(subscription.host, key) {
                bytes += change.len();
                batch.changes.push(change);
            }
        }
        if subscription.dirty.is_empty() {
            subscription.told = self.position().revision;
            batch.complete_to = subscription.told.0;
            batch.end_of_snapshot = subscription.is_first && subscription.mode == Mode::Snapshot;
            subscription.is_first = false;
        }
        Some(batch)
    }

    /// An empty batch that moves the node's position up to the projection's, if it is behind and nothing waits: so that it
    /// gets a difference after its next reconnection, however long nothing of its own changed.
    pub fn catch_up(&self, subscription: &mut Subscription) -> Option<Batch> {
        self.host(subscription.host)?;
        let is_behind = subscription.told < self.position().revision;
        if subscription.is_first || subscription.waiting() > 0 || !is_behind {
            return None;
        }
        subscription.told = self.position().revision;
        Some(Batch { complete_to: subscription.told.0, ..Batch::default() })
    }

    /// What `host` is told about `key`: the row if it is to have it; its removal if it may have had it.
    fn change_for(&self, host: u32, key: RowKey) -> Option<bytes::Bytes> {
        match self.entry(&key) {
            Some(entry) if self.is_interested(host, entry.interest) => Some(entry.encoded.clone()),
            // Rows of an interest that it does not have go by being forgotten.
            _ if Interest::that_forgets(key).is_some_and(|interest| !self.is_interested(host, interest)) => {
                None
            }
            _ => Some(RowChange::encode_removal(key)),
        }
    }

    fn interests(&self, host: u32) -> impl Iterator<Item = (Interest, Revision)> {
        let entry = self.host(host);
        let own = entry.map(|entry| (Interest::Host(host), entry.since));
        let others = entry.into_iter().flat_map(|entry| &entry.interests);
        own.into_iter().chain(others.map(|(interest, since)| (*interest, *since)))
    }

    fn add_everything(&self, subscription: &mut Subscription) {
        for (interest, _) in self.interests(subscription.host) {
            subscription.add_new(self.keys(interest));
            // What a snapshot doesn't name is gone at its end.
            subscription.fresh.insert(interest);
        }
    }

    fn add_difference(&self, subscription: &mut Subscription, held: Revision) {
        for (interest, since) in self.interests(subscription.host) {
            if since > held {
                // It may hold rows of an earlier time with the interest; its own are told apart by their keys.
                if !matches!(interest, Interest::Host(_)) {
                    subscription.forget.insert(interest);
                }
                subscription.add_new(self.keys(interest));
            } else {
                let changed = |key: &RowKey| self.entry(key).is_some_and(|entry| entry.revision > held);
                subscription.add_changed(self.keys(interest).filter(changed));
            }
        }
        for gone in self.tombstones.since(held) {
            match gone {
                crate::tombstone::Gone::Row { interest, key }
                    if self.is_interested(subscription.host, interest) =>
                {
                    subscription.add_changed([key].into_iter());
                }
                crate::tombstone::Gone::Interest { host, interest } if host == subscription.host => {
                    subscription.forget.insert(interest);
                }
                _ => {}
            }
        }
    }
}
