//! A walk as it is told on the wire. Everything is named by this release, so that a server of another one can show it.

use crate::apply::Provider;
use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::trace::{Ends, Event, Hop, Walk};
use hadron_pipeline::host::{Frame, Output};
use hadron_pipeline::table::{Cell, Cells, Table, direction};
use hadron_pipeline::{Address, PuntReason, Tunnel};
use hadron_wire::proto::trace_event::Kind;
use hadron_wire::proto::trace_output::To;
use hadron_wire::proto::{
    TraceCell, TraceEnds, TraceEvent, TraceHop, TraceJudgement, TraceLookUp, TraceOutput, TraceReason,
    TraceReply, TraceRow, TraceTunnel, trace_cell,
};
use std::collections::{BTreeMap, HashMap};

/// Most events and outputs of a reply: a flood to a thousand ports has more.
const MOST_EVENTS: usize = 2048;
const MOST_OUTPUTS: usize = 64;

/// What interfaces lead to.
#[derive(Default)]
pub(super) struct Names(HashMap<u32, To>);

impl Names {
    /// Finds out what an interface leads to.
    pub(super) fn note(
        &mut self,
        ifindex: u32,
        port: Option<u32>,
        providers: &BTreeMap<String, Option<Provider>>,
        services: u32,
    ) {
        let is_it = |provider: &Option<Provider>| provider.is_some_and(|provider| provider.index == ifindex);
        let to = match (port, providers.iter().find(|(_, provider)| is_it(provider))) {
            (Some(port), _) => To::Port(port),
            (None, Some((name, _))) => To::PhysicalNetwork(name.clone()),
            (None, None) if ifindex == services => To::Sockets(true),
            (None, None) => To::Interface(ifindex),
        };
        self.0.insert(ifindex, to);
    }
}

/// The whole walk, but for who asked and where.
pub(super) fn told(walk: Walk, names: &Names) -> TraceReply {
    let Walk { events, outcome } = walk;
    let left_out =
        events.len().saturating_sub(MOST_EVENTS) + outcome.outputs.len().saturating_sub(MOST_OUTPUTS);
    TraceReply {
        events: events.into_iter().take(MOST_EVENTS).map(event).collect(),
        left_out: left_out as u32,
        verdict: outcome.verdict.kind,
        a: outcome.verdict.a,
        b: outcome.verdict.b,
        outputs: outcome.outputs.into_iter().take(MOST_OUTPUTS).map(|it| output(it, names)).collect(),
        ..TraceReply::default()
    }
}

fn event(event: Event) -> TraceEvent {
    let kind = match event {
        Event::Entered(stage) => Kind::Entered(stage.name().to_owned()),
        Event::LookedUp { table, key, row: found } => Kind::LookedUp(look_up(table, key, found)),
        Event::Wrote { table, key, row: written } => Kind::Wrote(look_up(table, key, written)),
        Event::Took(path) => Kind::Took(row(path)),
        Event::Judged { port, way, reason: why, rule } => {
            let is_ingress = way == direction::INGRESS;
            Kind::Judged(TraceJudgement { port, is_ingress, reason: why.map(reason), rule })
        }
        Event::Routed(hop) => Kind::Routed(routed(hop)),
        Event::Complained(why) => Kind::Complained(reason(why)),
        Event::Dropped(why) => Kind::Dropped(reason(why)),
    };
    TraceEvent { kind: Some(kind) }
}

fn look_up(table: &'static Table, key: Cells, found: Option<Cells>) -> TraceLookUp {
    TraceLookUp { table: table.name.to_owned(), key: Some(row(key)), row: found.map(row) }
}

fn row(cells: Cells) -> TraceRow {
    let cell = |(name, cell): (&str, Cell)| {
        let value = match cell {
            Cell::Number(number) => trace_cell::Value::Number(number),
            Cell::Text(text) => trace_cell::Value::Text(text),
        };
        TraceCell { name: name.to_owned(), value: Some(value) }
    };
    TraceRow { cells: cells.into_iter().map(cell).collect() }
}

/// A reason with its words.
pub(super) fn reason(reason: DropReason) -> TraceReason {
    TraceReason {
        number: reason as u32,
        label: reason.label().to_owned(),
        text: reason.text().to_owned(),
        stage: reason.stage().name().to_owned(),
        remedy: reason.remedy().to_owned(),
    }
}

fn routed(hop: Hop) -> TraceHop {
    TraceHop {
        entered: hop.entered,
        exit: hop.exit,
        next_hop: address(hop.next_hop),
        before: Some(ends(hop.before)),
        after: Some(ends(hop.after)),
        hop_limit: hop.hop_limit.into(),
    }
}

fn ends(ends: Ends) -> TraceEnds {
    TraceEnds {
        source: address(ends.source),
        destination: address(ends.destination),
        source_port: ends.source_port.into(),
        destination_port: ends.destination_port.into(),
    }
}

fn address(address: Address) -> bytes::Bytes {
    address.0.to_vec().into()
}

fn output(output: Output, names: &Names) -> TraceOutput {
    let (to, frame) = match output {
        Output::Deliver { ifindex, frame } => {
            (names.0.get(&ifindex).cloned().unwrap_or(To::Interface(ifindex)), frame)
        }
        Output::Tunnel { tunnel: Tunnel { vni, remote, local }, frame } => {
            let (source, destination) = (address(local), address(remote));
            (To::Overlay(TraceTunnel { vni, source, destination }), frame)
        }
        Output::Punt { header, bytes } => (To::Responders(asked(header.reason).to_owned()), bytes.into()),
    };
    let Frame { bytes, vlan, .. } = frame;
    TraceOutput { to: Some(to), frame: bytes.into(), vlan: vlan.unwrap_or(0).into(), length: 0 }
}

/// What the responders are asked.
fn asked(reason: u32) -> &'static str {
    match PuntReason::from_number(reason) {
        Some(PuntReason::Dhcp4) => "DHCP",
        Some(PuntReason::Dhcp6) => "DHCPv6",
        Some(PuntReason::RouterSolicitation) => "router solicitation",
        Some(PuntReason::OutsidePorts) => "more ports of a shared address",
        Some(PuntReason::OutsideSlot) => "a slot of a shared address",
        None => "something that this release doesn't know",
    }
}
