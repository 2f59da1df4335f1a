//! Desired against actual: one tracker for every kind of state that the node writes somewhere else.
//!
//! A tracker knows, for each key, the value that should be there and the value that is there. Writers take the differences,
//! try them, and the tracker keeps what failed for the next attempt. After a restart the actual side is loaded from where
//! the state lives, so that only differences are written. Additions and removals are separate calls: whoever has several
//! trackers runs all additions first. Within a call the order of keys is the order of writing.

use std::collections::HashMap;
use std::hash::Hash;

#[derive(Debug)]
struct Entry<V> {
    desired: Option<V>,
    actual: Option<V>,
    queued: bool,
}

impl<V: PartialEq> Entry<V> {
    fn is_settled(&self) -> bool {
        self.desired == self.actual
    }
}

/// Desired and actual values by key, and the queue of keys where they differ.
#[derive(Debug)]
pub struct Tracker<K, V> {
    entries: HashMap<K, Entry<V>>,
    queue: Vec<K>,
}

/// A write that failed; its key stays queued.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure<K, E> {
    /// The key that it was for.
    pub key: K,
    /// What the writer said.
    pub error: E,
}

impl<K, V> Default for Tracker<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), queue: Vec::new() }
    }
}

impl<K: Clone + Ord + Hash, V: Clone + PartialEq> Tracker<K, V> {
    /// Sets what should be at `key`; `None` for nothing.
    pub fn desire(&mut self, key: K, value: Option<V>) {
        match self.entries.get_mut(&key) {
            Some(entry) => entry.desired = value,
            None if value.is_none() => return,
            None => {
                self.entries.insert(key.clone(), Entry { desired: value, actual: None, queued: false });
            }
        }
        self.touch(key);
    }

    /// Replaces the actual side by what was found where the state lives.
    pub fn observe(&mut self, found: impl IntoIterator<Item = (K, V)>) {
        for entry in self.entries.values_mut() {
            entry.actual = None;
        }
        for (key, value) in found {
            self.entries.entry(key).or_insert(Entry { desired: None, actual: None, queued: false }).actual =
                Some(value);
        }
        self.queue.clear();
        self.entries.retain(|key, entry| {
            entry.queued = !entry.is_settled();
            if entry.queued {
                self.queue.push(key.clone());
            }
            entry.desired.is_some() || entry.actual.is_some()
        });
    }

    /// Notes that `key` vanished from where the state lives, by somebody else's hand.
    pub fn vanished(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.actual = None;
            self.touch(key.clone());
        }
    }

    /// What should be at `key`.
    pub fn desired(&self, key: &K) -> Option<&V> {
        self.entries.get(key)?.desired.as_ref()
    }

    /// What is at `key`, as far as is known.
    pub fn actual(&self, key: &K) -> Option<&V> {
        self.entries.get(key)?.actual.as_ref()
    }

    /// Everything that should be there, in no order.
    pub fn desired_entries(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().filter_map(|(key, entry)| Some((key, entry.desired.as_ref()?)))
    }

    /// The number of keys where desired and actual differ.
    pub fn pending(&self) -> usize {
        self.queue.iter().filter(|key| !self.is_settled(key)).count()
    }

    /// Whether the value at `key` is the desired one.
    pub fn is_settled(&self, key: &K) -> bool {
        self.entries.get(key).is_none_or(Entry::is_settled)
    }

    /// Writes every missing or different value, in rising order of keys: `put` gets the key, what is there, and what should be.
    /// What fails stays queued and is returned.
    pub fn add<E>(&mut self, mut put: impl FnMut(&K, Option<&V>, &V) -> Result<(), E>) -> Vec<Failure<K, E>> {
        self.queue.sort_unstable();
        self.drain(|key, entry| {
            let value = entry.desired.as_ref()?;
            Some(put(key, entry.actual.as_ref(), value).map(|()| entry.actual = Some(value.clone())))
        })
    }

    /// Removes every value that should not be there, in falling order of keys: `erase` gets the key and what is there. What
    /// fails stays queued and is returned.
    pub fn remove<E>(&mut self, mut erase: impl FnMut(&K, &V) -> Result<(), E>) -> Vec<Failure<K, E>> {
        self.queue.sort_unstable_by(|a, b| b.cmp(a));
        self.drain(|key, entry| match (&entry.desired, &entry.actual) {
            (None, Some(actual)) => Some(erase(key, actual).map(|()| entry.actual = None)),
            _ => None,
        })
    }

    /// Offers every queued entry that differs to `write`, which answers `None` for one that is not its business.
    fn drain<E>(
        &mut self,
        mut write: impl FnMut(&K, &mut Entry<V>) -> Option<Result<(), E>>,
    ) -> Vec<Failure<K, E>> {
        let mut failures = Vec::new();
        let Self { entries, queue } = self;
        queue.retain(|key| {
            let Some(entry) = entries.get_mut(key) else { return false };
            if !entry.is_settled()
                && let Some(Err(error)) = write(key, entry)
            {
                failures.push(Failure { key: key.clone(), error });
            }
            entry.queued = !entry.is_settled();
            let stays = entry.queued;
            if entry.desired.is_none() && entry.actual.is_none() {
                entries.remove(key);
            }
            stays
        });
        failures
    }

    /// Queues `key` if its sides differ. A key whose sides agree again leaves the queue with the next drain.
    fn touch(&mut self, key: K) {
        if let Some(entry) = self.entries.get_mut(&key)
            && !entry.is_settled()
            && !entry.queued
        {
            entry.queued = true;
            self.queue.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    type Table = BTreeMap<u8, u8>;

    fn flush(tracker: &mut Tracker<u8, u8>, table: &mut Table) -> (usize, usize) {
        let (mut puts, mut erases) = (0, 0);
        let failed = tracker.add(|key, _, value| {
            puts += 1;
            table.insert(*key, *value);
            Ok::<_, Infallible>(())
        });
        assert!(failed.is_empty());
        tracker.remove(|key, _| {
            erases += 1;
            assert!(table.remove(key).is_some(), "removed {key}, which was not there");
            Ok::<_, Infallible>(())
        });
        (puts, erases)
    }

    #[test]
    fn a_restart_writes_only_differences() {
        let mut table = Table::from([(1, 10), (2, 20), (3, 30)]);
        let mut tracker = Tracker::default();
        tracker.observe(table.clone());
        for (key, value) in [(1, 10), (2, 21), (4, 40)] {
            tracker.desire(key, Some(value));
        }
        assert_eq!(tracker.pending(), 3);
        assert_eq!(flush(&mut tracker, &mut table), (2, 1));
        assert_eq!(table, Table::from([(1, 10), (2, 21), (4, 40)]));
        assert_eq!(flush(&mut tracker, &mut table), (0, 0));
    }

    #[test]
    fn what_failed_is_tried_again() {
        let mut tracker = Tracker::default();
        tracker.desire(1, Some(10));
        assert_eq!(tracker.add(|_, _, _| Err("full")), [Failure { key: 1, error: "full" }]);
        assert!(!tracker.is_settled(&1));
        let mut table = Table::new();
        assert_eq!(flush(&mut tracker, &mut table), (1, 0));
        assert!(tracker.is_settled(&1));
    }

    #[test]
    fn what_vanished_is_written_again() {
        let mut tracker = Tracker::default();
        let mut table = Table::new();
        tracker.desire(1, Some(10));
        flush(&mut tracker, &mut table);
        table.remove(&1);
        tracker.vanished(&1);
        assert_eq!(flush(&mut tracker, &mut table), (1, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Desire(u8, Option<u8>),
        Flush,
        Restart,
        Vanish(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..8u8, proptest::option::of(0..4u8)).prop_map(|(k, v)| Step::Desire(k, v)),
            2 => Just(Step::Flush),
            1 => Just(Step::Restart),
            1 => (0..8u8).prop_map(Step::Vanish),
        ]
    }

    proptest! {
        #[test]
        fn any_history_ends_with_the_desired(steps in proptest::collection::vec(step(), 0..60)) {
            let mut wanted = Table::new();
            let mut table = Table::new();
            let mut tracker = Tracker::default();
            for step in steps {
                match step {
                    Step::Desire(key, value) => {
                        tracker.desire(key, value);
                        match value {
                            Some(value) => wanted.insert(key, value),
                            None => wanted.remove(&key),
                        };
                    }
                    Step::Flush => {
                        flush(&mut tracker, &mut table);
                        prop_assert_eq!(&table, &wanted);
                    }
                    Step::Restart => {
                        tracker = Tracker::default();
                        tracker.observe(table.clone());
                        for (key, value) in &wanted {
                            tracker.desire(*key, Some(*value));
                        }
                    }
                    Step::Vanish(key) => {
                        table.remove(&key);
                        tracker.vanished(&key);
                    }
                }
            }
            flush(&mut tracker, &mut table);
            prop_assert_eq!(&table, &wanted);
            prop_assert_eq!(tracker.pending(), 0);
            prop_assert_eq!(tracker.entries.len(), wanted.len());
        }
    }
}
