//! Two servers at the same time: between what an operation on a floating IP reads on one and its commit, a rival commits on the other.

use crate::support::routers::*;
use crate::support::servers::{Servers, servers};
use crate::support::*;
use hadron_control::network::{self, NetworkChange};
use hadron_control::router::RouterChange;
use hadron_control::{Error, floating_ip, port, port_forwarding, router};
use hadron_model::{FloatingIp, FloatingIpId, Port};
use hadron_store::Tx;

struct World {
    servers: Servers,
    outside: Outside,
    port: Port,
    floating: [FloatingIpId; 2],
}

/// Two floating IPs that lead nowhere yet, and a port to which they could.
async fn world() -> World {
    let servers = servers().await;
    let outside = servers.one.outside().await;
    let port = servers.one.port(&new_port(outside.inside)).await.unwrap();
    let new = new_floating_ip(outside.external);
    let one = servers.one.floating_ip(&new).await.unwrap().id;
    servers.two.store.wait_current().await.unwrap();
    // Each server has numbers at hand, so that it is not these that they get in each other's way for.
    let two = servers.two.floating_ip(&new).await.unwrap().id;
    servers.two.port(&new_port(outside.inside)).await.unwrap();
    servers.one.store.wait_current().await.unwrap();
    World { servers, outside, port, floating: [one, two] }
}

impl World {
    fn lead(&self, which: usize) -> impl Fn(&mut Tx) -> Result<FloatingIp, Error> {
        let (id, change) = (self.floating[which], associated(Some(to_port(self.port.id))));
        move |tx| floating_ip::update(tx, id, &change, None)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_want_one_address_of_a_port() {
    let world = world().await;
    let (a, b) = world.servers.race(world.lead(0), world.lead(1)).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("FloatingIPPortAlreadyAssociated", true));
    world.servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_goes_while_a_floating_ip_comes() {
    let world = world().await;
    let config = &world.servers.one.config;
    let delete = |tx: &mut Tx| port::delete(tx, config, world.port.id, None);
    let (went, came) = world.servers.race(delete, world.lead(0)).await;
    assert!(went.is_ok() && came.is_ok());
    let view = world.servers.check().await;
    assert_eq!(view.get::<FloatingIp>(&world.floating[0]).unwrap().association, None);
    let world = self::world().await;
    let delete = |tx: &mut Tx| port::delete(tx, &world.servers.one.config, world.port.id, None);
    let (came, went) = world.servers.race(world.lead(0), delete).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("PortNotFound", true));
    world.servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_leaves_while_a_floating_ip_comes() {
    let world = world().await;
    let (config, outside) = (&world.servers.one.config, &world.outside);
    let detach = |tx: &mut Tx| router::detach(tx, config, outside.router, from_subnet(outside.subnet), None);
    let (went, came) = world.servers.race(detach, world.lead(0)).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("RouterInterfaceInUseByFloatingIP", true));
    world.servers.check().await;
    let world = self::world().await;
    let (config, outside) = (&world.servers.one.config, &world.outside);
    let detach = |tx: &mut Tx| router::detach(tx, config, outside.router, from_subnet(outside.subnet), None);
    let (came, went) = world.servers.race(world.lead(0), detach).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("ExternalGatewayForFloatingIPNotFound", true));
    world.servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_goes_while_a_floating_ip_comes() {
    let world = world().await;
    let (config, outside) = (&world.servers.one.config, &world.outside);
    let close = RouterChange { gateway: Some(None), ..RouterChange::default() };
    let close = |tx: &mut Tx| router::update(tx, config, outside.router, &close, None);
    let (went, came) = world.servers.race(close, world.lead(0)).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("RouterExternalGatewayInUseByFloatingIp", true));
    world.servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_forwardings_want_one_port() {
    let world = world().await;
    let other = world.servers.one.port(&new_port(world.outside.inside)).await.unwrap();
    world.servers.two.store.wait_current().await.unwrap();
    let forward = |port: &Port, inside| {
        let new = new_forwarding(world.floating[0], port, 2222, inside);
        move |tx: &mut Tx| port_forwarding::create(tx, &new)
    };
    let (a, b) = world.servers.race(forward(&world.port, 22), forward(&other, 23)).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("BadRequest", true));
    world.servers.check().await;
    // Of two floating IPs, to one port inside.
    let world = self::world().await;
    let forward = |which: usize| {
        let new = new_forwarding(world.floating[which], &world.port, 2222, 22);
        move |tx: &mut Tx| port_forwarding::create(tx, &new)
    };
    let (a, b) = world.servers.race(forward(0), forward(1)).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("BadRequest", true));
    world.servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_floating_ip_leads_to_a_port_while_it_is_forwarded() {
    for forwarding_is_first in [false, true] {
        let world = world().await;
        let new = new_forwarding(world.floating[1], &world.port, 2222, 22);
        let forward = |tx: &mut Tx| port_forwarding::create(tx, &new);
        if forwarding_is_first {
            let (a, b) = world.servers.race(forward, world.lead(0)).await;
            assert_eq!((a.unwrap_err(), b.is_ok()), ("PortHasBindingFloatingIP", true));
        } else {
            let (a, b) = world.servers.race(world.lead(0), forward).await;
            assert_eq!((a.unwrap_err(), b.is_ok()), ("PortHasPortForwarding", true));
        }
        world.servers.check().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_is_external_no_longer_while_a_gateway_comes() {
    for closing_is_first in [false, true] {
        let world = world().await;
        let (config, external) = (&world.servers.one.config, world.outside.external);
        for id in world.floating {
            world.servers.one.delete_floating_ip(id).await.unwrap();
        }
        world.servers.one.set_gateway(world.outside.router, None).await.unwrap();
        world.servers.two.store.wait_current().await.unwrap();
        let open = RouterChange { gateway: Some(Some(through(external))), ..RouterChange::default() };
        let open = |tx: &mut Tx| router::update(tx, config, world.outside.router, &open, None);
        let inside = NetworkChange { external: Some(false), ..NetworkChange::default() };
        let close = |tx: &mut Tx| network::update(tx, config, external, &inside, None);
        if closing_is_first {
            let (closed, opened) = world.servers.race(close, open).await;
            assert_eq!((closed.unwrap_err(), opened.is_ok()), ("ExternalNetworkInUse", true));
        } else {
            let (opened, closed) = world.servers.race(open, close).await;
            assert_eq!((opened.unwrap_err(), closed.is_ok()), ("BadRequest", true));
        }
        world.servers.check().await;
    }
}
