//! Ports of a floating IP that are forwarded: in, back out, between hosts, and what does not lead anywhere.

use std::net::Ipv4Addr;

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Node, Output};
use hadron_pipeline::table::*;

use crate::cloud::{self, Instance, assert_delivered, assert_drop, delivered};
use crate::floating::*;
use crate::frames::*;
use crate::routers::{id, mac};
use crate::sharing::*;

/// The floating IP.
const FORWARDING: Ipv4Addr = Ipv4Addr::new(10, 0, EXTERNAL as u8, 150);

/// What a protocol's port outside leads to: of SCTP the same one, ICMP has none.
fn ports(protocol: u8) -> [u16; 2] {
    match protocol {
        ICMP => [0; 2],
        SCTP => [22; 2],
        _ => [8022, 22],
    }
}

const PROTOCOLS: [u8; 5] = [TCP, UDP, UDP_LITE, SCTP, ICMP];

/// The floating IP, at the host's router, with the rows of these protocols' ports, which lead to an instance of this host or to another.
fn forward(node: &mut Node, protocols: &[u8], to: Result<&Instance, u32>) {
    let interface = id(1, EXTERNAL);
    let flags = floating_flag::SHARED | floating_flag::FORWARDS | floating_flag::ANSWERED;
    let key = FloatingIpKey { network: EXTERNAL, address: FORWARDING.into() };
    node.tables.floating_ips.insert(key, FloatingIp { interface, flags, ..FloatingIp::default() });
    let neighbour = Neighbour { mac: OWN, kind: neighbour_kind::ROUTER };
    node.tables.neighbours.insert(NeighbourKey { network: EXTERNAL, address: FORWARDING.into() }, neighbour);
    for protocol in protocols {
        let [outside_port, inside_port] = ports(*protocol);
        let bits = if *protocol == ICMP { 0 } else { 16 };
        let row = match to {
            Ok(instance) => {
                Forwarding { port: instance.port, inside: instance.v4.octets(), ..Forwarding::default() }
            }
            Err(host) => Forwarding { host, ..Forwarding::default() },
        };
        let row = Forwarding { outside_port, inside_port, ..row };
        let key = ForwardingKey::new(EXTERNAL, FORWARDING.octets(), *protocol, outside_port, bits);
        node.tables.forwardings.insert(key, row);
    }
    if let Ok(instance) = to {
        let key = FloatingSourceKey { interface, inside: instance.v4.into() };
        node.tables.floating_sources.insert(key, FloatingSource::default());
    }
}

/// [`shared`], where a floating IP's ports lead to the instance that has none of its own.
pub fn forwarded() -> (Node, [Instance; 3]) {
    let (mut node, all) = shared();
    forward(&mut node, &PROTOCOLS, Ok(&all[2]));
    (node, all)
}

/// The floating IP by a protocol's port.
pub fn outer(protocol: u8) -> End {
    End { mac: OWN, address: FORWARDING, port: ports(protocol)[0] }
}

/// The instance by that port.
pub fn inside(instance: &Instance, protocol: u8) -> End {
    End::of(instance, ports(protocol)[1])
}

/// Asserts that a packet from the world is dropped, and its sender told by the router.
#[track_caller]
fn assert_told(node: &mut Node, reason: DropReason, came: Vec<u8>) {
    let before = node.counters.drops[reason as usize];
    let (told, _) = left(&node.from_provider(PROVIDER, came));
    assert_eq!((told.bytes[23], told.bytes[34]), (ICMP, 3), "destination unreachable");
    assert_eq!(node.counters.drops[reason as usize], before + 1);
}

/// Somebody in the world who asks; ICMP has the identifier there.
fn asker() -> End {
    world(7000)
}

#[test]
fn a_forwarded_port_leads_to_its_instance_and_answers_come_from_it() {
    for protocol in PROTOCOLS {
        let (mut node, [.., c]) = forwarded();
        for _ in 0..2 {
            let came = frame(protocol, asker(), outer(protocol), 50);
            let expected = frame(protocol, asker().at(router()), inside(&c, protocol), 49);
            assert_delivered(&node.from_provider(PROVIDER, came), &c, &expected);
            let sent = frame(protocol, inside(&c, protocol), asker().at(router()), 64);
            let (out, _) = left(&node.from_port(c.ifindex(), sent));
            assert_eq!(out.bytes, frame(protocol, outer(protocol), asker(), 63), "protocol {protocol}");
            node.now += 20_000_000_000;
        }
        assert_eq!(node.tables.nat_sessions.len(), 1);
        assert_eq!(
            node.tables.nat_counts[&PortKey { port: c.port }].count,
            1,
            "the instance's port is charged"
        );
    }
}

#[test]
fn ranges_lead_to_ranges_or_to_one_port() {
    let (mut node, [.., c]) = forwarded();
    for (outside_port, inside_port, is_one) in [(0x2000, 100, 0), (0x3000, 200, 1)] {
        let row =
            Forwarding { port: c.port, inside: c.v4.octets(), outside_port, inside_port, is_one, host: 0 };
        let key = ForwardingKey::new(EXTERNAL, FORWARDING.octets(), TCP, outside_port, 12);
        node.tables.forwardings.insert(key, row);
        for port in [0, 1, 15] {
            let inner = if is_one == 1 { inside_port } else { inside_port + port };
            let from = world(500 + port);
            let to = End { port: outside_port + port, ..outer(TCP) };
            let outcome = node.from_provider(PROVIDER, frame(TCP, from, to, 50));
            assert_delivered(&outcome, &c, &frame(TCP, from.at(router()), End::of(&c, inner), 49));
            let (out, _) =
                left(&node.from_port(c.ifindex(), frame(TCP, End::of(&c, inner), from.at(router()), 64)));
            assert_eq!(out.bytes, frame(TCP, to, from, 63));
        }
    }
    let beyond = End { port: 0x2010, ..outer(TCP) };
    assert_drop(&mut node, DropReason::RouterUnserved, |n| {
        n.from_provider(PROVIDER, frame(TCP, asker(), beyond, 50))
    });
    // The instance can't tell two ports outside apart by which one remote port comes.
    let second = End { port: 0x3001, ..outer(TCP) };
    let came = frame(TCP, world(500), second, 50);
    assert_told(&mut node, DropReason::NoOutsidePort, came);
}

#[test]
fn what_is_not_forwarded_is_the_router_s() {
    let (mut node, [.., c]) = shared();
    forward(&mut node, &[TCP], Ok(&c));
    for (protocol, port) in [(TCP, 8023), (TCP, 22), (UDP, 8022)] {
        let came = frame(protocol, asker(), End { port, ..outer(protocol) }, 50);
        assert_drop(&mut node, DropReason::RouterUnserved, |n| n.from_provider(PROVIDER, came));
    }
    let request = frame(ICMP, asker(), outer(ICMP), 50);
    let (out, _) = left(&node.from_provider(PROVIDER, request));
    assert_eq!(out.bytes, frame(ICMP, outer(ICMP), asker(), 64), "the router answers");
    // Packets of other networks' floating IPs with the same address lead nowhere here.
    let (key, row) = node.tables.forwardings.iter().next().map(|(key, row)| (*key, *row)).expect("one");
    node.tables.forwardings.remove(&key);
    node.tables.forwardings.insert(ForwardingKey { network: EXTERNAL + 1, ..key }, row);
    let came = frame(TCP, asker(), outer(TCP), 50);
    assert_drop(&mut node, DropReason::RouterUnserved, |n| n.from_provider(PROVIDER, came));
}

#[test]
fn connections_of_the_instance_s_own_leave_by_the_shared_address() {
    for protocol in WITH_PORTS {
        let (mut node, [.., c]) = forwarded();
        let sent = frame(protocol, End::of(&c, 4000), world(far(protocol)).at(router()), 64);
        let (out, port) = left(&node.from_port(c.ifindex(), sent));
        assert_eq!(out.bytes, frame(protocol, outside(port), world(far(protocol)), 63));
        let back = frame(protocol, world(far(protocol)), outside(port), 50);
        let expected = frame(protocol, world(far(protocol)).at(router()), End::of(&c, 4000), 49);
        assert_delivered(&node.from_provider(PROVIDER, back), &c, &expected);
    }
}

#[test]
fn a_router_that_shares_no_address_still_forwards() {
    for protocol in PROTOCOLS {
        let (mut node, [.., c]) = forwarded();
        let key = RouterInterfaceKey { interface: id(1, EXTERNAL) };
        node.tables.router_interfaces.get_mut(&key).expect("the gateway").flags =
            router_interface_flag::EXTERNAL;
        let came = frame(protocol, asker(), outer(protocol), 50);
        let expected = frame(protocol, asker().at(router()), inside(&c, protocol), 49);
        assert_delivered(&node.from_provider(PROVIDER, came), &c, &expected);
        let sent = frame(protocol, inside(&c, protocol), asker().at(router()), 64);
        let (out, _) = left(&node.from_port(c.ifindex(), sent));
        assert_eq!(out.bytes, frame(protocol, outer(protocol), asker(), 63));
        // Its own stay as they are, and cost nothing.
        let sent = frame(protocol, End::of(&c, 4000), world(far(protocol)).at(router()), 64);
        let (out, _) = left(&node.from_port(c.ifindex(), sent));
        assert_eq!(out.bytes, frame(protocol, End::of(&c, 4000).at(OWN), world(far(protocol)), 63));
        assert_eq!(node.tables.nat_sessions.len(), 1);
    }
}

#[test]
fn a_port_that_cannot_be_renumbered_leads_nowhere() {
    let (mut node, [.., c]) = forwarded();
    let row = Forwarding {
        port: c.port,
        inside: c.v4.octets(),
        outside_port: 8022,
        inside_port: 22,
        ..Forwarding::default()
    };
    node.tables.forwardings.insert(ForwardingKey::new(EXTERNAL, FORWARDING.octets(), SCTP, 8022, 16), row);
    let came = frame(SCTP, asker(), End { port: 8022, ..outer(SCTP) }, 50);
    assert_told(&mut node, DropReason::NotTranslated, came);
}

#[test]
fn a_gateway_relays_to_the_host_of_the_instance() {
    for protocol in PROTOCOLS {
        let (mut gateway, _) = shared();
        in_overlay(&mut gateway, PROVIDER, THERE);
        forward(&mut gateway, &PROTOCOLS, Err(THERE));
        let (mut host, d) = there(0);
        forward(&mut host, &PROTOCOLS, Ok(&d));
        let interface = id(1, EXTERNAL);
        let row =
            host.tables.router_interfaces.get_mut(&RouterInterfaceKey { interface }).expect("the gateway");
        (row.relay, row.mac) = (HERE, row.own_mac);
        let wire = mac(1, EXTERNAL);
        let came = frame(protocol, asker(), outer(protocol), 50);
        let relayed = to_host(&gateway.from_provider(PROVIDER, came), THERE);
        assert_eq!(relayed, frame(protocol, asker().at(wire), outer(protocol).at(wire), 50));
        let outcome = host.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(HERE), relayed);
        assert_delivered(&outcome, &d, &frame(protocol, asker().at(router()), inside(&d, protocol), 49));
        let back = frame(protocol, inside(&d, protocol), asker().at(router()), 64);
        let relayed = to_host(&host.from_port(d.ifindex(), back), HERE);
        let outcome = gateway.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(THERE), relayed);
        assert_eq!(left(&outcome).0.bytes, frame(protocol, outer(protocol), asker(), 63));
    }
}

#[test]
fn errors_about_forwarded_packets_are_translated_both_ways() {
    for protocol in WITH_PORTS {
        let (mut node, [.., c]) = forwarded();
        let came = frame(protocol, asker(), outer(protocol), 50);
        node.from_provider(PROVIDER, came);
        // Somebody on the way tells about the instance's answer.
        let back = error(
            (UPSTREAM.0, UPSTREAM.1),
            (OWN, FORWARDING),
            64,
            &datagram(protocol, outer(protocol), asker()),
        );
        let quote = datagram(protocol, inside(&c, protocol), asker());
        let expected = error((router(), UPSTREAM.1), inner(&c), 63, &quote);
        assert_delivered(&node.from_provider(PROVIDER, back), &c, &expected);
        // The instance tells about the question.
        let sent =
            error(inner(&c), (router(), WORLD), 64, &datagram(protocol, asker(), inside(&c, protocol)));
        let quote = datagram(protocol, asker(), outer(protocol));
        let expected = error((OWN, FORWARDING), (UPSTREAM.0, WORLD), 63, &quote);
        assert_eq!(left(&node.from_port(c.ifindex(), sent)).0.bytes, expected, "protocol {protocol}");
        // About nothing that was sent.
        let stranger = End { port: 7001, ..asker() };
        let quote = datagram(protocol, outer(protocol), stranger);
        let back = error((UPSTREAM.0, UPSTREAM.1), (OWN, FORWARDING), 64, &quote);
        assert_drop(&mut node, DropReason::NoSession, |n| n.from_provider(PROVIDER, back));
    }
}

#[test]
fn fragments_follow_their_first_one() {
    let (mut node, [.., c]) = forwarded();
    for offset in [0x2000, 2] {
        let outcome = node.from_provider(PROVIDER, fragment(asker(), outer(UDP), offset, 50));
        assert_delivered(&outcome, &c, &fragment(asker().at(router()), inside(&c, UDP), offset, 49));
    }
    for offset in [0x2000, 2] {
        let sent = fragment(inside(&c, UDP), asker().at(router()), offset, 64);
        let (out, _) = left(&node.from_port(c.ifindex(), sent));
        assert_eq!(out.bytes, fragment(outer(UDP), asker(), offset, 63));
    }
}

/// An instance behind the router asks for a forwarded port, by the router's address.
#[test]
fn a_neighbour_reaches_a_forwarded_port_by_the_floating_ip() {
    for protocol in WITH_PORTS {
        let (mut node, [_, b, c]) = forwarded();
        node.tables
            .floating_sources
            .remove(&FloatingSourceKey { interface: id(1, EXTERNAL), inside: b.v4.into() });
        let asks = End::of(&b, 4000);
        let outcome = node.from_port(b.ifindex(), frame(protocol, asks, outer(protocol).at(router()), 64));
        let [(_, got)] = &delivered(&outcome)[..] else { panic!("{outcome:?}") };
        let at = if protocol == ICMP { 38 } else { 34 };
        let by = outside(u16::from_be_bytes([got[at], got[at + 1]]));
        assert_delivered(&outcome, &c, &frame(protocol, by.at(router()), inside(&c, protocol), 62));
        let back = frame(protocol, inside(&c, protocol), by.at(router()), 64);
        let outcome = node.from_port(c.ifindex(), back);
        assert_delivered(&outcome, &b, &frame(protocol, outer(protocol).at(router()), asks, 62));
    }
}

#[test]
fn who_has_a_port_now_gets_what_comes_for_it() {
    let (mut node, [_, b, _]) = forwarded();
    let came = frame(TCP, asker(), outer(TCP), 50);
    node.from_provider(PROVIDER, came.clone());
    forward(&mut node, &[TCP], Ok(&b));
    node.tables.nat_counts.insert(PortKey { port: b.port }, NatCount::default());
    let outcome = node.from_provider(PROVIDER, came.clone());
    assert_delivered(&outcome, &b, &frame(TCP, asker().at(router()), inside(&b, TCP), 49));
    let (out, _) = left(&node.from_port(b.ifindex(), frame(TCP, inside(&b, TCP), asker().at(router()), 64)));
    assert_eq!(out.bytes, frame(TCP, outer(TCP), asker(), 63));
    node.tables.forwardings.remove(&ForwardingKey::new(EXTERNAL, FORWARDING.octets(), TCP, 8022, 16));
    assert_drop(&mut node, DropReason::RouterUnserved, |n| n.from_provider(PROVIDER, came));
}

#[test]
fn strangers_take_no_more_sessions_than_the_port_s_limit() {
    let (mut node, [.., c]) = forwarded();
    let row = node.tables.ports.get_mut(&PortKey { port: c.port }).expect("c");
    (row.connection_limit, row.policy) = (3, cloud::ALLOW_ALL);
    for port in 1..=3 {
        let outcome = node.from_provider(PROVIDER, frame(UDP, world(port), outer(UDP), 50));
        assert!(matches!(outcome.outputs[..], [Output::Deliver { .. }]), "{outcome:?}");
    }
    let came = frame(UDP, world(4), outer(UDP), 50);
    assert_told(&mut node, DropReason::NatSessions, came);
}

#[test]
fn the_end_of_a_connection_that_nobody_remembers_leads_nowhere() {
    let (mut node, _) = forwarded();
    let mut came = frame(TCP, asker(), outer(TCP), 50);
    came[47] = 0x04;
    assert_drop(&mut node, DropReason::NoSession, |n| n.from_provider(PROVIDER, came));
    let answer = frame(ICMP, world(0), End { port: 9, ..outer(ICMP) }, 50);
    assert_drop(&mut node, DropReason::NoSession, |n| n.from_provider(PROVIDER, answer));
    assert!(node.tables.nat_sessions.is_empty() && node.tables.nat_returns.is_empty());
}
