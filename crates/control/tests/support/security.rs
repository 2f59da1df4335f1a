//! What must hold of security groups, rules and policies in every state, and short names for what tests do with them.

use super::{Cloud, info, new_port};
use hadron_control::address_group::{self, NewAddressGroup};
use hadron_control::port::{self, PortChange};
use hadron_control::port_security::SecurityChange;
use hadron_control::security_group::{self, NewSecurityGroup};
use hadron_control::security_group_rule::{self, NewRule, RuleMatch};
use hadron_control::{Error, steps};
use hadron_model::security::MAX_REMOTE_SETS;
use hadron_model::*;
use hadron_store::{SetId, Snapshot};
use std::collections::{BTreeSet, HashSet};

pub fn check(view: &Snapshot) {
    ports_and_policies_agree(view);
    rules_name_what_is_there(view);
    each_project_has_at_most_one_default_group(view);
}

fn ports_and_policies_agree(view: &Snapshot) {
    let mut used = HashSet::new();
    for port in view.iter::<Port>() {
        if !port.port_security_enabled {
            assert!(port.security_groups.is_empty() && port.allowed_address_pairs.is_empty());
            assert_eq!(port.policy, None);
            continue;
        }
        let policy = view.policy_by_number(port.policy.expect("a policy")).expect("the port's policy");
        assert_eq!(policy.groups, port.security_groups);
        assert!(policy.groups.is_sorted_by(|a, b| a < b), "{:?}", policy.groups);
        used.insert(policy.number);
    }
    assert_eq!(used.len(), view.len::<Policy>(), "a policy has no port");
    for policy in view.iter::<Policy>() {
        let groups: Vec<_> =
            policy.groups.iter().map(|id| view.get::<SecurityGroup>(id).expect("a policy's group")).collect();
        assert!(groups.windows(2).all(|pair| pair[0].stateful == pair[1].stateful));
        for direction in Direction::ALL {
            let rules = groups.iter().flat_map(|group| view.rules_of_group(group.id));
            let sets =
                rules.filter(|rule| rule.direction == direction).filter_map(|rule| SetId::of(rule.remote));
            assert!(sets.collect::<BTreeSet<_>>().len() <= MAX_REMOTE_SETS);
        }
    }
}

fn rules_name_what_is_there(view: &Snapshot) {
    let mut meanings = HashSet::new();
    for rule in view.iter::<SecurityGroupRule>() {
        assert!(view.has::<SecurityGroup>(&rule.security_group_id), "a rule has no group");
        assert!(SetId::of(rule.remote).is_none_or(|set| view.set_number(set).is_some()), "{:?}", rule.remote);
        let protocol = rule.protocol.map(Protocol::number);
        let ports = (rule.port_range_min, rule.port_range_max);
        let meaning = (rule.security_group_id, rule.direction, rule.ethertype, protocol, ports, rule.remote);
        assert!(meanings.insert(meaning), "{meaning:?} is there twice");
    }
}

fn each_project_has_at_most_one_default_group(view: &Snapshot) {
    for group in view.iter::<SecurityGroup>().filter(|group| group.is_default) {
        let default = view.default_group_of_project(&group.project_id).expect("a project's default group");
        assert_eq!(default.id, group.id);
    }
    let defaults = view.iter::<SecurityGroup>().filter(|group| group.is_default).count();
    assert_eq!(view.len::<DefaultGroup>(), defaults, "a project's default group is gone");
}

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
        stateful: true,
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
