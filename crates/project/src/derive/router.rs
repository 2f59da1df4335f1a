//! Routers' interfaces and routes as functions of their keys and a snapshot of the model.

use super::Source;
use crate::Interest;
use crate::reach::{Reach, attached, gateway_hosts, gateway_ports_on, gateways, interfaces};
use hadron_model::{
    AddressScopeId, Delegation, ExtraRoute, FloatingIp, FloatingIpNumber, Host, HostNumber, Network,
    NetworkId, NetworkNumber, Port, PortForwarding, PortLease, PortNumber, PortRange, Router, RouterNumber,
    Subnet, SubnetPool,
};
use hadron_store::Stored;
use hadron_wire::Row;
use hadron_wire::row::{
    self, FloatingIpRow, FloatingRelayRow, ForwardingRow, InterfaceAddress, PortLeaseRow, Prefix, RoutePath,
    RouteRow, RouterInterfaceRow,
};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

impl<'a> Source<'a> {
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
                is_one_of_several: of.gateways.len() > 1,
            }),
            scopes: [true, false].map(|is_v4| Some(self.scope_of(port.network_id, is_v4)?.0.into_bytes())),
        };
        Some((Interest::Router(of.number.0), Row::RouterInterface(row)))
    }

    /// The address scope that the network is in with its subnets of a family, which are of one.
    fn scope_of(self, network: NetworkId, is_v4: bool) -> Option<AddressScopeId> {
        let mut subnets =
            self.model.subnets_of(network).filter(|subnet| subnet.cidr.addr().is_ipv4() == is_v4);
        subnets.find_map(|subnet| self.model.get::<SubnetPool>(&subnet.subnetpool_id?)?.address_scope_id)
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
        paths.extend(self.delegated_paths(of, destination));
        let mut others = Vec::new();
        if DEFAULTS.contains(&destination) {
            let mut ways = self.ways_out(of, destination);
            if paths.is_empty() {
                let chosen = if of.default_route_ecmp == Some(true) { ways.len() } else { 1 };
                paths.extend(ways.drain(..chosen.min(ways.len())));
            }
            others = if of.gateways.len() > 1 { ways } else { Vec::new() };
        }
        let is_watched = DEFAULTS.contains(&destination) && of.default_route_bfd == Some(true);
        paths.sort_unstable();
        paths.dedup();
        let row = RouteRow { router, destination, paths, others, is_watched };
        (!row.paths.is_empty()).then_some((Interest::Router(router), Row::Route(row)))
    }

    /// The ways to the ports beside the router to which the prefix is delegated: to the first IPv6 address of each that is beside, by the
    /// first interface that is.
    fn delegated_paths(self, router: &Router, destination: Prefix) -> impl Iterator<Item = RoutePath> {
        let mut paths = BTreeMap::new();
        for interface in interfaces(self.model, router.id) {
            for holder in self.model.delegations_on(interface.network_id) {
                if holder.details.delegation.is_none_or(|it| delegated(it) != destination) {
                    continue;
                }
                let mut own = holder.fixed_ips.iter().map(|fixed| fixed.ip_address);
                if let Some(next) = own.find(|next| next.is_ipv6() && self.has_subnet_with(interface, *next))
                {
                    paths.entry(row::address(next)).or_insert(interface.number.0);
                }
            }
        }
        paths.into_iter().map(|(gateway, port)| RoutePath { port, gateway })
    }

    /// The ways out by those of the router's gateways that have an address of the family in a subnet that has a gateway itself.
    fn ways_out(self, router: &Router, destination: Prefix) -> Vec<RoutePath> {
        let is_v4 = destination == DEFAULTS[0];
        let ports = router.gateways.iter().filter_map(|gateway| self.model.get::<Port>(&gateway.port_id));
        let ports = ports.filter(|port| {
            attached(self.model, port).is_some_and(|(of, gateway)| of.id == router.id && gateway.is_some())
        });
        let ways = ports.filter_map(|port| {
            let subnets =
                port.fixed_ips.iter().filter_map(|fixed| self.model.get::<Subnet>(&fixed.subnet_id));
            let next = subnets.filter_map(|subnet| subnet.gateway_ip).find(|next| next.is_ipv4() == is_v4)?;
            Some(RoutePath { port: port.number.0, gateway: row::address(next) })
        });
        ways.collect()
    }

    /// The router that translates a floating IP, and its port on the floating IP's network: of several the first that has an address of the
    /// same subnet, or the first.
    fn translator(self, floating: &FloatingIp) -> Option<(&'a Router, &'a Port)> {
        let router = self.model.get::<Router>(&floating.router_id?)?;
        let beside =
            gateways(self.model, router.id).filter(|port| port.network_id == floating.floating_network_id);
        let gateway = beside.min_by_key(|port| !self.has_subnet_with(port, floating.floating_ip_address))?;
        Some((router, gateway))
    }

    pub(super) fn floating_ip(self, number: u32) -> Option<(Interest, Row)> {
        let floating = self.model.floating_ip_by_number(FloatingIpNumber(number))?;
        let association = floating.association?;
        let (router, gateway) = self.translator(floating)?;
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

    pub(super) fn forwarding(
        self,
        router: u32,
        number: u32,
        (protocol, first): (u8, u16),
    ) -> Option<(Interest, Row)> {
        let floating = self.model.floating_ip_by_number(FloatingIpNumber(number))?;
        let (of, gateway) = self.translator(floating).filter(|(of, _)| of.number.0 == router)?;
        let mut all = self.model.forwardings_of_floating_ip(floating.id);
        let found = all.find(|found| (found.protocol.number(), first_port(found)) == (protocol, first))?;
        let port = self.model.get::<Port>(&found.internal_port_id)?;
        let row = ForwardingRow {
            router: of.number.0,
            floating_ip: number,
            protocol,
            network: self.model.get::<Network>(&floating.floating_network_id)?.number.0,
            address: row::address(floating.floating_ip_address),
            interface: gateway.number.0,
            first,
            last: found.external.map_or(u16::MAX, PortRange::last),
            host: self.host_of(port).map_or(0, |host| host.number.0),
            port: port.number.0,
            inside: row::address(found.internal_ip_address),
            inside_port: found.internal.map_or(0, PortRange::first),
            single: found.internal.is_some_and(|range| range.count() == 1),
        };
        Some((Interest::Router(router), Row::Forwarding(row)))
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
            blocks: lease.blocks_in_force(),
            slots: lease.slots_in_force(),
        };
        Some((Interest::Router(of.number.0), Row::PortLease(row)))
    }

    /// Whether the route's next hop is in a subnet of the port.
    fn is_beside(self, port: &Port, route: &ExtraRoute) -> bool {
        self.has_subnet_with(port, route.next_hop)
    }

    fn has_subnet_with(self, port: &Port, address: IpAddr) -> bool {
        let mut subnets =
            port.fixed_ips.iter().filter_map(|fixed| self.model.get::<Subnet>(&fixed.subnet_id));
        subnets.any(|subnet| subnet.cidr.contains(&address))
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

/// The first of the forwarded ports; 0 of a protocol that has none.
pub(crate) fn first_port(forwarding: &PortForwarding) -> u16 {
    forwarding.external.map_or(0, PortRange::first)
}

/// Where the route leads, as rows have it.
pub(crate) fn destination_of(route: &ExtraRoute) -> Prefix {
    Prefix::of(route.destination.network(), route.destination.prefix_len())
}

/// Where a delegated prefix is, as rows have it.
pub(crate) fn delegated(delegation: Delegation) -> Prefix {
    Prefix::of(delegation.prefix.network(), delegation.prefix.prefix_len())
}
