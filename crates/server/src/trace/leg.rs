//! A host's answer as a leg of the report.

use super::message::{End, Leg, Named, Note, PacketView, Reason, StageView};
use super::name::Names;
use super::origin::{Door, Entrance, owner};
use super::packet;
use hadron_model::{Host, NetworkId, Port};
use hadron_wire::proto::trace_event::Kind;
use hadron_wire::proto::trace_output::To;
use hadron_wire::proto::{
    TraceEnds, TraceEvent, TraceHop, TraceLookUp, TraceOutput, TraceReason, TraceReply,
};
use std::net::{IpAddr, Ipv6Addr};

/// `hadron_pipeline::VerdictKind`: to the host's own stack.
const PASS: u32 = 8;
/// Answered in place.
const ANSWER: u32 = 3;

/// The leg that a reply tells.
pub(super) fn leg(names: Names<'_>, entrance: &Entrance, reply: &TraceReply) -> Leg {
    let mut stages: Vec<StageView> = Vec::new();
    for event in &reply.events {
        match &event.kind {
            Some(Kind::Entered(stage)) => {
                stages.push(StageView { stage: stage.clone(), notes: Vec::new() });
            }
            _ => {
                if stages.is_empty() {
                    stages.push(StageView { stage: "door".into(), notes: Vec::new() });
                }
                if let (Some(stage), Some(note)) = (stages.last_mut(), note(names, event)) {
                    stage.notes.push(note);
                }
            }
        }
    }
    Leg {
        host: entrance.host.clone(),
        entrance: entered(names, entrance),
        packet: packet::view(&entrance.frame, entrance.vlan),
        revision: reply.revision,
        stages,
        ends: ends(names, entrance, reply),
        left_out: reply.left_out,
    }
}

/// How a packet comes in, in words.
pub(super) fn entered(names: Names<'_>, entrance: &Entrance) -> String {
    match &entrance.door {
        Door::Port(id) => match names.0.get::<Port>(id) {
            Some(port) if !port.name.is_empty() => format!("from the instance of port {} ({id})", port.name),
            _ => format!("from the instance of port {id}"),
        },
        Door::Overlay { vni, source } => format!("from the overlay, VNI {vni}, host {source}"),
        Door::Physical(network) => format!("from physical network {network}"),
    }
}

fn note(names: Names<'_>, event: &TraceEvent) -> Option<Note> {
    let fields = |asked: &TraceLookUp| {
        let key = asked.key.as_ref().map(|key| names.row(&asked.table, key)).unwrap_or_default();
        let row = asked.row.as_ref().map(|row| names.row(&asked.table, row));
        (asked.table.clone(), key, row)
    };
    Some(match event.kind.as_ref()? {
        Kind::Entered(_) => return None,
        Kind::LookedUp(asked) => {
            let (table, key, row) = fields(asked);
            Note::LookUp { table, key, row }
        }
        Kind::Wrote(written) => {
            let (table, key, row) = fields(written);
            Note::Write { table, key, row }
        }
        Kind::Took(path) => Note::Path { path: names.row("ROUTES", path) },
        Kind::Judged(judged) => Note::Judged {
            port: names.port_or_number(judged.port),
            direction: if judged.is_ingress { "ingress" } else { "egress" }.into(),
            rule: names.rule(judged.rule),
            reason: judged.reason.as_ref().map(reason),
        },
        Kind::Routed(hop) => routed(names, hop),
        Kind::Complained(why) => Note::Complained { reason: reason(why) },
        Kind::Dropped(why) => Note::Dropped { reason: reason(why) },
    })
}

fn routed(names: Names<'_>, hop: &TraceHop) -> Note {
    let (before, after) = (ends_of(hop.before.as_ref()), ends_of(hop.after.as_ref()));
    let outside = |changed: bool, address: Option<IpAddr>| {
        address.filter(|_| changed).and_then(|address| names.outside(address))
    };
    let translations =
        [outside(before.1[0] != after.1[0], after.1[0]), outside(before.1[1] != after.1[1], before.1[1])];
    Note::Routed {
        entered: names.port(hop.entered),
        exit: names.port(hop.exit),
        next_hop: address(&hop.next_hop).map(|it| it.to_string()).unwrap_or_default(),
        before: before.0,
        after: after.0,
        translations: translations.into_iter().flatten().collect(),
        hop_limit: hop.hop_limit,
    }
}

/// Both ends as text, and their addresses.
fn ends_of(ends: Option<&TraceEnds>) -> ([String; 2], [Option<IpAddr>; 2]) {
    let Some(ends) = ends else { return Default::default() };
    let addresses = [address(&ends.source), address(&ends.destination)];
    let text = |address: Option<IpAddr>, port: u32| match (address, port) {
        (Some(address), 0) => address.to_string(),
        (Some(IpAddr::V6(address)), port) => format!("[{address}]:{port}"),
        (Some(address), port) => format!("{address}:{port}"),
        (None, _) => String::new(),
    };
    ([text(addresses[0], ends.source_port), text(addresses[1], ends.destination_port)], addresses)
}

/// 16 bytes, IPv4 mapped.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let octets = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(octets).to_canonical())
}

/// Why a packet was dropped.
pub(super) fn reason(reason: &TraceReason) -> Reason {
    Reason {
        label: reason.label.clone(),
        text: reason.text.clone(),
        stage: reason.stage.clone(),
        remedy: reason.remedy.clone(),
    }
}

fn ends(names: Names<'_>, entrance: &Entrance, reply: &TraceReply) -> Vec<End> {
    let mut is_return = entrance.is_return || reply.verdict == ANSWER;
    let mut ends = Vec::new();
    for event in &reply.events {
        match &event.kind {
            Some(Kind::Dropped(why)) => ends.push(End::Dropped { reason: reason(why) }),
            Some(Kind::Complained(_)) => is_return = true,
            _ => {}
        }
    }
    ends.extend(reply.outputs.iter().filter_map(|output| end(names, output, is_return)));
    if reply.verdict == PASS {
        ends.push(End::Other { what: "the host's own network stack".into() });
    }
    ends
}

fn end(names: Names<'_>, output: &TraceOutput, is_return: bool) -> Option<End> {
    let packet: PacketView = packet::view(&output.frame, output.vlan);
    Some(match output.to.as_ref()? {
        To::Port(number) => End::Port { port: names.port_or_number(*number), is_return, packet },
        To::Overlay(tunnel) => {
            let address = address(&tunnel.destination)?;
            let host = host_at(names, address).map(|host| host.name.clone());
            End::Host { host, address: address.to_string(), vni: tunnel.vni, packet }
        }
        To::PhysicalNetwork(network) => {
            End::PhysicalNetwork { network: network.clone(), host: None, is_return, packet }
        }
        To::Responders(what) => End::Service { what: what.clone() },
        To::Sockets(_) => End::Service { what: "metadata or names".into() },
        To::Interface(index) => End::Other { what: format!("interface {index} of the host") },
    })
}

/// The host with this tunnel address.
pub(super) fn host_at(names: Names<'_>, address: IpAddr) -> Option<&'_ Host> {
    names.0.iter::<Host>().map(|host| &host.value).find(|host| host.underlay == address)
}

/// The host of this cloud that a frame on a physical network is for, if it is for one: by its destination, as whoever sends it there
/// has found the MAC.
pub(super) fn host_beyond(names: Names<'_>, network: NetworkId, packet: &PacketView) -> Option<String> {
    let port = owner(names.0, network, packet.destination?)?;
    let is_its = port.mac_address.to_string() == packet.destination_mac;
    let host = &port.binding.host_id;
    (is_its && !host.is_empty() && !port.is_everywhere()).then(|| host.clone())
}

/// In a sentence what became of a packet whose last leg this is.
pub(super) fn sentence(port: &Named) -> String {
    match port.name.as_str() {
        "" => format!("{} {}", port.kind, port.id),
        name => format!("{} {name} ({})", port.kind, port.id),
    }
}
