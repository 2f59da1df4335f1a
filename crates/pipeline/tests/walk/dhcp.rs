//! Stage `services`: DHCP handed to the host's responder.

use std::net::Ipv4Addr;

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::Output;
use hadron_pipeline::table::*;
use hadron_pipeline::{PuntReason, VerdictKind};

use crate::cloud::{Instance, SERVICE_MAC, SERVICE_V4, assert_delivered, assert_drop, delivered, node, pair};
use crate::frames::*;

fn punt(port: &Instance, bytes: &[u8]) -> Output {
    let header = PuntHeader {
        port: port.port,
        length: bytes.len() as u32,
        ifindex: port.ifindex(),
        reason: PuntReason::Dhcp4 as u32,
    };
    Output::Punt { header, bytes: bytes.to_vec() }
}

fn renewal(from: &Instance, to: Ipv4Addr) -> Vec<u8> {
    ethernet(SERVICE_MAC, from.mac, 0x0800, &ipv4(from.v4, to, UDP, &udp(68, 67, &[3; 244])))
}

#[test]
fn discovery_and_renewal_are_punted_and_go_nowhere_else() {
    let (mut node, a, _) = pair();
    for frame in [dhcp_discover(&a), renewal(&a, SERVICE_V4), renewal(&a, Ipv4Addr::BROADCAST)] {
        let outcome = node.from_port(a.ifindex(), frame.clone());
        assert_eq!(outcome.outputs, [punt(&a, &frame)]);
        assert_eq!((outcome.verdict.kind, outcome.verdict.a), (VerdictKind::Punt as u32, a.port));
    }
    assert_eq!(node.tables.port_counters[&PortKey { port: a.port }].punted, 3);
}

#[test]
fn a_network_without_dhcp_floods_discovery() {
    let (mut node, a, b) = pair();
    node.tables.networks.get_mut(&NetworkKey { network: 1 }).expect("network 1").flags = 0;
    let frame = dhcp_discover(&a);
    assert_eq!(delivered(&node.from_port(a.ifindex(), frame.clone())), [(b.ifindex(), frame)]);
}

#[test]
fn a_message_to_an_instance_is_the_instances() {
    let (mut node, a, b) = pair();
    let frame = udp_v4(&a, &b, 68, 67);
    assert_delivered(&node.from_port(a.ifindex(), frame.clone()), &b, &frame);
}

#[test]
fn fragments_are_not_punted() {
    let (mut node, a, _) = pair();
    let fragment = ipv4_fragment(a.v4, SERVICE_V4, UDP, 0x2000, &udp(68, 67, &[0; 240]));
    let frame = ethernet(SERVICE_MAC, a.mac, 0x0800, &fragment);
    assert_drop(&mut node, DropReason::ServiceUnserved, |n| n.from_port(a.ifindex(), frame));
}

#[test]
fn a_full_ring_buffer_is_a_drop() {
    let (mut node, a, _) = pair();
    node.punts_full = true;
    assert_drop(&mut node, DropReason::PuntFull, |n| n.from_port(a.ifindex(), dhcp_discover(&a)));
}

#[test]
fn a_long_frame_is_cut_and_its_length_told() {
    let a = Instance::new(1, 1, 1);
    let mut node = node(1, std::slice::from_ref(&a));
    let packet = ipv4(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, UDP, &udp(68, 67, &[0; 4000]));
    let frame = ethernet(BROADCAST, a.mac, 0x0800, &packet);
    let outcome = node.from_port(a.ifindex(), frame.clone());
    let Output::Punt { header, bytes } = &outcome.outputs[0] else { panic!("{outcome:?}") };
    assert_eq!(header.length as usize, frame.len());
    assert_eq!(*bytes, frame[..PUNT_SNAPLEN]);
}
