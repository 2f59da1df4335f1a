//! Two servers at the same time, on security groups: between what an operation reads on one and its commit, a rival commits
//! on the other.

use crate::support::security::*;
use crate::support::servers::{Servers, servers};
use crate::support::*;
use hadron_control::default_statefulness::{self, NewDefaultStatefulness};
use hadron_control::packet_log::{self, NewPacketLog};
use hadron_control::port::{self, NewPort, PortChange};
use hadron_control::port_security::SecurityChange;
use hadron_control::security_group::{self, SecurityGroupChange};
use hadron_control::security_group_rule::{self, NewRule};
use hadron_control::{Error, Step, address_group};
use hadron_model::*;
use hadron_store::Tx;

impl Servers {
    async fn group(&self, name: &str) -> SecurityGroupId {
        let id = self.one.group(name).await.id;
        self.two.store.wait_current().await.unwrap();
        id
    }

    async fn port_of(&self, groups_of: &[SecurityGroupId]) -> PortId {
        let id = self.one.port_with(self.network, groups(groups_of)).await.unwrap().id;
        self.two.store.wait_current().await.unwrap();
        id
    }

    fn new_port(&self, of: &[SecurityGroupId]) -> NewPort {
        NewPort { security: groups(of), ..new_port(self.network) }
    }

    fn create_rule<'a>(
        &'a self,
        new: &'a NewRule,
    ) -> impl Fn(&mut Tx) -> Result<SecurityGroupRule, Error> + 'a {
        |tx| security_group_rule::create(tx, &self.one.config, new)
    }

    fn delete_port(&self, id: PortId) -> impl Fn(&mut Tx) -> Result<(), Error> + '_ {
        move |tx| port::delete(tx, &self.one.config, id, None).map(|_| ())
    }
}

fn delete_group(id: SecurityGroupId) -> impl Fn(&mut Tx) -> Result<Step<()>, Error> {
    move |tx| security_group::delete(tx, id, true, None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_while_a_port_takes_it() {
    let servers = servers().await;
    let group = servers.group("web").await;
    let new = servers.new_port(&[group]);
    let (went, came) = servers.race(delete_group(group), servers.create_port(&new)).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("SecurityGroupInUse", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_takes_a_group_while_it_goes() {
    let servers = servers().await;
    let group = servers.group("web").await;
    let new = servers.new_port(&[group]);
    let (came, went) = servers.race(servers.create_port(&new), delete_group(group)).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("SecurityGroupNotFound", true));
    // Also a port that was there.
    let (group, port) = (servers.group("db").await, servers.port_of(&[]).await);
    let change = PortChange { security: groups(&[group]), ..PortChange::default() };
    let update = |tx: &mut Tx| port::update(tx, &servers.one.config, port, &change, None);
    let (changed, went) = servers.race(update, delete_group(group)).await;
    assert_eq!((changed.unwrap_err(), went.is_ok()), ("SecurityGroupNotFound", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_turns_stateless_while_a_port_takes_it_and_a_stateful_one() {
    let servers = servers().await;
    let (one, two) = (servers.group("one").await, servers.group("two").await);
    let stateless = SecurityGroupChange { stateful: Some(false), ..SecurityGroupChange::default() };
    let turn = |tx: &mut Tx| security_group::update(tx, one, &stateless, None);
    let new = servers.new_port(&[one, two]);
    let (turned, came) = servers.race(turn, servers.create_port(&new)).await;
    assert_eq!((turned.unwrap_err(), came.is_ok()), ("SecurityGroupInUse", true));
    servers.check().await;
    servers.one.delete_port(came.unwrap().id).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let (came, turned) = servers.race(servers.create_port(&new), turn).await;
    assert_eq!((came.unwrap_err(), turned.is_ok()), ("SecurityGroupConflict", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_while_a_rule_comes_that_names_it_or_is_its_own() {
    let servers = servers().await;
    let (one, two) = (servers.group("one").await, servers.group("two").await);
    let naming = rule(two, Remote::Group(one));
    let (went, came) = servers.race(delete_group(one), servers.create_rule(&naming)).await;
    assert!(went.is_ok() && came.is_ok(), "it takes the rule along");
    servers.check().await;

    let three = servers.group("three").await;
    let naming = rule(two, Remote::Group(three));
    let (came, went) = servers.race(servers.create_rule(&naming), delete_group(three)).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("SecurityGroupNotFound", true));
    servers.check().await;

    let four = servers.group("four").await;
    let own = rule(four, Remote::Any);
    let (went, came) = servers.race(delete_group(four), servers.create_rule(&own)).await;
    assert!(went.is_ok() && came.is_ok());
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_group_goes_while_a_rule_comes_that_names_it() {
    let servers = servers().await;
    let group = servers.group("web").await;
    let addresses = servers.one.address_group(&["10.0.0.0/8"]).await.id;
    servers.two.store.wait_current().await.unwrap();
    let naming = rule(group, Remote::AddressGroup(addresses));
    let delete = |tx: &mut Tx| address_group::delete(tx, addresses, None);
    let (went, came) = servers.race(delete, servers.create_rule(&naming)).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("AddressGroupInUse", true));
    servers.check().await;
    let addresses = servers.one.address_group(&[]).await.id;
    servers.two.store.wait_current().await.unwrap();
    let naming = rule(group, Remote::AddressGroup(addresses));
    let delete = |tx: &mut Tx| address_group::delete(tx, addresses, None);
    let (came, went) = servers.race(servers.create_rule(&naming), delete).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("AddressGroupNotFound", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_rule_comes_twice() {
    let servers = servers().await;
    let group = servers.group("web").await;
    let new = matching(group, "tcp", Some(80), Some(80));
    let (second, first) = servers.race(servers.create_rule(&new), servers.create_rule(&new)).await;
    assert_eq!((second.unwrap_err(), first.is_ok()), ("SecurityGroupRuleExists", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_s_first_two_ports_come_at_once() {
    let servers = servers().await;
    let new = new_port(servers.network);
    let (one, two) = servers.race(servers.create_port(&new), servers.create_port(&new)).await;
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((&one.security_groups, one.policy), (&two.security_groups, two.policy));
    let view = servers.check().await;
    assert_eq!((view.len::<SecurityGroup>(), view.len::<Policy>(), view.len::<DefaultRule>()), (1, 1, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ports_are_the_first_with_their_groups() {
    let servers = servers().await;
    let group = servers.group("web").await;
    let new = servers.new_port(&[group]);
    let (one, two) = servers.race(servers.create_port(&new), servers.create_port(&new)).await;
    assert_eq!(one.unwrap().policy, two.unwrap().policy);
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_port_of_a_policy_goes_while_another_comes() {
    let servers = servers().await;
    let group = servers.group("web").await;
    let new = servers.new_port(&[group]);
    let last = servers.port_of(&[group]).await;
    let (went, came) = servers.race(servers.delete_port(last), servers.create_port(&new)).await;
    assert!(went.is_ok());
    servers.check().await;
    let last = came.unwrap().id;
    let (came, went) = servers.race(servers.create_port(&new), servers.delete_port(last)).await;
    assert!(came.is_ok() && went.is_ok());
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_two_ports_of_a_policy_go_at_once() {
    let servers = servers().await;
    let group = servers.group("web").await;
    let (one, two) = (servers.port_of(&[group]).await, servers.port_of(&[group]).await);
    let (first, second) = servers.race(servers.delete_port(one), servers.delete_port(two)).await;
    assert!(first.is_ok() && second.is_ok());
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_names_a_further_group_while_a_port_takes_as_many_as_it_can() {
    let mut servers = servers().await;
    for cloud in [&mut servers.one, &mut servers.two] {
        (cloud.config.quotas.security_group, cloud.config.quotas.security_group_rule) = (None, None);
    }
    let (one, two) = (servers.group("one").await, servers.group("two").await);
    for n in 0..32 {
        let named = servers.group(&n.to_string()).await;
        let of = if n % 2 == 0 { one } else { two };
        servers.one.rule(&rule(of, Remote::Group(named))).await.unwrap();
    }
    let further = rule(two, Remote::Group(servers.group("further").await));
    let new = servers.new_port(&[one, two]);
    let (named, came) = servers.race(servers.create_rule(&further), servers.create_port(&new)).await;
    assert_eq!((named.unwrap_err(), came.is_ok()), ("SecurityGroupConflict", true));
    servers.check().await;
    servers.one.delete_port(came.unwrap().id).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let (came, named) = servers.race(servers.create_port(&new), servers.create_rule(&further)).await;
    assert_eq!((came.unwrap_err(), named.is_ok()), ("SecurityGroupConflict", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_loses_its_security_while_it_gets_a_group() {
    let servers = servers().await;
    let (group, port) = (servers.group("web").await, servers.port_of(&[]).await);
    let config = &servers.one.config;
    let change = |security: SecurityChange| {
        let change = PortChange { security, ..PortChange::default() };
        move |tx: &mut Tx| port::update(tx, config, port, &change, None)
    };
    let without = SecurityChange { port_security_enabled: Some(false), ..SecurityChange::default() };
    let (lost, got) = servers.race(change(without), change(groups(&[group]))).await;
    assert_eq!((lost.unwrap_err(), got.is_ok()), ("PortSecurityPortHasSecurityGroup", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_gets_one_default_statefulness() {
    let servers = servers().await;
    for project_id in [None, Some("p".to_owned())] {
        let new = NewDefaultStatefulness { project_id, stateful: false };
        let create = |tx: &mut Tx| default_statefulness::create(tx, &new);
        let (second, first) = servers.race(create, create).await;
        let exists = "SecurityGroupDefaultStatefulnessAlreadyExists";
        assert_eq!((second.unwrap_err(), first.is_ok()), (exists, true));
    }
    assert_eq!(servers.check().await.len::<DefaultStatefulness>(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_comes_for_a_port_or_a_group_that_goes() {
    let servers = servers().await;
    let (group, port) = (servers.group("web").await, servers.port_of(&[]).await);
    let new = |group, port| NewPacketLog {
        project_id: "p".to_owned(),
        name: String::new(),
        description: String::new(),
        enabled: true,
        events: LoggedEvents::All,
        security_group_id: group,
        port_id: port,
        of_every_project: false,
    };
    let of_port = |tx: &mut Tx| packet_log::create(tx, &new(None, Some(port)));
    let (came, went) = servers.race(of_port, servers.delete_port(port)).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("TargetResourceNotFound", true));
    let of_group = |tx: &mut Tx| packet_log::create(tx, &new(Some(group), None));
    let (came, went) = servers.race(of_group, delete_group(group)).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("ResourceNotFound", true));
    servers.check().await;
}
