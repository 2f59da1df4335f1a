//! Brings the entries of a plane to what they should be.

use super::{Key, Value};
use crate::delta::{Failure, Tracker};
use crate::error::chain;
use crate::plane::{Plane, PlaneError};
use std::collections::HashMap;

/// Desired entries against those of a plane.
#[derive(Debug, Default)]
pub struct Writer {
    tracker: Tracker<Key, Value>,
    errors: HashMap<Key, String>,
}

impl Writer {
    /// Takes in what the plane holds. Nothing is desired yet.
    pub fn observe(&mut self, found: Vec<(Key, Value)>) {
        self.tracker.observe(found);
    }

    /// Sets what should be there.
    pub fn desire(&mut self, changes: Vec<(Key, Option<Value>)>) {
        for (key, value) in changes {
            self.errors.remove(&key);
            self.tracker.desire(key, value);
        }
    }

    /// Notes that an entry went by somebody else's hand, as a program does with its interface.
    pub fn vanished(&mut self, key: &Key) {
        self.tracker.vanished(key);
    }

    /// Compares the programs that should be attached with those that are. Answers how many were taken away.
    pub fn check_attached(&mut self, attached: &[(Key, Value)]) -> usize {
        let attached: HashMap<Key, Value> = attached.iter().copied().collect();
        let missing: Vec<Key> = self
            .tracker
            .desired_entries()
            .map(|(key, _)| *key)
            .filter(|key| matches!(key, Key::PortProgram(_) | Key::OverlayProgram(())))
            .filter(|key| self.tracker.actual(key).is_some_and(|actual| attached.get(key) != Some(actual)))
            .collect();
        for key in &missing {
            self.vanished(key);
        }
        missing.len()
    }

    /// Writes the differences: all additions in the order of [`Key`], then, if `removes`, all removals in the opposite order.
    /// Answers the keys that failed; they stay pending.
    pub fn write(&mut self, plane: &mut impl Plane, removes: bool) -> Vec<Key> {
        let mut failures = self.tracker.add(|key, value| plane.put(key, value));
        if removes {
            failures.extend(self.tracker.remove(|key| plane.remove(key)));
        }
        failures.into_iter().map(|failure| self.note(failure)).collect()
    }

    /// Entries that differ from what they should be.
    pub fn pending(&self) -> usize {
        self.tracker.pending()
    }

    /// Whether an entry is what it should be.
    pub fn is_settled(&self, key: &Key) -> bool {
        self.tracker.is_settled(key)
    }

    /// Why the last attempt at an entry failed.
    pub fn error(&self, key: &Key) -> Option<&str> {
        if self.is_settled(key) { None } else { self.errors.get(key).map(String::as_str) }
    }

    /// Forgets the errors of entries that were written since.
    pub fn forget_settled_errors(&mut self) {
        let tracker = &self.tracker;
        self.errors.retain(|key, _| !tracker.is_settled(key));
    }

    fn note(&mut self, Failure { key, error }: Failure<Key, PlaneError>) -> Key {
        if error.is_waiting() {
            tracing::debug!(?key, error = chain(&error), "an entry waits for its interface");
            return key;
        }
        let text = format!("can't write {:?}: {}", key.kind(), chain(&error));
        if self.errors.get(&key) != Some(&text) {
            tracing::error!(
                ?key,
                error = chain(&error),
                "an entry of the packet path can't be written; will be tried again"
            );
            self.errors.insert(key, text);
        }
        key
    }
}
