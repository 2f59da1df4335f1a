//! Policies that share objects: what they give, and what keeps them from being taken back.

use crate::support::routers::*;
use crate::support::*;
use hadron_control::network::{self, NetworkChange};
use hadron_control::port::NewPort;
use hadron_control::rbac::{self, NewRbacPolicy, RbacPolicyChange, Reliance};
use hadron_control::router::{self, GatewayRequest, NewRouter};
use hadron_control::{Error, recovery};
use hadron_model::*;

fn shared(object: Shareable, target: &str) -> NewRbacPolicy {
    NewRbacPolicy {
        project_id: "p".to_owned(),
        object,
        access: Access::Shared,
        target: Target::new(target),
        asker: None,
    }
}

fn external(network: NetworkId, target: &str) -> NewRbacPolicy {
    NewRbacPolicy { access: Access::External, ..shared(Shareable::Network(network), target) }
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().type_name()
}

impl Cloud {
    async fn share(&self, new: &NewRbacPolicy) -> Result<RbacPolicy, Error> {
        self.write(|tx| rbac::create(tx, &self.config, new)).await
    }

    async fn unshare(&self, id: RbacPolicyId) -> Result<(), Error> {
        self.write(|tx| rbac::delete(tx, id)).await
    }

    async fn target(&self, id: RbacPolicyId, target: &str) -> Result<RbacPolicy, Error> {
        let change = RbacPolicyChange { target: Some(Target::new(target)), asker: None };
        self.write(|tx| rbac::update(tx, id, &change)).await
    }

    /// A router of the project with a gateway on the network.
    async fn router_of(&self, project: &str, network_id: NetworkId) -> RouterId {
        let gateway = GatewayRequest { network_id, enable_snat: None, fixed_ips: vec![] };
        let new = NewRouter { project_id: project.to_owned(), gateway: Some(gateway), ..new_router() };
        self.write(|tx| router::create(tx, &self.config, &new)).await.unwrap().id
    }
}

#[tokio::test]
async fn a_policy_gives_its_target_access_and_nobody_else() {
    let cloud = Cloud::new().await;
    let network = Shareable::Network(cloud.network().await.id);
    let policy = cloud.share(&shared(network, "q")).await.unwrap();
    let may = |project: &str| rbac::may_use(&cloud.view(), network, project);
    assert_eq!(["p", "q", "r", ""].map(may), [true, true, false, false]);
    assert_eq!(kind(cloud.share(&shared(network, "q")).await), "DuplicateRbacPolicy");
    let other = NewRbacPolicy { asker: Some("q".to_owned()), ..shared(network, "r") };
    assert_eq!(kind(cloud.share(&other).await), "InvalidInput", "only its owner shares a network");
    let everyone = cloud.share(&shared(network, "*")).await.unwrap();
    assert_eq!(["p", "q", "r", ""].map(may), [true, true, true, true]);
    assert_eq!(kind(cloud.target(policy.id, "*").await), "DuplicateRbacPolicy");
    cloud.unshare(everyone.id).await.unwrap();
    cloud.target(policy.id, "r").await.unwrap();
    assert_eq!(["q", "r"].map(may), [false, true]);
    cloud.check();
}

#[tokio::test]
async fn what_a_guest_has_keeps_the_policy_that_it_rests_on() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let object = Shareable::Network(network);
    let own = cloud.share(&shared(object, "q")).await.unwrap().id;
    let port = cloud.port(&NewPort::on(network, "q".to_owned())).await.unwrap().id;
    assert_eq!(kind(cloud.unshare(own).await), "RbacPolicyInUse");
    assert_eq!(kind(cloud.target(own, "r").await), "RbacPolicyInUse");
    let everyone = cloud.share(&shared(object, "*")).await.unwrap().id;
    cloud.unshare(own).await.unwrap();
    assert_eq!(kind(cloud.unshare(everyone).await), "RbacPolicyInUse", "it is the guest's last");
    let unshare = NetworkChange { shared: Some(false), ..NetworkChange::default() };
    let change = async || cloud.write(|tx| network::update(tx, &cloud.config, network, &unshare, None)).await;
    assert_eq!(kind(change().await), "InvalidSharedSetting");
    cloud.share(&shared(object, "q")).await.unwrap();
    change().await.unwrap();
    cloud.delete_port(port).await.unwrap();
    cloud.delete_network(network).await.unwrap();
    assert!(cloud.view().is_empty::<RbacPolicy>());
    cloud.check();
}

#[tokio::test]
async fn a_network_with_many_policies_goes_with_all_of_them() {
    let mut cloud = Cloud::new().await;
    cloud.config.quotas.rbac_policy = None;
    let network = cloud.network().await.id;
    for n in 0..50 {
        cloud.share(&shared(Shareable::Network(network), &n.to_string())).await.unwrap();
    }
    cloud.delete_network(network).await.unwrap();
    assert!(cloud.view().is_empty::<RbacPolicy>());
}

#[tokio::test]
async fn gateways_keep_a_network_external() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    cloud.subnet(&new_subnet(network, "203.0.113.0/24")).await.unwrap();
    let everyone = cloud.share(&external(network, "*")).await.unwrap().id;
    assert!(cloud.view().is_external(network));
    let router = cloud.router_of("q", network).await;
    assert_eq!(kind(cloud.unshare(everyone).await), "RbacPolicyInUse");
    assert_eq!(kind(cloud.target(everyone, "r").await), "RbacPolicyInUse");
    let inside = NetworkChange { external: Some(false), ..NetworkChange::default() };
    let change = async || cloud.write(|tx| network::update(tx, &cloud.config, network, &inside, None)).await;
    assert_eq!(kind(change().await), "ExternalNetworkInUse");
    // With a policy of its own the project needs the other no longer.
    let own = cloud.share(&external(network, "q")).await.unwrap().id;
    cloud.target(everyone, "r").await.unwrap();
    assert_eq!(kind(cloud.unshare(own).await), "RbacPolicyInUse");
    cloud.unshare(everyone).await.unwrap();
    assert!(cloud.view().is_external(network));
    cloud.delete_router(router).await.unwrap();
    cloud.unshare(own).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(!cloud.view().is_external(network));
}

#[tokio::test]
async fn what_a_request_rests_on_is_asked_again_when_it_is_done() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let object = Shareable::Network(network);
    let policy = cloud.share(&shared(object, "q")).await.unwrap().id;
    let relies_on = vec![Reliance { object, project: "q".to_owned() }];
    let new = NewPort { relies_on, ..NewPort::on(network, "q".to_owned()) };
    let port = cloud.port(&new).await.unwrap().id;
    cloud.delete_port(port).await.unwrap();
    cloud.unshare(policy).await.unwrap();
    assert_eq!(kind(cloud.port(&new).await), "NetworkNotFound");
    cloud.check();
}

/// Before there were policies, a network said itself whether it was shared.
#[tokio::test]
async fn what_an_older_release_shared_stays_shared() {
    let cloud = Cloud::new().await;
    let (one, two) = (cloud.network().await, cloud.network().await);
    let old = Network { was_shared: true, ..one.clone() };
    let put = |tx: &mut hadron_store::Tx| {
        tx.put(old.clone());
        Ok(())
    };
    cloud.write(put).await.unwrap();
    for _ in 0..2 {
        recovery::run(&cloud.store, &cloud.config).await.unwrap();
        let view = cloud.view();
        assert!(view.is_shared_with(Shareable::Network(one.id), "q"));
        assert!(!view.is_shared_with(Shareable::Network(two.id), "q"));
        assert_eq!(view.get::<Network>(&one.id).unwrap().value, one, "nothing else of it changes");
        assert_eq!(view.len::<RbacPolicy>(), 1);
    }
}
