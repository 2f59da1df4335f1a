//! Counters of stages, drops and ports, and the list of reasons that they are made from.

use std::collections::BTreeSet;

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::stage::Stage;
use hadron_pipeline::table::{PortCounters, PortKey};

use crate::cloud::{Instance, node, pair, vni, vtep};
use crate::frames::*;

fn counts(counters: &hadron_pipeline::table::Counters) -> Vec<(&'static str, u64)> {
    let entered = Stage::ALL.iter().map(|stage| (stage.name(), counters.stages[*stage as usize]));
    entered.filter(|(_, n)| *n != 0).collect()
}

#[test]
fn a_delivered_packet_has_entered_the_eight_stages_of_its_door() {
    let (mut node, a, b) = pair();
    node.from_port(a.ifindex(), udp_v4(&a, &b, 1, 2));
    let walk = [
        "classify",
        "origin",
        "port_security",
        "services",
        "egress_policy",
        "switch",
        "ingress_policy",
        "deliver",
    ];
    assert_eq!(counts(&node.counters), walk.map(|name| (name, 1)));
}

#[test]
fn a_packet_from_the_overlay_has_entered_four() {
    let all = [Instance::new(1, 1, 1), Instance::new(1, 2, 2)];
    let mut node = node(1, &all);
    node.from_overlay(vni(1), vtep(2), udp_v4(&all[1], &all[0], 1, 2));
    assert_eq!(
        counts(&node.counters),
        ["classify", "origin", "ingress_policy", "deliver"].map(|name| (name, 1))
    );
}

#[test]
fn a_dropped_packet_enters_no_stage_behind_the_one_that_drops_it() {
    let (mut node, a, b) = pair();
    node.from_port(a.ifindex(), udp_v4(&b, &a, 1, 2));
    assert_eq!(counts(&node.counters), ["classify", "origin", "port_security"].map(|name| (name, 1)));
}

#[test]
fn ports_count_both_ways_in_frames_and_bytes() {
    let (mut node, a, b) = pair();
    let frame = udp_v4(&a, &b, 1, 2);
    let bytes = frame.len() as u64;
    node.from_port(a.ifindex(), frame.clone());
    node.from_port(a.ifindex(), frame[..20].to_vec());
    node.from_port(a.ifindex(), Arp::request(&a, b.v4).bytes());
    let counters = |port| node.tables.port_counters[&PortKey { port }];
    let sent = PortCounters {
        tx_packets: 3,
        tx_bytes: bytes + 20 + 42,
        tx_dropped: 1,
        rx_packets: 1,
        rx_bytes: 42,
        ..PortCounters::default()
    };
    assert_eq!(counters(a.port), sent);
    let received = PortCounters { rx_packets: 1, rx_bytes: bytes, ..PortCounters::default() };
    assert_eq!(counters(b.port), received);
}

#[test]
fn labels_and_numbers_are_unique_and_lead_back() {
    let labels: BTreeSet<_> = DropReason::ALL.iter().map(|reason| reason.label()).collect();
    assert_eq!(labels.len(), DropReason::ALL.len());
    for reason in DropReason::ALL {
        assert_eq!(DropReason::from_number(*reason as u32), Some(*reason));
        assert!(reason.stage().drops().any(|other| other == *reason));
    }
    assert_eq!(DropReason::from_number(0), None);
}

#[test]
fn stages_are_numbered_in_order() {
    for (number, stage) in Stage::ALL.iter().enumerate() {
        assert_eq!(*stage as usize, number);
    }
}
