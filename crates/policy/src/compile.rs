//! From rules to rows.

use crate::class::numbers;
use crate::traffic::{MAPPED, Traffic, contains};
use hadron_wire::row::{Direction, Family, Prefix, Remote, RuleRow};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// Most distinct sets that the rules of one direction may name: each costs every new connection a look-up.
pub const MAX_SETS: usize = 32;

/// Most rows of one direction of a policy. The rows of a prefix are repeated for each prefix inside it, so that a few hundred
/// rules can become millions.
pub const MAX_ROWS: usize = 1 << 16;

/// What a row allows by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allow {
    /// The rule's number. Of several it is the lowest of a stateful one, or else the lowest.
    pub rule: u32,
    /// Only stateless rules allow it.
    pub stateless: bool,
}

/// What a class or set gets: the look-up, without policy and direction, and its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// Number of a class (with [`crate::CLASS_BIT`]) or of a set.
    pub source: u32,
    /// Version of IP.
    pub family: Family,
    /// Protocol and ports.
    pub traffic: Traffic,
    /// By what.
    pub allow: Allow,
}

/// One direction of a policy.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Side {
    /// Remote prefixes and their classes, rising.
    pub classes: Vec<(Prefix, u32)>,
    /// The sets to ask, the one of the oldest rule first: one that comes is the last, and the others stay where they are.
    pub sets: Vec<u32>,
    /// Rows of classes and sets. Every class and set has one.
    pub rows: Vec<Row>,
}

/// A policy. The default allows nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Compiled {
    /// From instances.
    pub egress: Side,
    /// To instances.
    pub ingress: Side,
    /// Why something that rules allow isn't.
    pub problems: Vec<Problem>,
}

/// Rules that are left out. What they alone allow is not allowed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// They name too many sets.
    #[error(
        "{} rules name {sets} remote groups and address groups, {MAX_SETS} are possible: those of the {} newest are not in force; name fewer, or use fewer groups on the port",
        name(*.direction), .sets - MAX_SETS
    )]
    Sets {
        /// Of this direction.
        direction: Direction,
        /// So many distinct ones.
        sets: usize,
    },
    /// They become too many rows.
    #[error(
        "{} rules become more than {MAX_ROWS} rows: the {rules} newest are not in force; use fewer remote prefixes inside each other, or port ranges on powers of two",
        name(*.direction)
    )]
    Rows {
        /// Of this direction.
        direction: Direction,
        /// So many are left out.
        rules: usize,
    },
}

fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Egress => "egress",
        Direction::Ingress => "ingress",
    }
}

impl Compiled {
    /// The rows of a policy whose groups have these rules, in any order.
    ///
    /// What doesn't fit is left out, the newest rules first, and named in [`Compiled::problems`].
    pub fn of<'a>(rules: impl IntoIterator<Item = &'a RuleRow>) -> Self {
        let mut rules: Vec<&RuleRow> = rules.into_iter().collect();
        rules.sort_unstable_by_key(|rule| (rule.rule, rule.group));
        let mut problems = Vec::new();
        let mut side = |direction| {
            let mut rules: Vec<&RuleRow> =
                rules.iter().copied().filter(|rule| rule.direction == direction).collect();
            let sets = sets(&rules);
            if sets.len() > MAX_SETS {
                problems.push(Problem::Sets { direction, sets: sets.len() });
                let asked = &sets[..MAX_SETS];
                rules.retain(|rule| !matches!(rule.remote, Remote::Set(set) if !asked.contains(&set)));
            }
            fit(&rules).unwrap_or_else(|(side, left_out)| {
                problems.push(Problem::Rows { direction, rules: left_out });
                side
            })
        };
        let (egress, ingress) = (side(Direction::Egress), side(Direction::Ingress));
        Self { egress, ingress, problems }
    }

    /// One direction.
    pub fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        }
    }

    /// The sets that either direction asks.
    pub fn sets(&self) -> impl Iterator<Item = u32> + '_ {
        self.egress.sets.iter().chain(&self.ingress.sets).copied()
    }
}

/// The distinct sets that rules name, the one of the oldest first.
fn sets(rules: &[&RuleRow]) -> Vec<u32> {
    let mut sets = Vec::new();
    for rule in rules {
        if let Remote::Set(set) = rule.remote
            && !sets.contains(&set)
        {
            sets.push(set);
        }
    }
    sets
}

/// The rows of `rules`; or of as many of the oldest as fit, and how many are left out.
fn fit(rules: &[&RuleRow]) -> Result<Side, (Side, usize)> {
    if let Some(side) = Side::of(rules) {
        return Ok(side);
    }
    let (mut fits, mut bursts) = (0, rules.len());
    let mut best = Side::default();
    while bursts - fits > 1 {
        let middle = fits.midpoint(bursts);
        match Side::of(&rules[..middle]) {
            Some(side) => (fits, best) = (middle, side),
            None => bursts = middle,
        }
    }
    Err((best, rules.len() - fits))
}

/// What one class or set has, by traffic.
type Allows = BTreeMap<Traffic, Allow>;

impl Side {
    /// `None` if there are more than [`MAX_ROWS`].
    fn of(rules: &[&RuleRow]) -> Option<Self> {
        let mut prefixes: BTreeMap<Prefix, Allows> = BTreeMap::new();
        let mut members: BTreeMap<(u32, Family), Allows> = BTreeMap::new();
        for rule in rules {
            match rule.remote {
                Remote::Set(set) => add(members.entry((set, rule.family)).or_default(), rule),
                remote => {
                    if let Some(prefix) = prefix(rule.family, remote) {
                        add(prefixes.entry(prefix).or_default(), rule);
                    }
                }
            }
        }
        let mut side = Side { sets: sets(rules), ..Side::default() };
        for ((set, family), mut allows) in members {
            prefer_stateful(&mut allows);
            side.push(set, family, &allows)?;
        }
        side.add_classes(prefixes)?;
        Some(side)
    }

    /// Each prefix also has what the prefixes around it have. In rising order these come before it.
    fn add_classes(&mut self, prefixes: BTreeMap<Prefix, Allows>) -> Option<()> {
        self.classes = numbers(prefixes.keys().copied()).collect();
        let mut around: Vec<(Prefix, Allows)> = Vec::new();
        for (index, (prefix, mut allows)) in prefixes.into_iter().enumerate() {
            while around.pop_if(|(outer, _)| !contains(*outer, prefix)).is_some() {}
            let family = family(prefix);
            // IPv4 is inside of IPv6 by its bits alone.
            if let Some((outer, outer_allows)) = around.last()
                && self::family(*outer) == family
            {
                for (traffic, allow) in outer_allows {
                    merge(&mut allows, *traffic, *allow);
                }
            }
            prefer_stateful(&mut allows);
            self.push(self.classes[index].1, family, &allows)?;
            around.push((prefix, allows));
        }
        Some(())
    }

    fn push(&mut self, source: u32, family: Family, allows: &Allows) -> Option<()> {
        self.rows.extend(allows.iter().map(|(&traffic, &allow)| Row { source, family, traffic, allow }));
        (self.rows.len() <= MAX_ROWS).then_some(())
    }
}

/// The prefix that a rule for packets of `family` speaks of; none if no such packet has an address in it.
fn prefix(family: Family, remote: Remote) -> Option<Prefix> {
    match (remote, family) {
        (Remote::Set(_), _) => None,
        (Remote::Any, Family::Ipv4) => Some(MAPPED),
        (Remote::Any, Family::Ipv6) => Some(Prefix { address: Ipv6Addr::UNSPECIFIED, length: 0 }),
        (Remote::Prefix(prefix), family) => (self::family(prefix) == family).then_some(prefix),
    }
}

fn family(prefix: Prefix) -> Family {
    if contains(MAPPED, prefix) { Family::Ipv4 } else { Family::Ipv6 }
}

fn add(allows: &mut Allows, rule: &RuleRow) {
    for traffic in Traffic::of(rule) {
        merge(allows, traffic, Allow { rule: rule.rule, stateless: rule.stateless });
    }
}

fn merge(allows: &mut Allows, traffic: Traffic, allow: Allow) {
    let rank = |allow: Allow| (allow.stateless, allow.rule);
    let best = allows.entry(traffic).or_insert(allow);
    if rank(allow) < rank(*best) {
        *best = allow;
    }
}

/// The narrowest row is found, so one of a stateless rule yields to a wider one that allows answers, too.
fn prefer_stateful(allows: &mut Allows) {
    let stateless = allows.iter().filter(|(_, allow)| allow.stateless);
    let better: Vec<(Traffic, Allow)> = stateless
        .filter_map(|(traffic, _)| {
            let wider = traffic.wider().filter_map(|wider| allows.get(&wider));
            Some((*traffic, *wider.filter(|allow| !allow.stateless).min_by_key(|allow| allow.rule)?))
        })
        .collect();
    allows.extend(better);
}
