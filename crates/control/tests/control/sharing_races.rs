//! Two servers at the same time, on what is shared: between what an operation reads on one and its commit, a rival commits on
//! the other.

use crate::support::security::*;
use crate::support::servers::{Servers, servers};
use hadron_control::port::{self, NewPort};
use hadron_control::port_security::SecurityChange;
use hadron_control::rbac::{self, NewRbacPolicy, Reliance};
use hadron_control::security_group_rule;
use hadron_control::{Error, address_group, network};
use hadron_model::*;
use hadron_store::Tx;

fn policy(object: Shareable) -> NewRbacPolicy {
    NewRbacPolicy {
        project_id: "p".to_owned(),
        object,
        access: Access::Shared,
        target: Target::Project("q".to_owned()),
        asker: None,
    }
}

fn unshare(id: RbacPolicyId) -> impl Fn(&mut Tx) -> Result<(), Error> {
    move |tx| rbac::delete(tx, id)
}

impl Servers {
    async fn shared(&self, object: Shareable) -> RbacPolicyId {
        let new = policy(object);
        let id = self.one.write(|tx| rbac::create(tx, &self.one.config, &new)).await.unwrap().id;
        self.two.store.wait_current().await.unwrap();
        id
    }
}

fn reliance(object: Shareable) -> Vec<Reliance> {
    vec![Reliance { object, project: "q".to_owned() }]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_is_withdrawn_while_a_guest_comes() {
    let servers = servers().await;
    let object = Shareable::Network(servers.network);
    let shared = servers.shared(object).await;
    let guest = NewPort { relies_on: reliance(object), ..NewPort::on(servers.network, "q".to_owned()) };
    let (went, came) = servers.race(unshare(shared), servers.create_port(&guest)).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("RbacPolicyInUse", true));
    servers.one.delete_port(came.unwrap().id).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let (came, went) = servers.race(servers.create_port(&guest), unshare(shared)).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("NetworkNotFound", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_security_group_is_withdrawn_while_a_port_takes_it() {
    let servers = servers().await;
    let group = servers.one.group("web").await.id;
    let object = Shareable::SecurityGroup(group);
    let shared = servers.shared(object).await;
    // The policy of the group is there already, so that a further port with it writes nothing but itself.
    let security = SecurityChange { security_groups: Some(vec![group]), ..SecurityChange::default() };
    let of = |project: &str| NewPort {
        security: security.clone(),
        ..NewPort::on(servers.network, project.to_owned())
    };
    servers.one.port(&of("p")).await.unwrap();
    servers.one.port(&NewPort::on(servers.network, "q".to_owned())).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let guest = NewPort { relies_on: reliance(object), fixed_ips: Some(vec![]), ..of("q") };
    let (went, came) = servers.race(unshare(shared), servers.create_port(&guest)).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("RbacPolicyInUse", true));
    let came = came.unwrap().id;
    servers.one.write(|tx| port::delete(tx, &servers.one.config, came, None)).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let (came, went) = servers.race(servers.create_port(&guest), unshare(shared)).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("SecurityGroupNotFound", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_group_is_withdrawn_while_a_rule_names_it() {
    let servers = servers().await;
    let (group, addresses) = (servers.one.group("web").await.id, servers.one.address_group(&[]).await.id);
    let object = Shareable::AddressGroup(addresses);
    let shared = servers.shared(object).await;
    let mut new = rule(group, Remote::AddressGroup(addresses));
    (new.project_id, new.relies_on) = ("q".to_owned(), reliance(object));
    let create = |tx: &mut Tx| security_group_rule::create(tx, &servers.one.config, &new);
    let (went, came) = servers.race(unshare(shared), create).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("RbacPolicyInUse", true));
    let came = came.unwrap().id;
    servers.one.write(|tx| security_group_rule::delete(tx, came, None)).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let (came, went) = servers.race(create, unshare(shared)).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("AddressGroupNotFound", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_policy_comes_twice_and_an_object_goes_while_it_is_shared() {
    let servers = servers().await;
    let addresses = servers.one.address_group(&[]).await.id;
    servers.two.store.wait_current().await.unwrap();
    for object in [Shareable::Network(servers.network), Shareable::AddressGroup(addresses)] {
        let new = policy(object);
        let create = |tx: &mut Tx| rbac::create(tx, &servers.one.config, &new);
        let (second, first) = servers.race(create, create).await;
        assert_eq!((second.unwrap_err(), first.is_ok()), ("DuplicateRbacPolicy", true));
        servers.check().await;
    }
    let new = NewRbacPolicy { target: Target::Everyone, ..policy(Shareable::AddressGroup(addresses)) };
    let create = |tx: &mut Tx| rbac::create(tx, &servers.one.config, &new);
    let delete = |tx: &mut Tx| address_group::delete(tx, addresses, None);
    let (went, came) = servers.race(delete, create).await;
    assert!(went.is_ok() && came.is_ok(), "it takes the policy along");
    servers.check().await;
    let new = NewRbacPolicy { target: Target::Everyone, ..policy(Shareable::Network(servers.network)) };
    let create = |tx: &mut Tx| rbac::create(tx, &servers.one.config, &new);
    let delete = |tx: &mut Tx| network::delete(tx, &servers.one.config, servers.network, None);
    let (came, went) = servers.race(create, delete).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("InvalidInput", true));
    servers.check().await;
}
