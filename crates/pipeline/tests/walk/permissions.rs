//! Permissions that go and come while connections use them.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::table::*;

use crate::frames::*;
use crate::policies::*;

/// A question of the guarded port, and its answer.
fn packets(scene: &Scene, port: u16) -> (Vec<u8>, Vec<u8>) {
    let (a, b) = (&scene.peer, &scene.guarded);
    (udp_v4(b, a, 40_000, port), udp_v4(a, b, port, 40_000))
}

/// With a connection to port 53 and one to port 123, each allowed by a rule of its own.
fn two() -> Scene {
    let mut scene = Scene::with(&[Allow::udp(1, OUT, 53), Allow::udp(2, OUT, 123)]);
    for port in [53, 123] {
        let (ask, answer) = packets(&scene, port);
        assert_eq!((scene.goes(&ask), scene.comes(&answer)), (None, None));
    }
    scene
}

#[test]
fn a_removed_rule_ends_its_connections_and_no_other() {
    let mut scene = two();
    let ((ask, answer), (other, its_answer)) = (packets(&scene, 53), packets(&scene, 123));
    scene.revoke(1);
    assert_eq!((scene.comes(&answer), scene.goes(&ask)), (DENIED_IN, DENIED_OUT));
    assert_eq!((scene.comes(&its_answer), scene.goes(&other)), (None, None));
}

#[test]
fn a_rule_that_comes_back_lets_the_next_packet_pass() {
    let mut scene = two();
    let (ask, answer) = packets(&scene, 53);
    scene.revoke(1);
    assert_eq!(scene.goes(&ask), DENIED_OUT);
    scene.allow(Allow::udp(9, OUT, 53));
    assert_eq!((scene.goes(&ask), scene.comes(&answer)), (None, None));
    assert!(scene.connections().iter().all(|row| row.state == connection_state::ESTABLISHED));
}

#[test]
fn another_rule_that_allows_it_takes_it_over() {
    let mut scene = two();
    scene.allow(Allow::all(3, OUT, 4, UDP));
    let (_, answer) = packets(&scene, 53);
    scene.revoke(1);
    assert_eq!(scene.comes(&answer), None);
    assert!(scene.connections().iter().any(|row| row.rule == 3));
    let written = scene.connections();
    assert_eq!(scene.comes(&answer), None);
    assert_eq!(scene.connections(), written, "judged once for each change");
}

/// The answers that are still under way, or sent on and on, must not begin what a rule of the other direction allows.
#[test]
fn answers_to_what_is_no_longer_allowed_begin_nothing_new() {
    let mut scene = two();
    scene.allow(Allow::all(3, IN, 4, UDP));
    let (ask, answer) = packets(&scene, 53);
    scene.revoke(1);
    for _ in 0..10 {
        assert_eq!((scene.goes(&ask), scene.comes(&answer)), (DENIED_OUT, DENIED_IN));
        scene.pass(20);
    }
    scene.pass(180);
    assert_eq!(scene.comes(&answer), None, "long after, it is a packet like any other");
}

#[test]
fn an_address_that_leaves_a_group_loses_what_it_had() {
    let set = 11;
    let mut scene = Scene::with(&[Allow::udp(1, IN, 53).from(Remote::Set(set))]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let member = MemberKey { set, address: a.v4.into() };
    let frame = udp_v4(&a, &b, 1000, 53);
    assert_eq!(scene.comes(&frame), DENIED_IN);
    scene.tables().members.insert(member, Member::default());
    assert_eq!(scene.comes(&frame), None, "it needs no new generation");
    scene.tables().members.remove(&member);
    assert_eq!(scene.comes(&frame), None, "not yet");
    scene
        .tables()
        .policies
        .get_mut(&PolicyKey { policy: GUARD, direction: IN })
        .expect("policy")
        .generation += 1;
    assert_eq!(scene.comes(&frame), DENIED_IN);
}

#[test]
fn a_port_with_another_policy_has_its_connections_judged_by_that() {
    let mut scene = two();
    let (_, answer) = packets(&scene, 53);
    let port = PortKey { port: scene.guarded.port };
    scene.tables().ports.get_mut(&port).expect("guarded").policy = GUARD + 1;
    assert_eq!(scene.comes(&answer), DENIED_IN);
    scene.tables().ports.get_mut(&port).expect("guarded").policy = crate::cloud::ALLOW_ALL;
    assert_eq!(scene.comes(&answer), None);
}

#[test]
fn stateless_rules_keep_no_connection() {
    let mut scene = Scene::with(&[Allow::udp(1, OUT, 53).stateless()]);
    let (ask, answer) = packets(&scene, 53);
    assert_eq!((scene.goes(&ask), scene.comes(&answer)), (None, DENIED_IN));
    scene.allow(Allow::all(2, IN, 4, UDP).stateless());
    assert_eq!(scene.comes(&answer), None, "by a rule of its own");
    assert_eq!(scene.connections(), []);
}

#[test]
fn a_rule_with_state_stands_before_one_without() {
    let set = 11;
    let with_state = Allow::all(2, OUT, 4, UDP).from(Remote::Set(set));
    let mut scene = Scene::with(&[Allow::udp(1, OUT, 53).stateless(), with_state]);
    let address = scene.peer.v4.into();
    scene.tables().members.insert(MemberKey { set, address }, Member::default());
    let (ask, answer) = packets(&scene, 53);
    assert_eq!((scene.goes(&ask), scene.comes(&answer)), (None, None));
    assert_eq!(scene.connection().rule, 2);
}

#[test]
fn what_becomes_stateless_ends_its_connection_and_goes_on_by_rules() {
    let mut scene = two();
    let (ask, answer) = packets(&scene, 53);
    scene.revoke(1);
    scene.revoke(2);
    scene.allow(Allow::udp(4, OUT, 53).stateless());
    assert_eq!((scene.goes(&ask), scene.comes(&answer)), (None, DENIED_IN));
    assert_eq!(scene.connections().len(), 1, "only the other one is left");
    let port = PortKey { port: scene.guarded.port };
    assert_eq!(scene.node.tables.connection_counts[&port].count, 1);
}

#[test]
fn at_the_sender_too_what_is_denied_leaves_no_trace_at_the_receiver() {
    let mut scene = Scene::new();
    let (ask, _) = packets(&scene, 53);
    scene.goes(&ask);
    assert!(scene.node.tables.connections.is_empty());
    assert_eq!(scene.node.counters.drops[DropReason::EgressDenied as usize], 1);
    assert_eq!(scene.node.counters.drops[DropReason::IngressDenied as usize], 0);
}
