//! Policies: which rows of the classifier follow from them, and what each depends on.
//!
//! | input | policies that depend on it |
//! |---|---|
//! | policy row | itself |
//! | rule row | those with its group |
//! | member row | none, unless it is the first or last of its kind (address or prefix) in its set: then those that ask the set |

use super::calculation::note;
use super::entry::PolicyFacts;
use super::{Key, Value};
use hadron_pipeline::Address;
use hadron_pipeline::table::{
    self, ClassKey, MemberKey, MemberPrefixKey, PolicyKey, PolicySet, PolicySetKey, RuleKey, direction,
    family, rule_flag, set_flag,
};
use hadron_policy::{Compiled, PortPrefix, Row, Side, without_mapped};
use hadron_wire::held::Held;
use hadron_wire::row::{Direction, Family, MemberRow, PolicyRow, PortRow, Prefix, RowKey};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// What stands between the rows of policies and their entries.
#[derive(Debug, Default)]
pub(super) struct Policies {
    known: HashMap<u32, Known>,
    /// Policies with a group.
    with_group: HashMap<u32, BTreeSet<u32>>,
    /// Policies that ask a set.
    asking: HashMap<u32, BTreeSet<u32>>,
    /// Ports with a policy.
    ports: HashMap<u32, BTreeSet<u32>>,
    /// How many addresses and prefixes the members of a set have.
    sets: HashMap<u32, Contents>,
}

#[derive(Debug, Default)]
struct Known {
    groups: Vec<u32>,
    sets: BTreeSet<u32>,
    /// Why some of its rules are not in force.
    problem: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Contents {
    addresses: usize,
    prefixes: usize,
}

impl Contents {
    fn of(entries: &[Key]) -> Self {
        let addresses = entries.iter().filter(|key| matches!(key, Key::Member(_))).count();
        Self { addresses, prefixes: entries.len() - addresses }
    }

    fn flags(self) -> u32 {
        let addresses = if self.addresses > 0 { set_flag::HAS_ADDRESSES } else { 0 };
        addresses | if self.prefixes > 0 { set_flag::HAS_PREFIXES } else { 0 }
    }
}

impl Policies {
    /// Keeps in step with the row of policy `number`.
    pub(super) fn index(&mut self, number: u32, row: Option<&PolicyRow>) {
        let groups = row.map(|row| row.groups.clone()).unwrap_or_default();
        let known = self.known.entry(number).or_default();
        for group in std::mem::replace(&mut known.groups, groups) {
            note(&mut self.with_group, &group, number, false);
        }
        for group in &known.groups {
            note(&mut self.with_group, group, number, true);
        }
        if row.is_none() {
            self.set_sets(number, BTreeSet::new());
            self.known.remove(&number);
        }
    }

    /// Keeps in step with a port's policy.
    pub(super) fn index_port(&mut self, port: u32, policy: u32, exists: bool) {
        note(&mut self.ports, &policy, port, exists);
    }

    pub(super) fn with_group(&self, group: u32) -> impl Iterator<Item = RowKey> + '_ {
        self.with_group.get(&group).into_iter().flatten().copied().map(RowKey::Policy)
    }

    pub(super) fn asking(&self, set: u32) -> impl Iterator<Item = RowKey> + '_ {
        self.asking.get(&set).into_iter().flatten().copied().map(RowKey::Policy)
    }

    pub(super) fn ports(&self, policy: u32) -> impl Iterator<Item = u32> + '_ {
        self.ports.get(&policy).into_iter().flatten().copied()
    }

    /// The ports whose traffic these entries of the classifier decide about.
    pub(super) fn ports_of_entries<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) -> BTreeSet<u32> {
        let mut policies = BTreeSet::new();
        for blame in keys.into_iter().filter_map(blame).collect::<BTreeSet<_>>() {
            match blame {
                Blame::Policy(policy) => drop(policies.insert(policy)),
                Blame::Set(set) => policies.extend(self.asking.get(&set).into_iter().flatten()),
            }
        }
        policies.into_iter().flat_map(|policy| self.ports(policy)).collect()
    }

    /// Where to look for trouble of a port's policy.
    pub(super) fn blames(&self, policy: u32) -> impl Iterator<Item = Blame> + '_ {
        let sets = self.known.get(&policy).into_iter().flat_map(|known| &known.sets);
        sets.copied().map(Blame::Set).chain([Blame::Policy(policy)])
    }

    /// Why the policy of a port isn't in force as it should be, or not at all.
    pub(super) fn problem(&self, port: &PortRow) -> Option<String> {
        if port.port_security_disabled {
            return None;
        }
        match port.policy.map(|policy| self.known.get(&policy)) {
            Some(Some(known)) => known.problem.clone(),
            Some(None) | None => Some(
                "its security groups are not known here and nothing is allowed; server and node may be more than one release apart"
                    .to_owned(),
            ),
        }
    }

    /// The members of a set have other entries. Answers whether that is news for the policies that ask it.
    pub(super) fn member_changed(&mut self, set: u32, old: &[Key], new: &[Key]) -> bool {
        let (old, new) = (Contents::of(old), Contents::of(new));
        let contents = self.sets.entry(set).or_default();
        let before = contents.flags();
        contents.addresses = contents.addresses + new.addresses - old.addresses;
        contents.prefixes = contents.prefixes + new.prefixes - old.prefixes;
        let after = contents.flags();
        if *contents == Contents::default() {
            self.sets.remove(&set);
        }
        before != after
    }

    /// The entries of a policy, by the rules that are held now.
    pub(super) fn compile(&mut self, rows: &Held, row: &PolicyRow) -> Vec<(Key, Value)> {
        let compiled = Compiled::of(row.groups.iter().flat_map(|group| rows.rules(*group)));
        self.set_sets(row.number, compiled.sets().collect());
        let problems: Vec<String> = compiled.problems.iter().map(ToString::to_string).collect();
        let known = self.known.entry(row.number).or_default();
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
        if known.problem != problem
            && let Some(problem) = &problem
        {
            tracing::error!(policy = row.number, problem, "some rules of ports are not in force");
        }
        known.problem = problem;
        let sides = [Direction::Egress, Direction::Ingress];
        sides.into_iter().flat_map(|way| self.side(row.number, way, compiled.side(way))).collect()
    }

    fn side(&self, policy: u32, way: Direction, side: &Side) -> Vec<(Key, Value)> {
        let direction = match way {
            Direction::Egress => direction::EGRESS,
            Direction::Ingress => direction::INGRESS,
        };
        let facts = PolicyFacts { set_count: side.sets.len() as u32 };
        let mut entries = vec![(Key::Policy(PolicyKey { policy, direction }), Value::Policy(facts))];
        entries.extend((0..).zip(&side.sets).map(|(slot, &set)| {
            let flags = self.sets.get(&set).copied().unwrap_or_default().flags();
            let key = PolicySetKey { policy, direction, slot };
            (Key::PolicySet(key), Value::PolicySet(PolicySet { set, flags }))
        }));
        entries.extend(side.classes.iter().map(|&(prefix, class)| {
            let key = ClassKey::new(policy, direction, prefix.address.into(), prefix.length);
            (Key::Class(Reverse(key)), Value::Class(table::Class { class }))
        }));
        entries.extend(side.rows.iter().map(|row| rule(policy, direction, row)));
        entries
    }

    fn set_sets(&mut self, policy: u32, sets: BTreeSet<u32>) {
        let known = self.known.entry(policy).or_default();
        for set in known.sets.difference(&sets) {
            note(&mut self.asking, set, policy, false);
        }
        for set in sets.difference(&known.sets) {
            note(&mut self.asking, set, policy, true);
        }
        known.sets = sets;
    }
}

fn rule(policy: u32, direction: u32, row: &Row) -> (Key, Value) {
    let family = match row.family {
        Family::Ipv4 => family::IPV4,
        Family::Ipv6 => family::IPV6,
    };
    let PortPrefix { bits, length } = row.traffic.ports;
    let (prefix_len, protocol) = match row.traffic.protocol {
        None => (RuleKey::FAMILY, 0),
        Some(protocol) => (RuleKey::PROTOCOL + u32::from(length), protocol),
    };
    let port = bits.to_be_bytes();
    let key = RuleKey { prefix_len, policy, direction, source: row.source, family, protocol, port };
    let flags = if row.allow.stateless { rule_flag::STATELESS } else { 0 };
    (Key::Rule(key), Value::Rule(table::Rule { rule: row.allow.rule, flags }))
}

/// The entries of a member of a set.
pub(super) fn member(row: &MemberRow) -> Vec<(Key, Value)> {
    let prefixes: BTreeSet<Prefix> = row.prefixes.iter().flat_map(|prefix| without_mapped(*prefix)).collect();
    let entry = |prefix: Prefix| {
        let address = Address::from(prefix.address);
        if prefix.length == 128 {
            (Key::Member(MemberKey { set: row.set, address }), Value::Member(()))
        } else {
            let key = MemberPrefixKey::new(row.set, address, prefix.length);
            (Key::MemberPrefix(key), Value::MemberPrefix(()))
        }
    };
    prefixes.into_iter().map(entry).collect()
}

/// Whose traffic suffers when an entry isn't as it should be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Blame {
    /// That of the ports with a policy.
    Policy(u32),
    /// That of the ports whose policy asks a set.
    Set(u32),
}

/// Whose traffic suffers from `key`, if it is an entry of the classifier.
pub(super) fn blame(key: &Key) -> Option<Blame> {
    match key {
        Key::Member(key) => Some(Blame::Set(key.set)),
        Key::MemberPrefix(key) => Some(Blame::Set(key.set)),
        Key::Rule(key) => Some(Blame::Policy(key.policy)),
        Key::Class(Reverse(key)) => Some(Blame::Policy(key.policy)),
        Key::PolicySet(key) => Some(Blame::Policy(key.policy)),
        Key::Policy(key) => Some(Blame::Policy(key.policy)),
        _ => None,
    }
}
