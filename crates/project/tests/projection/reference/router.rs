//! The rows of routers by the words of `rows.proto`.

use super::is_on;
use crate::model::Model;
use hadron_model::{FloatingIp, Host, IpNet, Network, NetworkId, Port, PortRange, Router, Subnet};
use hadron_wire::Row;
use hadron_wire::row::{
    FloatingIpRow, FloatingRelayRow, ForwardingRow, Gateway, InterfaceAddress, PortLeaseRow, Prefix,
    RoutePath, RouteRow, RouterInterfaceRow, address,
};
use std::collections::{BTreeMap, BTreeSet};

/// Whether the host has a port in the network, or in one from which routers lead there, if only as to an external one; or stands for such a
/// router.
pub fn reaches(model: &Model, host: &Host, network: &Network) -> bool {
    let reached = networks(model, host);
    let mut routers = model.routers.values().filter(|router| is_reached(model, host, router, &reached));
    reached.contains(&network.id)
        || routers.any(|router| gateways(model, router).any(|port| port.network_id == network.id))
}

/// Whether the router has an interface in one of the networks.
fn is_among(model: &Model, router: &Router, networks: &BTreeSet<NetworkId>) -> bool {
    interfaces(model, router).any(|port| networks.contains(&port.network_id))
}

/// Whether the host stands for the router on one of its external networks.
fn stands(model: &Model, host: &Host, router: &Router) -> bool {
    let hosts = |port: &Port| model.gateway_hosts.get(&port.id).map(|gateway| gateway.hosts.clone());
    gateways(model, router).filter_map(hosts).any(|hosts| hosts.contains(&host.number))
}

fn is_reached(model: &Model, host: &Host, router: &Router, networks: &BTreeSet<NetworkId>) -> bool {
    is_among(model, router, networks) || stands(model, host, router)
}

/// The identifier by which hosts bring each other packets of a network.
pub fn vni(model: &Model, network: &Network) -> Option<u32> {
    let is_gateway =
        |port: &&Port| port.network_id == network.id && port.device_owner == "network:router_gateway";
    match network.segment.physical() {
        Some(_) => model.ports.values().find(is_gateway).map(|_| 0xf0_0000 + network.number.0),
        None => network.segment.vni().map(|vni| vni.get()),
    }
}

/// The host's own networks, and those of the routers that it stands for; then, as long as that adds any, those of every router that is in one of them.
fn networks(model: &Model, host: &Host) -> BTreeSet<NetworkId> {
    let own =
        model.networks.values().filter(|network| model.ports.values().any(|port| is_on(port, network, host)));
    let mut reached: BTreeSet<NetworkId> = own.map(|network| network.id).collect();
    for router in model.routers.values().filter(|router| stands(model, host, router)) {
        reached.extend(interfaces(model, router).map(|port| port.network_id));
    }
    loop {
        let before = reached.len();
        for router in model.routers.values() {
            let joined: Vec<NetworkId> = interfaces(model, router).map(|port| port.network_id).collect();
            if joined.iter().any(|network| reached.contains(network)) {
                reached.extend(joined);
            }
        }
        if reached.len() == before {
            return reached;
        }
    }
}

fn interfaces<'a>(model: &'a Model, router: &'a Router) -> impl Iterator<Item = &'a Port> {
    ports_of(model, router, "network:router_interface")
}

fn gateways<'a>(model: &'a Model, router: &'a Router) -> impl Iterator<Item = &'a Port> {
    let named = |port: &&Port| router.gateways.iter().any(|gateway| gateway.port_id == port.id);
    ports_of(model, router, "network:router_gateway").filter(named)
}

fn ports_of<'a>(model: &'a Model, router: &'a Router, owner: &'a str) -> impl Iterator<Item = &'a Port> {
    model.ports.values().filter(move |port| {
        let belongs = port.device_owner == owner && port.device_id == router.id.0.to_string();
        belongs && router.admin_state_up && port.admin_state_up
    })
}

fn subnets<'a>(model: &'a Model, port: &'a Port) -> impl Iterator<Item = (std::net::IpAddr, &'a Subnet)> {
    port.fixed_ips.iter().map(|fixed| {
        let subnet = model.subnets.values().find(|subnet| subnet.id == fixed.subnet_id).unwrap();
        (fixed.ip_address, subnet)
    })
}

pub fn rows(model: &Model, host: &Host) -> Vec<Row> {
    let reached = networks(model, host);
    let mut rows = Vec::new();
    for router in model.routers.values() {
        if !is_reached(model, host, router, &reached) {
            continue;
        }
        rows.extend(leases(model, router));
        let ports: Vec<&Port> = interfaces(model, router).chain(gateways(model, router)).collect();
        rows.extend(ports.iter().map(|port| Row::RouterInterface(interface(model, router, port))));
        let mut routes: BTreeMap<Prefix, BTreeSet<RoutePath>> = BTreeMap::new();
        for route in &router.routes {
            let beside = ports
                .iter()
                .filter(|port| subnets(model, port).any(|(_, subnet)| subnet.cidr.contains(&route.next_hop)));
            // Of several interfaces in one subnet any will do; the projection takes the first by UUID, and a gateway last.
            let port = beside.min_by_key(|port| (port.device_owner == "network:router_gateway", port.id));
            let destination = Prefix::of(route.destination.network(), route.destination.prefix_len());
            if let Some(port) = port {
                let path = RoutePath { port: port.number.0, gateway: address(route.next_hop) };
                routes.entry(destination).or_default().insert(path);
            }
        }
        let mut interfaces: Vec<&Port> = interfaces(model, router).collect();
        interfaces.sort_by_key(|port| std::cmp::Reverse(port.id));
        for holder in model.ports.values() {
            let Some(delegation) = holder.details.delegation else { continue };
            let mut way = None;
            for interface in interfaces.iter().filter(|it| it.network_id == holder.network_id) {
                let beside = |next: &std::net::IpAddr| {
                    next.is_ipv6() && subnets(model, interface).any(|(_, subnet)| subnet.cidr.contains(next))
                };
                let next = holder.fixed_ips.iter().map(|fixed| fixed.ip_address).find(beside);
                way = next.map(|next| RoutePath { port: interface.number.0, gateway: address(next) }).or(way);
            }
            let prefix = Prefix::of(delegation.prefix.network(), delegation.prefix.prefix_len());
            if let Some(way) = way {
                routes.entry(prefix).or_default().insert(way);
            }
        }
        let mut others = BTreeMap::new();
        for (default, is_v4) in [("0.0.0.0/0", true), ("::/0", false)] {
            let default: IpNet = default.parse().unwrap();
            let default = Prefix::of(default.network(), default.prefix_len());
            let ways = gateways(model, router).filter_map(|port| {
                let mut next = subnets(model, port).filter_map(|(_, subnet)| subnet.gateway_ip);
                let next = next.find(|next| next.is_ipv4() == is_v4)?;
                Some(RoutePath { port: port.number.0, gateway: address(next) })
            });
            let mut ways: Vec<RoutePath> = ways.collect();
            if !ways.is_empty() && !routes.contains_key(&default) {
                let is_shared = router.default_route_ecmp == Some(true);
                let unused = if is_shared { Vec::new() } else { ways.split_off(1) };
                routes.insert(default, std::mem::replace(&mut ways, unused).into_iter().collect());
            }
            let unused = if router.gateways.len() > 1 { ways } else { Vec::new() };
            others.insert(default, unused);
        }
        rows.extend(routes.into_iter().map(|(destination, paths)| {
            let is_default = others.contains_key(&destination);
            let others = others.remove(&destination).unwrap_or_default();
            let is_watched = is_default && router.default_route_bfd == Some(true);
            Row::Route(RouteRow {
                is_watched,
                router: router.number.0,
                destination,
                paths: paths.into_iter().collect(),
                others,
            })
        }));
    }
    rows
}

fn interface(model: &Model, router: &Router, port: &Port) -> RouterInterfaceRow {
    let network = model.networks.values().find(|network| network.id == port.network_id).unwrap();
    let own = |(own, subnet): (std::net::IpAddr, &Subnet)| {
        let mapped = if own.is_ipv4() { 96 } else { 0 };
        InterfaceAddress { address: address(own), length: subnet.cidr.prefix_len() + mapped }
    };
    RouterInterfaceRow {
        router: router.number.0,
        port: port.number.0,
        network: network.number.0,
        mac: port.mac_address.0,
        addresses: subnets(model, port).map(own).collect(),
        gateway: router
            .gateways
            .iter()
            .find(|gateway| gateway.port_id == port.id && port.device_owner == "network:router_gateway")
            .map(|gateway| Gateway {
                snat: gateway.enable_snat,
                hosts: model
                    .gateway_hosts
                    .get(&port.id)
                    .map(|gateway| gateway.hosts.iter().map(|host| host.0).collect())
                    .unwrap_or_default(),
                is_one_of_several: router.gateways.len() > 1,
            }),
        scopes: [true, false].map(|is_v4| scope(model, network, is_v4)),
    }
}

/// Of the network's subnets of the family, by the pool that they are of.
fn scope(model: &Model, network: &Network, is_v4: bool) -> Option<[u8; 16]> {
    let of_family =
        |subnet: &&Subnet| subnet.network_id == network.id && subnet.cidr.network().is_ipv4() == is_v4;
    let pools = model.subnets.values().filter(of_family).filter_map(|subnet| subnet.subnetpool_id);
    let scopes = pools.filter_map(|id| model.pools.values().find(|pool| pool.id == id)?.address_scope_id);
    scopes.map(|scope| *scope.0.as_bytes()).next()
}

/// Who may use which ports of the router's first IPv4 address on each of its external networks.
fn leases(model: &Model, router: &Router) -> Vec<Row> {
    let mut rows = Vec::new();
    for port in gateways(model, router) {
        let network = model.networks.values().find(|network| network.id == port.network_id).unwrap();
        let Some(own) = port.fixed_ips.iter().map(|fixed| fixed.ip_address).find(|own| own.is_ipv4()) else {
            continue;
        };
        for lease in model.leases.values().filter(|lease| lease.port_id == port.id) {
            let (mut blocks, mut slots) = (lease.blocks.clone(), lease.slots.clone());
            for number in &lease.ending {
                blocks.retain(|block| block != number);
                slots.retain(|slot| slot != number);
            }
            rows.push(Row::PortLease(PortLeaseRow {
                router: router.number.0,
                interface: port.number.0,
                host: lease.host.0,
                network: network.number.0,
                address: address(own),
                blocks,
                slots,
            }));
        }
    }
    rows
}

/// The port by which a router translates a floating IP: one in its subnet, or else any on its network.
fn translator<'a>(model: &'a Model, router: &'a Router, floating: &FloatingIp) -> Option<&'a Port> {
    let all: Vec<&Port> = gateways(model, router)
        .filter(|gateway| gateway.network_id == floating.floating_network_id)
        .collect();
    let is_beside = |port: &&&Port| {
        subnets(model, port).any(|(_, subnet)| subnet.cidr.contains(&floating.floating_ip_address))
    };
    all.iter().find(is_beside).or(all.first()).copied()
}

/// The floating IPs of the host's ports, where a router has a gateway on their network; and where a port's host has no interface to that, how
/// every host that has the router finds it.
pub fn floating_ips(model: &Model, host: &Host) -> Vec<Row> {
    let mut rows = Vec::new();
    for floating in model.floating_ips.values() {
        let (Some(association), Some(router)) = (floating.association, floating.router_id) else { continue };
        let port = model.ports.values().find(|port| port.id == association.port_id);
        let router = model.routers.values().find(|found| found.id == router);
        let (Some(port), Some(router)) = (port, router) else { continue };
        let network = floating.floating_network_id;
        let gateway = translator(model, router, floating);
        let network = model.networks.values().find(|found| found.id == network);
        let (Some(gateway), Some(network)) = (gateway, network) else { continue };
        let Some(bound) = super::wired_by(model, port) else { continue };
        if !bound.reaches(&network.segment) && is_reached(model, host, router, &networks(model, host)) {
            rows.push(Row::FloatingRelay(FloatingRelayRow {
                router: router.number.0,
                floating_ip: floating.number.0,
                network: network.number.0,
                address: address(floating.floating_ip_address),
                interface: gateway.number.0,
                host: bound.number.0,
            }));
        }
        if bound.name == host.name {
            rows.push(Row::FloatingIp(FloatingIpRow {
                number: floating.number.0,
                network: network.number.0,
                address: address(floating.floating_ip_address),
                router: router.number.0,
                interface: gateway.number.0,
                port: port.number.0,
                inside: address(association.fixed_ip_address),
            }));
        }
    }
    rows
}

/// The ports of floating IPs that lead to instances, for every host that has the router.
pub fn forwardings(model: &Model, host: &Host) -> Vec<Row> {
    let near = networks(model, host);
    let rows = model.forwardings.values().filter_map(|forwarding| {
        let floating = model.floating_ips.values().find(|found| found.id == forwarding.floating_ip_id)?;
        let router = model.routers.values().find(|found| Some(found.id) == floating.router_id)?;
        let outside = floating.floating_network_id;
        let gateway = translator(model, router, floating)?;
        let network = model.networks.values().find(|found| found.id == outside)?;
        let port = model.ports.values().find(|port| port.id == forwarding.internal_port_id)?;
        let ports =
            |range: Option<PortRange>| range.map_or((0, u16::MAX), |range| (range.first(), range.last()));
        let ((first, last), (inside_port, inside_last)) =
            (ports(forwarding.external), ports(forwarding.internal));
        is_reached(model, host, router, &near).then(|| {
            Row::Forwarding(ForwardingRow {
                router: router.number.0,
                floating_ip: floating.number.0,
                protocol: forwarding.protocol as u8,
                network: network.number.0,
                address: address(floating.floating_ip_address),
                interface: gateway.number.0,
                first,
                last,
                host: super::wired_by(model, port).map_or(0, |host| host.number.0),
                port: port.number.0,
                inside: address(forwarding.internal_ip_address),
                inside_port,
                single: inside_port == inside_last,
            })
        })
    });
    rows.collect()
}
