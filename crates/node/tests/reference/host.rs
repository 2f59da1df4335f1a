//! The host build of the packet path as a plane: what the node writes goes into its tables.

use hadron_node::apply::entry::FloodMember;
use hadron_node::apply::{Key, Value};
use hadron_node::plane::{Plane, PlaneError};
use hadron_pipeline::Mac;
use hadron_pipeline::host::{Node, Tables};
use hadron_pipeline::table::{self, *};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A host that forwards packets in this process.
pub struct Host {
    pub node: Node,
    entries: BTreeMap<Key, Value>,
    generation: u32,
}

impl Host {
    pub fn new() -> Self {
        Self { node: Node::new(Tables::default()), entries: BTreeMap::new(), generation: 0 }
    }

    /// The members of a network's flood list one after the other, and their number.
    fn write_flood(&mut self, network: u32) {
        let tables = &mut self.node.tables;
        tables.flood.retain(|key, _| key.network != network);
        let members = self.entries.keys().filter_map(|key| match key {
            Key::Flood(FloodMember { network: of, target }) if *of == network => Some(*target),
            _ => None,
        });
        tables.flood.extend((0..).zip(members).map(|(slot, target)| (FloodKey { network, slot }, target)));
        let length = tables.flood.keys().filter(|key| key.network == network).count() as u32;
        if let Some(row) = tables.networks.get_mut(&NetworkKey { network }) {
            row.flood_length = length;
        }
    }

    fn next_generation(&mut self) -> u32 {
        self.generation += 1;
        self.generation
    }
}

impl Plane for Host {
    fn dump(&mut self) -> Result<Vec<(Key, Value)>, PlaneError> {
        Ok(self.entries.iter().map(|(key, value)| (*key, *value)).collect())
    }

    fn attached(&mut self) -> Result<Vec<(Key, Value)>, PlaneError> {
        Ok(Vec::new())
    }

    fn put(&mut self, key: &Key, value: &Value) -> Result<(), PlaneError> {
        self.entries.insert(*key, *value);
        let next = self.generation + 1;
        let tables = &mut self.node.tables;
        match (*key, *value) {
            (Key::Config(()), Value::Config(row)) => tables.config = row,
            (Key::Host(key), Value::Host(row)) => drop(tables.hosts.insert(key, row)),
            (Key::Network(key), Value::Network(facts)) => {
                let row = table::Network { vni: facts.vni, flags: facts.flags, ..table::Network::default() };
                tables.networks.insert(key, row);
                self.write_flood(key.network);
            }
            (Key::PortState(key), _) => {
                tables.meters.entry(key).or_default();
                tables.connection_counts.entry(key).or_default();
                tables.port_counters.entry(key).or_default();
            }
            (Key::Member(key), _) => drop(tables.members.insert(key, Member::default())),
            (Key::MemberPrefix(key), _) => drop(tables.member_prefixes.insert(key, Member::default())),
            (Key::RuleCounter(key), _) => drop(tables.rule_counters.entry(key).or_default()),
            (Key::Rule(key), Value::Rule(row)) => drop(tables.rules.insert(key, row)),
            (Key::Class(Reverse(key)), Value::Class(row)) => drop(tables.classes.insert(key, row)),
            (Key::PolicySet(key), Value::PolicySet(row)) => drop(tables.policy_sets.insert(key, row)),
            (Key::Policy(key), Value::Policy(facts)) => {
                let row = tables.policies.entry(key).or_insert(Policy { generation: next, set_count: 0 });
                row.set_count = facts.set_count;
                self.generation = next;
            }
            (Key::AllowedPrefix(key), _) => drop(tables.allowed_prefixes.insert(key, Allowed::default())),
            (Key::Allowed(key), _) => drop(tables.allowed.insert(key, Allowed::default())),
            (Key::Port(key), Value::Port(row)) => drop(tables.ports.insert(key, row)),
            (Key::Fdb(key), Value::Fdb(row)) => drop(tables.fdb.insert(key, row)),
            (Key::Neighbour(key), Value::Neighbour(row)) => drop(tables.neighbours.insert(key, row)),
            (Key::Flood(member), _) => self.write_flood(member.network),
            (Key::Vtep(key), Value::Vtep(row)) => drop(tables.vteps.insert(key, row)),
            (Key::Vni(key), Value::Vni(row)) => drop(tables.vnis.insert(key, row)),
            (Key::Interface(key), Value::Interface(row)) => drop(tables.interfaces.insert(key, row)),
            (
                Key::OverlayProgram(())
                | Key::ServiceProgram(())
                | Key::ProviderProgram(_)
                | Key::PortProgram(_),
                _,
            ) => {}
            other => panic!("{other:?}"),
        }
        Ok(())
    }

    fn remove(&mut self, key: &Key) -> Result<(), PlaneError> {
        assert!(self.entries.remove(key).is_some(), "{key:?} is not there");
        let tables = &mut self.node.tables;
        match key {
            Key::Member(key) => drop(tables.members.remove(key)),
            Key::MemberPrefix(key) => drop(tables.member_prefixes.remove(key)),
            Key::RuleCounter(key) => drop(tables.rule_counters.remove(key)),
            Key::Rule(key) => drop(tables.rules.remove(key)),
            Key::Class(Reverse(key)) => drop(tables.classes.remove(key)),
            Key::PolicySet(key) => drop(tables.policy_sets.remove(key)),
            Key::Policy(key) => drop(tables.policies.remove(key)),
            Key::AllowedPrefix(key) => drop(tables.allowed_prefixes.remove(key)),
            Key::Allowed(key) => drop(tables.allowed.remove(key)),
            other => panic!("nothing in these worlds takes {other:?} away"),
        }
        Ok(())
    }

    fn renew(&mut self, policy: &PolicyKey) -> Result<(), PlaneError> {
        let generation = self.next_generation();
        self.node.tables.policies.get_mut(policy).expect("a policy that is there").generation = generation;
        Ok(())
    }

    fn forget_announced(&mut self, _sources: &BTreeSet<(u32, Mac)>) -> Result<(), PlaneError> {
        Ok(())
    }

    fn commit(&mut self) -> Result<(), PlaneError> {
        Ok(())
    }
}
