//! Brings the entries of a plane to what they should be.

use super::policy::{Blame, blame};
use super::revocation::Revocations;
use super::{Key, Value};
use crate::delta::{Failure, Tracker};
use crate::error::chain;
use crate::plane::{Plane, PlaneError};
use hadron_pipeline::table::NatOwner;
use std::collections::{HashMap, HashSet};

/// Desired entries against those of a plane.
#[derive(Debug, Default)]
pub struct Writer {
    tracker: Tracker<Key, Value>,
    errors: HashMap<Key, String>,
    /// The keys of `errors` that ports are to blame on the classifier.
    blamed: HashMap<Blame, HashSet<Key>>,
    revocations: Revocations,
    lets_go: bool,
}

impl Writer {
    /// Takes in what the plane holds. Nothing is desired yet.
    pub fn observe(&mut self, found: Vec<(Key, Value)>) {
        self.revocations.observe(&found);
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
            .filter(|key| {
                matches!(
                    key,
                    Key::PortProgram(_)
                        | Key::OverlayProgram(())
                        | Key::ServiceProgram(())
                        | Key::ProviderProgram(_)
                )
            })
            .filter(|key| self.tracker.actual(key).is_some_and(|actual| attached.get(key) != Some(actual)))
            .collect();
        for key in &missing {
            self.vanished(key);
        }
        missing.len()
    }

    /// Writes the differences: all additions in the order of [`Key`], then, if `removes`, all removals in the opposite order,
    /// and last a new generation for the policies that allow less than before. Answers the keys that failed; they stay
    /// pending.
    pub fn write(&mut self, plane: &mut impl Plane, removes: bool) -> Vec<Key> {
        let Self { tracker, revocations, lets_go, .. } = self;
        let mut failures = tracker.add(|key, old, value| {
            *lets_go |= old.is_some_and(|old| is_use(old) && old != value);
            plane.put(key, value)?;
            revocations.written(key, old, value);
            Ok(())
        });
        if removes {
            failures.extend(tracker.remove(|key, old| {
                *lets_go |= is_use(old);
                plane.remove(key)?;
                revocations.removed(key, old);
                Ok(())
            }));
            failures.extend(revocations.announce(|policy| plane.renew(policy)));
            if let Err(error) = revocations.abandon(|sources| plane.forget_announced(sources)) {
                tracing::error!(
                    error = chain(&error),
                    "what ports announced by MACs that they may use no more stays; will be tried again with the next change"
                );
            }
        }
        failures.into_iter().map(|failure| self.note(failure)).collect()
    }

    /// Entries that differ from what they should be.
    pub fn pending(&self) -> usize {
        self.tracker.pending()
    }

    /// Whether something was taken out since the last call that this host used of a shared address: another one may have it once that is
    /// acknowledged.
    pub fn take_let_go(&mut self) -> bool {
        std::mem::take(&mut self.lets_go)
    }

    /// Whether an entry that is there lets this host use something of a shared address.
    pub fn uses(&self, key: &Key) -> bool {
        self.tracker.actual(key).is_some_and(is_use)
    }

    /// Whether an entry is what it should be.
    pub fn is_settled(&self, key: &Key) -> bool {
        self.tracker.is_settled(key)
    }

    /// Why the last attempt at an entry failed.
    pub fn error(&self, key: &Key) -> Option<&str> {
        let is_done = self.is_settled(key) && !self.revocations.is_due(key);
        if is_done { None } else { self.errors.get(key).map(String::as_str) }
    }

    /// Why what a port's policy allows isn't in the tables, or what it no longer allows still is.
    pub fn blamed_error(&self, on: impl IntoIterator<Item = Blame>) -> Option<&str> {
        let mut keys = on.into_iter().filter_map(|blame| self.blamed.get(&blame)).flatten();
        keys.find_map(|key| self.error(key))
    }

    /// Forgets the errors of entries that were written since.
    pub fn forget_settled_errors(&mut self) {
        let Self { tracker, revocations, .. } = self;
        let stays = |key: &Key| !tracker.is_settled(key) || revocations.is_due(key);
        self.errors.retain(|key, _| stays(key));
        self.blamed.retain(|_, keys| {
            keys.retain(|key| stays(key));
            !keys.is_empty()
        });
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
            if let Some(blame) = blame(&key) {
                self.blamed.entry(blame).or_default().insert(key);
            }
        }
        key
    }
}

/// Whether an entry lets this host use something of a shared address: a slot, or blocks.
fn is_use(value: &Value) -> bool {
    matches!(value, Value::NatOwner(NatOwner { host: 0 }) | Value::NatPool(_))
}
