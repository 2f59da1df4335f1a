//! Rows of routers.

use super::*;
use hadron_pipeline::table::{
    FdbEntry, FdbKey, FloatingIp, FloatingIpKey, FloatingSource, FloatingSourceKey, Neighbour, NeighbourKey,
    OUTSIDE, Path, Route, RouteKey, RouterInterface, RouterInterfaceKey, floating_flag, neighbour_kind,
    router_interface_flag,
};
use hadron_wire::row::{FloatingIpRow, Gateway, InterfaceAddress, RoutePath, RouteRow, RouterInterfaceRow};

const ROUTER: u32 = 3;

fn interface(port: u32, network: u32, addresses: &[(Ipv6Addr, u8)]) -> RouterInterfaceRow {
    let addresses =
        addresses.iter().map(|(address, length)| InterfaceAddress { address: *address, length: *length });
    RouterInterfaceRow {
        router: ROUTER,
        port,
        network,
        mac: mac(port as u8),
        addresses: addresses.collect(),
        gateway: None,
    }
}

fn v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last)
}

fn default_route(paths: Vec<RoutePath>) -> RouteRow {
    RouteRow { router: ROUTER, destination: Prefix::of(Ipv4Addr::UNSPECIFIED.into(), 0), paths }
}

pub(super) fn row() -> impl Strategy<Value = Row> {
    let addresses = proptest::collection::vec((1..4u8).prop_map(|last| (v4(last), 120)), 0..3);
    let gateway = proptest::option::of(any::<bool>().prop_map(|snat| Gateway { snat }));
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
        (1..3u32, 94..98u8, proptest::collection::vec(path, 1..3)).prop_map(|(router, length, paths)| {
            let destination = Prefix::of(Ipv6Addr::UNSPECIFIED.into(), length);
            Row::Route(RouteRow { router, destination, paths })
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
}

#[test]
fn a_gateway_is_at_the_mac_of_the_host_s_own_interface() {
    let row = |snat| {
        let row = interface(9, 5, &[(v4(2), 120)]);
        [
            physical(5, Some(7)),
            Row::RouterInterface(RouterInterfaceRow { gateway: Some(Gateway { snat }), ..row }),
        ]
    };
    let entries = calculated_on(mapped(), row(true), &[]);
    let key = Key::RouterInterface(RouterInterfaceKey { interface: 9 });
    let Some(Value::RouterInterface(value)) = entries.get(&key) else { panic!("no interface") };
    assert_eq!((value.mac, value.address_v4), (PROVIDER.mac, [10, 0, 0, 2]));
    assert_eq!(value.flags, router_interface_flag::EXTERNAL | router_interface_flag::TRANSLATED_ONLY);
    let outside = FdbEntry { kind: target::ROUTER, id: OUTSIDE };
    assert_eq!(entries.get(&Key::Fdb(FdbKey::new(5, PROVIDER.mac))), Some(&Value::Fdb(outside)));
    assert!(!entries.contains_key(&Key::Fdb(FdbKey::new(5, Mac(mac(9))))), "no switch outside sees this one");
    let own = Key::Neighbour(NeighbourKey { network: 5, address: v4(2).into() });
    assert!(!entries.contains_key(&own), "this host does not answer for the router's address");
    let route = Key::Route(RouteKey::new(ROUTER, v4(2).into(), 128));
    assert_eq!(entries.get(&route), Some(&Value::Route(Route::local())));
    let entries = calculated_on(mapped(), row(false), &[]);
    let Some(Value::RouterInterface(value)) = entries.get(&key) else { panic!("no interface") };
    assert_eq!(value.flags, router_interface_flag::EXTERNAL);
    let entries = calculated(row(true), &[]);
    assert!(!entries.contains_key(&key) && !entries.contains_key(&route), "no way without an interface");
}

#[test]
fn a_floating_ip_stands_for_an_instance_both_ways() {
    let (address, inside) = (v4(99), v4(3));
    let row =
        FloatingIpRow { number: 1, network: 5, address, router: ROUTER, interface: 9, port: 30, inside };
    let rows = [physical(5, None), Row::FloatingIp(row)];
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
