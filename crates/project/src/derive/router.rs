//! Routers' interfaces and routes as functions of their keys and a snapshot of the model.

use super::Source;
use crate::Interest;
use crate::reach::{Reach, interface_of, interfaces};
use hadron_model::{ExtraRoute, Network, NetworkId, Port, PortNumber, RouterNumber, Subnet};
use hadron_wire::Row;
use hadron_wire::row::{self, InterfaceAddress, Prefix, RoutePath, RouteRow, RouterInterfaceRow};

impl Source<'_> {
    pub(super) fn router_interface(self, router: u32, number: u32) -> Option<(Interest, Row)> {
        let port = self.model.port_by_number(PortNumber(number))?;
        let of = interface_of(self.model, port).filter(|of| of.number.0 == router)?;
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
        };
        Some((Interest::Router(of.number.0), Row::RouterInterface(row)))
    }

    /// None while none of its next hops is in a subnet of the router's.
    pub(super) fn route(self, router: u32, destination: Prefix) -> Option<(Interest, Row)> {
        let of = self.model.router_by_number(RouterNumber(router)).filter(|of| of.admin_state_up)?;
        let same = of.routes.iter().filter(|route| destination_of(route) == destination);
        let mut paths: Vec<RoutePath> = same
            .filter_map(|route| {
                let port = interfaces(self.model, of.id).find(|port| self.is_beside(port, route))?;
                Some(RoutePath { port: port.number.0, gateway: row::address(route.next_hop) })
            })
            .collect();
        paths.sort_unstable();
        let row = RouteRow { router, destination, paths };
        (!row.paths.is_empty()).then_some((Interest::Router(router), Row::Route(row)))
    }

    /// Whether the route's next hop is in a subnet of the port.
    fn is_beside(self, port: &Port, route: &ExtraRoute) -> bool {
        let mut subnets =
            port.fixed_ips.iter().filter_map(|fixed| self.model.get::<Subnet>(&fixed.subnet_id));
        subnets.any(|subnet| subnet.cidr.contains(&route.next_hop))
    }

    /// Whether the host has a port in the network, or in one from which routers lead there.
    pub(super) fn reaches_network(self, host: &str, network: NetworkId) -> bool {
        self.model.host_network_ports(host, network) > 0
            || Reach::of(self.model, network).has_port_of(self.model, host)
    }

    /// Whether the host has a port in a network from which the router can be reached.
    pub(super) fn reaches_router(self, host: &str, router: u32) -> bool {
        let Some(router) = self.model.router_by_number(RouterNumber(router)) else { return false };
        let mut reach = Reach::default();
        interfaces(self.model, router.id).for_each(|port| reach.extend(self.model, port.network_id));
        reach.has_port_of(self.model, host)
    }
}

/// Where the route leads, as rows have it.
pub(crate) fn destination_of(route: &ExtraRoute) -> Prefix {
    Prefix::of(route.destination.network(), route.destination.prefix_len())
}
