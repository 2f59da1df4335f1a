//! What a change of routers and their ports touches.

use super::Touched;
use crate::Interest;
use crate::derive::{DEFAULTS, delegated, destination_of, first_port};
use crate::reach::{Reach, attached, interface_of, vni};
use hadron_model::{
    FloatingIp, FloatingIpId, GatewayHosts, Host, HostNumber, Network, NetworkId, Port, PortForwarding,
    PortId, PortLease, Router, RouterId, RouterNumber, SubnetPool, SubnetPoolId,
};
use hadron_store::Snapshot;
use hadron_wire::RowKey;
use std::collections::BTreeSet;

impl Touched {
    /// A router that came, went or has other routes or another state.
    pub(super) fn router(&mut self, id: RouterId, sides: [&Snapshot; 2]) {
        let facts = |router: &Router| (router.admin_state_up, router.gateways.clone());
        let [before, after] = sides.map(|side| side.get::<Router>(&id).map(|router| facts(router)));
        self.routes(id, sides);
        if before != after {
            for side in sides {
                side.floating_ips_of_router(id).for_each(|floating| self.floating_ip(floating, sides));
            }
            for side in sides {
                for port in side.router_ports(id) {
                    self.interface(port, id, sides);
                }
                self.surroundings(id, side.router_ports(id).map(|port| port.network_id), sides);
            }
        }
    }

    /// A port on one of the sides, if it is a router's.
    pub(super) fn router_port(&mut self, port: &Port, sides: [&Snapshot; 2]) {
        let Some((router, _)) = port.router() else { return };
        self.interface(port, router, sides);
        self.leases(port, router, sides);
        self.routes(router, sides);
        self.transit(port.network_id, sides);
        let [before, after] = sides.map(|side| {
            let port = side.get::<Port>(&port.id)?;
            Some((interface_of(side, port)?.id, port.network_id))
        });
        if before != after {
            self.surroundings(router, [port.network_id].into_iter(), sides);
        }
        let [before, after] = sides.map(|side| {
            let port = side.get::<Port>(&port.id)?;
            let (_, gateway) = attached(side, port)?;
            Some((gateway?, port.fixed_ips.clone()))
        });
        if before != after {
            for side in sides {
                side.floating_ips_of_router(router).for_each(|floating| self.floating_ip(floating, sides));
                self.surroundings(router, side.router_ports(router).map(|port| port.network_id), sides);
            }
        }
    }

    /// The hosts that stand for a router outside, at this port of its.
    pub(super) fn gateway_hosts(&mut self, port: PortId, sides: [&Snapshot; 2]) {
        for side in sides {
            let Some(port) = side.get::<Port>(&port) else { continue };
            let Some((router, _)) = port.router() else { continue };
            self.interface(port, router, sides);
            for side in sides {
                let mut reach = Reach::default();
                reach.extend_by(side, router);
                self.reached_by_gateways(&reach, sides);
            }
        }
    }

    /// What a lease of ports is to the hosts that reach the router.
    pub(super) fn port_lease(&mut self, (port, host): (PortId, HostNumber), sides: [&Snapshot; 2]) {
        for port in sides.into_iter().filter_map(|side| side.get::<Port>(&port)) {
            let Some((router, _)) = port.router() else { continue };
            for router in numbers(router, sides) {
                let (router, interface, host) = (router.0, port.number.0, host.0);
                self.rows.insert(RowKey::PortLease { router, interface, host });
            }
        }
    }

    /// All leases of a router's port.
    fn leases(&mut self, port: &Port, router: RouterId, sides: [&Snapshot; 2]) {
        for side in sides {
            let leases = side.iter_from::<PortLease>((port.id, HostNumber(0)));
            for lease in leases.take_while(|lease| lease.port_id == port.id) {
                for router in numbers(router, sides) {
                    let (router, interface, host) = (router.0, port.number.0, lease.host.0);
                    self.rows.insert(RowKey::PortLease { router, interface, host });
                }
            }
        }
    }

    /// Whether hosts bring each other packets of a physical network, which they do from its first router on.
    fn transit(&mut self, network: NetworkId, sides: [&Snapshot; 2]) {
        let [before, after] =
            sides.map(|side| side.get::<Network>(&network).and_then(|network| vni(side, network)));
        if before == after {
            return;
        }
        for side in sides {
            let Some(found) = side.get::<Network>(&network) else { continue };
            self.rows.insert(RowKey::Network(found.number.0));
            side.ports_of_network(network).for_each(|port| self.port(port, sides));
            self.presences(network, side);
        }
    }

    /// What hosts that stand for routers reach, as they do or did.
    fn reached_by_gateways(&mut self, reach: &Reach, sides: [&Snapshot; 2]) {
        let names = reach.gateways.iter().flat_map(|host| {
            sides.into_iter().filter_map(|side| side.host_by_number(*host)).map(|host| host.name.clone())
        });
        let names: BTreeSet<String> = names.collect();
        names.iter().for_each(|host| self.reached(host, reach, sides));
    }

    /// What is reached by the routers that a host stands for.
    pub(super) fn stands_for(&mut self, host: HostNumber, side: &Snapshot, sides: [&Snapshot; 2]) {
        for gateway in side.iter::<GatewayHosts>().filter(|gateway| gateway.hosts.contains(&host)) {
            let router = side.get::<Port>(&gateway.port_id).and_then(|port| port.router());
            let Some((router, _)) = router else { continue };
            let mut reach = Reach::default();
            reach.extend_by(side, router);
            self.reached_by_gateways(&reach, sides);
        }
    }

    /// A subnet pool that may be of another address scope.
    pub(super) fn subnet_pool(&mut self, id: SubnetPoolId, sides: [&Snapshot; 2]) {
        let [before, after] =
            sides.map(|side| side.get::<SubnetPool>(&id).and_then(|pool| pool.address_scope_id));
        if before == after {
            return;
        }
        for side in sides {
            let networks: BTreeSet<NetworkId> =
                side.subnets_of_pool(id).map(|subnet| subnet.network_id).collect();
            for port in networks.into_iter().flat_map(|network| side.router_ports_on(network)) {
                if let Some((router, _)) = port.router() {
                    self.interface(port, router, sides);
                }
            }
        }
    }

    /// A floating IP that came, went or has changed itself.
    pub(super) fn floating_ip_changed(&mut self, id: FloatingIpId, sides: [&Snapshot; 2]) {
        let [before, after] = sides.map(|side| side.get::<FloatingIp>(&id));
        let is_moved = before.map(|floating| floating.router_id) != after.map(|floating| floating.router_id);
        for floating in [before, after].into_iter().flatten() {
            self.floating_ip_alone(floating, sides);
            if is_moved {
                self.forwardings(floating, sides);
            }
        }
    }

    pub(super) fn floating_ip(&mut self, floating: &FloatingIp, sides: [&Snapshot; 2]) {
        self.floating_ip_alone(floating, sides);
        self.forwardings(floating, sides);
    }

    /// The forwardings of a floating IP, by the routers that it has or had.
    fn forwardings(&mut self, floating: &FloatingIp, sides: [&Snapshot; 2]) {
        for side in sides {
            side.forwardings_of_floating_ip(floating.id).for_each(|found| self.forwarding(found, sides));
        }
    }

    pub(super) fn forwarding(&mut self, forwarding: &PortForwarding, sides: [&Snapshot; 2]) {
        let floating =
            || sides.into_iter().filter_map(|side| side.get::<FloatingIp>(&forwarding.floating_ip_id));
        let routers = floating().filter_map(|floating| floating.router_id);
        for router in routers.flat_map(|router| numbers(router, sides)) {
            self.rows.extend(floating().map(|floating| RowKey::Forwarding {
                router: router.0,
                floating_ip: floating.number.0,
                protocol: forwarding.protocol.number(),
                port: first_port(forwarding),
            }));
        }
    }

    fn floating_ip_alone(&mut self, floating: &FloatingIp, sides: [&Snapshot; 2]) {
        let floating_ip = floating.number.0;
        self.rows.insert(RowKey::FloatingIp(floating_ip));
        for router in floating.router_id.into_iter().flat_map(|router| numbers(router, sides)) {
            self.rows.insert(RowKey::FloatingRelay { router: router.0, floating_ip });
        }
    }

    /// A network's subnets have changed: what its routers say of them.
    pub(super) fn router_ports_on(&mut self, network: NetworkId, sides: [&Snapshot; 2]) {
        for side in sides {
            for port in side.router_ports_on(network) {
                let Some((router, _)) = port.router() else { continue };
                self.interface(port, router, sides);
                self.routes(router, sides);
            }
        }
    }

    fn interface(&mut self, port: &Port, router: RouterId, sides: [&Snapshot; 2]) {
        for router in numbers(router, sides) {
            self.rows.insert(RowKey::RouterInterface { router: router.0, port: port.number.0 });
        }
    }

    /// All routes of the router.
    fn routes(&mut self, id: RouterId, sides: [&Snapshot; 2]) {
        for router in sides.into_iter().filter_map(|side| side.get::<Router>(&id)) {
            let router_number = router.number.0;
            self.rows
                .extend(DEFAULTS.map(|destination| RowKey::Route { router: router_number, destination }));
            self.rows.extend(
                router.routes.iter().map(|route| RowKey::Route {
                    router: router.number.0,
                    destination: destination_of(route),
                }),
            );
            for side in sides {
                for port in side.router_ports(id) {
                    let holders = side.delegations_on(port.network_id);
                    let delegations = holders.filter_map(|holder| holder.details.delegation);
                    self.rows.extend(delegations.map(|delegation| RowKey::Route {
                        router: router_number,
                        destination: delegated(delegation),
                    }));
                }
            }
        }
    }

    /// A port on one of the sides: routes to what is delegated to it, where that or its addresses have changed.
    pub(super) fn delegation(&mut self, port: &Port, sides: [&Snapshot; 2]) {
        let facts = |port: &Port| (port.details.delegation, port.fixed_ips.clone());
        let [before, after] = sides.map(|side| side.get::<Port>(&port.id).map(|port| facts(port)));
        let Some(delegation) = port.details.delegation.filter(|_| before != after) else { return };
        for side in sides {
            for router in side.routers_on(port.network_id).flat_map(|router| numbers(router, sides)) {
                self.rows.insert(RowKey::Route { router: router.0, destination: delegated(delegation) });
            }
        }
    }

    /// What hangs together with the router and the networks on either side, for all hosts that are in it.
    fn surroundings(
        &mut self,
        router: RouterId,
        networks: impl Iterator<Item = NetworkId>,
        sides: [&Snapshot; 2],
    ) {
        let mut reach = [Reach::default(), Reach::default()];
        for (side, reach) in sides.into_iter().zip(&mut reach) {
            reach.extend_by(side, router);
        }
        for network in networks {
            for (side, reach) in sides.into_iter().zip(&mut reach) {
                reach.extend(side, network);
            }
        }
        let networks = reach.iter().flat_map(|reach| &reach.networks);
        let hosts =
            networks.flat_map(|network| sides.into_iter().flat_map(|side| side.network_hosts(*network)));
        let hosts: BTreeSet<&str> = hosts.map(|(host, _)| host).collect();
        for host in hosts {
            reach.iter().for_each(|reach| self.reached(host, reach, sides));
        }
        reach.iter().for_each(|reach| self.reached_by_gateways(reach, sides));
    }

    /// What the port's host can reach, where its first port in the network came or its last one went.
    pub(super) fn reach_of_port(&mut self, port: &Port, sides: [&Snapshot; 2]) {
        let host = &port.binding.host_id;
        let [before, after] = sides.map(|side| side.host_network_ports(host, port.network_id) > 0);
        if before != after {
            sides.into_iter().for_each(|side| self.reached(host, &Reach::of(side, port.network_id), sides));
        }
    }

    /// What hangs together, for a host that is in it or was.
    pub(super) fn reached(&mut self, host: &str, reach: &Reach, sides: [&Snapshot; 2]) {
        let host = host.to_owned();
        for host in sides.into_iter().filter_map(|side| side.get::<Host>(&host)).map(|host| host.number.0) {
            for network in reach.networks.iter().chain(&reach.outside) {
                for network in sides.into_iter().filter_map(|side| side.get::<Network>(network)) {
                    let network = network.number.0;
                    self.rows.insert(RowKey::Presence { network, host });
                    self.interests.insert((host, Interest::Network(network)));
                }
            }
            for router in reach.routers.iter().flat_map(|router| numbers(*router, sides)) {
                self.interests.insert((host, Interest::Router(router.0)));
            }
        }
    }
}

fn numbers(router: RouterId, sides: [&Snapshot; 2]) -> impl Iterator<Item = RouterNumber> {
    sides.into_iter().filter_map(move |side| side.get::<Router>(&router)).map(|router| router.number)
}
