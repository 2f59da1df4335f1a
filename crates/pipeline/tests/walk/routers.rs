//! Routers between the networks of a cloud, as the node's loader would write them.

use std::net::{Ipv4Addr, Ipv6Addr};

use hadron_pipeline::host::Node;
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, Mac};

use crate::cloud::{self, Instance};

/// Where a network's subnets are: 10.0.N.0/24 and fd00:0:0:N::/64.
pub fn v4(network: u32, n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, network as u8, n)
}

pub fn v6(network: u32, n: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, network as u16, 0, 0, 0, n.into())
}

/// The `n`th instance of a network, in the network's own subnets.
pub fn instance(network: u32, n: u8, host: u32) -> Instance {
    Instance { v4: v4(network, n), v6: v6(network, n), ..Instance::new(network, n, host) }
}

/// A router's interface in a network.
pub fn mac(router: u32, network: u32) -> Mac {
    Mac([0xfa, 0x16, 0x3e, 0xee, router as u8, network as u8])
}

pub fn id(router: u32, network: u32) -> u32 {
    9000 + 100 * router + network
}

/// The addresses of a router in a network: its number from the end of the subnet.
pub fn own_v4(router: u32, network: u32) -> Ipv4Addr {
    v4(network, 255 - router as u8)
}

pub fn own_v6(router: u32, network: u32) -> Ipv6Addr {
    v6(network, 255 - router as u8)
}

pub const MTU: u32 = 1450;

/// One host of a cloud of instances, with routers (router, network).
pub fn node(host: u32, instances: &[Instance], interfaces: &[(u32, u32)]) -> Node {
    let mut tables = cloud::tables(host, &[]);
    cloud::add_instances(&mut tables, host, instances, |_| true);
    let mut node = Node::new(tables);
    for (router, network) in interfaces {
        add_interface(&mut node, *router, *network);
        // A host with an instance of any of the networks sends into all of them.
        for there in instances.iter().map(|instance| instance.host).filter(|there| *there != host) {
            let (vni, address) = (cloud::vni(*network), cloud::vtep(there));
            node.tables.vnis.insert(VniKey { vni }, Vni { network: *network });
            node.tables.vteps.insert(VtepKey { vni, address }, Vtep { host: there });
            node.tables.hosts.insert(HostKey { host: there }, Host { vtep: address });
            flood_to(&mut node, *network, there);
        }
    }
    node
}

/// Puts a host into the flood list of a network, unless it is there.
fn flood_to(node: &mut Node, network: u32, host: u32) {
    let member = FloodTarget { kind: target::HOST, id: host };
    let row = node.tables.networks.get_mut(&NetworkKey { network }).expect("the network");
    let mut listed = (0..row.flood_length).map(|slot| node.tables.flood[&FloodKey { network, slot }]);
    if !listed.any(|listed| listed == member) {
        node.tables.flood.insert(FloodKey { network, slot: row.flood_length }, member);
        row.flood_length += 1;
    }
}

pub fn add_interface(node: &mut Node, router: u32, network: u32) {
    let tables = &mut node.tables;
    let row = Network { vni: cloud::vni(network), ..Network::default() };
    tables.networks.entry(NetworkKey { network }).or_insert(row);
    let (interface, mac) = (id(router, network), mac(router, network));
    let (own_v4, own_v6) = (own_v4(router, network), own_v6(router, network));
    let row = RouterInterface {
        router,
        network,
        mac,
        mtu: MTU,
        address_v4: own_v4.octets(),
        address_v6: own_v6.into(),
        own_mac: mac,
        ..RouterInterface::default()
    };
    tables.router_interfaces.insert(RouterInterfaceKey { interface }, row);
    tables.fdb.insert(FdbKey::new(network, mac), FdbEntry { kind: target::ROUTER, id: interface });
    for address in [own_v4.into(), own_v6.into(), mac.link_local()] {
        let neighbour = Neighbour { mac, kind: neighbour_kind::ROUTER };
        tables.neighbours.insert(NeighbourKey { network, address }, neighbour);
    }
    for address in [own_v4.into(), own_v6.into()] {
        tables.routes.insert(RouteKey::new(router, address, 128), Route::local());
    }
    add_route(node, router, (v4(network, 0).into(), 120), interface, Address::UNSPECIFIED);
    add_route(node, router, (v6(network, 0).into(), 64), interface, Address::UNSPECIFIED);
}

/// A route to a prefix, whose length counts in 128 bits.
pub fn add_route(
    node: &mut Node,
    router: u32,
    (address, length): (Address, u8),
    interface: u32,
    gateway: Address,
) {
    let route = Route::forward(&[Path { interface, gateway }]);
    node.tables.routes.insert(RouteKey::new(router, address, length), route);
}

/// The default routes of both families.
pub const DEFAULTS: [(Address, u8); 2] = [(Address::UNSPECIFIED_V4, 96), (Address::UNSPECIFIED, 0)];
