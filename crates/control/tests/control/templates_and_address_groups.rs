//! Templates of rules and address groups, one by one.

use crate::support::security::*;
use crate::support::*;
use hadron_control::address_group::{self, AddressGroupChange};
use hadron_control::default_rule::{self, NewDefaultRule};
use hadron_control::security_group_rule::{self, RuleMatch};
use hadron_control::{Error, recovery};
use hadron_model::*;

fn name<T>(result: Result<T, Error>) -> &'static str {
    result.err().expect("a refusal").type_name()
}

#[tokio::test]
async fn templates_are_there_once_and_make_the_rules_of_later_groups() {
    let cloud = Cloud::new().await;
    recovery::run(&cloud.store, &cloud.config).await.unwrap();
    let seeded: Vec<_> = cloud.view().iter::<DefaultRule>().map(|rule| rule.id).collect();
    assert_eq!(seeded.len(), 4);
    let new = |used_in_default_sg, remote| NewDefaultRule {
        matches: RuleMatch {
            direction: Direction::Ingress,
            ethertype: Ethertype::Ipv4,
            protocol: Some("tcp".parse().unwrap()),
            port_range_min: Some(22),
            port_range_max: Some(22),
            remote: Ok(remote),
        },
        used_in_default_sg,
        used_in_non_default_sg: !used_in_default_sg,
        description: "ssh".into(),
    };
    let create = async |new: NewDefaultRule| cloud.write(|tx| default_rule::create(tx, &new)).await;
    create(new(false, TemplateRemote::Parent)).await.unwrap();
    create(new(true, TemplateRemote::Parent)).await.unwrap();
    assert_eq!(name(create(new(false, TemplateRemote::Parent)).await), "DefaultSecurityGroupRuleExists");
    let nobody = TemplateRemote::Fixed(Remote::Group(SecurityGroupId::random()));
    assert_eq!(name(create(new(true, nobody)).await), "SecurityGroupNotFound");
    for id in seeded {
        cloud.write(|tx| default_rule::delete(tx, id, None)).await.unwrap();
    }
    recovery::run(&cloud.store, &cloud.config).await.unwrap();
    assert_eq!(cloud.view().len::<DefaultRule>(), 2, "what an operator deleted stays deleted");
    let web = cloud.group("web").await.id;
    let own = (Direction::Ingress, Ethertype::Ipv4, Remote::Group(web));
    assert_eq!(rules(&cloud, web), [own]);
    let gone = SecurityGroupRuleId::random();
    assert_eq!(
        name(cloud.write(|tx| default_rule::delete(tx, gone, None)).await),
        "DefaultSecurityGroupRuleNotFound"
    );
    cloud.check();
}

#[tokio::test]
async fn an_address_group_holds_each_prefix_once() {
    let cloud = Cloud::new().await;
    let prefixes = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
    let group = cloud.address_group(&["10.0.0.7/24", "10.0.0.0/24", "fd00::1/128"]).await;
    assert_eq!(group.addresses, prefixes(&["10.0.0.0/24", "fd00::1/128"]));
    assert_eq!((group.stamp.revision_number, cloud.address_group(&[]).await.stamp.revision_number), (2, 0));
    let add = async |list: &[&str]| {
        let list = prefixes(list);
        cloud.write(|tx| address_group::add_addresses(tx, &cloud.config, group.id, &list, None)).await
    };
    let remove = async |list: &[&str]| {
        let list = prefixes(list);
        cloud.write(|tx| address_group::remove_addresses(tx, group.id, &list, None)).await
    };
    assert_eq!(add(&["10.2.0.9/24"]).await.unwrap().stamp.revision_number, 3);
    assert_eq!(name(add(&["10.9.0.0/24", "10.2.0.1/24"]).await), "AddressesAlreadyExist");
    assert_eq!(name(remove(&["10.9.0.0/24", "10.2.0.1/24"]).await), "AddressesNotFound");
    let left = remove(&["10.2.0.1/24", "fd00::1/128"]).await.unwrap().addresses;
    assert_eq!(left, prefixes(&["10.0.0.0/24"]));
    let renamed = AddressGroupChange { name: Some("n".into()), ..AddressGroupChange::default() };
    cloud.write(|tx| address_group::update(tx, group.id, &renamed, None)).await.unwrap();

    let web = cloud.group("web").await.id;
    let named = cloud.rule(&rule(web, Remote::AddressGroup(group.id))).await.unwrap().id;
    let delete = async || cloud.write(|tx| address_group::delete(tx, group.id, None)).await;
    assert_eq!(name(delete().await), "AddressGroupInUse");
    cloud.write(|tx| security_group_rule::delete(tx, named, None)).await.unwrap();
    delete().await.unwrap();
    assert_eq!(name(delete().await), "AddressGroupNotFound");
}
