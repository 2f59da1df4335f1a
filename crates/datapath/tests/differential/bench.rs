//! The two builds side by side: a host in the kernel, and one in memory that believes what the kernel holds.

use super::capture::{Capture, Left};
use super::case::{Interfaces, World};
use super::policies::Policies;
use crate::support::{self, program};
use hadron_datapath::drop::DropReason;
use hadron_datapath::table::*;
use hadron_datapath::{Address, Datapath, NetworkState, Punts, Totals, stage::Stage};
use hadron_pipeline::VerdictKind;
use hadron_pipeline::host::{Frame, Node, Outcome, Output, PrefixKey, Prefixes};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

const REDIRECT: u32 = 7;
const SHOT: u32 = 2;
/// Instances' interfaces, one of which is down.
const PORTS: usize = 6;

/// A host in the kernel and its model.
pub struct Bench {
    datapath: Datapath,
    from_port: OwnedFd,
    from_overlay: OwnedFd,
    interfaces: Interfaces,
    node: Node,
    capture: Capture,
    punts: Punts,
    runtime: tokio::runtime::Runtime,
    output: program::Output,
    before: Totals,
    verdicts: BTreeMap<u32, u64>,
    drops: BTreeMap<DropReason, u64>,
    connections: BTreeMap<u8, u64>,
}

impl Bench {
    pub fn new() -> Bench {
        let underlay = support::interface("under");
        support::ip("addr add 192.0.2.1/24 dev under");
        support::ip("addr add 2001:db8:ff::1/64 dev under nodad");
        support::ip("link add over type vxlan external dstport 4789 nolearning");
        support::ip("link set over addrgenmode none arp off mtu 9000 up");
        let ports: Vec<u32> = (1..=PORTS).map(|port| support::interface(&format!("port{port}"))).collect();
        support::ip(&format!("link set port{PORTS} down"));
        let interfaces = Interfaces { ports, overlay: support::ifindex("over") };
        let datapath = support::open("differential");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let punts = runtime.block_on(async { datapath.punts() }).expect("punts");
        Bench {
            from_port: datapath.load_program("from_port").expect("from_port"),
            from_overlay: datapath.load_program("from_overlay_test").expect("from_overlay_test"),
            before: datapath.tables().totals().expect("counters"),
            datapath,
            node: Node::new(Default::default()),
            capture: Capture::new(underlay, interfaces.overlay),
            interfaces,
            punts,
            runtime,
            output: program::Output::new(),
            verdicts: BTreeMap::new(),
            drops: BTreeMap::new(),
            connections: BTreeMap::new(),
        }
    }

    pub fn interfaces(&self) -> &Interfaces {
        &self.interfaces
    }

    /// Writes the tables of a case, in the kernel through the product's own calls.
    pub fn load(&mut self, world: &World) {
        let tables = self.datapath.tables();
        replace(&tables.interfaces, &world.interfaces);
        replace(&tables.ports, &world.ports);
        let allowed = world.allowed.iter().map(|key| (*key, Allowed { reserved: 0 })).collect();
        replace(&tables.allowed, &allowed);
        let prefixes = world.allowed_prefixes.iter().map(|key| (*key, Allowed { reserved: 0 })).collect();
        replace(&tables.allowed_prefixes, &prefixes);
        clear(&tables.connections);
        clear(&tables.fragments);
        replace(&tables.fdb, &world.fdb);
        replace(&tables.neighbours, &world.neighbours);
        replace(&tables.hosts, &world.hosts);
        replace(&tables.vnis, &world.vnis);
        replace(&tables.vteps, &world.vteps);
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
        for (network, (vni, flags)) in &world.networks {
            networks.put(*network, NetworkState { vni: *vni, flags: *flags }).expect("network");
        }
        for port in tables.port_states().expect("states") {
            tables.remove_port_state(port).expect("state");
        }
        world.states.iter().for_each(|port| tables.ensure_port_state(*port).expect("state"));
        for rule in tables.rule_states().expect("rules") {
            tables.remove_rule_state(rule).expect("rule");
        }
        world.policies.counted.iter().for_each(|rule| tables.ensure_rule_state(*rule).expect("rule"));
        self.load_policies(&world.policies);
        support::write_config(&support::pins("differential").join("tables-2-1"), &world.config);
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
            fdb: rows(&tables.fdb),
            neighbours: rows(&tables.neighbours),
            flood: rows(flood),
            hosts: rows(&tables.hosts),
            vnis: rows(&tables.vnis),
            vteps: rows(&tables.vteps),
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
            learned_macs: HashMap::new(),
            privacy_prefixes: prefix_rows(&tables.privacy_prefixes),
            privacy_addresses: HashMap::new(),
            privacy_rings: states.iter().map(|key| (*key, PrivacyRing::default())).collect(),
        });
        self.node.now = program::monotonic();
        self.node.down = self.interfaces.ports.last().copied().into_iter().collect();
        self.before = tables.totals().expect("counters");
    }

    /// The model's clock stands still, and rate limits are slower than any case. Should the machine stall for that long, the
    /// model takes over where the kernel stands.
    fn keep_time(&mut self) {
        let now = program::monotonic();
        if now - self.node.now > 2_000_000_000 {
            self.node.now = now;
            for (key, meters) in &mut self.node.tables.meters {
                *meters = self.datapath.tables().meters(key.port).expect("meters").expect("meters");
            }
        }
    }

    /// An instance's packet through both.
    pub fn port_sends(&mut self, ifindex: u32, bytes: &[u8], gso_size: u32) {
        self.keep_time();
        let frame = |gso_size| Frame { bytes: bytes.to_vec(), gso_size, ..Frame::default() };
        // What is only said to be a GSO frame can't be segmented, so it isn't copied.
        let would_copy = gso_size != 0 && {
            let outcome = self.node.clone().from_port(ifindex, frame(gso_size));
            outcome.verdict.kind == VerdictKind::Flood as u32
        };
        let gso_size = if would_copy { 0 } else { gso_size };
        let expected = self.node.from_port(ifindex, frame(gso_size));
        let input = program::Input { frame: bytes, ifindex, cb: [0; 5], gso_size };
        self.compare(&input, &expected, false);
    }

    /// A packet from the overlay through both.
    pub fn overlay_brings(&mut self, vni: u32, source: Address, bytes: &[u8]) {
        let expected = self.node.from_overlay(vni, source, bytes.to_vec());
        let mut cb = [vni, 0, 0, 0, 0];
        for (word, bytes) in cb[1..].iter_mut().zip(source.0.chunks_exact(4)) {
            *word = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let input = program::Input { frame: bytes, ifindex: self.interfaces.overlay, cb, gso_size: 0 };
        self.compare(&input, &expected, true);
    }

    fn compare(&mut self, input: &program::Input<'_>, expected: &Outcome, from_overlay: bool) {
        let fd = if from_overlay { self.from_overlay.as_fd() } else { self.from_port.as_fd() };
        program::run(fd, input, &mut self.output).expect("test run");
        let verdict = expected.verdict;
        let cb = &self.output.cb;
        let context = || format!("{:02x?}\nby {} from_overlay {from_overlay}", input.frame, input.ifindex);
        assert_eq!([cb[0], cb[1], cb[2]], [verdict.kind, verdict.a, verdict.b], "verdict of {}", context());
        let leaves = [VerdictKind::Deliver, VerdictKind::Answer, VerdictKind::Tunnel];
        let code = if leaves.iter().any(|kind| *kind as u32 == verdict.kind) { REDIRECT } else { SHOT };
        assert_eq!(self.output.code, code, "code of {}", context());
        assert_eq!(self.output.frame(), expected.bytes, "bytes of {}", context());
        *self.verdicts.entry(verdict.kind).or_default() += 1;
        if let Some(reason) = verdict.reason() {
            *self.drops.entry(reason).or_default() += 1;
        }
        self.compare_outputs(expected, &context());
    }

    /// A redirect is not carried out in a test run; its target is in the verdict. Copies and punts are.
    fn compare_outputs(&mut self, expected: &Outcome, context: &str) {
        let is_flood = expected.verdict.kind == VerdictKind::Flood as u32;
        for output in &expected.outputs {
            match output {
                Output::Punt { header, bytes } => {
                    let punts = &mut self.punts;
                    let next = async { tokio::time::timeout(Duration::from_secs(5), punts.next()).await };
                    let punt = self.runtime.block_on(next).expect("a punt").expect("a punt");
                    let reason = punt.reason.map_or(0, |reason| reason as u32);
                    let found = (punt.port, punt.length, punt.ifindex, reason);
                    assert_eq!(
                        found,
                        (header.port, header.length, header.ifindex, header.reason),
                        "{context}"
                    );
                    assert_eq!(punt.frame, *bytes, "punt of {context}");
                }
                Output::Deliver { ifindex, frame } if is_flood => {
                    let copy = Left::Interface { ifindex: *ifindex, frame: frame.bytes.clone() };
                    assert_eq!(self.capture.next(), Some(copy), "copy of {context}");
                }
                Output::Tunnel { tunnel, frame } if is_flood => {
                    let copy = Left::Tunnel {
                        vni: tunnel.vni,
                        local: tunnel.local,
                        remote: tunnel.remote,
                        frame: frame.bytes.clone(),
                    };
                    assert_eq!(self.capture.next(), Some(copy), "copy of {context}");
                }
                _ => {}
            }
        }
    }

    /// What both have counted since the tables were loaded.
    pub fn compare_counters(&mut self) {
        assert_eq!(self.capture.next(), None, "a frame left that nobody expects");
        let tables = self.datapath.tables();
        let totals = tables.totals().expect("counters");
        for stage in Stage::ALL {
            let counted = totals.stage(*stage) - self.before.stage(*stage);
            assert_eq!(counted, self.node.counters.stages[*stage as usize], "{stage:?}");
        }
        for reason in DropReason::ALL {
            let counted = totals.drop(*reason) - self.before.drop(*reason);
            assert_eq!(counted, self.node.counters.drops[*reason as usize], "{reason:?}");
        }
        for (key, expected) in &self.node.tables.port_counters {
            assert_eq!(tables.port_counters(key.port).expect("counters"), Some(*expected), "{key:?}");
        }
        let passed = program::monotonic() - self.node.now;
        for (key, expected) in &self.node.tables.meters {
            let found = tables.meters(key.port).expect("meters").expect("meters");
            for (found, expected) in
                [(found.punt, expected.punt), (found.miss, expected.miss), (found.flood, expected.flood)]
            {
                assert!((expected..=expected + passed).contains(&found), "{key:?}: {found} for {expected}");
            }
        }
    }

    /// The tables that the programs write. Times differ by what has passed in the kernel meanwhile.
    pub fn compare_connections(&mut self) {
        let tables = self.datapath.tables();
        let passed = program::monotonic() - self.node.now;
        let later = |found: u64, expected: u64| (expected..=expected + passed).contains(&found);
        let mut found: HashMap<_, _> = rows(&tables.connections);
        for (key, expected) in &self.node.tables.connections {
            let row = found.remove(key).unwrap_or_else(|| panic!("no connection {key:?}: {expected:?}"));
            assert!(later(row.expires, expected.expires) && later(row.began, expected.began), "{key:?}");
            let timeless = Connection { expires: expected.expires, began: expected.began, ..row };
            assert_eq!(timeless, *expected, "{key:?}");
            *self.connections.entry(row.state).or_default() += 1;
        }
        assert_eq!(found, HashMap::new(), "connections that nobody expects");
        let mut found: HashMap<_, _> = rows(&tables.fragments);
        for (key, expected) in &self.node.tables.fragments {
            assert!(found.remove(key).is_some_and(|row| later(row.expires, expected.expires)), "{key:?}");
        }
        assert_eq!(found, HashMap::new(), "fragments that nobody expects");
        for (key, expected) in &self.node.tables.rule_counters {
            assert_eq!(tables.rule_allowed(key.rule).expect("counter"), Some(expected.allowed), "{key:?}");
        }
        let expired =
            self.node.tables.connections.values().filter(|row| row.expires <= self.node.now).count();
        let sweep = tables.sweep().expect("sweep");
        assert_eq!(sweep.expired, expired as u64);
        assert_eq!(sweep.live, (self.node.tables.connections.len() - expired) as u64);
        let refused: u64 =
            self.node.tables.connection_counts.values().map(|row| u64::from(row.refused)).sum();
        // Ports without a row to count in have none of their connections kept, so none was lost.
        assert_eq!((sweep.refused, sweep.lost), (refused, 0));
    }

    pub fn report(&self) {
        println!("connections by state: {:?}", self.connections);
        println!("verdicts by kind: {:?}", self.verdicts);
        println!("drops: {:?}", self.drops);
    }

    /// The packets were of use: every kind of verdict was met, and every reason that a test run can meet.
    pub fn assert_covered(&self) {
        for kind in 1..=6 {
            assert!(self.verdicts.contains_key(&kind), "no packet had a verdict of kind {kind}");
        }
        // Frames under 14 bytes, VLAN tags beside the frame and packets without a tunnel key can't be given to a test run;
        // the ring buffer is read at once, so it is never full; a full copy is a counter and no verdict.
        let out_of_reach = [
            DropReason::FrameTooShort,
            DropReason::NoTunnelKey,
            DropReason::PuntFull,
            DropReason::OutputFailed,
        ];
        let missed: Vec<_> = DropReason::ALL
            .iter()
            .filter(|reason| !out_of_reach.contains(reason) && !self.drops.contains_key(reason))
            .collect();
        assert!(missed.is_empty(), "no packet was dropped for {missed:?}");
        for state in connection_state::OPENING..=connection_state::DENIED {
            assert!(self.connections.contains_key(&state), "no connection ended in state {state}");
        }
    }
}

fn rows<K: Row + Eq + Hash, V: Row>(map: &hadron_datapath::Map<K, V>) -> HashMap<K, V> {
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
