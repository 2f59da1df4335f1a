//! Security groups and rules, one by one.

use crate::support::security::*;
use crate::support::*;
use hadron_control::address_group;
use hadron_control::security_group::{self, SecurityGroupChange};
use hadron_control::security_group_rule::{self, NewRule};
use hadron_control::{Error, SecurityError, bulk};
use hadron_model::*;

fn name<T>(result: Result<T, Error>) -> &'static str {
    result.err().expect("a refusal").type_name()
}

async fn change(
    cloud: &Cloud,
    id: SecurityGroupId,
    change: SecurityGroupChange,
) -> Result<SecurityGroup, Error> {
    cloud.write(|tx| security_group::update(tx, id, &change, None)).await
}

#[tokio::test]
async fn a_project_has_a_default_group_with_its_first_port() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let port = cloud.port(&new_port(network)).await.unwrap();
    let group = cloud.default_group();
    assert_eq!(port.security_groups, [group.id]);
    assert!(port.port_security_enabled && port.policy.is_some());
    assert_eq!((group.name.as_str(), group.stamp.revision_number, group.stateful), ("default", 1, true));
    let own = Remote::Group(group.id);
    let expected = [
        (Direction::Egress, Ethertype::Ipv4, Remote::Any),
        (Direction::Egress, Ethertype::Ipv6, Remote::Any),
        (Direction::Ingress, Ethertype::Ipv4, own),
        (Direction::Ingress, Ethertype::Ipv6, own),
    ];
    assert_eq!(rules(&cloud, group.id), expected);
    let view = cloud.view();
    assert!(view.rules_of_group(group.id).all(|rule| rule.description.is_none()));
    assert!(view.rules_of_group(group.id).all(|rule| rule.stamp.revision_number == 0));
    let again = cloud.port(&new_port(network)).await.unwrap();
    assert_eq!((again.security_groups, again.policy), (port.security_groups, port.policy));
    cloud.check();
}

#[tokio::test]
async fn another_group_begins_with_open_egress_and_the_default_group_comes_along() {
    let cloud = Cloud::new().await;
    let group = cloud.group("web").await;
    assert_eq!(group.stamp.revision_number, 1);
    let expected = [
        (Direction::Egress, Ethertype::Ipv4, Remote::Any),
        (Direction::Egress, Ethertype::Ipv6, Remote::Any),
    ];
    assert_eq!(rules(&cloud, group.id), expected);
    assert_ne!(cloud.default_group().id, group.id);
    cloud.check();
}

#[tokio::test]
async fn the_default_group_keeps_its_name_and_goes_for_an_administrator_only() {
    let cloud = Cloud::new().await;
    let named =
        |name: &str| SecurityGroupChange { name: Some(name.into()), ..SecurityGroupChange::default() };
    for text in ["default", "DEFAULT"] {
        let new = new_group(text);
        let made = cloud.write(|tx| security_group::create(tx, &cloud.config, &new)).await;
        assert_eq!(name(made), "SecurityGroupDefaultAlreadyExists");
    }
    let web = cloud.group("web").await.id;
    assert_eq!(name(change(&cloud, web, named("Default")).await), "SecurityGroupDefaultAlreadyExists");
    let default = cloud.default_group().id;
    assert_eq!(name(change(&cloud, default, named("x")).await), "SecurityGroupCannotUpdateDefault");
    let described = SecurityGroupChange { description: Some("d".into()), ..SecurityGroupChange::default() };
    assert_eq!(change(&cloud, default, described).await.unwrap().stamp.revision_number, 2);
    assert_eq!(name(cloud.delete_group(default, false).await), "SecurityGroupCannotRemoveDefault");
    cloud.delete_group(default, true).await.unwrap();
    cloud.check();
    let again = cloud.write(|tx| security_group::ensure_default(tx, &cloud.config, "p")).await.unwrap();
    assert_ne!(again, default);
    cloud.check();
}

#[tokio::test]
async fn a_group_in_use_stays_and_stays_as_stateful_as_it_is() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let web = cloud.group("web").await.id;
    let stateless = SecurityGroupChange { stateful: Some(false), ..SecurityGroupChange::default() };
    change(&cloud, web, stateless.clone()).await.unwrap();
    let port = cloud.port_with(network, groups(&[web])).await.unwrap();
    let stateful = SecurityGroupChange { stateful: Some(true), ..SecurityGroupChange::default() };
    assert_eq!(name(change(&cloud, web, stateful.clone()).await), "SecurityGroupInUse");
    change(&cloud, web, stateless).await.unwrap();
    assert_eq!(name(cloud.delete_group(web, true).await), "SecurityGroupInUse");
    let both = groups(&[web, cloud.default_group().id]);
    assert_eq!(name(cloud.secure(port.id, both).await), "SecurityGroupConflict");
    cloud.delete_port(port.id).await.unwrap();
    change(&cloud, web, stateful).await.unwrap();
    cloud.delete_group(web, false).await.unwrap();
    assert_eq!(name(cloud.delete_group(web, false).await), "SecurityGroupNotFound");
    cloud.check();
}

#[tokio::test]
async fn a_group_takes_its_rules_and_those_that_name_it_along_however_many() {
    let mut cloud = Cloud::new().await;
    cloud.config.quotas.security_group_rule = None;
    cloud.config.quotas.security_group = None;
    let named = cloud.group("named").await.id;
    for n in 0..150 {
        let other = cloud.group(&n.to_string()).await.id;
        cloud.rule(&rule(other, Remote::Group(named))).await.unwrap();
    }
    let before = cloud.view().len::<SecurityGroupRule>();
    cloud.delete_group(named, false).await.unwrap();
    cloud.check();
    assert_eq!(cloud.view().len::<SecurityGroupRule>(), before - 152);
}

#[tokio::test]
async fn a_rule_is_validated_as_neutron_does() {
    let cloud = Cloud::new().await;
    let group = cloud.group("web").await.id;
    let prefixed = |text: &str| rule(group, Remote::Prefix(text.parse().unwrap()));
    let of_v6 = |mut new: NewRule| {
        new.matches.ethertype = Ethertype::Ipv6;
        new
    };
    let mut ported = rule(group, Remote::Any);
    ported.matches.port_range_min = Some(5);
    let mut twice = rule(group, Remote::Any);
    twice.matches.remote =
        security_group_rule::remote(Some("10.0.0.0/8".parse().unwrap()), Some(group), None);
    for (new, refusal) in [
        (ported, "SecurityGroupProtocolRequiredWithPorts"),
        (matching(group, "tcp", Some(0), Some(5)), "SecurityGroupInvalidPortValue"),
        (matching(group, "tcp", Some(30), Some(20)), "SecurityGroupInvalidPortRange"),
        (matching(group, "udp", Some(30), None), "SecurityGroupInvalidPortRange"),
        (matching(group, "132", None, Some(30)), "SecurityGroupInvalidPortRange"),
        (matching(group, "icmp", Some(256), None), "SecurityGroupInvalidIcmpValue"),
        (matching(group, "1", Some(3), Some(300)), "SecurityGroupInvalidIcmpValue"),
        (matching(group, "icmp", None, Some(3)), "SecurityGroupMissingIcmpType"),
        (matching(group, "gre", Some(1), Some(2)), "SecurityGroupInvalidProtocolForPort"),
        (prefixed("2001:db8::/32"), "SecurityGroupRuleParameterConflict"),
        (of_v6(prefixed("10.0.0.0/8")), "SecurityGroupRuleParameterConflict"),
        (matching(group, "ipv6-icmp", None, None), "SecurityGroupEthertypeConflictWithProtocol"),
        (matching(group, "44", None, None), "SecurityGroupEthertypeConflictWithProtocol"),
        (twice, "SecurityGroupMultipleRemoteEntites"),
        (rule(group, Remote::Group(SecurityGroupId::random())), "SecurityGroupNotFound"),
        (rule(group, Remote::AddressGroup(AddressGroupId::random())), "AddressGroupNotFound"),
        (rule(SecurityGroupId::random(), Remote::Any), "SecurityGroupNotFound"),
    ] {
        let before = cloud.view().position();
        assert_eq!(name(cloud.rule(&new).await), refusal, "{new:?}");
        assert_eq!(cloud.view().position(), before);
    }
}

#[tokio::test]
async fn a_rule_is_brought_into_its_canonical_form() {
    let cloud = Cloud::new().await;
    let group = cloud.group("web").await;
    let mut new = matching(group.id, "icmp", Some(128), Some(0));
    new.matches.ethertype = Ethertype::Ipv6;
    assert_eq!(cloud.rule(&new).await.unwrap().protocol.unwrap().to_string(), "ipv6-icmp");
    new.matches.protocol = Some("1".parse().unwrap());
    new.matches.port_range_max = Some(1);
    assert_eq!(cloud.rule(&new).await.unwrap().protocol.unwrap().to_string(), "58");
    let all = cloud.rule(&matching(group.id, "TCP", Some(1), Some(65535))).await.unwrap();
    assert_eq!((all.port_range_min, all.port_range_max), (None, None));
    assert_eq!(all.protocol.unwrap().to_string(), "tcp");
    let prefix = rule(group.id, Remote::Prefix("10.0.0.1/8".parse().unwrap()));
    let rule = cloud.rule(&prefix).await.unwrap();
    assert_eq!(rule.remote.prefix().unwrap().to_string(), "10.0.0.1/8");
    assert_eq!(rule.normalized_cidr().unwrap().to_string(), "10.0.0.0/8");
    assert_eq!((rule.stamp.revision_number, rule.description.as_deref()), (0, Some("")));
    let revision = cloud.view().get::<SecurityGroup>(&group.id).unwrap().stamp.revision_number;
    assert_eq!(revision, group.stamp.revision_number + 4, "each rule counts as a change of its group");
    let id = rule.id;
    cloud.write(|tx| security_group_rule::delete(tx, id, None)).await.unwrap();
    assert_eq!(
        name(cloud.write(|tx| security_group_rule::delete(tx, id, None)).await),
        "SecurityGroupRuleNotFound"
    );
}

#[tokio::test]
async fn the_same_rule_is_refused_under_any_of_its_names() {
    let cloud = Cloud::new().await;
    let group = cloud.group("web").await.id;
    let first = cloud.rule(&matching(group, "tcp", Some(80), Some(80))).await.unwrap();
    let again = cloud.rule(&matching(group, "6", Some(80), Some(80))).await.unwrap_err();
    assert!(again.to_string().contains(&first.id.to_string()), "{again}");
    assert_eq!(again.type_name(), "SecurityGroupRuleExists");
    cloud.rule(&rule(group, Remote::Any)).await.unwrap();
    let everything = rule(group, Remote::Prefix("0.0.0.0/0".parse().unwrap()));
    assert_eq!(name(cloud.rule(&everything).await), "SecurityGroupRuleExists");
    // As given, not as meant.
    cloud.rule(&rule(group, Remote::Prefix("10.0.0.1/8".parse().unwrap()))).await.unwrap();
    cloud.rule(&rule(group, Remote::Prefix("10.0.0.0/8".parse().unwrap()))).await.unwrap();
}

#[tokio::test]
async fn a_bulk_of_rules_is_of_one_group_and_project_and_names_each_once() {
    let cloud = Cloud::new().await;
    let (one, two) = (cloud.group("one").await.id, cloud.group("two").await.id);
    let check = |rules: &[NewRule]| security_group_rule::check_bulk(rules);
    let web = matching(one, "tcp", Some(80), Some(80));
    let other = NewRule { project_id: "q".into(), ..matching(one, "udp", None, None) };
    assert_eq!(name(check(&[web.clone(), rule(two, Remote::Any)])), "SecurityGroupNotSingleGroupRules");
    assert_eq!(name(check(&[web.clone(), other])), "SecurityGroupRulesNotSingleProject");
    let same = matching(one, "6", Some(80), Some(80));
    assert_eq!(name(check(&[web.clone(), same])), "DuplicateSecurityGroupRuleInPost");
    let many: Vec<_> = (1..=90).map(|port| matching(one, "tcp", Some(port), Some(port))).collect();
    check(&many).unwrap();
    let create =
        |tx: &mut hadron_store::Tx, new: &NewRule| security_group_rule::create(tx, &cloud.config, new);
    let (made, _) = bulk::create(&cloud.store, &cloud.config, &info(), &many, create).await.unwrap();
    assert_eq!(made.len(), 90);
    cloud.check();
    // Two groups of two rules and the default one of four: the quota of 100 is passed in the middle, and nothing stays.
    let more: Vec<_> = (1..=10).map(|port| matching(two, "udp", Some(port), Some(port))).collect();
    let refused = bulk::create(&cloud.store, &cloud.config, &info(), &more, create).await.unwrap_err();
    assert_eq!(refused.error.type_name(), "OverQuota");
    assert_eq!(cloud.view().count_security_group_rules_of_project("p"), 98);
    cloud.check();
}

#[tokio::test]
async fn quotas_count_groups_and_rules() {
    let mut cloud = Cloud::new().await;
    cloud.config.quotas.security_group = Some(2);
    cloud.config.quotas.address_group = Some(1);
    let group = cloud.group("one").await.id;
    let new = new_group("two");
    let over = cloud.write(|tx| security_group::create(tx, &cloud.config, &new)).await.unwrap_err();
    assert_eq!(over.to_string(), "quota exceeded for resources: ['security_group']");
    cloud.config.quotas.security_group_rule = Some(6);
    let over = cloud.rule(&rule(group, Remote::Any)).await.unwrap_err();
    assert_eq!(over.to_string(), "quota exceeded for resources: ['security_group_rule']");
    cloud.address_group(&[]).await;
    let new = address_group::NewAddressGroup {
        project_id: "p".into(),
        name: String::new(),
        description: String::new(),
        addresses: vec![],
    };
    assert_eq!(name(cloud.write(|tx| address_group::create(tx, &cloud.config, &new)).await), "OverQuota");
}

#[tokio::test]
async fn more_remote_groups_than_a_policy_can_have_are_refused_at_the_call() {
    let mut cloud = Cloud::new().await;
    (cloud.config.quotas.security_group, cloud.config.quotas.security_group_rule) = (None, None);
    let network = cloud.network().await.id;
    let (one, two) = (cloud.group("one").await.id, cloud.group("two").await.id);
    let mut named = Vec::new();
    for n in 0..34 {
        named.push(cloud.group(&format!("named {n}")).await.id);
    }
    let from = |group, n: usize| rule(group, Remote::Group(named[n]));
    for n in 0..20 {
        cloud.rule(&from(one, n)).await.unwrap();
    }
    for n in 18..32 {
        cloud.rule(&from(two, n)).await.unwrap();
    }
    // 32 together: two are named by both.
    let port = cloud.port_with(network, groups(&[one, two])).await.unwrap();
    let refused = cloud.rule(&from(two, 32)).await.unwrap_err();
    assert_eq!(refused.type_name(), "SecurityGroupConflict");
    assert!(refused.to_string().contains("33 distinct remote groups"), "{refused}");
    let mut other_way = from(two, 32);
    other_way.matches.direction = Direction::Egress;
    cloud.rule(&other_way).await.unwrap();
    let mut known = from(two, 0);
    known.matches.protocol = Some("tcp".parse().unwrap());
    cloud.rule(&known).await.unwrap();
    cloud.secure(port.id, groups(&[one])).await.unwrap();
    cloud.rule(&from(two, 32)).await.unwrap();
    assert_eq!(name(cloud.secure(port.id, groups(&[one, two])).await), "SecurityGroupConflict");
    assert_eq!(name(cloud.port_with(network, groups(&[one, two])).await), "SecurityGroupConflict");
    cloud.check();
}

#[test]
fn refusals_are_neutron_s() {
    let facts: serde_json::Value =
        serde_json::from_str(include_str!("../../../../spec/exceptions.json")).unwrap();
    let group = SecurityGroupId::random();
    let rule = SecurityGroupRuleId::random();
    let addresses = AddressGroupId::random();
    let protocol: Protocol = "gre".parse().unwrap();
    let cidr: IpNet = "10.0.0.0/8".parse().unwrap();
    let ethertype = Ethertype::Ipv4;
    let text = String::new;
    let errors = [
        SecurityError::GroupNotFound(group),
        SecurityError::RuleNotFound(rule),
        SecurityError::DefaultRuleNotFound(rule),
        SecurityError::AddressGroupNotFound(addresses),
        SecurityError::DefaultStatefulnessNotFound(DefaultStatefulnessId::random()),
        SecurityError::DefaultStatefulnessExists(None),
        SecurityError::GroupInUse(group),
        SecurityError::CannotRemoveDefault,
        SecurityError::CannotUpdateDefault,
        SecurityError::DefaultAlreadyExists,
        SecurityError::RuleExists(rule),
        SecurityError::DuplicateRuleInPost,
        SecurityError::DefaultRuleExists(rule),
        SecurityError::NotSingleGroupRules,
        SecurityError::RulesNotSingleProject,
        SecurityError::MultipleRemoteEntities,
        SecurityError::ProtocolRequiredWithPorts,
        SecurityError::InvalidPortValue(text()),
        SecurityError::InvalidPortRange,
        SecurityError::InvalidIcmpValue { field: "type", attribute: "port_range_min", value: 256 },
        SecurityError::MissingIcmpType(1),
        SecurityError::InvalidProtocolForPort(protocol),
        SecurityError::RuleParameterConflict { ethertype, cidr },
        SecurityError::EthertypeConflictWithProtocol { ethertype, protocol },
        SecurityError::RuleInvalidProtocol(text()),
        SecurityError::RuleInvalidEtherType(text()),
        SecurityError::Conflict(text()),
        SecurityError::TooManyRemoteGroups { direction: Direction::Ingress, count: 33, limit: 32 },
        SecurityError::AddressGroupInUse(addresses),
        SecurityError::AddressesAlreadyExist { addresses: vec![cidr], group: addresses },
        SecurityError::AddressesNotFound { addresses: vec![cidr], group: addresses },
        SecurityError::AddressPairAndPortSecurityRequired,
        SecurityError::AllowedAddressPairExhausted(10),
        SecurityError::DuplicateAddressPairInRequest { mac: text(), ip: text() },
        SecurityError::PortSecurityAndIpRequiredForSecurityGroups,
        SecurityError::PortSecurityPortHasSecurityGroup(PortId::random()),
    ];
    for error in errors {
        let fact = &facts[error.type_name()];
        assert_eq!(fact.as_u64(), Some(error.status().into()), "{}: {fact}", error.type_name());
        assert!(!error.to_string().is_empty());
    }
}
