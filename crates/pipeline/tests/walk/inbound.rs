//! What comes from outside for a router itself, or for what is behind it as it is.

use std::net::{Ipv4Addr, Ipv6Addr};

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Node, Outcome, Output};
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, Mac, VerdictKind};

use crate::cloud::{self, Instance, assert_delivered, assert_drop, tunnelled};
use crate::floating::{EXTERNAL, OWN, PROVIDER, UPSTREAM, WORLD, scene, tagged};
use crate::frames::*;
use crate::routers::{id, instance, mac, own_v4, own_v6};

/// Somebody far away.
const FAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
const VLAN: u32 = 7;

fn router() -> Mac {
    mac(1, EXTERNAL)
}

/// The host stands for router 1, which translates IPv4 or not.
pub fn standing(vlan: u32, is_translating: bool) -> (Node, [Instance; 3]) {
    let (mut node, all) = scene(vlan);
    let interface = id(1, EXTERNAL);
    let tables = &mut node.tables;
    tables.fdb.insert(FdbKey::new(EXTERNAL, router()), FdbEntry { kind: target::ROUTER, id: interface });
    let row = tables.router_interfaces.get_mut(&RouterInterfaceKey { interface }).expect("the gateway");
    row.flags = router_interface_flag::EXTERNAL | router_interface_flag::STANDS;
    row.flags |= if is_translating { router_interface_flag::TRANSLATED_ONLY } else { 0 };
    for (address, flag) in [
        (Address::from(own_v4(1, EXTERNAL)), floating_flag::SHARED),
        (own_v6(1, EXTERNAL).into(), floating_flag::OWN),
        (router().link_local(), floating_flag::OWN),
    ] {
        let flags = flag | floating_flag::ANSWERED;
        let row = FloatingIp { interface, flags, ..FloatingIp::default() };
        tables.floating_ips.insert(FloatingIpKey { network: EXTERNAL, address }, row);
    }
    // What is charged to nobody here.
    tables.meters.insert(PortKey { port: 0 }, Meters::default());
    node.now = 10_000_000_000;
    (node, all)
}

pub fn v6_to(to: Mac, destination: Ipv6Addr, size: usize, hop_limit: u8) -> Vec<u8> {
    let payload = udp(4000, 53, &vec![7; size]);
    ethernet(to, UPSTREAM.0, 0x86dd, &ipv6(FAR.into(), destination.into(), UDP, hop_limit, &payload))
}

pub fn v4_to(destination: Ipv4Addr) -> Vec<u8> {
    ethernet(router(), UPSTREAM.0, 0x0800, &ipv4(WORLD, destination, UDP, &udp(4000, 53, b"payload")))
}

fn from_outside(node: &mut Node, vlan: u32, frame: Vec<u8>) -> Outcome {
    node.from_provider(PROVIDER, tagged(frame, vlan))
}

/// The frame as the router has passed it on.
fn passed(mut frame: Vec<u8>, to: &Instance) -> Vec<u8> {
    frame[..6].copy_from_slice(&to.mac.0);
    frame[6..12].copy_from_slice(&mac(1, 1).0);
    frame[21] -= 1;
    frame
}

#[test]
fn ipv6_goes_through_the_router_to_an_instance_here_and_elsewhere() {
    for vlan in [0, VLAN] {
        let (mut node, [a, ..]) = standing(vlan, true);
        let sent = v6_to(router(), a.v6, 100, 64);
        let outcome = from_outside(&mut node, vlan, sent.clone());
        assert_delivered(&outcome, &a, &passed(sent, &a));
        let there = instance(1, 9, 2);
        cloud::add_instances(&mut node.tables, 1, std::slice::from_ref(&there), |_| true);
        let sent = v6_to(router(), there.v6, 100, 64);
        let outcome = from_outside(&mut node, vlan, sent.clone());
        assert_eq!(tunnelled(&outcome), [(cloud::vtep(2), cloud::vni(1), passed(sent, &there))]);
    }
}

#[test]
fn only_the_host_that_stands_for_the_router_takes_it() {
    let (mut node, [a, ..]) = standing(VLAN, false);
    let interface = RouterInterfaceKey { interface: id(1, EXTERNAL) };
    let row = node.tables.router_interfaces.get_mut(&interface).expect("the gateway");
    row.flags &= !router_interface_flag::STANDS;
    for frame in [v6_to(router(), a.v6, 100, 64), v4_to(a.v4), v4_to(own_v4(1, EXTERNAL))] {
        assert_drop(&mut node, DropReason::NotHere, |n| from_outside(n, VLAN, frame));
    }
}

#[test]
fn ipv4_comes_in_as_it_is_unless_the_router_translates() {
    let (mut node, [a, ..]) = standing(VLAN, false);
    let outcome = from_outside(&mut node, VLAN, v4_to(a.v4));
    assert_eq!((outcome.verdict.kind, outcome.verdict.a), (VerdictKind::Deliver as u32, a.port));
    let (mut node, [a, ..]) = standing(VLAN, true);
    let before = node.counters.drops[DropReason::NoRoute as usize];
    let error = back(&from_outside(&mut node, VLAN, v4_to(a.v4)));
    assert_eq!((error[34], error[35], &error[26..30]), (3, 0, &own_v4(1, EXTERNAL).octets()[..]));
    assert_eq!(node.counters.drops[DropReason::NoRoute as usize], before + 1);
}

/// An instance directly on the external network is as far outside as everybody else there.
#[test]
fn an_instance_on_the_external_network_gets_no_further_by_a_router_s_mac() {
    let (mut node, [a, ..]) = standing(0, true);
    let e = instance(EXTERNAL, 50, 1);
    cloud::add_instances(&mut node.tables, 1, std::slice::from_ref(&e), |_| true);
    let sent = ethernet(router(), e.mac, 0x0800, &ipv4(e.v4, a.v4, UDP, &udp(4000, 53, b"payload")));
    let before = node.counters.drops[DropReason::NoRoute as usize];
    let outcome = node.from_port(e.ifindex(), sent);
    assert_eq!((outcome.verdict.kind, outcome.verdict.a), (VerdictKind::Deliver as u32, e.port));
    assert_eq!(node.counters.drops[DropReason::NoRoute as usize], before + 1);
    let payload = udp(4000, 53, b"payload");
    let sent = ethernet(router(), e.mac, 0x86dd, &ipv6(e.v6.into(), a.v6.into(), UDP, 64, &payload));
    assert_eq!(node.from_port(e.ifindex(), sent).verdict.a, a.port, "IPv6 is routed for everybody");
}

#[test]
fn nobody_gets_through_a_host_s_own_mac() {
    let (mut node, [a, ..]) = standing(VLAN, false);
    let sent = v6_to(OWN, a.v6, 100, 64);
    assert_drop(&mut node, DropReason::NotHere, |n| from_outside(n, VLAN, sent));
}

#[test]
fn a_floating_ip_may_be_reached_by_its_router() {
    let (mut node, [a, ..]) = standing(VLAN, true);
    let floating = Ipv4Addr::new(10, 0, EXTERNAL as u8, 101);
    let outcome = from_outside(&mut node, VLAN, v4_to(floating));
    assert_eq!((outcome.verdict.kind, outcome.verdict.a), (VerdictKind::Deliver as u32, a.port));
}

/// The one frame that goes back out.
fn back(outcome: &Outcome) -> Vec<u8> {
    let [Output::Deliver { ifindex: PROVIDER, frame }] = &outcome.outputs[..] else { panic!("{outcome:?}") };
    assert_eq!(frame.vlan, Some(VLAN as u16));
    frame.bytes.clone()
}

#[test]
fn a_router_s_own_address_is_at_its_own_mac_and_a_floating_ip_at_the_host_s() {
    let (mut node, _) = standing(VLAN, true);
    let floating = Ipv4Addr::new(10, 0, EXTERNAL as u8, 101);
    for (address, expected) in [(own_v4(1, EXTERNAL), router()), (floating, OWN)] {
        let arp = Arp {
            to: BROADCAST,
            from: UPSTREAM.0,
            operation: 1,
            sender: UPSTREAM,
            target: (Mac::default(), address),
        };
        let reply = back(&from_outside(&mut node, VLAN, arp.padded()));
        assert_eq!((&reply[6..12], &reply[22..28]), (&expected.0[..], &expected.0[..]), "{address}");
    }
}

#[test]
fn neighbour_solicitations_for_a_router_s_own_addresses_are_answered_as_a_router_does() {
    let (mut node, _) = standing(VLAN, true);
    for address in [own_v6(1, EXTERNAL).into(), router().link_local()] {
        let asker = Instance { mac: UPSTREAM.0, ..instance(EXTERNAL, 1, 1) };
        let mut question = Nd::solicitation(&asker, address).bytes();
        question.resize(106, 0);
        let answer = back(&from_outside(&mut node, VLAN, question));
        assert_eq!(answer.len(), 86);
        assert_eq!((&answer[..6], &answer[6..12]), (&UPSTREAM.0.0[..], &router().0[..]));
        assert_eq!((answer[54], answer[58], &answer[62..78]), (136, 0xe0, &address.0[..]));
        assert_eq!(answer[78..86], [&[2, 1][..], &router().0].concat());
    }
    // Somebody else's address stays somebody else's.
    let asker = Instance { mac: UPSTREAM.0, ..instance(EXTERNAL, 1, 1) };
    let outcome = from_outside(&mut node, VLAN, Nd::solicitation(&asker, v6("fd00:0:0:9::77")).bytes());
    assert_ne!(outcome.verdict.kind, VerdictKind::Answer as u32);
}

#[test]
fn a_router_answers_pings_from_outside() {
    let (mut node, _) = standing(VLAN, true);
    for address in [Address::from(own_v6(1, EXTERNAL)), router().link_local()] {
        let asker: Address =
            if address == router().link_local() { UPSTREAM.0.link_local() } else { FAR.into() };
        let request = icmpv6(asker, address, 128, &[0, 7, 0, 1]);
        let frame = ethernet(router(), UPSTREAM.0, 0x86dd, &request);
        let reply = back(&from_outside(&mut node, VLAN, frame));
        assert_eq!((reply[54], &reply[..6]), (129, &UPSTREAM.0.0[..]));
        assert_eq!((&reply[22..38], &reply[38..54]), (&address.0[..], &asker.0[..]));
    }
}

#[test]
fn what_is_too_large_for_the_network_behind_is_told_outside_and_not_without_end() {
    let (mut node, [a, ..]) = standing(VLAN, true);
    let large = v6_to(router(), a.v6, 1420, 64);
    let error = back(&from_outside(&mut node, VLAN, large.clone()));
    assert_eq!((error[54], &error[58..62]), (2, &1450_u32.to_be_bytes()[..]));
    assert_eq!((&error[22..38], &error[38..54]), (&own_v6(1, EXTERNAL).octets()[..], &FAR.octets()[..]));
    let told = (0..2000).filter(|_| from_outside(&mut node, VLAN, large.clone()).outputs.len() == 1).count();
    assert!((900..1100).contains(&told), "{told}");
}

#[test]
fn an_answer_leaves_as_it_is_from_the_instance_s_own_host() {
    let (mut node, [a, ..]) = standing(VLAN, true);
    let upstream: Address = UPSTREAM.0.link_local();
    let learned = LearnedNeighbour { mac: UPSTREAM.0, pad: [0; 2] };
    node.tables.learned_neighbours.insert(NeighbourKey { network: EXTERNAL, address: upstream }, learned);
    crate::routers::add_route(&mut node, 1, crate::routers::DEFAULTS[1], id(1, EXTERNAL), upstream);
    let payload = udp(53, 4000, b"answer");
    let sent = ethernet(mac(1, 1), a.mac, 0x86dd, &ipv6(a.v6.into(), FAR.into(), UDP, 64, &payload));
    let left = back(&node.from_port(a.ifindex(), sent.clone()));
    assert_eq!((&left[..6], &left[6..12], left[21]), (&UPSTREAM.0.0[..], &OWN.0[..], 63));
    assert_eq!(left[22..], sent[22..]);
}
