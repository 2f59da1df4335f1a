//! Routers' interfaces and routes as functions of their keys and a snapshot of the model.

use super::Source;
use crate::Interest;
use crate::reach::{Reach, attached, gateway_hosts, gateway_ports_on, gateways, interfaces};
use hadron_model::{
    ExtraRoute, FloatingIpNumber, Host, HostNumber, Network, NetworkId, NetworkNumber, Port, PortLease,
    PortNumber, Router, RouterNumber, Subnet,
};
use hadron_store::Stored;
use hadron_wire::Row;
use hadron_wire::row::{
    self, FloatingIpRow, FloatingRelayRow, InterfaceAddress, PortLeaseRow, Prefix, RoutePath, RouteRow,
    RouterInterfaceRow,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

impl Source<'_> {
    pub(super) fn router_interface(self, router: u32, number: u32) -> Option<(Interest, Row)> {
        let port = self.model.port_by_number(PortNumber(number))?;
        let (of, gateway) = attached(self.model, port).filter(|(of, _)| of.number.0 == router)?;
        let addresses = port.fixed_ips.iter().filter_map(|fixed| {
            let subnet = self.model.get::<Subnet>(&fixed.subnet_id)?;
            let length = Prefix::of(subnet.cidr.network(), subnet.cidr.prefix_len()).length;
            Some(InterfaceAddress { address: row::address(fixed.ip_address), length })
        });
        let row = RouterInterfaceRow {
            router,
            port: number,
            network: self.model.get::<Network>(&port.network_id)?.number.0,
            mac: port.mac_address.0,
            addresses: addresses.collect(),
            gateway: gateway.map(|gateway| row::Gateway {
                snat: gateway.enable_snat,
                hosts: gateway_hosts(self.model, port.id).map(|host| host.0).collect(),
            }),
        };
        Some((Interest::Router(of.number.0), Row::RouterInterface(row)))
    }

    /// None while none of its next hops is in a subnet of the router's.
    pub(super) fn route(self, router: u32, destination: Prefix) -> Option<(Interest, Row)> {
        let of = self.model.router_by_number(RouterNumber(router)).filter(|of| of.admin_state_up)?;
        let same = of.routes.iter().filter(|route| destination_of(route) == destination);
        let mut paths: Vec<RoutePath> = same
            .filter_map(|route| {
                let mut ports = interfaces(self.model, of.id).chain(gateways(self.model, of.id));
                let port = ports.find(|port| self.is_beside(port, route))?;
                Some(RoutePath { port: port.number.0, gateway: row::address(route.next_hop) })
            })
            .collect();
        if paths.is_empty() && DEFAULTS.contains(&destination) {
            paths.extend(self.default_path(of, destination));
        }
        paths.sort_unstable();
        let row = RouteRow { router, destination, paths };
        (!row.paths.is_empty()).then_some((Interest::Router(router), Row::Route(row)))
    }

    /// The way out by the first of the router's gateways with an address of the family in a subnet that has a gateway itself.
    fn default_path(self, router: &Router, destination: Prefix) -> Option<RoutePath> {
        let is_v4 = destination == DEFAULTS[0];
        let ports = router.gateways.iter().filter_map(|gateway| self.model.get::<Port>(&gateway.port_id));
        let mut ports = ports.filter(|port| {
            attached(self.model, port).is_some_and(|(of, gateway)| of.id == router.id && gateway.is_some())
        });
        ports.find_map(|port| {
            let subnets =
                port.fixed_ips.iter().filter_map(|fixed| self.model.get::<Subnet>(&fixed.subnet_id));
            let next = subnets.filter_map(|subnet| subnet.gateway_ip).find(|next| next.is_ipv4() == is_v4)?;
            Some(RoutePath { port: port.number.0, gateway: row::address(next) })
        })
    }

    pub(super) fn floating_ip(self, number: u32) -> Option<(Interest, Row)> {
        let floating = self.model.floating_ip_by_number(FloatingIpNumber(number))?;
        let association = floating.association?;
        let router = self.model.get::<Router>(&floating.router_id?)?;
        let mut gateways = gateways(self.model, router.id);
        let gateway = gateways.find(|port| port.network_id == floating.floating_network_id)?;
        let port = self.model.get::<Port>(&association.port_id)?;
        let host = self.host_of(port)?;
        let row = FloatingIpRow {
            number,
            network: self.model.get::<Network>(&floating.floating_network_id)?.number.0,
            address: row::address(floating.floating_ip_address),
            router: router.number.0,
            interface: gateway.number.0,
            port: port.number.0,
            inside: row::address(association.fixed_ip_address),
        };
        Some((Interest::Host(host.number.0), Row::FloatingIp(row)))
    }

    /// None for a floating IP of a host that has a way outside of its own.
    pub(super) fn floating_relay(self, router: u32, number: u32) -> Option<(Interest, Row)> {
        let (_, Row::FloatingIp(own)) = self.floating_ip(number)? else { return None };
        let port = self.model.port_by_number(PortNumber(own.port))?;
        let network = self.model.network_by_number(NetworkNumber(own.network))?;
        let host = self.host_of(port).filter(|host| !host.reaches(&network.segment))?;
        let row = FloatingRelayRow {
            router,
            floating_ip: number,
            network: own.network,
            address: own.address,
            interface: own.interface,
            host: host.number.0,
        };
        (own.router == router).then_some((Interest::Router(router), Row::FloatingRelay(row)))
    }

    pub(super) fn port_lease(self, router: u32, interface: u32, host: u32) -> Option<(Interest, Row)> {
        let port = self.model.port_by_number(PortNumber(interface))?;
        let (of, gateway) = attached(self.model, port).filter(|(of, _)| of.number.0 == router)?;
        gateway?;
        let lease = self.model.get::<PortLease>(&(port.id, HostNumber(host)))?;
        let address = port.fixed_ips.iter().map(|fixed| fixed.ip_address).find(IpAddr::is_ipv4)?;
        let row = PortLeaseRow {
            router,
            interface,
            host,
            network: self.model.get::<Network>(&port.network_id)?.number.0,
            address: row::address(address),
            blocks: lease.blocks.clone(),
        };
        Some((Interest::Router(of.number.0), Row::PortLease(row)))
    }

    /// Whether the route's next hop is in a subnet of the port.
    fn is_beside(self, port: &Port, route: &ExtraRoute) -> bool {
        let mut subnets =
            port.fixed_ips.iter().filter_map(|fixed| self.model.get::<Subnet>(&fixed.subnet_id));
        subnets.any(|subnet| subnet.cidr.contains(&route.next_hop))
    }

    /// Whether the host has a port in the network, or in one from which routers lead there, or stands for a router that leads there.
    pub(super) fn reaches_network(self, host: &str, network: NetworkId) -> bool {
        self.model.host_network_ports(host, network) > 0
            || Reach::of(self.model, network).has_port_of(self.model, host)
            || self.leads_outside(host, network)
    }

    /// Whether the host has a port in a network from which routers lead to this external one, or stands for a router there.
    fn leads_outside(self, host: &str, network: NetworkId) -> bool {
        let ports = || gateway_ports_on(self.model, network);
        if ports().next().is_none() {
            return false;
        }
        let number = self.model.get::<Host>(&host.to_owned()).map(|host| host.number);
        let stands = |port: &Arc<Stored<Port>>| {
            attached(self.model, port).is_some()
                && gateway_hosts(self.model, port.id).any(|host| Some(host) == number)
        };
        if ports().any(stands) {
            return true;
        }
        let mut reach = Reach::default();
        self.model.host_networks(host).for_each(|(own, _)| reach.extend(self.model, own));
        reach.outside.contains(&network)
    }

    /// Whether the host has a port in a network from which the router can be reached, or stands for one there.
    pub(super) fn reaches_router(self, host: &str, router: u32) -> bool {
        let Some(router) = self.model.router_by_number(RouterNumber(router)) else { return false };
        let mut reach = Reach::default();
        reach.extend_by(self.model, router.id);
        reach.has_port_of(self.model, host)
    }
}

/// Everywhere, for each family.
pub(crate) const DEFAULTS: [Prefix; 2] = [
    Prefix { address: Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(), length: 96 },
    Prefix { address: Ipv6Addr::UNSPECIFIED, length: 0 },
];

/// Where the route leads, as rows have it.
pub(crate) fn destination_of(route: &ExtraRoute) -> Prefix {
    Prefix::of(route.destination.network(), route.destination.prefix_len())
}
