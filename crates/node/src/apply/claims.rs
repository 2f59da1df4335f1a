//! Who says what about an entry.
//!
//! Each source (a row, or the host itself) claims entries. Two sources may claim the same one for a while, as when an address
//! moves from one port to another: then the greatest source has it, and when that one is gone, the other has it again.
//! What is in force depends only on what the sources claim now and not on the order in which they came.

use super::{Key, Value};
use hadron_wire::row::RowKey;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Who claims.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// The host itself.
    Host,
    /// A row.
    Row(RowKey),
}

/// All claims, by source and by entry.
#[derive(Debug, Default)]
pub struct Claims {
    by_key: HashMap<Key, Vec<(Source, Value)>>,
    by_source: HashMap<Source, Vec<Key>>,
}

impl Claims {
    /// Replaces the claims of `source`, and notes in `changed` the entries that may look different now.
    pub fn replace(&mut self, source: Source, entries: Vec<(Key, Value)>, changed: &mut BTreeSet<Key>) {
        let keys: Vec<Key> = entries.iter().map(|(key, _)| *key).collect();
        let old = if keys.is_empty() {
            self.by_source.remove(&source)
        } else {
            self.by_source.insert(source, keys)
        };
        for (key, value) in &entries {
            self.claim(source, *key, *value, changed);
        }
        let kept: HashSet<&Key> = entries.iter().map(|(key, _)| key).collect();
        for key in old.unwrap_or_default() {
            if !kept.contains(&key) {
                self.withdraw(source, key, changed);
            }
        }
    }

    /// The value in force of an entry.
    pub fn value(&self, key: &Key) -> Option<&Value> {
        self.by_key.get(key)?.last().map(|(_, value)| value)
    }

    /// Who has the entry.
    pub fn owner(&self, key: &Key) -> Option<Source> {
        self.by_key.get(key)?.last().map(|(source, _)| *source)
    }

    /// The entries that `source` claims.
    pub fn of(&self, source: Source) -> &[Key] {
        self.by_source.get(&source).map_or(&[], Vec::as_slice)
    }

    /// Every entry that is claimed.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.by_key.keys()
    }

    fn claim(&mut self, source: Source, key: Key, value: Value, changed: &mut BTreeSet<Key>) {
        let claims = self.by_key.entry(key).or_default();
        match claims.binary_search_by_key(&source, |(source, _)| *source) {
            Ok(at) if claims[at].1 == value => return,
            Ok(at) => claims[at].1 = value,
            Err(at) => claims.insert(at, (source, value)),
        }
        changed.insert(key);
    }

    fn withdraw(&mut self, source: Source, key: Key, changed: &mut BTreeSet<Key>) {
        if let Some(claims) = self.by_key.get_mut(&key) {
            claims.retain(|(claimant, _)| *claimant != source);
            if claims.is_empty() {
                self.by_key.remove(&key);
            }
            changed.insert(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadron_pipeline::table::{Vni, VniKey};
    use proptest::prelude::*;

    fn entry(vni: u32, network: u32) -> (Key, Value) {
        (Key::Vni(VniKey { vni }), Value::Vni(Vni { network }))
    }

    #[test]
    fn the_newer_port_has_an_address_that_two_claim() {
        let [old, new] = [4, 9].map(|port| Source::Row(RowKey::Port(port)));
        let (key, value) = entry(1, 9);
        for order in [[old, new], [new, old]] {
            let mut claims = Claims::default();
            for source in order {
                let network = if source == new { 9 } else { 4 };
                claims.replace(source, vec![entry(1, network)], &mut BTreeSet::new());
            }
            assert_eq!(claims.value(&key), Some(&value));
            let mut changed = BTreeSet::new();
            claims.replace(old, Vec::new(), &mut changed);
            assert_eq!(claims.value(&key), Some(&value));
            claims.replace(new, Vec::new(), &mut changed);
            assert_eq!(claims.value(&key), None);
            assert!(claims.by_key.is_empty() && claims.by_source.is_empty());
        }
    }

    proptest! {
        #[test]
        fn only_the_last_claims_count_and_every_change_is_noted(
            steps in proptest::collection::vec((0..4u32, proptest::collection::btree_map(0..4u32, 0..3u32, 0..4)), 0..30)
        ) {
            let mut claims = Claims::default();
            let mut last = HashMap::new();
            for (port, entries) in steps {
                let before: Vec<_> = (0..4).map(|vni| claims.value(&entry(vni, 0).0).copied()).collect();
                let mut changed = BTreeSet::new();
                let source = Source::Row(RowKey::Port(port));
                claims.replace(source, entries.iter().map(|(k, v)| entry(*k, *v)).collect(), &mut changed);
                last.insert(source, entries);
                for (vni, before) in (0..4).zip(before) {
                    let key = entry(vni, 0).0;
                    if claims.value(&key) != before.as_ref() {
                        prop_assert!(changed.contains(&key));
                    }
                }
            }
            let mut fresh = Claims::default();
            for (source, entries) in last {
                fresh.replace(source, entries.iter().map(|(k, v)| entry(*k, *v)).collect(), &mut BTreeSet::new());
            }
            prop_assert_eq!(fresh.by_key, claims.by_key);
        }
    }
}
