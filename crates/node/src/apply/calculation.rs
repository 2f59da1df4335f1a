//! What should be in the tables, from rows, interfaces and the host.
//!
//! Each row is turned into the entries that follow from it (module `rules`); what it depends on besides itself is looked up
//! in the same inputs. A changed input has the rows recomputed that depend on it, and no others:
//!
//! | input | rows that depend on it |
//! |---|---|
//! | a row | itself |
//! | router interface row | the floating IP and forwarding rows that it translates, the router's watched routes |
//! | network row | presence, location, port, router interface and floating IP rows of the network |
//! | subnet row, router interface row | the network row |
//! | policy, rule and member rows | see the module `policy` |
//! | port row, interface | port rows that name the same interface |
//! | who does not answer for an external network | its network row, router interface and floating IP rows, its routers' watched routes |
//! | the host's number, limits, interfaces to physical networks or way to the sockets of services | all |

use super::claims::{Claims, Source};
use super::gateway::Outages;
use super::policy::{Blame, Policies};
use super::rules;
use super::{Key, Value};
use hadron_pipeline::Mac;
use hadron_pipeline::table::{Limit, RouterInterfaceKey, ServiceLink, timeout};
use hadron_wire::held::{Applied, Held};
use hadron_wire::proto::Batch;
use hadron_wire::proto::welcome::Mode;
use hadron_wire::row::{NetworkRow, PolicyRow, PortRow, RouterInterfaceRow, Row, RowKey, RuleRow};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

/// Connections that a port may have unless an operator says another number: an eighth of what a host of 1,000 ports keeps, so that
/// no single port pushes the others' out.
pub const CONNECTIONS: u32 = 65_536;

/// Limits that every port of the host gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Frames handed to the host's responders.
    pub punt: Limit,
    /// ARP and neighbour solicitations for addresses that nobody is known to have.
    pub miss: Limit,
    /// Broadcast and multicast frames.
    pub flood: Limit,
    /// Connections that are kept.
    pub connections: u32,
    /// Lines of its log.
    pub log: Limit,
    /// ICMP errors that routers send to it.
    pub error: Limit,
    /// Connections to the metadata address, and questions for names.
    pub service: Limit,
    /// Seconds without a packet after which they are forgotten, by [`timeout`].
    pub timeouts: [u32; timeout::SLOTS],
}

impl Default for Limits {
    /// 20 punts, 100 misses and 1,000 floods a second; bursts of twice as many. 200 connections and questions to services,
    /// likewise. 100 lines of a log, bursts of 25.
    fn default() -> Self {
        Self {
            punt: per_second(20),
            miss: per_second(100),
            flood: per_second(1000),
            connections: CONNECTIONS,
            log: rate(100, 25),
            error: per_second(100),
            service: per_second(200),
            timeouts: timeout::DEFAULTS,
        }
    }
}

/// The limit of `count` a second with a burst of twice as many; 0 for none.
pub fn per_second(count: u32) -> Limit {
    rate(count, count.saturating_mul(2))
}

/// The limit of `count` a second, and `burst` at once; 0 for none.
pub fn rate(count: u32, burst: u32) -> Limit {
    Limit { interval: 1_000_000_000_u32.checked_div(count).unwrap_or(0), burst }
}

/// What the host contributes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostFacts {
    /// Its number.
    pub number: u32,
    /// Its tunnel address.
    pub underlay: IpAddr,
    /// Index of the overlay device, if it is there.
    pub overlay: Option<u32>,
    /// Largest inner IP packet in octets that the underlay carries in the overlay.
    pub overlay_mtu: u32,
    /// Limits of each port.
    pub limits: Limits,
    /// The interface to each physical network; `None` while it is not there.
    pub providers: BTreeMap<String, Option<Provider>>,
    /// The way to the sockets of services, while there is one.
    pub services: Option<ServiceLink>,
}

/// An interface to a physical network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Provider {
    /// Its index.
    pub index: u32,
    /// Its own MAC, at which the routers of this host are on external networks.
    pub mac: Mac,
}

impl HostFacts {
    /// The interface and the VLAN, 0 for untagged frames, by which the network's frames come; `None` for a network that is in no
    /// physical one, or while there is no interface.
    pub(crate) fn segment_of(&self, network: &NetworkRow) -> Option<(Provider, u32)> {
        let physical = network.physical.as_ref()?;
        let provider = self.providers.get(&physical.network).copied().flatten()?;
        Some((provider, physical.vlan.unwrap_or(0).into()))
    }
}

/// An interface that a port names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortInterface {
    /// Its index.
    pub index: u32,
    /// It is one end of a pair, whose other end is in another network namespace.
    pub is_pair: bool,
}

impl From<u32> for PortInterface {
    /// One that is no pair's, as a virtual machine's.
    fn from(index: u32) -> Self {
        Self { index, is_pair: false }
    }
}

/// All that entries follow from.
#[derive(Debug)]
pub(super) struct Inputs {
    pub host: HostFacts,
    pub outages: Outages,
    pub rows: Held,
    /// Each interface that a port names.
    pub interfaces: HashMap<String, PortInterface>,
    /// Keys of the rows that belong to a network, ports, routers' interfaces and floating IPs included.
    pub members: HashMap<u32, BTreeSet<RowKey>>,
    /// Ports by the interface name that they look for.
    pub named: HashMap<String, BTreeSet<u32>>,
}

/// The desired entries, kept up to date with their inputs.
#[derive(Debug)]
pub struct Calculation {
    inputs: Inputs,
    policies: Policies,
    claims: Claims,
    /// Where each port row stands in the indexes.
    places: HashMap<u32, Place>,
    /// The network of each row of a router's interface or a floating IP.
    attachments: HashMap<RowKey, u32>,
    changed: BTreeSet<Key>,
    touched_ports: BTreeSet<u32>,
    touched_rules: BTreeSet<(u32, u32)>,
    touched_names: BTreeSet<(u32, u32)>,
}

/// What a port is found by.
#[derive(Debug)]
struct Place {
    network: u32,
    name: String,
    policy: Option<u32>,
}

impl Calculation {
    /// Begins without rows and interfaces.
    pub fn new(host: HostFacts) -> Self {
        let inputs = Inputs {
            host,
            outages: Outages::default(),
            rows: Held::default(),
            interfaces: HashMap::new(),
            members: HashMap::new(),
            named: HashMap::new(),
        };
        let mut calculation = Self {
            inputs,
            policies: Policies::default(),
            claims: Claims::default(),
            places: HashMap::new(),
            attachments: HashMap::new(),
            changed: BTreeSet::new(),
            touched_ports: BTreeSet::new(),
            touched_rules: BTreeSet::new(),
            touched_names: BTreeSet::new(),
        };
        calculation.recompute(Source::Host);
        calculation
    }

    /// The rows.
    pub fn rows(&self) -> &Held {
        &self.inputs.rows
    }

    /// The row of a port that is bound here.
    pub fn port(&self, number: u32) -> Option<&PortRow> {
        self.inputs.port(number)
    }

    /// The ports that are bound here.
    pub fn ports(&self) -> impl Iterator<Item = u32> + '_ {
        self.places.keys().copied()
    }

    /// The host.
    pub fn host(&self) -> &HostFacts {
        &self.inputs.host
    }

    /// The ports that look for the interface of this name.
    pub fn ports_named(&self, name: &str) -> impl Iterator<Item = u32> + '_ {
        self.inputs.named.get(name).into_iter().flatten().copied()
    }

    /// Announces a stream of batches, see [`Held::begin`].
    pub fn begin(&mut self, mode: Mode) {
        self.inputs.rows.begin(mode);
    }

    /// Takes in a batch of rows.
    pub fn apply(&mut self, batch: Batch) -> Applied {
        let applied = self.inputs.rows.apply(batch);
        self.rows_changed(&applied.touched);
        applied
    }

    /// Takes note of the interface of a name, or that there is none.
    pub fn set_interface(&mut self, name: &str, interface: Option<PortInterface>) {
        let old = match interface {
            Some(interface) => self.inputs.interfaces.insert(name.to_owned(), interface),
            None => self.inputs.interfaces.remove(name),
        };
        if old != interface {
            let ports: Vec<u32> = self.ports_named(name).collect();
            for port in ports {
                self.recompute(Source::Row(RowKey::Port(port)));
            }
        }
    }

    /// Takes note of the host.
    pub fn set_host(&mut self, host: HostFacts) {
        if self.inputs.host == host {
            return;
        }
        let old = std::mem::replace(&mut self.inputs.host, host);
        self.recompute(Source::Host);
        let HostFacts { number, limits, providers, services, .. } = &self.inputs.host;
        if (&old.number, &old.limits, &old.providers, &old.services) != (number, limits, providers, services)
        {
            let keys: Vec<RowKey> = self.inputs.rows.iter().map(|(key, _)| *key).collect();
            for key in keys {
                self.recompute(Source::Row(key));
            }
        }
    }

    /// Takes note of who does not answer. The external networks of which that is news.
    pub fn set_outages(&mut self, outages: Outages) -> BTreeSet<u32> {
        let old = std::mem::replace(&mut self.inputs.outages, outages);
        let changed = old.difference(&self.inputs.outages);
        for network in &changed {
            let attached = self.dependents(*network).filter(|key| self.attachments.contains_key(key));
            let ways = self.ways_by(*network);
            let keys: Vec<RowKey> = attached.chain(ways).chain([RowKey::Network(*network)]).collect();
            keys.into_iter().for_each(|key| self.recompute(Source::Row(key)));
        }
        changed
    }

    /// The entries that changed since the last call, with their desired values, in the order of writing.
    pub fn take_changes(&mut self) -> Vec<(Key, Option<Value>)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|key| (key, self.claims.value(&key).copied())).collect()
    }

    /// The interfaces of routers on a network.
    pub fn routers_of(&self, network: u32) -> impl Iterator<Item = &RouterInterfaceRow> {
        self.inputs.routers_of(network)
    }

    pub(super) fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// The rows of routers' interfaces and of floating IPs.
    pub(super) fn attached_rows(&self) -> impl Iterator<Item = &Row> {
        self.attachments.keys().filter_map(|key| self.inputs.rows.get(key))
    }

    /// The interfaces of routers to external networks by whose address instances of this host leave.
    pub fn shared_gateways(&self) -> BTreeSet<u32> {
        let mut routers: HashMap<u32, (bool, Vec<u32>)> = HashMap::new();
        for row in self.attached_rows() {
            let Row::RouterInterface(row) = row else { continue };
            let (has_ports, outside) = routers.entry(row.router).or_default();
            match &row.gateway {
                Some(gateway) if gateway.snat => outside.push(row.port),
                Some(_) => {}
                None => *has_ports |= self.has_ports(row.network),
            }
        }
        routers.into_values().filter(|(has_ports, _)| *has_ports).flat_map(|(_, outside)| outside).collect()
    }

    /// Whether a port of this host is in the network. Its key is behind all others.
    fn has_ports(&self, network: u32) -> bool {
        let members = self.inputs.members.get(&network);
        members.is_some_and(|members| matches!(members.last(), Some(RowKey::Port(_))))
    }

    /// A router's own MAC at an interface.
    pub fn own_mac(&self, interface: u32) -> Option<Mac> {
        match self.claims.value(&Key::RouterInterface(RouterInterfaceKey { interface }))? {
            Value::RouterInterface(row) => Some(row.own_mac),
            _ => None,
        }
    }

    /// The ports whose wiring or lease may look different since the last call.
    pub fn take_touched_ports(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.touched_ports)
    }

    /// The rules that came, went or changed since the last call: their number, and their row if they are there.
    pub fn take_touched_rules(&mut self) -> Vec<(u32, Option<&RuleRow>)> {
        let touched = std::mem::take(&mut self.touched_rules).into_iter();
        let rows = &self.inputs.rows;
        let row = |group, rule| match rows.get(&RowKey::Rule { group, rule }) {
            Some(Row::Rule(row)) => Some(row),
            _ => None,
        };
        touched.map(|(group, rule)| (rule, row(group, rule))).collect()
    }

    /// The ports, by network and number, whose name or addresses came, went or changed since the last call.
    pub fn take_touched_names(&mut self) -> BTreeSet<(u32, u32)> {
        std::mem::take(&mut self.touched_names)
    }

    /// The entries that a port needs for its wiring; none while its interface or its network's row is missing.
    pub fn entries_of_port(&self, number: u32) -> &[Key] {
        self.claims.of(Source::Row(RowKey::Port(number)))
    }

    /// The port that has the interface of this name. Of several it is the newest.
    pub fn holder(&self, name: &str) -> Option<u32> {
        self.inputs.holder(name)
    }

    /// Why a port's policy isn't in force as it should be, or not at all; empty if it is as far as the rows go.
    pub fn policy_problem(&self, port: &PortRow) -> Option<String> {
        self.policies.problem(port)
    }

    /// Whose entries decide about a port's traffic beside its own.
    pub fn blames(&self, port: &PortRow) -> impl Iterator<Item = Blame> + '_ {
        let policy = port.policy.filter(|_| !port.port_security_disabled);
        policy.into_iter().flat_map(|policy| self.policies.blames(policy))
    }

    /// The ports whose traffic these entries of the classifier decide about.
    pub fn ports_of_entries(&self, keys: &[Key]) -> BTreeSet<u32> {
        self.policies.ports_of_entries(keys)
    }

    fn rows_changed(&mut self, touched: &BTreeSet<RowKey>) {
        let mut affected: HashSet<RowKey> = HashSet::new();
        for key in touched {
            affected.insert(*key);
            match *key {
                RowKey::Rule { group, rule } => {
                    affected.extend(self.policies.with_group(group));
                    self.touched_rules.insert((group, rule));
                }
                RowKey::Member { set, .. } => {
                    affected.remove(key);
                    if self.recompute_member(set, *key) {
                        affected.extend(self.policies.asking(set));
                    }
                }
                RowKey::Policy(number) => self.policies.index(number, self.inputs.policy(number)),
                RowKey::Network(network) => {
                    affected.extend(self.dependents(network));
                    affected.extend(self.ways_by(network));
                }
                RowKey::Subnet { network, .. } => {
                    affected.insert(RowKey::Network(network));
                    self.touch_ports(network);
                }
                RowKey::Port(number) => {
                    affected.extend(self.namesakes(number));
                    self.index_port(number);
                    affected.extend(self.namesakes(number));
                    continue;
                }
                RowKey::FloatingIp(_) | RowKey::FloatingRelay { .. } | RowKey::Forwarding { .. } => {
                    self.index_attachment(*key);
                }
                RowKey::Instance(port) => {
                    affected.remove(key);
                    self.touched_ports.insert(port);
                }
                RowKey::RouterInterface { router, port } => {
                    affected.extend(self.floating_ips_by(port));
                    affected.extend(self.watched_routes(router));
                    for network in self.index_attachment(*key).into_iter().flatten() {
                        affected.insert(RowKey::Network(network));
                        self.touch_ports(network);
                    }
                }
                RowKey::Location { network, port } | RowKey::Name { network, port } => {
                    self.touched_names.insert((network, port));
                }
                // Who is the next hop is told so.
                RowKey::Route { router, destination } if destination.unmapped().0.is_ipv6() => {
                    let networks: BTreeSet<u32> =
                        self.inputs.rows.router_interfaces(router).map(|own| own.network).collect();
                    networks.into_iter().for_each(|network| self.touch_ports(network));
                }
                RowKey::Presence { .. } | RowKey::Route { .. } | RowKey::PortLease { .. } => {}
            }
            self.index(*key);
        }
        for key in affected {
            self.recompute(Source::Row(key));
        }
    }

    /// Ports that look for the same interface as port `number` does, by the indexes.
    fn namesakes(&self, number: u32) -> Vec<RowKey> {
        let place = self.places.get(&number);
        place.into_iter().flat_map(|place| self.ports_named(&place.name)).map(RowKey::Port).collect()
    }

    /// The rows of the floating IPs that a router's interface translates.
    fn floating_ips_by(&self, interface: u32) -> impl Iterator<Item = RowKey> + '_ {
        let is_by = move |key: &RowKey| match self.inputs.rows.get(key) {
            Some(Row::FloatingIp(row)) => row.interface == interface,
            Some(Row::FloatingRelay(row)) => row.interface == interface,
            Some(Row::Forwarding(row)) => row.interface == interface,
            _ => false,
        };
        self.attachments.keys().copied().filter(is_by)
    }

    /// The routes of a router that depend on which gateways lead anywhere.
    fn watched_routes(&self, router: u32) -> impl Iterator<Item = RowKey> + '_ {
        let watched = self.inputs.rows.routes(router).filter(|row| row.is_watched);
        watched.map(move |row| RowKey::Route { router, destination: row.destination })
    }

    /// Those of the routers on a network.
    fn ways_by(&self, network: u32) -> impl Iterator<Item = RowKey> + '_ {
        self.routers_of(network).flat_map(|row| self.watched_routes(row.router))
    }

    fn touch_ports(&mut self, network: u32) {
        let members = self.inputs.members.get(&network).into_iter().flatten();
        self.touched_ports.extend(members.filter_map(|key| match key {
            RowKey::Port(number) => Some(*number),
            _ => None,
        }));
    }

    fn dependents(&self, network: u32) -> impl Iterator<Item = RowKey> + '_ {
        let members = self.inputs.members.get(&network).into_iter().flatten().copied();
        members.filter(|key| !matches!(key, RowKey::Network(_) | RowKey::Subnet { .. }))
    }

    /// Keeps the indexes in step with the row of `key`.
    fn index(&mut self, key: RowKey) {
        let Some(network) = key.network() else { return };
        let exists = self.inputs.rows.get(&key).is_some();
        note(&mut self.inputs.members, &network, key, exists);
    }

    /// Of a row whose key doesn't say its network: answers the one that it was in and the one that it is in.
    fn index_attachment(&mut self, key: RowKey) -> [Option<u32>; 2] {
        let before = self.attachments.remove(&key);
        if let Some(network) = before {
            note(&mut self.inputs.members, &network, key, false);
        }
        let after = match self.inputs.rows.get(&key) {
            Some(Row::RouterInterface(row)) => Some(row.network),
            Some(Row::FloatingIp(row)) => Some(row.network),
            Some(Row::FloatingRelay(row)) => Some(row.network),
            Some(Row::Forwarding(row)) => Some(row.network),
            _ => None,
        };
        if let Some(network) = after {
            note(&mut self.inputs.members, &network, key, true);
            self.attachments.insert(key, network);
        }
        [before, after]
    }

    fn index_port(&mut self, number: u32) {
        if let Some(place) = self.places.remove(&number) {
            self.note_port(number, &place, false);
        }
        if let Some(row) = self.inputs.port(number) {
            let policy = row.policy.filter(|_| !row.port_security_disabled);
            let place = Place { network: row.network, name: row.interface_name.clone(), policy };
            self.note_port(number, &place, true);
            self.places.insert(number, place);
        }
    }

    fn note_port(&mut self, number: u32, place: &Place, exists: bool) {
        note(&mut self.inputs.members, &place.network, RowKey::Port(number), exists);
        note(&mut self.inputs.named, &place.name, number, exists);
        if let Some(policy) = place.policy {
            self.policies.index_port(number, policy, exists);
        }
    }

    fn recompute(&mut self, source: Source) {
        let entries = match source {
            Source::Host => rules::host(&self.inputs),
            Source::Row(key) => match self.inputs.rows.get(&key) {
                Some(Row::Policy(row)) => self.policies.compile(&self.inputs.rows, row),
                Some(row) => rules::row(&self.inputs, row),
                None => Vec::new(),
            },
        };
        self.claims.replace(source, entries, &mut self.changed);
        match source {
            Source::Row(RowKey::Port(port)) => drop(self.touched_ports.insert(port)),
            Source::Row(RowKey::Policy(policy)) => self.touched_ports.extend(self.policies.ports(policy)),
            _ => {}
        }
    }

    /// Answers whether the policies that ask the set have to know.
    fn recompute_member(&mut self, set: u32, key: RowKey) -> bool {
        let source = Source::Row(key);
        let old = self.claims.of(source).to_vec();
        self.recompute(source);
        self.policies.member_changed(set, &old, self.claims.of(source))
    }
}

impl Inputs {
    pub(super) fn port(&self, number: u32) -> Option<&PortRow> {
        match self.rows.get(&RowKey::Port(number))? {
            Row::Port(row) => Some(row),
            _ => None,
        }
    }

    /// The interfaces of routers on a network.
    pub(super) fn routers_of(&self, network: u32) -> impl Iterator<Item = &RouterInterfaceRow> {
        let members = self.members.get(&network).into_iter().flatten();
        members.filter_map(|key| match self.rows.get(key) {
            Some(Row::RouterInterface(row)) => Some(row),
            _ => None,
        })
    }

    fn policy(&self, number: u32) -> Option<&PolicyRow> {
        match self.rows.get(&RowKey::Policy(number))? {
            Row::Policy(row) => Some(row),
            _ => None,
        }
    }

    /// The port that has the interface of this name: the newest that looks for it.
    pub(super) fn holder(&self, name: &str) -> Option<u32> {
        self.named.get(name)?.last().copied()
    }
}

/// Adds `member` to the set of `key` or takes it out; an empty set is no set.
pub(crate) fn note<K: Clone + Eq + std::hash::Hash, M: Ord>(
    index: &mut HashMap<K, BTreeSet<M>>,
    key: &K,
    member: M,
    exists: bool,
) {
    if exists {
        index.entry(key.clone()).or_default().insert(member);
    } else if let Some(members) = index.get_mut(key) {
        members.remove(&member);
        if members.is_empty() {
            index.remove(key);
        }
    }
}
