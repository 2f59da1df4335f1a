//! Stage `services`: router solicitations and DHCPv6 handed to the host's responders.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::{Node, Output};
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, PuntReason, VerdictKind};

use crate::cloud::{Instance, assert_drop, delivered, pair};
use crate::frames::*;

const ALL_ROUTERS: &str = "ff02::2";
const ALL_SERVERS: &str = "ff02::1:2";

fn flag(node: &mut Node, flags: u32) {
    node.tables.networks.get_mut(&NetworkKey { network: 1 }).expect("network 1").flags = flags;
}

fn assert_punted(node: &mut Node, from: &Instance, frame: &[u8], reason: PuntReason) {
    let outcome = node.from_port(from.ifindex(), frame.to_vec());
    let header = PuntHeader {
        port: from.port,
        length: frame.len() as u32,
        ifindex: from.ifindex(),
        reason: reason as u32,
    };
    assert_eq!(outcome.outputs, [Output::Punt { header, bytes: frame.to_vec() }]);
    let verdict = (outcome.verdict.kind, outcome.verdict.a, outcome.verdict.b);
    assert_eq!(verdict, (VerdictKind::Punt as u32, from.port, reason as u32));
}

fn solicitation(from: &Instance, source: Address, options: &[u8]) -> Vec<u8> {
    let to = v6(ALL_ROUTERS);
    let message = icmpv6(source, to, 133, &[&[0; 4], options].concat());
    ethernet(multicast_mac(to), from.mac, 0x86dd, &message)
}

fn dhcpv6(from: &Instance, to: Address, mac: hadron_pipeline::Mac) -> Vec<u8> {
    let datagram = udp(546, 547, &[1; 40]);
    ethernet(mac, from.mac, 0x86dd, &ipv6(from.mac.link_local(), to, UDP, 1, &datagram))
}

#[test]
fn routers_that_advertise_themselves_are_asked_for_at_the_host() {
    let (mut node, a, b) = pair();
    let with_address = solicitation(&a, a.mac.link_local(), &link_layer(1, a.mac));
    let without = solicitation(&a, Address::UNSPECIFIED, &[]);
    for frame in [with_address.clone(), without] {
        flag(&mut node, network_flag::ADVERTISED);
        assert_punted(&mut node, &a, &frame, PuntReason::RouterSolicitation);
        // Who else may advertise is found by everyone's hearing it.
        flag(&mut node, network_flag::DHCP4 | network_flag::DHCP6);
        assert_eq!(delivered(&node.from_port(a.ifindex(), frame.clone())), [(b.ifindex(), frame)]);
    }
    flag(&mut node, network_flag::ADVERTISED);
    let foreign = solicitation(&a, a.mac.link_local(), &link_layer(1, b.mac));
    assert_drop(&mut node, DropReason::NdLinkLayer, |n| n.from_port(a.ifindex(), foreign));
}

#[test]
fn dhcpv6_servers_are_asked_at_the_host() {
    let (mut node, a, b) = pair();
    let to = v6(ALL_SERVERS);
    let frame = dhcpv6(&a, to, multicast_mac(to));
    flag(&mut node, network_flag::DHCP6);
    assert_punted(&mut node, &a, &frame, PuntReason::Dhcp6);
    assert_eq!(node.tables.port_counters[&PortKey { port: a.port }].punted, 1);
    flag(&mut node, network_flag::ADVERTISED | network_flag::DHCP4);
    assert_eq!(delivered(&node.from_port(a.ifindex(), frame.clone())), [(b.ifindex(), frame)]);
    // One server is an instance's, whatever the network has.
    flag(&mut node, network_flag::DHCP6);
    let single = dhcpv6(&a, b.v6.into(), b.mac);
    assert_eq!(delivered(&node.from_port(a.ifindex(), single.clone())), [(b.ifindex(), single)]);
}

#[test]
fn fragments_and_floods_of_questions_are_not_punted() {
    let (mut node, a, b) = pair();
    flag(&mut node, network_flag::DHCP6 | network_flag::ADVERTISED);
    let to = v6(ALL_SERVERS);
    let fragment = fragment_header(UDP, 1, &udp(546, 547, &[1; 40]));
    let packet = ipv6(a.mac.link_local(), to, FRAGMENT, 1, &fragment);
    let frame = ethernet(multicast_mac(to), a.mac, 0x86dd, &packet);
    assert_eq!(delivered(&node.from_port(a.ifindex(), frame.clone())), [(b.ifindex(), frame)]);
    node.punts_full = true;
    let frame = dhcpv6(&a, to, multicast_mac(to));
    assert_drop(&mut node, DropReason::PuntFull, |n| n.from_port(a.ifindex(), frame));
}
