//! Groups, rules, address groups and policies of the small cloud.

use super::{ADDRESS_GROUPS, GROUPS, Model, Op, RULES, id};
use hadron_model::*;
use hadron_store::Tx;
use proptest::prelude::*;
use std::collections::BTreeSet;

pub fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..GROUPS, prop::bool::weighted(0.8)).prop_map(|(group, stateful)| Op::PutGroup { group, stateful }),
        1 => (0..GROUPS).prop_map(|group| Op::DropGroup { group }),
        5 => (0..RULES, 0..2 + GROUPS + ADDRESS_GROUPS, prop::option::of(20u16..23))
            .prop_map(|(rule, remote, port)| Op::PutRule { rule, remote, port }),
        2 => (0..RULES).prop_map(|rule| Op::DropRule { rule }),
        2 => (0..ADDRESS_GROUPS, 0u8..16)
            .prop_map(|(group, addresses)| Op::PutAddressGroup { group, addresses }),
        1 => (0..ADDRESS_GROUPS).prop_map(|group| Op::DropAddressGroup { group }),
    ]
}

pub fn group_id(group: u8) -> SecurityGroupId {
    SecurityGroupId(id(4, group))
}

fn address_group_id(group: u8) -> AddressGroupId {
    AddressGroupId(id(6, group))
}

/// What filters a port's traffic.
pub struct PortSecurity {
    pub groups: Vec<SecurityGroupId>,
    pub pairs: Vec<AddressPair>,
    pub policy: Option<PolicyNumber>,
}

impl Model {
    pub(super) fn security_of(&self, groups: Option<u8>, pair: bool, port: u8) -> PortSecurity {
        let Some(groups) = groups else {
            return PortSecurity { groups: vec![], pairs: vec![], policy: None };
        };
        let groups: Vec<u8> =
            (0..GROUPS).filter(|bit| groups & (1 << bit) != 0 && self.groups.contains_key(bit)).collect();
        let policy = groups.iter().fold(1, |sum, group| sum + (1 << group));
        let ip: IpNet = format!("10.9.{}.1/24", port % 3).parse().unwrap();
        let pair = pair.then_some(AddressPair { ip, has_length: true, mac: None });
        PortSecurity {
            groups: groups.into_iter().map(group_id).collect(),
            pairs: pair.into_iter().collect(),
            policy: Some(PolicyNumber(policy)),
        }
    }

    /// One policy for each set of groups that ports have.
    pub(super) fn sync_policies(&mut self, tx: &mut Tx) {
        let used = self.ports.values().filter_map(|port| Some((port.security_groups.clone(), port.policy?)));
        let used: std::collections::BTreeMap<_, _> = used.collect();
        for groups in self.policies.keys().filter(|groups| !used.contains_key(*groups)) {
            tx.delete::<Policy>(groups);
        }
        for (groups, number) in used.iter().filter(|(groups, _)| !self.policies.contains_key(*groups)) {
            tx.put(Policy { number: *number, groups: groups.clone() });
        }
        self.policies = used;
    }

    pub(super) fn apply_security(&mut self, op: &Op, tx: &mut Tx) -> bool {
        match *op {
            Op::PutGroup { group, stateful } => {
                let record = a_group(group, stateful);
                self.groups.insert(group, record.clone());
                tx.put(record);
            }
            Op::DropGroup { group } => {
                let id = group_id(group);
                let is_in_use = self.ports.values().any(|port| port.security_groups.contains(&id))
                    || self
                        .rules
                        .values()
                        .any(|rule| rule.security_group_id == id || rule.remote == Remote::Group(id));
                if is_in_use || self.groups.remove(&group).is_none() {
                    return false;
                }
                tx.delete::<SecurityGroup>(&id);
            }
            Op::PutRule { rule, remote, port } => {
                let record = a_rule(rule, remote, port);
                if !self.groups.contains_key(&(rule % GROUPS)) || !self.has(record.remote) {
                    return false;
                }
                self.rules.insert(rule, record.clone());
                tx.put(record);
            }
            Op::DropRule { rule } => match self.rules.remove(&rule) {
                Some(record) => tx.delete::<SecurityGroupRule>(&record.id),
                None => return false,
            },
            Op::PutAddressGroup { group, addresses } => {
                let record = an_address_group(group, addresses);
                self.address_groups.insert(group, record.clone());
                tx.put(record);
            }
            Op::DropAddressGroup { group } => {
                let id = address_group_id(group);
                let is_in_use = self.rules.values().any(|rule| rule.remote == Remote::AddressGroup(id));
                if is_in_use || self.address_groups.remove(&group).is_none() {
                    return false;
                }
                tx.delete::<AddressGroup>(&id);
            }
            _ => unreachable!("only for groups, rules and address groups"),
        }
        true
    }

    fn has(&self, remote: Remote) -> bool {
        match remote {
            Remote::Any | Remote::Prefix(_) => true,
            Remote::Group(id) => self.groups.values().any(|group| group.id == id),
            Remote::AddressGroup(id) => self.address_groups.values().any(|group| group.id == id),
        }
    }
}

fn a_group(group: u8, stateful: bool) -> SecurityGroup {
    SecurityGroup {
        id: group_id(group),
        // Not in the order of the ids.
        number: SetNumber(209 - u32::from(group)),
        project_id: String::new(),
        name: String::new(),
        description: String::new(),
        stateful,
        is_default: false,
        stamp: Stamp::default(),
    }
}

fn a_rule(rule: u8, remote: u8, port: Option<u16>) -> SecurityGroupRule {
    let remote = match remote {
        0 => Remote::Any,
        1 => Remote::Prefix("10.1.2.3/8".parse().unwrap()),
        group if group < 2 + GROUPS => Remote::Group(group_id(group - 2)),
        group => Remote::AddressGroup(address_group_id(group - 2 - GROUPS)),
    };
    SecurityGroupRule {
        id: SecurityGroupRuleId(id(5, rule)),
        number: RuleNumber(400 + u32::from(rule)),
        security_group_id: group_id(rule % GROUPS),
        project_id: String::new(),
        direction: if rule.is_multiple_of(2) { Direction::Ingress } else { Direction::Egress },
        ethertype: Ethertype::Ipv4,
        protocol: port.map(|_| "tcp".parse().unwrap()),
        port_range_min: port,
        port_range_max: port,
        remote,
        description: None,
        stamp: Stamp::default(),
    }
}

fn an_address_group(group: u8, addresses: u8) -> AddressGroup {
    let all = ["10.5.0.0/16", "10.5.0.1/32", "2001:db8::/32", "0.0.0.0/0"];
    let addresses: BTreeSet<IpNet> =
        (0..4).filter(|bit| addresses & (1 << bit) != 0).map(|bit| all[bit].parse().unwrap()).collect();
    AddressGroup {
        id: address_group_id(group),
        number: SetNumber(300 + u32::from(group)),
        project_id: String::new(),
        name: String::new(),
        description: String::new(),
        addresses: addresses.into_iter().collect(),
        stamp: Stamp::default(),
    }
}
