//! `hadron trace --live`: real packets, each told with its walk and with what the kernel did.
//!
//! ```text
//! question ──► an ordinary trace of such a packet: the hosts that it meets there and back, and how its headers change
//!                 │
//!                 ▼
//!     what it looks like at each host's door ──► their nodes ──► packets, as they come ──► the asker
//! ```
//! Where there is no such trace, packets are followed at the door where they begin. Whoever stops listening stops it everywhere.

use super::leg;
use super::message::{Leg, Question, Reason, RuleView};
use super::name::Names;
use super::origin::{self, Door, Entrance};
use super::packet;
use super::{Journey, TraceError, verdict};
use crate::nodes::{Following, NodeService};
use futures_util::stream::{self, Stream, StreamExt};
use hadron_model::Port;
use hadron_store::{Snapshot, Store};
use hadron_wire::proto::follow_news::News;
use hadron_wire::proto::{FollowEnd, FollowPlace, FollowRequest, FollowedPacket, follow_place};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Most packets that are told of a place, and the longest time, seconds.
const MOST: u32 = 1000;
const LONGEST: u32 = 3600;
/// Longest frame that is filled up again behind its headers, octets.
const LONGEST_FRAME: usize = 66_000;

/// Which packets are followed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LiveQuestion {
    /// As for a trace, but that protocol, destination and its port may be left out: any. There is no `frame`; flags, size, hop limit
    /// and fragment don't count.
    pub packets: Question,
    /// Source port; any without it.
    pub source_port: Option<u16>,
    /// Most packets of each place, 1 to 1,000.
    pub count: u32,
    /// How long, 1 to 3,600.
    pub seconds: u32,
}

/// What is told of them: a line of `hadron trace --live --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum LiveEvent {
    /// Packets are followed from now on.
    Begun {
        /// Where.
        places: Vec<LivePlace>,
        /// What would become of such a packet by the tables as they are, in a sentence; empty where none can be made up.
        expected: String,
        /// What is not followed, and why.
        warnings: Vec<String>,
    },
    /// A packet came.
    Packet(Box<LivePacket>),
    /// A host is done: by the number, or by the time.
    Ended {
        /// Which.
        host: String,
        /// Packets that were not told for the host's rate of 200 a second, or for want of room.
        lost: u64,
        /// Its stream ended before.
        is_cut_off: bool,
    },
}

/// A door where packets are followed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LivePlace {
    /// The host.
    pub host: String,
    /// How they come in, in words.
    pub entrance: String,
    /// Whether these are the answers.
    pub is_answer: bool,
}

/// A real packet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LivePacket {
    /// When it came in, by the host's clock (RFC 3339).
    pub time: String,
    /// Whether it is an answer.
    pub is_answer: bool,
    /// Its walk by the host's tables as they were right after, but without the connections that it began. No stages where there is none.
    pub leg: Leg,
    /// Why there is no walk; empty where there is one.
    pub no_walk: String,
    /// What the kernel did.
    pub kernel: Kernel,
}

/// What the kernel did with a packet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kernel {
    /// In a sentence.
    pub text: String,
    /// Why it was dropped, if it was.
    pub reason: Option<Reason>,
    /// The rule that allowed it last; absent where a connection did, or nothing had to.
    pub rule: Option<RuleView>,
    /// The walk comes to the same. If not, the tables have changed since, or the walk has met what the packet itself has left.
    pub agrees: bool,
}

/// A place with what its packets look like.
#[derive(Clone, Debug)]
struct Watched {
    host: String,
    door: Door,
    vlan: u32,
    is_answer: bool,
    looks: Looks,
}

/// What packets look like; none is any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Looks {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    protocol: u8,
    source_port: u16,
    destination_port: u16,
}

/// Follows packets until they were so many or so long, or the stream is dropped.
///
/// # Errors
/// There can't be such packets, or the host where they begin can't be asked. That another one can't be is a warning.
pub async fn live(
    store: &Store,
    nodes: &NodeService,
    question: &LiveQuestion,
) -> Result<impl Stream<Item = LiveEvent> + Send + use<>, TraceError> {
    check(question)?;
    let view = store.snapshot();
    let (watched, expected, mut warnings) = plan(&view, nodes, question).await?;
    let mut hosts: Vec<(String, Vec<Watched>)> = Vec::new();
    for place in watched {
        match hosts.iter_mut().find(|(host, _)| *host == place.host) {
            Some((_, places)) => places.push(place),
            None => hosts.push((place.host.clone(), vec![place])),
        }
    }
    let (mut streams, mut places) = (Vec::new(), Vec::new());
    for (number, (host, watched)) in hosts.into_iter().enumerate() {
        match nodes.follow(&host, request(&view, &watched, question)?).await {
            Ok(following) => {
                places.extend(watched.iter().map(|it| place(Names(&view), it)));
                streams.push(Box::pin(told(store.clone(), host, watched, following)));
            }
            Err(error) if number == 0 => return Err(error.into()),
            Err(error) => warnings.push(format!("not followed further: {error}")),
        }
    }
    let begun = LiveEvent::Begun { places, expected, warnings };
    Ok(stream::iter([begun]).chain(stream::select_all(streams)))
}

fn check(question: &LiveQuestion) -> Result<(), TraceError> {
    let refused = |text: String| Err(TraceError::Question(text));
    if !(1..=MOST).contains(&question.count) || !(1..=LONGEST).contains(&question.seconds) {
        return refused(format!("1 to {MOST} packets are followed, for 1 to {LONGEST} seconds"));
    }
    let Question { frame, from_outside, to, protocol, source, .. } = &question.packets;
    if frame.is_some() {
        return refused("real packets are followed by their headers, not by a frame".into());
    }
    if (from_outside.is_some() || protocol == "icmp") && to.is_none() {
        return refused("say where to: --to ADDRESS[:PORT]".into());
    }
    if let (Some(to), Some(source)) = (to, source)
        && to.is_ipv4() != source.is_ipv4()
    {
        return refused("source and destination are of different families".into());
    }
    protocol_number(&question.packets).map(drop)
}

/// 0 for any.
fn protocol_number(question: &Question) -> Result<u8, TraceError> {
    Ok(match (question.protocol.as_str(), question.to) {
        ("", _) => 0,
        ("tcp", _) => 6,
        ("udp", _) => 17,
        ("icmp", Some(IpAddr::V6(_))) => 58,
        ("icmp", _) => 1,
        (number, _) => number.parse().map_err(|_| {
            TraceError::Question(format!("{number:?} is no protocol; say tcp, udp, icmp or a number"))
        })?,
    })
}

/// Where packets are followed, what is expected of them, and what is to be said.
async fn plan(
    view: &Snapshot,
    nodes: &NodeService,
    question: &LiveQuestion,
) -> Result<(Vec<Watched>, String, Vec<String>), TraceError> {
    let mut watched = vec![first(view, question)?];
    match ways(view, nodes, question).await {
        Ok((further, expected, warnings)) => {
            watched.extend(further);
            Ok((watched, expected, warnings))
        }
        Err(why) => {
            let text = format!("only followed where they begin, and without their answers: {why}");
            Ok((watched, String::new(), vec![text]))
        }
    }
}

/// The door where packets begin.
fn first(view: &Snapshot, question: &LiveQuestion) -> Result<Watched, TraceError> {
    let packets = &question.packets;
    let looks = Looks {
        source: packets.source,
        destination: packets.to,
        protocol: protocol_number(packets)?,
        source_port: question.source_port.unwrap_or(0),
        destination_port: packets.destination_port,
    };
    let Entrance { host, door, vlan, .. } = match (&packets.from, &packets.from_outside, packets.to) {
        (Some(from), None, _) => origin::at_port(origin::port_called(view, from)?, Vec::new())?,
        (None, Some(network), Some(to)) => origin::at_network(view, network, to)?,
        _ => {
            return Err(TraceError::Question(
                "say either from which port or from which external network".into(),
            ));
        }
    };
    Ok(Watched { host, door, vlan, is_answer: false, looks })
}

/// The further doors of such a packet's way, those of its answer's, the way's end, and what kept it from being followed further; or why they can't
/// be told.
async fn ways(
    view: &Snapshot,
    nodes: &NodeService,
    question: &LiveQuestion,
) -> Result<(Vec<Watched>, String, Vec<String>), String> {
    let Question { protocol, destination_port, to, .. } = &question.packets;
    let has_ports = matches!(protocol.as_str(), "tcp" | "udp");
    if to.is_none() || protocol.is_empty() || (has_ports && *destination_port == 0) {
        return Err("say which protocol and where to, for more (as --tcp --to ADDRESS:PORT)".into());
    }
    let like = Question {
        source_port: question.source_port.unwrap_or(49_152),
        tcp_flags: "S".into(),
        hop_limit: 64,
        ..question.packets.clone()
    };
    let mut journey = Journey::new(view, nodes).map_err(|error| error.to_string())?;
    let entrance = origin::entrance(view, &like).map_err(|error| error.to_string())?;
    let there = journey.follow(entrance).await.map_err(|error| error.to_string())?;
    let protocol = protocol_number(&like).map_err(|error| error.to_string())?;
    let watched = |entrance: &Entrance, is_answer: bool| Watched {
        host: entrance.host.clone(),
        door: entrance.door.clone(),
        vlan: entrance.vlan,
        is_answer,
        looks: looks(entrance, protocol, question.source_port, is_answer),
    };
    let mut all: Vec<Watched> = there.entrances.iter().skip(1).map(|it| watched(it, false)).collect();
    if let Ok(entrance) = journey.answer(&like, &there)
        && let Ok(back) = journey.follow(entrance).await
    {
        all.extend(back.entrances.iter().map(|it| watched(it, true)));
    }
    Ok((all, verdict(&there).0, journey.warnings))
}

/// What packets look like that come in as a made-up one does. Of the asker's port, which that one has made up, and which a router may
/// choose, only one that was asked for counts.
fn looks(entrance: &Entrance, protocol: u8, wanted: Option<u16>, is_answer: bool) -> Looks {
    let view = packet::view(&entrance.frame, entrance.vlan);
    let ports = [view.source_port, view.destination_port].map(Option::unwrap_or_default);
    let askers = |port: u16| wanted.filter(|wanted| *wanted == port).unwrap_or(0);
    let (source_port, destination_port) =
        if is_answer { (ports[0], askers(ports[1])) } else { (askers(ports[0]), ports[1]) };
    Looks { source: view.source, destination: view.destination, protocol, source_port, destination_port }
}

fn request(
    view: &Snapshot,
    watched: &[Watched],
    question: &LiveQuestion,
) -> Result<FollowRequest, TraceError> {
    let place = |watched: &Watched| {
        let door = match &watched.door {
            Door::Port(id) => {
                let port = view.get::<Port>(id).ok_or_else(|| TraceError::NoPort(id.to_string()))?;
                follow_place::Door::Port(port.number.0)
            }
            Door::Overlay { vni, .. } => follow_place::Door::Vni(*vni),
            Door::Physical(network) => follow_place::Door::PhysicalNetwork(network.clone()),
        };
        let Looks { source, destination, protocol, source_port, destination_port } = watched.looks;
        let address = |address: Option<IpAddr>| {
            address.map(|it| hadron_wire::row::address(it).octets().to_vec().into()).unwrap_or_default()
        };
        Ok(FollowPlace {
            door: Some(door),
            vlan: watched.vlan,
            source: address(source),
            destination: address(destination),
            protocol: protocol.into(),
            source_port: source_port.into(),
            destination_port: destination_port.into(),
        })
    };
    let places = watched.iter().map(place).collect::<Result<_, TraceError>>()?;
    Ok(FollowRequest { id: 0, places, most: question.count, seconds: question.seconds })
}

fn place(names: Names<'_>, watched: &Watched) -> LivePlace {
    let Watched { host, door, vlan, is_answer, .. } = watched;
    let entrance =
        Entrance { host: host.clone(), door: door.clone(), frame: Vec::new(), vlan: *vlan, is_return: false };
    LivePlace { host: host.clone(), entrance: leg::entered(names, &entrance), is_answer: *is_answer }
}

/// What a host tells, to its last word.
fn told(
    store: Store,
    host: String,
    watched: Vec<Watched>,
    following: Following,
) -> impl Stream<Item = LiveEvent> + Send {
    stream::unfold(Some((store, host, watched, following)), |state| async {
        let (store, host, watched, mut following) = state?;
        let ended = |host, lost, is_cut_off| Some((LiveEvent::Ended { host, lost, is_cut_off }, None));
        loop {
            match following.next().await {
                Some(News::Packet(packet)) => {
                    let view = store.snapshot();
                    let Some(place) = watched.get(packet.place as usize) else { continue };
                    let event = LiveEvent::Packet(Box::new(told_packet(Names(&view), place, packet)));
                    return Some((event, Some((store, host, watched, following))));
                }
                Some(News::Started(_)) => {}
                Some(News::End(FollowEnd { lost, .. })) => return ended(host, lost, false),
                None => return ended(host, 0, true),
            }
        }
    })
}

fn told_packet(names: Names<'_>, place: &Watched, packet: FollowedPacket) -> LivePacket {
    let door = match (&packet.tunnel, &place.door) {
        (Some(tunnel), Door::Overlay { .. }) => match leg::address(&tunnel.source) {
            Some(source) => Door::Overlay { vni: tunnel.vni, source },
            None => place.door.clone(),
        },
        (_, door) => door.clone(),
    };
    let shown = packet.frame.len();
    let frame = whole(&packet.frame, packet.length);
    let entrance = Entrance { host: place.host.clone(), door, frame, vlan: packet.vlan, is_return: false };
    let mut walk = packet.walk.clone().unwrap_or_default();
    for output in &mut walk.outputs {
        output.frame = whole(&output.frame, output.length).into();
    }
    let mut leg = leg::leg(names, &entrance, &walk);
    leg.show_bytes(shown);
    let time = jiff::Timestamp::from_nanosecond(packet.time.into()).unwrap_or_default();
    LivePacket {
        time: time.to_string(),
        is_answer: place.is_answer,
        leg,
        no_walk: walk.error,
        kernel: kernel(names, &packet),
    }
}

/// A frame that was cut behind its headers, in its length.
fn whole(frame: &[u8], length: u32) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    bytes.resize((length as usize).clamp(frame.len(), LONGEST_FRAME.max(frame.len())), 0);
    bytes
}

/// `hadron_pipeline::VerdictKind` in words.
fn kernel(names: Names<'_>, packet: &FollowedPacket) -> Kernel {
    let FollowedPacket { verdict, a, b, rule, agrees, .. } = packet;
    let reason = packet.reason.as_ref().map(leg::reason);
    let port = || leg::sentence(&names.port_or_number(*a));
    let called = |it: Option<super::Named>| it.map_or_else(|| format!("number {a}"), |it| leg::sentence(&it));
    let text = match (verdict, &reason) {
        (1, Some(reason)) => format!("dropped in {}: {} ({})", reason.stage, reason.text, reason.label),
        (1, None) => "dropped".into(),
        (2, _) => format!("delivered to {}", port()),
        (3, _) => format!("answered in its place, back to {}", port()),
        (4, _) => format!("sent to {}, VNI {b}", called(names.host(*a))),
        (5, _) => "handed to the host's own responders".into(),
        (6, _) => format!("copied to {a} ports, hosts and physical networks"),
        (7, _) => format!("sent to the physical network of {}", called(names.network(*a))),
        (8, _) => "left to the host's own network stack".into(),
        (20, _) => "handed to the host's own service: metadata or names".into(),
        (kind, _) => format!("done with in a way ({kind}) that this release doesn't know"),
    };
    Kernel { text, reason, rule: names.rule(*rule), agrees: *agrees }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(packets: Question) -> LiveQuestion {
        LiveQuestion { packets, count: 10, seconds: 30, ..LiveQuestion::default() }
    }

    #[test]
    fn packets_that_can_not_be_are_refused_in_words() {
        let web = || Question { from: Some("web".into()), ..Question::default() };
        let to = |text: &str| Some(text.parse().expect("an address"));
        assert!(check(&of(web())).is_ok(), "whatever the port sends");
        let says = |question: LiveQuestion, what: &str| {
            let said = check(&question).expect_err("refused").to_string();
            assert!(said.contains(what), "{said}");
        };
        says(LiveQuestion { count: 0, ..of(web()) }, "1 to 1000 packets");
        says(LiveQuestion { seconds: 3601, ..of(web()) }, "1 to 3600 seconds");
        says(of(Question { frame: Some("00".into()), ..web() }), "headers");
        says(of(Question { protocol: "icmp".into(), ..web() }), "--to");
        says(of(Question { protocol: "ipx".into(), ..web() }), "no protocol");
        says(of(Question { to: to("10.0.0.1"), source: to("fd00::1"), ..web() }), "families");
        says(of(Question { from_outside: Some("public".into()), ..Question::default() }), "--to");
        let icmp = Question { protocol: "icmp".into(), to: to("fd00::1"), ..web() };
        assert_eq!(protocol_number(&icmp).expect("a protocol"), 58);
    }

    #[test]
    fn frames_are_filled_up_to_their_length() {
        assert_eq!(whole(&[1, 2], 4), [1, 2, 0, 0]);
        assert_eq!(whole(&[1, 2], 0), [1, 2]);
        assert_eq!(whole(&[1], u32::MAX).len(), LONGEST_FRAME);
    }
}
