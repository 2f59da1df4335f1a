//! Numbers of the packet path as the objects that they stand for.

use super::message::{Field, Named, RuleView};
use hadron_model::{
    AddressGroup, FloatingIp, HostNumber, NetworkNumber, Policy, PolicyNumber, Port, PortNumber, Remote,
    Router, RouterNumber, RuleNumber, SecurityGroup, SecurityGroupRule, SetNumber,
};
use hadron_store::Snapshot;
use hadron_wire::proto::{TraceCell, TraceRow, trace_cell};
use std::net::IpAddr;

/// Bit that tells a class of a policy's own from a set, in `CLASSES` and `RULES`.
const CLASS: u64 = 1 << 31;

/// What stands behind `kind` in `FDB` and its like.
const TO_PORT: u64 = 1;
const TO_HOST: u64 = 2;
const TO_ROUTER: u64 = 4;

/// The model, asked for names.
#[derive(Clone, Copy)]
pub(super) struct Names<'a>(pub &'a Snapshot);

fn named(kind: &str, id: impl ToString, name: impl ToString) -> Named {
    Named { kind: kind.to_owned(), id: id.to_string(), name: name.to_string() }
}

impl Names<'_> {
    /// A row's fields, with the objects that its numbers stand for.
    pub(super) fn row(self, table: &str, row: &TraceRow) -> Vec<Field> {
        row.cells.iter().map(|cell| self.field(table, row, cell)).collect()
    }

    fn field(self, table: &str, row: &TraceRow, cell: &TraceCell) -> Field {
        let (value, object) = match &cell.value {
            Some(trace_cell::Value::Number(number)) => {
                (number.to_string(), self.object(table, &cell.name, row, *number))
            }
            Some(trace_cell::Value::Text(text)) => (text.clone(), None),
            None => (String::new(), None),
        };
        Field { name: cell.name.clone(), value, object }
    }

    fn object(self, table: &str, field: &str, row: &TraceRow, number: u64) -> Option<Named> {
        let short = u32::try_from(number).ok().filter(|number| *number != 0)?;
        match (table, field) {
            // A port of TCP or UDP.
            ("SERVICE_SESSIONS" | "RULES", "port") => None,
            // Of what another host has, its number stands in place of the port's.
            ("FLOATING_IPS", "port") if number_of(row, "flags")? & RELAYED != 0 => self.host(short),
            (_, "port") => self.port(short),
            (_, "network") => self.network(short),
            (_, "interface") => self.port(short),
            (_, "router") => self.router(short),
            (_, "host" | "relay") => self.host(short),
            (_, "policy") => self.policy(short),
            (_, "rule") => self.rule(short).map(|rule| rule.rule),
            (_, "set") => self.set(short),
            ("RULES", "source") if number & CLASS == 0 => self.set(short),
            (_, "id") => match number_of(row, "kind")? {
                TO_PORT | TO_ROUTER => self.port(short),
                TO_HOST => self.host(short),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn port(self, number: u32) -> Option<Named> {
        self.0.port_by_number(PortNumber(number)).map(|port| self.of_port(port))
    }

    /// A port; a router's is told by its router.
    pub(super) fn of_port(self, port: &Port) -> Named {
        let router = port.router().and_then(|(router, _)| self.0.get::<Router>(&router));
        match router {
            Some(router) => named("router port", port.id, &router.name),
            None => named("port", port.id, &port.name),
        }
    }

    /// A port that may have gone meanwhile.
    pub(super) fn port_or_number(self, number: u32) -> Named {
        self.port(number).unwrap_or_else(|| named("port", format!("number {number}"), "gone"))
    }

    pub(super) fn network(self, number: u32) -> Option<Named> {
        let network = self.0.network_by_number(NetworkNumber(number))?;
        Some(named("network", network.id, &network.name))
    }

    fn router(self, number: u32) -> Option<Named> {
        let router = self.0.router_by_number(RouterNumber(number))?;
        Some(named("router", router.id, &router.name))
    }

    pub(super) fn host(self, number: u32) -> Option<Named> {
        let host = self.0.host_by_number(HostNumber(number))?;
        Some(named("host", &host.name, ""))
    }

    fn policy(self, number: u32) -> Option<Named> {
        let policy: &Policy = self.0.policy_by_number(PolicyNumber(number))?;
        let groups = policy.groups.iter().filter_map(|id| self.0.get::<SecurityGroup>(id));
        let names: Vec<String> = groups.map(|group| group.name.clone()).collect();
        let ids: Vec<String> = policy.groups.iter().map(ToString::to_string).collect();
        Some(named("security groups", ids.join(","), names.join(",")))
    }

    fn set(self, number: u32) -> Option<Named> {
        match self.0.set_by_number(SetNumber(number))? {
            hadron_store::SetId::Group(id) => {
                self.0.get::<SecurityGroup>(&id).map(|group| named("security group", id, &group.name))
            }
            hadron_store::SetId::AddressGroup(id) => {
                self.0.get::<AddressGroup>(&id).map(|group| named("address group", id, &group.name))
            }
        }
    }

    /// A rule and what it allows.
    pub(super) fn rule(self, number: u32) -> Option<RuleView> {
        let rule: &SecurityGroupRule = self.0.rule_by_number(RuleNumber(number))?;
        let group = self.0.get::<SecurityGroup>(&rule.security_group_id);
        let group = group.map(|group| named("security group", group.id, &group.name));
        let name = rule.description.clone().unwrap_or_default();
        Some(RuleView { rule: named("rule", rule.id, name), group, text: self.words(rule) })
    }

    fn words(self, rule: &SecurityGroupRule) -> String {
        let protocol = rule.protocol.as_ref().map_or("any protocol".to_owned(), ToString::to_string);
        let ports = match (rule.port_range_min, rule.port_range_max) {
            (Some(min), Some(max)) if min == max => format!(" {min}"),
            (None, None) => String::new(),
            (min, max) => {
                let bound = |port: Option<u16>| port.map_or("any".to_owned(), |port| port.to_string());
                format!(" {}-{}", bound(min), bound(max))
            }
        };
        let remote = match rule.remote {
            Remote::Any => "anybody".to_owned(),
            Remote::Prefix(prefix) => prefix.to_string(),
            Remote::Group(id) => {
                let group = self.0.get::<SecurityGroup>(&id);
                group.map_or(id.to_string(), |group| format!("security group {} ({id})", group.name))
            }
            Remote::AddressGroup(id) => {
                let group = self.0.get::<AddressGroup>(&id);
                group.map_or(id.to_string(), |group| format!("address group {} ({id})", group.name))
            }
        };
        format!("{} {} {protocol}{ports}, {remote}", rule.direction.as_str(), rule.ethertype.as_str())
    }

    /// The floating IP of an address on some external network, or the router whose own address it is there.
    pub(super) fn outside(self, address: IpAddr) -> Option<Named> {
        let externals = self.0.iter::<FloatingIp>().map(|floating| &floating.value);
        if let Some(floating) = externals.into_iter().find(|it| it.floating_ip_address == address) {
            return Some(named("floating IP", floating.id, address));
        }
        let mut routers = self.0.iter::<Router>();
        routers.find_map(|router| {
            let gateway = router.gateways.iter().find(|gateway| {
                let port = self.0.get::<Port>(&gateway.port_id);
                port.is_some_and(|port| port.fixed_ips.iter().any(|fixed| fixed.ip_address == address))
            })?;
            Some(named("address shared by router", router.id, format!("{} {address}", router.name)))
                .filter(|_| gateway.enable_snat)
        })
    }
}

/// Bit of `FLOATING_IPS`'s flags.
const RELAYED: u64 = 1 << 2;

fn number_of(row: &TraceRow, name: &str) -> Option<u64> {
    let cell = row.cells.iter().find(|cell| cell.name == name)?;
    match cell.value {
        Some(trace_cell::Value::Number(number)) => Some(number),
        _ => None,
    }
}
