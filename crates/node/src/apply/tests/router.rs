//! Rows of routers.

use super::*;
use hadron_pipeline::table::{
    FdbEntry, FdbKey, FloatingIp, FloatingIpKey, FloatingSource, FloatingSourceKey, Forwarding, NatOwner,
    NatOwnerKey, NatPool, NatPoolKey, Neighbour, NeighbourKey, OUTSIDE, Path, Route, RouteKey,
    RouterInterface, RouterInterfaceKey, ScopeKey, floating_flag, neighbour_kind, router_interface_flag,
};
use hadron_wire::row::{
    FloatingIpRow, FloatingRelayRow, ForwardingRow, Gateway, InterfaceAddress, PortLeaseRow, PresenceRow,
    RoutePath, RouteRow, RouterInterfaceRow,
};

pub(super) const ROUTER: u32 = 3;

pub(super) fn interface(port: u32, network: u32, addresses: &[(Ipv6Addr, u8)]) -> RouterInterfaceRow {
    let addresses =
        addresses.iter().map(|(address, length)| InterfaceAddress { address: *address, length: *length });
    RouterInterfaceRow {
        router: ROUTER,
        port,
        network,
        mac: mac(port as u8),
        addresses: addresses.collect(),
        gateway: None,
        scopes: [None; 2],
    }
}

fn v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last)
}

pub(super) fn default_route(paths: Vec<RoutePath>) -> RouteRow {
    RouteRow {
        router: ROUTER,
        destination: Prefix::of(Ipv4Addr::UNSPECIFIED.into(), 0),
        paths,
        others: vec![],
        is_watched: false,
    }
}

pub(super) fn row() -> impl Strategy<Value = Row> {
    let addresses = proptest::collection::vec((1..4u8).prop_map(|last| (v4(last), 120)), 0..3);
    let gateway = proptest::option::of(
        (any::<[bool; 2]>(), proptest::collection::vec(1..4u32, 0..3))
            .prop_map(|([snat, is_one_of_several], hosts)| Gateway { snat, hosts, is_one_of_several }),
    );
    let path = (1..5u32, 1..4u8).prop_map(|(port, last)| RoutePath { port, gateway: v4(last) });
    prop_oneof![
        (1..3u32, 1..5u32, 1..3u32, addresses, gateway).prop_map(
            |(router, port, network, addresses, gateway)| {
                let row = interface(port, network, &addresses);
                Row::RouterInterface(RouterInterfaceRow { router, gateway, ..row })
            }
        ),
        (1..4u32, 1..3u32, 1..4u8, 1..5u32, 1..4u8).prop_map(
            |(number, network, address, interface, inside)| {
                let [address, inside] = [address, inside].map(v4);
                let port = inside.octets()[15].into();
                Row::FloatingIp(FloatingIpRow {
                    number,
                    network,
                    address,
                    router: 1,
                    interface,
                    port,
                    inside,
                })
            }
        ),
        (1..4u32, 1..3u32, 1..4u8, 1..5u32, 1..4u32).prop_map(
            |(floating_ip, network, address, interface, host)| {
                let address = v4(address);
                Row::FloatingRelay(FloatingRelayRow {
                    router: 1,
                    floating_ip,
                    network,
                    address,
                    interface,
                    host,
                })
            }
        ),
        (1..4u32, 1..3u32, 1..5u32, 0..4u32, 0..4u16, any::<bool>()).prop_map(
            |(floating_ip, network, interface, host, first, single)| {
                let Row::Forwarding(row) = forwarded(host, [first, 4], single) else { unreachable!() };
                Row::Forwarding(ForwardingRow { router: 1, floating_ip, network, interface, ..row })
            }
        ),
        (
            1..3u32,
            94..98u8,
            proptest::collection::vec(path.clone(), 1..3),
            proptest::collection::vec(path, 0..3),
            any::<bool>()
        )
            .prop_map(|(router, length, paths, others, is_watched)| {
                let destination = Prefix::of(Ipv6Addr::UNSPECIFIED.into(), length);
                Row::Route(RouteRow { router, destination, paths, others, is_watched })
            }),
    ]
}

#[test]
fn an_interface_is_a_mac_its_addresses_and_the_routes_to_them() {
    let row = interface(9, 5, &[(v4(1), 120), (v6(1), 64)]);
    let entries = calculated([network(5, Some(500)), Row::RouterInterface(row)], &[]);
    let own = Mac(mac(9));
    let value = RouterInterface {
        router: ROUTER,
        network: 5,
        mac: own,
        mtu: 1450,
        address_v4: [10, 0, 0, 1],
        address_v6: v6(1).into(),
        own_mac: own,
        ..RouterInterface::default()
    };
    let key = Key::RouterInterface(RouterInterfaceKey { interface: 9 });
    assert_eq!(entries.get(&key), Some(&Value::RouterInterface(value)));
    let fdb = FdbEntry { kind: target::ROUTER, id: 9 };
    assert_eq!(entries.get(&Key::Fdb(FdbKey::new(5, own))), Some(&Value::Fdb(fdb)));
    for address in [v4(1).into(), v6(1).into(), own.link_local()] {
        let neighbour = Neighbour { mac: own, kind: neighbour_kind::ROUTER };
        let key = Key::Neighbour(NeighbourKey { network: 5, address });
        assert_eq!(entries.get(&key), Some(&Value::Neighbour(neighbour)));
    }
    let connected = Route::forward(&[Path { interface: 9, gateway: Address::UNSPECIFIED }]);
    for (address, length, route) in [
        (v4(1), 128, Route::local()),
        (v6(1), 128, Route::local()),
        (v4(0), 120, connected),
        (v6(0), 64, connected),
    ] {
        let key = Key::Route(RouteKey::new(ROUTER, address.into(), length));
        assert_eq!(entries.get(&key), Some(&Value::Route(route)), "{address}/{length}");
    }
}

#[test]
fn an_interface_waits_for_its_network_and_follows_its_mtu() {
    let mut calculation = Calculation::new(host());
    let mut entries = Entries::new();
    let key = Key::RouterInterface(RouterInterfaceKey { interface: 9 });
    calculation.apply(set([Row::RouterInterface(interface(9, 5, &[(v4(1), 120)]))]));
    fold(&mut entries, &mut calculation);
    assert_eq!(entries.get(&key), None);
    for mtu in [1450, 1300] {
        let Row::Network(row) = network(5, Some(500)) else { unreachable!() };
        calculation.apply(set([Row::Network(NetworkRow { mtu, ..row })]));
        fold(&mut entries, &mut calculation);
        let Some(Value::RouterInterface(row)) = entries.get(&key) else { panic!("no interface") };
        assert_eq!(row.mtu, mtu);
    }
    calculation.apply(remove([RowKey::Network(5)]));
    fold(&mut entries, &mut calculation);
    assert_eq!(entries.get(&key), None);
}

#[test]
fn an_interface_without_addresses_speaks_from_its_link_local_one() {
    let entries = calculated([network(5, None), Row::RouterInterface(interface(9, 5, &[]))], &[]);
    let key = Key::RouterInterface(RouterInterfaceKey { interface: 9 });
    let Some(Value::RouterInterface(row)) = entries.get(&key) else { panic!("no interface") };
    assert_eq!((row.address_v4, row.address_v6), ([0; 4], Mac(mac(9)).link_local()));
}

#[test]
fn a_route_has_all_its_paths() {
    let paths = [1, 2].map(|last| RoutePath { port: 9, gateway: v4(last) });
    let entries = calculated([Row::Route(default_route(paths.to_vec()))], &[]);
    let expected = [1, 2].map(|last| Path { interface: 9, gateway: v4(last).into() });
    let key = Key::Route(RouteKey::new(ROUTER, Address::UNSPECIFIED_V4, 96));
    assert_eq!(entries.get(&key), Some(&Value::Route(Route::forward(&expected))));
    let row = RouteRow { others: vec![paths[1]], ..default_route(vec![paths[0]]) };
    let entries = calculated([Row::Route(row)], &[]);
    let route = Route { count: 1, ..Route::forward(&expected) };
    assert_eq!(entries.get(&key), Some(&Value::Route(route)), "by the second goes only what is known there");
}

#[test]
fn a_gateway_is_at_the_mac_of_the_host_s_own_interface() {
    let row = |snat| {
        let row = interface(9, 5, &[(v4(2), 120)]);
        [
            physical(5, Some(7)),
            Row::RouterInterface(RouterInterfaceRow {
                gateway: Some(Gateway { snat, ..Gateway::default() }),
                ..row
            }),
        ]
    };
    let entries = calculated_on(mapped(), row(true), &[]);
    let key = Key::RouterInterface(RouterInterfaceKey { interface: 9 });
    let Some(Value::RouterInterface(value)) = entries.get(&key) else { panic!("no interface") };
    assert_eq!((value.mac, value.address_v4), (PROVIDER.mac, [10, 0, 0, 2]));
    assert_eq!(value.flags, router_interface_flag::EXTERNAL | router_interface_flag::TRANSLATED_ONLY);
    let outside = FdbEntry { kind: target::ROUTER, id: OUTSIDE };
    assert_eq!(entries.get(&Key::Fdb(FdbKey::new(5, PROVIDER.mac))), Some(&Value::Fdb(outside)));
    let overlay = FdbEntry { kind: target::ROUTER, id: 9 };
    assert_eq!(entries.get(&Key::Fdb(FdbKey::new(5, Mac(mac(9))))), Some(&Value::Fdb(overlay)));
    assert_eq!((value.own_mac, value.relay), (Mac(mac(9)), 0));
    // What is for the shared address comes in again by the host's own MAC; another host answers the network's questions.
    let key_of_shared = Key::FloatingIp(FloatingIpKey { network: 5, address: v4(2).into() });
    let shared = FloatingIp { interface: 9, flags: floating_flag::SHARED, ..FloatingIp::default() };
    assert_eq!(entries.get(&key_of_shared), Some(&Value::FloatingIp(shared)));
    let own = Key::Neighbour(NeighbourKey { network: 5, address: v4(2).into() });
    let neighbour = Neighbour { mac: PROVIDER.mac, kind: neighbour_kind::ROUTER };
    assert_eq!(entries.get(&own), Some(&Value::Neighbour(neighbour)));
    let route = Key::Route(RouteKey::new(ROUTER, v4(2).into(), 128));
    assert_eq!(entries.get(&route), None);
    let entries = calculated_on(mapped(), row(false), &[]);
    let Some(Value::RouterInterface(value)) = entries.get(&key) else { panic!("no interface") };
    assert_eq!(value.flags, router_interface_flag::EXTERNAL);
    assert_eq!(entries.get(&route), Some(&Value::Route(Route::local())));
    let entries = calculated(row(true), &[]);
    assert!(!entries.contains_key(&key) && !entries.contains_key(&route), "no way without an interface");
}

/// A router's port on external network 5, and the hosts that stand for it there.
pub(super) fn gateway(network: u32, hosts: &[u32]) -> Row {
    let gateway = Gateway { snat: true, hosts: hosts.to_vec(), is_one_of_several: false };
    let row = interface(9, network, &[(v4(2), 120)]);
    Row::RouterInterface(RouterInterfaceRow { gateway: Some(gateway), ..row })
}

/// An external network with an identifier for what hosts bring each other.
pub(super) fn external(network: u32) -> Row {
    let Row::Network(row) = physical(network, None) else { unreachable!() };
    Row::Network(NetworkRow { vni: Some(7000 + network), ..row })
}

/// What `host` has of a row, while the others of `rows` are there.
pub(super) fn flags_of(entries: &Entries, address: Ipv6Addr) -> Option<(u32, u32)> {
    match entries.get(&Key::FloatingIp(FloatingIpKey { network: 5, address: address.into() })) {
        Some(Value::FloatingIp(row)) => Some((row.flags, row.port)),
        _ => None,
    }
}

#[test]
fn the_first_host_that_stands_for_a_router_answers_for_its_address() {
    let own = mapped().number;
    for (hosts, flags) in [
        (vec![own, 8], floating_flag::SHARED | floating_flag::ANSWERED),
        (vec![8, own], floating_flag::SHARED),
        (vec![8], floating_flag::SHARED),
    ] {
        let entries = calculated_on(mapped(), [external(5), gateway(5, &hosts)], &[]);
        assert_eq!(flags_of(&entries, v4(2)), Some((flags, 0)), "{hosts:?}");
    }
}

#[test]
fn a_host_without_a_way_outside_sends_by_the_first_that_has_one() {
    let interface_of = |hosts: &[u32], network: Row| {
        let entries = calculated([network, gateway(5, hosts)], &[]);
        match entries.get(&Key::RouterInterface(RouterInterfaceKey { interface: 9 })) {
            Some(Value::RouterInterface(row)) => Some((row.relay, row.mac)),
            _ => None,
        }
    };
    assert_eq!(interface_of(&[8, 9], external(5)), Some((8, Mac(mac(9)))));
    assert_eq!(interface_of(&[], external(5)), None, "nobody to send by");
    assert_eq!(interface_of(&[8], physical(5, None)), None, "no identifier to send under");
}

/// Floating IP 10.0.0.99 of an instance on a host without a way outside.
pub(super) fn relayed(host: u32) -> Row {
    Row::FloatingRelay(FloatingRelayRow {
        router: ROUTER,
        floating_ip: 1,
        network: 5,
        address: v4(99),
        interface: 9,
        host,
    })
}

#[test]
fn a_floating_ip_of_another_host_is_relayed_there() {
    let own = mapped().number;
    let there = own + 50;
    for (hosts, flags) in [
        (vec![own], floating_flag::RELAYED | floating_flag::ANSWERED),
        (vec![there, own], floating_flag::RELAYED),
    ] {
        let entries = calculated_on(mapped(), [external(5), gateway(5, &hosts), relayed(there)], &[]);
        assert_eq!(flags_of(&entries, v4(99)), Some((flags, there)));
        assert!(!entries.keys().any(|key| matches!(key, Key::FloatingSource(_))));
    }
    // Its own host, which has no way outside: translated there, and answered for by nobody there.
    let (address, inside) = (v4(99), v4(3));
    let here =
        FloatingIpRow { number: 1, network: 5, address, router: ROUTER, interface: 9, port: 30, inside };
    let rows = [external(5), gateway(5, &[8]), Row::FloatingIp(here), relayed(host().number)];
    let entries = calculated(rows, &[]);
    assert_eq!(flags_of(&entries, address), Some((0, 30)));
    assert!(entries.keys().any(|key| matches!(key, Key::FloatingSource(_))));
}

#[test]
fn a_floating_ip_follows_its_router_s_interface() {
    let own = mapped().number;
    let mut calculation = Calculation::new(mapped());
    let mut entries = Entries::new();
    calculation.apply(set([external(5), relayed(own + 50)]));
    fold(&mut entries, &mut calculation);
    assert_eq!(flags_of(&entries, v4(99)), None);
    calculation.apply(set([gateway(5, &[8])]));
    fold(&mut entries, &mut calculation);
    assert_eq!(flags_of(&entries, v4(99)), Some((floating_flag::RELAYED, own + 50)));
    calculation.apply(set([gateway(5, &[own])]));
    fold(&mut entries, &mut calculation);
    let flags = floating_flag::RELAYED | floating_flag::ANSWERED;
    assert_eq!(flags_of(&entries, v4(99)), Some((flags, own + 50)));
    calculation.apply(remove([RowKey::RouterInterface { router: ROUTER, port: 9 }]));
    fold(&mut entries, &mut calculation);
    assert_eq!(flags_of(&entries, v4(99)), None);
}

/// Ports of floating IP 10.0.0.99 that lead to port 30 on a host.
pub(super) fn forwarded(host: u32, [first, last]: [u16; 2], single: bool) -> Row {
    Row::Forwarding(ForwardingRow {
        router: ROUTER,
        floating_ip: 1,
        protocol: 6,
        network: 5,
        address: v4(99),
        interface: 9,
        first,
        last,
        host,
        port: 30,
        inside: v4(3),
        inside_port: 22,
        single,
    })
}

#[test]
fn an_interface_s_scopes_are_rows_of_their_families() {
    let scoped =
        |scopes| Row::RouterInterface(RouterInterfaceRow { scopes, ..interface(9, 5, &[(v4(1), 120)]) });
    let said = |scopes| {
        let entries = calculated([network(5, Some(500)), scoped(scopes)], &[]);
        let Some(Value::RouterInterface(row)) =
            entries.get(&Key::RouterInterface(RouterInterfaceKey { interface: 9 }))
        else {
            panic!("no interface")
        };
        let scopes = [4, 6].map(|family| match entries.get(&Key::Scope(ScopeKey { interface: 9, family })) {
            Some(Value::Scope(row)) => Some(row.scope),
            _ => None,
        });
        (row.flags, scopes)
    };
    for scopes in [[Some([1; 16]), None], [None, Some([2; 16])], [Some([1; 16]), Some([2; 16])]] {
        assert_eq!(said(scopes), (router_interface_flag::SCOPED, scopes));
    }
    assert_eq!(said([None; 2]), (0, [None; 2]));
}

#[test]
fn forwarded_ports_lead_to_their_host_by_a_few_prefixes() {
    let own = mapped().number;
    let (shared, answered) = (floating_flag::SHARED | floating_flag::FORWARDS, floating_flag::ANSWERED);
    let led = |entries: &Entries| -> Vec<(u32, [u8; 2], Forwarding)> {
        let rows = entries.iter().filter_map(|(key, value)| match (key, value) {
            (Key::Forwarding(key), Value::Forwarding(row)) => Some((key.prefix_len, key.port, *row)),
            _ => None,
        });
        rows.collect()
    };
    let here = [external(5), gateway(5, &[own]), forwarded(own, [80, 80], true)];
    let entries = calculated_on(mapped(), here, &[]);
    assert_eq!(flags_of(&entries, v4(99)), Some((shared | answered, 0)));
    let inside = [10, 0, 0, 3];
    let row = Forwarding { host: 0, port: 30, inside, outside_port: 80, inside_port: 22, is_one: 1 };
    assert_eq!(led(&entries), [(96, [0, 80], row)]);
    let source = FloatingSourceKey { interface: 9, inside: v4(3).into() };
    let by_session = Value::FloatingSource(FloatingSource::default());
    assert_eq!(entries.get(&Key::FloatingSource(source)), Some(&by_session));

    let there = [external(5), gateway(5, &[8]), forwarded(8, [1000, 1003], false)];
    let entries = calculated_on(mapped(), there, &[]);
    assert_eq!(flags_of(&entries, v4(99)), Some((shared, 0)), "another one stands for the router");
    let row = Forwarding { host: 8, port: 0, inside, outside_port: 1000, inside_port: 22, is_one: 0 };
    assert_eq!(led(&entries), [(94, 1000_u16.to_be_bytes(), row)]);
    assert!(!entries.contains_key(&Key::FloatingSource(source)));

    let unbound = [external(5), gateway(5, &[own]), forwarded(0, [80, 89], false)];
    let entries = calculated_on(mapped(), unbound, &[]);
    assert_eq!(flags_of(&entries, v4(99)), Some((shared | answered, 0)), "the router's own for now");
    assert!(led(&entries).is_empty());
}

/// Two blocks of ports of the router's address on network 5, and a slot.
pub(super) fn lease(host: u32) -> Row {
    let blocks = vec![16, 40];
    let (address, slots) = (v4(2), vec![1024 + host as u16]);
    Row::PortLease(PortLeaseRow { router: ROUTER, interface: 9, host, network: 5, address, blocks, slots })
}

#[test]
fn a_lease_is_a_pool_on_its_host_and_an_owner_of_blocks_elsewhere() {
    let own = host().number;
    let entries = calculated([lease(own), lease(own + 1)], &[]);
    let pool = NatPool::new([10, 0, 0, 2], &[16, 40]);
    let key = Key::NatPool(NatPoolKey { interface: 9 });
    assert_eq!(entries.get(&key), Some(&Value::NatPool(pool)));
    let slot = 1024 + own as u16;
    for (block, host) in [(16, own + 1), (40, own + 1), (slot, 0), (slot + 1, own + 1)] {
        let key = NatOwnerKey { network: 5, address: [10, 0, 0, 2], block, pad: [0; 2] };
        assert_eq!(entries.get(&Key::NatOwner(key)), Some(&Value::NatOwner(NatOwner { host })));
    }
}

#[test]
fn instances_behind_a_router_share_its_address() {
    let gateways = |snat: bool, has_port: bool| {
        let mut calculation = Calculation::new(mapped());
        let outside = Gateway { snat, ..Gateway::default() };
        let outside = RouterInterfaceRow { gateway: Some(outside), ..interface(9, 5, &[(v4(2), 120)]) };
        let mut rows = vec![
            external(5),
            network(6, Some(600)),
            Row::RouterInterface(outside),
            Row::RouterInterface(interface(8, 6, &[(v4(1), 120)])),
        ];
        if has_port {
            rows.push(Row::Port(port(30, 6, 3)));
        }
        calculation.apply(set(rows));
        calculation.shared_gateways()
    };
    assert_eq!(gateways(true, true), [9].into());
    assert!(gateways(true, false).is_empty(), "nobody is behind it here");
    assert!(gateways(false, true).is_empty(), "it doesn't share");
}

#[test]
fn broadcasts_of_a_physical_network_do_not_go_by_the_overlay() {
    let presence =
        PresenceRow { network: 5, host: 8, underlay: Ipv4Addr::new(192, 0, 2, 8).to_ipv6_mapped() };
    let entries = calculated([external(5), Row::Presence(presence.clone())], &[]);
    assert!(entries.keys().any(|key| matches!(key, Key::Vtep(_))));
    assert!(!entries.keys().any(|key| matches!(key, Key::Flood(_))));
}

#[test]
fn a_floating_ip_stands_for_an_instance_both_ways() {
    let (address, inside) = (v4(99), v4(3));
    let row =
        FloatingIpRow { number: 1, network: 5, address, router: ROUTER, interface: 9, port: 30, inside };
    let rows = [physical(5, None), gateway(5, &[]), Row::FloatingIp(row)];
    let entries = calculated_on(mapped(), rows.clone(), &[]);
    let key = FloatingIpKey { network: 5, address: address.into() };
    let value = FloatingIp { interface: 9, port: 30, inside: inside.into(), flags: floating_flag::ANSWERED };
    assert_eq!(entries.get(&Key::FloatingIp(key)), Some(&Value::FloatingIp(value)));
    let key = FloatingSourceKey { interface: 9, inside: inside.into() };
    let value = FloatingSource { address: address.into() };
    assert_eq!(entries.get(&Key::FloatingSource(key)), Some(&Value::FloatingSource(value)));
    let key = NeighbourKey { network: 5, address: address.into() };
    let neighbour = Neighbour { mac: PROVIDER.mac, kind: neighbour_kind::ROUTER };
    assert_eq!(entries.get(&Key::Neighbour(key)), Some(&Value::Neighbour(neighbour)));
    let entries = calculated(rows, &[]);
    assert!(!entries.keys().any(|key| matches!(key, Key::FloatingIp(_) | Key::FloatingSource(_))));
}
