//! The tables of a case, written into the kernel, and the model of what it then holds.

use super::bench::Bench;
use super::case::World;
use super::policies::Policies;
use crate::support::{self, program};
use hadron_datapath::table::*;
use hadron_pipeline::host::{Node, PrefixKey, Prefixes};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Values of [`PrivacyAddress::tentative`].
const SETTLED: u64 = 0;
const HELD: u64 = u64::MAX;

impl Bench {
    /// Writes the tables of a case, in the kernel through the product's own calls.
    pub fn load(&mut self, world: &World) {
        let tables = self.datapath.tables();
        replace(&tables.interfaces, &world.interfaces);
        replace(&tables.ports, &world.ports);
        let allowed = world.allowed.iter().map(|key| (*key, Allowed { reserved: 0 })).collect();
        replace(&tables.allowed, &allowed);
        let prefixes = world.allowed_prefixes.iter().map(|key| (*key, Allowed { reserved: 0 })).collect();
        replace(&tables.allowed_prefixes, &prefixes);
        let prefixes =
            world.privacy_prefixes.iter().map(|key| (*key, PrivacyPrefix { reserved: 0 })).collect();
        replace(&tables.privacy_prefixes, &prefixes);
        clear(&tables.learned_macs);
        clear(&tables.learned_neighbours);
        clear(&tables.privacy_addresses);
        clear(&tables.service_sessions);
        tables.put_service_link(&world.service_link).expect("link");
        clear(&tables.connections);
        clear(&tables.fragments);
        clear(&tables.nat_sessions);
        clear(&tables.nat_returns);
        clear(&tables.nat_fragments);
        replace(&tables.fdb, &world.fdb);
        replace(&tables.neighbours, &world.neighbours);
        replace(&tables.hosts, &world.hosts);
        replace(&tables.vnis, &world.vnis);
        replace(&tables.vteps, &world.vteps);
        replace(&tables.router_interfaces, &world.routers.interfaces);
        replace(&tables.floating_sources, &world.routers.floating_sources);
        replace(&tables.floating_ips, &world.routers.floating_ips);
        replace(&tables.nat_pools, &world.routers.nat_pools);
        replace(&tables.nat_owners, &world.routers.nat_owners);
        replace(&tables.forwardings, &world.routers.forwardings);
        replace(&tables.scopes, &world.routers.scopes);
        replace(&tables.routes, &world.routers.routes);
        replace(&tables.heard, &world.watched());
        let networks = &tables.networks;
        for network in networks.dump().into_keys() {
            networks.remove(network).expect("network");
        }
        for (network, target) in networks.dump_targets() {
            networks.remove_target(network, target).expect("flood list");
        }
        for (network, target) in &world.flood {
            networks.add_target(*network, *target).expect("flood list");
        }
        for (network, state) in &world.networks {
            networks.put(*network, *state).expect("network");
        }
        replace(&tables.segments, &world.segments);
        for port in tables.port_states().expect("states") {
            tables.remove_port_state(port).expect("state");
        }
        world.states.iter().for_each(|port| tables.ensure_port_state(*port).expect("state"));
        for rule in tables.rule_states().expect("rules") {
            tables.remove_rule_state(rule).expect("rule");
        }
        world.policies.counted.iter().for_each(|rule| tables.ensure_rule_state(*rule).expect("rule"));
        self.load_policies(&world.policies);
        let tables = self.datapath.tables();
        tables.follow(&[]).expect("rows");
        tables.follow(&world.follows).expect("rows");
        support::write_config(&support::pins("differential").join(support::set(1)), &world.config);
        self.model();
    }

    /// Writes the tables of policies. Connections stay.
    pub fn load_policies(&mut self, policies: &Policies) {
        let tables = self.datapath.tables();
        replace(&tables.policies, &policies.policies);
        replace(&tables.policy_sets, &policies.sets);
        replace(&tables.classes, &policies.classes);
        replace(&tables.rules, &policies.rules);
        let members = policies.members.iter().map(|key| (*key, Member::default())).collect();
        replace(&tables.members, &members);
        let prefixes = policies.member_prefixes.iter().map(|key| (*key, Member::default())).collect();
        replace(&tables.member_prefixes, &prefixes);
        let model = &mut self.node.tables;
        model.policies = rows(&tables.policies);
        model.policy_sets = rows(&tables.policy_sets);
        model.classes = prefix_rows(&tables.classes);
        model.rules = prefix_rows(&tables.rules);
        model.members = rows(&tables.members);
        model.member_prefixes = prefix_rows(&tables.member_prefixes);
    }

    /// The blocks and slots of other hosts, and the slots of this one, as they are now.
    pub fn load_owners(&mut self, world: &World) {
        let owners = &self.datapath.tables().nat_owners;
        replace(owners, &world.routers.nat_owners);
        self.node.tables.nat_owners = rows(owners);
    }

    /// Whether somebody objects to addresses that ports have just chosen stays open until [`Bench::settle_addresses`], however long
    /// the machine takes.
    pub fn hold_addresses(&mut self) {
        let table = &self.datapath.tables().privacy_addresses;
        let rows = self.node.tables.privacy_addresses.iter_mut();
        for (key, row) in rows.filter(|(_, row)| !matches!(row.tentative, SETTLED | HELD)) {
            row.tentative = HELD;
            if let Some(found) = table.get(key).expect("row") {
                table.put(key, &PrivacyAddress { tentative: HELD, ..found }).expect("row");
            }
        }
    }

    /// Nobody has objected to the addresses that ports have chosen.
    pub fn settle_addresses(&mut self) {
        let table = &self.datapath.tables().privacy_addresses;
        for (key, row) in table.dump().expect("rows") {
            table.put(&key, &PrivacyAddress { tentative: SETTLED, ..row }).expect("row");
        }
        self.node.tables.privacy_addresses.values_mut().for_each(|row| row.tentative = SETTLED);
    }

    /// Makes the model of what the kernel's tables hold.
    fn model(&mut self) {
        let tables = self.datapath.tables();
        let (networks, flood) = tables.networks.tables();
        let states: Vec<_> =
            tables.port_states().expect("states").into_iter().map(|port| PortKey { port }).collect();
        self.node = Node::new(hadron_pipeline::host::Tables {
            config: tables.config().expect("config"),
            interfaces: rows(&tables.interfaces),
            ports: rows(&tables.ports),
            allowed: rows(&tables.allowed),
            networks: rows(networks),
            segments: rows(&tables.segments),
            fdb: rows(&tables.fdb),
            neighbours: rows(&tables.neighbours),
            flood: rows(flood),
            hosts: rows(&tables.hosts),
            vnis: rows(&tables.vnis),
            vteps: rows(&tables.vteps),
            router_interfaces: rows(&tables.router_interfaces),
            nat_pools: rows(&tables.nat_pools),
            nat_owners: rows(&tables.nat_owners),
            forwardings: prefix_rows(&tables.forwardings),
            nat_counts: states.iter().map(|key| (*key, NatCount::default())).collect(),
            nat_sessions: HashMap::new(),
            nat_returns: HashMap::new(),
            nat_fragments: HashMap::new(),
            floating_sources: rows(&tables.floating_sources),
            floating_ips: rows(&tables.floating_ips),
            scopes: rows(&tables.scopes),
            routes: prefix_rows(&tables.routes),
            meters: states.iter().map(|key| (*key, Meters::default())).collect(),
            port_counters: states.iter().map(|key| (*key, PortCounters::default())).collect(),
            connection_counts: states.iter().map(|key| (*key, ConnectionCount::default())).collect(),
            allowed_prefixes: prefix_rows(&tables.allowed_prefixes),
            policies: rows(&tables.policies),
            policy_sets: rows(&tables.policy_sets),
            classes: prefix_rows(&tables.classes),
            rules: prefix_rows(&tables.rules),
            members: rows(&tables.members),
            member_prefixes: prefix_rows(&tables.member_prefixes),
            connections: HashMap::new(),
            fragments: HashMap::new(),
            rule_counters: tables
                .rule_states()
                .expect("rules")
                .into_iter()
                .map(|rule| (RuleCounterKey { rule }, RuleCounters::default()))
                .collect(),
            heard: rows(&tables.heard),
            follows: (0..MAX_FOLLOWS).map(|slot| tables.followed_by(slot).expect("a row")).collect(),
            service_link: tables.service_link().expect("link"),
            service_sessions: HashMap::new(),
            learned_macs: HashMap::new(),
            learned_neighbours: HashMap::new(),
            privacy_prefixes: prefix_rows(&tables.privacy_prefixes),
            privacy_addresses: HashMap::new(),
            privacy_rings: states.iter().map(|key| (*key, PrivacyRing::default())).collect(),
        });
        self.began = program::monotonic();
        self.was_held_up = false;
        self.node.now = self.began;
        self.node.down = self.interfaces.ports.last().copied().into_iter().collect();
        self.before = tables.totals().expect("counters");
    }
}

pub(super) fn rows<K: Row + Eq + Hash, V: Row>(map: &hadron_datapath::Map<K, V>) -> HashMap<K, V> {
    map.dump().expect("rows").into_iter().collect()
}

fn prefix_rows<K: Row + PrefixKey, V: Row>(map: &hadron_datapath::Map<K, V>) -> Prefixes<K, V> {
    let mut prefixes = Prefixes::default();
    for (key, value) in map.dump().expect("rows") {
        prefixes.insert(key, value);
    }
    prefixes
}

fn clear<K: Row, V: Row>(map: &hadron_datapath::Map<K, V>) {
    for (key, _) in map.dump().expect("rows") {
        map.remove(&key).expect("row");
    }
}

fn replace<K: Row + Ord, V: Row + PartialEq>(map: &hadron_datapath::Map<K, V>, wanted: &BTreeMap<K, V>) {
    for (key, value) in map.dump().expect("rows") {
        if wanted.get(&key) != Some(&value) {
            map.remove(&key).expect("row");
        }
    }
    wanted.iter().for_each(|(key, value)| map.put(key, value).expect("row"));
}
