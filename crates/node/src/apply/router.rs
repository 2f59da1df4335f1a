//! What follows from the rows of routers and floating IPs.

use super::calculation::Inputs;
use super::gateway::{answered, is_way, own_way, relay};
use super::rules::{bits, network_of};
use super::{Key, Value};
use hadron_model::nat;
use hadron_pipeline::table::{
    FdbEntry, FdbKey, FloatingIp, FloatingIpKey, FloatingSource, FloatingSourceKey, Forwarding,
    ForwardingKey, NAT_BLOCK, NAT_BLOCKS, NAT_POOL, NatOwner, NatOwnerKey, NatPool, NatPoolKey, Neighbour,
    NeighbourKey, OUTSIDE, Path, Route, RouteKey, RouterInterface, RouterInterfaceKey, Scope, ScopeKey,
    family, floating_flag, neighbour_kind, router_interface_flag, target,
};
use hadron_pipeline::{Address, Mac};
use hadron_policy::PortPrefix;
use hadron_wire::row::{
    FIRST_SLOT, FloatingIpRow, FloatingRelayRow, ForwardingRow, Gateway, InterfaceAddress, NetworkRow,
    PORT_BLOCK, PortLeaseRow, RoutePath, RouteRow, RouterInterfaceRow, Row, RowKey, unmapped,
};
use std::net::{IpAddr, Ipv4Addr};

/// Nothing while the network's row is missing; of a gateway while this host has neither an interface to the physical network nor another
/// host that brings packets there.
pub(super) fn interface(inputs: &Inputs, row: &RouterInterfaceRow) -> Vec<(Key, Value)> {
    let Some(network) = network_of(inputs, row.network) else { return Vec::new() };
    let mut entries = match &row.gateway {
        None => inner_interface(row, network.mtu),
        Some(gateway) => outer_interface(inputs, row, gateway, network),
    };
    if !entries.is_empty() {
        entries.extend(scopes(row));
    }
    entries
}

fn scopes(row: &RouterInterfaceRow) -> impl Iterator<Item = (Key, Value)> {
    let families = [family::IPV4, family::IPV6].map(u32::from).into_iter().zip(row.scopes);
    families.filter_map(|(family, scope)| {
        let key = ScopeKey { interface: row.port, family };
        Some((Key::Scope(key), Value::Scope(Scope { scope: scope? })))
    })
}

/// On the wire what routers send is from the MAC of the host's interface, as no switch may see one MAC on many ports. What is for the router itself
/// comes to its own MAC, on the host that stands for it. In the overlay, which brings hosts each other's packets of the external network, it is at its
/// own MAC too.
fn outer_interface(
    inputs: &Inputs,
    row: &RouterInterfaceRow,
    gateway: &Gateway,
    network: &NetworkRow,
) -> Vec<(Key, Value)> {
    let own_mac = Mac(row.mac);
    let provider = own_way(inputs, network, gateway);
    let relay = match provider {
        Some(_) => 0,
        None => match relay(inputs, row.network, gateway).filter(|_| network.vni.is_some()) {
            Some(host) => host,
            None => return Vec::new(),
        },
    };
    let mac = provider.unwrap_or(own_mac);
    let answered = answered(inputs, row.network, gateway, provider.is_some());
    let flags = [
        (router_interface_flag::EXTERNAL, true),
        (router_interface_flag::TRANSLATED_ONLY, gateway.snat),
        (router_interface_flag::STANDS, answered != 0),
        (router_interface_flag::ONE_OF_SEVERAL, gateway.is_one_of_several),
    ];
    let value = value(row, network.mtu);
    let value = RouterInterface { mac, flags: value.flags | bits(&flags), relay, ..value };
    let to_router = FdbEntry { kind: target::ROUTER, id: row.port };
    let mut entries = vec![
        (Key::RouterInterface(RouterInterfaceKey { interface: row.port }), Value::RouterInterface(value)),
        (Key::Fdb(FdbKey::new(row.network, own_mac)), Value::Fdb(to_router)),
    ];
    if let Some(mac) = provider {
        let outside = FdbEntry { kind: target::ROUTER, id: OUTSIDE };
        entries.push((Key::Fdb(FdbKey::new(row.network, mac)), Value::Fdb(outside)));
    }
    if answered != 0 {
        entries.push(own_address(row, own_mac.link_local()));
    }
    let is_shared = |address: &InterfaceAddress| address.address.to_ipv4_mapped() == Some(speaks_v4(row));
    for address in &row.addresses {
        if !is_shared(address) {
            entries.extend(routes(row, address));
            entries.extend((answered != 0).then(|| own_address(row, address.address.into())));
            continue;
        }
        // What is for the shared address goes out and comes in again: it may be for a session.
        entries.extend(routes(row, address).into_iter().skip(usize::from(gateway.snat)));
        let key = FloatingIpKey { network: row.network, address: address.address.into() };
        let flags = floating_flag::SHARED | answered;
        let value = FloatingIp { interface: row.port, flags, ..FloatingIp::default() };
        entries.push((Key::FloatingIp(key), Value::FloatingIp(value)));
        entries.push(neighbour(row.network, mac, key.address));
    }
    entries
}

/// An address of the router itself, for which this host answers.
fn own_address(row: &RouterInterfaceRow, address: Address) -> (Key, Value) {
    let flags = floating_flag::OWN | floating_flag::ANSWERED;
    let value = FloatingIp { interface: row.port, flags, ..FloatingIp::default() };
    (Key::FloatingIp(FloatingIpKey { network: row.network, address }), Value::FloatingIp(value))
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
        flags: bits(&[(router_interface_flag::SCOPED, row.scopes != [None; 2])]),
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

/// Nothing while the router's interface has no row, or this host no way to the external network.
pub(super) fn floating_ip(inputs: &Inputs, row: &FloatingIpRow) -> Vec<(Key, Value)> {
    let Some(way) = Way::of(inputs, row.router, row.interface, row.network) else { return Vec::new() };
    let (address, inside) = (Address::from(row.address), Address::from(row.inside));
    let source = FloatingSourceKey { interface: row.interface, inside };
    let key = FloatingIpKey { network: row.network, address };
    let flags = if way.has_provider { floating_flag::ANSWERED } else { 0 };
    let value = FloatingIp { interface: row.interface, port: row.port, inside, flags };
    vec![
        (Key::FloatingSource(source), Value::FloatingSource(FloatingSource { address })),
        (Key::FloatingIp(key), Value::FloatingIp(value)),
        neighbour(row.network, way.mac, address),
    ]
}

/// The way to the host that has a floating IP's instance, on every other one.
pub(super) fn floating_relay(inputs: &Inputs, row: &FloatingRelayRow) -> Vec<(Key, Value)> {
    let way =
        Way::of(inputs, row.router, row.interface, row.network).filter(|_| row.host != inputs.host.number);
    let Some(way) = way else { return Vec::new() };
    let key = FloatingIpKey { network: row.network, address: row.address.into() };
    let flags = floating_flag::RELAYED | answered(inputs, row.network, way.gateway, way.has_provider);
    let value = FloatingIp { interface: row.interface, port: row.host, flags, ..FloatingIp::default() };
    vec![(Key::FloatingIp(key), Value::FloatingIp(value)), neighbour(row.network, way.mac, key.address)]
}

/// The floating IP, which the host that stands for the router answers for, and where its ports lead.
pub(super) fn forwarding(inputs: &Inputs, row: &ForwardingRow) -> Vec<(Key, Value)> {
    let Some(way) = Way::of(inputs, row.router, row.interface, row.network) else { return Vec::new() };
    let (Some(address), Some(inside)) = (row.address.to_ipv4_mapped(), row.inside.to_ipv4_mapped()) else {
        return Vec::new();
    };
    let flags = floating_flag::SHARED
        | floating_flag::FORWARDS
        | answered(inputs, row.network, way.gateway, way.has_provider);
    let key = FloatingIpKey { network: row.network, address: address.into() };
    let value = FloatingIp { interface: row.interface, flags, ..FloatingIp::default() };
    let mut entries =
        vec![(Key::FloatingIp(key), Value::FloatingIp(value)), neighbour(row.network, way.mac, key.address)];
    if row.host == 0 {
        return entries;
    }
    let is_here = row.host == inputs.host.number;
    if is_here {
        let key = FloatingSourceKey { interface: row.interface, inside: inside.into() };
        entries.push((Key::FloatingSource(key), Value::FloatingSource(FloatingSource::default())));
    }
    let value = Forwarding {
        host: if is_here { 0 } else { row.host },
        port: if is_here { row.port } else { 0 },
        inside: inside.octets(),
        outside_port: row.first,
        inside_port: row.inside_port,
        is_one: row.single.into(),
    };
    entries.extend(PortPrefix::cover(row.first, row.last).map(|PortPrefix { bits, length }| {
        let key = ForwardingKey::new(row.network, address.octets(), row.protocol, bits, length);
        (Key::Forwarding(key), Value::Forwarding(value))
    }));
    entries
}

/// This host's way to an external network by a router's interface.
struct Way<'a> {
    gateway: &'a Gateway,
    /// Whether it is the host's own interface to the physical network.
    has_provider: bool,
    /// The MAC at which the router is.
    mac: Mac,
}

impl<'a> Way<'a> {
    /// None of an interface that is not in the network.
    fn of(inputs: &'a Inputs, router: u32, interface: u32, network: u32) -> Option<Self> {
        let Row::RouterInterface(row) =
            inputs.rows.get(&RowKey::RouterInterface { router, port: interface })?
        else {
            return None;
        };
        let gateway = row.gateway.as_ref().filter(|_| row.network == network)?;
        let provider = own_way(inputs, network_of(inputs, row.network)?, gateway);
        let has_way = provider.is_some() || relay(inputs, row.network, gateway).is_some();
        let mac = provider.unwrap_or(Mac(row.mac));
        has_way.then_some(Self { gateway, has_provider: provider.is_some(), mac })
    }
}

/// What this host may use of a router's ports, or which another one may.
pub(super) fn port_lease(inputs: &Inputs, row: &PortLeaseRow) -> Vec<(Key, Value)> {
    let Some(address) = row.address.to_ipv4_mapped().map(|address| address.octets()) else {
        return Vec::new();
    };
    let is_own = row.host == inputs.host.number;
    let host = if is_own { 0 } else { row.host };
    let owner = |block: &u16| {
        let key = NatOwnerKey { network: row.network, address, block: *block, pad: [0; 2] };
        (Key::NatOwner(key), Value::NatOwner(NatOwner { host }))
    };
    let slots = row.slots.iter().map(owner);
    if is_own {
        let key = NatPoolKey { interface: row.interface };
        let pool = (Key::NatPool(key), Value::NatPool(NatPool::new(address, &row.blocks)));
        return slots.chain([pool]).collect();
    }
    row.blocks.iter().map(owner).chain(slots).collect()
}

const _: () = {
    assert!(PORT_BLOCK == NAT_BLOCK && FIRST_SLOT == NAT_BLOCKS, "the wire's blocks are the packet path's");
    assert!(nat::PORT_BLOCK == NAT_BLOCK && nat::MOST_BLOCKS == NAT_POOL, "and so are those that are leased");
    assert!(*nat::SLOTS.start() == NAT_BLOCKS, "as are slots");
};

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

/// Of a watched route what leads nowhere is left out, and what is known there leaves by another way, as far as it may; while none leads anywhere
/// all stay.
pub(super) fn route(inputs: &Inputs, row: &RouteRow) -> (Key, Value) {
    let is_way = |path: &RoutePath| is_way(inputs, row.router, path.port);
    let has_way = row.paths.iter().chain(&row.others).any(is_way);
    let kept = |path: &&RoutePath| !row.is_watched || !has_way || is_way(path);
    let path = |path: &RoutePath| Path { interface: path.port, gateway: path.gateway.into() };
    let mut chosen: Vec<Path> = row.paths.iter().filter(kept).map(path).collect();
    let mut others = row.others.iter().filter(kept).map(path);
    if chosen.is_empty() {
        chosen.extend(others.next());
    }
    let others: Vec<Path> = others.collect();
    let key = RouteKey::new(row.router, row.destination.address.into(), row.destination.length);
    (Key::Route(key), Value::Route(Route::forward(&chosen).or_by(&others)))
}
