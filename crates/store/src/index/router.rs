//! Routers, floating IPs and port forwardings: by number and project, by the ports and networks that they name.

use super::{Indexed, Indexes, replace};
use crate::record::Tables;
use hadron_model::{
    FloatingIp, FloatingIpId, FloatingIpNumber, NetworkId, Port, PortForwarding, PortForwardingId, PortId,
    Router, RouterId, RouterNumber,
};
use imbl::{OrdMap, OrdSet};

/// What routers and floating IPs are found by.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Routing {
    pub(crate) router_numbers: OrdMap<RouterNumber, RouterId>,
    pub(crate) router_ports: OrdSet<(RouterId, PortId)>,
    /// A network's ports that belong to routers, by router.
    pub(crate) network_routers: OrdSet<(NetworkId, RouterId, PortId)>,
    pub(crate) floating_ip_numbers: OrdMap<FloatingIpNumber, FloatingIpId>,
    pub(crate) network_floating_ips: OrdSet<(NetworkId, FloatingIpId)>,
    pub(crate) router_floating_ips: OrdSet<(RouterId, FloatingIpId)>,
    /// By the port that they lead to.
    pub(crate) port_floating_ips: OrdSet<(PortId, FloatingIpId)>,
    pub(crate) floating_ip_forwardings: OrdSet<(FloatingIpId, PortForwardingId)>,
    /// By the port that they lead to.
    pub(crate) port_forwardings: OrdSet<(PortId, PortForwardingId)>,
}

/// Brings the router that a port belongs to from `old` to `new`.
pub(super) fn index_port(indexes: &mut Indexes, old: Option<&Port>, new: Option<&Port>) {
    let entry = |port: &Port| port.router().map(|(router, _)| (port.network_id, router, port.id));
    replace(
        indexes,
        old.and_then(entry),
        new.and_then(entry),
        |indexes, entry| {
            indexes.routing.router_ports.remove(&(entry.1, entry.2));
            indexes.routing.network_routers.remove(&entry);
        },
        |indexes, entry| {
            indexes.routing.router_ports.insert((entry.1, entry.2));
            indexes.routing.network_routers.insert(entry);
        },
    );
}

impl Indexed for Router {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|router| (router.number, router.id)),
            new.map(|router| (router.number, router.id)),
            |indexes, (number, _)| indexes.routing.router_numbers.remove(&number),
            |indexes, (number, id)| indexes.routing.router_numbers.insert(number, id),
        );
        replace(
            indexes,
            old.map(|router| (router.project_id.as_str(), router.id)),
            new.map(|router| (router.project_id.as_str(), router.id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.routers.remove(&id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.routers.insert(id)),
        );
    }
}

impl Indexed for FloatingIp {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|floating| (floating.number, floating.id)),
            new.map(|floating| (floating.number, floating.id)),
            |indexes, (number, _)| indexes.routing.floating_ip_numbers.remove(&number),
            |indexes, (number, id)| indexes.routing.floating_ip_numbers.insert(number, id),
        );
        replace(
            indexes,
            old.map(|floating| (floating.project_id.as_str(), floating.id)),
            new.map(|floating| (floating.project_id.as_str(), floating.id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.floating_ips.remove(&id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.floating_ips.insert(id)),
        );
        replace(
            indexes,
            old.map(|floating| (floating.floating_network_id, floating.id)),
            new.map(|floating| (floating.floating_network_id, floating.id)),
            |indexes, pair| indexes.routing.network_floating_ips.remove(&pair),
            |indexes, pair| indexes.routing.network_floating_ips.insert(pair),
        );
        replace(
            indexes,
            old.and_then(|floating| Some((floating.router_id?, floating.id))),
            new.and_then(|floating| Some((floating.router_id?, floating.id))),
            |indexes, pair| indexes.routing.router_floating_ips.remove(&pair),
            |indexes, pair| indexes.routing.router_floating_ips.insert(pair),
        );
        replace(
            indexes,
            old.and_then(|floating| Some((floating.association?.port_id, floating.id))),
            new.and_then(|floating| Some((floating.association?.port_id, floating.id))),
            |indexes, pair| indexes.routing.port_floating_ips.remove(&pair),
            |indexes, pair| indexes.routing.port_floating_ips.insert(pair),
        );
    }
}

impl Indexed for PortForwarding {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|forwarding| (forwarding.floating_ip_id, forwarding.id)),
            new.map(|forwarding| (forwarding.floating_ip_id, forwarding.id)),
            |indexes, pair| indexes.routing.floating_ip_forwardings.remove(&pair),
            |indexes, pair| indexes.routing.floating_ip_forwardings.insert(pair),
        );
        replace(
            indexes,
            old.map(|forwarding| (forwarding.internal_port_id, forwarding.id)),
            new.map(|forwarding| (forwarding.internal_port_id, forwarding.id)),
            |indexes, pair| indexes.routing.port_forwardings.remove(&pair),
            |indexes, pair| indexes.routing.port_forwardings.insert(pair),
        );
    }
}
