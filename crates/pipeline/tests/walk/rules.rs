//! What rules look at: family, protocol, port, prefix, sets; and what passes without any.

use std::net::Ipv4Addr;

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, Mac};

use crate::cloud::{Instance, node, vni, vtep};
use crate::frames::*;
use crate::policies::*;

fn v4(last: u8) -> Address {
    Ipv4Addr::new(10, 0, 0, last).into()
}

/// Whether a datagram to a port gets in; each from a port of its own, since an allowed one is kept.
fn gets_in(scene: &mut Scene, port: u16) -> bool {
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let source = 1000 + scene.connections().len() as u16;
    scene.comes(&udp_v4(&a, &b, source, port)).is_none()
}

#[test]
fn any_protocol_any_port_and_a_range() {
    let mut scene = Scene::with(&[Allow { protocol: None, ..Allow::all(1, IN, 4, 0) }]);
    assert!(gets_in(&mut scene, 1) && gets_in(&mut scene, 65_535));
    let mut scene = Scene::with(&[Allow::all(1, IN, 4, UDP)]);
    assert!(gets_in(&mut scene, 0));
    let mut scene = Scene::with(&[Allow::all(1, IN, 4, TCP)]);
    assert!(!gets_in(&mut scene, 1));
    let range = Allow { port: Some((0x1200, 8)), ..Allow::all(1, IN, 4, UDP) };
    let mut scene = Scene::with(&[range]);
    let inside: Vec<_> =
        [0x11ff, 0x1200, 0x12ff, 0x1300].iter().map(|port| gets_in(&mut scene, *port)).collect();
    assert_eq!(inside, [false, true, true, false]);
}

#[test]
fn a_rule_for_one_family_or_direction_says_nothing_of_the_other() {
    for rule in [Allow { family: 6, ..Allow::all(1, IN, 6, UDP) }, Allow::all(1, OUT, 4, UDP)] {
        let mut scene = Scene::with(&[rule]);
        assert!(!gets_in(&mut scene, 53));
    }
    let everything_v6 = Allow { protocol: None, ..Allow::all(1, IN, 6, 0) };
    let mut scene = Scene::with(&[everything_v6]);
    assert!(!gets_in(&mut scene, 53), "::/0 holds no IPv4 address");
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    assert_eq!(scene.comes(&udp_v6(&a, &b, 1, 2)), None);
}

#[test]
fn a_prefix_holds_its_addresses_and_no_other() {
    for (prefix, is_in) in [((v4(0), 120), true), ((v4(1), 128), true), ((v4(2), 127), false)] {
        let mut scene = Scene::with(&[Allow::udp(1, IN, 53).from(Remote::Prefix(prefix.0, prefix.1))]);
        assert_eq!(gets_in(&mut scene, 53), is_in, "{prefix:?}");
    }
}

#[test]
fn sets_hold_addresses_and_prefixes() {
    let rules = [3, 4, 5].map(|set| Allow::udp(set, IN, 50 + set as u16).from(Remote::Set(set)));
    let mut scene = Scene::with(&rules);
    scene.tables().members.insert(MemberKey { set: 3, address: v4(1) }, Member::default());
    scene.tables().members.insert(MemberKey { set: 4, address: v4(9) }, Member::default());
    scene.tables().member_prefixes.insert(MemberPrefixKey::new(5, v4(0), 120), Member::default());
    let inside: Vec<_> = [53, 54, 55].iter().map(|port| gets_in(&mut scene, *port)).collect();
    assert_eq!(inside, [true, false, true]);
    assert!(!gets_in(&mut scene, 56));
}

#[test]
fn as_many_sets_are_asked_as_a_policy_may_have() {
    let rules: Vec<_> = (1..=33).map(|set| Allow::udp(set, IN, set as u16).from(Remote::Set(set))).collect();
    let mut scene = Scene::with(&rules);
    for set in [32, 33] {
        scene.tables().members.insert(MemberKey { set, address: v4(1) }, Member::default());
    }
    assert!(gets_in(&mut scene, 32));
    assert!(!gets_in(&mut scene, 33), "the loader refuses such a policy");
}

#[test]
fn dhcp_and_discovery_need_no_rule() {
    let mut scene = Scene::new();
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    assert_eq!(scene.goes(&dhcp_discover(&b)), None);
    for arp in [Arp::request(&b, b.v4), Arp { to: a.mac, operation: 2, ..Arp::request(&b, a.v4) }] {
        assert_eq!(scene.goes(&arp.bytes()), None);
    }
    assert_eq!(scene.goes(&Nd::advertisement(&b, b.v6.into()).bytes()), None);
    assert_eq!(scene.goes(&Nd::solicitation(&b, v6("fd00::77")).bytes()), None);
    assert_eq!(scene.comes(&Arp { to: b.mac, operation: 2, ..Arp::request(&a, b.v4) }.bytes()), None);
    let advertisement = Nd { to: b.mac, destination: b.v6.into(), ..Nd::advertisement(&a, a.v6.into()) };
    assert_eq!(scene.comes(&advertisement.bytes()), None);
    let report = icmpv6(b.link_local(), v6("ff02::16"), 143, &[0; 4]);
    assert_eq!(scene.goes(&ethernet(Mac([0x33, 0x33, 0, 0, 0, 0x16]), b.mac, 0x86dd, &report)), None);
    assert_eq!(scene.connections(), [], "and begins no connection");
}

/// A message to the guarded port from somewhere behind the overlay, where no port security was asked.
fn from_overlay(protocol: u8, source: Address, payload: &[u8]) -> Option<DropReason> {
    let guarded = Instance { policy: GUARD, ..Instance::new(1, 2, 1) };
    let router = Instance::new(1, 9, 2);
    let mut node = node(1, &[guarded.clone(), router.clone()]);
    let packet = ipv6(source, guarded.v6.into(), protocol, 255, payload);
    let frame = ethernet(guarded.mac, router.mac, 0x86dd, &packet);
    node.from_overlay(vni(1), vtep(2), frame).verdict.reason()
}

#[test]
fn routers_and_servers_reach_instances_without_a_rule() {
    let router = v6("fe80::1");
    let message = |kind: u8| [&[kind, 0, 0, 0][..], &[0; 24]].concat();
    for kind in [130, 134] {
        assert_eq!(from_overlay(ICMPV6, router, &message(kind)), None, "{kind}");
    }
    assert_eq!(from_overlay(ICMPV6, router, &message(137)), DENIED_IN, "no redirects");
    assert_eq!(from_overlay(ICMPV6, router, &message(128)), DENIED_IN);
    assert_eq!(from_overlay(UDP, router, &udp(547, 546, b"lease")), None);
    assert_eq!(from_overlay(UDP, router, &udp(546, 547, b"lease")), DENIED_IN);
    assert_eq!(from_overlay(UDP, router, &udp(547, 22, b"lease")), DENIED_IN);
}

#[test]
fn multicast_and_broadcast_are_judged_copy_by_copy() {
    let mut scene = Scene::new();
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let packet = ipv4(a.v4, Ipv4Addr::new(224, 0, 0, 251), UDP, &udp(5353, 5353, b"who"));
    let frame = ethernet(Mac([1, 0, 0x5e, 0, 0, 251]), a.mac, 0x0800, &packet);
    let copies = |scene: &mut Scene| scene.node.from_port(a.ifindex(), frame.clone()).outputs.len();
    assert_eq!(copies(&mut scene), 0);
    assert_eq!(scene.node.counters.drops[DropReason::IngressDenied as usize], 1);
    scene.allow(Allow::udp(1, IN, 5353));
    assert_eq!(copies(&mut scene), 1);
    assert_eq!(scene.connections(), [], "an answer comes from somebody else");
    let packet = ipv4(b.v4, Ipv4Addr::new(224, 0, 0, 251), UDP, &udp(5353, 5353, b"who"));
    let out = ethernet(Mac([1, 0, 0x5e, 0, 0, 251]), b.mac, 0x0800, &packet);
    assert_eq!(scene.goes(&out), DENIED_OUT);
}

#[test]
fn prefixes_of_allowed_pairs_are_sources_too() {
    let mut scene = Scene::with(&[Allow::all(1, OUT, 4, UDP)]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let pair = Instance { v4: [172, 16, 5, 5].into(), mac: Mac([2, 2, 2, 2, 2, 2]), ..b.clone() };
    let frame = udp_v4(&pair, &a, 1, 2);
    assert_eq!(scene.goes(&frame), Some(DropReason::SourceMac));
    let key = AllowedPrefixKey::new(b.port, pair.mac, Ipv4Addr::new(172, 16, 0, 0).into(), 96 + 12);
    scene.tables().allowed_prefixes.insert(key, Allowed::default());
    assert_eq!(scene.goes(&frame), Some(DropReason::SourceMac), "the port's flag says whether to ask");
    let port = PortKey { port: b.port };
    scene.tables().ports.get_mut(&port).expect("guarded").flags |= port_flag::ALLOWED_PREFIXES;
    assert_eq!(scene.goes(&frame), None);
    let outside = Instance { v4: [172, 32, 0, 1].into(), ..pair.clone() };
    assert_eq!(scene.goes(&udp_v4(&outside, &a, 1, 2)), Some(DropReason::SourceMac));
    let own_mac = Instance { mac: b.mac, ..pair };
    assert_eq!(scene.goes(&udp_v4(&own_mac, &a, 1, 2)), Some(DropReason::SourceAddress));
}
