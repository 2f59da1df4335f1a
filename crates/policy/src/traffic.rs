//! What a rule says of a packet's protocol and ports, as prefixes; and prefixes of addresses by family.

use hadron_wire::row::{Prefix, RuleRow};
use std::net::Ipv6Addr;

/// ICMP (RFC 792) and ICMPv6 (RFC 4443): type and code stand where others have their destination port.
const ICMP: [u8; 2] = [1, 58];

/// A set of destination ports, or types and codes: those whose first `length` bits are `bits`'.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PortPrefix {
    /// The lowest of them; for ICMP the type is the upper octet, the code the lower.
    pub bits: u16,
    /// 0 to 16.
    pub length: u8,
}

impl PortPrefix {
    /// All ports.
    pub const ANY: PortPrefix = PortPrefix { bits: 0, length: 0 };

    /// Whether `port` is one of them.
    pub fn contains(self, port: u16) -> bool {
        self.truncated(port) == self.bits
    }

    /// The ports `min` to `max`, as few prefixes as it takes: at most 30.
    pub fn cover(min: u16, max: u16) -> impl Iterator<Item = PortPrefix> {
        let (mut next, end) = (u32::from(min), u32::from(max) + 1);
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            // As large as its alignment and the end allow.
            let free = next.trailing_zeros().min(16).min((end - next).ilog2());
            let prefix = PortPrefix { bits: next as u16, length: (16 - free) as u8 };
            next += 1 << free;
            Some(prefix)
        })
    }

    fn truncated(self, port: u16) -> u16 {
        port & u16::MAX.checked_shl(16 - u32::from(self.length)).unwrap_or(0)
    }
}

/// The packets of a row, but for their remote address and family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Traffic {
    /// IP protocol; `None` for any, and then [`PortPrefix::ANY`].
    pub protocol: Option<u8>,
    /// Its destination ports.
    pub ports: PortPrefix,
}

impl Traffic {
    /// Everything.
    pub const ANY: Traffic = Traffic { protocol: None, ports: PortPrefix::ANY };

    /// What `rule` speaks of.
    pub(crate) fn of(rule: &RuleRow) -> Vec<Traffic> {
        let Some(protocol) = rule.protocol else { return vec![Traffic::ANY] };
        let ports = match (rule.port_min, rule.port_max) {
            (None, _) => vec![PortPrefix::ANY],
            (Some(kind), None) => vec![PortPrefix { bits: kind << 8, length: 8 }],
            (Some(kind), Some(code)) if ICMP.contains(&protocol) => {
                vec![PortPrefix { bits: kind << 8 | code, length: 16 }]
            }
            (Some(min), Some(max)) => PortPrefix::cover(min, max).collect(),
        };
        ports.into_iter().map(|ports| Traffic { protocol: Some(protocol), ports }).collect()
    }

    /// The wider ones that hold it.
    pub(crate) fn wider(self) -> impl Iterator<Item = Traffic> {
        let ports = (0..self.ports.length).map(move |length| {
            let bits = PortPrefix { bits: 0, length }.truncated(self.ports.bits);
            Traffic { ports: PortPrefix { bits, length }, ..self }
        });
        ports.chain(self.protocol.map(|_| Traffic::ANY))
    }
}

/// IPv4 addresses, as 128 bits (RFC 4291 §2.5.5.2).
pub(crate) const MAPPED: Prefix = Prefix { address: Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), length: 96 };

/// The prefixes that hold the addresses of `prefix` that are of its own family: one of IPv6 that spans the addresses which stand
/// for IPv4 is cut up around them. Answers `prefix` itself, or up to 96 pieces.
pub fn without_mapped(prefix: Prefix) -> Vec<Prefix> {
    if prefix.length >= MAPPED.length || !contains(prefix, MAPPED) {
        return vec![prefix];
    }
    let mapped = MAPPED.address.to_bits();
    let sibling = |length: u8| Prefix::of(Ipv6Addr::from_bits(mapped ^ 1 << (128 - length)).into(), length);
    // An address of 128 bits counts in its own length here, even one that looks like IPv4.
    (prefix.length + 1..=MAPPED.length).map(sibling).collect()
}

/// Whether every address of `inner` is in `outer`.
pub(crate) fn contains(outer: Prefix, inner: Prefix) -> bool {
    let mask = u128::MAX.checked_shl(128 - u32::from(outer.length)).unwrap_or(0);
    outer.length <= inner.length && inner.address.to_bits() & mask == outer.address.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_are_covered_exactly_once(a: u16, b: u16, port: u16) {
            let (min, max) = (a.min(b), a.max(b));
            let cover: Vec<_> = PortPrefix::cover(min, max).collect();
            prop_assert!(cover.len() <= 30);
            for port in [port, min, max, min.wrapping_sub(1), max.wrapping_add(1)] {
                let held = cover.iter().filter(|prefix| prefix.contains(port)).count();
                prop_assert_eq!(held, usize::from((min..=max).contains(&port)));
            }
        }

        #[test]
        fn pieces_hold_all_but_ipv4(length in 0u8..=95, address: u128, v4: u32) {
            let whole = Prefix { address: Ipv6Addr::UNSPECIFIED, length: length.min(80) };
            let pieces = without_mapped(whole);
            let held = |address: u128| {
                let at = Prefix { address: Ipv6Addr::from_bits(address), length: 128 };
                pieces.iter().filter(|piece| contains(**piece, at)).count()
            };
            let inside = address & u128::MAX.checked_shr(u32::from(whole.length)).unwrap_or(0);
            prop_assert_eq!(held(inside), usize::from(inside >> 32 != 0xffff));
            prop_assert_eq!(held(0xffff_u128 << 32 | u128::from(v4)), 0);
        }
    }

    #[test]
    fn the_widest_and_the_worst_range() {
        assert_eq!(PortPrefix::cover(0, u16::MAX).collect::<Vec<_>>(), [PortPrefix::ANY]);
        assert_eq!(PortPrefix::cover(1, u16::MAX - 1).count(), 30);
        assert_eq!(PortPrefix::cover(7, 7).collect::<Vec<_>>(), [PortPrefix { bits: 7, length: 16 }]);
    }

    #[test]
    fn wider_traffic_ends_with_everything() {
        let web = Traffic { protocol: Some(6), ports: PortPrefix { bits: 80, length: 16 } };
        let wider: Vec<_> = web.wider().collect();
        assert_eq!(wider.len(), 17);
        assert_eq!(wider.last(), Some(&Traffic::ANY));
        assert!(wider.iter().all(|traffic| traffic.ports.contains(80)));
        assert_eq!(Traffic::ANY.wider().count(), 0);
    }
}
