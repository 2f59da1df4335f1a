//! What can be read of a running server at any moment: for metrics, and for `hadron status`.

use crate::admin::{AuditStatus, HostStatus, PortTrouble, StatusView};
use crate::audit::{AuditLog, AuditReading};
use crate::nodes::{Counter, NodeService, NodeStatus};
use hadron_model::{
    FloatingIp, Host, Network, Port, PortStatus, Router, SecurityGroup, SecurityGroupRule, Subnet,
};
use hadron_store::{Snapshot, Store};
use std::collections::BTreeMap;

/// Most ports that are listed as not in force.
const MOST_TROUBLES: usize = 1000;

/// A handle on what can be read.
#[derive(Clone, Debug)]
pub struct Gauges {
    store: Store,
    nodes: NodeService,
    pub(crate) audit: Option<AuditLog>,
}

/// What is read for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The store's revision.
    pub revision: u64,
    /// Objects by kind.
    pub objects: Vec<(&'static str, usize)>,
    /// Ports by status.
    pub ports: BTreeMap<&'static str, usize>,
    /// Every host.
    pub hosts: Vec<HostReading>,
    /// The audit log, if one is kept.
    pub audit: Option<AuditReading>,
}

/// A host in metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostReading {
    /// Its name.
    pub name: String,
    /// Whether its node is connected to this server.
    pub is_connected: bool,
    /// The revision up to which its rows are in force.
    pub revision: u64,
    /// Rows that wait to be sent to it.
    pub waiting: usize,
}

impl Gauges {
    pub(crate) fn new(store: Store, nodes: NodeService, audit: Option<AuditLog>) -> Self {
        Self { store, nodes, audit }
    }

    /// The server at this moment.
    pub fn read(&self) -> Reading {
        let view = self.store.snapshot();
        let nodes = self.nodes();
        let host = |host: &Host| {
            let node = nodes.get(&host.name).filter(|node| node.is_connected);
            HostReading {
                name: host.name.clone(),
                is_connected: node.is_some(),
                revision: node.map_or(0, |node| node.acknowledged.0),
                waiting: node.map_or(0, |node| node.waiting),
            }
        };
        Reading {
            revision: view.position().revision.0,
            objects: vec![
                ("network", view.len::<Network>()),
                ("subnet", view.len::<Subnet>()),
                ("port", view.len::<Port>()),
                ("router", view.len::<Router>()),
                ("floating_ip", view.len::<FloatingIp>()),
                ("security_group", view.len::<SecurityGroup>()),
                ("security_group_rule", view.len::<SecurityGroupRule>()),
                ("host", view.len::<Host>()),
            ],
            ports: by_status(&view),
            hosts: view.iter::<Host>().map(|stored| host(&stored.value)).collect(),
            audit: self.audit.as_ref().map(AuditLog::read),
        }
    }

    /// How often something happened between this server and its nodes.
    pub fn count(&self, counter: Counter) -> u64 {
        self.nodes.counters().get(counter)
    }

    /// Hosts, ports, and what is not in force and why.
    pub(crate) fn status(&self) -> StatusView {
        let view = self.store.snapshot();
        let nodes = self.nodes();
        let revision = view.position().revision.0;
        let hosts = view.iter::<Host>().map(|host| self.host(&view, revision, host, nodes.get(&host.name)));
        let mut troubled: Vec<&Port> = view
            .iter::<Port>()
            .map(|port| &port.value)
            .filter(|port| is_expected(port) && port.status != PortStatus::Active)
            .collect();
        let left_out = troubled.len().saturating_sub(MOST_TROUBLES);
        troubled.truncate(MOST_TROUBLES);
        let trouble = |port: &Port| PortTrouble {
            id: port.id.to_string(),
            name: port.name.clone(),
            host: port.binding.host_id.clone(),
            status: port.status.as_str().to_owned(),
            why: self.why(&view, port, nodes.get(&port.binding.host_id)),
        };
        StatusView {
            revision,
            hosts: hosts.collect(),
            ports: by_status(&view).into_iter().map(|(status, count)| (status.to_owned(), count)).collect(),
            not_in_force: troubled.into_iter().map(trouble).collect(),
            left_out,
            audit_log: self.audit.as_ref().map(AuditLog::read).map(
                |AuditReading { path, written, lost, trouble }| AuditStatus { path, written, lost, trouble },
            ),
        }
    }

    fn nodes(&self) -> BTreeMap<String, NodeStatus> {
        self.nodes.nodes().into_iter().map(|node| (node.host.clone(), node)).collect()
    }

    fn host(&self, view: &Snapshot, revision: u64, host: &Host, node: Option<&NodeStatus>) -> HostStatus {
        let ports = view.ports_of_host(&host.name);
        let active = ports.filter(|port| port.status == PortStatus::Active).count();
        let acknowledged = node.map_or(0, |node| node.acknowledged.0);
        HostStatus {
            name: host.name.clone(),
            connected: node.is_some_and(|node| node.is_connected),
            version: node.map(|node| node.software_version.clone()).unwrap_or_default(),
            last_heard: node.map_or("never by this server".to_owned(), |node| node.last_heard.to_string()),
            revision: acknowledged,
            behind: revision.saturating_sub(acknowledged),
            waiting: node.map_or(0, |node| node.waiting),
            ports: view.ports_of_host(&host.name).count(),
            active,
        }
    }

    /// Why a port that is bound is not active, by what is known first along its way.
    fn why(&self, view: &Snapshot, port: &Port, node: Option<&NodeStatus>) -> String {
        let host = &port.binding.host_id;
        if !view.has::<Host>(host) {
            return format!(
                "no host {host} has joined; bind the port to one that has, or join it: hadron host ticket"
            );
        }
        if !port.admin_state_up {
            return "admin_state_up of the port is false".to_owned();
        }
        let network = view.get::<Network>(&port.network_id);
        if network.is_some_and(|network| !network.admin_state_up) {
            return "admin_state_up of its network is false".to_owned();
        }
        let Some(node) = node.filter(|node| node.is_connected) else {
            return format!(
                "host {host} is not connected to this server; start its agent, see its log, or ask the server that it is connected to"
            );
        };
        if let Some(error) = self.nodes.port_error(host, port.number.0) {
            return format!("host {host} says: {error}");
        }
        match self.nodes.row_revision(port.number.0) {
            Some(row) if row > node.acknowledged => format!(
                "host {host} has its rows in force up to revision {}, the port's is {row}; it follows",
                node.acknowledged
            ),
            _ => format!("interface {} has not appeared on host {host}", port.interface_name()),
        }
    }
}

/// Whether a host is to wire the port.
fn is_expected(port: &Port) -> bool {
    !port.binding.host_id.is_empty() && !port.is_everywhere() && port.status != PortStatus::NotApplicable
}

fn by_status(view: &Snapshot) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for port in view.iter::<Port>() {
        *counts.entry(port.status.as_str()).or_default() += 1;
    }
    counts
}
