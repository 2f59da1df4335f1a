//! The rows of routers by the words of `rows.proto`.

use super::is_on;
use crate::model::Model;
use hadron_model::{Host, Network, NetworkId, Port, Router, Subnet};
use hadron_wire::Row;
use hadron_wire::row::{InterfaceAddress, Prefix, RoutePath, RouteRow, RouterInterfaceRow, address};
use std::collections::{BTreeMap, BTreeSet};

/// Whether the host has a port in the network, or in one from which routers lead there.
pub fn reaches(model: &Model, host: &Host, network: &Network) -> bool {
    networks(model, host).contains(&network.id)
}

/// The host's own networks; then, as long as that adds any, those of every router that is in one of them.
fn networks(model: &Model, host: &Host) -> BTreeSet<NetworkId> {
    let own =
        model.networks.values().filter(|network| model.ports.values().any(|port| is_on(port, network, host)));
    let mut reached: BTreeSet<NetworkId> = own.map(|network| network.id).collect();
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
    model.ports.values().filter(move |port| {
        let belongs =
            port.device_owner == "network:router_interface" && port.device_id == router.id.0.to_string();
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
        let ports: Vec<&Port> = interfaces(model, router).collect();
        if !ports.iter().any(|port| reached.contains(&port.network_id)) {
            continue;
        }
        rows.extend(ports.iter().map(|port| Row::RouterInterface(interface(model, router, port))));
        let mut routes: BTreeMap<Prefix, BTreeSet<RoutePath>> = BTreeMap::new();
        for route in &router.routes {
            let beside = ports
                .iter()
                .filter(|port| subnets(model, port).any(|(_, subnet)| subnet.cidr.contains(&route.next_hop)));
            // Of several interfaces in one subnet any will do; the projection takes the first by UUID.
            let port = beside.min_by_key(|port| port.id);
            let destination = Prefix::of(route.destination.network(), route.destination.prefix_len());
            if let Some(port) = port {
                let path = RoutePath { port: port.number.0, gateway: address(route.next_hop) };
                routes.entry(destination).or_default().insert(path);
            }
        }
        rows.extend(routes.into_iter().map(|(destination, paths)| {
            let paths = paths.into_iter().collect();
            Row::Route(RouteRow { router: router.number.0, destination, paths })
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
    }
}
