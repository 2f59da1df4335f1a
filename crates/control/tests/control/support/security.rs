//! Short names for what tests do with security groups, rules and ports.

use super::{Cloud, info, new_port};
use hadron_control::address_group::{self, NewAddressGroup};
use hadron_control::port::{self, PortChange};
use hadron_control::port_security::SecurityChange;
use hadron_control::security_group::{self, NewSecurityGroup};
use hadron_control::security_group_rule::{self, NewRule, RuleMatch};
use hadron_control::{Error, steps};
use hadron_model::*;

impl Cloud {
    pub async fn group(&self, name: &str) -> SecurityGroup {
        let new = new_group(name);
        self.write(|tx| security_group::create(tx, &self.config, &new)).await.unwrap()
    }

    pub async fn delete_group(&self, id: SecurityGroupId, is_admin: bool) -> Result<(), Error> {
        steps::run(&self.store, &info(), |tx| security_group::delete(tx, id, is_admin, None))
            .await
            .map(|_| ())
    }

    pub async fn rule(&self, new: &NewRule) -> Result<SecurityGroupRule, Error> {
        self.write(|tx| security_group_rule::create(tx, &self.config, new)).await
    }

    pub async fn address_group(&self, addresses: &[&str]) -> AddressGroup {
        let new = NewAddressGroup {
            project_id: "p".to_owned(),
            name: String::new(),
            description: String::new(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        };
        self.write(|tx| address_group::create(tx, &self.config, &new)).await.unwrap()
    }

    pub async fn secure(&self, port: PortId, security: SecurityChange) -> Result<Port, Error> {
        let change = PortChange { security, ..PortChange::default() };
        self.write(|tx| port::update(tx, &self.config, port, &change, None)).await
    }

    pub async fn port_with(&self, network: NetworkId, security: SecurityChange) -> Result<Port, Error> {
        self.port(&port::NewPort { security, ..new_port(network) }).await
    }

    pub fn default_group(&self) -> SecurityGroup {
        self.view().default_group_of_project("p").expect("a default group").value.clone()
    }
}

pub fn new_group(name: &str) -> NewSecurityGroup {
    NewSecurityGroup {
        project_id: "p".to_owned(),
        name: name.to_owned(),
        description: String::new(),
        stateful: None,
    }
}

/// Ingress of IPv4 and any protocol from there.
pub fn rule(group: SecurityGroupId, remote: Remote) -> NewRule {
    NewRule {
        security_group_id: group,
        project_id: "p".to_owned(),
        matches: RuleMatch {
            direction: Direction::Ingress,
            ethertype: Ethertype::Ipv4,
            protocol: None,
            port_range_min: None,
            port_range_max: None,
            remote: Ok(remote),
        },
        description: String::new(),
        relies_on: vec![],
    }
}

/// Ingress from anywhere.
pub fn matching(group: SecurityGroupId, protocol: &str, min: Option<u16>, max: Option<u16>) -> NewRule {
    let mut new = rule(group, Remote::Any);
    new.matches.protocol = Some(protocol.parse().unwrap());
    (new.matches.port_range_min, new.matches.port_range_max) = (min, max);
    new
}

pub fn groups(ids: &[SecurityGroupId]) -> SecurityChange {
    SecurityChange { security_groups: Some(ids.to_vec()), ..SecurityChange::default() }
}

pub fn off() -> SecurityChange {
    SecurityChange {
        port_security_enabled: Some(false),
        security_groups: Some(vec![]),
        allowed_address_pairs: Some(vec![]),
    }
}

pub fn pair(text: &str, mac: Option<Mac>) -> AddressPair {
    let has_length = text.contains('/');
    let ip =
        if has_length { text.parse().unwrap() } else { text.parse::<std::net::IpAddr>().unwrap().into() };
    AddressPair { ip, has_length, mac }
}

pub fn pairs(list: &[AddressPair]) -> SecurityChange {
    SecurityChange { allowed_address_pairs: Some(list.to_vec()), ..SecurityChange::default() }
}

/// What the rules of a group say, sorted.
pub fn rules(cloud: &Cloud, group: SecurityGroupId) -> Vec<(Direction, Ethertype, Remote)> {
    let view = cloud.view();
    let mut rules: Vec<_> =
        view.rules_of_group(group).map(|rule| (rule.direction, rule.ethertype, rule.remote)).collect();
    rules.sort();
    rules
}
