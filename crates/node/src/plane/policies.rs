//! Policies in the kernel's tables: their generations, and the rows of the classifier.

use super::PlaneError;
use super::kernel::{Kernel, from, rows};
use crate::apply::entry::PolicyFacts;
use crate::apply::{Key, Value};
use hadron_datapath::Tables;
use hadron_datapath::table::{Policy, PolicyKey};
use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Gives generations that no policy of this host had before: connections remember those of policies that are gone.
#[derive(Clone, Debug)]
pub(super) struct Generations(Arc<AtomicU32>);

impl Generations {
    /// Goes on behind those in the table, and behind those that a process before this one may have given to policies that
    /// are no longer there: it had begun at the seconds of its own time, and gives fewer than one in a second on average.
    pub(super) fn new(tables: &Tables) -> hadron_datapath::Result<Self> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as u32);
        let found = tables.policies.dump()?.into_iter().map(|(_, row)| row.generation).max();
        Ok(Self(Arc::new(AtomicU32::new(found.unwrap_or(0).max(seconds)))))
    }

    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }
}

impl Kernel {
    /// Writes a policy's row; one that is there keeps its generation.
    pub(super) fn put_policy(&self, key: &PolicyKey, facts: PolicyFacts) -> hadron_datapath::Result<()> {
        let policies = &self.datapath.tables().policies;
        let generation = match policies.get(key)? {
            Some(row) => row.generation,
            None => self.generations.next(),
        };
        policies.put(key, &Policy { generation, set_count: facts.set_count })
    }

    /// Gives a policy a new generation.
    pub(super) fn renew_policy(&self, key: &PolicyKey) -> hadron_datapath::Result<()> {
        let policies = &self.datapath.tables().policies;
        match policies.get(key)? {
            Some(row) => policies.put(key, &Policy { generation: self.generations.next(), ..row }),
            None => Ok(()),
        }
    }

    /// Adds every row of the classifier to `all`.
    pub(super) fn dump_policies(&self, all: &mut Vec<(Key, Value)>) -> Result<(), PlaneError> {
        let tables = self.datapath.tables();
        rows(all, tables.members.dump(), |k, _| (Key::Member(k), Value::Member(())))?;
        rows(all, tables.member_prefixes.dump(), |k, _| (Key::MemberPrefix(k), Value::MemberPrefix(())))?;
        rows(all, tables.rules.dump(), |k, v| (Key::Rule(k), Value::Rule(v)))?;
        rows(all, tables.classes.dump(), |k, v| (Key::Class(Reverse(k)), Value::Class(v)))?;
        rows(all, tables.policy_sets.dump(), |k, v| (Key::PolicySet(k), Value::PolicySet(v)))?;
        rows(all, tables.policies.dump(), |k, Policy { set_count, .. }| {
            (Key::Policy(k), Value::Policy(PolicyFacts { set_count }))
        })?;
        rows(all, tables.allowed_prefixes.dump(), |k, _| (Key::AllowedPrefix(k), Value::AllowedPrefix(())))?;
        let counters = tables.rule_states().map_err(from)?.into_iter();
        all.extend(counters.map(|rule| {
            (Key::RuleCounter(hadron_datapath::table::RuleCounterKey { rule }), Value::RuleCounter(()))
        }));
        Ok(())
    }
}
