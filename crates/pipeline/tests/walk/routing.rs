//! Stage `route`: from network to network.

use std::collections::BTreeSet;

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Frame, Node, Outcome};
use hadron_pipeline::stage::Stage;
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, Mac, VerdictKind};

use crate::cloud::{self, Instance, assert_delivered, assert_drop, tunnelled};
use crate::frames::*;
use crate::routers::{self, add_route, id, instance, mac, own_v4, own_v6};

/// A UDP packet to an instance of another network, by way of a router.
pub fn through(router: u32, from: &Instance, to: &Instance) -> [Vec<u8>; 2] {
    [udp_v4(from, to, 4000, 5000), udp_v6(from, to, 4000, 5000)].map(|mut frame| {
        frame[..6].copy_from_slice(&mac(router, from.network).0);
        frame
    })
}

/// The frame as it arrives: from a router's MAC, `hops` fewer hops to live.
fn arrived(frame: &[u8], from: Mac, to: &Instance, hops: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[..6].copy_from_slice(&to.mac.0);
    frame[6..12].copy_from_slice(&from.0);
    if frame[12..14] == [8, 0] {
        frame[22] -= hops;
        frame[24..26].fill(0);
        let checksum = !sum(&frame[14..34]);
        frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    } else {
        frame[21] -= hops;
    }
    frame
}

/// An instance in each of two networks that router 1 connects, on hosts 1 and `host`.
fn two_networks(host: u32) -> (Node, Instance, Instance) {
    let (a, b) = (instance(1, 1, 1), instance(2, 2, host));
    (routers::node(1, &[a.clone(), b.clone()], &[(1, 1), (1, 2)]), a, b)
}

#[test]
fn a_packet_reaches_the_other_network_on_the_same_host() {
    let (mut node, a, b) = two_networks(1);
    for frame in through(1, &a, &b) {
        let outcome = node.from_port(a.ifindex(), frame.clone());
        assert_delivered(&outcome, &b, &arrived(&frame, mac(1, 2), &b, 1));
    }
    assert_eq!(node.counters.stages[Stage::Route as usize], 2);
}

#[test]
fn a_packet_reaches_another_host_in_the_destination_s_network() {
    let (mut node, a, b) = two_networks(2);
    let mut there = routers::node(2, &[a.clone(), b.clone()], &[(1, 1), (1, 2)]);
    for frame in through(1, &a, &b) {
        let outcome = node.from_port(a.ifindex(), frame.clone());
        let expected = arrived(&frame, mac(1, 2), &b, 1);
        assert_eq!(tunnelled(&outcome), [(cloud::vtep(2), cloud::vni(2), expected.clone())]);
        let outcome = there.from_overlay(cloud::vni(2), cloud::vtep(1), expected.clone());
        assert_delivered(&outcome, &b, &expected);
    }
}

#[test]
fn a_gso_packet_is_routed_whole() {
    let (mut node, a, b) = two_networks(1);
    let [mut frame, _] = through(1, &a, &b);
    frame.resize(9000, 0);
    frame[16..18].copy_from_slice(&(9000u16 - 14).to_be_bytes());
    let gso = Frame { bytes: frame, gso_size: 1400, ..Frame::default() };
    let outcome = node.from_port(a.ifindex(), gso);
    assert_eq!(outcome.verdict.kind, VerdictKind::Deliver as u32, "{outcome:?}");
}

#[test]
fn the_checksum_of_a_header_is_right_for_every_time_to_live() {
    let (mut node, a, b) = two_networks(1);
    for hop_limit in 2..=255 {
        let [mut frame, _] = through(1, &a, &b);
        frame[22] = hop_limit;
        frame[24..26].fill(0);
        let checksum = !sum(&frame[14..34]);
        frame[24..26].copy_from_slice(&checksum.to_be_bytes());
        let outcome = node.from_port(a.ifindex(), frame);
        assert_eq!(sum(&outcome.bytes[14..34]), 0xffff);
        assert_eq!(outcome.bytes[22], hop_limit - 1);
    }
}

#[test]
fn a_packet_passes_a_chain_of_routers() {
    let (a, b) = (instance(1, 1, 1), instance(3, 2, 1));
    let mut node = routers::node(1, &[a.clone(), b.clone()], &[(1, 1), (1, 2), (2, 2), (2, 3)]);
    for gateway in [Address::from(own_v4(2, 2)), own_v6(2, 2).into()] {
        let prefix = if gateway.is_v4() { routers::DEFAULTS[0] } else { routers::DEFAULTS[1] };
        add_route(&mut node, 1, prefix, id(1, 2), gateway);
    }
    for frame in through(1, &a, &b) {
        let outcome = node.from_port(a.ifindex(), frame.clone());
        assert_delivered(&outcome, &b, &arrived(&frame, mac(2, 3), &b, 2));
    }
}

#[test]
fn an_instance_can_be_a_next_hop() {
    let (a, gateway) = (instance(1, 1, 1), instance(2, 2, 1));
    let beyond = Instance { v4: [203, 0, 113, 9].into(), ..instance(7, 9, 1) };
    let mut node = routers::node(1, &[a.clone(), gateway.clone()], &[(1, 1), (1, 2)]);
    add_route(&mut node, 1, routers::DEFAULTS[0], id(1, 2), gateway.v4.into());
    let [frame, _] = through(1, &a, &beyond);
    let outcome = node.from_port(a.ifindex(), frame.clone());
    assert_delivered(&outcome, &gateway, &arrived(&frame, mac(1, 2), &gateway, 1));
}

#[test]
fn flows_spread_over_paths_of_equal_cost_and_keep_to_theirs() {
    let a = instance(1, 1, 1);
    let gateways = [2, 3, 4].map(|n| instance(2, n, 1));
    let beyond = Instance { v4: [203, 0, 113, 9].into(), ..instance(7, 9, 1) };
    let all = [std::slice::from_ref(&a), &gateways[..]].concat();
    let mut node = routers::node(1, &all, &[(1, 1), (1, 2)]);
    let paths = gateways.clone().map(|gateway| Path { interface: id(1, 2), gateway: gateway.v4.into() });
    node.tables.routes.insert(RouteKey::new(1, Address::UNSPECIFIED_V4, 96), Route::forward(&paths));
    let mut taken = BTreeSet::new();
    for port in 1000..1050 {
        let mut frame = udp_v4(&a, &beyond, port, 53);
        frame[..6].copy_from_slice(&mac(1, 1).0);
        let ways = [0; 3].map(|_| node.from_port(a.ifindex(), frame.clone()).verdict.a);
        assert_eq!(ways, [ways[0]; 3]);
        taken.insert(ways[0]);
    }
    assert_eq!(taken, gateways.iter().map(|gateway| gateway.port).collect());
}

#[test]
fn a_router_answers_echo_requests_to_all_its_addresses() {
    let (mut node, a, _) = two_networks(1);
    for network in [1, 2] {
        let request = echo(&a, own_v4(1, network).into(), mac(1, 1), 8);
        let outcome = node.from_port(a.ifindex(), request.clone());
        assert_eq!(outcome.verdict.kind, VerdictKind::Deliver as u32, "{outcome:?}");
        assert_eq!(outcome.verdict.a, a.port);
        let reply = &outcome.bytes;
        assert_eq!(reply[..12], [a.mac.0, mac(1, 1).0].concat());
        assert_eq!((reply[34], sum(&reply[14..34]), sum(&reply[34..])), (0, 0xffff, 0xffff));
        assert_eq!(reply[26..34], [own_v4(1, network).octets(), a.v4.octets()].concat());
        assert_eq!(reply[38..], request[38..]);
        let request = echo(&a, own_v6(1, network).into(), mac(1, 1), 128);
        let reply = node.from_port(a.ifindex(), request.clone()).bytes;
        assert_eq!(reply[54], 129);
        assert_eq!(reply[22..38], own_v6(1, network).octets());
        assert_eq!(icmpv6_checksum(own_v6(1, network).into(), a.v6.into(), &reply[54..]), 0);
    }
}

#[test]
fn a_router_answers_echo_requests_to_its_link_local_address() {
    let (mut node, a, _) = two_networks(1);
    let to = mac(1, 1).link_local();
    let message = icmpv6(a.link_local(), to, 128, b"\0\x01\0\x02ping");
    let reply = node.from_port(a.ifindex(), ethernet(mac(1, 1), a.mac, 0x86dd, &message)).bytes;
    assert_eq!(reply[54], 129);
    assert_eq!(icmpv6_checksum(to, a.link_local(), &reply[54..]), 0);
}

/// An echo request by way of a router's MAC.
pub fn echo(from: &Instance, to: Address, via: Mac, kind: u8) -> Vec<u8> {
    if kind == 8 {
        let mut message = [&[8, 0, 0, 0, 0, 1, 0, 2][..], b"ping-ping!"].concat();
        let checksum = !sum(&message);
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
        let std::net::IpAddr::V4(to) = to.ip() else { panic!("{to} is no IPv4 address") };
        return ethernet(via, from.mac, 0x0800, &ipv4(from.v4, to, ICMP, &message));
    }
    let message = icmpv6(from.v6.into(), to, kind, b"\0\x01\0\x02ping");
    ethernet(via, from.mac, 0x86dd, &message)
}

#[test]
fn arp_for_a_router_s_address_is_answered() {
    let (mut node, a, _) = two_networks(1);
    let reply = node.from_port(a.ifindex(), Arp::request(&a, own_v4(1, 1)).bytes()).bytes;
    assert_eq!(reply[6..12], mac(1, 1).0);
}

#[test]
fn the_receiver_s_rules_judge_routed_packets() {
    let (mut node, a, b) = two_networks(1);
    node.tables.policies.retain(|key, _| key.direction == direction::EGRESS);
    node.tables.rules.remove(&RuleKey {
        prefix_len: RuleKey::FAMILY,
        policy: cloud::ALLOW_ALL,
        direction: direction::INGRESS,
        source: 1 << 31 | u32::from(family::IPV4),
        family: family::IPV4,
        protocol: 0,
        port: [0; 2],
    });
    let [frame, _] = through(1, &a, &b);
    assert_drop(&mut node, DropReason::IngressDenied, |n| n.from_port(a.ifindex(), frame));
}

#[test]
fn a_router_does_not_lead_into_a_network_that_it_is_not_in() {
    let (a, b) = (instance(1, 1, 1), instance(2, 2, 1));
    let mut node = routers::node(1, &[a.clone(), b.clone()], &[(1, 1), (2, 2)]);
    // A row that names another router's interface.
    add_route(&mut node, 1, (routers::v4(2, 0).into(), 120), id(2, 2), Address::UNSPECIFIED);
    let [frame, _] = through(1, &a, &b);
    assert_refused(&mut node, DropReason::NoRoute, &a, frame);
}

/// Asserts that nobody but the sender gets anything, and one count of the reason.
#[track_caller]
pub fn assert_refused(node: &mut Node, reason: DropReason, sender: &Instance, frame: Vec<u8>) -> Outcome {
    let before = node.counters.drops[reason as usize];
    let outcome = node.from_port(sender.ifindex(), frame);
    assert_eq!(node.counters.drops[reason as usize], before + 1, "{outcome:?}");
    assert_eq!((outcome.verdict.kind, outcome.verdict.a), (VerdictKind::Deliver as u32, sender.port));
    outcome
}

#[test]
fn a_route_of_one_family_is_none_of_the_other() {
    let (a, gateway) = (instance(1, 1, 1), instance(2, 2, 1));
    let beyond = Instance { v4: [203, 0, 113, 9].into(), ..instance(7, 9, 1) };
    let mut node = routers::node(1, &[a.clone(), gateway.clone()], &[(1, 1), (1, 2)]);
    add_route(&mut node, 1, routers::DEFAULTS[1], id(1, 2), gateway.v6.into());
    let [v4, v6] = through(1, &a, &beyond);
    assert_refused(&mut node, DropReason::NoRoute, &a, v4);
    assert_eq!(node.from_port(a.ifindex(), v6).verdict.a, gateway.port);
}
