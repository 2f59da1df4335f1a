//! What the indexes say of groups, rules and policies is what a search finds.

use crate::arbitrary::record;
use crate::{Logged, SetId, Snapshot, Stored};
use hadron_model::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The values of a kind, by key.
fn all<T: crate::Record>(snapshot: &Snapshot) -> Vec<Arc<Stored<T>>> {
    snapshot.iter::<T>().cloned().collect()
}

fn rules_and_sets(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    let rules = all::<SecurityGroupRule>(snapshot);
    for rule in &rules {
        let of = |it: &&Arc<Stored<SecurityGroupRule>>| it.security_group_id == rule.security_group_id;
        prop_assert!(snapshot.rules_of_group(rule.security_group_id).eq(rules.iter().filter(of)));
        prop_assert_eq!(snapshot.rule_by_number(rule.number), Some(rule));
        let project = &rule.project_id;
        let owned: Vec<_> = rules.iter().filter(|it| it.project_id == *project).collect();
        prop_assert_eq!(snapshot.count_security_group_rules_of_project(project), owned.len());
        prop_assert!(snapshot.security_group_rules_of_project(project).eq(owned));
        let same_way = rules.iter().filter(of).filter(|it| it.direction == rule.direction);
        let named: BTreeSet<_> = same_way.filter_map(|it| SetId::of(it.remote)).collect();
        prop_assert!(snapshot.remotes_of_group(rule.security_group_id, rule.direction).eq(named));
        if let Some(set) = SetId::of(rule.remote) {
            let naming = rules.iter().filter(|it| it.remote == rule.remote);
            prop_assert!(snapshot.rules_by_remote(set).eq(naming));
            prop_assert!(snapshot.is_remote_of_group(rule.security_group_id, rule.direction, set));
            prop_assert!(snapshot.sets_named_by(rule.security_group_id).any(|named| named == set));
        }
    }
    for group in snapshot.iter::<SecurityGroup>() {
        prop_assert_eq!(snapshot.set_by_number(group.number), Some(SetId::Group(group.id)));
        prop_assert!(snapshot.security_groups_of_project(&group.project_id).any(|it| it == group));
    }
    for group in snapshot.iter::<AddressGroup>() {
        prop_assert_eq!(snapshot.set_by_number(group.number), Some(SetId::AddressGroup(group.id)));
        prop_assert_eq!(snapshot.set_number(SetId::AddressGroup(group.id)), Some(group.number));
        prop_assert!(snapshot.address_groups_of_project(&group.project_id).any(|it| it == group));
    }
    Ok(())
}

fn policies_and_ports(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    let ports = all::<Port>(snapshot);
    for port in &ports {
        let Some(policy) = port.policy else { continue };
        let same: Vec<_> = ports.iter().filter(|it| it.policy == Some(policy)).collect();
        prop_assert!(snapshot.ports_of_policy(policy).eq(same.iter().copied()));
        let host = port.binding.host_id.as_str();
        let here = same.iter().filter(|it| it.binding.host_id == host).count();
        prop_assert_eq!(snapshot.host_policy_ports(host, policy), if host.is_empty() { 0 } else { here });
        let listed = snapshot.host_policies(host).any(|it| it == (policy, here));
        prop_assert_eq!(listed, !host.is_empty());
    }
    for policy in snapshot.iter::<Policy>() {
        prop_assert_eq!(snapshot.policy_by_number(policy.number), Some(policy));
        prop_assert_eq!(snapshot.policy_of_groups(&policy.groups), Some(policy));
        for group in &policy.groups {
            let mut expected: Vec<_> =
                snapshot.iter::<Policy>().filter(|it| it.groups.contains(group)).collect();
            expected.sort_by_key(|it| it.number);
            prop_assert!(snapshot.policies_of_group(*group).eq(expected));
        }
    }
    Ok(())
}

fn statefulness(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    for setting in snapshot.iter::<DefaultStatefulness>() {
        prop_assert_eq!(snapshot.default_statefulness(setting.project_id.as_deref()), Some(setting));
    }
    Ok(())
}

fn packet_logs(snapshot: &Snapshot) -> Result<(), TestCaseError> {
    let logs = all::<PacketLog>(snapshot);
    for log in &logs {
        let of_project = logs.iter().filter(|it| it.project_id == log.project_id);
        prop_assert!(snapshot.packet_logs_of_project(&log.project_id).eq(of_project));
        if let Some(port) = log.port_id {
            let naming = logs.iter().filter(|it| it.port_id == Some(port));
            prop_assert!(snapshot.packet_logs_naming(Logged::Port(port)).eq(naming));
        }
    }
    for port in snapshot.iter::<Port>() {
        prop_assert!(snapshot.packet_logs_of_port(port).eq(logs.iter().filter(|log| log.covers(port))));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn answers_are_those_of_a_search(changes in vec((record(), prop::bool::weighted(0.9)), 0..200)) {
        let mut snapshot = Snapshot::default();
        for (record, keep) in changes {
            snapshot.set_any(&record.key(), keep.then_some(record.clone()));
        }
        rules_and_sets(&snapshot)?;
        policies_and_ports(&snapshot)?;
        packet_logs(&snapshot)?;
        statefulness(&snapshot)?;
    }
}
