//! Policies on their way into the tables: what is allowed at each single write, and whose connections are judged again.

use super::*;
use crate::apply::entry::PolicyFacts;
use crate::plane::{Plane, PlaneError};
use hadron_pipeline::table::{
    self, AllowedPrefixKey, ClassKey, MemberKey, MemberPrefixKey, PolicyKey, PolicySetKey, RuleKey,
    direction, family,
};
use hadron_wire::row::{AllowedPair, Direction, Family, Ipv6Mode, MemberRow, PolicyRow, Remote, RuleRow};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};

fn policy(number: u32, groups: &[u32]) -> Row {
    Row::Policy(PolicyRow { number, groups: groups.to_vec() })
}

fn rule(group: u32, number: u32, remote: Remote, port: Option<(u16, u16)>) -> Row {
    Row::Rule(RuleRow {
        group,
        rule: number,
        uuid: [0; 16],
        direction: Direction::Ingress,
        family: Family::Ipv4,
        protocol: port.map(|_| 6),
        port_min: port.map(|(min, _)| min),
        port_max: port.map(|(_, max)| max),
        remote,
        stateless: false,
    })
}

fn member(set: u32, member: u32, prefixes: &[Prefix]) -> Row {
    Row::Member(MemberRow { set, member, prefixes: prefixes.to_vec() })
}

fn prefix(third: u8, last: u8, length: u8) -> Prefix {
    Prefix::of(IpAddr::V4(Ipv4Addr::new(10, 0, third, last)), length)
}

/// A policy of a group with a rule for the members of a set.
pub(super) fn one_of_each() -> [Row; 3] {
    let rule = rule(1, 1, Remote::Set(2), Some((80, 80)));
    [policy(1, &[1]), rule, member(2, 1, &[prefix(0, 9, 32), prefix(1, 0, 24)])]
}

/// Rows of policies 1 and 2, groups 1 to 3, sets 1 to 3, in a small world where they meet.
pub(super) fn row() -> impl Strategy<Value = Row> {
    let set = || 1..4u32;
    let any_prefix = || {
        (0..2u8, 0..4u8, prop::sample::select(vec![0, 16, 24, 31, 32]))
            .prop_map(|(third, last, length)| prefix(third, last, length))
    };
    let remote =
        prop_oneof![Just(Remote::Any), any_prefix().prop_map(Remote::Prefix), set().prop_map(Remote::Set)];
    let ports = proptest::option::of((0..6u16, 0..3u16).prop_map(|(min, more)| (min, min + more)));
    prop_oneof![
        1 => (1..3u32, prop::collection::btree_set(set(), 0..3))
            .prop_map(|(number, groups)| policy(number, &groups.into_iter().collect::<Vec<_>>())),
        4 => (set(), 1..4u32, remote, ports, any::<bool>()).prop_map(|(group, n, remote, ports, stateless)| {
            let Row::Rule(row) = rule(group, group * 10 + n, remote, ports) else { unreachable!() };
            Row::Rule(RuleRow { stateless, ..row })
        }),
        3 => (set(), 1..4u32, prop::collection::vec(any_prefix(), 0..3))
            .prop_map(|(set, number, prefixes)| member(set, number, &prefixes)),
    ]
}

/// What the packet path would find for a TCP packet to an instance: none, stateless or stateful.
fn judge(entries: &Entries, number: u32, remote: Address, port: u16) -> Option<bool> {
    let key = PolicyKey { policy: number, direction: direction::INGRESS };
    let Some(Value::Policy(PolicyFacts { set_count })) = entries.get(&Key::Policy(key)) else { return None };
    let mut sources = Vec::new();
    let class = (0..=128).rev().find_map(|length| {
        let key = ClassKey::new(number, direction::INGRESS, cut(remote, length), length);
        entries.get(&Key::Class(Reverse(key)))
    });
    if let Some(Value::Class(row)) = class {
        sources.push(row.class);
    }
    for slot in 0..*set_count {
        let key = PolicySetKey { policy: number, direction: direction::INGRESS, slot };
        let Some(Value::PolicySet(row)) = entries.get(&Key::PolicySet(key)) else { continue };
        let set = row.set;
        let by_address = row.flags & table::set_flag::HAS_ADDRESSES != 0
            && entries.contains_key(&Key::Member(MemberKey { set, address: remote }));
        let by_prefix = row.flags & table::set_flag::HAS_PREFIXES != 0
            && (0..128).any(|length| {
                let key = MemberPrefixKey::new(set, cut(remote, length), length);
                entries.contains_key(&Key::MemberPrefix(key))
            });
        if by_address || by_prefix {
            sources.push(set);
        }
    }
    let found = sources.into_iter().filter_map(|source| {
        let key = |prefix_len, protocol, port: u16| {
            let family = family::IPV4;
            let port = port.to_be_bytes();
            Key::Rule(RuleKey {
                prefix_len,
                policy: number,
                direction: direction::INGRESS,
                source,
                family,
                protocol,
                port,
            })
        };
        let ports = (0..=16).rev().map(|length| {
            let mask = u16::MAX.checked_shl(16 - length).unwrap_or(0);
            key(RuleKey::PROTOCOL + length, 6, port & mask)
        });
        ports.chain([key(RuleKey::FAMILY, 0, 0)]).find_map(|key| entries.get(&key))
    });
    let stateless = found.map(|value| match value {
        Value::Rule(row) => row.flags & table::rule_flag::STATELESS != 0,
        other => panic!("{other:?}"),
    });
    stateless.reduce(|a, b| a && b)
}

fn cut(address: Address, length: u8) -> Address {
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    Address((u128::from_be_bytes(address.0) & mask).to_be_bytes())
}

/// Policy, remote address, port.
type Packet = (u32, Address, u16);

fn packets() -> Vec<Packet> {
    let addresses = [
        [10, 0, 0, 0],
        [10, 0, 0, 1],
        [10, 0, 0, 2],
        [10, 0, 1, 0],
        [10, 0, 1, 3],
        [10, 9, 0, 1],
        [8, 8, 8, 8],
    ];
    let all = (1..3).flat_map(|policy| addresses.map(|address| (policy, Address::v4(address))));
    all.flat_map(|(policy, address)| (0..8).map(move |port| (policy, address, port))).collect()
}

fn verdicts(entries: &Entries) -> Vec<Option<bool>> {
    packets().into_iter().map(|(policy, remote, port)| judge(entries, policy, remote, port)).collect()
}

/// A plane that keeps what was there after each write, and when generations were given.
#[derive(Default)]
struct Film {
    entries: Entries,
    frames: Vec<Entries>,
    renewals: Vec<(usize, PolicyKey)>,
}

impl Plane for Film {
    fn dump(&mut self) -> Result<Vec<(Key, Value)>, PlaneError> {
        Ok(self.entries.iter().map(|(key, value)| (*key, *value)).collect())
    }

    fn attached(&mut self) -> Result<Vec<(Key, Value)>, PlaneError> {
        Ok(Vec::new())
    }

    fn put(&mut self, key: &Key, value: &Value) -> Result<(), PlaneError> {
        self.entries.insert(*key, *value);
        self.frames.push(self.entries.clone());
        Ok(())
    }

    fn remove(&mut self, key: &Key) -> Result<(), PlaneError> {
        assert!(self.entries.remove(key).is_some());
        self.frames.push(self.entries.clone());
        Ok(())
    }

    fn renew(&mut self, policy: &PolicyKey) -> Result<(), PlaneError> {
        assert!(self.entries.contains_key(&Key::Policy(*policy)));
        self.renewals.push((self.frames.len(), *policy));
        Ok(())
    }

    fn forget_announced(&mut self, _sources: &BTreeSet<(u32, Mac)>) -> Result<(), PlaneError> {
        Ok(())
    }

    fn commit(&mut self) -> Result<(), PlaneError> {
        Ok(())
    }
}

proptest! {
    /// While a batch that only adds, or only takes away, is written, no packet is refused that was and will be allowed. And none
    /// passes that neither was nor will be, but for a batch that changes members and who asks for them at once.
    /// Whatever is no longer allowed is followed by a new generation, which comes last.
    #[test]
    fn every_single_write_is_between_before_and_after(
        before in prop::collection::vec(row(), 0..20),
        steps in prop::collection::vec((row(), any::<bool>()), 1..4),
    ) {
        let mut calculation = Calculation::new(host());
        let mut writer = Writer::default();
        let mut film = Film::default();
        calculation.apply(set(before));
        writer.desire(calculation.take_changes());
        prop_assert!(writer.write(&mut film, true).is_empty());
        let old = verdicts(&film.entries);
        let (sets_before, rows_before) = (sets(&film.entries), rows(&calculation));
        let has_members = |wanted| {
            let member = |row: &Row| matches!(row, Row::Member(_));
            steps.iter().any(|(row, _)| member(row) == wanted)
        };
        let is_mixed = has_members(true) && has_members(false);
        (film.frames, film.renewals) = Default::default();

        for (row, is_there) in steps {
            let batch = if is_there { set([row]) } else { remove([row.key()]) };
            calculation.apply(batch);
        }
        writer.desire(calculation.take_changes());
        prop_assert!(writer.write(&mut film, true).is_empty());
        let new = verdicts(&film.entries);
        let rows_after = rows(&calculation);
        let is_one_way = rows_before.is_subset(&rows_after) || rows_after.is_subset(&rows_before);
        // A set that is no longer asked because of its oldest rule goes behind the others, and is nowhere for a moment.
        let keeps_order = sets(&film.entries).into_iter().all(|(policy, after)| {
            let before = sets_before.get(&policy).map_or(&[][..], Vec::as_slice);
            after.iter().filter(|set| before.contains(set)).eq(before.iter().filter(|set| after.contains(set)))
                && after.iter().skip_while(|set| before.contains(set)).all(|set| !before.contains(set))
        });
        for frame in &film.frames {
            for ((now, (old, new)), packet) in verdicts(frame).iter().zip(old.iter().zip(&new)).zip(packets()) {
                prop_assert!(is_mixed || old.is_some() || new.is_some() || now.is_none(), "{:?} passes", packet);
                if keeps_order && is_one_way {
                    prop_assert!(old.is_none() || new.is_none() || now.is_some(), "{:?} is refused", packet);
                }
            }
        }
        let renewed: BTreeSet<u32> = film.renewals.iter().map(|(_, key)| key.policy).collect();
        prop_assert!(film.renewals.iter().all(|(at, _)| *at == film.frames.len()), "too early");
        for ((old, new), (policy, ..)) in old.iter().zip(&new).zip(packets()) {
            let key = PolicyKey { policy, direction: direction::INGRESS };
            // Less is allowed, or no answers to it.
            let allows_less = old.is_some() && new.is_none() || (old, new) == (&Some(false), &Some(true));
            let is_there = film.entries.contains_key(&Key::Policy(key));
            prop_assert!(!allows_less || !is_there || renewed.contains(&policy));
        }
    }
}

fn rows(calculation: &Calculation) -> HashSet<Row> {
    calculation.rows().iter().map(|(_, row)| row.clone()).collect()
}

fn sets(entries: &Entries) -> BTreeMap<u32, Vec<u32>> {
    let mut sets: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (key, value) in entries {
        if let (Key::PolicySet(key), Value::PolicySet(row)) = (key, value) {
            sets.entry(key.policy).or_default().push(row.set);
        }
    }
    sets
}

fn written(calculation: &mut Calculation, writer: &mut Writer, memory: &Memory) -> (u64, Vec<u32>) {
    let (writes, renewals) = (memory.writes(), memory.renewals().len());
    writer.desire(calculation.take_changes());
    assert!(writer.write(&mut memory.clone(), true).is_empty());
    let renewed = memory.renewals()[renewals..].iter().map(|key| key.policy).collect();
    (memory.writes() - writes, renewed)
}

#[test]
fn a_member_more_or_less_of_ten_thousand_is_one_write() {
    let memory = Memory::default();
    let mut calculation = Calculation::new(host());
    let mut writer = Writer::default();
    let at = |n: u32| Prefix::of(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n)), 32);
    let members = (0..10_000).map(|n| member(2, n, &[at(n)]));
    let rules = (1..100).map(|n| rule(1, n, Remote::Set(2), Some((n as u16, n as u16))));
    calculation.apply(set(members.chain(rules).chain([
        policy(1, &[1]),
        policy(2, &[1, 3]),
        policy(3, &[3]),
    ])));
    written(&mut calculation, &mut writer, &memory);

    calculation.apply(set([member(2, 10_000, &[at(10_000)])]));
    assert_eq!(written(&mut calculation, &mut writer, &memory), (1, vec![]));
    calculation.apply(remove([RowKey::Member { set: 2, member: 10_000 }]));
    let (writes, renewed) = written(&mut calculation, &mut writer, &memory);
    assert_eq!((writes, renewed), (1, vec![1, 2]), "the row, and a generation for each that asks the set");

    calculation.apply(set([member(2, 10_001, &[prefix(1, 0, 24)])]));
    assert_eq!(
        written(&mut calculation, &mut writer, &memory),
        (3, vec![]),
        "the row, and two policies that ask prefixes now"
    );
    calculation.apply(set([rule(1, 100, Remote::Set(2), Some((1000, 1000)))]));
    assert_eq!(
        written(&mut calculation, &mut writer, &memory),
        (3, vec![]),
        "the rule in two policies, and its counter"
    );
}

#[test]
fn a_restart_judges_everything_again_since_the_last_removal_may_be_unsaid() {
    let memory = Memory::default();
    for attempt in 0..2 {
        let mut calculation = Calculation::new(host());
        let mut writer = Writer::default();
        writer.observe(memory.clone().dump().unwrap());
        calculation.apply(set([policy(1, &[1]), rule(1, 1, Remote::Any, None)]));
        let (_, renewed) = written(&mut calculation, &mut writer, &memory);
        assert_eq!(renewed, if attempt == 0 { vec![] } else { vec![1, 1] });
    }
}

#[test]
fn a_port_says_what_of_its_policy_is_not_in_force() {
    let mut calculation = Calculation::new(host());
    let with = |policy| PortRow { policy, ..port(9, 5, 7) };
    let free = PortRow { port_security_disabled: true, ..port(9, 5, 7) };
    assert!(calculation.policy_problem(&with(None)).unwrap().contains("nothing is allowed"));
    assert!(calculation.policy_problem(&with(Some(1))).unwrap().contains("nothing is allowed"));
    assert_eq!(calculation.policy_problem(&free), None);

    calculation.apply(set([policy(1, &[1]), Row::Port(with(Some(1)))]));
    assert_eq!(calculation.policy_problem(&with(Some(1))), None);
    calculation.take_touched_ports();
    calculation.apply(set((1..=33).map(|n| rule(1, n, Remote::Set(n), None))));
    assert!(calculation.policy_problem(&with(Some(1))).unwrap().contains("33 remote groups"));
    assert_eq!(calculation.take_touched_ports(), BTreeSet::from([9]));
    calculation.apply(remove([RowKey::Rule { group: 1, rule: 33 }]));
    assert_eq!(calculation.policy_problem(&with(Some(1))), None);
}

#[test]
fn a_full_table_is_told_by_the_ports_that_it_concerns() {
    let memory = Memory::default();
    let mut calculation = Calculation::new(host());
    let mut writer = Writer::default();
    let row = PortRow { policy: Some(1), ..port(9, 5, 7) };
    calculation.apply(set([policy(1, &[1]), rule(1, 1, Remote::Set(2), None), Row::Port(row.clone())]));
    written(&mut calculation, &mut writer, &memory);

    memory.limit(Some(memory.entries().len()));
    calculation.apply(set([member(2, 7, &[prefix(0, 7, 32)])]));
    writer.desire(calculation.take_changes());
    let failed = writer.write(&mut memory.clone(), true);
    assert_eq!(calculation.ports_of_entries(&failed), BTreeSet::from([9]));
    assert!(writer.blamed_error(calculation.blames(&row)).unwrap().contains("full"));
    memory.limit(None);
    writer.write(&mut memory.clone(), true);
    writer.forget_settled_errors();
    assert_eq!(writer.blamed_error(calculation.blames(&row)), None);
}

#[test]
fn address_pairs_are_sources_exact_or_by_prefix() {
    let pair = |prefix, last| AllowedPair { prefix, mac: mac(last) };
    let v6 = |length| Prefix::of("::".parse().unwrap(), length);
    let mut row = port(9, 5, 7);
    row.allowed_pairs = vec![
        pair(prefix(0, 7, 32), 7),
        pair(prefix(0, 50, 32), 50),
        pair(prefix(1, 0, 24), 7),
        pair(v6(0), 7),
    ];
    let entries = calculated([network(5, None), Row::Port(row)], &[("tap9", 33)]);
    let exact: Vec<_> = entries
        .keys()
        .filter_map(|key| if let Key::Allowed(key) = key { Some((key.mac, key.address)) } else { None })
        .collect();
    assert_eq!(
        exact,
        [(Mac(mac(7)), Address::v4([10, 0, 0, 7])), (Mac(mac(50)), Address::v4([10, 0, 0, 50]))]
    );
    let ranges: Vec<_> = entries
        .keys()
        .filter_map(|key| if let Key::AllowedPrefix(key) = key { Some(*key) } else { None })
        .collect();
    assert!(ranges.contains(&AllowedPrefixKey::new(9, Mac(mac(7)), Address::v4([10, 0, 1, 0]), 120)));
    assert_eq!(ranges.len(), 1 + 96, "all of IPv6, but not what stands for IPv4");
    let Some(Value::Port(row)) = entries.get(&Key::Port(table::PortKey { port: 9 })) else { panic!() };
    assert_eq!(row.flags & port_flag::ACCEPT_UNKNOWN, port_flag::ACCEPT_UNKNOWN);
}

#[test]
fn what_was_announced_by_a_pair_is_forgotten_with_the_last_pair_of_its_mac() {
    let memory = Memory::default();
    let mut calculation = Calculation::new(host());
    let mut writer = Writer::default();
    calculation.set_interface("tap9", Some(33.into()));
    let mut with = |pairs: &[(Prefix, u8)]| {
        let mut row = port(9, 5, 7);
        row.allowed_pairs =
            pairs.iter().map(|(prefix, last)| AllowedPair { prefix: *prefix, mac: mac(*last) }).collect();
        calculation.apply(set([network(5, None), Row::Port(row)]));
        written(&mut calculation, &mut writer, &memory);
        memory.forgotten()
    };
    let (one, range) = ((prefix(0, 50, 32), 50), (prefix(1, 0, 24), 50));
    assert_eq!(with(&[one, range, (prefix(0, 51, 32), 51)]), []);
    assert_eq!(with(&[range]), [(9, Mac(mac(51)))]);
    assert_eq!(with(&[]), [(9, Mac(mac(51))), (9, Mac(mac(50)))]);
}

#[test]
fn slaac_prefixes_are_open_to_own_addresses_where_the_network_says_so() {
    let v6 = |number: u32, mode| {
        let Row::Subnet(row) = subnet(5, number, false) else { unreachable!() };
        let cidr = Prefix::of(IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, number as u16, 0, 0, 0, 0)), 64);
        Row::Subnet(SubnetRow { cidr, address_mode: mode, ..row })
    };
    let modes =
        [None, Some(Ipv6Mode::Slaac), Some(Ipv6Mode::Dhcpv6Stateful), Some(Ipv6Mode::Dhcpv6Stateless)];
    for privacy_addresses in [false, true] {
        let Row::Network(row) = network(5, None) else { unreachable!() };
        let network = Row::Network(NetworkRow { privacy_addresses, ..row });
        let subnets = (1..).zip(modes).map(|(number, mode)| v6(number, mode));
        let open = PortRow { port_security_disabled: true, ..port(10, 5, 8) };
        let rows = subnets.chain([network, Row::Port(port(9, 5, 7)), Row::Port(open)]);
        let entries = calculated(rows, &[("tap9", 33), ("tap10", 34)]);
        let prefixes: Vec<u8> = entries
            .keys()
            .filter_map(|key| if let Key::PrivacyPrefix(key) = key { Some(key.address.0[7]) } else { None })
            .collect();
        assert_eq!(prefixes, if privacy_addresses { vec![2, 4] } else { vec![] });
        let is_flagged = |port| match entries.get(&Key::Port(table::PortKey { port })) {
            Some(Value::Port(row)) => row.flags & port_flag::PRIVACY != 0,
            other => panic!("{other:?}"),
        };
        assert_eq!([is_flagged(9), is_flagged(10)], [privacy_addresses, false]);
    }
}
