//! What an operator is told of packets that are followed.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::trace::{Door, Event, Snapshot};
use hadron_pipeline::host::{Frame, Node};
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, VerdictKind};
use proptest::prelude::*;

use crate::cloud::{Instance, node, pair, vni, vtep};
use crate::frames::*;
use crate::hostile::{any_frame, instances};
use crate::policies::{Allow, IN, Scene};

const STRANGERS: PortKey = PortKey { port: 0 };
/// After a pause that fills the host's rate again, nanoseconds.
const LATER: u64 = 3_600_000_000_000;

/// Follows everything until the end of time.
const EVERYTHING: Follow =
    Follow { headers: NOTHING, mask: NOTHING, until: u64::MAX, id: 7, most: u32::MAX, told: 0, lost: 0 };
const NOTHING: Headers = Headers {
    source: Address::UNSPECIFIED,
    destination: Address::UNSPECIFIED,
    network: 0,
    ifindex: 0,
    source_port: 0,
    destination_port: 0,
    ether_type: 0,
    protocol: 0,
    door: 0,
};

fn follow(node: &mut Node, rows: &[Follow]) {
    node.tables.follows = rows.to_vec();
    node.tables.config.following = rows.len() as u32;
    node.tables.meters.insert(STRANGERS, Meters::default());
    node.now = LATER;
}

#[test]
fn a_packet_is_told_as_it_came_in_with_what_became_of_it() {
    let mut scene = Scene::with(&[Allow::udp(5, IN, 53)]);
    follow(&mut scene.node, &[EVERYTHING]);
    let (client, server) = (&scene.peer, &scene.guarded);
    for (port, verdict, a, rule) in [
        (53, VerdictKind::Deliver, server.port, 5),
        (54, VerdictKind::Drop, DropReason::IngressDenied as u32, 0),
    ] {
        scene.node.now += 1_000_000_000;
        let frame = [udp_v4(client, server, 1000, port), vec![9; 300]].concat();
        let outcome = scene.node.from_port(client.ifindex(), frame.clone());
        let (told, bytes) = outcome.followed.expect("a followed packet");
        let expected = Followed {
            time: scene.node.now,
            id: 7,
            length: frame.len() as u32,
            ifindex: client.ifindex(),
            network: 1,
            door: door::PORT.into(),
            verdict: verdict as u32,
            a,
            b: outcome.verdict.b,
            rule,
            ..Followed::default()
        };
        assert_eq!(told, Followed { rule: if rule == 0 { told.rule } else { rule }, ..expected });
        assert_eq!(bytes, frame[..FOLLOWED_SNAPLEN]);
    }
}

#[test]
fn what_another_host_and_a_physical_network_bring_is_told_with_where_it_comes_from() {
    let all = [Instance::new(1, 1, 1), Instance::new(1, 2, 2)];
    let mut node = node(1, &all);
    follow(&mut node, &[EVERYTHING]);
    let frame = udp_v4(&all[1], &all[0], 1, 2);
    let (told, _) = node.from_overlay(vni(1), vtep(2), frame.clone()).followed.expect("a packet");
    assert_eq!((told.door, told.network, told.peer), (door::OVERLAY.into(), 1, 2));
    // Who may not send here is followed too, and refused.
    let (told, _) = node.from_overlay(vni(1), vtep(9), frame.clone()).followed.expect("a packet");
    assert_eq!(
        (told.peer, told.verdict, told.a),
        (0, VerdictKind::Drop as u32, DropReason::UnknownVtep as u32)
    );

    node.tables.segments.insert(SegmentKey { ifindex: 77, vlan: 9 }, Segment { network: 1 });
    let tagged = Frame { bytes: frame.clone(), vlan: Some(9), ..Frame::default() };
    let (told, bytes) = node.from_provider(77, tagged).followed.expect("a packet");
    assert_eq!((told.door, told.ifindex, told.vlan, told.network), (door::PROVIDER.into(), 77, 9, 1));
    assert_eq!(bytes, frame);
    let own = Frame { bytes: frame, vlan: Some(8), ..Frame::default() };
    assert_eq!(node.from_provider(77, own).followed, None, "what is no network's is nobody's to follow");
}

#[test]
fn only_what_a_row_wants_is_told_and_no_more_than_it_wants() {
    let (mut node, a, b) = pair();
    let headers = Headers { protocol: UDP, destination_port: 53, ..NOTHING };
    let mask = Headers { protocol: u8::MAX, destination_port: u16::MAX, ..NOTHING };
    let row = Follow { headers, mask, most: 2, ..EVERYTHING };
    let tell =
        |node: &mut Node, port| node.from_port(a.ifindex(), udp_v4(&a, &b, 9, port)).followed.is_some();
    follow(&mut node, &[Follow { until: 0, ..EVERYTHING }, row]);
    assert_eq!([53, 54, 53, 53].map(|port| tell(&mut node, port)), [true, false, true, false]);
    assert_eq!(node.tables.follows[1].told, 2);
    node.tables.config.following = 1;
    node.tables.follows[1].told = 0;
    assert!(!tell(&mut node, 53), "a row that does not count");
    node.tables.config.following = 2;
    node.tables.follows[1].until = LATER;
    assert!(!tell(&mut node, 53), "its time is over");
    node.tables.follows[1].until = LATER + 1;
    assert!(tell(&mut node, 53));
}

#[test]
fn what_is_not_told_is_counted() {
    let (mut node, a, b) = pair();
    follow(&mut node, &[EVERYTHING]);
    let send = |node: &mut Node| node.from_port(a.ifindex(), udp_v4(&a, &b, 9, 53)).followed.is_some();
    node.followed_full = true;
    assert!(!send(&mut node));
    assert_eq!((node.tables.follows[0].told, node.tables.follows[0].lost), (1, 1));
    node.followed_full = false;
    let told = (0..1000).filter(|_| send(&mut node)).count();
    assert!((100..400).contains(&told), "the host's rate lets {told} pass at once");
    assert_eq!(node.tables.follows[0].lost, 1 + 1000 - told as u64);
    node.now += 1_000_000_000;
    let told = (0..1000).filter(|_| send(&mut node)).count();
    assert!((100..400).contains(&told), "{told} after a second");
}

#[test]
fn the_walk_of_a_packet_does_not_find_the_connection_that_it_began() {
    let mut scene = Scene::with(&[Allow::udp(5, IN, 53)]);
    follow(&mut scene.node, &[EVERYTHING]);
    let (client, server) = (scene.peer.clone(), scene.guarded.clone());
    let at = Door::Port { ifindex: client.ifindex() };
    let frame: Frame = udp_v4(&client, &server, 1000, 53).into();
    let rules = |node: &Node, now| {
        let mut snapshot = Snapshot::new(node.tables.config, node.tables.service_link, now);
        let Ok(walk) = snapshot.walk(&node.tables, at, &frame);
        assert_eq!((walk.outcome.verdict.kind, walk.outcome.followed), (VerdictKind::Deliver as u32, None));
        let judged = |event: &Event| match event {
            Event::Judged { way: IN, rule, .. } => Some(*rule),
            _ => None,
        };
        walk.events.iter().find_map(judged)
    };
    assert!(scene.node.from_port(client.ifindex(), frame.clone()).followed.is_some());
    assert_eq!(rules(&scene.node, LATER - 1), Some(5), "as the packet found it");
    assert_eq!(rules(&scene.node, LATER + 1), Some(0), "as the next one will");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn a_followed_packet_fares_as_any_other(frame in any_frame(), sender in 0usize..4, is_local in any::<bool>()) {
        let all = instances();
        let mut alone = node(1, &all);
        alone.tables.meters.insert(STRANGERS, Meters::default());
        alone.now = LATER;
        let mut watched = alone.clone();
        follow(&mut watched, &[EVERYTHING]);
        let sender = [&all[0], &all[1], &all[3], &all[4]][sender];
        let run = |node: &mut Node| match is_local {
            true => node.from_port(sender.ifindex(), frame.clone()),
            false => node.from_overlay(vni(1), vtep(2), frame.clone()),
        };
        let (expected, found) = (run(&mut alone), run(&mut watched));
        if let Some((told, bytes)) = &found.followed {
            prop_assert_eq!((told.verdict, told.a, told.b), (expected.verdict.kind, expected.verdict.a, expected.verdict.b));
            prop_assert!(frame.bytes.starts_with(bytes));
        }
        prop_assert_eq!(hadron_pipeline::host::Outcome { followed: None, ..found }, expected);
    }
}
