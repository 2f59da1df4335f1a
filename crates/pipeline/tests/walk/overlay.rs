//! Between hosts: the tunnel, head-end replication, split horizon, MTU.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Frame, Output};
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, Mac, VerdictKind};

use crate::cloud::*;
use crate::frames::*;

/// Network 1 on hosts 1, 2 and 3; host 1 has two instances of it.
fn three_hosts() -> [Instance; 4] {
    [Instance::new(1, 1, 1), Instance::new(1, 2, 1), Instance::new(1, 3, 2), Instance::new(1, 4, 3)]
}

#[test]
fn unicast_goes_to_the_vtep_with_the_vni_and_arrives() {
    let all = three_hosts();
    let frame = udp_v6(&all[0], &all[2], 1, 2);
    let outcome = node(1, &all).from_port(all[0].ifindex(), frame.clone());
    assert_eq!(tunnelled(&outcome), [(vtep(2), vni(1), frame.clone())]);
    assert_eq!((outcome.verdict.kind, outcome.verdict.a), (VerdictKind::Tunnel as u32, 2));
    assert_eq!(outcome.verdict.b, vni(1));
    let Output::Tunnel { tunnel, .. } = outcome.outputs[0] else { panic!("{outcome:?}") };
    assert_eq!(tunnel.local, vtep(1));
    assert_delivered(&node(2, &all).from_overlay(vni(1), vtep(1), frame.clone()), &all[2], &frame);
}

#[test]
fn broadcast_goes_once_to_each_host_that_has_the_network() {
    let all = [&three_hosts()[..], &[Instance::new(1, 5, 2), Instance::new(2, 1, 4)]].concat();
    let frame = Arp::request(&all[0], [10, 0, 0, 99].into()).bytes();
    let outcome = node(1, &all).from_port(all[0].ifindex(), frame.clone());
    assert_eq!(delivered(&outcome), [(all[1].ifindex(), frame.clone())]);
    let hosts: Vec<Address> = tunnelled(&outcome).into_iter().map(|(vtep, ..)| vtep).collect();
    assert_eq!(hosts, [vtep(2), vtep(3)]);
    let sum = [all[1].port, 2 ^ (1 << 31), 3 ^ (1 << 31)].into_iter().fold(0, u32::wrapping_add);
    assert_eq!((outcome.verdict.a, outcome.verdict.b), (3, sum));
}

#[test]
fn broadcast_from_the_overlay_reaches_the_ports_here_and_never_goes_back() {
    let all = three_hosts();
    let frame = Arp::request(&all[2], [10, 0, 0, 99].into()).bytes();
    let outcome = node(1, &all).from_overlay(vni(1), vtep(2), frame.clone());
    assert_eq!(delivered(&outcome), [(all[0].ifindex(), frame.clone()), (all[1].ifindex(), frame)]);
    assert_eq!(tunnelled(&outcome), []);
}

#[test]
fn unicast_from_the_overlay_for_another_host_is_dropped() {
    let all = three_hosts();
    let frame = udp_v4(&all[2], &all[3], 1, 2);
    assert_drop(&mut node(1, &all), DropReason::NotHere, |n| n.from_overlay(vni(1), vtep(2), frame));
}

#[test]
fn only_a_known_vtep_of_the_vni_is_heard() {
    let all = [&three_hosts()[..], &[Instance::new(2, 1, 1), Instance::new(2, 2, 3)]].concat();
    let mut node = node(1, &all);
    let frame = udp_v4(&all[2], &all[0], 1, 2);
    assert_drop(&mut node, DropReason::UnknownVtep, |n| n.from_overlay(vni(1), vtep(9), frame.clone()));
    assert_drop(&mut node, DropReason::UnknownVtep, |n| n.from_overlay(vni(2), vtep(2), frame.clone()));
    assert_drop(&mut node, DropReason::UnknownVni, |n| n.from_overlay(99, vtep(2), frame));
}

#[test]
fn a_packet_as_large_as_the_overlay_carries_passes_and_one_byte_more_does_not() {
    let all = three_hosts();
    let payload = |size: u32| vec![0; size as usize - 28];
    let sized = |size| {
        let datagram = udp(1, 2, &payload(size));
        ethernet(all[2].mac, all[0].mac, 0x0800, &ipv4(all[0].v4, all[2].v4, UDP, &datagram))
    };
    let mut node = node(1, &all);
    assert_eq!(tunnelled(&node.from_port(all[0].ifindex(), sized(OVERLAY_MTU))).len(), 1);
    let frame = sized(OVERLAY_MTU + 1);
    assert_drop(&mut node, DropReason::TooBig, |n| n.from_port(all[0].ifindex(), frame));
}

#[test]
fn a_gso_frame_passes_when_its_segments_fit() {
    let all = three_hosts();
    let segment = ipv4(all[0].v4, all[2].v4, TCP, &tcp(1, 2, &[0; 10_000]));
    let bytes = ethernet(all[2].mac, all[0].mac, 0x0800, &segment);
    let mut node = node(1, &all);
    let gso = |gso_size| Frame { bytes: bytes.clone(), gso_size, ..Frame::default() };
    let outcome = node.from_port(all[0].ifindex(), gso(OVERLAY_MTU - 40));
    assert_eq!(tunnelled(&outcome), [(vtep(2), vni(1), bytes.clone())]);
    assert_drop(&mut node, DropReason::TooBig, |n| n.from_port(all[0].ifindex(), gso(OVERLAY_MTU - 39)));
}

#[test]
fn a_local_packet_may_be_larger_than_the_overlay() {
    let (mut node, a, b) = pair();
    let frame =
        ethernet(b.mac, a.mac, 0x0800, &ipv4(a.v4, b.v4, UDP, &udp(1, 2, &[0; OVERLAY_MTU as usize])));
    assert_delivered(&node.from_port(a.ifindex(), frame.clone()), &b, &frame);
}

#[test]
fn an_oversized_broadcast_still_reaches_the_ports_here() {
    let all = three_hosts();
    let datagram = udp(1, 2, &[0; OVERLAY_MTU as usize]);
    let frame =
        ethernet(BROADCAST, all[0].mac, 0x0800, &ipv4(all[0].v4, [10, 0, 0, 255].into(), UDP, &datagram));
    let mut node = node(1, &all);
    let outcome = node.from_port(all[0].ifindex(), frame.clone());
    assert_eq!(delivered(&outcome), [(all[1].ifindex(), frame)]);
    assert_eq!(tunnelled(&outcome), []);
    assert_eq!(node.counters.drops[DropReason::TooBig as usize], 2);
}

#[test]
fn without_an_overlay_other_hosts_are_out_of_reach() {
    let all = three_hosts();
    let frame = udp_v4(&all[0], &all[2], 1, 2);
    let mut no_device = node(1, &all);
    no_device.tables.config.overlay_ifindex = 0;
    assert_drop(&mut no_device, DropReason::NoOverlay, |n| n.from_port(all[0].ifindex(), frame.clone()));
    let mut no_vni = node(1, &all);
    no_vni.tables.networks.get_mut(&NetworkKey { network: 1 }).expect("network 1").vni = 0;
    assert_drop(&mut no_vni, DropReason::NoOverlay, |n| n.from_port(all[0].ifindex(), frame.clone()));
    let mut no_host = node(1, &all);
    no_host.tables.hosts.clear();
    assert_drop(&mut no_host, DropReason::TargetGone, |n| n.from_port(all[0].ifindex(), frame));
}

#[test]
fn an_ipv6_underlay_works_alike() {
    let all = three_hosts();
    let mut node = node(1, &all);
    let (here, there) = (v6("2001:db8::1"), v6("2001:db8::2"));
    node.tables.config.underlay = here;
    node.tables.hosts.insert(HostKey { host: 2 }, Host { vtep: there });
    node.tables.vteps.insert(VtepKey { vni: vni(1), address: there }, Vtep { host: 2 });
    let (out, back) = (udp_v4(&all[0], &all[2], 1, 2), udp_v4(&all[2], &all[0], 2, 1));
    assert_eq!(tunnelled(&node.from_port(all[0].ifindex(), out.clone())), [(there, vni(1), out)]);
    assert_delivered(&node.from_overlay(vni(1), there, back.clone()), &all[0], &back);
}

#[test]
fn a_flood_list_is_followed_up_to_its_bound() {
    let a = Instance::new(1, 1, 1);
    let mut node = node(1, std::slice::from_ref(&a));
    for slot in 0..MAX_FLOOD + 10 {
        let port = 10_000 + slot;
        let row = Port { network: 1, ifindex: port, ..Port::default() };
        node.tables.ports.insert(PortKey { port }, row);
        node.tables.flood.insert(FloodKey { network: 1, slot }, FloodTarget { kind: target::PORT, id: port });
    }
    node.tables.networks.get_mut(&NetworkKey { network: 1 }).expect("network 1").flood_length =
        MAX_FLOOD + 10;
    let frame =
        ethernet(Mac::BROADCAST, a.mac, 0x0800, &ipv4(a.v4, [10, 0, 0, 255].into(), UDP, &udp(1, 2, b"")));
    assert_eq!(node.from_port(a.ifindex(), frame).verdict.a, MAX_FLOOD);
}
