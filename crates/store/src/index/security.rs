//! Security groups, rules, address groups and policies: by number and project, by what names them and what they name.

use super::port::release;
use super::{Indexed, Indexes, replace};
use crate::record::Tables;
use hadron_model::{
    AddressGroup, AddressGroupId, DefaultStatefulness, DefaultStatefulnessId, Direction, Policy,
    PolicyNumber, PortId, Remote, RuleNumber, SecurityGroup, SecurityGroupId, SecurityGroupRule,
    SecurityGroupRuleId, SetNumber,
};
use imbl::{OrdMap, OrdSet};

/// A set of addresses that rules can name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SetId {
    /// The addresses of a security group's ports.
    Group(SecurityGroupId),
    /// An address group's.
    AddressGroup(AddressGroupId),
}

impl SetId {
    /// The set that a rule's other end is.
    pub fn of(remote: Remote) -> Option<Self> {
        match remote {
            Remote::Any | Remote::Prefix(_) => None,
            Remote::Group(id) => Some(SetId::Group(id)),
            Remote::AddressGroup(id) => Some(SetId::AddressGroup(id)),
        }
    }
}

/// What groups, rules and policies are found by.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Security {
    pub(crate) set_numbers: OrdMap<SetNumber, SetId>,
    pub(crate) rule_numbers: OrdMap<RuleNumber, SecurityGroupRuleId>,
    pub(crate) policy_numbers: OrdMap<PolicyNumber, Vec<SecurityGroupId>>,
    pub(crate) group_rules: OrdSet<(SecurityGroupId, SecurityGroupRuleId)>,
    /// The rules that name a set.
    pub(crate) remote_rules: OrdSet<(SetId, SecurityGroupRuleId)>,
    /// How many of a group's rules of a direction name a set.
    pub(crate) group_remotes: OrdMap<(SecurityGroupId, Direction, SetId), usize>,
    pub(crate) group_policies: OrdSet<(SecurityGroupId, PolicyNumber)>,
    pub(crate) policy_ports: OrdSet<(PolicyNumber, PortId)>,
    /// By project, `None` for all others.
    pub(crate) default_statefulness: OrdMap<Option<String>, DefaultStatefulnessId>,
}

impl Indexed for SecurityGroup {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|group| (group.number, group.id)),
            new.map(|group| (group.number, group.id)),
            |indexes, (number, _)| indexes.security.set_numbers.remove(&number),
            |indexes, (number, id)| indexes.security.set_numbers.insert(number, SetId::Group(id)),
        );
        replace(
            indexes,
            old.map(|group| (group.project_id.as_str(), group.id)),
            new.map(|group| (group.project_id.as_str(), group.id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.security_groups.remove(&id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.security_groups.insert(id)),
        );
    }
}

impl Indexed for AddressGroup {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|group| (group.number, group.id)),
            new.map(|group| (group.number, group.id)),
            |indexes, (number, _)| indexes.security.set_numbers.remove(&number),
            |indexes, (number, id)| indexes.security.set_numbers.insert(number, SetId::AddressGroup(id)),
        );
        replace(
            indexes,
            old.map(|group| (group.project_id.as_str(), group.id)),
            new.map(|group| (group.project_id.as_str(), group.id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.address_groups.remove(&id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.address_groups.insert(id)),
        );
    }
}

/// A rule's group, direction and set.
type Naming = (SecurityGroupId, Direction, SetId);

fn naming(rule: &SecurityGroupRule) -> Option<Naming> {
    SetId::of(rule.remote).map(|set| (rule.security_group_id, rule.direction, set))
}

impl Indexed for SecurityGroupRule {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|rule| (rule.number, rule.id)),
            new.map(|rule| (rule.number, rule.id)),
            |indexes, (number, _)| indexes.security.rule_numbers.remove(&number),
            |indexes, (number, id)| indexes.security.rule_numbers.insert(number, id),
        );
        replace(
            indexes,
            old.map(|rule| (rule.project_id.as_str(), rule.id)),
            new.map(|rule| (rule.project_id.as_str(), rule.id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.security_group_rules.remove(&id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.security_group_rules.insert(id)),
        );
        replace(
            indexes,
            old.map(|rule| (rule.security_group_id, rule.id)),
            new.map(|rule| (rule.security_group_id, rule.id)),
            |indexes, pair| indexes.security.group_rules.remove(&pair),
            |indexes, pair| indexes.security.group_rules.insert(pair),
        );
        replace(
            indexes,
            old.and_then(|rule| Some((SetId::of(rule.remote)?, rule.id))),
            new.and_then(|rule| Some((SetId::of(rule.remote)?, rule.id))),
            |indexes, pair| indexes.security.remote_rules.remove(&pair),
            |indexes, pair| indexes.security.remote_rules.insert(pair),
        );
        replace(
            indexes,
            old.and_then(naming),
            new.and_then(naming),
            |indexes, naming| release(&mut indexes.security.group_remotes, &naming),
            |indexes, naming| *indexes.security.group_remotes.entry(naming).or_insert(0) += 1,
        );
    }
}

impl Indexed for Policy {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|policy| (policy.number, &policy.groups)),
            new.map(|policy| (policy.number, &policy.groups)),
            |indexes, (number, groups)| {
                indexes.security.policy_numbers.remove(&number);
                for &group in groups {
                    indexes.security.group_policies.remove(&(group, number));
                }
            },
            |indexes, (number, groups)| {
                indexes.security.policy_numbers.insert(number, groups.clone());
                indexes.security.group_policies.extend(groups.iter().map(|&group| (group, number)));
            },
        );
    }
}

impl Indexed for DefaultStatefulness {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|setting| (&setting.project_id, setting.id)),
            new.map(|setting| (&setting.project_id, setting.id)),
            |indexes, (project, _)| indexes.security.default_statefulness.remove(project),
            |indexes, (project, id)| indexes.security.default_statefulness.insert(project.clone(), id),
        );
    }
}
