//! Stage `switch`, within one host.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::table::*;
use hadron_pipeline::{Mac, VerdictKind};

use crate::cloud::{Instance, assert_delivered, assert_drop, delivered, node, pair, tunnelled};
use crate::frames::*;

#[test]
fn unicast_reaches_the_port_that_has_the_mac() {
    let (mut node, a, b) = pair();
    for frame in [udp_v4(&a, &b, 4000, 5000), udp_v6(&a, &b, 4000, 5000)] {
        assert_delivered(&node.from_port(a.ifindex(), frame.clone()), &b, &frame);
    }
}

#[test]
fn equal_macs_of_two_networks_stay_apart() {
    let all =
        [Instance::new(1, 1, 1), Instance::new(1, 2, 1), Instance::new(2, 1, 1), Instance::new(2, 2, 1)];
    let mut node = node(1, &all);
    let frame = udp_v4(&all[0], &all[1], 1, 2);
    assert_delivered(&node.from_port(all[0].ifindex(), frame.clone()), &all[1], &frame);
    assert_delivered(&node.from_port(all[2].ifindex(), frame.clone()), &all[3], &frame);
}

#[test]
fn a_mac_of_another_network_only_is_unknown() {
    let all = [Instance::new(1, 1, 1), Instance::new(2, 9, 1)];
    let frame = udp_v4(&all[0], &all[1], 1, 2);
    assert_drop(&mut node(1, &all), DropReason::UnknownUnicast, |n| n.from_port(all[0].ifindex(), frame));
}

#[test]
fn broadcast_reaches_every_other_port_of_the_network_once() {
    let all = [1, 2, 3].map(|n| Instance::new(1, n, 1));
    let other = Instance::new(2, 7, 1);
    let mut node = node(1, &[&all[..], &[other]].concat());
    let mut frame = udp_v4(&all[0], &all[1], 1, 2);
    frame[..6].fill(0xff);
    let outcome = node.from_port(all[0].ifindex(), frame.clone());
    let expected: Vec<_> = all[1..].iter().map(|i| (i.ifindex(), frame.clone())).collect();
    assert_eq!(delivered(&outcome), expected);
    assert_eq!(tunnelled(&outcome), []);
    assert_eq!((outcome.verdict.kind, outcome.verdict.a), (VerdictKind::Flood as u32, 2));
    assert_eq!(outcome.verdict.b, all[1].port + all[2].port);
}

#[test]
fn a_frame_to_its_own_sender_is_dropped() {
    let (mut node, a, _) = pair();
    let frame = udp_v4(&a, &a, 1, 2);
    assert_drop(&mut node, DropReason::SamePort, |n| n.from_port(a.ifindex(), frame));
}

#[test]
fn what_is_reserved_for_bridges_is_not_forwarded() {
    let a = Instance::new(1, 1, 1).open();
    let mut node = node(1, &[a.clone(), Instance::new(1, 2, 1)]);
    for last in [0x00, 0x02, 0x0e] {
        let frame = ethernet(Mac([0x01, 0x80, 0xc2, 0, 0, last]), a.mac, 0x88cc, &[0; 46]);
        assert_drop(&mut node, DropReason::BridgeReserved, |n| n.from_port(a.ifindex(), frame));
    }
}

#[test]
fn other_protocols_pass_between_open_ports() {
    let (a, b) = (Instance::new(1, 1, 1).open(), Instance::new(1, 2, 1));
    let frame = ethernet(b.mac, a.mac, 0x88b5, &[7; 46]);
    let mut secure = node(1, &[a.clone(), b.clone()]);
    assert_drop(&mut secure, DropReason::IngressDenied, |n| n.from_port(a.ifindex(), frame.clone()));
    let outcome = node(1, &[a.clone(), b.clone().open()]).from_port(a.ifindex(), frame.clone());
    assert_delivered(&outcome, &b, &frame);
}

#[test]
fn a_service_takes_nothing_but_what_it_serves() {
    let (mut node, a, b) = pair();
    let mut frame = udp_v4(&a, &b, 1, 2);
    frame[..6].copy_from_slice(&crate::cloud::SERVICE_MAC.0);
    assert_drop(&mut node, DropReason::ServiceUnserved, |n| n.from_port(a.ifindex(), frame));
}

#[test]
fn a_network_without_a_row_floods_nothing() {
    let (mut node, a, _) = pair();
    node.tables.networks.remove(&NetworkKey { network: 1 });
    let frame = Arp::request(&a, [10, 0, 0, 77].into()).bytes();
    assert_drop(&mut node, DropReason::UnknownNetwork, |n| n.from_port(a.ifindex(), frame));
}

#[test]
fn an_interface_without_a_port_sends_nothing() {
    let (mut node, a, b) = pair();
    let frame = udp_v4(&a, &b, 1, 2);
    assert_drop(&mut node, DropReason::UnknownInterface, |n| n.from_port(4711, frame.clone()));
    node.tables.ports.remove(&PortKey { port: a.port });
    assert_drop(&mut node, DropReason::UnknownInterface, |n| n.from_port(a.ifindex(), frame));
}

#[test]
fn tables_of_another_layout_stop_everything() {
    let (mut node, a, b) = pair();
    node.tables.config.layout_version += 1;
    let frame = udp_v4(&a, &b, 1, 2);
    assert_drop(&mut node, DropReason::LayoutVersion, |n| n.from_port(a.ifindex(), frame.clone()));
    assert_drop(&mut node, DropReason::LayoutVersion, |n| n.from_overlay(5001, crate::cloud::vtep(2), frame));
}
