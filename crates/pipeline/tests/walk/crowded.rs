//! A port with little room for connections: what passes without one, and what the rest is kept for.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::table::*;

use crate::cloud::Instance;
use crate::frames::*;
use crate::policies::*;

const SYN: u8 = 2;
const ACK: u8 = 16;
const REFUSED_OUT: Option<DropReason> = Some(DropReason::EgressConnections);

fn segment(from: &Instance, to: &Instance, flags: u8, source: u16, destination: u16) -> Vec<u8> {
    let mut bytes = tcp(source, destination, b"");
    bytes[13] = flags;
    ethernet(to.mac, from.mac, 0x0800, &ipv4(from.v4, to.v4, TCP, &bytes))
}

/// A server of a port, with room for eight, from which everything may go out.
fn server(protocol: u8, port: u16) -> Scene {
    let rules = [Allow::all(1, IN, 4, protocol).port(port), Allow::all(2, OUT, 4, protocol)];
    let mut scene = Scene::limited(8, &rules);
    scene.sweep();
    scene
}

fn counted(scene: &Scene) -> (u32, u32, u64) {
    let key = PortKey { port: scene.guarded.port };
    let row = scene.node.tables.connection_counts[&key];
    (row.count, row.refused, scene.node.tables.port_counters[&key].untracked)
}

/// Datagrams from the peer's ports after `first` to the server's, `count` of them.
fn flood(scene: &mut Scene, first: u16, count: u16) {
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    for port in (1000 + first..).take(count.into()) {
        assert_eq!(scene.comes(&udp_v4(&a, &b, port, 53)), None, "{port}");
    }
}

#[test]
fn what_rules_let_in_and_out_passes_without_a_connection() {
    let mut scene = server(UDP, 53);
    flood(&mut scene, 1, 100);
    assert_eq!((scene.connections().len(), counted(&scene)), (6, (6, 0, 94)));
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    assert_eq!(scene.goes(&udp_v4(&b, &a, 53, 1100)), None, "the answer, by the rule for what goes out");
    assert_eq!((scene.connections().len(), counted(&scene)), (6, (6, 0, 95)), "which needs none either");
    assert_eq!(scene.comes(&udp_v4(&a, &b, 1100, 54)), DENIED_IN, "no rule, no way in");
}

#[test]
fn what_passes_without_a_connection_ends_with_its_rule() {
    let mut scene = server(UDP, 53);
    flood(&mut scene, 1, 10);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    assert_eq!(scene.goes(&udp_v4(&b, &a, 53, 1010)), None);
    scene.revoke(1);
    assert_eq!(scene.comes(&udp_v4(&a, &b, 1010, 53)), DENIED_IN);
    scene.sweep();
    assert_eq!(scene.comes(&udp_v4(&a, &b, 1010, 53)), DENIED_IN);
}

#[test]
fn the_rest_is_for_connections_whose_answers_need_one() {
    let mut scene = server(UDP, 53);
    flood(&mut scene, 1, 100);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    for port in [7001, 7002] {
        assert_eq!(scene.goes(&udp_v4(&b, &a, port, 123)), None);
        assert_eq!(scene.comes(&udp_v4(&a, &b, 123, port)), None, "the answer to {port}");
    }
    assert_eq!(scene.goes(&udp_v4(&b, &a, 7003, 123)), REFUSED_OUT);
    assert_eq!(counted(&scene), (8, 1, 94));
    flood(&mut scene, 200, 1);
}

#[test]
fn who_needs_no_answers_by_a_stateless_rule_counts_too() {
    let mut scene = server(UDP, 53);
    scene.revoke(2);
    scene.allow(Allow::all(3, OUT, 4, UDP).stateless());
    flood(&mut scene, 1, 10);
    assert_eq!((scene.connections().len(), counted(&scene)), (6, (6, 0, 4)));
}

#[test]
fn a_handshake_that_is_not_kept_goes_through_and_is_picked_up_the_right_way() {
    let mut scene = server(TCP, 80);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    for port in 1..=6 {
        assert_eq!(scene.comes(&segment(&a, &b, SYN, port, 80)), None);
    }
    let client = 4000;
    assert_eq!(scene.comes(&segment(&a, &b, SYN, client, 80)), None);
    assert_eq!(scene.goes(&segment(&b, &a, SYN | ACK, 80, client)), None);
    assert_eq!(scene.comes(&segment(&a, &b, ACK, client, 80)), None);
    assert_eq!((scene.connections().len(), counted(&scene)), (6, (6, 0, 3)));
    scene.pass(120);
    scene.sweep();
    assert_eq!(scene.goes(&segment(&b, &a, ACK, 80, client)), None);
    assert_eq!(scene.connections(), [], "what goes out may be an answer");
    assert_eq!(scene.comes(&segment(&a, &b, ACK, client, 80)), None);
    assert_eq!(u32::from(scene.connection().direction), IN);
    scene.revoke(1);
    assert_eq!(scene.comes(&segment(&a, &b, ACK, client, 80)), DENIED_IN);
    assert_eq!(scene.goes(&segment(&b, &a, ACK, 80, client)), DENIED_OUT, "and it ends both ways");
}

#[test]
fn pings_are_answered_without_a_connection_if_rules_let_answers_out() {
    let echo = |from: &Instance, to: &Instance, kind: u8, id: u16| {
        let [high, low] = id.to_be_bytes();
        let message = [kind, 0, 0, 0, high, low, 0, 1];
        ethernet(to.mac, from.mac, 0x0800, &ipv4(from.v4, to.v4, ICMP, &message))
    };
    for (answers, refusal) in [((0, 0), None), ((8, 0), Some(DropReason::IngressConnections))] {
        let rules = [Allow::icmp(1, IN, Some((8, 0))), Allow::icmp(2, OUT, Some(answers))];
        let mut scene = Scene::limited(8, &rules);
        scene.sweep();
        let (a, b) = (scene.peer.clone(), scene.guarded.clone());
        for id in 1..=8 {
            assert_eq!(scene.comes(&echo(&a, &b, 8, id)), None);
        }
        assert_eq!(scene.comes(&echo(&a, &b, 8, 9)), refusal);
        let reply = scene.goes(&echo(&b, &a, 0, 9));
        assert_eq!(reply, if refusal.is_none() { None } else { DENIED_OUT });
    }
}

#[test]
fn room_comes_back_with_the_sweep() {
    let mut scene = server(UDP, 53);
    flood(&mut scene, 1, 7);
    scene.pass(30);
    flood(&mut scene, 8, 1);
    assert_eq!(counted(&scene), (6, 0, 2), "expired rows count until they are swept");
    scene.sweep();
    flood(&mut scene, 9, 1);
    assert_eq!(counted(&scene), (1, 0, 2));
}
