//! Stage `route`: what routers say when a packet does not go on, and when they say nothing.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Frame, Node};
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, VerdictKind};

use crate::cloud::{Instance, assert_drop};
use crate::frames::*;
use crate::routers::{self, add_route, id, instance, mac, own_v4, own_v6};
use crate::routing::{assert_refused, echo, through};

/// An instance whose router has a second interface.
fn scene() -> (Node, Instance) {
    let a = instance(1, 1, 1);
    (routers::node(1, &[a.clone(), instance(2, 2, 1)], &[(1, 1), (1, 2)]), a)
}

/// An instance behind the router, there or not.
fn nobody(n: u8) -> Instance {
    instance(2, n, 1)
}

/// Asserts an ICMP error of the router to the sender, with right checksums, that quotes the packet as it was.
#[track_caller]
fn assert_error(bytes: &[u8], (kind, code): (u8, u8), speaker: Address, a: &Instance, sent: &[u8]) {
    assert_eq!(bytes[..12], [a.mac.0, mac(1, 1).0].concat());
    let (transport, quote) = if speaker.is_v4() { (34, 42) } else { (54, 62) };
    assert_eq!((bytes[transport], bytes[transport + 1]), (kind, code));
    if speaker.is_v4() {
        assert_eq!(bytes[26..34], [speaker.tail(), a.v4.octets()].concat());
        assert_eq!((sum(&bytes[14..34]), sum(&bytes[34..])), (0xffff, 0xffff));
        assert_eq!(usize::from(u16::from_be_bytes([bytes[16], bytes[17]])), bytes.len() - 14);
    } else {
        assert_eq!(bytes[22..38], speaker.0);
        assert_eq!(icmpv6_checksum(speaker, a.v6.into(), &bytes[54..]), 0);
    }
    let quoted = &bytes[quote..];
    assert!(quoted.len() >= 28 && quoted.len() <= 504);
    assert_eq!(*quoted, sent[14..14 + quoted.len()]);
}

#[test]
fn the_end_of_a_packet_s_life_is_told() {
    let (mut node, a) = scene();
    let [mut v4, mut v6] = through(1, &a, &nobody(2));
    v4[22] = 1;
    v6[21] = 1;
    let told = assert_refused(&mut node, DropReason::HopLimit, &a, v4.clone());
    assert_error(&told.bytes, (11, 0), own_v4(1, 1).into(), &a, &v4);
    let told = assert_refused(&mut node, DropReason::HopLimit, &a, v6.clone());
    assert_error(&told.bytes, (3, 0), own_v6(1, 1).into(), &a, &v6);
}

#[test]
fn each_router_of_a_chain_speaks_for_itself() {
    let (a, b) = (instance(1, 1, 1), instance(3, 2, 1));
    let mut node = routers::node(1, &[a.clone(), b.clone()], &[(1, 1), (1, 2), (2, 2), (2, 3)]);
    add_route(&mut node, 1, routers::DEFAULTS[0], id(1, 2), own_v4(2, 2).into());
    let [mut frame, _] = through(1, &a, &b);
    for (hop_limit, speaker) in [(1, own_v4(1, 1)), (2, own_v4(2, 2))] {
        frame[22] = hop_limit;
        let told = assert_refused(&mut node, DropReason::HopLimit, &a, frame.clone());
        assert_error(&told.bytes, (11, 0), speaker.into(), &a, &frame);
    }
}

#[test]
fn what_has_no_route_or_no_neighbour_is_unreachable() {
    let (mut node, a) = scene();
    let beyond =
        Instance { v4: [203, 0, 113, 9].into(), v6: [0x2001, 0xdb8, 0, 0, 0, 0, 0, 9].into(), ..nobody(9) };
    let [v4, v6] = through(1, &a, &beyond);
    let told = assert_refused(&mut node, DropReason::NoRoute, &a, v4.clone());
    assert_error(&told.bytes, (3, 0), own_v4(1, 1).into(), &a, &v4);
    let told = assert_refused(&mut node, DropReason::NoRoute, &a, v6.clone());
    assert_error(&told.bytes, (1, 0), own_v6(1, 1).into(), &a, &v6);
    let [v4, v6] = through(1, &a, &nobody(77));
    let told = assert_refused(&mut node, DropReason::NextHopUnknown, &a, v4.clone());
    assert_error(&told.bytes, (3, 1), own_v4(1, 1).into(), &a, &v4);
    let told = assert_refused(&mut node, DropReason::NextHopUnknown, &a, v6.clone());
    assert_error(&told.bytes, (1, 3), own_v6(1, 1).into(), &a, &v6);
}

#[test]
fn a_packet_that_the_next_network_does_not_carry_is_too_big() {
    let (mut node, a) = scene();
    let row = node.tables.router_interfaces.get_mut(&RouterInterfaceKey { interface: id(1, 2) });
    row.expect("the interface").mtu = 1300;
    for [mut v4, mut v6] in [through(1, &a, &nobody(2))] {
        v4.resize(14 + 1301, 7);
        v4[16..18].copy_from_slice(&1301u16.to_be_bytes());
        let told = assert_refused(&mut node, DropReason::RouteTooBig, &a, v4.clone());
        assert_error(&told.bytes, (3, 4), own_v4(1, 1).into(), &a, &v4);
        assert_eq!(told.bytes[40..42], 1300u16.to_be_bytes());
        v6.resize(14 + 1301, 7);
        v6[18..20].copy_from_slice(&1261u16.to_be_bytes());
        let told = assert_refused(&mut node, DropReason::RouteTooBig, &a, v6.clone());
        assert_error(&told.bytes, (2, 0), own_v6(1, 1).into(), &a, &v6);
        assert_eq!(told.bytes[58..62], 1300u32.to_be_bytes());
        // As large as it may be.
        v4.truncate(14 + 1300);
        v4[16..18].copy_from_slice(&1300u16.to_be_bytes());
        assert_eq!(node.from_port(a.ifindex(), v4.clone()).verdict.a, nobody(2).port);
        // Of a GSO frame the segments count.
        v4.resize(9000, 7);
        v4[16..18].copy_from_slice(&(9000u16 - 14).to_be_bytes());
        for (gso_size, passes) in [(1300 - 28, true), (1300 - 27, false)] {
            let gso = Frame { bytes: v4.clone(), gso_size, ..Frame::default() };
            let outcome = node.from_port(a.ifindex(), gso);
            assert_eq!(outcome.verdict.a == nobody(2).port, passes, "{gso_size}");
        }
    }
}

#[test]
fn nothing_but_echo_is_served_at_a_router_s_address() {
    let (mut node, a) = scene();
    let router = Instance { v4: own_v4(1, 2), v6: own_v6(1, 2), ..nobody(9) };
    let [v4, v6] = through(1, &a, &router);
    let told = assert_refused(&mut node, DropReason::RouterUnserved, &a, v4.clone());
    assert_error(&told.bytes, (3, 3), own_v4(1, 1).into(), &a, &v4);
    let told = assert_refused(&mut node, DropReason::RouterUnserved, &a, v6.clone());
    assert_error(&told.bytes, (1, 4), own_v6(1, 1).into(), &a, &v6);
}

#[test]
fn a_circle_of_routers_ends() {
    let a = instance(1, 1, 1);
    let mut node = routers::node(1, std::slice::from_ref(&a), &[(1, 1), (1, 2), (2, 2)]);
    add_route(&mut node, 1, routers::DEFAULTS[0], id(1, 2), own_v4(2, 2).into());
    add_route(&mut node, 2, routers::DEFAULTS[0], id(2, 2), own_v4(1, 2).into());
    let beyond = Instance { v4: [203, 0, 113, 9].into(), ..nobody(9) };
    let [frame, _] = through(1, &a, &beyond);
    let told = assert_refused(&mut node, DropReason::RouterLoop, &a, frame);
    assert_eq!((told.bytes[34], told.bytes[35]), (11, 0));
    assert_eq!(sum(&told.bytes[34..]), 0xffff);
}

#[test]
fn nothing_is_said_about_errors_later_fragments_and_groups() {
    let (mut node, a) = scene();
    let target = nobody(77);
    let quote = ipv4(target.v4, a.v4, UDP, &udp(1, 2, b""));
    let error = ipv4(a.v4, target.v4, ICMP, &[&[3, 3, 0, 0, 0, 0, 0, 0], &quote[..]].concat());
    let later = ipv4_fragment(a.v4, target.v4, 99, 0x00b9, b"later");
    for packet in [error, later] {
        let frame = ethernet(mac(1, 1), a.mac, 0x0800, &packet);
        let silent = |n: &mut Node| n.from_port(a.clone().open().ifindex(), frame);
        let open = Instance { is_secure: false, ..a.clone() };
        let mut node = routers::node(1, &[open], &[(1, 1), (1, 2)]);
        assert_drop(&mut node, DropReason::NextHopUnknown, silent);
    }
    let to_group = ipv4(a.v4, [224, 0, 0, 9].into(), UDP, &udp(1, 2, b""));
    let frame = ethernet(mac(1, 1), a.mac, 0x0800, &to_group);
    assert_drop(&mut node, DropReason::NotRouted, |n| n.from_port(a.ifindex(), frame));
}

#[test]
fn addresses_of_one_link_do_not_leave_it() {
    let (mut node, a) = scene();
    let message = icmpv6(a.link_local(), nobody(2).v6.into(), 128, b"\0\x01\0\x02");
    let frame = ethernet(mac(1, 1), a.mac, 0x86dd, &message);
    assert_drop(&mut node, DropReason::NotRouted, |n| n.from_port(a.ifindex(), frame));
    for to in [[169, 254, 1, 1], [127, 0, 0, 1], [0, 0, 0, 1], [255, 255, 255, 255]] {
        let packet = ipv4(a.v4, to.into(), UDP, &udp(1, 2, b""));
        let frame = ethernet(mac(1, 1), a.mac, 0x0800, &packet);
        assert_drop(&mut node, DropReason::NotRouted, |n| n.from_port(a.ifindex(), frame));
    }
}

#[test]
fn other_protocols_are_not_routed() {
    let a = instance(1, 1, 1).open();
    let mut node = routers::node(1, std::slice::from_ref(&a), &[(1, 1)]);
    let frame = ethernet(mac(1, 1), a.mac, 0x88b5, b"experiment");
    assert_drop(&mut node, DropReason::NotRouted, |n| n.from_port(a.ifindex(), frame));
}

#[test]
fn errors_are_limited_per_port() {
    let (mut node, a) = scene();
    let row = node.tables.ports.get_mut(&PortKey { port: a.port }).expect("the port");
    row.error_limit = Limit { interval: 1_000_000, burst: 2 };
    node.now = 1_000_000_000;
    let [frame, _] = through(1, &a, &nobody(77));
    for _ in 0..2 {
        assert_refused(&mut node, DropReason::NextHopUnknown, &a, frame.clone());
    }
    assert_drop(&mut node, DropReason::NextHopUnknown, |n| n.from_port(a.ifindex(), frame.clone()));
    node.now += 1_000_000;
    assert_refused(&mut node, DropReason::NextHopUnknown, &a, frame);
}

#[test]
fn an_error_passes_the_sender_s_rules_as_related() {
    let (mut node, a) = scene();
    node.tables.policies.retain(|key, _| key.direction == direction::EGRESS);
    node.tables.rules.retain_egress();
    let [frame, _] = through(1, &a, &nobody(77));
    let told = assert_refused(&mut node, DropReason::NextHopUnknown, &a, frame);
    assert_eq!(told.verdict.kind, VerdictKind::Deliver as u32);
    // And so does the answer to an echo request.
    let outcome = node.from_port(a.ifindex(), echo(&a, own_v4(1, 2).into(), mac(1, 1), 8));
    assert_eq!((outcome.verdict.kind, outcome.verdict.a), (VerdictKind::Deliver as u32, a.port));
}

trait RetainEgress {
    fn retain_egress(&mut self);
}

impl RetainEgress for hadron_pipeline::host::Prefixes<RuleKey, Rule> {
    fn retain_egress(&mut self) {
        let gone: Vec<RuleKey> =
            self.iter().map(|(key, _)| *key).filter(|key| key.direction != direction::EGRESS).collect();
        for key in gone {
            self.remove(&key);
        }
    }
}
