//! Classes: one for each remote prefix that a policy's rules name, numbered by what they are.
//!
//! The number of a prefix is made from its bits, so that it stays the same whatever other rules come and go and whoever
//! compiles them: a row that is being rewritten never means another prefix for a moment.

use hadron_wire::row::Prefix;
use std::collections::HashSet;

/// Marks a class where a set could stand.
pub const CLASS_BIT: u32 = 1 << 31;

/// The number of each prefix; they come in rising order and only once.
pub(crate) fn numbers(prefixes: impl Iterator<Item = Prefix>) -> impl Iterator<Item = (Prefix, u32)> {
    let mut taken = HashSet::new();
    prefixes.map(move |prefix| {
        let mut number = CLASS_BIT | hash(prefix);
        while !taken.insert(number) {
            number = CLASS_BIT | number.wrapping_add(1);
        }
        (prefix, number)
    })
}

/// FNV-1a in 64 bits, folded.
fn hash(prefix: Prefix) -> u32 {
    let octets = prefix.address.octets().into_iter().chain([prefix.length]);
    let hash = octets.fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 32) as u32 ^ hash as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn prefixes(count: u32) -> impl Iterator<Item = Prefix> {
        (0..count).map(|n| Prefix::of(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n)), 32))
    }

    #[test]
    fn numbers_are_distinct_and_do_not_depend_on_others() {
        let all: Vec<_> = numbers(prefixes(10_000)).collect();
        let distinct: HashSet<_> = all.iter().map(|(_, number)| *number).collect();
        assert_eq!(distinct.len(), all.len());
        assert!(all.iter().all(|(_, number)| number & CLASS_BIT != 0));
        let alone: Vec<_> = numbers(prefixes(10_000).skip(5000).take(1)).collect();
        assert_eq!(alone, all[5000..5001]);
    }
}
