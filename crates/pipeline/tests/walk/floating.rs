//! Floating IPs: out, in, between two of them, and what is said about their packets.

use std::net::Ipv4Addr;

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Frame, Node, Outcome, Output};
use hadron_pipeline::table::*;
use hadron_pipeline::{Mac, VerdictKind};

use crate::cloud::{Instance, assert_delivered, assert_drop};
use crate::frames::*;
use crate::routers::{self, add_route, id, instance, mac, own_v4};
use crate::routing::assert_refused;

/// The interface to the physical network, and its MAC.
pub const PROVIDER: u32 = 77;
pub const OWN: Mac = Mac([2, 0, 0, 0, 0, 0x77]);
/// The external network, and the router's gateway there.
pub const EXTERNAL: u32 = 9;
pub const UPSTREAM: (Mac, Ipv4Addr) = (Mac([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(10, 0, EXTERNAL as u8, 1));
/// Somebody far away.
pub const WORLD: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

fn floating(n: u8) -> Ipv4Addr {
    routers::v4(EXTERNAL, 100 + n)
}

/// Two instances of network 1, each with a floating IP at router 1, and one without; the external network in a VLAN.
pub fn scene(vlan: u32) -> (Node, [Instance; 3]) {
    let all = [1, 2, 3].map(|n| instance(1, n, 1));
    let mut node = routers::node(1, &all, &[(1, 1), (1, EXTERNAL)]);
    let tables = &mut node.tables;
    let row = Network {
        flags: network_flag::UNLISTED,
        provider: PROVIDER,
        vlan,
        flood_length: 1,
        ..Network::default()
    };
    tables.networks.insert(NetworkKey { network: EXTERNAL }, row);
    tables
        .flood
        .insert(FloodKey { network: EXTERNAL, slot: 0 }, FloodTarget { kind: target::PROVIDER, id: 0 });
    tables.segments.insert(SegmentKey { ifindex: PROVIDER, vlan }, Segment { network: EXTERNAL });
    let exit = id(1, EXTERNAL);
    let row = tables.router_interfaces.get_mut(&RouterInterfaceKey { interface: exit }).expect("the gateway");
    (row.mac, row.mtu) = (OWN, 1500);
    row.flags = router_interface_flag::EXTERNAL | router_interface_flag::TRANSLATED_ONLY;
    tables.fdb.remove(&FdbKey::new(EXTERNAL, mac(1, EXTERNAL)));
    tables.fdb.insert(FdbKey::new(EXTERNAL, OWN), FdbEntry { kind: target::ROUTER, id: OUTSIDE });
    for (n, instance) in (1..).zip(&all[..2]) {
        let (network, address, inside) = (EXTERNAL, floating(n).into(), instance.v4.into());
        let key = FloatingIpKey { network, address };
        let flags = floating_flag::ANSWERED;
        tables.floating_ips.insert(key, FloatingIp { interface: exit, port: instance.port, inside, flags });
        tables
            .floating_sources
            .insert(FloatingSourceKey { interface: exit, inside }, FloatingSource { address });
        let neighbour = Neighbour { mac: OWN, kind: neighbour_kind::ROUTER };
        tables.neighbours.insert(NeighbourKey { network, address }, neighbour);
    }
    let learned = LearnedNeighbour { mac: UPSTREAM.0, pad: [0; 2] };
    tables.learned_neighbours.insert(NeighbourKey { network: EXTERNAL, address: UPSTREAM.1.into() }, learned);
    add_route(&mut node, 1, routers::DEFAULTS[0], exit, UPSTREAM.1.into());
    (node, all)
}

pub fn tagged(bytes: Vec<u8>, vlan: u32) -> Frame {
    Frame { bytes, vlan: (vlan != 0).then_some(vlan as u16), ..Frame::default() }
}

/// A transport header with some payload, its checksum right for these addresses.
fn transport(protocol: u8, source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
    let (mut segment, at) = match protocol {
        TCP => (tcp(4000, 80, b"payload."), Some(16)),
        UDP => (udp(4000, 53, b"payload"), Some(6)),
        UDP_LITE => (udp(4000, 53, b"payload"), Some(6)),
        ICMP => (vec![8, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4], None),
        _ => (vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], None),
    };
    let length = (segment.len() as u16).to_be_bytes();
    let checksum = match at {
        Some(_) => {
            let head = [&source.octets()[..], &destination.octets(), &[0, protocol], &length].concat();
            let padded = [&head[..], &segment, &vec![0; segment.len() % 2]].concat();
            !sum(&padded)
        }
        None if protocol == ICMP => !sum(&segment),
        None => return segment,
    };
    let at = at.unwrap_or(2);
    segment[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    segment
}

pub const UDP_LITE: u8 = 136;
pub const ESP: u8 = 50;

/// A whole packet.
pub fn packet(
    protocol: u8,
    (from, source): (Mac, Ipv4Addr),
    (to, destination): (Mac, Ipv4Addr),
    hop_limit: u8,
) -> Vec<u8> {
    let datagram = ipv4(source, destination, protocol, &transport(protocol, source, destination));
    with_hop_limit(ethernet(to, from, 0x0800, &datagram), hop_limit)
}

pub fn with_hop_limit(mut frame: Vec<u8>, hop_limit: u8) -> Vec<u8> {
    frame[22] = hop_limit;
    frame[24..26].fill(0);
    let checksum = !sum(&frame[14..34]);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame
}

const PROTOCOLS: [u8; 5] = [TCP, UDP, UDP_LITE, ICMP, ESP];

/// Asserts that exactly this frame goes out to the physical network.
#[track_caller]
pub fn assert_outside(outcome: &Outcome, vlan: u32, expected: &[u8]) {
    let frame = tagged(expected.to_vec(), vlan);
    assert_eq!(outcome.outputs, [Output::Deliver { ifindex: PROVIDER, frame }], "{outcome:?}");
}

pub fn inner(instance: &Instance) -> (Mac, Ipv4Addr) {
    (instance.mac, instance.v4)
}

pub fn router() -> Mac {
    mac(1, 1)
}

#[test]
fn an_instance_is_its_floating_ip_to_the_world_and_the_world_is_itself() {
    for vlan in [0, 9] {
        for protocol in PROTOCOLS {
            let (mut node, [a, ..]) = scene(vlan);
            let sent = packet(protocol, inner(&a), (router(), WORLD), 64);
            let outcome = node.from_port(a.ifindex(), sent);
            let expected = packet(protocol, (OWN, floating(1)), (UPSTREAM.0, WORLD), 63);
            assert_outside(&outcome, vlan, &expected);
            let back = packet(protocol, (UPSTREAM.0, WORLD), (OWN, floating(1)), 50);
            let outcome = node.from_provider(PROVIDER, tagged(back, vlan));
            let expected = packet(protocol, (router(), WORLD), inner(&a), 49);
            assert_delivered(&outcome, &a, &expected);
        }
    }
}

#[test]
fn a_datagram_without_a_checksum_stays_without_one() {
    let (mut node, [a, ..]) = scene(0);
    let mut sent = packet(UDP, inner(&a), (router(), WORLD), 64);
    sent[40..42].fill(0);
    let outcome = node.from_port(a.ifindex(), sent);
    let mut expected = packet(UDP, (OWN, floating(1)), (UPSTREAM.0, WORLD), 63);
    expected[40..42].fill(0);
    assert_outside(&outcome, 0, &expected);
}

#[test]
fn a_partial_checksum_becomes_that_of_the_new_pseudo_header() {
    let (mut node, [a, ..]) = scene(0);
    let partial = |source: Ipv4Addr, mut frame: Vec<u8>| {
        let length = (frame.len() as u16 - 34).to_be_bytes();
        let pseudo = [&source.octets()[..], &WORLD.octets(), &[0, TCP], &length].concat();
        frame[50..52].copy_from_slice(&sum(&pseudo).to_be_bytes());
        Frame { bytes: frame, has_partial_checksum: true, ..Frame::default() }
    };
    let sent = partial(a.v4, packet(TCP, inner(&a), (router(), WORLD), 64));
    let outcome = node.from_port(a.ifindex(), sent);
    let expected = partial(floating(1), packet(TCP, (OWN, floating(1)), (UPSTREAM.0, WORLD), 63));
    assert_eq!(outcome.outputs, [Output::Deliver { ifindex: PROVIDER, frame: expected }]);
}

#[test]
fn later_fragments_are_translated_as_the_first() {
    let (mut node, [a, ..]) = scene(0);
    let fragment = |from, to, source, destination, offset, hop_limit| {
        let payload = if offset == 0x2000 { transport(UDP, source, destination) } else { vec![7; 16] };
        let datagram = ipv4_fragment(source, destination, UDP, offset, &payload);
        with_hop_limit(ethernet(to, from, 0x0800, &datagram), hop_limit)
    };
    for offset in [0x2000, 2] {
        let sent = fragment(a.mac, router(), a.v4, WORLD, offset, 64);
        let expected = fragment(OWN, UPSTREAM.0, floating(1), WORLD, offset, 63);
        assert_outside(&node.from_port(a.ifindex(), sent), 0, &expected);
    }
}

#[test]
fn two_floating_ips_reach_each_other_on_one_host() {
    for protocol in PROTOCOLS {
        let (mut node, [a, b, _]) = scene(0);
        let sent = packet(protocol, inner(&a), (router(), floating(2)), 64);
        let outcome = node.from_port(a.ifindex(), sent);
        assert_delivered(&outcome, &b, &packet(protocol, (router(), floating(1)), inner(&b), 62));
        let back = packet(protocol, inner(&b), (router(), floating(1)), 64);
        let outcome = node.from_port(b.ifindex(), back);
        assert_delivered(&outcome, &a, &packet(protocol, (router(), floating(2)), inner(&a), 62));
    }
}

#[test]
fn an_instance_reaches_itself_by_its_floating_ip() {
    let (mut node, [a, ..]) = scene(0);
    let outcome = node.from_port(a.ifindex(), packet(UDP, inner(&a), (router(), floating(1)), 64));
    assert_delivered(&outcome, &a, &packet(UDP, (router(), floating(1)), inner(&a), 62));
}

#[test]
fn a_neighbour_on_the_external_network_reaches_a_floating_ip_here() {
    let (mut node, [a, ..]) = scene(0);
    let neighbour = instance(EXTERNAL, 50, 1);
    crate::cloud::add_instances(&mut node.tables, 1, std::slice::from_ref(&neighbour), |_| true);
    let asked = Arp::request(&neighbour, floating(1)).bytes();
    let outcome = node.from_port(neighbour.ifindex(), asked);
    assert_eq!(outcome.verdict.kind, VerdictKind::Answer as u32);
    assert_eq!(outcome.bytes[22..28], OWN.0);
    let sent = packet(UDP, inner(&neighbour), (OWN, floating(1)), 64);
    let outcome = node.from_port(neighbour.ifindex(), sent);
    assert_delivered(&outcome, &a, &packet(UDP, (router(), neighbour.v4), inner(&a), 63));
    let sent = packet(UDP, inner(&neighbour), (OWN, WORLD), 64);
    assert_drop(&mut node, DropReason::RouterGone, |n| n.from_port(neighbour.ifindex(), sent));
}

#[test]
fn who_has_no_address_outside_stays_inside_unless_the_router_does_without() {
    let (mut node, [.., c]) = scene(0);
    let sent = packet(UDP, inner(&c), (router(), WORLD), 64);
    let key = RouterInterfaceKey { interface: id(1, EXTERNAL) };
    node.tables.router_interfaces.get_mut(&key).expect("the gateway").address_v4 = [0; 4];
    let told = assert_refused(&mut node, DropReason::NoOutsideAddress, &c, sent.clone());
    assert_eq!(told.bytes[34..36], [3, 0], "network unreachable");
    node.tables.router_interfaces.get_mut(&key).expect("the gateway").flags = router_interface_flag::EXTERNAL;
    let outcome = node.from_port(c.ifindex(), sent);
    assert_outside(&outcome, 0, &packet(UDP, (OWN, c.v4), (UPSTREAM.0, WORLD), 63));
}

#[test]
fn the_world_gets_in_by_floating_ips_alone() {
    let (mut node, [a, ..]) = scene(9);
    for destination in [a.v4, own_v4(1, 1), own_v4(1, EXTERNAL), floating(3)] {
        let frame = tagged(packet(UDP, UPSTREAM, (OWN, destination), 64), 9);
        assert_drop(&mut node, DropReason::NotHere, |n| n.from_provider(PROVIDER, frame));
    }
    let frame = tagged(packet(UDP, UPSTREAM, (Mac([2, 9, 9, 9, 9, 9]), floating(1)), 64), 9);
    assert_drop(&mut node, DropReason::NotHere, |n| n.from_provider(PROVIDER, frame));
    node.tables.ports.get_mut(&PortKey { port: a.port }).expect("a").policy = 99;
    let frame = tagged(packet(UDP, UPSTREAM, (OWN, floating(1)), 64), 9);
    assert_drop(&mut node, DropReason::IngressDenied, |n| n.from_provider(PROVIDER, frame));
}

#[test]
fn the_world_s_question_for_a_floating_ip_is_answered_with_the_host_s_mac() {
    for vlan in [0, 9] {
        let (mut node, [..]) = scene(vlan);
        let asker = Instance { mac: UPSTREAM.0, v4: UPSTREAM.1, ..instance(EXTERNAL, 1, 0) };
        let outcome = node.from_provider(PROVIDER, tagged(Arp::request(&asker, floating(1)).bytes(), vlan));
        assert_eq!(outcome.verdict.kind, VerdictKind::Answer as u32, "{outcome:?}");
        let expected =
            Arp { to: UPSTREAM.0, from: OWN, operation: 2, sender: (OWN, floating(1)), target: UPSTREAM };
        assert_outside(&outcome, vlan, &expected.bytes());
        let others = node.from_provider(PROVIDER, tagged(Arp::request(&asker, floating(3)).bytes(), vlan));
        assert_ne!(others.verdict.kind, VerdictKind::Answer as u32);
        let thief = Instance { v4: floating(1), ..asker };
        let told = node.from_provider(PROVIDER, tagged(Arp::request(&thief, floating(1)).bytes(), vlan));
        assert_ne!(told.verdict.kind, VerdictKind::Answer as u32, "who tells asks nobody");
    }
}

#[test]
fn the_router_asks_for_its_next_hop_in_the_floating_ip_s_name() {
    let (mut node, [a, ..]) = scene(9);
    node.tables.learned_neighbours.clear();
    let sent = packet(UDP, inner(&a), (router(), WORLD), 64);
    let outcome = node.from_port(a.ifindex(), sent.clone());
    let expected = Arp {
        to: BROADCAST,
        from: OWN,
        operation: 1,
        sender: (OWN, floating(1)),
        target: (Mac::default(), UPSTREAM.1),
    };
    assert_outside(&outcome, 9, &expected.padded());
    let answer =
        Arp { to: OWN, from: UPSTREAM.0, operation: 2, sender: UPSTREAM, target: (OWN, floating(1)) };
    let outcome = node.from_provider(PROVIDER, tagged(answer.bytes(), 9));
    assert_eq!((outcome.verdict.kind, outcome.verdict.a), (VerdictKind::Flood as u32, 0));
    let expected = packet(UDP, (OWN, floating(1)), (UPSTREAM.0, WORLD), 63);
    assert_outside(&node.from_port(a.ifindex(), sent), 9, &expected);
}

/// An ICMP error that quotes a packet.
pub fn error(from: (Mac, Ipv4Addr), to: (Mac, Ipv4Addr), hop_limit: u8, quoted: &[u8]) -> Vec<u8> {
    let mut message = [&[3, 3, 0, 0, 0, 0, 0, 0][..], quoted].concat();
    message.resize(message.len().next_multiple_of(2), 0);
    let checksum = !sum(&message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    with_hop_limit(ethernet(to.0, from.0, 0x0800, &ipv4(from.1, to.1, ICMP, &message)), hop_limit)
}

#[test]
fn errors_are_translated_outside_and_inside() {
    for protocol in PROTOCOLS {
        let (mut node, [a, b, _]) = scene(0);
        // An answer that could not be delivered inside, seen from outside.
        let asked = |destination: (Mac, Ipv4Addr)| packet(protocol, UPSTREAM, destination, 49);
        let sent = error(inner(&a), (router(), UPSTREAM.1), 64, &asked(inner(&a))[14..]);
        let expected = error((OWN, floating(1)), UPSTREAM, 63, &asked((OWN, floating(1)))[14..]);
        assert_outside(&node.from_port(a.ifindex(), sent), 0, &expected);
        // One that somebody on the way tells about what was sent.
        let sent = packet(protocol, inner(&a), (router(), WORLD), 64);
        node.from_port(a.ifindex(), sent);
        let asked = |source: Ipv4Addr| packet(protocol, (OWN, source), (UPSTREAM.0, WORLD), 63);
        let back = error(UPSTREAM, (OWN, floating(1)), 64, &asked(floating(1))[14..]);
        let expected = error((router(), UPSTREAM.1), inner(&a), 63, &asked(a.v4)[14..]);
        assert_delivered(&node.from_provider(PROVIDER, back), &a, &expected);
        // Between two floating IPs both change.
        node.from_port(a.ifindex(), packet(protocol, inner(&a), (router(), floating(2)), 64));
        let came = packet(protocol, (router(), floating(1)), inner(&b), 62);
        let went = packet(protocol, (router(), a.v4), (router(), floating(2)), 62);
        let sent = error(inner(&b), (router(), floating(1)), 64, &came[14..]);
        let expected = error((router(), floating(2)), inner(&a), 62, &went[14..]);
        assert_delivered(&node.from_port(b.ifindex(), sent), &a, &expected);
    }
}

#[test]
fn a_quote_that_is_cut_short_is_translated_as_far_as_it_goes() {
    let (mut node, [a, ..]) = scene(0);
    node.from_port(a.ifindex(), packet(TCP, inner(&a), (router(), WORLD), 64));
    let quote = |source: Ipv4Addr| packet(TCP, (OWN, source), (UPSTREAM.0, WORLD), 63)[14..42].to_vec();
    let back = error(UPSTREAM, (OWN, floating(1)), 64, &quote(floating(1)));
    let expected = error((router(), UPSTREAM.1), inner(&a), 63, &quote(a.v4));
    assert_delivered(&node.from_provider(PROVIDER, back), &a, &expected);
}

#[test]
fn what_a_router_says_quotes_the_packet_as_it_came() {
    let (mut node, [a, b, _]) = scene(0);
    // To the instance: the packet's life ends at the second passage.
    let sent = packet(UDP, inner(&a), (router(), floating(2)), 2);
    let told = assert_refused(&mut node, DropReason::HopLimit, &a, sent.clone());
    assert_eq!(told.bytes[30..34], a.v4.octets());
    assert_eq!(told.bytes[42..42 + 20], sent[14..34]);
    // To the world, from the router's own address.
    let came = packet(UDP, (UPSTREAM.0, WORLD), (OWN, floating(2)), 1);
    let before = node.counters.drops[DropReason::HopLimit as usize];
    let told = node.from_provider(PROVIDER, came.clone());
    assert_eq!(node.counters.drops[DropReason::HopLimit as usize], before + 1);
    let Output::Deliver { ifindex: PROVIDER, frame } = &told.outputs[0] else { panic!("{told:?}") };
    assert_eq!(frame.bytes[..12], [UPSTREAM.0.0, OWN.0].concat());
    assert_eq!(frame.bytes[26..34], [own_v4(1, EXTERNAL).octets(), WORLD.octets()].concat());
    assert_eq!(frame.bytes[34..36], [11, 0]);
    assert_eq!(frame.bytes[42..42 + 20], came[14..34]);
    // At the expense of the instance that it was for.
    let row = node.tables.ports.get_mut(&PortKey { port: b.port }).expect("b");
    row.error_limit = Limit { interval: 1_000_000_000, burst: 1 };
    let outcome = node.from_provider(PROVIDER, came.clone());
    assert_eq!(outcome.outputs.len(), 1);
    assert_drop(&mut node, DropReason::HopLimit, |n| n.from_provider(PROVIDER, came));
}

#[test]
fn addresses_of_ipv6_are_not_translated() {
    let (mut node, [a, ..]) = scene(0);
    let world = Instance { v6: [0x2001, 0xdb8, 0, 0, 0, 0, 0, 9].into(), mac: router(), ..instance(7, 9, 1) };
    add_route(&mut node, 1, routers::DEFAULTS[1], id(1, EXTERNAL), UPSTREAM.0.link_local());
    let key = NeighbourKey { network: EXTERNAL, address: UPSTREAM.0.link_local() };
    node.tables.learned_neighbours.insert(key, LearnedNeighbour { mac: UPSTREAM.0, pad: [0; 2] });
    let sent = udp_v6(&a, &world, 1, 2);
    let mut expected = sent.clone();
    expected[..12].copy_from_slice(&[UPSTREAM.0.0, OWN.0].concat());
    expected[21] -= 1;
    assert_outside(&node.from_port(a.ifindex(), sent), 0, &expected);
}
