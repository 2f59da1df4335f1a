//! Hosts ask each other whether they are a way outside, and next hops are heard of.

use std::net::Ipv4Addr;

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::Node;
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, Mac, VerdictKind};

use crate::cloud::{self, Instance, assert_drop, tunnelled};
use crate::floating::{EXTERNAL, OWN, PROVIDER, UPSTREAM, scene, tagged};
use crate::frames::*;
use crate::sharing::in_overlay;

const OTHER: u32 = 2;

fn gateway() -> Node {
    let (mut node, _) = scene(0);
    in_overlay(&mut node, PROVIDER, OTHER);
    node
}

fn frame(kind: u8) -> Vec<u8> {
    ethernet(Mac([2, 0, 0, 0, 0, 2]), Mac([2, 0, 0, 0, 0, 1]), 0x88b5, &[&[kind][..], &[0; 45]].concat())
}

fn network(node: &mut Node) -> &mut Network {
    node.tables.networks.get_mut(&NetworkKey { network: EXTERNAL }).expect("the network")
}

#[test]
fn a_way_outside_answers_the_host_that_asks() {
    let mut node = gateway();
    let outcome = node.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(OTHER), frame(probe::REQUEST));
    assert_eq!(tunnelled(&outcome), [(cloud::vtep(OTHER), cloud::vni(EXTERNAL), frame(probe::REPLY))]);
    assert_eq!(outcome.outputs.len(), 1);
}

#[test]
fn who_is_no_way_outside_keeps_silent() {
    let cases: [fn(&mut Network); 2] = [|row| row.provider = 0, |row| row.flags |= network_flag::NO_UPSTREAM];
    for change in cases {
        let mut node = gateway();
        change(network(&mut node));
        let [vni, from] = [cloud::vni(EXTERNAL), OTHER];
        assert_drop(&mut node, DropReason::NoWayOutside, |n| {
            n.from_overlay(vni, cloud::vtep(from), frame(probe::REQUEST))
        });
    }
}

#[test]
fn an_answer_is_noted_of_whom_it_comes_from_if_somebody_waits_for_it() {
    let mut node = gateway();
    let key = HeardKey { network: EXTERNAL, address: cloud::vtep(OTHER) };
    let others = [
        HeardKey { network: EXTERNAL, address: cloud::vtep(3) },
        HeardKey { network: 1, address: cloud::vtep(OTHER) },
    ];
    node.now = 77;
    let outcome = node.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(OTHER), frame(probe::REPLY));
    assert_eq!((outcome.verdict.kind, outcome.outputs.len()), (VerdictKind::Flood as u32, 0));
    assert!(node.tables.heard.is_empty(), "nobody waits for it");
    node.tables.heard = [key, others[0], others[1]].map(|key| (key, Heard::default())).into();
    node.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(OTHER), frame(probe::REPLY));
    assert_eq!(node.tables.heard[&key], Heard { at: 77 });
    assert!(others.iter().all(|key| node.tables.heard[key].at == 0));
}

#[test]
fn strangers_and_other_kinds_get_nothing() {
    let mut node = gateway();
    let vni = cloud::vni(EXTERNAL);
    assert_drop(&mut node, DropReason::UnknownVtep, |n| n.from_overlay(vni, cloud::vtep(9), frame(1)));
    for kind in [0, 3, 255] {
        assert_drop(&mut node, DropReason::NotHere, |n| n.from_overlay(vni, cloud::vtep(OTHER), frame(kind)));
    }
    let short = frame(1)[..14].to_vec();
    assert_drop(&mut node, DropReason::NotHere, |n| n.from_overlay(vni, cloud::vtep(OTHER), short));
}

#[test]
fn an_instance_can_not_probe() {
    let (mut node, [a, ..]) = scene(0);
    in_overlay(&mut node, PROVIDER, OTHER);
    assert_drop(&mut node, DropReason::EtherType, |n| n.from_port(a.ifindex(), frame(probe::REQUEST)));
    // Without port security such a frame is one like any other.
    let (mut node, a, _) = cloud::pair();
    let sender = Instance::new(1, 9, OTHER).open();
    cloud::add_instances(&mut node.tables, 1, std::slice::from_ref(&sender), |_| true);
    let sent = ethernet(a.mac, sender.mac, 0x88b5, &frame(probe::REQUEST)[14..]);
    node.tables.ports.get_mut(&PortKey { port: a.port }).expect("the port").flags = 0;
    let outcome = node.from_overlay(cloud::vni(1), cloud::vtep(OTHER), sent.clone());
    cloud::assert_delivered(&outcome, &a, &sent);
}

#[test]
fn a_next_hop_is_heard_of_when_it_answers() {
    for vlan in [0, 7] {
        let (mut node, _) = scene(vlan);
        let key = |address: Ipv4Addr| HeardKey { network: EXTERNAL, address: Address::from(address) };
        let silent = Ipv4Addr::new(10, 0, EXTERNAL as u8, 2);
        node.tables.heard = [UPSTREAM.1, silent].map(|address| (key(address), Heard::default())).into();
        node.now = 77;
        let mut arp = Arp {
            to: OWN,
            from: UPSTREAM.0,
            operation: 1,
            sender: UPSTREAM,
            target: (OWN, Ipv4Addr::UNSPECIFIED),
        };
        node.from_provider(PROVIDER, tagged(arp.padded(), vlan));
        assert_eq!(node.tables.heard[&key(UPSTREAM.1)].at, 0, "a question is no answer");
        arp.operation = 2;
        node.from_provider(PROVIDER, tagged(arp.padded(), vlan));
        assert_eq!([UPSTREAM.1, silent].map(|address| node.tables.heard[&key(address)].at), [77, 0]);
    }
}
