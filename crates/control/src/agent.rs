//! Agents: what nodes report of themselves, and what administrators do with that.

use crate::{Error, ObjectError, RouterError, dhcp};
use hadron_model::agent::DEFAULT_ZONE;
use hadron_model::{
    Agent, AgentId, AgentRole, Host, Network, NetworkId, Port, Router, RouterId, RouterPortRole, Timestamp,
};
use hadron_store::{Snapshot, Tx};
use std::collections::{BTreeMap, BTreeSet};

/// What is heard of a host's node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The host.
    pub host: String,
    /// Its availability zone; empty is the default one.
    pub availability_zone: String,
    /// When its connection began.
    pub started_at: Timestamp,
    /// When it was last heard.
    pub heard_at: Timestamp,
}

/// Records that a node was heard; its agents are there from then on. A host that was removed has none.
pub fn report(tx: &mut Tx, report: &Report) -> Result<(), Error> {
    if tx.get::<Host>(&report.host).is_none() {
        return Ok(());
    }
    for role in AgentRole::ALL {
        let known =
            tx.view().agents_of_host(&report.host).find(|agent| agent.role == role).map(|agent| agent.id);
        let known = known.and_then(|id| tx.get::<Agent>(&id));
        let agent = known.map_or_else(|| born(role, report), |agent| agent.value.clone());
        let agent = heard(tx.view(), agent, report);
        tx.put(agent);
    }
    Ok(())
}

fn born(role: AgentRole, report: &Report) -> Agent {
    Agent {
        id: AgentId::random(),
        host: report.host.clone(),
        role,
        admin_state_up: true,
        description: None,
        availability_zone: String::new(),
        networks: BTreeSet::new(),
        routers: BTreeSet::new(),
        created_at: report.heard_at,
        started_at: report.started_at,
        heartbeat_at: report.heard_at,
    }
}

fn heard(view: &Snapshot, mut agent: Agent, report: &Report) -> Agent {
    let zone = Some(report.availability_zone.as_str()).filter(|zone| !zone.is_empty());
    zone.unwrap_or(DEFAULT_ZONE).clone_into(&mut agent.availability_zone);
    agent.started_at = report.started_at;
    agent.heartbeat_at = agent.heartbeat_at.max(report.heard_at);
    agent.networks.retain(|network| view.has::<Network>(network));
    agent.routers.retain(|router| view.has::<Router>(router));
    agent
}

/// Changes to an agent; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AgentChange {
    /// What an administrator wants it to be.
    pub admin_state_up: Option<bool>,
    /// What an administrator writes; the inner `None` takes it away.
    pub description: Option<Option<String>>,
}

/// Changes an agent.
pub fn update(tx: &mut Tx, id: AgentId, change: &AgentChange) -> Result<Agent, Error> {
    let old = tx.get::<Agent>(&id).ok_or(ObjectError::AgentNotFound(id))?;
    let mut agent = old.value.clone();
    agent.admin_state_up = change.admin_state_up.unwrap_or(agent.admin_state_up);
    if let Some(description) = &change.description {
        agent.description.clone_from(description);
    }
    if agent != old.value {
        tx.put(agent.clone());
    }
    Ok(agent)
}

/// Forgets an agent. If its node is heard again, it comes back under another id.
pub fn delete(tx: &mut Tx, id: AgentId) -> Result<(), Error> {
    tx.get::<Agent>(&id).ok_or(ObjectError::AgentNotFound(id))?;
    tx.delete::<Agent>(&id);
    Ok(())
}

/// Forgets the agents of a host that is removed.
pub(crate) fn forget_host(tx: &mut Tx, host: &str) {
    let agents: Vec<AgentId> = tx.view().agents_of_host(host).map(|agent| agent.id).collect();
    for id in agents {
        tx.delete::<Agent>(&id);
    }
}

/// Puts a network on a DHCP agent, as administrators of Neutron do. Hosts answer for the networks that they have ports of,
/// put on them or not.
pub fn add_network(tx: &mut Tx, id: AgentId, network: NetworkId) -> Result<(), Error> {
    let mut agent = dhcp_agent(tx, id)?;
    tx.get::<Network>(&network).ok_or(Error::NetworkNotFound(network))?;
    if agent.networks.contains(&network) || tx.view().host_network_ports(&agent.host, network) > 0 {
        return Err(ObjectError::NetworkHostedByDhcpAgent { network, agent: id }.into());
    }
    agent.networks.insert(network);
    tx.put(agent);
    Ok(())
}

/// Takes a network off a DHCP agent on which an administrator put it.
pub fn remove_network(tx: &mut Tx, id: AgentId, network: NetworkId) -> Result<(), Error> {
    let mut agent = dhcp_agent(tx, id)?;
    if !agent.networks.remove(&network) {
        let error = if hosts(tx.view(), &agent, network) {
            let ports = tx.view().host_network_ports(&agent.host, network);
            ObjectError::NetworkServedWherePortsAre { network, host: agent.host, ports }
        } else {
            ObjectError::NetworkNotHostedByDhcpAgent { network, agent: id }
        };
        return Err(error.into());
    }
    tx.put(agent);
    Ok(())
}

fn dhcp_agent(tx: &mut Tx, id: AgentId) -> Result<Agent, Error> {
    let agent = tx.get::<Agent>(&id).ok_or(ObjectError::AgentNotFound(id))?;
    match agent.role {
        AgentRole::Dhcp => Ok(agent.value.clone()),
        _ => Err(ObjectError::InvalidDhcpAgent(id).into()),
    }
}

/// Whether a DHCP agent answers for a network: its host has ports of it, or no host has and it would, or an administrator has put
/// it there.
pub fn hosts(view: &Snapshot, agent: &Agent, network: NetworkId) -> bool {
    agent.role == AgentRole::Dhcp
        && (agent.networks.contains(&network)
            || view.host_network_ports(&agent.host, network) > 0
            || is_unplugged(view, network))
}

/// Whether a network has a DHCP service and no host has ports of it: the first that gets one answers.
fn is_unplugged(view: &Snapshot, network: NetworkId) -> bool {
    view.network_hosts(network).next().is_none()
        && view.ports_of_device(&dhcp::device_id(network)).next().is_some()
}

/// The DHCP agents that answer for a network, by id.
pub fn of_network(view: &Snapshot, network: NetworkId) -> Vec<&Agent> {
    view.iter::<Agent>().map(|agent| &agent.value).filter(|agent| hosts(view, agent, network)).collect()
}

/// The networks that a DHCP agent answers for.
pub fn networks_of(view: &Snapshot, agent: &Agent) -> BTreeSet<NetworkId> {
    if agent.role != AgentRole::Dhcp {
        return BTreeSet::new();
    }
    let mut networks = busy_networks_of(view, agent);
    let all = view.iter::<Network>().map(|network| network.id);
    networks.extend(all.filter(|network| is_unplugged(view, *network)));
    networks
}

/// The networks whose ports a DHCP agent's host has, and those that an administrator has put on the agent.
pub fn busy_networks_of(view: &Snapshot, agent: &Agent) -> BTreeSet<NetworkId> {
    let with_ports = view.host_networks(&agent.host).map(|(network, _)| network);
    let networks: BTreeSet<_> = with_ports.chain(agent.networks.iter().copied()).collect();
    networks.into_iter().filter(|network| view.has::<Network>(network)).collect()
}

/// Puts a router on an L3 agent, as administrators of Neutron do. Hosts route for their ports, whatever is put on them.
pub fn add_router(tx: &mut Tx, id: AgentId, router: RouterId) -> Result<(), Error> {
    let mut agent = l3_agent(tx, id)?;
    tx.get::<Router>(&router).ok_or(RouterError::NotFound(router))?;
    if agent.routers.insert(router) {
        tx.put(agent);
    }
    Ok(())
}

/// Takes a router off an L3 agent on which an administrator put it.
pub fn remove_router(tx: &mut Tx, id: AgentId, router: RouterId) -> Result<(), Error> {
    let mut agent = l3_agent(tx, id)?;
    tx.get::<Router>(&router).ok_or(RouterError::NotFound(router))?;
    if agent.routers.remove(&router) {
        tx.put(agent);
    } else if routes(tx.view(), &agent, router) {
        return Err(ObjectError::RouterServedWherePortsAre { router, host: agent.host }.into());
    }
    Ok(())
}

fn l3_agent(tx: &mut Tx, id: AgentId) -> Result<Agent, Error> {
    let agent = tx.get::<Agent>(&id).ok_or(ObjectError::AgentNotFound(id))?;
    match agent.role {
        AgentRole::Routing => Ok(agent.value.clone()),
        _ => Err(ObjectError::InvalidL3Agent(id).into()),
    }
}

/// Whether an L3 agent serves a router: its host has ports of a network that the router joins, or an administrator has put it there.
pub fn routes(view: &Snapshot, agent: &Agent, router: RouterId) -> bool {
    let is_joined =
        |port: &Port| is_interface(port) && view.host_network_ports(&agent.host, port.network_id) > 0;
    agent.role == AgentRole::Routing
        && (agent.routers.contains(&router) || view.router_ports(router).any(|port| is_joined(port)))
}

fn is_interface(port: &Port) -> bool {
    port.router().is_some_and(|(_, role)| role == RouterPortRole::Interface)
}

/// The L3 agents that serve a router, by id.
pub fn of_router(view: &Snapshot, router: RouterId) -> Vec<&Agent> {
    view.iter::<Agent>().map(|agent| &agent.value).filter(|agent| routes(view, agent, router)).collect()
}

/// The routers that an L3 agent serves.
pub fn routers_of(view: &Snapshot, agent: &Agent) -> BTreeSet<RouterId> {
    if agent.role != AgentRole::Routing {
        return BTreeSet::new();
    }
    let networks = view.host_networks(&agent.host).map(|(network, _)| network);
    let ports = networks.flat_map(|network| view.router_ports_on(network));
    let joined =
        ports.filter_map(|port| port.router()).filter(|(_, role)| *role == RouterPortRole::Interface);
    let routers = joined.map(|(router, _)| router).chain(agent.routers.iter().copied());
    routers.filter(|router| view.has::<Router>(router)).collect()
}

/// The availability zones by (zone, kind of object), and whether one of their agents is administratively up.
pub fn zones(view: &Snapshot) -> BTreeMap<(&str, &'static str), bool> {
    let mut zones = BTreeMap::new();
    for agent in view.iter::<Agent>() {
        if let Some(resource) = agent.role.zone_resource() {
            *zones.entry((agent.availability_zone.as_str(), resource)).or_insert(false) |=
                agent.admin_state_up;
        }
    }
    zones
}

/// The zones of the hosts that answer for a network.
pub fn zones_of_network(view: &Snapshot, network: NetworkId) -> BTreeSet<&str> {
    let agents = view.network_hosts(network).filter_map(|(host, _)| {
        let dhcp = |agent: &&std::sync::Arc<hadron_store::Stored<Agent>>| agent.role == AgentRole::Dhcp;
        view.agents_of_host(host).find(dhcp)
    });
    agents.map(|agent| agent.availability_zone.as_str()).collect()
}

/// The zones of the hosts that serve a router.
pub fn zones_of_router(view: &Snapshot, router: RouterId) -> BTreeSet<&str> {
    let interfaces = view.router_ports(router).filter(|port| is_interface(port));
    let hosts = interfaces.flat_map(|port| view.network_hosts(port.network_id)).map(|(host, _)| host);
    let there = hosts.flat_map(|host| view.agents_of_host(host)).map(|agent| &agent.value);
    let put = view.iter::<Agent>().map(|agent| &agent.value).filter(|agent| agent.routers.contains(&router));
    let routing = there.chain(put).filter(|agent| agent.role == AgentRole::Routing);
    routing.map(|agent| agent.availability_zone.as_str()).collect()
}

/// Refuses hints at zones in which no host does this for objects of a kind, `network` or `router`.
pub(crate) fn check_zone_hints(tx: &Tx, hints: &[String], kind: &'static str) -> Result<(), Error> {
    if hints.is_empty() {
        return Ok(());
    }
    let zones = zones(tx.view());
    match hints.iter().find(|hint| !zones.contains_key(&(hint.as_str(), kind))) {
        Some(unknown) => Err(ObjectError::AvailabilityZoneNotFound(unknown.clone()).into()),
        None => Ok(()),
    }
}
