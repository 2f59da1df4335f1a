//! A longest-prefix trie as the kernel's, by plain search: for each length in use, from the longest, a look-up.

use crate::table::{
    AllowedPrefixKey, Cell, Cells, ClassKey, Describe, ForwardingKey, MemberPrefixKey, PrivacyPrefixKey,
    RouteKey, RuleKey,
};
use std::borrow::ToOwned;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::string::{String, ToString};

/// A key of a longest-prefix table.
pub trait PrefixKey: Copy + Eq + Hash {
    /// Its length in bits, those of the length itself excluded.
    fn prefix_len(&self) -> u32;
    /// The key cut to its first `prefix_len` bits, the rest zero; never before [`PrefixKey::FIXED`].
    fn cut(&self, prefix_len: u32) -> Self;
    /// Bits that every key of the table has.
    const FIXED: u32;
    /// The key's fields, its prefix as people write it.
    fn said(&self) -> Cells;
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
            const FIXED: u32 = $before;

            fn prefix_len(&self) -> u32 {
                self.prefix_len
            }

            fn cut(&self, prefix_len: u32) -> Self {
                assert!(prefix_len >= $before, "a prefix that ends before the address");
                let mut key = Self { prefix_len, ..*self };
                cut(&mut key.address.0, prefix_len - $before);
                key
            }

            fn said(&self) -> Cells {
                let address = self.address.ip();
                let before = if address.is_ipv4() { $before + 96 } else { $before };
                let prefix = std::format!("{address}/{}", self.prefix_len.saturating_sub(before));
                with(self.cells(), &["prefix_len", "address"], [("prefix", prefix)])
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

impl PrefixKey for ForwardingKey {
    const FIXED: u32 = ForwardingKey::BEFORE;

    fn prefix_len(&self) -> u32 {
        self.prefix_len
    }

    fn cut(&self, prefix_len: u32) -> Self {
        assert!(prefix_len >= Self::FIXED, "a prefix that ends before the port number");
        let mut key = Self { prefix_len, ..*self };
        cut(&mut key.port, prefix_len - Self::FIXED);
        key
    }

    fn said(&self) -> Cells {
        let ports = ports(u16::from_be_bytes(self.port), self.prefix_len - Self::FIXED);
        with(self.cells(), &["prefix_len", "port"], [("destination port", ports)])
    }
}

impl PrefixKey for RuleKey {
    const FIXED: u32 = RuleKey::FAMILY;

    fn prefix_len(&self) -> u32 {
        self.prefix_len
    }

    fn cut(&self, prefix_len: u32) -> Self {
        assert!(prefix_len >= RuleKey::FAMILY, "a prefix that ends before the family");
        let mut tail = [self.protocol, self.port[0], self.port[1]];
        cut(&mut tail, prefix_len - RuleKey::FAMILY);
        Self { prefix_len, protocol: tail[0], port: [tail[1], tail[2]], ..*self }
    }

    fn said(&self) -> Cells {
        let protocol = match self.prefix_len {
            ..RuleKey::PROTOCOL => "any".to_owned(),
            _ => self.protocol.to_string(),
        };
        let ports = ports(u16::from_be_bytes(self.port), self.prefix_len.saturating_sub(RuleKey::PROTOCOL));
        with(
            self.cells(),
            &["prefix_len", "protocol", "port"],
            [("protocol", protocol), ("destination port", ports)],
        )
    }
}

/// The port numbers whose first `bits` bits are those of `first`.
fn ports(first: u16, bits: u32) -> String {
    match bits {
        0 => "any".to_owned(),
        1..16 => std::format!("{first}-{}", first | u16::MAX >> bits),
        _ => first.to_string(),
    }
}

/// Fields without some of them, and with texts in their place.
fn with<const N: usize>(mut cells: Cells, without: &[&str], texts: [(&'static str, String); N]) -> Cells {
    cells.retain(|(name, _)| !without.contains(name));
    cells.extend(texts.map(|(name, text)| (name, Cell::Text(text))));
    cells
}
