//! Address scopes: what a router passes on between them, as it is or translated.

use std::net::{Ipv4Addr, Ipv6Addr};

use hadron_pipeline::VerdictKind;
use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Node, Output};
use hadron_pipeline::table::*;

use crate::cloud::Instance;
use crate::floating::{EXTERNAL, OWN, PROVIDER, UPSTREAM, WORLD, assert_outside, inner, packet, router};
use crate::forwarding::{forwarded, inside, outer};
use crate::frames::*;
use crate::inbound::{standing, v4_to, v6_to};
use crate::routers::{self, add_route, id, instance, mac};
use crate::routing::{assert_refused, through};
use crate::sharing::{End, frame, left};

const NO: Option<u8> = None;

/// Puts the network of an interface into scopes: of IPv4, of IPv6.
fn put(node: &mut Node, interface: u32, scopes: [Option<u8>; 2]) {
    let key = RouterInterfaceKey { interface };
    let row = node.tables.router_interfaces.get_mut(&key).expect("an interface");
    row.flags &= !router_interface_flag::SCOPED;
    for (family, scope) in [family::IPV4, family::IPV6].map(u32::from).into_iter().zip(scopes) {
        let key = ScopeKey { interface, family };
        node.tables.scopes.remove(&key);
        if let Some(scope) = scope {
            row.flags |= router_interface_flag::SCOPED;
            node.tables.scopes.insert(key, Scope { scope: [scope; 16] });
        }
    }
}

#[test]
fn networks_of_one_scope_reach_each_other_and_no_others_do() {
    for (one, other, passes) in [
        ([NO, NO], [NO, NO], [true, true]),
        ([Some(1), NO], [Some(1), NO], [true, true]),
        ([Some(1), Some(2)], [Some(1), Some(2)], [true, true]),
        ([Some(1), NO], [NO, NO], [false, true]),
        ([NO, NO], [NO, Some(2)], [true, false]),
        ([Some(1), Some(2)], [Some(2), Some(2)], [false, true]),
        ([Some(1), Some(2)], [Some(1), Some(1)], [true, false]),
    ] {
        let (a, b) = (instance(1, 1, 1), instance(2, 2, 1));
        let mut node = routers::node(1, &[a.clone(), b.clone()], &[(1, 1), (1, 2)]);
        put(&mut node, id(1, 1), one);
        put(&mut node, id(1, 2), other);
        for (frame, passes) in through(1, &a, &b).into_iter().zip(passes) {
            if passes {
                assert_eq!(node.from_port(a.ifindex(), frame).verdict.a, b.port, "{one:?} to {other:?}");
                continue;
            }
            let is_v4 = frame[12] == 8;
            let told = assert_refused(&mut node, DropReason::OtherScope, &a, frame);
            let at = if is_v4 { 34 } else { 54 };
            let prohibited = if is_v4 { [3, 13] } else { [1, 1] };
            assert_eq!(told.bytes[at..at + 2], prohibited, "administratively prohibited");
        }
    }
}

/// What an instance without a floating IP sends to the world of IPv4.
fn outgoing(from: &Instance) -> Vec<u8> {
    packet(UDP, inner(from), (router(), WORLD), 64)
}

#[test]
fn within_the_scope_of_the_external_network_nothing_is_translated() {
    let (mut node, [.., c]) = forwarded();
    node.tables.floating_sources.clear();
    put(&mut node, id(1, 1), [Some(1), NO]);
    put(&mut node, id(1, EXTERNAL), [Some(1), NO]);
    let expected = packet(UDP, (OWN, c.v4), (UPSTREAM.0, WORLD), 63);
    assert_outside(&node.from_port(c.ifindex(), outgoing(&c)), 0, &expected);
    // Between scopes it is, as between none.
    for scope in [Some(2), NO] {
        put(&mut node, id(1, 1), [scope, NO]);
        let (out, _) = left(&node.from_port(c.ifindex(), outgoing(&c)));
        assert_ne!(out.bytes[26..30], c.v4.octets());
    }
}

#[test]
fn floating_ips_and_forwarded_ports_lead_into_every_scope() {
    let (mut node, [a, _, c]) = forwarded();
    put(&mut node, id(1, 1), [Some(1), NO]);
    for outside in [Some(1), Some(2), NO] {
        put(&mut node, id(1, EXTERNAL), [outside, NO]);
        let floating = Ipv4Addr::new(10, 0, EXTERNAL as u8, 101);
        let came = packet(UDP, UPSTREAM, (OWN, floating), 64);
        let outcome = node.from_provider(PROVIDER, came);
        assert_eq!((outcome.verdict.kind, outcome.verdict.a), (VerdictKind::Deliver as u32, a.port));
        let back = packet(UDP, inner(&a), (router(), UPSTREAM.1), 64);
        let expected = packet(UDP, (OWN, floating), UPSTREAM, 63);
        assert_outside(&node.from_port(a.ifindex(), back), 0, &expected);

        let world = End { mac: UPSTREAM.0, address: WORLD, port: 7000 };
        let door = outer(TCP);
        let came = frame(TCP, world, door, 50);
        assert_eq!(node.from_provider(PROVIDER, came).verdict.a, c.port);
        let back = frame(TCP, inside(&c, TCP), world.at(router()), 64);
        let (out, _) = left(&node.from_port(c.ifindex(), back));
        assert_eq!(out.bytes, frame(TCP, door, world, 63));
    }
}

#[test]
fn the_world_comes_in_as_it_is_within_one_scope_alone() {
    for (inside, outside, passes) in
        [(Some(1), Some(1), true), (Some(1), Some(2), false), (Some(1), NO, false), (NO, Some(2), false)]
    {
        for is_translating in [true, false] {
            let (mut node, [a, ..]) = standing(0, is_translating);
            node.tables.floating_sources.clear();
            put(&mut node, id(1, 1), [inside; 2]);
            put(&mut node, id(1, EXTERNAL), [outside; 2]);
            for came in [v4_to(a.v4), v6_to(mac(1, EXTERNAL), a.v6, 100, 64)] {
                let outcome = node.from_provider(PROVIDER, came);
                let is_in =
                    (outcome.verdict.kind, outcome.verdict.a) == (VerdictKind::Deliver as u32, a.port);
                assert_eq!(is_in, passes, "{inside:?} {outside:?}: {outcome:?}");
            }
        }
    }
}

#[test]
fn what_cannot_be_translated_does_not_leave_its_scope() {
    let (mut node, [a, ..]) = standing(0, false);
    node.tables.floating_sources.clear();
    add_route(&mut node, 1, routers::DEFAULTS[1], id(1, EXTERNAL), routers::v6(EXTERNAL, 1).into());
    put(&mut node, id(1, 1), [Some(1), Some(1)]);
    assert_refused(&mut node, DropReason::OtherScope, &a, outgoing(&a));
    let datagram = ipv6(
        a.v6.into(),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9).into(),
        UDP,
        64,
        &udp(4000, 53, b"payload"),
    );
    let sent = ethernet(router(), a.mac, 0x86dd, &datagram);
    assert_refused(&mut node, DropReason::OtherScope, &a, sent);
    put(&mut node, id(1, EXTERNAL), [Some(1), NO]);
    let outcome = node.from_port(a.ifindex(), outgoing(&a));
    assert!(matches!(outcome.outputs[..], [Output::Deliver { ifindex: PROVIDER, .. }]), "{outcome:?}");
}
