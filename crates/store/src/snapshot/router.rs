//! Routers, floating IPs and port forwardings. Each answer takes logarithmic time to find and is then linear in what it lists.

use super::{Record1, Snapshot};
use hadron_model::{
    FloatingIp, FloatingIpId, FloatingIpNumber, NetworkId, Port, PortForwarding, PortForwardingId, PortId,
    Router, RouterId, RouterNumber,
};
use uuid::Uuid;

/// The lowest identity, where a range begins.
const NIL: Uuid = Uuid::nil();

/// Routers and their ports.
impl Snapshot {
    /// The router with this number.
    pub fn router_by_number(&self, number: RouterNumber) -> Option<&Record1<Router>> {
        self.find::<Router>(self.indexes.routing.router_numbers.get(&number)?)
    }

    /// A project's routers, by id.
    pub fn routers_of_project(&self, project: &str) -> impl Iterator<Item = &Record1<Router>> {
        let owned = self.indexes.projects.get(project).into_iter();
        owned.flat_map(|owned| owned.routers.iter()).filter_map(|id| self.find::<Router>(id))
    }

    /// How many routers a project has.
    pub fn count_routers_of_project(&self, project: &str) -> usize {
        self.indexes.projects.get(project).map_or(0, |owned| owned.routers.len())
    }

    /// A router's ports, interfaces and gateways, by id. [`Port::router`] tells which is which.
    pub fn router_ports(&self, router: RouterId) -> impl Iterator<Item = &Record1<Port>> {
        let first = (router, PortId(NIL));
        let pairs = self.indexes.routing.router_ports.range(first..).take_while(move |pair| pair.0 == router);
        pairs.filter_map(|pair| self.find::<Port>(&pair.1))
    }

    /// The ports on a network that belong to routers, by router and id.
    pub fn router_ports_on(&self, network: NetworkId) -> impl Iterator<Item = &Record1<Port>> {
        self.routers_and_ports_on(network).filter_map(|(_, port)| self.find::<Port>(&port))
    }

    /// The routers with a port on a network, each once, by id.
    pub fn routers_on(&self, network: NetworkId) -> impl Iterator<Item = RouterId> + '_ {
        let mut last = None;
        self.routers_and_ports_on(network)
            .map(|(router, _)| router)
            .filter(move |router| last.replace(*router) != Some(*router))
    }

    fn routers_and_ports_on(&self, network: NetworkId) -> impl Iterator<Item = (RouterId, PortId)> + '_ {
        let first = (network, RouterId(NIL), PortId(NIL));
        let entries = self.indexes.routing.network_routers.range(first..);
        entries.take_while(move |entry| entry.0 == network).map(|entry| (entry.1, entry.2))
    }
}

/// Floating IPs and port forwardings.
impl Snapshot {
    /// The floating IP with this number.
    pub fn floating_ip_by_number(&self, number: FloatingIpNumber) -> Option<&Record1<FloatingIp>> {
        self.find::<FloatingIp>(self.indexes.routing.floating_ip_numbers.get(&number)?)
    }

    /// A project's floating IPs, by id.
    pub fn floating_ips_of_project(&self, project: &str) -> impl Iterator<Item = &Record1<FloatingIp>> {
        let owned = self.indexes.projects.get(project).into_iter();
        owned.flat_map(|owned| owned.floating_ips.iter()).filter_map(|id| self.find::<FloatingIp>(id))
    }

    /// How many floating IPs a project has.
    pub fn count_floating_ips_of_project(&self, project: &str) -> usize {
        self.indexes.projects.get(project).map_or(0, |owned| owned.floating_ips.len())
    }

    /// The floating IPs of an external network, by id.
    pub fn floating_ips_of_network(&self, network: NetworkId) -> impl Iterator<Item = &Record1<FloatingIp>> {
        let first = (network, FloatingIpId(NIL));
        let pairs = self.indexes.routing.network_floating_ips.range(first..);
        let pairs = pairs.take_while(move |pair| pair.0 == network);
        pairs.filter_map(|pair| self.find::<FloatingIp>(&pair.1))
    }

    /// The floating IPs that a router translates, whole or by port forwardings, by id.
    pub fn floating_ips_of_router(&self, router: RouterId) -> impl Iterator<Item = &Record1<FloatingIp>> {
        let first = (router, FloatingIpId(NIL));
        let pairs = self.indexes.routing.router_floating_ips.range(first..);
        let pairs = pairs.take_while(move |pair| pair.0 == router);
        pairs.filter_map(|pair| self.find::<FloatingIp>(&pair.1))
    }

    /// The floating IPs that lead to a port, by id.
    pub fn floating_ips_of_port(&self, port: PortId) -> impl Iterator<Item = &Record1<FloatingIp>> {
        let first = (port, FloatingIpId(NIL));
        let pairs =
            self.indexes.routing.port_floating_ips.range(first..).take_while(move |pair| pair.0 == port);
        pairs.filter_map(|pair| self.find::<FloatingIp>(&pair.1))
    }

    /// The port forwardings of a floating IP, by id.
    pub fn forwardings_of_floating_ip(
        &self,
        floating: FloatingIpId,
    ) -> impl Iterator<Item = &Record1<PortForwarding>> {
        let first = (floating, PortForwardingId(NIL));
        let pairs = self.indexes.routing.floating_ip_forwardings.range(first..);
        let pairs = pairs.take_while(move |pair| pair.0 == floating);
        pairs.filter_map(|pair| self.find::<PortForwarding>(&pair.1))
    }

    /// The port forwardings that lead to a port, by id.
    pub fn forwardings_of_port(&self, port: PortId) -> impl Iterator<Item = &Record1<PortForwarding>> {
        let first = (port, PortForwardingId(NIL));
        let pairs =
            self.indexes.routing.port_forwardings.range(first..).take_while(move |pair| pair.0 == port);
        pairs.filter_map(|pair| self.find::<PortForwarding>(&pair.1))
    }
}
