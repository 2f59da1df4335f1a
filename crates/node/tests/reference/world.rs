//! A random host: its rows, what the node makes of them, and the plain reference beside it.

use crate::host::Host;
use crate::model::Model;
use crate::packet::Packet;
use crate::random::Random;
use crate::told::{self, Told, reason};
use hadron_node::apply::calculation::per_second;
use hadron_node::apply::{Calculation, HostFacts, Limits, Writer};
use hadron_node::plane::Plane;
use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Outcome, Output};
use hadron_pipeline::table::{LogEvent, PortKey};
use hadron_pipeline::{Address, Mac, VerdictKind};
use hadron_wire::proto::Batch;
use hadron_wire::proto::welcome::Mode;
use hadron_wire::row::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub const NETWORK: u32 = 1;
const VNI: u32 = 500;
const SELF: u32 = 1;
const OTHER: u32 = 2;
const LOCALS: u32 = 5;
pub const STATIONS: u32 = 8;
pub const POLICIES: u32 = 3;
pub const GROUPS: u32 = 4;
/// Groups, and address groups behind them.
pub const SETS: u32 = 6;

/// Somebody with a port: here if the number is low, else on another host.
#[derive(Clone, Copy, Debug)]
pub struct Station {
    pub number: u32,
}

impl Station {
    pub fn mac(self) -> Mac {
        Mac([0xfa, 0x16, 0x3e, 0, 0, self.number as u8])
    }

    pub fn v4(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, (self.number % 2) as u8, self.number as u8))
    }

    pub fn v6(self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, (self.number % 2) as u16, 0, 0, 0, self.number as u16))
    }

    pub fn is_here(self) -> bool {
        self.number <= LOCALS
    }

    fn interface(self) -> u32 {
        1000 + self.number
    }
}

pub fn stations() -> impl Iterator<Item = Station> {
    (1..=STATIONS).map(|number| Station { number })
}

fn vtep(host: u32) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, host as u8)
}

/// What became of a packet.
#[derive(PartialEq, Eq, Debug)]
pub enum Fate {
    Dropped(DropReason),
    Delivered(u32),
    Tunnelled,
    /// To the interfaces here that got a copy.
    Flooded(BTreeSet<u32>),
}

pub struct World {
    pub random: Random,
    pub model: Model,
    /// Whether the rules of a group, from 1, are stateless.
    pub stateless: [bool; GROUPS as usize + 1],
    pub next_rule: u32,
    calculation: Calculation,
    writer: Writer,
    host: Host,
    limit: u32,
}

fn facts(connections: u32) -> HostFacts {
    let none = per_second(0);
    let limits = Limits { punt: none, miss: none, flood: none, connections, log: none, ..Limits::default() };
    HostFacts {
        number: SELF,
        underlay: vtep(SELF).into(),
        overlay: Some(7),
        overlay_mtu: 1450,
        limits,
        providers: BTreeMap::new(),
        services: None,
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let limit = random.pick(&[1 << 30, 1 << 30, 24, 6]);
        let mut world = Self {
            random,
            model: Model::at(1000, limit),
            stateless: [false; GROUPS as usize + 1],
            next_rule: 1,
            calculation: Calculation::new(facts(limit)),
            writer: Writer::default(),
            host: Host::new(),
            limit,
        };
        world.begin();
        world.wait(0);
        world
    }

    fn begin(&mut self) {
        for station in stations().filter(|station| station.is_here()) {
            self.calculation
                .set_interface(&format!("tap{}", station.number), Some(station.interface().into()));
        }
        let network = NetworkRow {
            number: NETWORK,
            uuid: [0; 16],
            vni: Some(VNI),
            mtu: 1450,
            admin_up: true,
            privacy_addresses: false,
            unlisted_addresses: false,
            physical: None,
        };
        let presence = |host| {
            Row::Presence(PresenceRow { network: NETWORK, host, underlay: vtep(host).to_ipv6_mapped() })
        };
        let mut rows = vec![Row::Network(network), presence(SELF), presence(OTHER)];
        for station in stations() {
            rows.push(Row::Location(LocationRow {
                network: NETWORK,
                port: station.number,
                mac: station.mac().0,
                addresses: vec![address(station.v4()), address(station.v6())],
                place: Place::Host(if station.is_here() { SELF } else { OTHER }),
            }));
        }
        for number in 1..=POLICIES {
            let groups = (1..=GROUPS).filter(|_| self.random.one_in(2)).collect();
            rows.push(Row::Policy(PolicyRow { number, groups }));
        }
        for station in stations().filter(|station| station.is_here()) {
            let policy = Some(1 + self.random.below(POLICIES as usize) as u32);
            let log = log(&mut self.random);
            rows.push(Row::Port(PortRow { log, ..port(station, policy, false) }));
        }
        self.set(rows);
    }

    pub fn set(&mut self, rows: Vec<Row>) {
        self.apply(rows.into_iter().map(|row| RowChange { key: row.key(), row: Some(row) }).collect());
    }

    pub fn remove(&mut self, key: RowKey) {
        self.apply(vec![RowChange { key, row: None }]);
    }

    fn apply(&mut self, changes: Vec<RowChange>) {
        let encode = |change: &RowChange| match &change.row {
            Some(row) => RowChange::encode_set(row),
            None => RowChange::encode_removal(change.key),
        };
        let changes = changes.into_iter().map(|change| {
            let bytes = encode(&change);
            match change.row {
                Some(row) => drop(self.model.rows.insert(change.key, row)),
                None => drop(self.model.rows.remove(&change.key)),
            }
            bytes
        });
        let applied = self.calculation.apply(Batch { changes: changes.collect(), ..Batch::default() });
        assert_eq!(applied.malformed, []);
        self.write();
    }

    fn write(&mut self) {
        self.model.changes += 1;
        self.writer.desire(self.calculation.take_changes());
        assert_eq!(self.writer.write(&mut self.host, true), []);
    }

    /// A new agent takes over the tables of the one before it.
    pub fn restart(&mut self) {
        self.calculation = Calculation::new(facts(self.limit));
        self.writer = Writer::default();
        self.writer.observe(self.host.dump().unwrap());
        for station in stations().filter(|station| station.is_here()) {
            self.calculation
                .set_interface(&format!("tap{}", station.number), Some(station.interface().into()));
        }
        self.calculation.begin(Mode::Snapshot);
        let changes = self.model.rows.values().map(RowChange::encode_set).collect();
        self.calculation.apply(Batch { changes, end_of_snapshot: true, ..Batch::default() });
        self.write();
    }

    pub fn wait(&mut self, seconds: u64) {
        self.model.now += seconds;
        self.host.node.now = self.model.now * 1_000_000_000;
    }

    /// What the agent does every few seconds.
    pub fn sweep(&mut self) {
        let now = self.host.node.now;
        let tables = &mut self.host.node.tables;
        tables.connections.retain(|_, row| row.expires > now);
        for (key, row) in &mut tables.connection_counts {
            row.count = tables.connections.keys().filter(|other| other.port == key.port).count() as u32;
            row.since = now;
        }
        self.model.sweep();
    }

    /// Ports that have counted otherwise than the reference.
    pub fn miscounted(&self) -> Vec<u32> {
        let tables = &self.host.node.tables;
        let is_right = |key: &PortKey| {
            let (counts, counters) = (tables.connection_counts[key], tables.port_counters[key]);
            (counts.refused, counters.untracked) == self.model.crowding(key.port)
        };
        tables.ports.keys().filter(|key| !is_right(key)).map(|key| key.port).collect()
    }

    /// What the host does with a packet.
    pub fn send(&mut self, packet: &Packet) -> (Fate, Vec<LogEvent>) {
        let sender = stations().find(|station| station.mac() == packet.from).expect("a sender");
        let node = &mut self.host.node;
        let outcome = if sender.is_here() {
            node.from_port(sender.interface(), packet.bytes())
        } else {
            node.from_overlay(VNI, Address::from(IpAddr::V4(vtep(OTHER))), packet.bytes())
        };
        (fate(&outcome), outcome.events)
    }

    /// Whether the reference says the same.
    pub fn agrees(
        &mut self,
        packet: &Packet,
        fate: &Fate,
        events: &[LogEvent],
    ) -> Result<(), (Fate, Vec<Told>)> {
        let expected = self.expect(packet);
        if expected == *fate && told::is_all(&self.model.told, events, packet) {
            return Ok(());
        }
        let told = std::mem::take(&mut self.model.told);
        use Direction::{Egress, Ingress};
        let is_among = packet.quote.is_some()
            && [vec![Egress], vec![Ingress], vec![Egress, Ingress]].into_iter().any(|waits| {
                self.model.waits = waits;
                self.expect(packet) == *fate && told::is_all(&self.model.told, events, packet)
            });
        self.model.waits.clear();
        if is_among { Ok(()) } else { Err((expected, told)) }
    }

    /// What the reference says.
    fn expect(&mut self, packet: &Packet) -> Fate {
        self.model.told.clear();
        let sender = stations().find(|station| station.mac() == packet.from).expect("a sender");
        if sender.is_here()
            && let Err(denial) = self.model.judge(sender.number, Direction::Egress, packet)
        {
            return Fate::Dropped(reason(Direction::Egress, denial));
        }
        if packet.to.is_multicast() {
            let here = stations().filter(|station| station.is_here() && station.number != sender.number);
            let get =
                here.filter(|station| self.model.judge(station.number, Direction::Ingress, packet).is_ok());
            return Fate::Flooded(get.map(Station::interface).collect());
        }
        let receiver = stations().find(|station| station.mac() == packet.to).expect("a receiver");
        if !receiver.is_here() {
            return Fate::Tunnelled;
        }
        match self.model.judge(receiver.number, Direction::Ingress, packet) {
            Ok(()) => Fate::Delivered(receiver.number),
            Err(denial) => Fate::Dropped(reason(Direction::Ingress, denial)),
        }
    }
}

/// What of a port's packets is logged.
pub fn log(random: &mut Random) -> Option<PortLog> {
    let (accepted, dropped) = (random.one_in(3), random.one_in(3));
    let object = LogObject { uuid: [9; 16], accepted, dropped, group: None };
    (accepted || dropped).then(|| PortLog { project: "project".into(), logs: vec![object] })
}

pub fn port(station: Station, policy: Option<u32>, is_open: bool) -> PortRow {
    let addresses = [station.v4(), station.v6()].map(|at| PortAddress { address: address(at), subnet: 1 });
    PortRow {
        number: station.number,
        uuid: [0; 16],
        network: NETWORK,
        mac: station.mac().0,
        addresses: addresses.to_vec(),
        interface_name: format!("tap{}", station.number),
        admin_up: true,
        port_security_disabled: is_open,
        revision: 1,
        policy,
        allowed_pairs: Vec::new(),
        log: None,
        dhcp_options: Vec::new(),
        dns_name: String::new(),
    }
}

fn fate(outcome: &Outcome) -> Fate {
    let verdict = outcome.verdict;
    if let Some(reason) = verdict.reason() {
        return Fate::Dropped(reason);
    }
    let delivered = outcome.outputs.iter().filter_map(|output| match output {
        Output::Deliver { ifindex, .. } => Some(*ifindex),
        _ => None,
    });
    match verdict.kind {
        kind if kind == VerdictKind::Deliver as u32 => Fate::Delivered(verdict.a),
        kind if kind == VerdictKind::Tunnel as u32 => Fate::Tunnelled,
        kind if kind == VerdictKind::Flood as u32 => Fate::Flooded(delivered.collect()),
        _ => panic!("{outcome:?}"),
    }
}
