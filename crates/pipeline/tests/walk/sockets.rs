//! Stage `services`: questions that end in a socket of the node, and the answers' way back.

use std::net::Ipv4Addr;

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Frame, Node};
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, Mac, VerdictKind};

use crate::cloud::{Instance, SERVICE_MAC, SERVICE_V4, assert_drop, delivered, node};
use crate::frames::*;

const LINK: u32 = 77;
const SOCKET_MAC: Mac = Mac([2, 0, 0, 0, 0, 77]);
const ROUTER_MAC: Mac = Mac([0xfa, 0x16, 0x3e, 0xee, 0, 1]);
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// The same address in two networks.
fn twins() -> (Node, Instance, Instance) {
    let (a, b) = (Instance::new(1, 1, 1), Instance::new(2, 1, 1));
    let mut node = node(1, &[a.clone(), b.clone()]);
    node.now = 1_000_000_000;
    node.tables.service_link = ServiceLink {
        ifindex: LINK,
        flags: service_flag::METADATA | service_flag::DNS,
        limit: Limit { interval: 1_000_000, burst: 5 },
        mac: SOCKET_MAC,
        ..ServiceLink::default()
    };
    (node, a, b)
}

/// A TCP segment whose checksum is right.
fn segment(source: Address, destination: Address, from: u16, to: u16) -> Vec<u8> {
    with_checksum(source, destination, TCP, 16, tcp(from, to, b"GET / HTTP/1.1"))
}

fn with_checksum(
    source: Address,
    destination: Address,
    protocol: u8,
    at: usize,
    mut message: Vec<u8>,
) -> Vec<u8> {
    let checksum = !sum(&pseudo(source, destination, protocol, &message));
    message[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    message
}

fn pseudo(source: Address, destination: Address, protocol: u8, message: &[u8]) -> Vec<u8> {
    let both = if source.is_v4() {
        [source.tail(), destination.tail()].concat()
    } else {
        [source.0, destination.0].concat()
    };
    let mut bytes =
        [&both[..], &(message.len() as u32).to_be_bytes(), &[0, 0, 0, protocol], message].concat();
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

/// Asserts that header and transport checksums of a packet are right.
#[track_caller]
fn assert_checksums(frame: &[u8]) {
    if frame[12..14] == [8, 0] {
        assert_eq!(sum(&frame[14..34]), 0xffff, "of the header");
        let at = |start: usize| Address::v4(frame[start..start + 4].try_into().unwrap());
        assert_eq!(sum(&pseudo(at(26), at(30), frame[23], &frame[34..])), 0xffff, "of the message");
    } else {
        let at = |start: usize| Address(frame[start..start + 16].try_into().unwrap());
        assert_eq!(sum(&pseudo(at(22), at(38), frame[20], &frame[54..])), 0xffff, "of the message");
    }
}

fn v4_question(from: &Instance, to: Mac, port: u16) -> Vec<u8> {
    let segment = segment(from.v4.into(), METADATA_V4, port, 80);
    ethernet(to, from.mac, 0x0800, &ipv4(from.v4, METADATA, TCP, &segment))
}

fn v6_question(from: &Instance, source: Address, port: u16) -> Vec<u8> {
    let segment = segment(source, METADATA_V6, port, 80);
    ethernet(METADATA_MAC, from.mac, 0x86dd, &ipv6(source, METADATA_V6, TCP, 64, &segment))
}

fn name_question(from: &Instance, port: u16) -> Vec<u8> {
    let datagram = with_checksum(from.v4.into(), SERVICE_V4.into(), UDP, 6, udp(port, 53, b"who is it"));
    ethernet(SERVICE_MAC, from.mac, 0x0800, &ipv4(from.v4, SERVICE_V4, UDP, &datagram))
}

/// What the sockets answer to a frame that they got.
fn answer_to(frame: &[u8]) -> Vec<u8> {
    let mut answer = frame.to_vec();
    let (addresses, length, ports) = if frame[12..14] == [8, 0] { (26, 4, 34) } else { (22, 16, 54) };
    for (at, length) in [(0, 6), (addresses, length), (ports, 2)] {
        let (first, second) = answer[at..at + 2 * length].split_at_mut(length);
        first.swap_with_slice(second);
    }
    answer
}

/// A question there and its answer back. What the instance gets is what it would get from the one that it asked.
#[track_caller]
fn assert_served(node: &mut Node, from: &Instance, question: &[u8]) -> Vec<u8> {
    let outcome = node.from_port(from.ifindex(), question.to_vec());
    assert_eq!(
        (outcome.verdict.kind, outcome.verdict.a),
        (VerdictKind::Serve as u32, from.port),
        "{outcome:?}"
    );
    let [(LINK, there)] = &delivered(&outcome)[..] else { panic!("{outcome:?}") };
    assert_eq!(there[..6], SOCKET_MAC.0);
    assert_checksums(there);
    let outcome = node.from_services(LINK, answer_to(there));
    assert_eq!(outcome.verdict.kind, VerdictKind::Answer as u32, "{outcome:?}");
    assert_eq!(delivered(&outcome), [(from.ifindex(), answer_to(question))]);
    there.clone()
}

#[test]
fn the_source_says_which_port_asks() {
    let (mut node, a, b) = twins();
    let there = assert_served(&mut node, &a, &v4_question(&a, METADATA_MAC, 4000));
    assert_eq!((&there[26..30], &there[30..34]), (&stand_in_v4(a.ifindex())[..], &[169, 254, 169, 254][..]));
    let there = assert_served(&mut node, &b, &v4_question(&b, METADATA_MAC, 4000));
    assert_eq!(there[26..30], stand_in_v4(b.ifindex()));
    let there = assert_served(&mut node, &a, &v6_question(&a, a.link_local(), 4000));
    assert_eq!(there[22..38], stand_in_v6(a.ifindex()).0);
    assert_served(&mut node, &b, &v6_question(&b, b.v6.into(), 4000));
    assert_eq!(node.tables.port_counters[&PortKey { port: a.port }].punted, 2);
    assert_eq!(node.tables.port_counters[&PortKey { port: a.port }].rx_packets, 2);
}

#[test]
fn whoever_is_the_way_there_is_the_way_back() {
    let (mut node, a, _) = twins();
    assert_served(&mut node, &a, &v4_question(&a, SERVICE_MAC, 4000));
    assert_served(&mut node, &a, &v4_question(&a, ROUTER_MAC, 4001));
}

#[test]
fn names_are_asked_at_the_addresses_of_services() {
    let (mut node, a, _) = twins();
    assert_served(&mut node, &a, &name_question(&a, 5353));
    let elsewhere =
        ethernet(SERVICE_MAC, a.mac, 0x0800, &ipv4(a.v4, Ipv4Addr::new(10, 0, 0, 9), UDP, &udp(1, 53, b"")));
    assert_drop(&mut node, DropReason::ServiceUnserved, |n| n.from_port(a.ifindex(), elsewhere));
}

#[test]
fn partial_checksums_stay_partial_and_right() {
    let (mut node, a, _) = twins();
    let mut question = v4_question(&a, METADATA_MAC, 4000);
    let length = (question.len() - 34) as u32;
    let pseudo_sum =
        sum(&[&a.v4.octets()[..], &METADATA.octets(), &length.to_be_bytes(), &[0, 0, 0, TCP]].concat());
    question[50..52].copy_from_slice(&pseudo_sum.to_be_bytes());
    let frame = Frame { bytes: question, has_partial_checksum: true, gso_size: 1400, ..Frame::default() };
    let there = delivered(&node.from_port(a.ifindex(), frame)).remove(0).1;
    let expected =
        sum(&[&stand_in_v4(a.ifindex())[..], &METADATA.octets(), &length.to_be_bytes(), &[0, 0, 0, TCP]]
            .concat());
    assert_eq!(there[50..52], expected.to_be_bytes());
}

#[test]
fn what_asks_nothing_goes_nowhere() {
    let (mut node, a, _) = twins();
    let to_metadata = |packet: Vec<u8>| ethernet(METADATA_MAC, a.mac, 0x0800, &packet);
    let ping = to_metadata(ipv4(a.v4, METADATA, ICMP, &[8, 0, 0, 0, 0, 1, 0, 1]));
    let ssh = to_metadata(ipv4(a.v4, METADATA, TCP, &tcp(4000, 22, b"")));
    let fragment = to_metadata(ipv4_fragment(a.v4, METADATA, TCP, 0x2000, &tcp(4000, 80, b"1234")));
    let mut options = v4_question(&a, METADATA_MAC, 4000);
    options.splice(34..34, [1; 4]);
    options[14] = 0x46;
    let length = (options.len() as u16 - 14).to_be_bytes();
    options[16..18].copy_from_slice(&length);
    for frame in [ping, ssh, fragment, options] {
        assert_drop(&mut node, DropReason::ServiceQuestion, |n| n.from_port(a.ifindex(), frame));
    }
}

#[test]
fn a_host_without_the_service_says_so() {
    let (mut node, a, _) = twins();
    node.tables.service_link.flags = service_flag::DNS;
    assert_drop(&mut node, DropReason::ServiceAbsent, |n| {
        n.from_port(a.ifindex(), v4_question(&a, METADATA_MAC, 1))
    });
    assert_served(&mut node, &a, &name_question(&a, 5353));
    node.tables.service_link = ServiceLink::default();
    assert_drop(&mut node, DropReason::ServiceAbsent, |n| n.from_port(a.ifindex(), name_question(&a, 5353)));
}

#[test]
fn another_source_is_no_way_to_another_port() {
    let (mut node, a, b) = twins();
    let spoofed = Instance { v4: Ipv4Addr::new(10, 0, 0, 9), ..a.clone() };
    let frame = v4_question(&spoofed, METADATA_MAC, 4000);
    assert_drop(&mut node, DropReason::SourceAddress, |n| n.from_port(a.ifindex(), frame.clone()));
    // Without port security any source is sent, and still it is port `a` that asks.
    node.tables.ports.get_mut(&PortKey { port: a.port }).unwrap().flags = 0;
    let there = assert_served(&mut node, &a, &frame);
    assert_eq!(there[26..30], stand_in_v4(a.ifindex()));
    assert_ne!(there[26..30], stand_in_v4(b.ifindex()));
}

#[test]
fn a_source_port_is_one_address_s_for_a_while() {
    let (mut node, a, _) = twins();
    let other = Instance { v4: Ipv4Addr::new(10, 0, 0, 9), ..a.clone() };
    node.tables.allowed.insert(AllowedKey::new(a.port, a.mac, other.v4.into()), Allowed::default());
    assert_served(&mut node, &a, &v4_question(&a, METADATA_MAC, 4000));
    let frame = v4_question(&other, METADATA_MAC, 4000);
    assert_drop(&mut node, DropReason::SessionTaken, |n| n.from_port(a.ifindex(), frame.clone()));
    node.now += SESSION_HOLD;
    assert_served(&mut node, &a, &frame);
}

#[test]
fn connections_are_limited_and_their_packets_are_not() {
    let (mut node, a, b) = twins();
    for port in 0..5 {
        assert_served(&mut node, &a, &v4_question(&a, METADATA_MAC, 4000 + port));
    }
    let sixth = v4_question(&a, METADATA_MAC, 4005);
    assert_drop(&mut node, DropReason::ServiceRate, |n| n.from_port(a.ifindex(), sixth.clone()));
    let mut going_on = v4_question(&a, METADATA_MAC, 4000);
    going_on[34 + 13] = 0x10;
    // The checksum follows the flags.
    let (segment, addresses) = (going_on.split_off(34), (Address::from(a.v4), METADATA_V4));
    let mut segment = segment;
    segment[16..18].fill(0);
    going_on.extend(with_checksum(addresses.0, addresses.1, TCP, 16, segment));
    for _ in 0..20 {
        assert_served(&mut node, &a, &going_on);
    }
    assert_served(&mut node, &b, &v4_question(&b, METADATA_MAC, 4000));
    node.now += 1_000_000;
    assert_served(&mut node, &a, &sixth);
}

#[test]
fn an_answer_to_nobody_goes_nowhere() {
    let (mut node, a, b) = twins();
    let there = assert_served(&mut node, &a, &v4_question(&a, METADATA_MAC, 4000));
    let answer = answer_to(&there);
    let mut to_b = answer.clone();
    to_b[30..34].copy_from_slice(&stand_in_v4(b.ifindex()));
    assert_drop(&mut node, DropReason::SessionUnknown, |n| n.from_services(LINK, to_b));
    node.tables.ports.get_mut(&PortKey { port: a.port }).unwrap().ifindex += 1;
    assert_drop(&mut node, DropReason::SessionUnknown, |n| n.from_services(LINK, answer.clone()));
    node.tables.ports.remove(&PortKey { port: a.port });
    assert_drop(&mut node, DropReason::SessionUnknown, |n| n.from_services(LINK, answer));
}

#[test]
fn every_interface_has_an_address_of_its_own() {
    for ifindex in [1, 2, 0xff_ffff, 0x100_0000, 0x7dff_ffff, 0x7e00_0000, 0x7e00_0001, 0x7fff_ffff] {
        let address = stand_in_v4(ifindex);
        assert_eq!(stands_for(address), ifindex, "{address:?}");
        assert!(!matches!(address[0], 0 | 127 | 169 | 224..), "{address:?}");
        assert_eq!(stand_in_v6(ifindex).tail(), address);
    }
}
