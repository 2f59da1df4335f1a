//! `hadron trace`: where a packet would go, and why.
//!
//! ```text
//! question ──► origin: host, door, frame
//!                 │
//!                 ▼
//!     ┌──► the host's node walks it through the pipeline on a snapshot of its live tables ──► a leg
//!     │           │
//!     └───────────┴─ it leaves for another host: the next leg        delivered: the answer is made and walks back
//! ```
//! The server knows names and which host is next; what happens to the packet only the hosts know. No leg changes anything: what a real
//! packet would write goes into the hosts' snapshots, where the answer finds it. Rows may come to a host while it is traced; then the
//! trace is made again, and if they keep coming, it says so.

mod error;
mod leg;
mod live;
mod message;
mod name;
mod origin;
mod packet;

pub use error::TraceError;
pub use live::{Kernel, LiveEvent, LivePacket, LivePlace, LiveQuestion, live};
pub use message::{End, Field, Leg, Named, Note, PacketView, Question, Reason, Report, RuleView, StageView};

use crate::nodes::NodeService;
use hadron_model::{Network, Port, PortId};
use hadron_store::{Snapshot, Store};
use hadron_wire::proto::trace_output::To;
use hadron_wire::proto::{TraceOutput, TraceReply, TraceRequest, TraceTunnel, trace_request};
use leg::{host_at, host_beyond, sentence};
use name::Names;
use origin::{Door, Entrance};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// Most hosts that a packet and its copies are followed to, each way.
const MOST_LEGS: usize = 16;
/// How often a trace is made again because rows came meanwhile.
const ATTEMPTS: usize = 3;

/// Traces a question's packet, and its answer.
///
/// # Errors
/// The packet can't be, or a host can't be asked.
pub async fn trace(store: &Store, nodes: &NodeService, question: &Question) -> Result<Report, TraceError> {
    let mut attempt = 1;
    loop {
        let view = store.snapshot();
        let mut journey = Journey::new(&view, nodes)?;
        let report = journey.report(question).await?;
        if !journey.has_changed || attempt == ATTEMPTS {
            return Ok(report);
        }
        attempt += 1;
    }
}

/// A trace under way.
struct Journey<'a> {
    names: Names<'a>,
    nodes: &'a NodeService,
    id: [u8; 16],
    /// The revision that each host had at its first leg.
    revisions: BTreeMap<String, u64>,
    has_changed: bool,
    warnings: Vec<String>,
}

/// Where a packet, or one of its copies, came to its end.
#[derive(Clone, Debug)]
enum Arrival {
    Port { port: PortId, frame: Vec<u8> },
    Outside { host: String, network: String, vlan: u32, frame: Vec<u8> },
}

/// A packet's way, and what is to be said of it.
#[derive(Default)]
struct Way {
    legs: Vec<Leg>,
    /// How the packet came into each leg.
    entrances: Vec<Entrance>,
    arrivals: Vec<Arrival>,
}

impl<'a> Journey<'a> {
    fn new(view: &'a Snapshot, nodes: &'a NodeService) -> Result<Self, TraceError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)
            .map_err(|error| TraceError::Question(format!("the machine has no random numbers: {error}")))?;
        Ok(Self {
            names: Names(view),
            nodes,
            id,
            revisions: BTreeMap::new(),
            has_changed: false,
            warnings: Vec::new(),
        })
    }

    async fn report(&mut self, question: &Question) -> Result<Report, TraceError> {
        let there = self.follow(origin::entrance(self.names.0, question)?).await?;
        let (verdict, is_delivered) = verdict(&there);
        let (back, back_verdict) = match self.answer(question, &there) {
            Err(why) => (None, why),
            Ok(entrance) => match self.follow(entrance).await {
                Ok(way) => {
                    let said = self.returned(&there, &way);
                    (Some(way), said)
                }
                Err(error) => (None, format!("the answer can't be traced: {error}")),
            },
        };
        if self.has_changed {
            self.warnings.push(
                "rows came to a host while it was traced, three times over: parts of this may be older than others"
                    .into(),
            );
        }
        let is_answered = back.as_ref().is_some_and(|back| self.is_back(&there, back));
        let warnings = std::mem::take(&mut self.warnings);
        let back = back.map(|way| way.legs);
        Ok(Report { there: there.legs, verdict, is_delivered, back, back_verdict, is_answered, warnings })
    }

    /// Follows a packet from host to host until all its copies have arrived, or are lost.
    async fn follow(&mut self, entrance: Entrance) -> Result<Way, TraceError> {
        let (mut way, mut waiting) = (Way::default(), VecDeque::from([entrance]));
        while let Some(entrance) = waiting.pop_front() {
            if way.legs.len() == MOST_LEGS {
                self.warnings.push(format!("followed to the first {MOST_LEGS} hosts only"));
                break;
            }
            let reply = match self.ask(&entrance).await {
                Ok(reply) => reply,
                Err(error) if way.legs.is_empty() => return Err(error),
                Err(error) => {
                    self.warnings.push(format!("not followed further: {error}"));
                    continue;
                }
            };
            let mut leg = leg::leg(self.names, &entrance, &reply);
            let is_return = entrance.is_return || has_complained(&leg);
            for (end, output) in ends_of_outputs(&mut leg, &reply) {
                match self.next(&entrance, is_return, end, output) {
                    Next::Host(entrance) => waiting.push_back(entrance),
                    Next::Arrived(arrival) => way.arrivals.push(arrival),
                    Next::Lost => {}
                }
            }
            way.legs.push(leg);
            way.entrances.push(entrance);
        }
        Ok(way)
    }

    async fn ask(&mut self, entrance: &Entrance) -> Result<TraceReply, TraceError> {
        let door = match &entrance.door {
            Door::Port(id) => {
                let port = self.names.0.get::<Port>(id).ok_or(TraceError::NoPort(id.to_string()))?;
                trace_request::Door::Port(port.number.0)
            }
            Door::Overlay { vni, source } => {
                let source = hadron_wire::row::address(*source).octets().to_vec().into();
                trace_request::Door::Overlay(TraceTunnel { vni: *vni, source, ..TraceTunnel::default() })
            }
            Door::Physical(network) => trace_request::Door::PhysicalNetwork(network.clone()),
        };
        let request = TraceRequest {
            id: 0,
            trace: self.id.to_vec().into(),
            door: Some(door),
            frame: entrance.frame.clone().into(),
            vlan: entrance.vlan,
        };
        let host = &entrance.host;
        let reply = self.nodes.trace(host, request).await?;
        if !reply.error.is_empty() {
            return Err(TraceError::Host(host.clone(), reply.error));
        }
        let first = *self.revisions.entry(host.clone()).or_insert(reply.revision);
        self.has_changed |= first != reply.revision;
        if reply.pending > 0 {
            let text = format!("host {host}: {} rows of its tables are not as they should be", reply.pending);
            if !self.warnings.contains(&text) {
                self.warnings.push(text);
            }
        }
        Ok(reply)
    }

    /// Where what left a host goes on.
    fn next(&self, from: &Entrance, is_return: bool, end: &mut End, output: &TraceOutput) -> Next {
        let frame = output.frame.to_vec();
        match (end, &output.to) {
            (End::Port { is_return: true, .. }, _) => Next::Lost,
            (End::Port { port, .. }, _) => match port.id.parse() {
                Ok(port) => Next::Arrived(Arrival::Port { port, frame }),
                Err(_) => Next::Lost,
            },
            (End::Host { vni, .. }, Some(To::Overlay(tunnel))) => {
                let (source, destination) = (leg::address(&tunnel.source), leg::address(&tunnel.destination));
                let host = destination.and_then(|address| host_at(self.names, address));
                match (host, source) {
                    (Some(host), Some(source)) => Next::Host(Entrance {
                        host: host.name.clone(),
                        door: Door::Overlay { vni: *vni, source },
                        frame,
                        vlan: 0,
                        is_return,
                    }),
                    _ => Next::Lost,
                }
            }
            (End::PhysicalNetwork { network, host, packet, .. }, _) => {
                let (name, vlan) = (network.clone(), output.vlan);
                let beyond = self.network_of(network, vlan).and_then(|network| self.beyond(network, packet));
                *host = beyond.filter(|host| *host != from.host);
                match host {
                    Some(host) => {
                        let door = Door::Physical(name);
                        Next::Host(Entrance { host: host.clone(), door, frame, vlan, is_return })
                    }
                    None if is_return => Next::Lost,
                    None => {
                        let host = from.host.clone();
                        Next::Arrived(Arrival::Outside { host, network: name, vlan, frame })
                    }
                }
            }
            _ => Next::Lost,
        }
    }

    fn network_of(&self, physical: &str, vlan: u32) -> Option<&'a Network> {
        let is_it = |network: &&Network| {
            network.segment.physical().is_some_and(|segment| {
                segment.network == physical && segment.vlan.map_or(0, |it| u32::from(it.get())) == vlan
            })
        };
        self.names.0.iter::<Network>().map(|network| &network.value).find(is_it)
    }

    /// The host of this cloud that takes a frame from the physical network: of a port there, or of a floating IP.
    fn beyond(&self, network: &Network, packet: &PacketView) -> Option<String> {
        if let Some(host) = host_beyond(self.names, network.id, packet) {
            return Some(host);
        }
        let is_routers = |port: &Port| port.mac_address.to_string() == packet.destination_mac;
        let destination = packet.destination?;
        let mut floating = self.names.0.floating_ips_of_network(network.id);
        let is_floating = floating.any(|floating| floating.floating_ip_address == destination);
        let is_router = self.names.0.router_ports_on(network.id).any(|port| is_routers(port));
        let answerer = || origin::answerer(self.names.0, network.id, destination).ok().map(|(host, _)| host);
        (is_floating || is_router).then(answerer).flatten()
    }

    /// The entrance of the answer to a packet that has arrived, or why there is none.
    fn answer(&self, question: &Question, there: &Way) -> Result<Entrance, String> {
        if question.one_way {
            return Err("not asked for".into());
        }
        let arrival = match &there.arrivals[..] {
            [] => return Err("nothing has arrived that could be answered".into()),
            [arrival] => arrival,
            _ => return Err("what comes to many is not answered".into()),
        };
        match arrival {
            Arrival::Port { port, frame } => {
                let answer = packet::answer(frame)?.bytes()?;
                let port =
                    self.names.0.get::<Port>(port).ok_or_else(|| "the port has gone meanwhile".to_owned())?;
                origin::at_port(port, answer).map_err(|error| error.to_string())
            }
            Arrival::Outside { host, network, vlan, frame } => {
                let mut answer = packet::answer(frame)?;
                let external = self.network_of(network, *vlan).ok_or("the network has gone meanwhile")?;
                let (to, mac) = origin::answerer(self.names.0, external.id, answer.destination)
                    .map_err(|error| error.to_string())?;
                answer.macs[1] = mac;
                // A floating IP's answer comes where the packet has left.
                let host = if mac.is_zero() { host.clone() } else { to };
                let door = Door::Physical(network.clone());
                Ok(Entrance { host, door, frame: answer.bytes()?, vlan: *vlan, is_return: false })
            }
        }
    }

    /// What became of the answer, in a sentence.
    fn returned(&self, there: &Way, back: &Way) -> String {
        match self.is_back(there, back) {
            true => "the answer comes back to who has asked".into(),
            false => format!("the answer: {}", verdict(back).0),
        }
    }

    /// Whether an answer has come to the end where the packet began.
    fn is_back(&self, there: &Way, back: &Way) -> bool {
        let Some(first) = there.legs.first() else { return false };
        let ends = |packet: &PacketView| (packet.source, packet.destination);
        let (source, _) = ends(&first.packet);
        back.arrivals.iter().any(|arrival| match arrival {
            Arrival::Port { frame, .. } | Arrival::Outside { frame, .. } => {
                let seen = packet::view(frame, 0);
                let is_from: Option<IpAddr> = first.packet.destination;
                seen.destination == source && seen.source == is_from
            }
        })
    }
}

enum Next {
    Host(Entrance),
    Arrived(Arrival),
    Lost,
}

/// Whether a router has told the sender of the packet instead of passing it on.
fn has_complained(leg: &Leg) -> bool {
    leg.stages.iter().flat_map(|stage| &stage.notes).any(|note| matches!(note, Note::Complained { .. }))
}

/// The ends of a leg that are outputs of the reply, each with its output: they come last, in the same order.
fn ends_of_outputs<'l>(leg: &'l mut Leg, reply: &'l TraceReply) -> Vec<(&'l mut End, &'l TraceOutput)> {
    let is_output = |end: &&mut End| !matches!(end, End::Dropped { .. });
    leg.ends.iter_mut().filter(is_output).zip(&reply.outputs).collect()
}

/// What became of a packet in a sentence, and whether it reached somebody.
fn verdict(way: &Way) -> (String, bool) {
    let dropped = way.legs.iter().find_map(|leg| {
        let reason = leg.ends.iter().find_map(|end| match end {
            End::Dropped { reason } => Some(reason),
            _ => None,
        })?;
        Some((leg, reason))
    });
    let ends: Vec<&End> = way.legs.iter().flat_map(|leg| &leg.ends).collect();
    let service = ends.iter().find_map(|end| match end {
        End::Service { what } => Some(what),
        _ => None,
    });
    match (&way.arrivals[..], dropped) {
        ([], Some((leg, reason))) => {
            let is_told = |end: &&&End| {
                matches!(
                    end,
                    End::Port { is_return: true, .. } | End::PhysicalNetwork { is_return: true, .. }
                )
            };
            let told = ends.iter().any(|end| is_told(&end));
            let told = if told { "; the sender is told by ICMP" } else { "" };
            let text = format!(
                "dropped on host {} in {}: {} ({}){told}",
                leg.host, reason.stage, reason.text, reason.label
            );
            (text, false)
        }
        ([arrival], _) => (arrived(way, arrival), true),
        ([], None) => match (service, ends.first()) {
            (Some(what), _) => (format!("answered by the sender's own host ({what})"), true),
            (None, Some(End::Port { is_return: true, .. })) => {
                ("answered by the sender's own host".into(), true)
            }
            (None, Some(End::Other { what })) => (format!("left to {what}"), false),
            _ => ("nobody gets it".into(), false),
        },
        (many, _) => (format!("delivered to {} ports and networks", many.len()), true),
    }
}

fn arrived(way: &Way, arrival: &Arrival) -> String {
    let ends = way.legs.iter().flat_map(|leg| leg.ends.iter().map(move |end| (leg, end)));
    match arrival {
        Arrival::Port { port, .. } => {
            let id = port.to_string();
            let found = ends.into_iter().find_map(|(leg, end)| match end {
                End::Port { port, .. } if port.id == id => {
                    Some(format!("{} on host {}", sentence(port), leg.host))
                }
                _ => None,
            });
            format!("delivered to {}", found.unwrap_or(id))
        }
        Arrival::Outside { host, network, .. } => {
            format!("leaves the cloud by physical network {network} of host {host}")
        }
    }
}
