//! A longest-prefix trie as the kernel's, by plain search: for each length in use, from the longest, a look-up.

use crate::table::{AllowedPrefixKey, ClassKey, MemberPrefixKey, PrivacyPrefixKey, RouteKey, RuleKey};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A key of a longest-prefix table.
pub trait PrefixKey: Copy + Eq + Hash {
    /// Its length in bits, those of the length itself excluded.
    fn prefix_len(&self) -> u32;
    /// The key cut to its first `prefix_len` bits, the rest zero.
    fn cut(&self, prefix_len: u32) -> Self;
}

/// Rows by prefix.
#[derive(Clone, Debug)]
pub struct Prefixes<K, V> {
    rows: HashMap<K, V>,
    lengths: BTreeMap<u32, usize>,
}

impl<K, V> Default for Prefixes<K, V> {
    fn default() -> Self {
        Self { rows: HashMap::new(), lengths: BTreeMap::new() }
    }
}

impl<K: PrefixKey, V> Prefixes<K, V> {
    /// Adds or replaces a row. Bits behind the prefix don't count.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let old = self.rows.insert(key.cut(key.prefix_len()), value);
        if old.is_none() {
            *self.lengths.entry(key.prefix_len()).or_default() += 1;
        }
        old
    }

    /// Deletes a row.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let old = self.rows.remove(&key.cut(key.prefix_len()))?;
        if let Some(count) = self.lengths.get_mut(&key.prefix_len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&key.prefix_len());
            }
        }
        Some(old)
    }

    /// The row of the longest prefix of `key` that is at most `prefix_len` bits long.
    pub fn find(&self, prefix_len: u32, key: &K) -> Option<&V> {
        self.lengths.range(..=prefix_len).rev().find_map(|(length, _)| self.rows.get(&key.cut(*length)))
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Zeroes the bits of `bytes` behind the first `length`.
fn cut(bytes: &mut [u8], length: u32) {
    for (index, byte) in bytes.iter_mut().enumerate() {
        let kept = length.saturating_sub(index as u32 * 8).min(8);
        *byte &= (0xff00_u32 >> kept) as u8;
    }
}

/// Keys whose last field is cut; what is before it is never shorter than whole.
macro_rules! address_keys {
    ($($key:ident: $before:literal;)*) => {$(
        impl PrefixKey for $key {
            fn prefix_len(&self) -> u32 {
                self.prefix_len
            }

            fn cut(&self, prefix_len: u32) -> Self {
                assert!(prefix_len >= $before, "a prefix that ends before the address");
                let mut key = Self { prefix_len, ..*self };
                cut(&mut key.address.0, prefix_len - $before);
                key
            }
        }
    )*};
}

address_keys! {
    AllowedPrefixKey: 96;
    ClassKey: 64;
    MemberPrefixKey: 32;
    PrivacyPrefixKey: 32;
    RouteKey: 64;
}

impl PrefixKey for RuleKey {
    fn prefix_len(&self) -> u32 {
        self.prefix_len
    }

    fn cut(&self, prefix_len: u32) -> Self {
        assert!(prefix_len >= RuleKey::FAMILY, "a prefix that ends before the family");
        let mut tail = [self.protocol, self.port[0], self.port[1]];
        cut(&mut tail, prefix_len - RuleKey::FAMILY);
        Self { prefix_len, protocol: tail[0], port: [tail[1], tail[2]], ..*self }
    }
}
