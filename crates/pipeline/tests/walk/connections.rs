//! Connections: what they let pass, and for how long.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::table::*;

use crate::cloud::Instance;
use crate::frames::*;
use crate::policies::*;

fn dns(scene: &Scene) -> (Vec<u8>, Vec<u8>) {
    let (a, b) = (&scene.peer, &scene.guarded);
    (udp_v4(b, a, 40_000, 53), udp_v4(a, b, 53, 40_000))
}

#[test]
fn what_no_rule_allows_passes_neither_way() {
    let mut scene = Scene::new();
    let (ask, answer) = dns(&scene);
    assert_eq!((scene.goes(&ask), scene.comes(&answer)), (DENIED_OUT, DENIED_IN));
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    assert_eq!(scene.goes(&udp_v6(&b, &a, 1, 2)), DENIED_OUT);
    assert_eq!(scene.comes(&udp_v6(&a, &b, 1, 2)), DENIED_IN);
    assert_eq!(scene.connections(), []);
}

#[test]
fn an_answer_passes_and_nothing_that_looks_like_one() {
    let mut scene = Scene::with(&[Allow::udp(1, OUT, 53)]);
    let (ask, answer) = dns(&scene);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    assert_eq!(scene.comes(&answer), DENIED_IN, "nobody asked");
    assert_eq!(scene.goes(&ask), None);
    assert_eq!(scene.comes(&answer), None);
    assert_eq!(scene.comes(&udp_v4(&a, &b, 54, 40_000)), DENIED_IN, "another port of the peer's");
    assert_eq!(scene.comes(&udp_v4(&a, &b, 53, 40_001)), DENIED_IN, "another port of one's own");
    let datagram = udp(53, 40_000, b"payload");
    let tcp_like = ethernet(b.mac, a.mac, 0x0800, &ipv4(a.v4, b.v4, TCP, &tcp(53, 40_000, b"")));
    let lite = ethernet(b.mac, a.mac, 0x0800, &ipv4(a.v4, b.v4, 136, &datagram));
    assert_eq!((scene.comes(&tcp_like), scene.comes(&lite)), (DENIED_IN, DENIED_IN), "other protocols");
    assert_eq!(scene.goes(&udp_v4(&b, &a, 40_000, 54)), DENIED_OUT, "what was asked for is what is allowed");
}

#[test]
fn an_answer_from_somebody_else_does_not_pass() {
    let mut scene = Scene::from_anybody(&[Allow::udp(1, OUT, 53)]);
    let (ask, _) = dns(&scene);
    scene.goes(&ask);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let liar = Instance { v4: [10, 0, 0, 77].into(), ..a };
    assert_eq!(scene.comes(&udp_v4(&liar, &b, 53, 40_000)), DENIED_IN);
}

#[test]
fn udp_is_forgotten_by_its_two_timeouts() {
    let mut scene = Scene::with(&[Allow::udp(1, OUT, 53)]);
    let (ask, answer) = dns(&scene);
    scene.goes(&ask);
    scene.pass(29);
    assert_eq!(scene.comes(&answer), None);
    assert_eq!(scene.connection().state, connection_state::ESTABLISHED);
    scene.pass(179);
    assert_eq!(scene.comes(&answer), None, "each packet prolongs it");
    scene.pass(180);
    assert_eq!(scene.comes(&answer), DENIED_IN);
    scene.goes(&ask);
    scene.pass(30);
    assert_eq!(scene.comes(&answer), DENIED_IN, "unanswered, it is forgotten sooner");
    assert_eq!(scene.connections().len(), 1, "the row is used again");
}

#[test]
fn timeouts_of_a_second_are_kept_too() {
    let mut scene = Scene::with(&[Allow::udp(1, OUT, 53)]);
    scene.tables().config.timeouts = [1; timeout::SLOTS];
    let (ask, answer) = dns(&scene);
    scene.goes(&ask);
    for _ in 0..10 {
        scene.node.now += SECOND / 2;
        assert_eq!(scene.comes(&answer), None);
    }
    scene.pass(1);
    assert_eq!(scene.comes(&answer), DENIED_IN);
}

#[test]
fn other_protocols_are_connections_of_two_addresses() {
    let mut scene = Scene::with(&[Allow::all(1, OUT, 4, 47)]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let out = ethernet(a.mac, b.mac, 0x0800, &ipv4(b.v4, a.v4, 47, &[0; 20]));
    let back = ethernet(b.mac, a.mac, 0x0800, &ipv4(a.v4, b.v4, 47, &[7; 20]));
    assert_eq!((scene.comes(&back), scene.goes(&out), scene.comes(&back)), (DENIED_IN, None, None));
    scene.pass(600);
    assert_eq!(scene.comes(&back), DENIED_IN);
}

#[test]
fn both_families_and_the_other_direction() {
    let mut scene = Scene::with(&[Allow { family: 6, ..Allow::udp(1, IN, 53) }]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let (ask, answer) = (udp_v6(&a, &b, 40_000, 53), udp_v6(&b, &a, 53, 40_000));
    assert_eq!((scene.goes(&answer), scene.comes(&ask), scene.goes(&answer)), (DENIED_OUT, None, None));
    assert_eq!(scene.comes(&udp_v4(&a, &b, 40_000, 53)), DENIED_IN, "IPv4 is another matter");
}

#[test]
fn without_port_security_there_are_no_connections() {
    let mut scene = Scene::new();
    let (ask, answer) = dns(&scene);
    let port = PortKey { port: scene.guarded.port };
    scene.tables().ports.get_mut(&port).expect("guarded").flags = 0;
    assert_eq!((scene.comes(&answer), scene.goes(&ask)), (None, None));
    assert_eq!(scene.connections(), []);
}

#[test]
fn a_policy_that_is_not_there_allows_nothing() {
    let mut scene = Scene::with(&[Allow::udp(1, OUT, 53)]);
    let (ask, answer) = dns(&scene);
    scene.goes(&ask);
    scene.tables().policies.remove(&PolicyKey { policy: GUARD, direction: OUT });
    assert_eq!((scene.goes(&ask), scene.comes(&answer)), (DENIED_OUT, DENIED_IN));
}

#[test]
fn rules_count_what_they_allow() {
    let mut scene = Scene::with(&[Allow::udp(5, OUT, 53), Allow::udp(6, IN, 7).stateless()]);
    for rule in [5, 6] {
        scene.tables().rule_counters.insert(RuleCounterKey { rule }, RuleCounters::default());
    }
    let (ask, answer) = dns(&scene);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    for _ in 0..3 {
        scene.goes(&ask);
        scene.comes(&answer);
        scene.comes(&udp_v4(&a, &b, 1, 7));
    }
    let allowed = |rule| scene.node.tables.rule_counters[&RuleCounterKey { rule }].allowed;
    assert_eq!((allowed(5), allowed(6)), (1, 3), "a connection once, what has none each time");
}

fn limited(limit: u32) -> Scene {
    Scene::limited(limit, &[Allow::all(1, OUT, 4, UDP)])
}

#[test]
fn a_port_has_no_more_connections_than_its_limit() {
    let mut scene = limited(3);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let count = PortKey { port: b.port };
    scene.sweep();
    for port in 1..=3 {
        assert_eq!(scene.goes(&udp_v4(&b, &a, port, 53)), None);
    }
    assert_eq!(scene.goes(&udp_v4(&b, &a, 4, 53)), Some(DropReason::EgressConnections));
    assert_eq!(scene.goes(&udp_v4(&b, &a, 2, 53)), None, "those that are there go on");
    let row = scene.node.tables.connection_counts[&count];
    assert_eq!((row.count, row.refused), (3, 1));
    assert_eq!(scene.connections().len(), 3);
    let mut scene = Scene::limited(0, &[Allow::all(2, IN, 4, UDP)]);
    assert_eq!(scene.comes(&udp_v4(&a, &b, 9, 9)), Some(DropReason::IngressConnections));
}

#[test]
fn a_sweep_that_does_not_come_locks_nobody_out() {
    let mut scene = limited(2);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let fill = |scene: &mut Scene, first: u16| {
        (first..first + 3).map(|port| scene.goes(&udp_v4(&b, &a, port, 53)).is_none()).collect::<Vec<_>>()
    };
    assert_eq!(fill(&mut scene, 100), [true, true, true], "the count begins");
    assert_eq!(fill(&mut scene, 200), [true, false, false]);
    scene.pass(60);
    assert_eq!(fill(&mut scene, 300), [false; 3], "it may still come");
    scene.pass(1);
    assert_eq!(fill(&mut scene, 400), [true, true, false], "as many again in each such time");
}

#[test]
fn a_port_of_which_nothing_is_counted_keeps_no_connection() {
    let mut scene = limited(3);
    let (ask, _) = dns(&scene);
    let port = PortKey { port: scene.guarded.port };
    scene.tables().connection_counts.remove(&port);
    assert_eq!(scene.goes(&ask), Some(DropReason::EgressConnections));
}
