//! Automatic topologies, and which external network they lead to, with two servers.

use crate::support::servers::servers;
use crate::support::*;
use hadron_control::network::{self, NetworkChange};
use hadron_control::rbac::{self, RbacPolicyChange};
use hadron_control::{Error, topology};
use hadron_model::{Access, AutoTopology, DefaultNetwork, Shareable, Target};
use hadron_store::Tx;

fn outside() -> network::NewNetwork {
    network::NewNetwork { external: true, ..new_network() }
}

fn default() -> NetworkChange {
    NetworkChange { is_default: Some(true), ..NetworkChange::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_networks_become_the_default() {
    let servers = servers().await;
    let one = servers.one.write(|tx| network::create(tx, &servers.one.config, &outside())).await.unwrap().id;
    let two = servers.one.write(|tx| network::create(tx, &servers.one.config, &outside())).await.unwrap().id;
    servers.two.store.wait_current().await.unwrap();
    let make = |id| {
        let config = &servers.one.config;
        move |tx: &mut Tx| network::update(tx, config, id, &default(), None)
    };
    let (a, b) = servers.race(make(one), make(two)).await;
    assert_eq!((a.err(), b.is_ok()), (Some("DefaultExternalNetworkExists"), true));
    let view = servers.check().await;
    assert!(!topology::is_default(&view, one) && topology::is_default(&view, two));
}

#[tokio::test]
async fn the_default_network_stays_everyone_s() {
    let cloud = Cloud::new().await;
    let network = cloud.write(|tx| network::create(tx, &cloud.config, &outside())).await.unwrap().id;
    let view = cloud.view();
    let everyone = view.rbac_policy(Shareable::Network(network), Access::External, &Target::Everyone);
    let policy = everyone.expect("an external network is everyone's").id;
    let set = |is_default| NetworkChange { is_default: Some(is_default), ..NetworkChange::default() };
    cloud.write(|tx| network::update(tx, &cloud.config, network, &set(true), None)).await.unwrap();
    let refused = cloud.write(|tx| rbac::delete(tx, policy)).await.unwrap_err();
    assert_eq!(refused.type_name(), "RbacPolicyInUse");
    let one = RbacPolicyChange { target: Some(Target::Project("p".into())), asker: None };
    let refused = cloud.write(|tx| rbac::update(tx, policy, &one)).await.unwrap_err();
    assert_eq!(refused.type_name(), "RbacPolicyInUse");
    cloud.write(|tx| network::update(tx, &cloud.config, network, &set(false), None)).await.unwrap();
    cloud.write(|tx| rbac::delete(tx, policy)).await.unwrap();
    cloud.check();
}

#[tokio::test]
async fn a_network_that_is_external_no_more_is_not_the_default() {
    let cloud = Cloud::new().await;
    let make = async || {
        let new = network::NewNetwork { is_default: true, ..outside() };
        cloud.write(|tx| network::create(tx, &cloud.config, &new)).await
    };
    let first = make().await.unwrap().id;
    assert_eq!(make().await.unwrap_err().type_name(), "DefaultExternalNetworkExists");
    let inner = NetworkChange { external: Some(false), ..NetworkChange::default() };
    cloud.write(|tx| network::update(tx, &cloud.config, first, &inner, None)).await.unwrap();
    assert!(cloud.view().is_empty::<DefaultNetwork>());
    let second = make().await.unwrap().id;
    cloud.delete_network(second).await.unwrap();
    assert!(cloud.view().is_empty::<DefaultNetwork>(), "nothing is left of it");
    let missing = cloud.write(|tx| topology::provide(tx, &cloud.config, "p")).await.unwrap_err();
    assert!(
        matches!(missing, Error::Topology(_)) && missing.to_string().contains("external network"),
        "{missing}"
    );
    assert!(cloud.view().is_empty::<AutoTopology>());
    cloud.check();
}
