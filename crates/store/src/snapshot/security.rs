//! Security groups, rules, address groups and policies. Each answer takes logarithmic time to find and is then linear in
//! what it lists.

use super::{Record1, Snapshot};
use crate::SetId;
use hadron_model::{
    AddressGroup, AddressGroupId, DefaultGroup, DefaultStatefulness, Direction, Policy, PolicyNumber, Port,
    PortId, RuleNumber, SecurityGroup, SecurityGroupId, SecurityGroupRule, SecurityGroupRuleId, SetNumber,
};
use std::sync::Arc;
use uuid::Uuid;

/// The lowest identity, where a range begins.
const NIL: Uuid = Uuid::nil();

/// By number and project.
impl Snapshot {
    /// The set of addresses with this number.
    pub fn set_by_number(&self, number: SetNumber) -> Option<SetId> {
        self.indexes.security.set_numbers.get(&number).copied()
    }

    /// The number of a set, if it exists.
    pub fn set_number(&self, set: SetId) -> Option<SetNumber> {
        match set {
            SetId::Group(id) => self.get::<SecurityGroup>(&id).map(|group| group.number),
            SetId::AddressGroup(id) => self.get::<AddressGroup>(&id).map(|group| group.number),
        }
    }

    /// The rule with this number.
    pub fn rule_by_number(&self, number: RuleNumber) -> Option<&Record1<SecurityGroupRule>> {
        self.find::<SecurityGroupRule>(self.indexes.security.rule_numbers.get(&number)?)
    }

    /// The policy with this number.
    pub fn policy_by_number(&self, number: PolicyNumber) -> Option<&Record1<Policy>> {
        self.find::<Policy>(self.indexes.security.policy_numbers.get(&number)?)
    }

    /// A project's default group, if it has one yet.
    pub fn default_group_of_project(&self, project: &str) -> Option<&Record1<SecurityGroup>> {
        let claim = self.get::<DefaultGroup>(&project.to_owned())?;
        self.find::<SecurityGroup>(&claim.security_group_id)
    }

    /// The setting of a project, or that of all that have none.
    pub fn default_statefulness(&self, project: Option<&str>) -> Option<&Record1<DefaultStatefulness>> {
        let id = self.indexes.security.default_statefulness.get(&project.map(str::to_owned))?;
        self.find::<DefaultStatefulness>(id)
    }

    /// A project's security groups, by id.
    pub fn security_groups_of_project(&self, project: &str) -> impl Iterator<Item = &Record1<SecurityGroup>> {
        let owned = self.indexes.projects.get(project).into_iter();
        owned.flat_map(|owned| owned.security_groups.iter()).filter_map(|id| self.find::<SecurityGroup>(id))
    }

    /// A project's security groups' rules, by id.
    pub fn security_group_rules_of_project(
        &self,
        project: &str,
    ) -> impl Iterator<Item = &Record1<SecurityGroupRule>> {
        let owned = self.indexes.projects.get(project).into_iter();
        owned
            .flat_map(|owned| owned.security_group_rules.iter())
            .filter_map(|id| self.find::<SecurityGroupRule>(id))
    }

    /// A project's address groups, by id.
    pub fn address_groups_of_project(&self, project: &str) -> impl Iterator<Item = &Record1<AddressGroup>> {
        let owned = self.indexes.projects.get(project).into_iter();
        owned.flat_map(|owned| owned.address_groups.iter()).filter_map(|id| self.find::<AddressGroup>(id))
    }

    /// How many security groups a project has.
    pub fn count_security_groups_of_project(&self, project: &str) -> usize {
        self.indexes.projects.get(project).map_or(0, |owned| owned.security_groups.len())
    }

    /// How many security groups' rules a project has.
    pub fn count_security_group_rules_of_project(&self, project: &str) -> usize {
        self.indexes.projects.get(project).map_or(0, |owned| owned.security_group_rules.len())
    }

    /// How many address groups a project has.
    pub fn count_address_groups_of_project(&self, project: &str) -> usize {
        self.indexes.projects.get(project).map_or(0, |owned| owned.address_groups.len())
    }
}

/// Who names whom.
impl Snapshot {
    /// The rules of a group, by id.
    pub fn rules_of_group(
        &self,
        group: SecurityGroupId,
    ) -> impl Iterator<Item = &Record1<SecurityGroupRule>> {
        let first = (group, SecurityGroupRuleId(NIL));
        let pairs = self.indexes.security.group_rules.range(first..).take_while(move |pair| pair.0 == group);
        pairs.filter_map(|pair| self.find::<SecurityGroupRule>(&pair.1))
    }

    /// The rules whose other end is the set, by id.
    pub fn rules_by_remote(&self, set: SetId) -> impl Iterator<Item = &Record1<SecurityGroupRule>> {
        let first = (set, SecurityGroupRuleId(NIL));
        let pairs = self.indexes.security.remote_rules.range(first..).take_while(move |pair| pair.0 == set);
        pairs.filter_map(|pair| self.find::<SecurityGroupRule>(&pair.1))
    }

    /// The rules whose other end is the security group, by id.
    pub fn rules_by_remote_group(
        &self,
        group: SecurityGroupId,
    ) -> impl Iterator<Item = &Record1<SecurityGroupRule>> {
        self.rules_by_remote(SetId::Group(group))
    }

    /// The rules whose other end is the address group, by id.
    pub fn rules_by_address_group(
        &self,
        group: AddressGroupId,
    ) -> impl Iterator<Item = &Record1<SecurityGroupRule>> {
        self.rules_by_remote(SetId::AddressGroup(group))
    }

    /// The distinct sets that a group's rules of a direction name.
    pub fn remotes_of_group(
        &self,
        group: SecurityGroupId,
        direction: Direction,
    ) -> impl Iterator<Item = SetId> + '_ {
        let first = (group, direction, SetId::Group(SecurityGroupId(NIL)));
        let keys = self.indexes.security.group_remotes.range(first..).map(|(key, _)| *key);
        keys.take_while(move |key| (key.0, key.1) == (group, direction)).map(|key| key.2)
    }

    /// Whether a rule of the group of that direction names the set.
    pub fn is_remote_of_group(&self, group: SecurityGroupId, direction: Direction, set: SetId) -> bool {
        self.indexes.security.group_remotes.contains_key(&(group, direction, set))
    }

    /// The sets that a group's rules name, each once or, if rules of both directions do, twice.
    pub fn sets_named_by(&self, group: SecurityGroupId) -> impl Iterator<Item = SetId> + '_ {
        Direction::ALL.into_iter().flat_map(move |direction| self.remotes_of_group(group, direction))
    }

    /// The policies that include a group, by number. One exists for each distinct set of groups that ports have.
    pub fn policies_of_group(&self, group: SecurityGroupId) -> impl Iterator<Item = &Record1<Policy>> {
        let first = (group, PolicyNumber(0));
        let pairs =
            self.indexes.security.group_policies.range(first..).take_while(move |pair| pair.0 == group);
        pairs.filter_map(|pair| self.policy_by_number(pair.1))
    }

    /// The ports with a policy, by id.
    pub fn ports_of_policy(&self, policy: PolicyNumber) -> impl Iterator<Item = &Record1<Port>> {
        let first = (policy, PortId(NIL));
        let pairs =
            self.indexes.security.policy_ports.range(first..).take_while(move |pair| pair.0 == policy);
        pairs.filter_map(|pair| self.find::<Port>(&pair.1))
    }

    /// The ports that have a security group.
    pub fn ports_of_group(&self, group: SecurityGroupId) -> impl Iterator<Item = &Record1<Port>> {
        self.policies_of_group(group).flat_map(|policy| self.ports_of_policy(policy.number))
    }

    /// The policies of the ports bound to `host`, and how many such ports each has.
    pub fn host_policies(&self, host: &str) -> impl Iterator<Item = (PolicyNumber, usize)> {
        let policies = self.indexes.hosts.get(host).into_iter().flat_map(|bound| bound.policies.iter());
        policies.map(|(policy, count)| (*policy, *count))
    }

    /// How many ports with `policy` are bound to `host`.
    pub fn host_policy_ports(&self, host: &str, policy: PolicyNumber) -> usize {
        self.indexes.hosts.get(host).and_then(|bound| bound.policies.get(&policy)).copied().unwrap_or(0)
    }
}

/// The policy of a set of groups.
impl Snapshot {
    /// The policy of exactly these groups, sorted, if a port has it.
    pub fn policy_of_groups(&self, groups: &[SecurityGroupId]) -> Option<&Arc<crate::Stored<Policy>>> {
        self.get::<Policy>(&groups.to_vec())
    }
}
