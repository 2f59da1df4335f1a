//! Addresses that instances share, for protocols whose packets have no ports to be told apart by: one host has a remote end, and there one
//! instance.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Node, Output};
use hadron_pipeline::table::*;
use hadron_pipeline::{PuntReason, VerdictKind};

use crate::cloud::{self, Instance, assert_delivered, assert_drop};
use crate::floating::*;
use crate::frames::*;
use crate::routers::{id, mac};
use crate::routing::assert_refused;
use crate::sharing::*;

const GRE: u8 = 47;
const WITHOUT: [u8; 3] = [GRE, ESP, SCTP];

/// The key of the slot that a protocol has towards the world.
fn slot(protocol: u8) -> NatOwnerKey {
    let block = nat_slot(protocol, WORLD.octets());
    NatOwnerKey { network: EXTERNAL, address: SHARED.octets(), block, pad: [0; 2] }
}

/// Gives a host the slots of all these protocols towards the world; 0 for the one whose tables these are.
fn give(node: &mut Node, host: u32) {
    for protocol in WITHOUT {
        node.tables.nat_owners.insert(slot(protocol), NatOwner { host });
    }
}

/// [`shared`] where nobody has a floating IP and host 1 has the slots.
fn leased() -> (Node, [Instance; 3]) {
    let (mut node, all) = shared();
    node.tables.floating_sources.clear();
    give(&mut node, 0);
    (node, all)
}

/// The ports of a packet that has some.
fn near(protocol: u8) -> u16 {
    if protocol == SCTP { 4000 } else { 0 }
}

fn sent(protocol: u8, from: &Instance) -> Vec<u8> {
    frame(protocol, End::of(from, near(protocol)), world(443).at(router()), 64)
}

fn came(protocol: u8, hop_limit: u8) -> Vec<u8> {
    frame(protocol, world(443), outside(near(protocol)), hop_limit)
}

fn inward(protocol: u8, to: &Instance, hop_limit: u8) -> Vec<u8> {
    frame(protocol, world(443).at(router()), End::of(to, near(protocol)), hop_limit)
}

#[test]
fn who_has_the_slot_leaves_as_it_is_and_is_answered() {
    for protocol in WITHOUT {
        let (mut node, [.., c]) = leased();
        let (out, _) = left(&node.from_port(c.ifindex(), sent(protocol, &c)));
        assert_eq!(out.bytes, frame(protocol, outside(near(protocol)), world(443), 63));
        let outcome = node.from_provider(PROVIDER, came(protocol, 50));
        assert_delivered(&outcome, &c, &inward(protocol, &c, 49));
    }
}

#[test]
fn a_remote_end_is_one_instance_s() {
    for protocol in WITHOUT {
        let (mut node, [_, b, c]) = leased();
        left(&node.from_port(c.ifindex(), sent(protocol, &c)));
        let before = node.tables.nat_sessions.len();
        let told = assert_refused(&mut node, DropReason::NoOutsidePort, &b, sent(protocol, &b));
        assert_eq!(told.outputs.len(), 1, "nothing is to be asked for");
        assert_eq!(node.tables.nat_sessions.len(), before, "nothing is left of it");
        assert_delivered(&node.from_provider(PROVIDER, came(protocol, 50)), &c, &inward(protocol, &c, 49));
        // Until it has been silent for long.
        node.now += 1_000_000_000_000;
        left(&node.from_port(b.ifindex(), sent(protocol, &b)));
        assert_delivered(&node.from_provider(PROVIDER, came(protocol, 50)), &b, &inward(protocol, &b, 49));
    }
    // Those of one host whose own ports differ are told apart by them.
    let (mut node, [_, b, c]) = leased();
    for (instance, port) in [(&b, 4000), (&c, 4001)] {
        assert_eq!(send(&mut node, SCTP, instance, port), port);
    }
}

#[test]
fn a_slot_that_nobody_has_is_asked_for() {
    for protocol in WITHOUT {
        let (mut node, [.., c]) = leased();
        node.tables.nat_owners.remove(&slot(protocol));
        let outcome = node.from_port(c.ifindex(), sent(protocol, &c));
        let [Output::Punt { header, bytes }] = &outcome.outputs[..] else { panic!("{outcome:?}") };
        assert_eq!((header.reason, header.ifindex), (PuntReason::OutsideSlot as u32, id(1, EXTERNAL)));
        // The node takes protocol and remote end from the packet.
        assert_eq!((bytes[23], &bytes[30..34]), (protocol, &WORLD.octets()[..]));
        assert_eq!(node.counters.drops[DropReason::OutsidePortsAwaited as usize], 1);
        assert!(node.tables.nat_sessions.is_empty() && node.tables.nat_returns.is_empty());
    }
}

#[test]
fn another_host_s_remote_end_is_its_own() {
    for protocol in WITHOUT {
        let (mut gateway, [.., c]) = leased();
        in_overlay(&mut gateway, PROVIDER, THERE);
        give(&mut gateway, THERE);
        assert_refused(&mut gateway, DropReason::NoOutsidePort, &c, sent(protocol, &c));
        assert!(gateway.tables.nat_sessions.is_empty());
        // What comes is relayed there as it is.
        let (mut host, d) = there(PROVIDER);
        give(&mut host, 0);
        left(&host.from_port(d.ifindex(), sent(protocol, &d)));
        let relayed = to_host(&gateway.from_provider(PROVIDER, came(protocol, 50)), THERE);
        let wire = mac(1, EXTERNAL);
        assert_eq!(relayed, frame(protocol, world(443).at(wire), outside(near(protocol)).at(wire), 50));
        let outcome = host.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(HERE), relayed);
        assert_delivered(&outcome, &d, &inward(protocol, &d, 49));
        // And so is what somebody on the way says about it.
        let quote = |from: End| datagram(protocol, from, world(443));
        let error_of = |hop_limit| {
            error((UPSTREAM.0, UPSTREAM.1), (OWN, SHARED), hop_limit, &quote(outside(near(protocol))))
        };
        let relayed = to_host(&gateway.from_provider(PROVIDER, error_of(64)), THERE);
        let outcome = host.from_overlay(cloud::vni(EXTERNAL), cloud::vtep(HERE), relayed);
        let own = quote(End::of(&d, near(protocol)));
        assert_delivered(&outcome, &d, &error((router(), UPSTREAM.1), inner(&d), 63, &own));
    }
}

#[test]
fn a_session_ends_with_its_slot() {
    for protocol in WITHOUT {
        let (mut node, [.., c]) = leased();
        in_overlay(&mut node, PROVIDER, THERE);
        let begun = |node: &mut Node| {
            left(&node.from_port(c.ifindex(), sent(protocol, &c)));
            assert_delivered(
                &node.from_provider(PROVIDER, came(protocol, 50)),
                &c,
                &inward(protocol, &c, 49),
            );
        };
        begun(&mut node);
        // Given back, and nobody has it yet: neither way, nor what is said about it.
        node.tables.nat_owners.remove(&slot(protocol));
        assert_drop(&mut node, DropReason::RouterUnserved, |n| n.from_provider(PROVIDER, came(protocol, 50)));
        let quote = datagram(protocol, outside(near(protocol)), world(443));
        let error = error((UPSTREAM.0, UPSTREAM.1), (OWN, SHARED), 64, &quote);
        let told = node.from_provider(PROVIDER, error.clone());
        assert!(told.outputs.is_empty(), "{told:?}");
        let outcome = node.from_port(c.ifindex(), sent(protocol, &c));
        let [Output::Punt { header, .. }] = &outcome.outputs[..] else { panic!("{outcome:?}") };
        assert_eq!(header.reason, PuntReason::OutsideSlot as u32, "it is asked for again");
        assert_eq!(node.counters.drops[DropReason::OutsidePortsAwaited as usize], 1);
        // It is the host's again.
        give(&mut node, 0);
        begun(&mut node);
        // Another one's: what comes is that host's, whatever is left here.
        give(&mut node, THERE);
        let wire = mac(1, EXTERNAL);
        let relayed = to_host(&node.from_provider(PROVIDER, came(protocol, 50)), THERE);
        assert_eq!(relayed, frame(protocol, world(443).at(wire), outside(near(protocol)).at(wire), 50));
        to_host(&node.from_provider(PROVIDER, error), THERE);
        assert_refused(&mut node, DropReason::NoOutsidePort, &c, sent(protocol, &c));
        assert!(node.tables.nat_sessions.is_empty(), "nothing is left of it");
    }
}

#[test]
fn what_nobody_has_begun_is_the_router_s() {
    for protocol in WITHOUT {
        let (mut node, _) = leased();
        assert_drop(&mut node, DropReason::RouterUnserved, |n| n.from_provider(PROVIDER, came(protocol, 50)));
    }
}

#[test]
fn pieces_follow_the_first() {
    let (mut node, [.., c]) = leased();
    let piece = |(from, source), (to, destination), offset, hop_limit| {
        let datagram = ipv4_fragment(source, destination, ESP, offset, &[7; 16]);
        with_hop_limit(ethernet(to, from, 0x0800, &datagram), hop_limit)
    };
    for offset in [0x2000, 2] {
        let sent = piece(inner(&c), (router(), WORLD), offset, 64);
        let (out, _) = left(&node.from_port(c.ifindex(), sent));
        assert_eq!(out.bytes, piece((OWN, SHARED), (UPSTREAM.0, WORLD), offset, 63));
    }
    for offset in [0x2000, 2] {
        let outcome = node.from_provider(PROVIDER, piece((UPSTREAM.0, WORLD), (OWN, SHARED), offset, 64));
        assert_eq!(outcome.verdict.kind, VerdictKind::Deliver as u32, "{outcome:?}");
        assert_delivered(&outcome, &c, &piece((router(), WORLD), inner(&c), offset, 63));
    }
}

#[test]
fn hosts_agree_on_slots_which_are_spread() {
    // Hosts of two releases share routers: these never change.
    let known = [(GRE, [203, 0, 113, 9]), (ESP, [203, 0, 113, 9]), (SCTP, [198, 51, 100, 255])];
    assert_eq!(known.map(|(protocol, remote)| nat_slot(protocol, remote)), [49_753, 49_745, 44_293]);
    let remotes = (0..4096).map(|number: u32| Ipv4Addr::from(0xc633_0000 + number).octets());
    let slots: BTreeSet<_> = remotes.map(|remote| nat_slot(GRE, remote)).collect();
    // Of 4,096 balls into 64,512 boxes 3,969 meet no other on average.
    assert!(slots.len() > 3_900, "{}", slots.len());
    assert!(slots.first() >= Some(&NAT_BLOCKS), "a block of ports");
}
