//! Rows of routers.

use super::*;
use hadron_pipeline::table::{
    FdbEntry, FdbKey, Neighbour, NeighbourKey, Path, Route, RouteKey, RouterInterface, RouterInterfaceKey,
    neighbour_kind,
};
use hadron_wire::row::{InterfaceAddress, RoutePath, RouteRow, RouterInterfaceRow};

const ROUTER: u32 = 3;

fn interface(port: u32, network: u32, addresses: &[(Ipv6Addr, u8)]) -> RouterInterfaceRow {
    let addresses =
        addresses.iter().map(|(address, length)| InterfaceAddress { address: *address, length: *length });
    RouterInterfaceRow { router: ROUTER, port, network, mac: mac(port as u8), addresses: addresses.collect() }
}

fn v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last)
}

fn default_route(paths: Vec<RoutePath>) -> RouteRow {
    RouteRow { router: ROUTER, destination: Prefix::of(Ipv4Addr::UNSPECIFIED.into(), 0), paths }
}

pub(super) fn row() -> impl Strategy<Value = Row> {
    let addresses = proptest::collection::vec((1..4u8).prop_map(|last| (v4(last), 120)), 0..3);
    let path = (1..5u32, 1..4u8).prop_map(|(port, last)| RoutePath { port, gateway: v4(last) });
    prop_oneof![
        (1..3u32, 1..5u32, 1..3u32, addresses).prop_map(|(router, port, network, addresses)| {
            Row::RouterInterface(RouterInterfaceRow { router, ..interface(port, network, &addresses) })
        }),
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
        pad: [0; 2],
        mtu: 1450,
        address_v4: [10, 0, 0, 1],
        address_v6: v6(1).into(),
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
