//! Stage `port_security`: IPv6 and neighbour discovery.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::{Address, Mac};

use crate::cloud::{Instance, assert_delivered, assert_drop, delivered, node, pair};
use crate::frames::*;

const STRANGER: Mac = Mac([0xfa, 0x16, 0x3e, 9, 9, 9]);

fn elsewhere() -> Address {
    v6("fd00::66")
}

#[track_caller]
fn assert_refused(reason: DropReason, frame: impl Fn(&Instance, &Instance) -> Vec<u8>) {
    let (mut secure, a, b) = pair();
    let bytes = frame(&a, &b);
    assert_drop(&mut secure, reason, |n| n.from_port(a.ifindex(), bytes.clone()));
    let mut open = node(1, &[a.clone().open(), b]);
    assert_eq!(open.from_port(a.ifindex(), bytes).verdict.reason(), None);
}

#[track_caller]
fn assert_flooded(frame: impl Fn(&Instance) -> Vec<u8>) {
    let (mut node, a, b) = pair();
    let bytes = frame(&a);
    assert_eq!(delivered(&node.from_port(a.ifindex(), bytes.clone())), [(b.ifindex(), bytes)]);
}

fn packet(a: &Instance, b: &Instance, source: Address, payload: &[u8]) -> Vec<u8> {
    ethernet(b.mac, a.mac, 0x86dd, &ipv6(source, b.v6.into(), UDP, 64, payload))
}

#[test]
fn a_stranger_address() {
    assert_refused(DropReason::SourceAddress, |a, b| packet(a, b, elsewhere(), &udp(1, 2, b"")));
    assert_refused(DropReason::SourceAddress, |a, b| packet(a, b, b.link_local(), &udp(1, 2, b"")));
    assert_refused(DropReason::SourceAddress, |a, b| packet(a, b, Address::UNSPECIFIED, &udp(1, 2, b"")));
}

#[test]
fn the_link_local_address_of_the_port_needs_no_row() {
    let (mut node, a, b) = pair();
    let frame = packet(&a, &b, a.link_local(), &udp(1, 2, b""));
    assert_eq!(a.link_local(), v6("fe80::f816:3eff:fe00:1"));
    assert_delivered(&node.from_port(a.ifindex(), frame.clone()), &b, &frame);
}

#[test]
fn a_dhcpv6_server() {
    assert_refused(DropReason::DhcpServer, |a, b| udp_v6(a, b, 547, 546));
    assert_refused(DropReason::DhcpServer, |a, b| udp_v6(a, b, 547, 5000));
    assert_refused(DropReason::DhcpServer, |a, b| udp_v6(a, b, 5000, 546));
}

#[test]
fn a_router() {
    let advertisement = |a: &Instance, source: Address| {
        let group = Address::ALL_NODES;
        ethernet(
            multicast_mac(group),
            a.mac,
            0x86dd,
            &icmpv6(source, group, 134, &[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]),
        )
    };
    assert_refused(DropReason::RouterAdvertisement, |a, _| advertisement(a, a.link_local()));
    assert_refused(DropReason::SourceAddress, |a, _| advertisement(a, Address::UNSPECIFIED));
}

#[test]
fn a_router_behind_extension_headers_and_fragments() {
    assert_refused(DropReason::RouterAdvertisement, |a, b| {
        let message = [134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let hidden = [&[FRAGMENT, 0, 0, 0, 0, 0, 0, 0][..], &fragment_header(ICMPV6, 1, &message)].concat();
        ethernet(b.mac, a.mac, 0x86dd, &ipv6(a.link_local(), b.v6.into(), 60, 255, &hidden))
    });
}

#[test]
fn solicitations_that_break_the_rules() {
    let target = elsewhere();
    let solicitation = |a: &Instance| Nd::solicitation(a, target);
    assert_refused(DropReason::NdInvalid, |a, _| {
        let mut bytes = solicitation(a).bytes();
        bytes[21] = 254;
        bytes
    });
    assert_refused(DropReason::NdInvalid, |a, _| {
        let mut bytes = solicitation(a).bytes();
        bytes[55] = 1;
        bytes
    });
    assert_refused(DropReason::NdInvalid, |a, _| {
        Nd { target: Address::ALL_NODES, ..solicitation(a) }.bytes()
    });
    assert_refused(DropReason::NdInvalid, |a, _| {
        Nd { source: Address::UNSPECIFIED, ..solicitation(a) }.bytes()
    });
    assert_refused(DropReason::NdInvalid, |a, _| {
        Nd { to: BROADCAST, destination: Address::ALL_NODES, ..Nd::dad(a, target) }.bytes()
    });
    assert_refused(DropReason::NdInvalid, |a, b| {
        let message = [&[NS, 0, 0, 0, 0, 0, 0, 0], &target.0[..]].concat();
        let fragment = fragment_header(ICMPV6, 1, &message);
        ethernet(b.mac, a.mac, 0x86dd, &ipv6(a.v6.into(), b.v6.into(), FRAGMENT, 255, &fragment))
    });
}

#[test]
fn link_layer_options_of_others() {
    let target = elsewhere();
    assert_refused(DropReason::NdLinkLayer, |a, _| {
        Nd { options: link_layer(1, STRANGER), ..Nd::solicitation(a, target) }.bytes()
    });
    assert_refused(DropReason::NdLinkLayer, |a, _| {
        Nd { options: link_layer(2, STRANGER), ..Nd::advertisement(a, a.v6.into()) }.bytes()
    });
    assert_refused(DropReason::NdLinkLayer, |a, _| {
        let routers = v6("ff02::2");
        let body = [&[0; 4], &link_layer(1, STRANGER)[..]].concat();
        ethernet(multicast_mac(routers), a.mac, 0x86dd, &icmpv6(a.link_local(), routers, 133, &body))
    });
}

#[test]
fn advertised_addresses_of_others() {
    assert_refused(DropReason::NdTarget, |a, b| Nd::advertisement(a, b.v6.into()).bytes());
    assert_refused(DropReason::NdTarget, |a, _| Nd::advertisement(a, elsewhere()).bytes());
    assert_flooded(|a| Nd::advertisement(a, a.v6.into()).bytes());
    assert_flooded(|a| Nd { source: a.link_local(), ..Nd::advertisement(a, a.link_local()) }.bytes());
}

#[test]
fn what_a_starting_host_sends_from_the_unspecified_address() {
    assert_flooded(|a| Nd::dad(a, a.v6.into()).bytes());
    assert_flooded(|a| Nd::dad(a, a.link_local()).bytes());
    let message = |a: &Instance, group: Address, kind, body: &[u8]| {
        ethernet(multicast_mac(group), a.mac, 0x86dd, &icmpv6(Address::UNSPECIFIED, group, kind, body))
    };
    assert_flooded(|a| message(a, v6("ff02::2"), 133, &[0; 4]));
    assert_flooded(|a| message(a, v6("ff02::16"), 143, &[0; 24]));
    assert_flooded(|a| message(a, v6("ff02::1:ff00:1"), 131, &[0; 20]));
    let stranger = |a: &Instance| Instance { mac: STRANGER, ..a.clone() };
    assert_refused(DropReason::SourceMac, |a, _| Nd::dad(&stranger(a), a.v6.into()).bytes());
}

#[test]
fn mld_reports_behind_a_router_alert() {
    assert_flooded(|a| {
        let group = v6("ff02::16");
        let mut report = [0; 28];
        report[0] = 143;
        let payload = [&[ICMPV6, 0, 5, 2, 0, 0, 1, 0], &report[..]].concat();
        ethernet(multicast_mac(group), a.mac, 0x86dd, &ipv6(a.link_local(), group, 0, 1, &payload))
    });
}
