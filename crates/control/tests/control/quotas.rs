//! Limits of projects, and that they hold whatever happens at the same time.

use crate::support::servers::servers;
use crate::support::*;
use hadron_control::port::{self, NewPort};
use hadron_control::quota::{self, Counted};
use hadron_control::{Config, Error};
use hadron_model::{NetworkId, ProjectQuota};
use hadron_store::backend::Backend;
use hadron_store::{Memory, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

const LIMIT: usize = 500;

fn limits(limits: &[(Counted, Option<u32>)]) -> BTreeMap<Counted, Option<u32>> {
    limits.iter().copied().collect()
}

/// Ports without addresses, so that nothing but the quota brings two creates together.
fn bare(network: NetworkId) -> NewPort {
    NewPort { fixed_ips: Some(vec![]), ..new_port(network) }
}

/// 1,000 creates at once, on the stores in turn: exactly as many as the limit succeed.
async fn burst(stores: &[Store], config: Config, network: NetworkId) {
    let attempts: Vec<_> = (0..2 * LIMIT)
        .map(|number| {
            let (store, config) = (stores[number % stores.len()].clone(), config.clone());
            tokio::spawn(async move {
                store.write(info(), |tx| port::create(tx, &config, &bare(network))).await.map(|_| ())
            })
        })
        .collect();
    let mut made = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(()) => made += 1,
            Err(error) => assert_eq!(error.type_name(), "OverQuota", "{error}"),
        }
    }
    let view = stores[0].wait_current().await.unwrap();
    assert_eq!((made, view.count_ports_of_project("p")), (LIMIT, LIMIT));
    consistency::check(&view);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_creates_at_a_limit_of_500_make_500() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    burst(&[cloud.store], Config::default(), network).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_do_they_on_two_servers() {
    let backend: Arc<dyn Backend> = Arc::new(Memory::new());
    let one = Store::open_with(backend.clone()).await.unwrap();
    let two = Store::open_with(backend).await.unwrap();
    let network = Cloud { store: one.clone(), config: Config::default() }.network().await.id;
    two.wait_current().await.unwrap();
    burst(&[one, two], Config::default(), network).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_do_they_on_a_store_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path().join("store")).await.unwrap();
    let network = Cloud { store: store.clone(), config: Config::default() }.network().await.id;
    burst(&[store], Config::default(), network).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_want_the_last_one() {
    let mut servers = servers().await;
    let new = bare(servers.network);
    // The first brings the project's default group, which would bring the next two together.
    servers.one.port(&new).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let used = servers.one.view().count_ports_of_project("p");
    for cloud in [&mut servers.one, &mut servers.two] {
        cloud.config.quotas.port = Some(used + 1);
    }
    let (a, b) = servers.race(servers.create_port(&new), servers.create_port(&new)).await;
    assert_eq!((a.err(), b.is_ok()), (Some("OverQuota"), true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_falls_while_a_port_comes() {
    let config = Config::default();
    for limit_comes_first in [true, false] {
        let servers = servers().await;
        let new = bare(servers.network);
        servers.one.port(&new).await.unwrap();
        servers.two.store.wait_current().await.unwrap();
        let used = servers.one.view().count_ports_of_project("p");
        let fall = limits(&[(Counted::Port, Some(u32::try_from(used).unwrap()))]);
        let fall = |tx: &mut _| quota::update(tx, "p", &fall, false);
        let create = |tx: &mut _| port::create(tx, &config, &new);
        if limit_comes_first {
            let (came, fell) = servers.race(create, fall).await;
            assert_eq!((came.err(), fell.is_ok()), (Some("OverQuota"), true));
        } else {
            let (fell, came) = servers.race(fall, create).await;
            assert_eq!((fell.err(), came.is_ok()), (Some("HTTPBadRequest"), true));
        }
    }
}

#[tokio::test]
async fn a_project_s_own_limits_go_before_the_deployment_s() {
    let mut cloud = Cloud::new().await;
    cloud.config.quotas.port = Some(2);
    let network = cloud.network().await.id;
    let set = |limit, force| {
        let limits = limits(&[(Counted::Port, limit)]);
        cloud.write(move |tx| quota::update(tx, "p", &limits, force))
    };
    set(Some(3), false).await.unwrap();
    for _ in 0..3 {
        cloud.port(&new_port(network)).await.unwrap();
    }
    let over = |made: Result<_, Error>| made.map(|_| ()).map_err(|error| error.type_name());
    assert_eq!(over(cloud.port(&new_port(network)).await), Err("OverQuota"));
    set(None, false).await.unwrap();
    cloud.port(&new_port(network)).await.unwrap();
    let below = set(Some(3), false).await.unwrap_err();
    assert_eq!((below.status(), below.type_name()), (400, "HTTPBadRequest"));
    set(Some(3), true).await.unwrap();
    assert_eq!(over(cloud.port(&new_port(network)).await), Err("OverQuota"));
    let other = NewPort { project_id: "q".to_owned(), ..new_port(network) };
    cloud.port(&other).await.unwrap();
    cloud.write(|tx| quota::delete(tx, "p")).await.unwrap();
    assert!(cloud.view().is_empty::<ProjectQuota>());
    assert_eq!(over(cloud.port(&new_port(network)).await), Err("OverQuota"), "the deployment's again");
    let gone = cloud.write(|tx| quota::delete(tx, "p")).await.unwrap_err();
    assert_eq!((gone.status(), gone.type_name()), (404, "TenantQuotaNotFound"));
}
