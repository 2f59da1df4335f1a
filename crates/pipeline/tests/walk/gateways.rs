//! A router with two gateways: what is known by one of them leaves by that, whatever the routes would choose.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use hadron_pipeline::Mac;
use hadron_pipeline::host::{Frame, Node, Outcome};
use hadron_pipeline::table::*;
use proptest::prelude::*;

use crate::cloud::{Instance, assert_delivered, vni, vtep};
use crate::floating::{self, EXTERNAL, OWN, PROVIDER, UPSTREAM, WORLD, error, inner, packet, router, tagged};
use crate::frames::*;
use crate::routers::{self, add_route, id, mac, own_v4, v4};
use crate::sharing::*;

/// The second external network, in this VLAN of the same physical one, and who routes there.
const OTHER: u32 = 8;
const OTHER_UPSTREAM: Mac = Mac([2, 0, 0, 0, 0, 8]);
const OTHER_BLOCK: NatBlock = 300;

fn other_shared() -> Ipv4Addr {
    own_v4(1, OTHER)
}

fn other_floating() -> Ipv4Addr {
    v4(OTHER, 103)
}

/// [`shared`] with a second gateway. The first two instances have floating IPs by the first, the third has none.
fn scene() -> (Node, [Instance; 3]) {
    let (mut node, all) = shared();
    routers::add_interface(&mut node, 1, OTHER);
    let exit = id(1, OTHER);
    let tables = &mut node.tables;
    let of = |network: u32| NetworkKey { network };
    let first = tables.networks[&of(EXTERNAL)];
    tables.networks.insert(of(OTHER), Network { vlan: OTHER, ..first });
    let to_provider = FloodTarget { kind: target::PROVIDER, id: 0 };
    tables.flood.insert(FloodKey { network: OTHER, slot: 0 }, to_provider);
    tables.segments.insert(SegmentKey { ifindex: PROVIDER, vlan: OTHER }, Segment { network: OTHER });
    let row = tables.router_interfaces.get_mut(&RouterInterfaceKey { interface: exit }).expect("a gateway");
    (row.mac, row.mtu) = (OWN, 1500);
    for network in [EXTERNAL, OTHER] {
        let key = RouterInterfaceKey { interface: id(1, network) };
        let row = tables.router_interfaces.get_mut(&key).expect("a gateway");
        row.flags = router_interface_flag::EXTERNAL
            | router_interface_flag::TRANSLATED_ONLY
            | router_interface_flag::ONE_OF_SEVERAL;
    }
    tables.fdb.insert(FdbKey::new(OTHER, OWN), FdbEntry { kind: target::ROUTER, id: OUTSIDE });
    tables.routes.remove(&RouteKey::new(1, other_shared().into(), 128));
    let pool = NatPool::new(other_shared().octets(), &[OTHER_BLOCK]);
    tables.nat_pools.insert(NatPoolKey { interface: exit }, pool);
    let row = FloatingIp {
        interface: exit,
        flags: floating_flag::SHARED | floating_flag::ANSWERED,
        ..FloatingIp::default()
    };
    add_address(&mut node, other_shared(), row);
    let learned = LearnedNeighbour { mac: OTHER_UPSTREAM, pad: [0; 2] };
    let upstream = NeighbourKey { network: OTHER, address: v4(OTHER, 1).into() };
    node.tables.learned_neighbours.insert(upstream, learned);
    leave_by(&mut node, &[EXTERNAL], &[OTHER]);
    (node, all)
}

/// An address of the second network that is here.
fn add_address(node: &mut Node, address: Ipv4Addr, row: FloatingIp) {
    let (network, address) = (OTHER, address.into());
    node.tables.floating_ips.insert(FloatingIpKey { network, address }, row);
    let neighbour = Neighbour { mac: OWN, kind: neighbour_kind::ROUTER };
    node.tables.neighbours.insert(NeighbourKey { network, address }, neighbour);
}

/// The default route by these networks, and by others only for what is known there.
fn leave_by(node: &mut Node, networks: &[u32], others: &[u32]) {
    let paths = |networks: &[u32]| -> Vec<Path> {
        let path = |network: &u32| Path { interface: id(1, *network), gateway: v4(*network, 1).into() };
        networks.iter().map(path).collect()
    };
    let route = Route::forward(&paths(networks)).or_by(&paths(others));
    node.tables.routes.insert(RouteKey::everywhere(1, true), route);
}

/// Gives the instance a floating IP by the second gateway.
fn associate(node: &mut Node, instance: &Instance) {
    let (interface, inside) = (id(1, OTHER), instance.v4.into());
    let flags = floating_flag::ANSWERED;
    add_address(node, other_floating(), FloatingIp { interface, port: instance.port, inside, flags });
    let source = FloatingSource { address: other_floating().into() };
    node.tables.floating_sources.insert(FloatingSourceKey { interface, inside }, source);
}

/// The network by which a frame has left, and the frame.
#[track_caller]
fn way(outcome: &Outcome) -> (u32, Vec<u8>) {
    let (Frame { bytes, vlan, .. }, _) = left(outcome);
    match vlan {
        None => (EXTERNAL, bytes),
        Some(vlan) => (vlan.into(), bytes),
    }
}

/// What somebody far away has sent to an address of the second network.
fn came(protocol: u8, from: Ipv4Addr, to: Ipv4Addr) -> Frame {
    tagged(packet(protocol, (OTHER_UPSTREAM, from), (OWN, to), 64), OTHER)
}

#[test]
fn a_floating_ip_leaves_by_its_own_gateway() {
    for protocol in [TCP, UDP, floating::UDP_LITE, ICMP, floating::ESP] {
        let (mut node, [.., c]) = scene();
        associate(&mut node, &c);
        let outcome = node.from_port(c.ifindex(), packet(protocol, inner(&c), (router(), WORLD), 64));
        let expected = packet(protocol, (OWN, other_floating()), (OTHER_UPSTREAM, WORLD), 63);
        assert_eq!(way(&outcome), (OTHER, expected), "{protocol}");
        let outcome = node.from_provider(PROVIDER, came(protocol, WORLD, other_floating()));
        assert_delivered(&outcome, &c, &packet(protocol, (router(), WORLD), inner(&c), 63));
        assert!(node.tables.nat_sessions.is_empty());
    }
}

#[test]
fn who_is_beside_the_first_gateway_is_answered_by_the_second() {
    let (mut node, [.., c]) = scene();
    associate(&mut node, &c);
    let beside = v4(EXTERNAL, 50);
    let outcome = node.from_provider(PROVIDER, came(UDP, beside, other_floating()));
    assert_delivered(&outcome, &c, &packet(UDP, (router(), beside), inner(&c), 63));
    let outcome = node.from_port(c.ifindex(), packet(UDP, inner(&c), (router(), beside), 64));
    let expected = packet(UDP, (OWN, other_floating()), (OTHER_UPSTREAM, beside), 63);
    assert_eq!(way(&outcome), (OTHER, expected));
}

#[test]
fn what_another_host_sends_to_be_brought_outside_leaves_by_the_gateway_that_it_came_to() {
    let (mut node, _) = scene();
    let tables = &mut node.tables;
    let row = tables.networks.get_mut(&NetworkKey { network: OTHER }).expect("the network");
    row.vni = vni(OTHER);
    row.flags |= network_flag::TRANSIT;
    tables.vnis.insert(VniKey { vni: vni(OTHER) }, Vni { network: OTHER });
    tables.vteps.insert(VtepKey { vni: vni(OTHER), address: vtep(THERE) }, Vtep { host: THERE });
    tables.hosts.insert(HostKey { host: THERE }, Host { vtep: vtep(THERE) });
    let own = mac(1, OTHER);
    tables.fdb.insert(FdbKey::new(OTHER, own), FdbEntry { kind: target::ROUTER, id: id(1, OTHER) });
    let sent = packet(UDP, (own, other_floating()), (own, WORLD), 63);
    let outcome = node.from_overlay(vni(OTHER), vtep(THERE), sent);
    let expected = packet(UDP, (OWN, other_floating()), (OTHER_UPSTREAM, WORLD), 63);
    assert_eq!(way(&outcome), (OTHER, expected));
}

#[test]
fn a_session_keeps_to_the_gateway_by_which_it_began() {
    for protocol in WITH_PORTS {
        let (mut node, [.., c]) = scene();
        leave_by(&mut node, &[OTHER], &[EXTERNAL]);
        let sent = |port| frame(protocol, End::of(&c, port), world(far(protocol)).at(router()), 64);
        let first = way(&node.from_port(c.ifindex(), sent(4000)));
        assert_eq!(first.0, OTHER);
        leave_by(&mut node, &[EXTERNAL], &[OTHER]);
        assert_eq!(way(&node.from_port(c.ifindex(), sent(4000))), first, "{protocol}");
        assert_eq!(way(&node.from_port(c.ifindex(), sent(4001))).0, EXTERNAL, "a new one");
        // The instance tells about an answer.
        let answer = datagram(protocol, world(far(protocol)), End::of(&c, 4000));
        let told = error(inner(&c), (router(), WORLD), 64, &answer);
        assert_eq!(way(&node.from_port(c.ifindex(), told)).0, OTHER, "{protocol}");
    }
}

#[test]
fn fragments_of_a_session_leave_by_its_gateway() {
    let (mut node, [.., c]) = scene();
    leave_by(&mut node, &[OTHER], &[EXTERNAL]);
    let piece = |offset| fragment(End::of(&c, 4000), world(443).at(router()), offset, 64);
    assert_eq!(way(&node.from_port(c.ifindex(), piece(0x2000))).0, OTHER);
    leave_by(&mut node, &[EXTERNAL], &[OTHER]);
    assert_eq!(way(&node.from_port(c.ifindex(), piece(0x2000))).0, OTHER);
    assert_eq!(way(&node.from_port(c.ifindex(), piece(3))).0, OTHER);
}

#[test]
fn a_floating_ip_by_the_other_gateway_is_found_without_leaving() {
    let (mut node, [a, _, c]) = scene();
    associate(&mut node, &c);
    let outcome = node.from_port(a.ifindex(), packet(UDP, inner(&a), (router(), other_floating()), 64));
    let [hadron_pipeline::host::Output::Deliver { ifindex, .. }] = &outcome.outputs[..] else {
        panic!("{outcome:?}")
    };
    assert_eq!(*ifindex, c.ifindex());
}

#[test]
fn what_is_known_by_no_gateway_goes_as_the_routes_say() {
    let (mut node, [a, _, c]) = scene();
    for gateway in [EXTERNAL, OTHER] {
        leave_by(&mut node, &[gateway], &[EXTERNAL + OTHER - gateway]);
        let port = 5000 + gateway as u16;
        let sent = frame(UDP, End::of(&c, port), world(443).at(router()), 64);
        assert_eq!(way(&node.from_port(c.ifindex(), sent)).0, gateway);
    }
    // A route of its own leads beside a gateway, and not to it.
    add_route(&mut node, 1, (Ipv4Addr::new(198, 51, 100, 0).into(), 120), id(1, OTHER), v4(OTHER, 1).into());
    let there = End { address: Ipv4Addr::new(198, 51, 100, 7), ..world(443) };
    let sent = frame(UDP, End::of(&c, 6000), there.at(router()), 64);
    assert_eq!(way(&node.from_port(c.ifindex(), sent)).0, OTHER);
    let sent = packet(UDP, inner(&a), (router(), there.address), 64);
    let (by, frame) = way(&node.from_port(a.ifindex(), sent));
    assert_eq!((by, &frame[..6]), (EXTERNAL, &UPSTREAM.0.0[..]), "its floating IP is there");
}

proptest! {
    // Not the port of DHCP servers, which port security refuses.
    #[test]
    fn flows_share_the_gateways_and_each_keeps_to_one(ports in proptest::collection::vec(1024u16.., 1..20)) {
        let (mut node, [.., c]) = scene();
        leave_by(&mut node, &[EXTERNAL, OTHER], &[]);
        let send = |node: &mut Node, port| {
            let sent = frame(UDP, End::of(&c, port), world(443).at(router()), 64);
            way(&node.from_port(c.ifindex(), sent))
        };
        for port in &ports {
            let first = send(&mut node, *port);
            let outside = u16::from_be_bytes([first.1[34], first.1[35]]);
            let block = if first.0 == OTHER { OTHER_BLOCK } else { BLOCKS[0] };
            prop_assert_eq!(outside / NAT_BLOCK, block);
            // Whatever becomes of the routes.
            leave_by(&mut node, &[EXTERNAL], &[OTHER]);
            prop_assert_eq!(&send(&mut node, *port), &first);
            leave_by(&mut node, &[EXTERNAL, OTHER], &[]);
            prop_assert_eq!(&send(&mut node, *port), &first);
        }
    }
}

#[test]
fn many_flows_use_both_gateways() {
    let (mut node, [.., c]) = scene();
    leave_by(&mut node, &[EXTERNAL, OTHER], &[]);
    let ways: BTreeSet<u32> = (4000..4032)
        .map(|port| {
            let sent = frame(UDP, End::of(&c, port), world(443).at(router()), 64);
            way(&node.from_port(c.ifindex(), sent)).0
        })
        .collect();
    assert_eq!(ways, BTreeSet::from([EXTERNAL, OTHER]));
}
