//! A trace tells what would happen: on a snapshot that reads only what is asked for the same becomes of a packet as on all tables, and
//! what is told names what decided.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::trace::{Door, Event, Snapshot, Walk};
use hadron_pipeline::host::{Frame, Node, Outcome};
use hadron_pipeline::stage::Stage;
use hadron_pipeline::table::*;
use hadron_pipeline::{Mac, VerdictKind};
use proptest::prelude::*;

use crate::cloud::{Instance, node, pair, vni, vtep};
use crate::floating::{self, PROVIDER, UPSTREAM, WORLD};
use crate::frames::*;
use crate::hostile::{any_frame, instances};
use crate::policies::{Allow, IN, Scene};
use crate::routers::{self, instance};
use crate::sharing;

fn snapshot(node: &Node) -> Snapshot {
    Snapshot::new(node.tables.config, node.tables.service_link, node.now)
}

fn walk(node: &Node, door: Door, frame: impl Into<Frame>) -> Walk {
    let Ok(walk) = snapshot(node).walk(&node.tables, door, &frame.into());
    walk
}

fn really(node: &mut Node, door: Door, frame: Frame) -> Outcome {
    match door {
        Door::Port { ifindex } => node.from_port(ifindex, frame),
        Door::Overlay { vni, source } => node.from_overlay(vni, source, frame),
        Door::Provider { ifindex } => node.from_provider(ifindex, frame),
    }
}

/// Several packets, one after the other: of each the same becomes on a snapshot as in reality, which the snapshot leaves as it was.
fn assert_same(node: &Node, packets: &[(Door, Frame)]) {
    let (mut real, mut snapshot) = (node.clone(), snapshot(node));
    for (door, frame) in packets {
        let Ok(told) = snapshot.walk(&node.tables, *door, frame);
        assert_eq!(told.outcome, really(&mut real, *door, frame.clone()));
        let last = told.events.iter().rev().find_map(|event| match event {
            Event::Dropped(reason) => Some(*reason),
            _ => None,
        });
        assert!(told.outcome.verdict.reason().is_none() || told.outcome.verdict.reason() == last);
    }
}

fn found<'a>(walk: &'a Walk, table: &Table) -> Vec<(&'a Cells, Option<&'a Cells>)> {
    let of_table = |event: &'a Event| match event {
        Event::LookedUp { table: asked, key, row } if asked.name == table.name => Some((key, row.as_ref())),
        _ => None,
    };
    walk.events.iter().filter_map(of_table).collect()
}

fn cell<'a>(cells: &'a Cells, name: &str) -> &'a Cell {
    &cells.iter().find(|(field, _)| *field == name).unwrap_or_else(|| panic!("{name} in {cells:?}")).1
}

fn stages(walk: &Walk) -> Vec<Stage> {
    let stage = |event: &Event| match event {
        Event::Entered(stage) => Some(*stage),
        _ => None,
    };
    walk.events.iter().filter_map(stage).collect()
}

fn at(instance: &Instance) -> Door {
    Door::Port { ifindex: instance.ifindex() }
}

fn routed(from: &Instance, to: &Instance) -> Vec<u8> {
    let datagram = ipv4(from.v4, to.v4, UDP, &udp(1000, 53, b"question"));
    ethernet(routers::mac(1, from.network), from.mac, 0x0800, &datagram)
}

#[test]
fn a_delivered_packet_names_every_stage_and_its_rule() {
    let (node, a, b) = pair();
    let walk = walk(&node, at(&a), udp_v4(&a, &b, 1000, 53));
    assert_eq!(walk.outcome.verdict.kind, VerdictKind::Deliver as u32);
    use Stage::*;
    let all = [Classify, Origin, PortSecurity, Services, EgressPolicy, Switch, Deliver, IngressPolicy];
    assert_eq!(stages(&walk), all);
    let judged: Vec<_> = walk.events.iter().filter(|event| matches!(event, Event::Judged { .. })).collect();
    let [
        Event::Judged { port: first, way: 0, reason: None, rule: 1 },
        Event::Judged { port: last, way: 1, .. },
    ] = judged[..]
    else {
        panic!("{judged:?}")
    };
    assert_eq!((*first, *last), (a.port, b.port));
    assert_eq!(found(&walk, &CONNECTIONS).len(), 2, "a connection of each end was looked for");
}

#[test]
fn the_answer_finds_what_the_question_began_only_in_the_snapshot() {
    let scene = Scene::with(&[Allow::udp(5, IN, 53)]);
    let (client, server) = (&scene.peer, &scene.guarded);
    let mut snapshot = snapshot(&scene.node);
    let tables = &scene.node.tables;
    let (question, answer) = (udp_v4(client, server, 1000, 53), udp_v4(server, client, 53, 1000));
    let Ok(alone) = self::snapshot(&scene.node).walk(tables, at(server), &answer.clone().into());
    assert_eq!(alone.outcome.verdict.reason(), Some(DropReason::EgressDenied));
    let Ok(there) = snapshot.walk(tables, at(client), &question.into());
    assert_eq!(there.outcome.verdict.kind, VerdictKind::Deliver as u32);
    let Ok(back) = snapshot.walk(tables, at(server), &answer.into());
    assert_eq!(back.outcome.verdict.kind, VerdictKind::Deliver as u32);
    assert!(back.events.iter().all(|event| !matches!(event, Event::Judged { rule, .. } if *rule != 0)));
    assert!(scene.node.tables.connections.is_empty());
}

#[test]
fn a_refusal_names_the_port_and_the_reason() {
    let scene = Scene::with(&[Allow::udp(5, IN, 53)]);
    let (client, server) = (&scene.peer, &scene.guarded);
    let walk = walk(&scene.node, at(client), udp_v4(client, server, 1000, 54));
    assert_eq!(walk.outcome.verdict.reason(), Some(DropReason::IngressDenied));
    let reason = Some(DropReason::IngressDenied);
    let judged = Event::Judged { port: server.port, way: 1, reason, rule: 0 };
    assert!(walk.events.contains(&judged), "{:?}", walk.events);
    assert_eq!(walk.events.last(), Some(&Event::Dropped(DropReason::IngressDenied)));
}

#[test]
fn a_routed_packet_names_the_prefix_of_its_route() {
    let all = [instance(1, 1, 1), instance(2, 1, 1)];
    let node = routers::node(1, &all, &[(1, 1), (1, 2)]);
    let walk = walk(&node, at(&all[0]), routed(&all[0], &all[1]));
    assert_eq!(walk.outcome.verdict.kind, VerdictKind::Deliver as u32);
    let [(key, Some(_))] = found(&walk, &ROUTES)[..] else { panic!("{:?}", walk.events) };
    assert_eq!(cell(key, "prefix"), &Cell::Text("10.0.2.0/24".to_owned()));
    let hops: Vec<_> = walk.events.iter().filter_map(hop).collect();
    let [hop] = hops[..] else { panic!("{hops:?}") };
    assert_eq!((hop.entered, hop.exit), (routers::id(1, 1), routers::id(1, 2)));
    assert_eq!((hop.next_hop, hop.hop_limit), (all[1].v4.into(), 63));
}

fn hop(event: &Event) -> Option<&hadron_pipeline::host::trace::Hop> {
    match event {
        Event::Routed(hop) => Some(hop),
        _ => None,
    }
}

#[test]
fn a_floating_ip_shows_in_the_ends() {
    let (node, all) = floating::scene(0);
    let sent = floating::packet(TCP, (all[0].mac, all[0].v4), (routers::mac(1, 1), WORLD), 64);
    let walk = walk(&node, at(&all[0]), sent);
    assert_eq!(walk.outcome.verdict.kind, VerdictKind::Provider as u32);
    let hop = walk.events.iter().find_map(hop).expect("a hop");
    assert_eq!(hop.before.source, all[0].v4.into());
    assert_eq!(hop.after.source, routers::v4(floating::EXTERNAL, 101).into());
    assert_eq!((hop.next_hop, hop.after.destination), (UPSTREAM.1.into(), WORLD.into()));
}

#[test]
fn a_host_that_is_not_the_ports_says_so() {
    let (node, a, b) = pair();
    let mut snapshot = snapshot(&node);
    assert_eq!(snapshot.interface_of(&node.tables, a.port), Ok(Some(a.ifindex())));
    assert_eq!(snapshot.port_of(&node.tables, b.ifindex()), Ok(Some(b.port)));
    assert_eq!(snapshot.interface_of(&node.tables, 4711), Ok(None));
    let walk = walk(&node, Door::Port { ifindex: 4711 }, udp_v4(&a, &b, 1, 2));
    assert_eq!(walk.outcome.verdict.reason(), Some(DropReason::UnknownInterface));
}

/// Frames of the kinds that are routed and translated, mutated as [`any_frame`]'s are.
fn outward(all: &[Instance]) -> Vec<Vec<u8>> {
    let router = routers::mac(1, 1);
    let of = |from: &Instance| {
        let kinds = [TCP, UDP, ICMP, floating::ESP];
        kinds.map(|protocol| floating::packet(protocol, (from.mac, from.v4), (router, WORLD), 64))
    };
    all.iter().flat_map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn as_in_reality_in_a_network(frames in prop::collection::vec((any_frame(), 0usize..4, any::<bool>()), 1..4)) {
        let all = instances();
        let node = node(1, &all);
        let senders = [&all[0], &all[1], &all[3], &all[4]];
        let packets: Vec<_> = frames
            .into_iter()
            .map(|(frame, sender, is_local)| match is_local {
                true => (at(senders[sender]), frame),
                false => (Door::Overlay { vni: vni(1), source: vtep(2) }, frame),
            })
            .collect();
        assert_same(&node, &packets);
    }

    #[test]
    fn as_in_reality_by_routers(
        picks in prop::collection::vec((0usize..12, prop::option::of((14usize..60, any::<u8>())), any::<bool>()), 1..5),
        is_shared in any::<bool>(),
    ) {
        let (node, all) = if is_shared { sharing::shared() } else { floating::scene(0) };
        let frames = outward(&all);
        let packets: Vec<_> = picks
            .into_iter()
            .map(|(pick, edit, is_back)| {
                let mut bytes = frames[pick].clone();
                if let Some((place, value)) = edit && place < bytes.len() {
                    bytes[place] = value;
                }
                if is_back {
                    bytes[..6].copy_from_slice(&floating::OWN.0);
                    bytes[6..12].copy_from_slice(&Mac([2, 0, 0, 0, 0, 1]).0);
                    let source: [u8; 4] = bytes[26..30].try_into().expect("four bytes");
                    bytes.copy_within(30..34, 26);
                    bytes[30..34].copy_from_slice(&source);
                    return (Door::Provider { ifindex: PROVIDER }, bytes.into());
                }
                (at(&all[pick / 4]), bytes.into())
            })
            .collect();
        assert_same(&node, &packets);
    }
}

#[test]
fn errors_of_routers_are_told() {
    let all = [instance(1, 1, 1), instance(2, 1, 1)];
    let node = routers::node(1, &all, &[(1, 1), (1, 2)]);
    let mut expired = routed(&all[0], &all[1]);
    expired = floating::with_hop_limit(expired, 1);
    let walk = walk(&node, at(&all[0]), expired);
    assert!(walk.events.contains(&Event::Complained(DropReason::HopLimit)), "{:?}", walk.events);
}
