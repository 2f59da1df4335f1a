//! Addresses that instances share: out, in, between hosts, and what happens when ports run out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Frame, Node, Output};
use hadron_pipeline::table::*;
use hadron_pipeline::{Mac, PuntReason, VerdictKind};
use proptest::prelude::*;

use crate::cloud::{self, assert_delivered, assert_drop};
use crate::floating::*;
use crate::frames::*;
use crate::routers::{id, instance, mac};
use crate::routing::assert_refused;
use crate::sharing::*;

#[test]
fn who_has_no_floating_ip_shares_the_router_s_address() {
    for protocol in WITH_PORTS {
        let (mut node, [.., c]) = shared();
        let sent = frame(protocol, End::of(&c, 4000), world(far(protocol)).at(router()), 64);
        let (out, port) = left(&node.from_port(c.ifindex(), sent.clone()));
        assert_eq!(port / NAT_BLOCK, BLOCKS[0]);
        assert_eq!(out.bytes, frame(protocol, outside(port), world(far(protocol)), 63));
        let back = frame(protocol, world(far(protocol)), outside(port), 50);
        let expected = frame(protocol, world(far(protocol)).at(router()), End::of(&c, 4000), 49);
        assert_delivered(&node.from_provider(PROVIDER, back), &c, &expected);
        let (_, again) = left(&node.from_port(c.ifindex(), sent));
        assert_eq!(again, port, "a session keeps its port");
    }
}

#[test]
fn floating_ips_go_before_the_shared_address() {
    let (mut node, [a, ..]) = shared();
    let sent = packet(UDP, inner(&a), (router(), WORLD), 64);
    let (out, _) = left(&node.from_port(a.ifindex(), sent));
    assert_eq!(out.bytes[26..30], [10, 0, EXTERNAL as u8, 101]);
    assert!(node.tables.nat_sessions.is_empty());
}

#[test]
fn two_instances_with_one_port_are_told_apart() {
    let (mut node, [_, b, c]) = shared();
    node.tables.floating_sources.clear();
    let ports = [&b, &c].map(|instance| send(&mut node, UDP, instance, 4000));
    assert_ne!(ports[0], ports[1]);
    for (instance, port) in [&b, &c].into_iter().zip(ports) {
        let outcome = node.from_provider(PROVIDER, frame(UDP, world(443), outside(port), 64));
        let expected = frame(UDP, world(443).at(router()), End::of(instance, 4000), 63);
        assert_delivered(&outcome, instance, &expected);
    }
}

#[test]
fn nobody_else_comes_in_by_a_session_s_port() {
    let (mut node, [.., c]) = shared();
    let port = send(&mut node, UDP, &c, 4000);
    let stranger = End { address: Ipv4Addr::new(203, 0, 113, 10), ..world(443) };
    for from in [stranger, world(444)] {
        let came = frame(UDP, from, outside(port), 64);
        assert_drop(&mut node, DropReason::RouterUnserved, |n| n.from_provider(PROVIDER, came));
    }
    let came = frame(TCP, world(443), outside(port), 64);
    assert_drop(&mut node, DropReason::RouterUnserved, |n| n.from_provider(PROVIDER, came));
}

#[test]
fn the_router_answers_echo_requests_at_the_shared_address() {
    let (mut node, [.., c]) = shared();
    send(&mut node, ICMP, &c, 7);
    let request = frame(ICMP, End { port: 7, ..world(0) }, outside(0), 64);
    let (out, _) = left(&node.from_provider(PROVIDER, request));
    assert_eq!(out.bytes, frame(ICMP, outside(0), End { port: 7, ..world(0) }, 64));
}

#[test]
fn the_end_of_a_connection_begins_no_session() {
    let (mut node, [.., c]) = shared();
    let mut sent = frame(TCP, End::of(&c, 4000), world(443).at(router()), 64);
    sent[47] = 0x04;
    assert_drop(&mut node, DropReason::NoSession, |n| n.from_port(c.ifindex(), sent));
    assert!(node.tables.nat_sessions.is_empty() && node.tables.nat_returns.is_empty());
}

#[test]
fn errors_go_to_the_session_that_they_quote() {
    for protocol in WITH_PORTS {
        let (mut node, [.., c]) = shared();
        let port = send(&mut node, protocol, &c, 4000);
        // Somebody on the way tells about what was sent.
        let quote = |from: End| datagram(protocol, from, world(far(protocol)));
        let back = error((UPSTREAM.0, UPSTREAM.1), (OWN, SHARED), 64, &quote(outside(port)));
        let expected = error((router(), UPSTREAM.1), inner(&c), 63, &quote(End::of(&c, 4000)));
        assert_delivered(&node.from_provider(PROVIDER, back), &c, &expected);
        // The instance tells about what came.
        let quote = |to: End| datagram(protocol, world(far(protocol)), to);
        let sent = error(inner(&c), (router(), WORLD), 64, &quote(End::of(&c, 4000)));
        let expected = error((OWN, SHARED), (UPSTREAM.0, WORLD), 63, &quote(outside(port)));
        assert_eq!(left(&node.from_port(c.ifindex(), sent)).0.bytes, expected);
        // About nothing that was sent.
        let quote = datagram(protocol, outside(port + 1), world(far(protocol)));
        let back = error((UPSTREAM.0, UPSTREAM.1), (OWN, SHARED), 64, &quote);
        assert_drop(&mut node, DropReason::RouterUnserved, |n| n.from_provider(PROVIDER, back));
    }
}

#[test]
fn later_fragments_follow_the_first() {
    let (mut node, [.., c]) = shared();
    let inside = End::of(&c, 4000);
    let first = fragment(inside, world(443).at(router()), 0x2000, 64);
    let (out, port) = left(&node.from_port(c.ifindex(), first));
    assert_eq!(out.bytes, fragment(outside(port), world(443), 0x2000, 63));
    let (out, _) = left(&node.from_port(c.ifindex(), fragment(inside, world(443).at(router()), 2, 64)));
    assert_eq!(out.bytes, fragment(outside(port), world(443), 2, 63));
    let orphan = tagged(fragment(world(443), outside(port), 2, 64), 0);
    assert_drop(&mut node, DropReason::NoSession, |n| n.from_provider(PROVIDER, orphan));
    for offset in [0x2000, 2] {
        let outcome = node.from_provider(PROVIDER, fragment(world(443), outside(port), offset, 64));
        assert_delivered(&outcome, &c, &fragment(world(443).at(router()), inside, offset, 63));
    }
    // What is relayed is so in all its pieces.
    in_overlay(&mut node, PROVIDER, THERE);
    let theirs = BLOCKS[1] * NAT_BLOCK;
    for offset in [0x2000, 2] {
        let mut came = fragment(world(443), outside(theirs), offset, 64);
        came[18] ^= 0x55;
        let came = with_hop_limit(came, 64);
        let outcome = node.from_provider(PROVIDER, came);
        assert_eq!(outcome.verdict.kind, VerdictKind::Tunnel as u32, "{outcome:?}");
    }
}

#[test]
fn a_partial_checksum_keeps_ports_out_of_it() {
    let (mut node, [.., c]) = shared();
    let partial = |from: End, to: End, hop_limit: u8| {
        let mut bytes = frame(TCP, from, to, hop_limit);
        let length = (bytes.len() as u16 - 34).to_be_bytes();
        let pseudo = [&from.address.octets()[..], &to.address.octets(), &[0, TCP], &length].concat();
        bytes[50..52].copy_from_slice(&sum(&pseudo).to_be_bytes());
        Frame { bytes, has_partial_checksum: true, ..Frame::default() }
    };
    let sent = partial(End::of(&c, 4000), world(443).at(router()), 64);
    let (out, port) = left(&node.from_port(c.ifindex(), sent));
    assert_eq!(out, partial(outside(port), world(443), 63));
}

#[test]
fn a_datagram_without_a_checksum_stays_without_one() {
    let (mut node, [.., c]) = shared();
    let mut sent = frame(UDP, End::of(&c, 4000), world(443).at(router()), 64);
    sent[40..42].fill(0);
    let (out, port) = left(&node.from_port(c.ifindex(), sent));
    let mut expected = frame(UDP, outside(port), world(443), 63);
    expected[40..42].fill(0);
    assert_eq!(out.bytes, expected);
}

#[test]
fn a_gateway_relays_to_the_host_that_has_the_port() {
    for protocol in WITH_PORTS {
        let (mut gateway, _) = shared();
        in_overlay(&mut gateway, PROVIDER, THERE);
        let (mut host, d) = there(PROVIDER);
        let port = send(&mut host, protocol, &d, 4000);
        assert_eq!(port / NAT_BLOCK, BLOCKS[1]);
        let came = frame(protocol, world(far(protocol)), outside(port), 50);
        let relayed = to_host(&gateway.from_provider(PROVIDER, came), THERE);
        let wire = mac(1, EXTERNAL);
        assert_eq!(relayed, frame(protocol, world(far(protocol)).at(wire), outside(port).at(wire), 50));
        let outcome = host.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(HERE), relayed.clone());
        let expected = frame(protocol, world(far(protocol)).at(router()), End::of(&d, 4000), 49);
        assert_delivered(&outcome, &d, &expected);
        // Nor does it go on from there, when it is for a third.
        let stray =
            frame(protocol, world(far(protocol)).at(wire), outside(BLOCKS[0] * NAT_BLOCK).at(wire), 50);
        assert_drop(&mut host, DropReason::TargetGone, |n| {
            n.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(HERE), stray)
        });
    }
}

#[test]
fn a_host_without_a_way_outside_sends_by_a_gateway() {
    for protocol in WITH_PORTS {
        let (mut gateway, _) = shared();
        in_overlay(&mut gateway, PROVIDER, THERE);
        let (mut host, d) = there(0);
        let key = RouterInterfaceKey { interface: id(1, EXTERNAL) };
        let row = host.tables.router_interfaces.get_mut(&key).expect("the gateway");
        (row.relay, row.mac) = (HERE, row.own_mac);
        let sent = frame(protocol, End::of(&d, 4000), world(far(protocol)).at(router()), 64);
        let wire = mac(1, EXTERNAL);
        let relayed = to_host(&host.from_port(d.ifindex(), sent), HERE);
        assert_eq!(relayed[..12], [wire.0, wire.0].concat());
        let outcome = gateway.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(THERE), relayed);
        let (out, port) = left(&outcome);
        assert_eq!(out.bytes, frame(protocol, outside(port), world(far(protocol)), 63));
        let back = frame(protocol, world(far(protocol)), outside(port), 50);
        let relayed = to_host(&gateway.from_provider(PROVIDER, back), THERE);
        let outcome = host.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(HERE), relayed);
        let expected = frame(protocol, world(far(protocol)).at(router()), End::of(&d, 4000), 49);
        assert_delivered(&outcome, &d, &expected);
    }
}

#[test]
fn a_gateway_relays_a_floating_ip_to_its_instance_s_host() {
    let (mut gateway, _) = shared();
    in_overlay(&mut gateway, PROVIDER, THERE);
    let key = FloatingIpKey { network: EXTERNAL, address: Ipv4Addr::new(10, 0, EXTERNAL as u8, 104).into() };
    let flags = floating_flag::ANSWERED | floating_flag::RELAYED;
    let row = FloatingIp { interface: id(1, EXTERNAL), port: THERE, flags, ..FloatingIp::default() };
    gateway.tables.floating_ips.insert(key, row);
    let (mut host, d) = there(0);
    let (interface, inside) = (id(1, EXTERNAL), d.v4.into());
    let row = FloatingIp { interface, port: d.port, inside, flags: 0 };
    host.tables.floating_ips.insert(key, row);
    let address = FloatingSource { address: key.address };
    host.tables.floating_sources.insert(FloatingSourceKey { interface, inside }, address);
    let row = host.tables.router_interfaces.get_mut(&RouterInterfaceKey { interface }).expect("the gateway");
    (row.relay, row.mac) = (HERE, row.own_mac);
    for protocol in WITH_PORTS {
        let port = if protocol == ICMP { 0 } else { 22 };
        let floating = End { mac: OWN, address: Ipv4Addr::new(10, 0, EXTERNAL as u8, 104), port };
        let from = world(if protocol == ICMP { 7 } else { 443 });
        let wire = mac(1, EXTERNAL);
        let relayed = to_host(&gateway.from_provider(PROVIDER, frame(protocol, from, floating, 50)), THERE);
        assert_eq!(relayed, frame(protocol, from.at(wire), floating.at(wire), 50));
        let outcome = host.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(HERE), relayed);
        let inside = End::of(&d, port);
        assert_delivered(&outcome, &d, &frame(protocol, from.at(router()), inside, 49));
        let back = frame(protocol, inside, from.at(router()), 64);
        let relayed = to_host(&host.from_port(d.ifindex(), back), HERE);
        let outcome = gateway.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(THERE), relayed);
        let (out, _) = left(&outcome);
        assert_eq!(out.bytes, frame(protocol, floating, from, 63));
    }
}

/// The MTU that an ICMP error tells, after its type and code.
fn told_mtu(error: &[u8]) -> u16 {
    assert_eq!((error[23], error[34], error[35]), (ICMP, 3, 4), "{error:?}");
    u16::from_be_bytes([error[40], error[41]])
}

#[test]
fn what_is_too_large_for_the_overlay_is_told_its_sender_in_and_out() {
    let large = [7; 1440];
    let (mut gateway, _) = shared();
    in_overlay(&mut gateway, PROVIDER, THERE);
    gateway.tables.meters.insert(PortKey { port: 0 }, Meters::default());
    gateway.now = 10_000_000_000;
    let sent = ipv4(WORLD, SHARED, UDP, &udp(443, BLOCKS[1] * NAT_BLOCK, &large));
    let outcome = gateway.from_provider(PROVIDER, ethernet(OWN, UPSTREAM.0, 0x0800, &sent));
    let [Output::Deliver { ifindex: PROVIDER, frame }] = &outcome.outputs[..] else { panic!("{outcome:?}") };
    assert_eq!(u32::from(told_mtu(&frame.bytes)), cloud::OVERLAY_MTU);
    assert_eq!((&frame.bytes[26..30], &frame.bytes[30..34]), (&SHARED.octets()[..], &WORLD.octets()[..]));
    let (mut host, d) = there(0);
    let key = RouterInterfaceKey { interface: id(1, EXTERNAL) };
    let row = host.tables.router_interfaces.get_mut(&key).expect("the gateway");
    (row.relay, row.mac) = (HERE, row.own_mac);
    let sent = ipv4(d.v4, WORLD, UDP, &udp(4000, 443, &large));
    let outcome = host.from_port(d.ifindex(), ethernet(router(), d.mac, 0x0800, &sent));
    let [(_, error)] = &cloud::delivered(&outcome)[..] else { panic!("{outcome:?}") };
    assert_eq!(u32::from(told_mtu(error)), cloud::OVERLAY_MTU);
}

#[test]
fn a_gateway_asks_for_the_next_hop_of_what_it_relays() {
    let (mut gateway, _) = shared();
    in_overlay(&mut gateway, PROVIDER, THERE);
    gateway.tables.learned_neighbours.clear();
    let wire = mac(1, EXTERNAL);
    let relayed = frame(UDP, outside(BLOCKS[1] * NAT_BLOCK).at(wire), world(443).at(wire), 63);
    let outcome = gateway.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(THERE), relayed);
    let expected = Arp {
        to: BROADCAST,
        from: OWN,
        operation: 1,
        sender: (OWN, Ipv4Addr::UNSPECIFIED),
        target: (Mac::default(), UPSTREAM.1),
    };
    assert_outside(&outcome, 0, &expected.padded());
}

#[test]
fn inner_networks_bring_a_router_nothing_by_the_overlay() {
    let (mut node, [.., c]) = shared();
    let d = instance(1, 4, THERE);
    cloud::add_instances(&mut node.tables, HERE, std::slice::from_ref(&d), |_| true);
    let sent = frame(UDP, End::of(&d, 4000), End::of(&c, 4000).at(router()), 64);
    let [vni, from] = [cloud::vni(1), THERE];
    assert_drop(&mut node, DropReason::NotHere, |n| n.from_overlay(vni, cloud::vtep(from), sent));
}

#[test]
fn an_instance_reaches_a_floating_ip_of_the_same_host() {
    for protocol in [TCP, UDP, ICMP] {
        let (mut node, [a, _, c]) = shared();
        let floating =
            End { mac: router(), address: Ipv4Addr::new(10, 0, EXTERNAL as u8, 101), port: far(protocol) };
        let sent = frame(protocol, End::of(&c, 4000), floating, 64);
        let outcome = node.from_port(c.ifindex(), sent);
        let [Output::Deliver { frame: got, .. }] = &outcome.outputs[..] else { panic!("{outcome:?}") };
        let at = if protocol == ICMP { 38 } else { 34 };
        let port = u16::from_be_bytes([got.bytes[at], got.bytes[at + 1]]);
        let inside = End::of(&a, far(protocol));
        assert_delivered(&outcome, &a, &frame(protocol, outside(port).at(router()), inside, 62));
        let back = frame(protocol, inside, outside(port).at(router()), 64);
        let outcome = node.from_port(a.ifindex(), back);
        assert_delivered(&outcome, &c, &frame(protocol, floating, End::of(&c, 4000), 62));
    }
}

#[test]
fn ports_that_run_out_are_told_and_asked_for() {
    let (mut node, [.., c]) = shared();
    let errors = Limit { interval: 1, burst: 1 };
    node.tables.ports.get_mut(&PortKey { port: c.port }).expect("c").error_limit = errors;
    let mut used = BTreeSet::new();
    for port in 0..NAT_BLOCK {
        assert!(used.insert(send(&mut node, UDP, &c, 5000 + port)));
    }
    assert_eq!(used.len(), usize::from(NAT_BLOCK));
    let sent = frame(UDP, End::of(&c, 6000), world(443).at(router()), 64);
    let before = node.tables.nat_sessions.len();
    let outcome = node.from_port(c.ifindex(), sent.clone());
    let [Output::Punt { header, .. }, Output::Deliver { frame: told, .. }] = &outcome.outputs[..] else {
        panic!("{outcome:?}")
    };
    assert_eq!((header.reason, header.ifindex), (PuntReason::OutsidePorts as u32, id(1, EXTERNAL)));
    assert_eq!(told.bytes[34..36], [3, 1], "host unreachable");
    assert_eq!(node.counters.drops[DropReason::NoOutsidePort as usize], 1);
    assert_eq!(node.tables.nat_sessions.len(), before, "nothing is left of it");
    assert_eq!(node.tables.nat_counts[&PortKey { port: c.port }].count, u32::from(NAT_BLOCK));
    // Towards somebody else all ports are free.
    let other = End { address: Ipv4Addr::new(203, 0, 113, 10), ..world(443) };
    left(&node.from_port(c.ifindex(), frame(UDP, End::of(&c, 6000), other.at(router()), 64)));
    // A further block helps at once.
    let pool = NatPool::new(SHARED.octets(), &[BLOCKS[0], 101]);
    node.tables.nat_pools.insert(NatPoolKey { interface: id(1, EXTERNAL) }, pool);
    for port in 6000..6032 {
        assert!(used.insert(send(&mut node, UDP, &c, port)));
    }
}

#[test]
fn without_a_block_nothing_leaves_and_ports_are_asked_for() {
    let (mut node, [.., c]) = shared();
    let pool = NatPool::new(SHARED.octets(), &[]);
    node.tables.nat_pools.insert(NatPoolKey { interface: id(1, EXTERNAL) }, pool);
    let outcome = node.from_port(c.ifindex(), frame(UDP, End::of(&c, 6000), world(443).at(router()), 64));
    assert!(matches!(&outcome.outputs[..], [Output::Punt { .. }]), "nobody is told yet: {outcome:?}");
    assert_eq!(node.counters.drops[DropReason::OutsidePortsAwaited as usize], 1);
    assert!(node.tables.nat_sessions.is_empty());
    node.tables.nat_pools.clear();
    let row = node.tables.router_interfaces.get_mut(&RouterInterfaceKey { interface: id(1, EXTERNAL) });
    row.expect("the gateway").address_v4 = [0; 4];
    let sent = frame(UDP, End::of(&c, 6000), world(443).at(router()), 64);
    assert_refused(&mut node, DropReason::NoOutsideAddress, &c, sent);
}

#[test]
fn a_port_is_free_again_when_its_session_is_over() {
    let (mut node, [_, b, c]) = shared();
    node.tables.floating_sources.clear();
    for port in 0..NAT_BLOCK {
        send(&mut node, UDP, &c, 5000 + port);
    }
    node.now += u64::from(timeout::DEFAULTS[timeout::UDP_OPENING]) * 1_000_000_000 + 1;
    let port = send(&mut node, UDP, &b, 4000);
    let outcome = node.from_provider(PROVIDER, frame(UDP, world(443), outside(port), 64));
    assert_delivered(&outcome, &b, &frame(UDP, world(443).at(router()), End::of(&b, 4000), 63));
    // Who had it takes another one, and nobody's answers are mixed up.
    for near in 0..NAT_BLOCK {
        let sent = frame(UDP, End::of(&c, 5000 + near), world(443).at(router()), 64);
        let outcome = node.from_port(c.ifindex(), sent);
        if outcome.outputs.iter().any(|output| matches!(output, Output::Deliver { ifindex: PROVIDER, .. })) {
            assert_ne!(left(&outcome).1, port);
        }
    }
}

#[test]
fn a_session_that_lost_its_way_back_gets_another() {
    let (mut node, [_, b, c]) = shared();
    let port = send(&mut node, UDP, &c, 4000);
    let (key, row) = node.tables.nat_returns.iter().next().map(|(key, row)| (*key, *row)).expect("one");
    // Somebody else has it, in force.
    let theirs = NatReturn { inside: b.v4.octets(), ..row };
    node.tables.nat_returns.insert(key, theirs);
    let (session_key, session) =
        node.tables.nat_sessions.iter().next().map(|(key, row)| (*key, *row)).expect("one");
    node.tables.nat_sessions.insert(NatSessionKey { inside: b.v4.octets(), ..session_key }, session);
    // Until the session is refreshed it doesn't know.
    node.now += 2_000_000_000;
    assert_ne!(send(&mut node, UDP, &c, 4000), port);
    assert_eq!(node.tables.nat_returns[&key], theirs);
    // Nobody has it: the way back is made again.
    node.tables.nat_returns.clear();
    node.now += 2_000_000_000;
    let kept = send(&mut node, UDP, &c, 4000);
    let outcome = node.from_provider(PROVIDER, frame(UDP, world(443), outside(kept), 64));
    assert_delivered(&outcome, &c, &frame(UDP, world(443).at(router()), End::of(&c, 4000), 63));
}

#[test]
fn a_port_has_no_more_sessions_than_its_limit() {
    let (mut node, [.., c]) = shared();
    node.tables.ports.get_mut(&PortKey { port: c.port }).expect("c").connection_limit = 3;
    node.tables.ports.get_mut(&PortKey { port: c.port }).expect("c").policy = cloud::ALLOW_ALL;
    for port in 5000..5003 {
        send(&mut node, UDP, &c, port);
    }
    let sent = frame(UDP, End::of(&c, 6000), world(443).at(router()), 64);
    let told = assert_refused(&mut node, DropReason::NatSessions, &c, sent.clone());
    assert_eq!(told.bytes[34..36], [3, 1]);
    // What is there goes on; and without a sweep nobody is locked out for good.
    send(&mut node, UDP, &c, 5001);
    node.now += SWEEP_OVERDUE + 1;
    left(&node.from_port(c.ifindex(), sent));
}

#[test]
fn a_tcp_session_lives_as_long_as_its_connection() {
    let (mut node, [.., c]) = shared();
    let tcp = |node: &mut Node, flags: u8| {
        let mut sent = frame(TCP, End::of(&c, 4000), world(443).at(router()), 64);
        sent[47] = flags;
        left(&node.from_port(c.ifindex(), sent)).1
    };
    let port = tcp(&mut node, 2);
    let state = |node: &Node| node.tables.nat_sessions.values().next().map(|row| row.state);
    assert_eq!(state(&node), Some(connection_state::OPENING));
    let back = |node: &mut Node, flags: u8| {
        let mut came = frame(TCP, world(443), outside(port), 64);
        came[47] = flags;
        node.from_provider(PROVIDER, came)
    };
    back(&mut node, 0x12);
    assert_eq!(state(&node), Some(connection_state::ESTABLISHED));
    node.now += (u64::from(timeout::DEFAULTS[timeout::TCP_ESTABLISHED]) - 1) * 1_000_000_000;
    assert_eq!(tcp(&mut node, 0x10), port);
    tcp(&mut node, 0x11);
    assert_eq!(state(&node), Some(connection_state::CLOSING));
    back(&mut node, 0x11);
    tcp(&mut node, 0x10);
    assert_eq!(state(&node), Some(connection_state::CLOSED));
    assert_eq!(tcp(&mut node, 2), port, "the same connection once more");
    assert_eq!(state(&node), Some(connection_state::OPENING));
}

/// A step of a conversation: who of the instances sends by which port to whom, or who answers them.
#[derive(Clone, Copy, Debug)]
struct Step {
    instance: usize,
    port: u16,
    far: u16,
    protocol: u8,
    is_answer: bool,
    pause: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..3usize, 0..40u16, 0..3u16, 0..3usize, any::<bool>(), 0..40u64).prop_map(
        |(instance, port, far, protocol, is_answer, pause)| Step {
            instance,
            port: 4000 + port,
            far: 80 + far,
            protocol: [TCP, UDP, ICMP][protocol],
            is_answer,
            pause: pause * 1_000_000_000,
        },
    );
    prop::collection::vec(step, 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// There and back is the identity for any sequence, checksums included, and no two sessions in force have one port towards one end.
    #[test]
    fn there_and_back_is_the_identity(steps in steps()) {
        let (mut node, all) = shared();
        node.tables.floating_sources.clear();
        let mut taken: BTreeMap<(u8, u16, u16), (usize, u16)> = BTreeMap::new();
        for Step { instance, port, far, protocol, is_answer, pause } in steps {
            node.now += pause;
            let inside = End::of(&all[instance], port);
            let remote = world(if protocol == ICMP { 0 } else { far });
            let sent = frame(protocol, inside, remote.at(router()), 64);
            let outcome = node.from_port(all[instance].ifindex(), sent);
            let to_world = outcome.outputs.iter().find_map(|output| match output {
                Output::Deliver { ifindex: PROVIDER, frame } => Some(frame.clone()),
                _ => None,
            });
            let Some(out) = to_world else {
                prop_assert_eq!(outcome.verdict.kind, VerdictKind::Deliver as u32, "told: {:?}", outcome);
                continue;
            };
            let at = if protocol == ICMP { 38 } else { 34 };
            let by = u16::from_be_bytes([out.bytes[at], out.bytes[at + 1]]);
            prop_assert_eq!(&out.bytes, &frame(protocol, outside(by), remote, 63));
            taken.insert((protocol, by, remote.port), (instance, port));
            let holders = node.tables.nat_sessions.iter().filter(|(key, session)| {
                session.expires > node.now
                    && (key.protocol, session.outside_port) == (protocol, by)
                    && key.remote_port == if protocol == ICMP { 8 } else { remote.port }
            });
            prop_assert_eq!(holders.count(), 1);
            if is_answer {
                let came = frame(protocol, remote, outside(by), 64);
                let outcome = node.from_provider(PROVIDER, came);
                assert_delivered(&outcome, &all[instance], &frame(protocol, remote.at(router()), inside, 63));
            }
        }
    }
}
