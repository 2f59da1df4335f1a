//! Compiled rows against the rules themselves, one after the other, on random rules and packets.

use hadron_policy::{Allow, CLASS_BIT, Compiled, MAX_SETS, PortPrefix, Problem, Traffic, without_mapped};
use hadron_wire::row::{Direction, Family, Prefix, Remote, RuleRow};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A packet as a policy sees it.
#[derive(Clone, Copy, Debug)]
struct Packet {
    direction: Direction,
    family: Family,
    remote: Ipv6Addr,
    protocol: u8,
    /// Destination port, or type and code.
    port: u16,
}

type Members = BTreeMap<u32, Vec<Prefix>>;

// ---- by the rules

fn is_inside(prefix: &Prefix, family: Family, address: Ipv6Addr) -> bool {
    let is_ipv4 = prefix.unmapped().0.is_ipv4();
    let same = |bit: u8| {
        let at = |address: Ipv6Addr| address.octets()[usize::from(bit / 8)] >> (7 - bit % 8) & 1;
        at(prefix.address) == at(address)
    };
    is_ipv4 == (family == Family::Ipv4) && (0..prefix.length).all(same)
}

fn matches(rule: &RuleRow, members: &Members, packet: &Packet) -> bool {
    let remote = match rule.remote {
        Remote::Any => true,
        Remote::Prefix(prefix) => is_inside(&prefix, packet.family, packet.remote),
        Remote::Set(set) => members
            .get(&set)
            .is_some_and(|all| all.iter().any(|prefix| is_inside(prefix, packet.family, packet.remote))),
    };
    let [kind, code] = packet.port.to_be_bytes().map(u16::from);
    let ports = match (rule.protocol, rule.port_min, rule.port_max) {
        (_, None, _) => true,
        (Some(1 | 58), Some(min), max) => kind == min && max.is_none_or(|max| code == max),
        (_, Some(min), max) => (min..=max.unwrap()).contains(&packet.port),
    };
    rule.direction == packet.direction
        && rule.family == packet.family
        && rule.protocol.is_none_or(|protocol| protocol == packet.protocol)
        && remote
        && ports
}

// ---- by the rows

struct Tables {
    compiled: Compiled,
    rows: HashMap<(Direction, u32, Family, Traffic), Allow>,
    members: BTreeMap<u32, Vec<Prefix>>,
}

impl Tables {
    fn new(rules: &[RuleRow], members: &Members) -> Self {
        let compiled = Compiled::of(rules);
        let sides = [Direction::Egress, Direction::Ingress];
        let all = sides
            .into_iter()
            .flat_map(|direction| compiled.side(direction).rows.iter().map(move |row| (direction, row)));
        let mut rows = HashMap::new();
        for (direction, row) in all {
            let key = (direction, row.source, row.family, row.traffic);
            assert_eq!(rows.insert(key, row.allow), None, "two rows of one key");
        }
        let pieces = |all: &Vec<Prefix>| all.iter().flat_map(|prefix| without_mapped(*prefix)).collect();
        Self { rows, compiled, members: members.iter().map(|(set, all)| (*set, pieces(all))).collect() }
    }

    /// What each source that the remote address has says.
    fn found(&self, packet: &Packet) -> Vec<Allow> {
        let side = self.compiled.side(packet.direction);
        let class = longest(&side.classes, packet.remote);
        let sets = side.sets.iter().copied().filter(|set| {
            self.members
                .get(set)
                .is_some_and(|all| all.iter().any(|prefix| bits_match(prefix, packet.remote)))
        });
        class.into_iter().chain(sets).filter_map(|source| self.row(packet, source)).collect()
    }

    fn row(&self, packet: &Packet, source: u32) -> Option<Allow> {
        let ports = (0..=16).rev().map(|length| {
            let mask = u16::MAX.checked_shl(16 - u32::from(length)).unwrap_or(0);
            let ports = PortPrefix { bits: packet.port & mask, length };
            Traffic { protocol: Some(packet.protocol), ports }
        });
        let key = |traffic| (packet.direction, source, packet.family, traffic);
        ports.chain([Traffic::ANY]).find_map(|traffic| self.rows.get(&key(traffic)).copied())
    }
}

fn bits_match(prefix: &Prefix, address: Ipv6Addr) -> bool {
    let differing = prefix.address.to_bits() ^ address.to_bits();
    differing.checked_shr(128 - u32::from(prefix.length)).unwrap_or(0) == 0
}

fn longest(classes: &[(Prefix, u32)], address: Ipv6Addr) -> Option<u32> {
    let holding = classes.iter().filter(|(prefix, _)| bits_match(prefix, address));
    holding.max_by_key(|(prefix, _)| prefix.length).map(|(_, class)| *class)
}

// ---- what is tried: few addresses, ports and protocols, so that they meet

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0u32..16, 0u32..4).prop_map(|(a, b)| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | a << 20 | b))),
        (0u128..16, 0u128..4)
            .prop_map(|(a, b)| IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8 << 96 | a << 64 | b))),
        (0u128..4).prop_map(|a| IpAddr::V6(Ipv6Addr::from_bits(a))),
    ]
}

fn prefix() -> impl Strategy<Value = Prefix> {
    let lengths = prop::sample::select(vec![0u8, 1, 7, 8, 12, 16, 24, 30, 31, 32, 64, 80, 95, 96, 127, 128]);
    (address(), lengths).prop_filter_map("an IPv6 prefix that stands for IPv4", |(address, length)| {
        let length = if address.is_ipv4() { length.min(32) } else { length };
        let prefix = Prefix::of(address, length);
        (prefix.unmapped().0.is_ipv4() == address.is_ipv4()).then_some(prefix)
    })
}

fn ports() -> impl Strategy<Value = (u16, u16)> {
    let port = prop_oneof![0u16..12, any::<u16>(), 65_530..=u16::MAX];
    (port.clone(), port).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn traffic() -> impl Strategy<Value = (Option<u8>, Option<u16>, Option<u16>)> {
    prop_oneof![
        1 => Just((None, None, None)),
        1 => prop::sample::select(vec![1u8, 6, 17, 47, 58]).prop_map(|protocol| (Some(protocol), None, None)),
        2 => (prop::sample::select(vec![1u8, 58]), 0u16..4, prop::option::of(0u16..3))
            .prop_map(|(protocol, kind, code)| (Some(protocol), Some(kind), code)),
        4 => (prop::sample::select(vec![6u8, 17]), ports())
            .prop_map(|(protocol, (min, max))| (Some(protocol), Some(min), Some(max))),
    ]
}

fn rule() -> impl Strategy<Value = RuleRow> {
    let remote = prop_oneof![
        1 => Just(Remote::Any),
        4 => prefix().prop_map(Remote::Prefix),
        2 => (1u32..6).prop_map(Remote::Set),
    ];
    (any::<[bool; 3]>(), traffic(), remote).prop_map(
        |([is_egress, v4, stateless], (protocol, port_min, port_max), remote)| {
            let v4 = if let Remote::Prefix(prefix) = remote { prefix.unmapped().0.is_ipv4() } else { v4 };
            RuleRow {
                group: 1,
                rule: 0,
                uuid: [0; 16],
                direction: if is_egress { Direction::Egress } else { Direction::Ingress },
                family: if v4 { Family::Ipv4 } else { Family::Ipv6 },
                protocol,
                port_min,
                port_max,
                remote,
                stateless,
            }
        },
    )
}

fn rules(count: usize) -> impl Strategy<Value = Vec<RuleRow>> {
    prop::collection::vec(rule(), 0..count).prop_map(|mut rules| {
        (1..).zip(&mut rules).for_each(|(number, rule)| rule.rule = number);
        rules
    })
}

fn packet() -> impl Strategy<Value = Packet> {
    let port =
        prop_oneof![0u16..14, any::<u16>(), (0u16..5, 0u16..4).prop_map(|(kind, code)| kind << 8 | code)];
    (any::<bool>(), address(), prop::sample::select(vec![1u8, 6, 17, 47, 58]), port).prop_map(
        |(is_egress, remote, protocol, port)| Packet {
            direction: if is_egress { Direction::Egress } else { Direction::Ingress },
            family: if remote.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 },
            remote: hadron_wire::row::address(remote),
            protocol,
            port,
        },
    )
}

fn members() -> impl Strategy<Value = Members> {
    prop::collection::btree_map(1u32..6, prop::collection::vec(prefix(), 0..5), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn rows_and_rules_agree(
        rules in rules(24),
        members in members(),
        packets in prop::collection::vec(packet(), 1000),
    ) {
        let tables = Tables::new(&rules, &members);
        prop_assert!(tables.compiled.problems.is_empty());
        for packet in packets {
            let matching: Vec<&RuleRow> =
                rules.iter().filter(|rule| matches(rule, &members, &packet)).collect();
            let found = tables.found(&packet);
            prop_assert_eq!(found.is_empty(), matching.is_empty(), "{:?}", packet);
            let stateful = found.iter().any(|allow| !allow.stateless);
            prop_assert_eq!(stateful, matching.iter().any(|rule| !rule.stateless), "{:?}", packet);
            for allow in found {
                let named = matching.iter().any(|rule| rule.rule == allow.rule && rule.stateless == allow.stateless);
                prop_assert!(named, "{:?} of no rule that matches {:?}", allow, packet);
            }
        }
    }

    #[test]
    fn the_order_of_rules_does_not_matter(rules in rules(24).prop_shuffle()) {
        let mut sorted = rules.clone();
        sorted.sort_by_key(|rule| rule.rule);
        prop_assert_eq!(Compiled::of(&rules), Compiled::of(&sorted));
    }

    #[test]
    fn every_class_and_set_has_rows_and_every_row_one(rules in rules(24)) {
        let compiled = Compiled::of(&rules);
        for side in [&compiled.egress, &compiled.ingress] {
            let mut sources: Vec<u32> = side.rows.iter().map(|row| row.source).collect();
            let mut named: Vec<u32> = side.classes.iter().map(|(_, class)| *class).chain(side.sets.clone()).collect();
            sources.sort_unstable();
            sources.dedup();
            named.sort_unstable();
            prop_assert_eq!(sources, named);
            prop_assert!(side.classes.iter().all(|(_, class)| class & CLASS_BIT != 0));
        }
    }

    /// A rule that comes changes no row that it doesn't speak of.
    #[test]
    fn numbers_stay_when_rules_come(rules in rules(24), more in rule()) {
        let before = Compiled::of(&rules);
        let more = RuleRow { rule: 1000, ..more };
        let after = Compiled::of(rules.iter().chain([&more]));
        for (before, after) in [(&before.egress, &after.egress), (&before.ingress, &after.ingress)] {
            prop_assert!(after.sets.starts_with(&before.sets));
            prop_assert!(before.classes.iter().all(|class| after.classes.contains(class)));
            for row in &before.rows {
                let same = |other: &&hadron_policy::Row| {
                    (other.source, other.family, other.traffic) == (row.source, row.family, row.traffic)
                };
                let kept = after.rows.iter().find(same);
                prop_assert!(kept.is_some_and(|kept| row.allow.stateless || !kept.allow.stateless));
            }
        }
    }
}

fn any_rule(rule: u32, remote: Remote) -> RuleRow {
    RuleRow {
        group: 1,
        rule,
        uuid: [0; 16],
        direction: Direction::Ingress,
        family: Family::Ipv4,
        protocol: Some(6),
        port_min: Some(1),
        port_max: Some(65_534),
        remote,
        stateless: false,
    }
}

#[test]
fn the_newest_of_too_many_sets_are_left_out_by_name() {
    let rules: Vec<_> = (1..=40).map(|n| any_rule(n, Remote::Set(100 - n))).collect();
    let compiled = Compiled::of(&rules);
    let oldest: Vec<u32> = (1..=MAX_SETS as u32).map(|n| 100 - n).collect();
    assert_eq!(compiled.ingress.sets, oldest);
    let problem = Problem::Sets { direction: Direction::Ingress, sets: 40 };
    assert_eq!(compiled.problems, [problem]);
    assert!(compiled.problems[0].to_string().contains("the 8 newest"));
}

#[test]
fn the_newest_of_too_many_rows_are_left_out_by_name() {
    let prefix = |n: u32| Prefix::of(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n)), 32);
    let inner = (1..=2000).map(|n| any_rule(n, Remote::Prefix(prefix(n))));
    let rules: Vec<_> = inner.chain([any_rule(3000, Remote::Any), any_rule(3001, Remote::Any)]).collect();
    let fits = Compiled::of(&rules);
    assert_eq!((fits.problems, fits.ingress.rows.len()), (vec![], 2001 * 30));
    let more: Vec<_> = (1..=3000).map(|n| any_rule(n, Remote::Prefix(prefix(n)))).collect();
    let compiled = Compiled::of(&more);
    let left_out = 3000 - 65_536 / 30;
    assert_eq!(compiled.problems, [Problem::Rows { direction: Direction::Ingress, rules: left_out }]);
    assert_eq!(compiled.ingress.classes.len(), 65_536 / 30);
    assert!(compiled.egress.rows.is_empty());
}
