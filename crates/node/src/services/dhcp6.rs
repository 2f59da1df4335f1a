//! What a port is told by DHCPv6.

use crate::apply::rules::serves_dhcp6;
use hadron_responders::dhcp6::{Binding, Extra, server_identity};
use hadron_wire::held::Held;
use hadron_wire::row::{Ipv6Mode, NetworkRow, PortRow, RouteRow, RouterInterfaceRow, SubnetRow};
use ipnet::Ipv6Net;
use std::net::{IpAddr, Ipv6Addr};

/// None for a port without an address in a subnet that DHCPv6 has something for.
pub(super) fn binding(
    rows: &Held,
    network: &NetworkRow,
    port: &PortRow,
    extra: Extra,
    domain: &str,
) -> Option<Binding> {
    let served =
        |number| rows.subnets(port.network).find(|subnet| subnet.number == number && serves_dhcp6(subnet));
    let own: Vec<(Ipv6Addr, &SubnetRow)> =
        port.addresses.iter().filter_map(|held| Some((held.address, served(held.subnet)?))).collect();
    let (_, first) = own.first()?;
    let (server, server_mac) = server_identity(network.uuid);
    let stateful = || own.iter().filter(|(_, subnet)| subnet.address_mode == Some(Ipv6Mode::Dhcpv6Stateful));
    Some(Binding {
        server,
        server_mac,
        addresses: stateful().map(|(address, _)| *address).collect(),
        prefixes: stateful().filter_map(|(_, subnet)| net(subnet)).collect(),
        delegated: Vec::new(),
        lease_seconds: first.lease_seconds,
        dns: name_servers(own.iter().map(|(_, subnet)| *subnet)),
        domain: domain.to_owned(),
        mtu: network.mtu,
        extra,
    })
}

/// The prefixes that a router of the network leads to an address of the port and nowhere else, in their order: they are the port's to
/// hand on. A default route is none.
pub(super) fn delegated(rows: &Held, routers: &[&RouterInterfaceRow], port: &PortRow) -> Vec<Ipv6Net> {
    let is_own = |gateway| port.addresses.iter().any(|own| own.address == gateway);
    let mut all: Vec<Ipv6Net> = routers
        .iter()
        .flat_map(|router| {
            let by_here = move |route: &&RouteRow| match route.paths[..] {
                [path] => path.port == router.port && is_own(path.gateway),
                _ => false,
            };
            rows.routes(router.router).filter(by_here)
        })
        .filter_map(|route| match route.destination.unmapped() {
            (IpAddr::V6(address), length @ 1..) => Ipv6Net::new(address, length).ok(),
            _ => None,
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The prefix of an IPv6 subnet.
pub(super) fn net(subnet: &SubnetRow) -> Option<Ipv6Net> {
    let is_v4 = subnet.cidr.unmapped().0.is_ipv4();
    Ipv6Net::new(subnet.cidr.address, subnet.cidr.length).ok().filter(|_| !is_v4)
}

/// The IPv6 name servers of subnets, each once: a subnet's own, none for ::, or else the host, at the address of the DHCP service.
pub(super) fn name_servers<'a>(subnets: impl Iterator<Item = &'a SubnetRow>) -> Vec<Ipv6Addr> {
    let mut all = Vec::new();
    for subnet in subnets {
        let host = subnet.dhcp.map(|server| server.address).filter(|_| subnet.dns.is_empty());
        for server in subnet.dns.iter().copied().chain(host) {
            let is_v6 = server.to_ipv4_mapped().is_none() && !server.is_unspecified();
            if is_v6 && !all.contains(&server) {
                all.push(server);
            }
        }
    }
    all
}
