//! What ports' logs are told.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::table::*;

use crate::cloud::Instance;
use crate::frames::*;
use crate::policies::*;

const BOTH: u16 = port_flag::LOG_ACCEPTED | port_flag::LOG_DROPPED;

fn logged(rules: &[Allow], flags: u16) -> Scene {
    let mut scene = Scene::with(rules);
    let port = PortKey { port: scene.guarded.port };
    scene.tables().ports.get_mut(&port).expect("guarded").flags |= flags;
    scene
}

fn events(scene: &mut Scene, from: &Instance, frame: &[u8]) -> Vec<LogEvent> {
    scene.node.from_port(from.ifindex(), frame.to_vec()).events
}

#[test]
fn a_connection_is_told_once_with_its_rule() {
    let mut scene = logged(&[Allow::udp(5, OUT, 53)], BOTH);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let frame = udp_v4(&b, &a, 40_000, 53);
    let expected = LogEvent {
        time: scene.node.now,
        port: b.port,
        rule: 5,
        source: b.v4.into(),
        destination: a.v4.into(),
        source_port: 40_000,
        destination_port: 53,
        ether_type: 0x0800,
        protocol: UDP,
        reason: 0,
        direction: OUT as u8,
        tcp_flags: 0,
        pad: 0,
        length: frame.len() as u32,
    };
    assert_eq!(events(&mut scene, &b, &frame), [expected]);
    assert_eq!(events(&mut scene, &b, &frame), []);
    assert_eq!(events(&mut scene, &a, &udp_v4(&a, &b, 53, 40_000)), []);
}

#[test]
fn a_dropped_packet_is_told_with_its_reason_each_time() {
    let mut scene = logged(&[], BOTH);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    for _ in 0..2 {
        let told = events(&mut scene, &a, &udp_v4(&a, &b, 1, 22));
        let words: Vec<_> =
            told.iter().map(|event| (event.port, event.rule, event.direction, event.reason)).collect();
        assert_eq!(words, [(b.port, 0, IN as u8, DropReason::IngressDenied as u8)]);
    }
    let told = events(&mut scene, &b, &udp_v4(&a, &b, 1, 22));
    assert_eq!(told.iter().map(|event| event.reason).collect::<Vec<_>>(), [DropReason::SourceMac as u8]);
    let lie = Arp { sender: (b.mac, a.v4), ..Arp::request(&b, a.v4) };
    let [told] = events(&mut scene, &b, &lie.bytes())[..] else { panic!("one event") };
    assert_eq!((told.reason, told.source_port), (DropReason::ArpSender as u8, 1));
    assert_eq!((told.source, told.destination), (a.v4.into(), a.v4.into()));
}

#[test]
fn each_flag_asks_for_its_own() {
    for (flags, count) in [(0, [0, 0]), (port_flag::LOG_ACCEPTED, [1, 0]), (port_flag::LOG_DROPPED, [0, 1])] {
        let mut scene = logged(&[Allow::udp(5, IN, 53)], flags);
        let (a, b) = (scene.peer.clone(), scene.guarded.clone());
        let told = [53, 54].map(|port| events(&mut scene, &a, &udp_v4(&a, &b, 9, port)).len());
        assert_eq!(told, count);
    }
}

#[test]
fn what_is_allowed_without_a_connection_is_told_each_time() {
    let mut scene = logged(&[Allow::icmp(6, IN, None), Allow::udp(7, IN, 53).stateless()], BOTH);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    for _ in 0..2 {
        assert_eq!(events(&mut scene, &a, &udp_v4(&a, &b, 9, 53))[0].rule, 7);
        let message = ethernet(b.mac, a.mac, 0x0800, &ipv4(a.v4, b.v4, ICMP, &[3, 1, 0, 0, 0, 0, 0, 0]));
        let event = events(&mut scene, &a, &message)[0];
        assert_eq!((event.rule, event.source_port, event.destination_port), (6, 3, 1), "type and code");
    }
    assert_eq!(events(&mut scene, &b, &dhcp_discover(&b)), [], "what needs no rule is not told");
}

#[test]
fn a_port_tells_no_more_than_its_limit() {
    let mut scene = logged(&[], BOTH);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let port = PortKey { port: b.port };
    let limit = Limit { interval: 1_000_000, burst: 3 };
    scene.tables().ports.get_mut(&port).expect("guarded").log_limit = limit;
    let frame = udp_v4(&a, &b, 1, 22);
    let burst: usize = (0..10).map(|_| events(&mut scene, &a, &frame).len()).sum();
    assert_eq!(burst, 3);
    scene.node.now += 1_000_000;
    assert_eq!((0..10).map(|_| events(&mut scene, &a, &frame).len()).sum::<usize>(), 1);
    assert_eq!(scene.comes(&frame), DENIED_IN, "the packet is dropped all the same");
}
