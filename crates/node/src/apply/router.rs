//! What follows from the rows of routers and floating IPs.

use super::calculation::Inputs;
use super::rules::network_of;
use super::{Key, Value};
use hadron_pipeline::table::{
    FdbEntry, FdbKey, FloatingIp, FloatingIpKey, FloatingSource, FloatingSourceKey, Neighbour, NeighbourKey,
    OUTSIDE, Path, Route, RouteKey, RouterInterface, RouterInterfaceKey, floating_flag, neighbour_kind,
    router_interface_flag, target,
};
use hadron_pipeline::{Address, Mac};
use hadron_wire::row::{FloatingIpRow, Gateway, InterfaceAddress, RouteRow, RouterInterfaceRow, unmapped};
use std::net::{IpAddr, Ipv4Addr};

/// Nothing while the network's row is missing; of a gateway while this host has no interface to the physical network.
pub(super) fn interface(inputs: &Inputs, row: &RouterInterfaceRow) -> Vec<(Key, Value)> {
    let Some(network) = network_of(inputs, row.network) else { return Vec::new() };
    match row.gateway {
        None => inner_interface(row, network.mtu),
        Some(gateway) => match inputs.host.segment_of(network) {
            Some((provider, _)) => outer_interface(row, gateway, network.mtu, provider.mac),
            None => Vec::new(),
        },
    }
}

/// On the wire all routers of the host are at the MAC of its interface, and no switch sees theirs.
fn outer_interface(row: &RouterInterfaceRow, gateway: Gateway, mtu: u32, mac: Mac) -> Vec<(Key, Value)> {
    let translated_only = if gateway.snat { router_interface_flag::TRANSLATED_ONLY } else { 0 };
    let value = RouterInterface {
        mac,
        address_v6: mac.link_local(),
        flags: router_interface_flag::EXTERNAL | translated_only,
        ..value(row, mtu)
    };
    let outside = FdbEntry { kind: target::ROUTER, id: OUTSIDE };
    let mut entries = vec![
        (Key::RouterInterface(RouterInterfaceKey { interface: row.port }), Value::RouterInterface(value)),
        (Key::Fdb(FdbKey::new(row.network, mac)), Value::Fdb(outside)),
    ];
    entries.extend(row.addresses.iter().flat_map(|address| routes(row, address)));
    entries
}

fn inner_interface(row: &RouterInterfaceRow, mtu: u32) -> Vec<(Key, Value)> {
    let mac = Mac(row.mac);
    let entry = FdbEntry { kind: target::ROUTER, id: row.port };
    let mut entries = vec![
        (
            Key::RouterInterface(RouterInterfaceKey { interface: row.port }),
            Value::RouterInterface(value(row, mtu)),
        ),
        (Key::Fdb(FdbKey::new(row.network, mac)), Value::Fdb(entry)),
        neighbour(row.network, mac, mac.link_local()),
    ];
    for address in &row.addresses {
        entries.push(neighbour(row.network, mac, address.address.into()));
        entries.extend(routes(row, address));
    }
    entries
}

fn value(row: &RouterInterfaceRow, mtu: u32) -> RouterInterface {
    RouterInterface {
        router: row.router,
        network: row.network,
        mac: Mac(row.mac),
        pad: [0; 2],
        mtu,
        address_v4: speaks_v4(row).octets(),
        address_v6: speaks_v6(row),
        flags: 0,
        relay: 0,
        own_mac: Mac(row.mac),
        reserved: [0; 2],
    }
}

/// To an address of the router's own, and to its subnet.
fn routes(row: &RouterInterfaceRow, address: &InterfaceAddress) -> Vec<(Key, Value)> {
    let own = RouteKey::new(row.router, address.address.into(), 128);
    let mut entries = vec![(Key::Route(own), Value::Route(Route::local()))];
    let subnet = address.prefix();
    if subnet.length < 128 {
        let path = Path { interface: row.port, gateway: Address::UNSPECIFIED };
        let key = RouteKey::new(row.router, subnet.address.into(), subnet.length);
        entries.push((Key::Route(key), Value::Route(Route::forward(&[path]))));
    }
    entries
}

fn neighbour(network: u32, mac: Mac, address: Address) -> (Key, Value) {
    let value = Neighbour { mac, kind: neighbour_kind::ROUTER };
    (Key::Neighbour(NeighbourKey { network, address }), Value::Neighbour(value))
}

/// Nothing while this host has no interface to the external network.
pub(super) fn floating_ip(inputs: &Inputs, row: &FloatingIpRow) -> Vec<(Key, Value)> {
    let network = network_of(inputs, row.network);
    let Some((provider, _)) = network.and_then(|network| inputs.host.segment_of(network)) else {
        return Vec::new();
    };
    let (address, inside) = (Address::from(row.address), Address::from(row.inside));
    let source = FloatingSourceKey { interface: row.interface, inside };
    let key = FloatingIpKey { network: row.network, address };
    let value =
        FloatingIp { interface: row.interface, port: row.port, inside, flags: floating_flag::ANSWERED };
    vec![
        (Key::FloatingSource(source), Value::FloatingSource(FloatingSource { address })),
        (Key::FloatingIp(key), Value::FloatingIp(value)),
        neighbour(row.network, provider.mac, address),
    ]
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
