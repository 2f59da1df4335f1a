//! How far routers lead: the networks and routers that hang together.
//!
//! A packet is routed at its sender's host, so a host needs all that its ports can reach: every network and router that is connected
//! to one of theirs. The way ends at external networks, which belong to what is reached, but lead no further: a router's gateway is no
//! interface.

use hadron_model::network::TRANSIT_VNIS;
use hadron_model::{
    Gateway, GatewayHosts, Host, HostNumber, Network, NetworkId, Port, PortId, Router, RouterId,
    RouterPortRole, Vni,
};
use hadron_store::{Snapshot, Stored};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What hangs together.
#[derive(Default, Debug)]
pub(crate) struct Reach {
    /// Networks.
    pub(crate) networks: BTreeSet<NetworkId>,
    /// Routers that are up.
    pub(crate) routers: BTreeSet<RouterId>,
    /// External networks of these.
    pub(crate) outside: BTreeSet<NetworkId>,
    /// The hosts that stand for these routers there.
    pub(crate) gateways: BTreeSet<HostNumber>,
}

impl Reach {
    /// All that is connected with a network, and the network itself.
    pub(crate) fn of(model: &Snapshot, network: NetworkId) -> Self {
        let mut reach = Self::default();
        reach.extend(model, network);
        reach
    }

    /// Adds all that is connected with a network, and the network itself.
    pub(crate) fn extend(&mut self, model: &Snapshot, network: NetworkId) {
        let mut open = vec![network];
        while let Some(network) = open.pop() {
            if !self.networks.insert(network) {
                continue;
            }
            for router in routers_on(model, network) {
                if self.routers.insert(router) {
                    open.extend(interfaces(model, router).map(|port| port.network_id));
                    self.lead_outside(model, router);
                }
            }
        }
    }

    /// Adds all that is connected with a router, and the router itself.
    pub(crate) fn extend_by(&mut self, model: &Snapshot, router: RouterId) {
        if model.get::<Router>(&router).is_some_and(|router| router.admin_state_up)
            && self.routers.insert(router)
        {
            self.lead_outside(model, router);
        }
        let networks: Vec<_> = interfaces(model, router).map(|port| port.network_id).collect();
        networks.into_iter().for_each(|network| self.extend(model, network));
    }

    fn lead_outside(&mut self, model: &Snapshot, router: RouterId) {
        for port in gateways(model, router) {
            self.outside.insert(port.network_id);
            self.gateways.extend(gateway_hosts(model, port.id));
        }
    }

    /// Whether a host has a port in any of the networks, or stands for any of the routers.
    pub(crate) fn has_port_of(&self, model: &Snapshot, host: &str) -> bool {
        self.networks.iter().any(|network| model.host_network_ports(host, *network) > 0)
            || model.get::<Host>(&host.to_owned()).is_some_and(|host| self.gateways.contains(&host.number))
    }
}

/// The routers that are up and have an interface on the network.
fn routers_on(model: &Snapshot, network: NetworkId) -> impl Iterator<Item = RouterId> + '_ {
    model.router_ports_on(network).filter_map(move |port| interface_of(model, port).map(|router| router.id))
}

/// The ports of a router that route, and do so now.
pub(crate) fn interfaces(model: &Snapshot, router: RouterId) -> impl Iterator<Item = &Arc<Stored<Port>>> {
    model.router_ports(router).filter(move |port| interface_of(model, port).is_some())
}

/// The ports of a router on external networks, while it is up.
pub(crate) fn gateways(model: &Snapshot, router: RouterId) -> impl Iterator<Item = &Arc<Stored<Port>>> {
    let is_gateway = |port: &Port| attached(model, port).is_some_and(|(_, gateway)| gateway.is_some());
    model.router_ports(router).filter(move |port| is_gateway(port))
}

/// The hosts that stand for a router at its port outside, in their order.
pub(crate) fn gateway_hosts(model: &Snapshot, port: PortId) -> impl Iterator<Item = HostNumber> + '_ {
    model.get::<GatewayHosts>(&port).into_iter().flat_map(|gateway| gateway.hosts.iter().copied())
}

/// The ports of routers that lead to a network, up or not.
pub(crate) fn gateway_ports_on(
    model: &Snapshot,
    network: NetworkId,
) -> impl Iterator<Item = &Arc<Stored<Port>>> {
    let is_gateway = |port: &&Arc<Stored<Port>>| matches!(port.router(), Some((_, RouterPortRole::Gateway)));
    model.router_ports_on(network).filter(is_gateway)
}

/// The identifier by which hosts bring each other packets of a network: its own, or where it is in a physical network, and routers lead
/// there, the one of the network's number in the range that is kept for that. Networks of higher numbers have none: their hosts can't relay.
pub(crate) fn vni(model: &Snapshot, network: &Network) -> Option<u32> {
    if network.segment.physical().is_none() {
        return network.segment.vni().map(Vni::get);
    }
    gateway_ports_on(model, network.id).next()?;
    let number = network.number.0;
    (number <= TRANSIT_VNIS.end() - TRANSIT_VNIS.start()).then(|| TRANSIT_VNIS.start() + number)
}

/// The router of which the port is an interface, if both are up.
pub(crate) fn interface_of<'a>(model: &'a Snapshot, port: &Port) -> Option<&'a Arc<Stored<Router>>> {
    attached(model, port).filter(|(_, gateway)| gateway.is_none()).map(|(router, _)| router)
}

/// The router that the port attaches to its network, if both are up, and how, if that network is an external one.
pub(crate) fn attached<'a>(
    model: &'a Snapshot,
    port: &Port,
) -> Option<(&'a Arc<Stored<Router>>, Option<&'a Gateway>)> {
    let (router, role) = port.router()?;
    let router =
        model.get::<Router>(&router).filter(|router| router.admin_state_up && port.admin_state_up)?;
    let gateway = match role {
        RouterPortRole::Interface => None,
        RouterPortRole::Gateway => Some(router.gateways.iter().find(|gateway| gateway.port_id == port.id)?),
    };
    Some((router, gateway))
}
