//! Random groups, rules, templates and policies.

use super::{number, prefix, stamp, stored, text, uuid};
use crate::Milestone;
use crate::record::AnyRecord;
use hadron_model::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

fn remote() -> impl Strategy<Value = Remote> {
    prop_oneof![
        Just(Remote::Any),
        prefix().prop_map(Remote::Prefix),
        uuid().prop_map(|id| Remote::Group(SecurityGroupId(id))),
        uuid().prop_map(|id| Remote::AddressGroup(AddressGroupId(id))),
    ]
}

fn protocol() -> impl Strategy<Value = Option<Protocol>> {
    let names: Vec<_> = Protocol::names().collect();
    of(prop_oneof![
        any::<u8>().prop_map(Protocol::numbered),
        proptest::sample::select(names).prop_map(|name| name.parse().unwrap())
    ])
}

prop_compose! {
    fn group()(
        id in uuid(), texts in [text(), text(), text()], stateful: bool, is_default: bool, stamp in stamp(),
    ) -> SecurityGroup {
        let [project_id, name, description] = texts;
        let number = SetNumber(number(id));
        SecurityGroup {
            id: SecurityGroupId(id), number, project_id, name, description, stateful, is_default, stamp,
        }
    }
}

prop_compose! {
    fn rule()(
        id in uuid(), group in uuid(), project_id in text(), direction in proptest::sample::select(&Direction::ALL[..]),
        ethertype in proptest::sample::select(&Ethertype::ALL[..]), protocol in protocol(),
        ports: (Option<u16>, Option<u16>), remote in remote(), description in of(text()), stamp in stamp(),
    ) -> SecurityGroupRule {
        SecurityGroupRule {
            id: SecurityGroupRuleId(id), number: RuleNumber(number(id)), security_group_id: SecurityGroupId(group),
            project_id, direction, ethertype, protocol, port_range_min: ports.0, port_range_max: ports.1, remote,
            description, stamp,
        }
    }
}

prop_compose! {
    fn default_rule()(
        rule in rule(), is_parent: bool, used_in_default_sg: bool, used_in_non_default_sg: bool, description in text(),
    ) -> DefaultRule {
        DefaultRule {
            id: rule.id, direction: rule.direction, ethertype: rule.ethertype, protocol: rule.protocol,
            port_range_min: rule.port_range_min, port_range_max: rule.port_range_max,
            remote: if is_parent { TemplateRemote::Parent } else { TemplateRemote::Fixed(rule.remote) },
            used_in_default_sg, used_in_non_default_sg, description, stamp: rule.stamp,
        }
    }
}

prop_compose! {
    fn address_group()(
        id in uuid(), texts in [text(), text(), text()], addresses in vec(prefix(), 0..5), stamp in stamp(),
    ) -> AddressGroup {
        let [project_id, name, description] = texts;
        // Numbers of both kinds of sets are from one sequence.
        let number = SetNumber(1000 + number(id));
        AddressGroup { id: AddressGroupId(id), number, project_id, name, description, addresses, stamp }
    }
}

/// A policy's number is derived from its groups, so that it is unique.
fn policy() -> impl Strategy<Value = Policy> {
    vec(uuid(), 0..3).prop_map(|mut ids| {
        ids.sort();
        ids.dedup();
        let number = ids.iter().fold(1, |sum, id| sum * 100 + id.as_u128() as u32 + 1);
        Policy { number: PolicyNumber(number), groups: ids.into_iter().map(SecurityGroupId).collect() }
    })
}

pub(super) fn record() -> impl Strategy<Value = AnyRecord> {
    prop_oneof![
        2 => group().prop_map(stored),
        4 => rule().prop_map(stored),
        1 => default_rule().prop_map(stored),
        1 => address_group().prop_map(stored),
        3 => policy().prop_map(stored),
        1 => (text(), uuid()).prop_map(|(project_id, id)| {
            stored(DefaultGroup { project_id, security_group_id: SecurityGroupId(id) })
        }),
        1 => text().prop_map(|name| stored(Milestone { name })),
        // A project has at most one, which is for the writer to ensure: derived from the id.
        1 => (uuid(), any::<bool>()).prop_map(|(id, stateful)| {
            let number = id.as_u128();
            let project_id = (number != 0).then(|| number.to_string());
            stored(DefaultStatefulness { id: DefaultStatefulnessId(id), project_id, stateful })
        }),
    ]
}
