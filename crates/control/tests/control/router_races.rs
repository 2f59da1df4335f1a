//! Two servers at the same time: between what an operation on a router reads on one and its commit, a rival commits on the other.

use crate::support::routers::*;
use crate::support::servers::{Servers, servers};
use crate::support::*;
use hadron_control::{router, subnet};
use hadron_model::{Router, RouterId, SubnetId};
use hadron_store::Tx;

/// A router, and a network on which a subnet overlaps with the servers' first.
async fn overlapping() -> (Servers, RouterId, SubnetId) {
    let servers = servers().await;
    let router = servers.one.router().await.id;
    let network = servers.one.network().await.id;
    let subnet = servers.one.subnet(&new_subnet(network, "10.0.0.0/16")).await.unwrap().id;
    // Each server has numbers at hand, so that it is not these that they get in each other's way for.
    servers.two.store.wait_current().await.unwrap();
    servers.two.router().await;
    servers.two.port(&new_port(network)).await.unwrap();
    servers.one.store.wait_current().await.unwrap();
    (servers, router, subnet)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_interfaces_would_overlap() {
    let (servers, router, wide) = overlapping().await;
    let config = &servers.one.config;
    let attach = |subnet| move |tx: &mut Tx| router::attach(tx, config, router, &by_subnet(subnet), None);
    let (a, b) = servers.race(attach(wide), attach(servers.subnet)).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("BadRequest", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_goes_while_an_interface_comes() {
    let (servers, router, _) = overlapping().await;
    let config = &servers.one.config;
    let attach = |tx: &mut Tx| router::attach(tx, config, router, &by_subnet(servers.subnet), None);
    let delete = |tx: &mut Tx| router::delete(tx, router, None);
    let (went, came) = servers.race(delete, attach).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("RouterInUse", true));
    servers.check().await;
    let (servers, router, _) = overlapping().await;
    let config = &servers.one.config;
    let attach = |tx: &mut Tx| router::attach(tx, config, router, &by_subnet(servers.subnet), None);
    let delete = |tx: &mut Tx| router::delete(tx, router, None);
    let (came, went) = servers.race(attach, delete).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("RouterNotFound", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subnet_goes_while_a_router_comes() {
    let (servers, router, _) = overlapping().await;
    let config = &servers.one.config;
    let attach = |tx: &mut Tx| router::attach(tx, config, router, &by_subnet(servers.subnet), None);
    let delete = |tx: &mut Tx| subnet::delete(tx, config, servers.subnet, None);
    let (came, went) = servers.race(attach, delete).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("SubnetNotFound", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interface_goes_while_a_route_comes() {
    let (servers, router, _) = overlapping().await;
    servers.one.attach(router, &by_subnet(servers.subnet)).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let config = &servers.one.config;
    let hop = [route("10.9.0.0/16", "10.0.0.9")];
    let detach = |tx: &mut Tx| router::detach(tx, config, router, from_subnet(servers.subnet), None);
    let add = |tx: &mut Tx| router::add_routes(tx, config, router, &hop, None);
    let (went, came) = servers.race(detach, add).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("RouterInterfaceInUseByRoute", true));
    assert_eq!(servers.check().await.get::<Router>(&router).unwrap().routes, hop);
}
