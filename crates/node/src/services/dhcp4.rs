//! What a port is told by DHCPv4.

use crate::apply::rules::serves_dhcp4;
use hadron_model::Mac;
use hadron_responders::dhcp4::{Extra, Lease};
use hadron_wire::held::Held;
use hadron_wire::row::{HostRoute, NetworkRow, PortRow, Prefix, SubnetRow, unmapped};
use ipnet::Ipv4Net;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where instances ask who they are: EC2's address, which OpenStack took over.
const METADATA: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 169, 254), 32);

/// A lease for each of the port's addresses in a subnet with DHCP, in the order of the addresses.
pub(super) fn leases(
    rows: &Held,
    network: &NetworkRow,
    port: &PortRow,
    extra: &Extra,
    domain: &str,
) -> Vec<Lease> {
    let leases = port.addresses.iter().filter_map(|address| {
        let subnet = rows.subnets(port.network).find(|subnet| subnet.number == address.subnet)?;
        let lease = lease_of(network, subnet, port, v4(address.address)?, domain)?;
        Some(Lease { static_routes: routes(rows, subnet, lease.server_id), extra: extra.clone(), ..lease })
    });
    leases.collect()
}

fn lease_of(
    network: &NetworkRow,
    subnet: &SubnetRow,
    port: &PortRow,
    address: Ipv4Addr,
    domain: &str,
) -> Option<Lease> {
    if !serves_dhcp4(subnet) {
        return None;
    }
    let server = subnet.dhcp?;
    let (_, prefix_len) = subnet.cidr.unmapped();
    Some(Lease {
        mac: Mac(port.mac),
        address,
        prefix_len,
        server_id: v4(server.address)?,
        server_mac: Mac(server.mac),
        router: subnet.gateway.and_then(v4),
        dns: name_servers(subnet, server.address),
        mtu: u16::try_from(network.mtu).unwrap_or(u16::MAX),
        lease_seconds: subnet.lease_seconds,
        domain: domain.to_owned(),
        static_routes: Vec::new(),
        hostname: hostname(port, address),
        extra: Extra::default(),
    })
}

/// The subnet's own, none for 0.0.0.0, or else the host, at the address of the DHCP service.
fn name_servers(subnet: &SubnetRow, host: Ipv6Addr) -> Vec<Ipv4Addr> {
    let all: &[Ipv6Addr] = if subnet.dns.is_empty() { &[host] } else { &subnet.dns };
    all.iter().copied().filter_map(v4).filter(|server| !server.is_unspecified()).collect()
}

/// The first label of the port's name, or one made of its address.
fn hostname(port: &PortRow, address: Ipv4Addr) -> String {
    match port.dns_name.split('.').next() {
        Some(label) if !label.is_empty() => label.to_owned(),
        _ => format!("host-{}", address.to_string().replace('.', "-")),
    }
}

/// The routes of the subnet, those to the network's other subnets, which are on the same link, and the one to the metadata address,
/// by the DHCP service: so it is there on a network without a router too. What the subnet itself says goes first.
fn routes(rows: &Held, subnet: &SubnetRow, server: Ipv4Addr) -> Vec<(Ipv4Net, Ipv4Addr)> {
    let others = rows.subnets(subnet.network).filter(|other| other.number != subnet.number);
    let beside = others.filter_map(|other| Some((v4_net(&other.cidr)?, Ipv4Addr::UNSPECIFIED)));
    let mut routes: Vec<_> = subnet.host_routes.iter().filter_map(route).collect();
    for route in beside.chain([(METADATA, server)]) {
        if routes.iter().all(|(destination, _)| *destination != route.0) {
            routes.push(route);
        }
    }
    routes
}

fn route(route: &HostRoute) -> Option<(Ipv4Net, Ipv4Addr)> {
    Some((v4_net(&route.destination)?, v4(route.nexthop)?))
}

fn v4_net(prefix: &Prefix) -> Option<Ipv4Net> {
    match prefix.unmapped() {
        (IpAddr::V4(address), length) => Ipv4Net::new(address, length).ok(),
        (IpAddr::V6(_), _) => None,
    }
}

fn v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match unmapped(address) {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}
