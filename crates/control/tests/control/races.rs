//! Two servers at the same time: between what an operation reads on one and its commit, a rival commits on the other.

use crate::support::servers::servers;
use crate::support::*;
use hadron_control::network::{self, NetworkChange};
use hadron_control::{host, slaac, subnet};
use hadron_model::{Host, Mac, Shareable};
use hadron_store::Tx;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subnet_goes_while_a_port_comes() {
    let servers = servers().await;
    let new = new_port(servers.network);
    let (went, came) = servers.race(servers.delete_subnet(), servers.create_port(&new)).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("SubnetInUse", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_comes_while_its_subnet_goes() {
    let servers = servers().await;
    let new = new_port(servers.network);
    let (came, went) = servers.race(servers.create_port(&new), servers.delete_subnet()).await;
    assert!(came.unwrap().fixed_ips.is_empty() && went.is_ok());
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_goes_while_a_port_comes() {
    let servers = servers().await;
    let new = new_port(servers.network);
    let (went, came) = servers.race(servers.delete_network(), servers.create_port(&new)).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("NetworkInUse", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_comes_while_its_network_goes() {
    let servers = servers().await;
    let mut new = new_port(servers.network);
    let (came, went) = servers.race(servers.create_port(&new), servers.delete_network()).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("NetworkNotFound", true));
    servers.check().await;
    // Also one that takes no address.
    let servers = self::servers().await;
    new = new_port(servers.network);
    new.fixed_ips = Some(vec![]);
    let (came, went) = servers.race(servers.create_port(&new), servers.delete_network()).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("NetworkNotFound", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ports_want_the_same() {
    let servers = servers().await;
    let next = new_port(servers.network);
    let (a, b) = servers.race(servers.create_port(&next), servers.create_port(&next)).await;
    assert_ne!(addresses(&a.unwrap()), addresses(&b.unwrap()), "the next free one");
    let mut address = new_port(servers.network);
    address.fixed_ips = Some(vec![at("10.0.0.99")]);
    let (a, b) = servers.race(servers.create_port(&address), servers.create_port(&address)).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("IpAddressAlreadyAllocated", true));
    let mut mac = new_port(servers.network);
    mac.mac_address = Some(Mac([0xfa, 0x16, 0x3e, 1, 2, 3]));
    let (a, b) = servers.race(servers.create_port(&mac), servers.create_port(&mac)).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("MacAddressInUse", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_subnets_want_the_same() {
    let servers = servers().await;
    let new = new_subnet(servers.network, "10.1.0.0/24");
    let create = |tx: &mut Tx| subnet::create(tx, &servers.one.config, &new);
    let (a, b) = servers.race(create, create).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("InvalidInput", true), "they overlap");
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_networks_want_the_same() {
    let servers = servers().await;
    let next = |tx: &mut Tx| network::create(tx, &servers.one.config, &new_network());
    let (a, b) = servers.race(next, next).await;
    assert_ne!(a.unwrap().segment, b.unwrap().segment);
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subnet_of_formed_addresses_and_a_port_come_together() {
    for port_is_first in [false, true] {
        let servers = servers().await;
        let new = slaac(servers.network, "fd00::/64");
        let create = |tx: &mut Tx| subnet::create(tx, &servers.one.config, &new);
        let port = new_port(servers.network);
        let made = if port_is_first {
            let (port, made) = servers.race(servers.create_port(&port), create).await;
            port.unwrap();
            made.unwrap()
        } else {
            let (made, port) = servers.race(create, servers.create_port(&port)).await;
            port.unwrap();
            made.unwrap()
        };
        slaac::fill_all(&servers.one.store, &info(), made.id).await.unwrap();
        let view = servers.check().await;
        consistency::check_formed_addresses(&view);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_stops_being_shared_while_a_guest_comes() {
    let servers = servers().await;
    let shared = |on| NetworkChange { shared: Some(on), ..NetworkChange::default() };
    let share = |on: bool| {
        let servers = &servers;
        move |tx: &mut Tx| network::update(tx, &servers.one.config, servers.network, &shared(on), None)
    };
    servers.one.write(share(true)).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let mut guest = new_port(servers.network);
    guest.project_id = "q".to_owned();
    let (unshared, came) = servers.race(share(false), servers.create_port(&guest)).await;
    assert_eq!((unshared.unwrap_err(), came.is_ok()), ("InvalidSharedSetting", true));
    assert!(servers.check().await.is_shared_with(Shareable::Network(servers.network), "q"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_want_the_same() {
    let servers = servers().await;
    for name in ["t1", "t2", "t3", "t4"] {
        servers.one.write(|tx| host::create_join_token(tx, token(name))).await.unwrap();
    }
    servers.two.store.wait_current().await.unwrap();
    let redeem = |token: &str, name: &str, underlay: &str, key: u8| {
        let mut join = join(name, underlay, [key; 32]);
        join.token_id = token.to_owned();
        move |tx: &mut Tx| host::redeem(tx, &join)
    };
    // Each server has numbers at hand, so that it is not these that they get in each other's way for.
    for (cloud, name) in [(&servers.one, "first"), (&servers.two, "second")] {
        let underlay = if name == "first" { "192.0.2.101" } else { "192.0.2.102" };
        cloud.host(name, underlay).await;
    }
    servers.one.store.wait_current().await.unwrap();
    let same_address = (redeem("t1", "h1", "192.0.2.1", 1), redeem("t2", "h2", "192.0.2.1", 2));
    let (a, b) = servers.race(same_address.0, same_address.1).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("UnderlayInUse", true));
    let same_name = (redeem("t3", "h3", "192.0.2.3", 3), redeem("t4", "h3", "192.0.2.4", 4));
    let (a, b) = servers.race(same_name.0, same_name.1).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("HostNameTaken", true));
    let same_token = (redeem("t1", "h5", "192.0.2.5", 5), redeem("t1", "h6", "192.0.2.6", 6));
    let (a, b) = servers.race(same_token.0, same_token.1).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("JoinTokenInvalid", true), "a token is used once");
    assert_eq!(servers.check().await.len::<Host>(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_want_the_last_of_a_quota() {
    let mut servers = servers().await;
    servers.one.config.quotas.port = Some(3);
    for cloud in [&servers.one, &servers.two] {
        cloud.port(&new_port(servers.network)).await.unwrap();
    }
    servers.one.store.wait_current().await.unwrap();
    // Without addresses, so that it is not the next free one that they get in each other's way for.
    let mut new = new_port(servers.network);
    new.fixed_ips = Some(vec![]);
    let (a, b) = servers.race(servers.create_port(&new), servers.create_port(&new)).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("OverQuota", true));
    servers.check().await;
}
