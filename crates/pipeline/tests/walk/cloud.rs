//! A cloud of hosts whose tables follow from a list of instances, as the node's loader would write them.

use std::net::{Ipv4Addr, Ipv6Addr};

use hadron_pipeline::host::{Node, Outcome, Output, Tables};
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, Mac, VerdictKind, drop::DropReason};

/// An instance's port, bound to a host.
#[derive(Clone, Debug)]
pub struct Instance {
    pub port: u32,
    pub network: u32,
    pub host: u32,
    pub mac: Mac,
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
    pub is_secure: bool,
    pub policy: u32,
}

impl Instance {
    /// The `n`th instance of a network. Addresses overlap between networks; so do MACs.
    pub fn new(network: u32, n: u8, host: u32) -> Self {
        Instance {
            port: network * 100 + u32::from(n),
            network,
            host,
            mac: Mac([0xfa, 0x16, 0x3e, 0, 0, n]),
            v4: Ipv4Addr::new(10, 0, 0, n),
            v6: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, n.into()),
            is_secure: true,
            policy: ALLOW_ALL,
        }
    }

    pub fn open(self) -> Self {
        Instance { is_secure: false, ..self }
    }

    /// The interface on its host.
    pub fn ifindex(&self) -> u32 {
        1000 + self.port
    }

    pub fn link_local(&self) -> Address {
        self.mac.link_local()
    }
}

pub const OVERLAY_IFINDEX: u32 = 7;
pub const OVERLAY_MTU: u32 = 1450;
pub const SERVICE_MAC: Mac = Mac([0xfa, 0x16, 0x3e, 0xff, 0, 2]);
pub const SERVICE_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 250);

pub fn vtep(host: u32) -> Address {
    Ipv4Addr::new(192, 0, 2, host as u8).into()
}

/// The policy that instances have unless a test says another: it allows everything both ways.
pub const ALLOW_ALL: u32 = 1;

/// The rows of a policy that allows everything.
pub fn allow_all(tables: &mut Tables, policy: u32) {
    for direction in [direction::EGRESS, direction::INGRESS] {
        tables.policies.insert(PolicyKey { policy, direction }, Policy { generation: 1, set_count: 0 });
        let families = [(family::IPV4, Address::UNSPECIFIED_V4, 96), (family::IPV6, Address::UNSPECIFIED, 0)];
        for (family, address, length) in families {
            let class = 1 << 31 | u32::from(family);
            tables.classes.insert(ClassKey::new(policy, direction, address, length), Class { class });
            let key = RuleKey {
                prefix_len: RuleKey::FAMILY,
                policy,
                direction,
                source: class,
                family,
                protocol: 0,
                port: [0; 2],
            };
            tables.rules.insert(key, Rule { rule: 1, flags: 0 });
        }
    }
}

/// A VNI that tells nothing of the network's id.
pub fn vni(network: u32) -> u32 {
    5000 + network
}

/// The tables of one host of a cloud: only networks that it has an instance in.
pub fn tables(host: u32, instances: &[Instance]) -> Tables {
    let mut tables = Tables {
        config: Config {
            layout_version: LAYOUT_VERSION,
            host,
            overlay_ifindex: OVERLAY_IFINDEX,
            overlay_mtu: OVERLAY_MTU,
            underlay: vtep(host),
            timeouts: timeout::DEFAULTS,
            following: 0,
        },
        ..Tables::default()
    };
    allow_all(&mut tables, ALLOW_ALL);
    let is_here = |network| instances.iter().any(|i| i.host == host && i.network == network);
    add_instances(&mut tables, host, instances, is_here);
    tables
}

/// The rows of the instances of some networks.
pub fn add_instances(tables: &mut Tables, host: u32, instances: &[Instance], is_here: impl Fn(u32) -> bool) {
    for instance in instances.iter().filter(|i| is_here(i.network)) {
        add_everywhere(tables, host, instance);
        if instance.host == host {
            add_here(tables, instance);
        }
    }
}

fn add_everywhere(tables: &mut Tables, host: u32, instance: &Instance) {
    let Instance { network, port, mac, .. } = *instance;
    let row = tables.networks.entry(NetworkKey { network }).or_insert(Network {
        vni: vni(network),
        flood_length: 0,
        flags: network_flag::DHCP4,
        ..Network::default()
    });
    let is_local = instance.host == host;
    let (kind, id) = if is_local { (target::PORT, port) } else { (target::HOST, instance.host) };
    let is_listed = |t: &FloodTarget| (t.kind, t.id) == (kind, id);
    if !(0..row.flood_length).any(|slot| is_listed(&tables.flood[&FloodKey { network, slot }])) {
        tables.flood.insert(FloodKey { network, slot: row.flood_length }, FloodTarget { kind, id });
        row.flood_length += 1;
    }
    tables.fdb.insert(FdbKey::new(network, mac), FdbEntry { kind, id });
    tables.fdb.insert(FdbKey::new(network, SERVICE_MAC), FdbEntry { kind: target::SERVICE, id: 0 });
    let service = Neighbour { mac: SERVICE_MAC, kind: neighbour_kind::SERVICE };
    tables.neighbours.insert(NeighbourKey { network, address: SERVICE_V4.into() }, service);
    for address in [instance.v4.into(), instance.v6.into(), instance.link_local()] {
        let neighbour = Neighbour { mac, kind: neighbour_kind::INSTANCE };
        tables.neighbours.insert(NeighbourKey { network, address }, neighbour);
    }
    if !is_local {
        let (host, vni) = (instance.host, vni(network));
        tables.hosts.insert(HostKey { host }, Host { vtep: vtep(host) });
        tables.vnis.insert(VniKey { vni }, Vni { network });
        tables.vteps.insert(VtepKey { vni, address: vtep(host) }, Vtep { host });
    }
}

fn add_here(tables: &mut Tables, instance: &Instance) {
    let Instance { network, port, mac, .. } = *instance;
    let ifindex = instance.ifindex();
    let flags = if instance.is_secure { port_flag::PORT_SECURITY } else { 0 };
    tables.interfaces.insert(InterfaceKey { ifindex }, Interface { port });
    let row = Port {
        network,
        ifindex,
        mac,
        flags,
        policy: instance.policy,
        connection_limit: 1000,
        ..Port::default()
    };
    tables.ports.insert(PortKey { port }, row);
    tables.connection_counts.insert(PortKey { port }, ConnectionCount::default());
    for address in [instance.v4.into(), instance.v6.into()] {
        tables.allowed.insert(AllowedKey::new(port, mac, address), Allowed::default());
    }
    tables.meters.insert(PortKey { port }, Meters::default());
    tables.port_counters.insert(PortKey { port }, PortCounters::default());
}

/// One host of a cloud.
pub fn node(host: u32, instances: &[Instance]) -> Node {
    Node::new(tables(host, instances))
}

/// Two instances of network 1 on host 1.
pub fn pair() -> (Node, Instance, Instance) {
    let (a, b) = (Instance::new(1, 1, 1), Instance::new(1, 2, 1));
    (node(1, &[a.clone(), b.clone()]), a, b)
}

/// Asserts a drop for a reason, with nothing sent, and one count of it.
#[track_caller]
pub fn assert_drop(node: &mut Node, reason: DropReason, run: impl FnOnce(&mut Node) -> Outcome) {
    let before = node.counters.drops[reason as usize];
    let outcome = run(node);
    assert_eq!(outcome.verdict.reason(), Some(reason), "{outcome:?}");
    assert_eq!(outcome.outputs, []);
    assert_eq!(node.counters.drops[reason as usize], before + 1);
}

/// Asserts one delivery to an instance, of exactly these bytes.
#[track_caller]
pub fn assert_delivered(outcome: &Outcome, to: &Instance, expected: &[u8]) {
    assert_eq!(outcome.verdict.kind, VerdictKind::Deliver as u32, "{outcome:?}");
    assert_eq!(outcome.verdict.a, to.port);
    assert_eq!(delivered(outcome), [(to.ifindex(), expected.to_vec())]);
}

/// Interfaces that got a frame, with it.
pub fn delivered(outcome: &Outcome) -> Vec<(u32, Vec<u8>)> {
    let deliveries = outcome.outputs.iter().filter_map(|output| match output {
        Output::Deliver { ifindex, frame } => Some((*ifindex, frame.bytes.clone())),
        _ => None,
    });
    deliveries.collect()
}

/// VTEPs that got a frame, with its VNI and the frame.
pub fn tunnelled(outcome: &Outcome) -> Vec<(Address, u32, Vec<u8>)> {
    let tunnels = outcome.outputs.iter().filter_map(|output| match output {
        Output::Tunnel { tunnel, frame } => Some((tunnel.remote, tunnel.vni, frame.bytes.clone())),
        _ => None,
    });
    tunnels.collect()
}

/// Asserts that everything that left belongs to the network, and that exactly one verdict was given.
pub fn assert_contained(node: &Node, network: u32, outcome: &Outcome) {
    for output in &outcome.outputs {
        match output {
            Output::Deliver { ifindex, .. } => {
                let port = node
                    .tables
                    .ports
                    .values()
                    .find(|port| port.ifindex == *ifindex)
                    .expect("a port's interface");
                assert_eq!(port.network, network);
            }
            Output::Tunnel { tunnel, .. } => assert_eq!(tunnel.vni, vni(network)),
            Output::Punt { header, .. } => {
                assert_eq!(node.tables.ports[&PortKey { port: header.port }].network, network);
            }
        }
    }
    assert_eq!(outcome.verdict.reason().is_some(), outcome.verdict.kind == 1);
    if outcome.verdict.reason().is_some() {
        assert_eq!(outcome.outputs, []);
    }
}
