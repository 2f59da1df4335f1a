//! Stage `services`: ARP and neighbour solicitations answered from the tables.

use std::net::Ipv4Addr;

use hadron_pipeline::host::{Frame, Outcome};
use hadron_pipeline::{Address, Mac, VerdictKind};

use crate::cloud::{Instance, SERVICE_MAC, SERVICE_V4, assert_delivered, delivered, node, pair};
use crate::frames::*;

/// Asserts that the asker got exactly this answer, and nobody else anything.
#[track_caller]
fn assert_answered(outcome: &Outcome, asker: &Instance, answer: Vec<u8>) {
    assert_eq!(outcome.verdict.kind, VerdictKind::Answer as u32, "{outcome:?}");
    assert_eq!(delivered(outcome), [(asker.ifindex(), answer)]);
}

fn reply(asker: &Instance, mac: Mac, address: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    Arp { to: asker.mac, from: mac, operation: 2, sender: (mac, address), target: (asker.mac, to) }.bytes()
}

/// The advertisement that RFC 4861 §7.2.4 asks for.
fn advertisement(asker: &Instance, mac: Mac, target: Address, to: Address) -> Vec<u8> {
    let answer = Nd { from: mac, source: target, ..Nd::advertisement(asker, target) };
    let options = link_layer(2, mac);
    if to == Address::UNSPECIFIED {
        Nd { options, flags: 0x20, ..answer }.bytes()
    } else {
        Nd { options, flags: 0x60, to: asker.mac, destination: to, ..answer }.bytes()
    }
}

#[test]
fn arp_for_a_neighbour_here_and_elsewhere_and_for_a_service() {
    let all = [Instance::new(1, 1, 1), Instance::new(1, 2, 1), Instance::new(1, 3, 2)];
    let mut node = node(1, &all);
    let a = &all[0];
    for (mac, address) in [(all[1].mac, all[1].v4), (all[2].mac, all[2].v4), (SERVICE_MAC, SERVICE_V4)] {
        let outcome = node.from_port(a.ifindex(), Arp::request(a, address).bytes());
        assert_answered(&outcome, a, reply(a, mac, address, a.v4));
    }
}

#[test]
fn unicast_arp_requests_and_probes() {
    let (mut node, a, b) = pair();
    let unicast = Arp { to: b.mac, ..Arp::request(&a, b.v4) };
    assert_answered(&node.from_port(a.ifindex(), unicast.bytes()), &a, reply(&a, b.mac, b.v4, a.v4));
    let nobody = Ipv4Addr::UNSPECIFIED;
    let probe = Arp { sender: (a.mac, nobody), ..Arp::request(&a, b.v4) };
    assert_answered(&node.from_port(a.ifindex(), probe.bytes()), &a, reply(&a, b.mac, b.v4, nobody));
}

#[test]
fn an_answered_request_keeps_its_padding() {
    let (mut node, a, b) = pair();
    let padded = [Arp::request(&a, b.v4).bytes(), vec![0; 18]].concat();
    let expected = [reply(&a, b.mac, b.v4, a.v4), vec![0; 18]].concat();
    assert_answered(&node.from_port(a.ifindex(), padded), &a, expected);
}

#[test]
fn nobody_is_told_of_another_networks_neighbours() {
    let all = [Instance::new(1, 1, 1), Instance::new(1, 2, 1), Instance::new(2, 9, 1)];
    let mut node = node(1, &all);
    for frame in
        [Arp::request(&all[0], all[2].v4).bytes(), Nd::solicitation(&all[0], all[2].v6.into()).bytes()]
    {
        let outcome = node.from_port(all[0].ifindex(), frame.clone());
        assert_eq!(delivered(&outcome), [(all[1].ifindex(), frame)]);
    }
}

#[test]
fn gratuitous_arp_and_probes_for_ones_own_address_reach_the_others() {
    let (mut node, a, b) = pair();
    let probe = Arp { sender: (a.mac, Ipv4Addr::UNSPECIFIED), ..Arp::request(&a, a.v4) };
    for frame in [Arp::request(&a, a.v4).bytes(), probe.bytes()] {
        assert_eq!(delivered(&node.from_port(a.ifindex(), frame.clone())), [(b.ifindex(), frame)]);
    }
}

#[test]
fn an_arp_reply_is_not_a_question() {
    let (mut node, a, b) = pair();
    let frame = Arp { to: b.mac, operation: 2, target: (b.mac, b.v4), ..Arp::request(&a, b.v4) }.bytes();
    assert_delivered(&node.from_port(a.ifindex(), frame.clone()), &b, &frame);
}

#[test]
fn solicitations_by_multicast_and_unicast() {
    let all = [Instance::new(1, 1, 1), Instance::new(1, 2, 1), Instance::new(1, 3, 2)];
    let mut node = node(1, &all);
    let a = &all[0];
    for other in &all[1..] {
        for target in [other.v6.into(), other.link_local()] {
            let multicast = Nd::solicitation(a, target);
            let unicast = Nd { to: other.mac, destination: target, ..multicast.clone() };
            let from_link_local = Nd { source: a.link_local(), ..multicast.clone() };
            for question in [multicast, unicast, from_link_local] {
                let outcome = node.from_port(a.ifindex(), question.bytes());
                assert_answered(&outcome, a, advertisement(a, other.mac, target, question.source));
            }
        }
    }
}

#[test]
fn a_solicitation_without_options_grows_into_its_answer() {
    let (mut node, a, b) = pair();
    let target = b.v6.into();
    let question = Nd { options: vec![], ..Nd::solicitation(&a, target) };
    let outcome = node.from_port(a.ifindex(), question.bytes());
    assert_answered(&outcome, &a, advertisement(&a, b.mac, target, a.v6.into()));
}

#[test]
fn duplicate_address_detection_of_somebody_elses_address_is_answered_to_all_nodes() {
    let (mut node, a, b) = pair();
    let target = b.v6.into();
    let nonce = vec![14, 1, 1, 2, 3, 4, 5, 6];
    for options in [vec![], nonce] {
        let question = Nd { options, ..Nd::dad(&a, target) };
        let outcome = node.from_port(a.ifindex(), question.bytes());
        assert_answered(&outcome, &a, advertisement(&a, b.mac, target, Address::UNSPECIFIED));
        assert_eq!(outcome.bytes[..6], [0x33, 0x33, 0, 0, 0, 1]);
    }
}

#[test]
fn duplicate_address_detection_of_ones_own_address_reaches_the_others() {
    let (mut node, a, b) = pair();
    let frame = Nd::dad(&a, a.v6.into()).bytes();
    assert_eq!(delivered(&node.from_port(a.ifindex(), frame.clone())), [(b.ifindex(), frame)]);
}

#[test]
fn options_behind_the_first_stay_and_the_checksum_is_right() {
    let (mut node, a, b) = pair();
    let target: Address = b.v6.into();
    let options = [link_layer(1, a.mac), vec![14, 1, 1, 2, 3, 4, 5, 6]].concat();
    let outcome = node.from_port(a.ifindex(), Nd { options, ..Nd::solicitation(&a, target) }.bytes());
    assert_eq!(outcome.verdict.kind, VerdictKind::Answer as u32);
    assert_eq!(icmpv6_checksum(target, a.v6.into(), &outcome.bytes[54..]), 0);
    assert_eq!(outcome.bytes.len(), 94);
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let (mut node, a, b) = pair();
    let target: Address = b.v6.into();
    let mut bytes = Nd::solicitation(&a, target).bytes();
    bytes[56] ^= 0x10;
    let outcome = node.from_port(a.ifindex(), bytes);
    assert_ne!(icmpv6_checksum(target, a.v6.into(), &outcome.bytes[54..]), 0);
}

#[test]
fn a_partial_checksum_becomes_the_sum_of_the_new_pseudo_header() {
    let (mut node, a, b) = pair();
    let target: Address = b.v6.into();
    let pseudo = |source: Address, destination: Address, length: u8| {
        sum(&[&source.0[..], &destination.0, &[0, 0, 0, length, 0, 0, 0, ICMPV6]].concat())
    };
    for (options, length) in [(vec![], 24), (link_layer(1, a.mac), 32)] {
        let question = Nd { options, ..Nd::solicitation(&a, target) };
        let mut bytes = question.bytes();
        bytes[56..58].copy_from_slice(&pseudo(question.source, question.destination, length).to_be_bytes());
        let frame = Frame { bytes, has_partial_checksum: true, ..Frame::default() };
        let outcome = node.from_port(a.ifindex(), frame);
        assert_eq!(outcome.bytes[56..58], pseudo(target, a.v6.into(), 32).to_be_bytes());
    }
}

#[test]
fn a_solicitation_that_cannot_become_an_answer_in_its_place_reaches_the_one_it_asks() {
    let (mut node, a, b) = pair();
    let question = Nd::solicitation(&a, b.v6.into());
    let long_first =
        Nd { options: [vec![14, 2], vec![0; 14], link_layer(1, a.mac)].concat(), ..question.clone() };
    let padded = [question.bytes(), vec![0; 4]].concat();
    for frame in [long_first.bytes(), padded] {
        assert_eq!(delivered(&node.from_port(a.ifindex(), frame.clone())), [(b.ifindex(), frame)]);
    }
}
