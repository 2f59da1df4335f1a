//! Which policies allow less than before, so that what they had allowed is judged again.
//!
//! A connection carries the generation of its policy. A new generation is given once the tables no longer allow what went: one
//! that came earlier would let a connection be judged by the old rows and pass for good. Additions need none.

use super::{Key, Value};
use crate::delta::Failure;
use hadron_pipeline::Mac;
use hadron_pipeline::table::{PolicyKey, rule_flag};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// What is due once permissions went, and what it takes to know.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    /// Policies that are due for a new generation.
    due: BTreeSet<PolicyKey>,
    /// Ports and MACs that they may use no more: nobody is to be sent there for them.
    abandoned: BTreeSet<(u32, Mac)>,
    /// How many sources a port may use beside a MAC.
    sources: HashMap<(u32, Mac), usize>,
    /// The policies in the tables.
    present: BTreeSet<PolicyKey>,
    /// How often each of them asks a set.
    asking: HashMap<u32, BTreeSet<(PolicyKey, u32)>>,
}

impl Revocations {
    /// Takes in what the tables hold. Who wrote it may have died between a removal and the new generation.
    pub(super) fn observe(&mut self, found: &[(Key, Value)]) {
        *self = Self::default();
        for (key, value) in found {
            self.written(key, None, value);
        }
        self.due = self.present.clone();
    }

    /// An entry was written over `old`.
    pub(super) fn written(&mut self, key: &Key, old: Option<&Value>, value: &Value) {
        if let Some(old) = old {
            self.forget(key, old);
            if allows_less(old, value) {
                self.revoke(key);
            }
        }
        if old.is_none()
            && let Some(source) = source(key)
        {
            *self.sources.entry(source).or_default() += 1;
            self.abandoned.remove(&source);
        }
        match (key, value) {
            (Key::Policy(key), _) => drop(self.present.insert(*key)),
            (Key::PolicySet(key), Value::PolicySet(row)) => {
                let policy = PolicyKey { policy: key.policy, direction: key.direction };
                self.asking.entry(row.set).or_default().insert((policy, key.slot));
            }
            _ => {}
        }
    }

    /// An entry with this value went.
    pub(super) fn removed(&mut self, key: &Key, old: &Value) {
        self.revoke(key);
        self.forget(key, old);
        if let Key::Policy(key) = key {
            self.present.remove(key);
            self.due.remove(key);
        }
        if let Some(source) = source(key)
            && let Some(count) = self.sources.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
                self.abandoned.insert(source);
            }
        }
    }

    /// Has what was announced from MACs that ports may use no more forgotten. Answers why it can't be; it stays due.
    pub(super) fn abandon<E>(
        &mut self,
        forget: impl FnOnce(&BTreeSet<(u32, Mac)>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.abandoned.is_empty() {
            forget(&self.abandoned)?;
            self.abandoned.clear();
        }
        Ok(())
    }

    /// Whether the policy of `key` is due for a new generation.
    pub(super) fn is_due(&self, key: &Key) -> bool {
        matches!(key, Key::Policy(policy) if self.due.contains(policy))
    }

    /// Gives every policy that is due its new generation. One that fails stays due.
    pub(super) fn announce<E>(
        &mut self,
        mut renew: impl FnMut(&PolicyKey) -> Result<(), E>,
    ) -> Vec<Failure<Key, E>> {
        let mut failures = Vec::new();
        self.due.retain(|policy| match renew(policy) {
            Ok(()) => false,
            Err(error) => {
                failures.push(Failure { key: Key::Policy(*policy), error });
                true
            }
        });
        failures
    }

    fn revoke(&mut self, key: &Key) {
        let policy = match key {
            Key::Rule(key) => PolicyKey { policy: key.policy, direction: key.direction },
            Key::Class(Reverse(key)) => PolicyKey { policy: key.policy, direction: key.direction },
            Key::PolicySet(key) => PolicyKey { policy: key.policy, direction: key.direction },
            Key::Member(key) => return self.revoke_asking(key.set),
            Key::MemberPrefix(key) => return self.revoke_asking(key.set),
            _ => return,
        };
        if self.present.contains(&policy) {
            self.due.insert(policy);
        }
    }

    fn revoke_asking(&mut self, set: u32) {
        self.due.extend(self.asking.get(&set).into_iter().flatten().map(|(policy, _)| *policy));
    }

    fn forget(&mut self, key: &Key, old: &Value) {
        if let (Key::PolicySet(key), Value::PolicySet(row)) = (key, old)
            && let Some(asking) = self.asking.get_mut(&row.set)
        {
            asking.remove(&(PolicyKey { policy: key.policy, direction: key.direction }, key.slot));
            if asking.is_empty() {
                self.asking.remove(&row.set);
            }
        }
    }
}

/// The port and MAC of a source that the port may use.
fn source(key: &Key) -> Option<(u32, Mac)> {
    match key {
        Key::Allowed(key) => Some((key.port, key.mac)),
        Key::AllowedPrefix(key) => Some((key.port, key.mac)),
        _ => None,
    }
}

/// Whether something that `old` allows is not allowed by `new`.
fn allows_less(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Rule(old), Value::Rule(new)) => new.flags & !old.flags & rule_flag::STATELESS != 0,
        (Value::Class(old), Value::Class(new)) => old != new,
        (Value::PolicySet(old), Value::PolicySet(new)) => old.set != new.set || old.flags & !new.flags != 0,
        _ => false,
    }
}
