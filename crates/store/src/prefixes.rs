//! Sets of addresses as aligned blocks: the block to cut a prefix from, and membership changes, in a time that depends on the
//! length of addresses alone, whatever the size and the fill.

use hadron_model::address::{from_bits, to_bits};
use hadron_model::{IpNet, IpVersion};
use imbl::OrdSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block: length of its prefix, and its first address.
type Block = (u8, u128);

/// A persistent set of addresses of one family, held as the fewest blocks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PrefixSpace {
    blocks: OrdSet<Block>,
    version: IpVersion,
}

impl PrefixSpace {
    /// None of a family's addresses.
    pub(crate) fn new(version: IpVersion) -> Self {
        Self { blocks: OrdSet::new(), version }
    }

    /// Adds a prefix, no address of which is a member yet.
    pub(crate) fn insert(&mut self, prefix: IpNet) {
        let Some((mut length, mut base)) = self.block(prefix) else { return };
        while length > 0 && self.blocks.remove(&(length, base ^ self.size(length))).is_some() {
            length -= 1;
            base = self.base(base, length);
        }
        self.blocks.insert((length, base));
    }

    /// Removes a prefix that is a member whole; true if it was.
    pub(crate) fn remove(&mut self, prefix: IpNet) -> bool {
        let Some((length, base)) = self.block(prefix) else { return false };
        let Some(around) = self.around(length, base) else { return false };
        self.blocks.remove(&around);
        for cut in around.0 + 1..=length {
            self.blocks.insert((cut, self.base(base, cut) ^ self.size(cut)));
        }
        true
    }

    /// Whether every address of the prefix is a member.
    pub(crate) fn contains(&self, prefix: IpNet) -> bool {
        self.block(prefix).is_some_and(|(length, base)| self.around(length, base).is_some())
    }

    /// The first prefix of this length of the smallest block that has one, of these the lowest.
    pub(crate) fn best(&self, length: u8) -> Option<IpNet> {
        if length > self.version.bits() {
            return None;
        }
        let smallest = self.blocks.get_prev(&(length, u128::MAX))?.0;
        let &(_, base) = self.blocks.range((smallest, 0)..).next()?;
        let family = match self.version {
            IpVersion::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpVersion::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        IpNet::new(from_bits(base, family), length).ok()
    }

    /// The block that the one of this length and base lies in.
    fn around(&self, length: u8, base: u128) -> Option<Block> {
        (0..=length)
            .rev()
            .map(|length| (length, self.base(base, length)))
            .find(|block| self.blocks.contains(block))
    }

    fn block(&self, prefix: IpNet) -> Option<Block> {
        let is_same = IpVersion::of(prefix.addr()) == self.version;
        is_same.then(|| (prefix.prefix_len(), to_bits(prefix.network())))
    }

    /// How many addresses a block of this length above 0 has.
    fn size(&self, length: u8) -> u128 {
        1 << (self.version.bits() - length)
    }

    /// The first address of the block of this length in which an address lies.
    fn base(&self, address: u128, length: u8) -> u128 {
        if length == 0 { 0 } else { address & !(self.size(length) - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn addresses(prefix: IpNet) -> BTreeSet<u128> {
        (to_bits(prefix.network())..=to_bits(prefix.broadcast())).collect()
    }

    /// The maximal aligned blocks of a set, by search.
    fn blocks(members: &BTreeSet<u128>) -> BTreeSet<Block> {
        let is_member =
            |(length, base): Block| (base..base + (1 << (32 - length))).all(|it| members.contains(&it));
        let mut blocks = BTreeSet::new();
        for &address in members {
            let around = (24..=32_u8).map(|length| (length, address & !((1_u128 << (32 - length)) - 1)));
            blocks.extend(around.into_iter().find(|block| is_member(*block)));
        }
        blocks
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_and_fits_best(steps in proptest::collection::vec((0..64_u8, 26..=32_u8), 0..60)) {
            let (mut space, mut members) = (PrefixSpace::new(IpVersion::V4), BTreeSet::new());
            for (last, length) in steps {
                let prefix = IpNet::new(IpAddr::from([10, 0, 0, last]), length).unwrap().trunc();
                let these = addresses(prefix);
                prop_assert_eq!(space.contains(prefix), these.is_subset(&members));
                if these.is_disjoint(&members) {
                    space.insert(prefix);
                    members.extend(these);
                } else if these.is_subset(&members) {
                    prop_assert!(space.remove(prefix));
                    members.retain(|it| !these.contains(it));
                } else {
                    prop_assert!(!space.remove(prefix));
                }
                let expected = blocks(&members);
                prop_assert_eq!(space.blocks.iter().copied().collect::<BTreeSet<_>>(), expected.clone());
                for length in 25..=32 {
                    let smallest = expected.iter().filter(|block| block.0 <= length).map(|block| block.0).max();
                    let lowest = expected.iter().find(|block| Some(block.0) == smallest).map(|block| block.1);
                    let best = space.best(length);
                    prop_assert_eq!(best.map(|best| to_bits(best.network())), lowest);
                    prop_assert!(best.is_none_or(|best| best.prefix_len() == length));
                }
            }
        }
    }

    #[test]
    fn holds_a_whole_family() {
        let everything: IpNet = "::/0".parse().unwrap();
        let mut space = PrefixSpace::new(IpVersion::V6);
        space.insert(everything);
        let cut: IpNet = "2001:db8::1/128".parse().unwrap();
        assert!(space.remove(cut) && !space.contains(everything) && !space.contains(cut));
        assert_eq!(space.blocks.len(), 128);
        assert_eq!(space.best(128), Some("2001:db8::/128".parse().unwrap()));
        space.insert(cut);
        assert_eq!((space.blocks.len(), space.best(0)), (1, Some(everything)));
        assert!(!space.contains("10.0.0.0/8".parse().unwrap()) && space.best(129).is_none());
    }
}
