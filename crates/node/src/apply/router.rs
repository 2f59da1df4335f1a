//! What follows from the rows of routers.

use super::calculation::Inputs;
use super::rules::network_of;
use super::{Key, Value};
use hadron_pipeline::table::{
    FdbEntry, FdbKey, Neighbour, NeighbourKey, Path, Route, RouteKey, RouterInterface, RouterInterfaceKey,
    neighbour_kind, target,
};
use hadron_pipeline::{Address, Mac};
use hadron_wire::row::{RouteRow, RouterInterfaceRow, unmapped};
use std::net::{IpAddr, Ipv4Addr};

/// Nothing while the network's row is missing.
pub(super) fn interface(inputs: &Inputs, row: &RouterInterfaceRow) -> Vec<(Key, Value)> {
    let Some(network) = network_of(inputs, row.network) else { return Vec::new() };
    let mac = Mac(row.mac);
    let value = RouterInterface {
        router: row.router,
        network: row.network,
        mac,
        pad: [0; 2],
        mtu: network.mtu,
        address_v4: speaks_v4(row).octets(),
        address_v6: speaks_v6(row),
    };
    let key = RouterInterfaceKey { interface: row.port };
    let mut entries = vec![
        (Key::RouterInterface(key), Value::RouterInterface(value)),
        (
            Key::Fdb(FdbKey::new(row.network, mac)),
            Value::Fdb(FdbEntry { kind: target::ROUTER, id: row.port }),
        ),
        neighbour(row, mac.link_local()),
    ];
    for address in &row.addresses {
        let own = Address::from(address.address);
        entries.push(neighbour(row, own));
        entries.push((Key::Route(RouteKey::new(row.router, own, 128)), Value::Route(Route::local())));
        let subnet = address.prefix();
        if subnet.length < 128 {
            let path = Path { interface: row.port, gateway: Address::UNSPECIFIED };
            let key = RouteKey::new(row.router, subnet.address.into(), subnet.length);
            entries.push((Key::Route(key), Value::Route(Route::forward(&[path]))));
        }
    }
    entries
}

fn neighbour(row: &RouterInterfaceRow, address: Address) -> (Key, Value) {
    let value = Neighbour { mac: Mac(row.mac), kind: neighbour_kind::ROUTER };
    (Key::Neighbour(NeighbourKey { network: row.network, address }), Value::Neighbour(value))
}

/// Its first IPv4 address; 0.0.0.0 when it has none.
fn speaks_v4(row: &RouterInterfaceRow) -> Ipv4Addr {
    let v4 = row.addresses.iter().find_map(|address| match unmapped(address.address) {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    });
    v4.unwrap_or(Ipv4Addr::UNSPECIFIED)
}

/// Its first IPv6 address, or its link-local one.
fn speaks_v6(row: &RouterInterfaceRow) -> Address {
    let own = row.addresses.iter().map(|address| address.address);
    own.filter(|address| address.to_ipv4_mapped().is_none())
        .map(Address::from)
        .next()
        .unwrap_or(Mac(row.mac).link_local())
}

pub(super) fn route(row: &RouteRow) -> (Key, Value) {
    let path =
        |path: &hadron_wire::row::RoutePath| Path { interface: path.port, gateway: path.gateway.into() };
    let paths: Vec<Path> = row.paths.iter().map(path).collect();
    let key = RouteKey::new(row.router, row.destination.address.into(), row.destination.length);
    (Key::Route(key), Value::Route(Route::forward(&paths)))
}
