//! Policies written rule by rule, and a port that is guarded by one.

use hadron_pipeline::host::{Node, Tables};
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, drop::DropReason};

use crate::cloud::{Instance, node};
use crate::frames::{ICMP, ICMPV6, UDP};

pub const SECOND: u64 = 1_000_000_000;
pub const OUT: u32 = direction::EGRESS;
pub const IN: u32 = direction::INGRESS;

/// The policy of the guarded port. It allows nothing until a test says so.
pub const GUARD: u32 = 7;

/// Who is at the other side.
#[derive(Clone, Copy)]
pub enum Remote {
    Any,
    Prefix(Address, u8),
    Set(u32),
}

/// A rule.
#[derive(Clone, Copy)]
pub struct Allow {
    pub rule: u32,
    pub way: u32,
    pub family: u8,
    pub protocol: Option<u8>,
    /// Port, or type and code of ICMP, and how many of its bits count.
    pub port: Option<(u16, u32)>,
    pub remote: Remote,
    pub is_stateless: bool,
}

impl Allow {
    /// Everything of a family and a protocol.
    pub fn all(rule: u32, way: u32, family: u8, protocol: u8) -> Allow {
        let protocol = Some(protocol);
        Allow { rule, way, family, protocol, port: None, remote: Remote::Any, is_stateless: false }
    }

    /// A port of IPv4's UDP.
    pub fn udp(rule: u32, way: u32, port: u16) -> Allow {
        Allow::all(rule, way, 4, UDP).port(port)
    }

    /// A port of IPv4's TCP.
    pub fn tcp(rule: u32, way: u32, port: u16) -> Allow {
        Allow::all(rule, way, 4, crate::frames::TCP).port(port)
    }

    /// Every ICMP message, or only of a type and code.
    pub fn icmp(rule: u32, way: u32, kind: Option<(u8, u8)>) -> Allow {
        let port = kind.map(|(kind, code)| (u16::from_be_bytes([kind, code]), 16));
        Allow { port, ..Allow::all(rule, way, 4, ICMP) }
    }

    /// The same of ICMPv6.
    pub fn icmpv6(rule: u32, way: u32, kind: Option<(u8, u8)>) -> Allow {
        Allow { family: 6, protocol: Some(ICMPV6), ..Allow::icmp(rule, way, kind) }
    }

    pub fn port(self, port: u16) -> Allow {
        Allow { port: Some((port, 16)), ..self }
    }

    pub fn from(self, remote: Remote) -> Allow {
        Allow { remote, ..self }
    }

    pub fn stateless(self) -> Allow {
        Allow { is_stateless: true, ..self }
    }

    fn key(&self, source: u32) -> RuleKey {
        let (port, bits) = self.port.unwrap_or((0, 0));
        let prefix_len = match (self.protocol, self.port) {
            (None, _) => RuleKey::FAMILY,
            (_, None) => RuleKey::PROTOCOL,
            _ => RuleKey::PROTOCOL + bits,
        };
        let protocol = self.protocol.unwrap_or(0);
        let (family, direction) = (self.family, self.way);
        RuleKey { prefix_len, policy: GUARD, direction, source, family, protocol, port: port.to_be_bytes() }
    }
}

/// A peer that may do everything, and a port that only may what its policy says.
pub struct Scene {
    pub node: Node,
    pub peer: Instance,
    pub guarded: Instance,
}

impl Scene {
    /// One host, at a time at which expired means something.
    pub fn new() -> Scene {
        let peer = Instance::new(1, 1, 1);
        let guarded = Instance { policy: GUARD, ..Instance::new(1, 2, 1) };
        let mut node = node(1, &[peer.clone(), guarded.clone()]);
        node.now = 1000 * SECOND;
        for direction in [OUT, IN] {
            let row = Policy { generation: 1, set_count: 0 };
            node.tables.policies.insert(PolicyKey { policy: GUARD, direction }, row);
        }
        Scene { node, peer, guarded }
    }

    /// One that allows these.
    pub fn with(rules: &[Allow]) -> Scene {
        let mut scene = Scene::new();
        rules.iter().for_each(|rule| scene.allow(*rule));
        scene
    }

    /// Whose peer has port security off: what it sends is judged by the guarded port alone, and may say anything.
    pub fn from_anybody(rules: &[Allow]) -> Scene {
        let mut scene = Scene::with(rules);
        let port = PortKey { port: scene.peer.port };
        scene.tables().ports.get_mut(&port).expect("the peer").flags = 0;
        scene
    }

    /// Whose guarded port may have so many connections.
    pub fn limited(limit: u32, rules: &[Allow]) -> Scene {
        let mut scene = Scene::with(rules);
        let port = PortKey { port: scene.guarded.port };
        scene.tables().ports.get_mut(&port).expect("guarded").connection_limit = limit;
        scene
    }

    /// What the loader's sweep does to the guarded port.
    pub fn sweep(&mut self) {
        let (now, key) = (self.node.now, PortKey { port: self.guarded.port });
        self.tables().connections.retain(|_, row| row.expires > now);
        let count = self.connections().len() as u32;
        let row = self.tables().connection_counts.get_mut(&key).expect("count");
        (row.count, row.since) = (count, now);
    }

    pub fn tables(&mut self) -> &mut Tables {
        &mut self.node.tables
    }

    fn policy(&mut self, direction: u32) -> &mut Policy {
        self.tables().policies.get_mut(&PolicyKey { policy: GUARD, direction }).expect("the policy")
    }

    /// Adds a rule, as a loader does: without another generation.
    pub fn allow(&mut self, rule: Allow) {
        let source = match rule.remote {
            Remote::Any if rule.family == 4 => self.class(rule.way, Address::UNSPECIFIED_V4, 96),
            Remote::Any => self.class(rule.way, Address::UNSPECIFIED, 0),
            Remote::Prefix(address, length) => self.class(rule.way, address, length),
            Remote::Set(set) => self.set(rule.way, set),
        };
        let flags = if rule.is_stateless { rule_flag::STATELESS } else { 0 };
        self.tables().rules.insert(rule.key(source), Rule { rule: rule.rule, flags });
    }

    fn class(&mut self, direction: u32, address: Address, length: u8) -> u32 {
        let key = ClassKey::new(GUARD, direction, address, length);
        let tables = self.tables();
        let next = 1 << 31 | tables.classes.len() as u32;
        if let Some((_, row)) = tables.classes.iter().find(|(other, _)| **other == key) {
            return row.class;
        }
        tables.classes.insert(key, Class { class: next });
        next
    }

    fn set(&mut self, direction: u32, set: u32) -> u32 {
        let slot = self.policy(direction).set_count;
        let flags = set_flag::HAS_ADDRESSES | set_flag::HAS_PREFIXES;
        let key = PolicySetKey { policy: GUARD, direction, slot };
        self.tables().policy_sets.insert(key, PolicySet { set, flags });
        self.policy(direction).set_count += 1;
        set
    }

    /// Removes all of a rule, and has connections judged again.
    pub fn revoke(&mut self, rule: u32) {
        let is_part = |key: &RuleKey, row: &Rule| key.policy == GUARD && row.rule == rule;
        let rows = self.node.tables.rules.iter();
        let keys: Vec<_> = rows.filter(|(key, row)| is_part(key, row)).map(|(key, _)| *key).collect();
        for key in keys {
            self.tables().rules.remove(&key);
            self.policy(key.direction).generation += 1;
        }
    }

    /// The peer sends; none if the guarded port gets it.
    pub fn comes(&mut self, frame: &[u8]) -> Option<DropReason> {
        self.node.from_port(self.peer.ifindex(), frame.to_vec()).verdict.reason()
    }

    /// The guarded port sends; none if the peer gets it.
    pub fn goes(&mut self, frame: &[u8]) -> Option<DropReason> {
        self.node.from_port(self.guarded.ifindex(), frame.to_vec()).verdict.reason()
    }

    pub fn pass(&mut self, seconds: u64) {
        self.node.now += seconds * SECOND;
    }

    /// The connections of the guarded port.
    pub fn connections(&self) -> Vec<Connection> {
        let all = self.node.tables.connections.iter();
        all.filter(|(key, _)| key.port == self.guarded.port).map(|(_, row)| *row).collect()
    }

    /// The only one.
    #[track_caller]
    pub fn connection(&self) -> Connection {
        match self.connections()[..] {
            [only] => only,
            ref all => panic!("not one: {all:?}"),
        }
    }
}

pub const DENIED_IN: Option<DropReason> = Some(DropReason::IngressDenied);
pub const DENIED_OUT: Option<DropReason> = Some(DropReason::EgressDenied);
