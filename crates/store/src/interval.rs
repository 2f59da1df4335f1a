//! Sets of numbers as disjoint intervals: the lowest member, and membership changes, in logarithmic time whatever the
//! size and the fill.

use imbl::OrdMap;

/// A persistent set of 128-bit numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct IntervalSet {
    /// First number to last number, neither overlapping nor adjacent.
    intervals: OrdMap<u128, u128>,
    /// Number of members, modulo 2^128.
    count: u128,
}

impl IntervalSet {
    /// Adds the numbers from `first` to `last`, of which none is a member yet.
    pub(crate) fn insert_range(&mut self, mut first: u128, mut last: u128) {
        self.count = self.count.wrapping_add(last - first).wrapping_add(1);
        if let Some((&start, &end)) = self.intervals.get_prev(&first)
            && end.checked_add(1) == Some(first)
        {
            self.intervals.remove(&start);
            first = start;
        }
        if let Some(behind) = last.checked_add(1)
            && let Some(end) = self.intervals.remove(&behind)
        {
            last = end;
        }
        self.intervals.insert(first, last);
    }

    /// Adds one number; true if it was none.
    pub(crate) fn insert(&mut self, number: u128) -> bool {
        let absent = !self.contains(number);
        if absent {
            self.insert_range(number, number);
        }
        absent
    }

    /// Removes one number; true if it was a member.
    pub(crate) fn remove(&mut self, number: u128) -> bool {
        let Some((&start, &end)) = self.intervals.get_prev(&number).filter(|(_, end)| **end >= number) else {
            return false;
        };
        if start == number {
            self.intervals.remove(&start);
        } else {
            self.intervals.insert(start, number - 1);
        }
        if number < end {
            self.intervals.insert(number + 1, end);
        }
        self.count = self.count.wrapping_sub(1);
        true
    }

    /// Whether `number` is a member.
    pub(crate) fn contains(&self, number: u128) -> bool {
        self.intervals.get_prev(&number).is_some_and(|(_, &end)| end >= number)
    }

    /// The lowest member.
    pub(crate) fn first(&self) -> Option<u128> {
        self.intervals.get_min().map(|(start, _)| *start)
    }

    /// The lowest member that is not below `from`.
    pub(crate) fn first_from(&self, from: u128) -> Option<u128> {
        if self.contains(from) { Some(from) } else { self.intervals.get_next(&from).map(|(start, _)| *start) }
    }

    /// How many members there are; 2^128 counts as 2^128 − 1.
    pub(crate) fn len(&self) -> u128 {
        if self.count == 0 && !self.intervals.is_empty() { u128::MAX } else { self.count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_as_a_set(steps in proptest::collection::vec((0..60_u128, any::<bool>()), 0..200)) {
            let (mut set, mut expected) = (IntervalSet::default(), BTreeSet::new());
            for (number, add) in steps {
                if add {
                    prop_assert_eq!(set.insert(number), expected.insert(number));
                } else {
                    prop_assert_eq!(set.remove(number), expected.remove(&number));
                }
                prop_assert_eq!(set.len(), expected.len() as u128);
                prop_assert_eq!(set.first(), expected.first().copied());
                prop_assert_eq!(set.first_from(30), expected.range(30..).next().copied());
                let ends: Vec<_> = set.intervals.iter().collect();
                prop_assert!(ends.windows(2).all(|pair| pair[0].1 + 1 < *pair[1].0), "{:?}", ends);
            }
        }
    }

    #[test]
    fn holds_every_number_there_is() {
        let mut set = IntervalSet::default();
        set.insert_range(0, u128::MAX);
        assert_eq!(set.len(), u128::MAX);
        assert!(set.remove(u128::MAX) && set.remove(0));
        assert_eq!((set.len(), set.first()), (u128::MAX - 1, Some(1)));
        assert!(set.insert(0) && set.insert(u128::MAX));
        assert_eq!(set.intervals.len(), 1);
    }
}
