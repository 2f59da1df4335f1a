//! Lists of prefixes as sets of addresses.

use hadron_model::IpNet;

/// The same addresses in as few prefixes as possible, in order.
pub(super) fn merged(prefixes: impl IntoIterator<Item = IpNet>) -> Vec<IpNet> {
    let prefixes: Vec<IpNet> = prefixes.into_iter().map(|prefix| prefix.trunc()).collect();
    IpNet::aggregate(&prefixes)
}

/// What `removed` leaves of `prefixes`, in as few prefixes as possible, in order.
pub(super) fn without(prefixes: &[IpNet], removed: &[IpNet]) -> Vec<IpNet> {
    let mut left = prefixes.to_vec();
    for hole in removed {
        left = left.into_iter().flat_map(|prefix| around(prefix, *hole)).collect();
    }
    merged(left)
}

/// What a hole leaves of a prefix.
fn around(prefix: IpNet, hole: IpNet) -> Vec<IpNet> {
    if hole.contains(&prefix) {
        return vec![];
    }
    if !prefix.contains(&hole) {
        return vec![prefix];
    }
    let halves = prefix.subnets(prefix.prefix_len() + 1).into_iter().flatten();
    halves.flat_map(|half| around(half, hole)).collect()
}

/// Whether `outer`, which is merged, has every address of `inner`.
pub(super) fn covers(outer: &[IpNet], inner: &[IpNet]) -> bool {
    inner.iter().all(|prefix| outer.iter().any(|around| around.contains(prefix)))
}

/// Whether two prefixes have an address in common.
pub(super) fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// Whether two lists have an address in common.
pub(super) fn any_overlap(a: &[IpNet], b: &[IpNet]) -> bool {
    a.iter().any(|a| b.iter().any(|b| overlap(*a, *b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    fn prefixes() -> impl Strategy<Value = Vec<IpNet>> {
        let prefix = (0..64_u8, 26..=32_u8);
        let prefix = prefix.prop_map(|(last, len)| IpNet::new(IpAddr::from([10, 0, 0, last]), len).unwrap());
        proptest::collection::vec(prefix, 0..8)
    }

    fn addresses(prefixes: &[IpNet]) -> BTreeSet<IpAddr> {
        let of = |prefix: &IpNet| IpNet::new(prefix.network(), prefix.prefix_len()).unwrap();
        let all = |prefix: IpNet| {
            let (first, last) = (prefix.network(), prefix.broadcast());
            (0..=255_u8)
                .map(|last| IpAddr::from([10, 0, 0, last]))
                .filter(move |it| first <= *it && *it <= last)
        };
        prefixes.iter().map(of).flat_map(all).collect()
    }

    proptest! {
        #[test]
        fn are_sets_of_addresses(a in prefixes(), b in prefixes()) {
            let (one, two) = (merged(a.clone()), merged(b.clone()));
            prop_assert_eq!(addresses(&one), addresses(&a));
            prop_assert!(one.windows(2).all(|pair| pair[0] < pair[1] && !overlap(pair[0], pair[1])));
            let left = without(&one, &two);
            let expected: BTreeSet<IpAddr> = addresses(&a).difference(&addresses(&b)).copied().collect();
            prop_assert_eq!(addresses(&left), expected);
            prop_assert_eq!(merged(left.clone()), left);
            prop_assert_eq!(covers(&one, &two), addresses(&b).is_subset(&addresses(&a)));
            prop_assert_eq!(any_overlap(&one, &two), !addresses(&a).is_disjoint(&addresses(&b)));
        }
    }
}
