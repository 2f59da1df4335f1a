//! Networks of a physical network: ports here, outsiders, and the host itself.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Frame, Node, Output};
use hadron_pipeline::table::*;
use hadron_pipeline::{Mac, VerdictKind};

use crate::cloud::{Instance, assert_delivered, assert_drop, delivered, node};
use crate::frames::*;

/// The interface to the physical network.
const PROVIDER: u32 = 77;

/// Two instances here and one outside, of a network in a VLAN.
fn place(vlan: u32) -> (Node, [Instance; 3]) {
    let all = [1, 2, 3].map(|number| Instance::new(1, number, 1));
    let mut node = node(1, &all[..2]);
    let row = node.tables.networks.get_mut(&NetworkKey { network: 1 }).expect("the network");
    (row.vni, row.provider, row.vlan) = (0, PROVIDER, vlan);
    let slot = row.flood_length;
    row.flood_length += 1;
    let member = FloodTarget { kind: target::PROVIDER, id: 0 };
    node.tables.flood.insert(FloodKey { network: 1, slot }, member);
    node.tables.segments.insert(SegmentKey { ifindex: PROVIDER, vlan }, Segment { network: 1 });
    (node, all)
}

fn tagged(bytes: Vec<u8>, vlan: u32) -> Frame {
    Frame { bytes, vlan: (vlan != 0).then_some(vlan as u16), ..Frame::default() }
}

#[test]
fn an_instance_and_an_outsider_reach_each_other() {
    for vlan in [0, 9] {
        let (mut node, [a, _, outsider]) = place(vlan);
        let frame = udp_v4(&a, &outsider, 1, 2);
        let outcome = node.from_port(a.ifindex(), frame.clone());
        let kind = VerdictKind::Provider as u32;
        assert_eq!((outcome.verdict.kind, outcome.verdict.a, outcome.verdict.b), (kind, 1, PROVIDER));
        let frame = tagged(frame, vlan);
        assert_eq!(outcome.outputs, [Output::Deliver { ifindex: PROVIDER, frame }]);
        let back = udp_v4(&outsider, &a, 2, 1);
        let outcome = node.from_provider(PROVIDER, tagged(back.clone(), vlan));
        assert_delivered(&outcome, &a, &back);
        let Output::Deliver { frame, .. } = &outcome.outputs[0] else { panic!("{outcome:?}") };
        assert_eq!(frame.vlan, None, "the instance gets no tag");
    }
}

#[test]
fn questions_go_out_with_the_tag_and_stay_without_it_here() {
    let (mut node, [a, b, _]) = place(9);
    let frame = Arp::request(&a, [10, 0, 0, 99].into()).bytes();
    let outcome = node.from_port(a.ifindex(), frame.clone());
    let copy = |ifindex, vlan| Output::Deliver { ifindex, frame: tagged(frame.clone(), vlan) };
    assert_eq!(outcome.outputs, [copy(b.ifindex(), 0), copy(PROVIDER, 9)]);
}

#[test]
fn what_is_said_to_everyone_is_heard_here_and_does_not_go_back() {
    let (mut node, [a, b, outsider]) = place(0);
    let frame = Arp::request(&outsider, [10, 0, 0, 99].into()).bytes();
    let outcome = node.from_provider(PROVIDER, frame.clone());
    assert_eq!(outcome.verdict.kind, VerdictKind::Flood as u32);
    assert_eq!(delivered(&outcome), [(a.ifindex(), frame.clone()), (b.ifindex(), frame)]);
}

#[test]
fn what_is_not_for_a_port_is_the_hosts_own() {
    let (mut node, [a, _, outsider]) = place(0);
    let mut stranger = a.clone();
    stranger.mac = Mac([2, 9, 9, 9, 9, 9]);
    let pass = VerdictKind::Pass as u32;
    let frame = udp_v4(&outsider, &stranger, 1, 2);
    assert_eq!(node.from_provider(PROVIDER, frame.clone()).verdict.kind, pass, "another MAC");
    assert_eq!(node.from_provider(PROVIDER, tagged(frame.clone(), 5)).verdict.kind, pass, "another VLAN");
    assert_eq!(node.from_provider(78, frame).verdict.kind, pass, "another interface");
    node.tables.config.layout_version += 1;
    let frame = udp_v4(&outsider, &a, 1, 2);
    assert_eq!(node.from_provider(PROVIDER, frame).verdict.kind, pass, "tables that are being rebuilt");
}

#[test]
fn in_a_vlan_what_is_not_for_a_port_is_dropped() {
    let (mut node, [a, _, outsider]) = place(9);
    let mut stranger = a.clone();
    stranger.mac = Mac([2, 9, 9, 9, 9, 9]);
    let frame = tagged(udp_v4(&outsider, &stranger, 1, 2), 9);
    assert_drop(&mut node, DropReason::NotHere, |n| n.from_provider(PROVIDER, frame));
}

#[test]
fn a_frame_of_a_port_here_does_not_come_from_outside() {
    let (mut node, [a, b, _]) = place(0);
    let frame = udp_v4(&a, &b, 1, 2);
    assert_drop(&mut node, DropReason::OwnReturned, |n| n.from_provider(PROVIDER, frame));
}

#[test]
fn a_virtual_mac_that_is_announced_outside_has_left_its_port() {
    let (mut node, [a, b, _]) = place(0);
    let virtual_mac = Mac([0, 0, 0x5e, 0, 1, 7]);
    let key = LearnedMacKey::new(1, virtual_mac);
    node.tables.learned_macs.insert(key, LearnedMac { kind: target::PORT, id: b.port });
    let mut master = a.clone();
    master.mac = virtual_mac;
    node.from_provider(PROVIDER, Arp::request(&master, [10, 0, 0, 7].into()).bytes());
    assert_eq!(node.tables.learned_macs[&key].kind, target::PROVIDER);
}

#[test]
fn rules_hold_for_outsiders() {
    let (mut node, [a, _, outsider]) = place(0);
    node.tables.ports.get_mut(&PortKey { port: a.port }).expect("a").policy = 99;
    let frame = udp_v4(&outsider, &a, 1, 2);
    assert_drop(&mut node, DropReason::IngressDenied, |n| n.from_provider(PROVIDER, frame));
}
