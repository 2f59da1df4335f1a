//! Stage `port_security`: MAC, ARP and IPv4.

use std::net::Ipv4Addr;

use hadron_pipeline::Mac;
use hadron_pipeline::drop::DropReason;
use hadron_pipeline::table::{Allowed, AllowedKey};

use crate::cloud::{Instance, assert_delivered, assert_drop, delivered, node, pair};
use crate::frames::*;

const STRANGER: Mac = Mac([0xfa, 0x16, 0x3e, 9, 9, 9]);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);

/// Asserts that a port with port security may not send the frame, and that one without may.
#[track_caller]
fn assert_guarded(reason: DropReason, frame: impl Fn(&Instance, &Instance) -> Vec<u8>) {
    let (mut secure, a, b) = pair();
    let bytes = frame(&a, &b);
    assert_drop(&mut secure, reason, |n| n.from_port(a.ifindex(), bytes.clone()));
    let mut open = node(1, &[a.clone().open(), b.open()]);
    assert_eq!(open.from_port(a.ifindex(), bytes).verdict.reason(), None);
}

fn packet(a: &Instance, b: &Instance, source: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    ethernet(b.mac, a.mac, 0x0800, &ipv4(source, b.v4, UDP, payload))
}

#[test]
fn a_stranger_mac() {
    let stranger = |a: &Instance| Instance { mac: STRANGER, ..a.clone() };
    assert_guarded(DropReason::SourceMac, |a, b| udp_v4(&stranger(a), b, 1, 2));
    assert_guarded(DropReason::SourceMac, |a, b| udp_v6(&stranger(a), b, 1, 2));
    assert_guarded(DropReason::SourceMac, |a, _| Arp::request(&stranger(a), ELSEWHERE).bytes());
}

#[test]
fn a_stranger_address() {
    assert_guarded(DropReason::SourceAddress, |a, b| packet(a, b, ELSEWHERE, &udp(1, 2, b"")));
    assert_guarded(DropReason::SourceAddress, |a, b| packet(a, b, b.v4, &udp(1, 2, b"")));
}

#[test]
fn an_address_pair_with_a_mac_of_its_own() {
    let (mut node, a, b) = pair();
    let key = AllowedKey::new(a.port, STRANGER, ELSEWHERE.into());
    node.tables.allowed.insert(key, Allowed::default());
    let twin = Instance { mac: STRANGER, v4: ELSEWHERE, ..a.clone() };
    let frame = udp_v4(&twin, &b, 1, 2);
    assert_delivered(&node.from_port(a.ifindex(), frame.clone()), &b, &frame);
    for (mac, v4, reason) in
        [(STRANGER, a.v4, DropReason::SourceMac), (a.mac, ELSEWHERE, DropReason::SourceAddress)]
    {
        let frame = udp_v4(&Instance { mac, v4, ..a.clone() }, &b, 1, 2);
        assert_drop(&mut node, reason, |n| n.from_port(a.ifindex(), frame));
    }
}

#[test]
fn other_protocols() {
    assert_guarded(DropReason::EtherType, |a, b| ethernet(b.mac, a.mac, 0x88b5, &[0; 46]));
}

#[test]
fn an_arp_sender_that_is_not_the_port() {
    assert_guarded(DropReason::ArpSender, |a, b| {
        Arp { sender: (a.mac, b.v4), ..Arp::request(a, ELSEWHERE) }.bytes()
    });
    assert_guarded(DropReason::ArpSender, |a, _| {
        Arp { sender: (STRANGER, a.v4), ..Arp::request(a, ELSEWHERE) }.bytes()
    });
    assert_guarded(DropReason::ArpSender, |a, b| {
        Arp { to: b.mac, operation: 2, sender: (a.mac, ELSEWHERE), ..Arp::request(a, b.v4) }.bytes()
    });
}

#[test]
fn arp_probes_pass_and_replies_from_nobody_do_not() {
    let (mut node, a, b) = pair();
    let probe = Arp { sender: (a.mac, Ipv4Addr::UNSPECIFIED), ..Arp::request(&a, ELSEWHERE) };
    let outcome = node.from_port(a.ifindex(), probe.bytes());
    assert_eq!(delivered(&outcome), [(b.ifindex(), probe.bytes())]);
    assert_guarded(DropReason::ArpSender, |_, _| Arp { operation: 2, ..probe.clone() }.bytes());
}

#[test]
fn arp_replies_and_announcements_of_ones_own_pass() {
    let (mut node, a, b) = pair();
    let reply = Arp { to: b.mac, operation: 2, target: (b.mac, b.v4), ..Arp::request(&a, b.v4) }.bytes();
    assert_delivered(&node.from_port(a.ifindex(), reply.clone()), &b, &reply);
    for operation in [1, 2] {
        let announcement = Arp { operation, ..Arp::request(&a, a.v4) }.bytes();
        assert_eq!(
            delivered(&node.from_port(a.ifindex(), announcement.clone())),
            [(b.ifindex(), announcement)]
        );
    }
}

#[test]
fn a_dhcp_server() {
    assert_guarded(DropReason::DhcpServer, |a, b| udp_v4(a, b, 67, 68));
    assert_guarded(DropReason::DhcpServer, |a, b| udp_v4(a, b, 67, 5000));
    assert_guarded(DropReason::DhcpServer, |a, b| udp_v4(a, b, 5000, 68));
    assert_guarded(DropReason::DhcpServer, |a, b| {
        let fragment = ipv4_fragment(a.v4, b.v4, UDP, 0x2000, &udp(67, 68, b"8 bytes."));
        ethernet(b.mac, a.mac, 0x0800, &fragment)
    });
}

#[test]
fn the_unspecified_address_is_for_dhcp_clients_alone() {
    let none = Ipv4Addr::UNSPECIFIED;
    assert_guarded(DropReason::SourceAddress, |a, b| packet(a, b, none, &udp(68, 67, b"")));
    assert_guarded(DropReason::SourceAddress, |a, _| {
        ethernet(BROADCAST, a.mac, 0x0800, &ipv4(none, Ipv4Addr::BROADCAST, UDP, &udp(68, 69, b"")))
    });
    assert_guarded(DropReason::SourceAddress, |a, _| {
        ethernet(
            BROADCAST,
            a.mac,
            0x0800,
            &ipv4_fragment(none, Ipv4Addr::BROADCAST, UDP, 5, &udp(68, 67, b"")),
        )
    });
    assert_guarded(DropReason::SourceMac, |a, _| dhcp_discover(&Instance { mac: STRANGER, ..a.clone() }));
}

#[test]
fn addresses_of_another_port_are_not_shared() {
    let (a, b) = (Instance::new(1, 1, 1), Instance::new(1, 2, 1));
    let mut node = node(1, &[a.clone(), b.clone()]);
    let frame = udp_v4(&Instance { mac: b.mac, v4: b.v4, ..a.clone() }, &b, 1, 2);
    assert_drop(&mut node, DropReason::SourceMac, |n| n.from_port(a.ifindex(), frame));
}
