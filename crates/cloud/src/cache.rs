//! A bounded cache of two generations: when the young one is full it becomes the old one, and what nobody asked for
//! since the last change goes.

use parking_lot::Mutex;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::mem;

/// Shards, so that threads rarely wait for each other.
const SHARDS: usize = 16;

/// From `K` to `V`, at most some `capacity` entries.
pub(crate) struct Cache<K, V> {
    hasher: RandomState,
    shards: Vec<Mutex<Generations<K, V>>>,
    shard_capacity: usize,
}

struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        let empty = || Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() });
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| empty()).collect(),
            shard_capacity: (capacity / SHARDS / 2).max(1),
        }
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q> + for<'q> From<&'q Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut shard = self.shard(key).lock();
        if let Some(value) = shard.young.get(key) {
            return Some(value.clone());
        }
        let value = shard.old.remove(key)?;
        self.put(&mut shard, K::from(key), value.clone());
        Some(value)
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        let mut shard = self.shard(&key).lock();
        self.put(&mut shard, key, value);
    }

    fn put(&self, shard: &mut Generations<K, V>, key: K, value: V) {
        if shard.young.len() >= self.shard_capacity {
            shard.old = mem::take(&mut shard.young);
        }
        shard.young.insert(key, value);
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &Mutex<Generations<K, V>> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn len(cache: &Cache<String, u32>) -> usize {
        let sizes = cache.shards.iter().map(|shard| {
            let shard = shard.lock();
            shard.young.len() + shard.old.len()
        });
        sizes.sum()
    }

    #[test]
    fn it_stays_within_its_capacity() {
        let cache = Cache::new(320);
        for number in 0..10_000u32 {
            cache.insert(number.to_string(), number);
        }
        assert!(len(&cache) <= 320);
        assert_eq!(cache.get("9999"), Some(9999));
        assert_eq!(cache.get("0"), None);
    }

    #[test]
    fn what_is_asked_for_stays() {
        let cache = Cache::new(320);
        cache.insert("kept".to_owned(), 1);
        for number in 0..10_000u32 {
            cache.insert(number.to_string(), number);
            assert_eq!(cache.get("kept"), Some(1));
        }
    }
}
