//! Stage `deliver`: rows that are missing, contradict each other, or say no.

use hadron_pipeline::VerdictKind;
use hadron_pipeline::drop::DropReason;
use hadron_pipeline::table::*;

use crate::cloud::{Instance, assert_drop, delivered, node, pair};
use crate::frames::*;

#[test]
fn an_fdb_entry_never_leads_into_another_network() {
    let all = [Instance::new(1, 1, 1), Instance::new(1, 2, 1), Instance::new(2, 3, 1)];
    let mut node = node(1, &all);
    let entry = FdbEntry { kind: target::PORT, id: all[2].port };
    node.tables.fdb.insert(FdbKey::new(1, all[1].mac), entry);
    let frame = udp_v4(&all[0], &all[1], 1, 2);
    assert_drop(&mut node, DropReason::TargetNetwork, |n| n.from_port(all[0].ifindex(), frame));
}

#[test]
fn a_flood_list_never_leads_into_another_network() {
    let all = [Instance::new(1, 1, 1), Instance::new(1, 2, 1), Instance::new(2, 3, 1)];
    let mut node = node(1, &all);
    let member = FloodTarget { kind: target::PORT, id: all[2].port };
    node.tables.flood.insert(FloodKey { network: 1, slot: 1 }, member);
    let outcome = node.from_port(all[0].ifindex(), Arp::request(&all[0], [10, 0, 0, 99].into()).bytes());
    assert_eq!(delivered(&outcome), []);
    assert_eq!((outcome.verdict.kind, outcome.verdict.a), (VerdictKind::Flood as u32, 0));
    assert_eq!(node.counters.drops[DropReason::TargetNetwork as usize], 1);
}

#[test]
fn a_port_that_is_gone_gets_nothing() {
    let (mut node, a, b) = pair();
    node.tables.ports.remove(&PortKey { port: b.port });
    let frame = udp_v4(&a, &b, 1, 2);
    assert_drop(&mut node, DropReason::TargetGone, |n| n.from_port(a.ifindex(), frame));
}

#[test]
fn a_disabled_port_neither_sends_nor_receives() {
    let (mut node, a, b) = pair();
    let key = PortKey { port: b.port };
    node.tables.ports.get_mut(&key).expect("b").flags |= port_flag::DISABLED;
    let (there, back) = (udp_v4(&a, &b, 1, 2), udp_v4(&b, &a, 2, 1));
    assert_drop(&mut node, DropReason::TargetDisabled, |n| n.from_port(a.ifindex(), there));
    assert_drop(&mut node, DropReason::PortDisabled, |n| n.from_port(b.ifindex(), back));
    let counters = node.tables.port_counters[&key];
    assert_eq!((counters.rx_dropped, counters.rx_packets, counters.tx_dropped), (1, 0, 1));
}

#[test]
fn one_interface_that_is_down_does_not_keep_the_others_from_their_copy() {
    let all = [1, 2, 3].map(|n| Instance::new(1, n, 1));
    let mut node = node(1, &all);
    node.down.insert(all[1].ifindex());
    let frame = Arp::request(&all[0], [10, 0, 0, 99].into()).bytes();
    let outcome = node.from_port(all[0].ifindex(), frame.clone());
    assert_eq!(delivered(&outcome), [(all[2].ifindex(), frame)]);
    assert_eq!(node.counters.drops[DropReason::OutputFailed as usize], 1);
}

#[test]
fn an_unknown_kind_of_entry_leads_nowhere() {
    let (mut node, a, b) = pair();
    node.tables.fdb.insert(FdbKey::new(1, b.mac), FdbEntry { kind: 77, id: b.port });
    let frame = udp_v4(&a, &b, 1, 2);
    assert_drop(&mut node, DropReason::TargetGone, |n| n.from_port(a.ifindex(), frame));
}
