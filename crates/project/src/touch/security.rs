//! What a change of groups, rules and policies touches.

use super::Touched;
use crate::Interest;
use crate::derive::{entries_only_in, names};
use hadron_model::{
    AddressGroup, AddressGroupId, Host, Policy, PolicyNumber, Port, SecurityGroup, SecurityGroupId,
    SecurityGroupRule, SecurityGroupRuleId,
};
use hadron_store::{SetId, Snapshot};
use hadron_wire::RowKey;

impl Touched {
    /// A group that came, went or treats its packets otherwise.
    pub(super) fn group(&mut self, id: SecurityGroupId, sides: [&Snapshot; 2]) {
        let [before, after] = sides.map(|side| side.get::<SecurityGroup>(&id));
        if before.map(|group| (group.number, group.stateful))
            != after.map(|group| (group.number, group.stateful))
        {
            sides
                .into_iter()
                .for_each(|side| side.rules_of_group(id).for_each(|rule| self.rule_row(rule, sides)));
        }
        if before.map(|group| group.number) != after.map(|group| group.number) {
            for side in sides {
                side.rules_by_remote_group(id).for_each(|rule| self.rule(rule, sides));
                side.ports_of_group(id).for_each(|port| self.members(port, sides));
            }
        }
    }

    /// A rule on one of the sides.
    pub(super) fn rule(&mut self, rule: &SecurityGroupRule, sides: [&Snapshot; 2]) {
        self.rule_row(rule, sides);
        let group = rule.security_group_id;
        let Some(set) = SetId::of(rule.remote) else { return };
        let [before, after] = sides.map(|side| names(side, group, set));
        if before != after {
            for number in sides.into_iter().filter_map(|side| side.set_number(SetId::Group(group))) {
                let sets = sides.into_iter().filter_map(|side| side.set_number(set));
                self.namings.extend(sets.map(|set| (number.0, set.0)));
            }
        }
    }

    pub(super) fn rule_by_id(&mut self, id: SecurityGroupRuleId, sides: [&Snapshot; 2]) {
        for side in sides {
            if let Some(rule) = side.get::<SecurityGroupRule>(&id) {
                self.rule(rule, sides);
            }
        }
    }

    fn rule_row(&mut self, rule: &SecurityGroupRule, sides: [&Snapshot; 2]) {
        for group in sides.into_iter().filter_map(|side| side.get::<SecurityGroup>(&rule.security_group_id)) {
            self.rows.insert(RowKey::Rule { group: group.number.0, rule: rule.number.0 });
        }
    }

    /// The prefixes that an address group has on one side only.
    pub(super) fn address_group(&mut self, id: AddressGroupId, sides: [&Snapshot; 2]) {
        let [before, after] = sides.map(|side| side.get::<AddressGroup>(&id));
        let [old, new] = [before, after].map(|side| side.map(|group| &group.value));
        for (set, member, _) in entries_only_in(old, new).chain(entries_only_in(new, old)) {
            self.rows.insert(RowKey::Member { set: set.0, member });
        }
        if before.map(|group| group.number) != after.map(|group| group.number) {
            for side in sides {
                side.rules_by_address_group(id).for_each(|rule| self.rule(rule, sides));
            }
        }
    }

    pub(super) fn policy(&mut self, groups: &Vec<SecurityGroupId>, sides: [&Snapshot; 2]) {
        for policy in sides.into_iter().filter_map(|side| side.get::<Policy>(groups)) {
            self.rows.insert(RowKey::Policy(policy.number.0));
        }
    }

    /// The port as a member of its groups.
    pub(super) fn members(&mut self, port: &Port, sides: [&Snapshot; 2]) {
        for group in &port.security_groups {
            for set in sides.into_iter().filter_map(|side| side.set_number(SetId::Group(*group))) {
                self.rows.insert(RowKey::Member { set: set.0, member: port.number.0 });
            }
        }
    }

    /// What the port's hosts need of its policy, where the first port with it came or the last went.
    pub(super) fn needs_of_port(&mut self, port: &Port, sides: [&Snapshot; 2]) {
        let Some(policy) = port.policy else { return };
        for host in sides.into_iter().filter_map(|side| side.get::<Host>(&port.binding.host_id)) {
            let [before, after] = sides.map(|side| {
                let host = side.host_by_number(host.number);
                host.is_some_and(|host| side.host_policy_ports(&host.name, policy) > 0)
            });
            if before != after {
                sides.into_iter().for_each(|side| self.needs_of_policy(host.number.0, policy, side));
            }
        }
    }

    /// The policy, the rules of its groups, and the members of what these name.
    pub(super) fn needs_of_policy(&mut self, host: u32, policy: PolicyNumber, side: &Snapshot) {
        self.interests.insert((host, Interest::Policy(policy.0)));
        let groups = side.policy_by_number(policy).map_or(&[][..], |policy| &policy.groups);
        for &group in groups {
            let number = side.set_number(SetId::Group(group));
            self.interests.extend(number.map(|number| (host, Interest::Rules(number.0))));
            let sets = side.sets_named_by(group).filter_map(|set| side.set_number(set));
            self.interests.extend(sets.map(|set| (host, Interest::Members(set.0))));
        }
    }
}
