//! What a packet would meet on a host, and why: the pipeline run on a snapshot of the host's live tables, with everything noted that
//! it asked and decided.
//!
//! A [`Snapshot`] begins empty and reads from its [`Source`] only the rows that the pipeline asks for: the walk is run, what it asked
//! and the snapshot did not have yet is read, and it is run again, until it asks nothing new. The last run is the walk that is told; all
//! of it saw one set of rows, and it is the ordinary host build of the pipeline that ran. A table of a million rows costs a trace no more
//! than one of ten, and nothing is written anywhere but in the snapshot. Further walks on the same snapshot, as that of the answer, find
//! the connections and sessions that those before them began.
//!
//! ```text
//! Snapshot::walk ──► doors ──► stages ──► Recorder ──► Run ──► rows read so far ◄── Source (the kernel's maps, or a test's tables)
//!                                            └──► events, questions
//! ```

mod question;
mod recorder;

use std::collections::HashMap;
use std::vec::Vec;

use super::env::Run;
use super::{Frame, Node, Outcome, Tables};
use crate::address::Address;
use crate::drop::DropReason;
use crate::env::Tunnel;
use crate::packet::Packet;
use crate::stage::Stage;
use crate::table::{
    Cells, Config, HostKey, NetworkKey, PortKey, Row, SegmentKey, ServiceLink, Table, VniKey,
};
use question::Question;
use recorder::Recorder;

/// Where a snapshot's rows come from.
pub trait Source {
    /// Why a row can't be read.
    type Error;
    /// The row of a hash, or that of the longest prefix in a trie.
    fn get<K: Row, V: Row>(&self, table: &'static Table, key: &K) -> Result<Option<V>, Self::Error>;
}

/// By which door a packet enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// From the instance behind an interface.
    Port {
        /// The interface.
        ifindex: u32,
    },
    /// From another host.
    Overlay {
        /// VNI.
        vni: u32,
        /// The other host's VTEP address.
        source: Address,
    },
    /// From a physical network; the VLAN is the frame's.
    Provider {
        /// The interface.
        ifindex: u32,
    },
}

/// Something that happened on the way, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stage began.
    Entered(Stage),
    /// A table was asked.
    LookedUp {
        /// Which.
        table: &'static Table,
        /// For what. Of a trie, with what it found: the prefix that it found.
        key: Cells,
        /// What it had.
        row: Option<Cells>,
    },
    /// A row was written, or removed, in the snapshot; in the host's own tables the packet itself would have done so.
    Wrote {
        /// In which table.
        table: &'static Table,
        /// Its key.
        key: Cells,
        /// What it became; none when it was removed.
        row: Option<Cells>,
    },
    /// Of a route's paths this one was taken.
    Took(Cells),
    /// A port's rules and connections were asked.
    Judged {
        /// Whose.
        port: u32,
        /// A constant of [`crate::table::direction`].
        way: u32,
        /// Why it may not pass.
        reason: Option<DropReason>,
        /// The rule that allowed it; 0 when a connection did, or nothing had to.
        rule: u32,
    },
    /// A router passed it on, or not.
    Routed(Hop),
    /// A router told the sender why it does not go on.
    Complained(DropReason),
    /// The packet, or a copy of it, was dropped.
    Dropped(DropReason),
}

/// What a router made of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Its interface by which the packet came, an id of `ROUTER_INTERFACES`; 0 for none.
    pub entered: u32,
    /// That by which it leaves; 0 for none.
    pub exit: u32,
    /// The address whose MAC it goes to.
    pub next_hop: Address,
    /// Ends before.
    pub before: Ends,
    /// Ends after; they stand in the header once the packet leaves its last router.
    pub after: Ends,
    /// Time to live or hop limit after.
    pub hop_limit: u8,
}

/// Both ends of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Source port, or the identifier of an ICMP query.
    pub source_port: u16,
    /// Destination port, or the identifier of an ICMP query.
    pub destination_port: u16,
}

impl Ends {
    fn of(packet: &Packet) -> Self {
        let (source_port, destination_port) = match packet.icmp_id {
            0 => (packet.source_port, packet.destination_port),
            id => (id, id),
        };
        Ends {
            source: packet.source_address,
            destination: packet.destination_address,
            source_port,
            destination_port,
        }
    }
}

/// A packet's way through one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What became of it.
    pub outcome: Outcome,
}

/// The rows of a host that walks have asked for so far, and what they wrote.
#[derive(Clone, Debug)]
pub struct Snapshot {
    node: Node,
    /// What was read, with the length of the prefix that a trie had.
    asked: HashMap<Question, Option<u32>>,
}

/// A walk asks for a few dozen rows. One that finds new questions after so many runs would go on for ever.
const MOST_RUNS: usize = 1000;

impl Snapshot {
    /// An empty one of a host with these single rows, at `now` of its monotonic clock (nanoseconds), where it stays. `now` may be past:
    /// connections that began since are not there, so that a packet of then does not find the one that it began itself.
    pub fn new(config: Config, service_link: ServiceLink, now: u64) -> Self {
        // Nobody follows a packet that is none.
        let config = Config { following: 0, ..config };
        let tables = Tables { config, service_link, ..Tables::default() };
        let mut node = Node::new(tables);
        node.now = now;
        Snapshot { node, asked: HashMap::new() }
    }

    /// The interface of a port here, by `PORTS`.
    ///
    /// # Errors
    /// The source's.
    pub fn interface_of<S: Source>(&mut self, source: &S, port: u32) -> Result<Option<u32>, S::Error> {
        let key = PortKey { port };
        self.read(source, Question::Port(key))?;
        Ok(self.node.tables.ports.get(&key).map(|row| row.ifindex))
    }

    /// The port behind an interface here, by `INTERFACES`.
    ///
    /// # Errors
    /// The source's.
    pub fn port_of<S: Source>(&mut self, source: &S, ifindex: u32) -> Result<Option<u32>, S::Error> {
        let key = crate::table::InterfaceKey { ifindex };
        self.read(source, Question::Interface(key))?;
        Ok(self.node.tables.interfaces.get(&key).map(|row| row.port))
    }

    /// The network behind a VNI, by `VNIS`.
    ///
    /// # Errors
    /// The source's.
    pub fn network_of_vni<S: Source>(&mut self, source: &S, vni: u32) -> Result<Option<u32>, S::Error> {
        let key = VniKey { vni };
        self.read(source, Question::Vni(key))?;
        Ok(self.node.tables.vnis.get(&key).map(|row| row.network))
    }

    /// The network of a VLAN on an interface to a physical network, by `SEGMENTS`.
    ///
    /// # Errors
    /// The source's.
    pub fn network_of_vlan<S: Source>(
        &mut self,
        source: &S,
        key: SegmentKey,
    ) -> Result<Option<u32>, S::Error> {
        self.read(source, Question::Segment(key))?;
        Ok(self.node.tables.segments.get(&key).map(|row| row.network))
    }

    /// VNI of a network and VTEP address of a host, by `NETWORKS` and `HOSTS`.
    ///
    /// # Errors
    /// The source's.
    pub fn tunnel_of<S: Source>(
        &mut self,
        source: &S,
        network: u32,
        host: u32,
    ) -> Result<Option<(u32, Address)>, S::Error> {
        let (network, host) = (NetworkKey { network }, HostKey { host });
        self.read(source, Question::Network(network))?;
        self.read(source, Question::Host(host))?;
        let Tables { networks, hosts, .. } = &self.node.tables;
        Ok(networks.get(&network).zip(hosts.get(&host)).map(|(network, host)| (network.vni, host.vtep)))
    }

    /// The same host's, empty, at another moment.
    #[must_use]
    pub fn at(&self, now: u64) -> Snapshot {
        Snapshot::new(self.node.tables.config, self.node.tables.service_link, now)
    }

    /// The interface to the sockets of services; 0 for none.
    pub fn service_interface(&self) -> u32 {
        self.node.tables.service_link.ifindex
    }

    /// Lets a packet in. What it writes stays in the snapshot.
    ///
    /// # Errors
    /// The source's; the snapshot then has nothing of this walk but rows.
    pub fn walk<S: Source>(&mut self, source: &S, door: Door, frame: &Frame) -> Result<Walk, S::Error> {
        for _ in 0..MOST_RUNS {
            let mut trial = self.node.clone();
            let run = run(&mut trial, door, frame.clone());
            let mut is_new = false;
            for question in run.questions {
                is_new |= self.read(source, question)?;
            }
            if !is_new {
                self.node = trial;
                let events = run.events.into_iter().map(|noted| self.told(noted)).collect();
                return Ok(Walk { events, outcome: run.outcome });
            }
        }
        unreachable!("a walk asks for a bounded number of rows")
    }

    /// Reads the row of a question, unless it was read before. Whether it was not.
    fn read<S: Source>(&mut self, source: &S, question: Question) -> Result<bool, S::Error> {
        if self.asked.contains_key(&question) {
            return Ok(false);
        }
        let matched = question.fetch(source, &mut self.node.tables)?;
        if let Question::Connection(key) = &question {
            let Node { tables, now, .. } = &mut self.node;
            tables.connections.retain(|found, row| found != key || row.began <= *now);
        }
        self.asked.insert(question, matched);
        Ok(true)
    }

    fn told(&self, noted: Noted) -> Event {
        match noted {
            Noted::Event(event) => event,
            Noted::Question(question, row) => {
                let matched = self.asked.get(&question).copied().flatten();
                Event::LookedUp { table: question.table(), key: question.cells(matched), row }
            }
        }
    }
}

/// What a recorder notes.
enum Noted {
    Event(Event),
    Question(Question, Option<Cells>),
}

struct Recorded {
    events: Vec<Noted>,
    questions: Vec<Question>,
    outcome: Outcome,
}

fn run(node: &mut Node, door: Door, frame: Frame) -> Recorded {
    let (ifindex, tunnel) = match door {
        Door::Port { ifindex } | Door::Provider { ifindex } => (ifindex, None),
        Door::Overlay { vni, source } => {
            let tunnel = Tunnel { vni, remote: source, local: Address::UNSPECIFIED };
            (node.tables.config.overlay_ifindex, Some(tunnel))
        }
    };
    let mut recorder = Recorder::new(Run::new(node, frame, ifindex, tunnel));
    let mut packet = Packet::EMPTY;
    let verdict = match door {
        Door::Port { .. } => crate::from_port(&mut recorder, &mut packet),
        Door::Overlay { .. } => crate::from_overlay(&mut recorder, &mut packet),
        Door::Provider { .. } => crate::from_provider(&mut recorder, &mut packet),
    };
    let (run, events) = recorder.finish();
    let questions = events.iter().filter_map(|noted| match noted {
        Noted::Question(question, _) => Some(*question),
        Noted::Event(_) => None,
    });
    Recorded { questions: questions.collect(), events, outcome: run.finish(verdict) }
}
