//! Subnet pools and address scopes, also on two servers at the same time.

use crate::support::servers::{Servers, servers};
use crate::support::*;
use hadron_control::address_scope::{self, NewAddressScope};
use hadron_control::subnet::{self, NewSubnet, Prefix};
use hadron_control::subnet_pool::{self, NewSubnetPool, SubnetPoolChange};
use hadron_control::{Error, Step};
use hadron_model::*;
use hadron_store::Tx;

fn new_pool(prefixes: &[&str]) -> NewSubnetPool {
    NewSubnetPool {
        project_id: "p".to_owned(),
        name: "pool".to_owned(),
        description: String::new(),
        prefixes: prefixes.iter().map(|text| text.parse().unwrap()).collect(),
        default_prefixlen: Some(26),
        min_prefixlen: None,
        max_prefixlen: None,
        default_quota: None,
        address_scope_id: None,
        is_default: false,
        shared: false,
        asker: None,
    }
}

fn of_pool(network: NetworkId, pool: SubnetPoolId, cidr: Option<&str>, length: Option<u8>) -> NewSubnet {
    let cidr = cidr.map(|text| text.parse().unwrap());
    NewSubnet { prefix: Prefix::OfPool { pool, cidr, length }, ..new_subnet(network, "10.0.0.0/8") }
}

impl Cloud {
    async fn pool(&self, new: &NewSubnetPool) -> Result<SubnetPool, Error> {
        self.write(|tx| subnet_pool::create(tx, &self.config, new)).await
    }

    async fn scope(&self) -> AddressScopeId {
        let (project_id, name) = ("p".to_owned(), String::new());
        let new = NewAddressScope { project_id, name, ip_version: IpVersion::V4, shared: false };
        self.write(|tx| address_scope::create(tx, &new)).await.unwrap().id
    }
}

impl Servers {
    async fn pool(&self, new: &NewSubnetPool) -> SubnetPoolId {
        let id = self.one.pool(new).await.unwrap().id;
        self.two.store.wait_current().await.unwrap();
        id
    }

    fn create_subnet<'a>(&'a self, new: &'a NewSubnet) -> impl Fn(&mut Tx) -> Result<Subnet, Error> + 'a {
        |tx| subnet::create(tx, &self.one.config, new)
    }

    /// A network beside the one that both have.
    async fn network(&self) -> NetworkId {
        let id = self.one.network().await.id;
        self.two.store.wait_current().await.unwrap();
        id
    }
}

fn delete_pool(id: SubnetPoolId) -> impl Fn(&mut Tx) -> Result<Step<()>, Error> {
    move |tx| subnet_pool::delete(tx, id, None)
}

#[tokio::test]
async fn a_pool_gives_every_prefix_once_and_again_when_it_comes_back() {
    let mut cloud = Cloud::new().await;
    cloud.config.quotas.subnet = None;
    let pool = cloud.pool(&new_pool(&["10.0.0.0/24", "10.0.1.0/24"])).await.unwrap();
    assert_eq!(pool.prefixes, ["10.0.0.0/23".parse::<IpNet>().unwrap()]);
    let network = cloud.network().await.id;
    let mut taken = Vec::new();
    for _ in 0..8 {
        taken.push(cloud.subnet(&of_pool(network, pool.id, None, None)).await.unwrap());
    }
    let mut prefixes: Vec<IpNet> = taken.iter().map(|subnet| subnet.cidr).collect();
    prefixes.sort();
    assert_eq!(IpNet::aggregate(&prefixes), pool.prefixes);
    let error = cloud.subnet(&of_pool(network, pool.id, None, None)).await.unwrap_err();
    assert_eq!((error.type_name(), error.status()), ("SubnetAllocationError", 409));
    cloud.delete_subnet(taken[3].id).await.unwrap();
    let again = cloud.subnet(&of_pool(network, pool.id, None, Some(27))).await.unwrap();
    assert!(taken[3].cidr.contains(&again.cidr));
    cloud.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_subnets_want_the_same_of_a_pool() {
    let servers = servers().await;
    let pool = servers.pool(&new_pool(&["10.8.0.0/16"])).await;
    let (one, two) = (servers.network().await, servers.network().await);
    let (a, b) = (of_pool(one, pool, None, None), of_pool(two, pool, None, None));
    let (a, b) = servers.race(servers.create_subnet(&a), servers.create_subnet(&b)).await;
    assert_ne!(a.unwrap().cidr, b.unwrap().cidr);
    let a = of_pool(one, pool, Some("10.8.9.0/24"), None);
    let b = of_pool(two, pool, Some("10.8.9.128/25"), None);
    let (a, b) = servers.race(servers.create_subnet(&a), servers.create_subnet(&b)).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("SubnetAllocationError", true), "they overlap");
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_goes_while_a_subnet_comes() {
    let servers = servers().await;
    let pool = servers.pool(&new_pool(&["10.8.0.0/16"])).await;
    let new = of_pool(servers.network().await, pool, None, None);
    let (went, came) = servers.race(delete_pool(pool), servers.create_subnet(&new)).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("SubnetPoolDeleteError", true));
    servers.one.delete_subnet(came.unwrap().id).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let (came, went) = servers.race(servers.create_subnet(&new), delete_pool(pool)).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("SubnetPoolNotFound", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_leaves_a_pool_while_a_subnet_takes_it() {
    let servers = servers().await;
    let pool = servers.pool(&new_pool(&["10.8.0.0/16", "10.10.0.0/16"])).await;
    let new = of_pool(servers.network().await, pool, Some("10.10.0.0/24"), None);
    let gone = ["10.10.0.0/16".parse().unwrap()];
    let remove = |tx: &mut Tx| subnet_pool::remove_prefixes(tx, pool, &gone, None);
    let (went, came) = servers.race(remove, servers.create_subnet(&new)).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("IllegalSubnetPoolPrefixUpdate", true));
    servers.one.delete_subnet(came.unwrap().id).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let (came, went) = servers.race(servers.create_subnet(&new), remove).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("SubnetAllocationError", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pools_bring_the_same_into_a_scope_and_a_scope_goes_while_a_pool_comes() {
    let servers = servers().await;
    let scope = servers.one.scope().await;
    servers.two.store.wait_current().await.unwrap();
    let new = NewSubnetPool { address_scope_id: Some(scope), ..new_pool(&["10.8.0.0/16"]) };
    let create = |tx: &mut Tx| subnet_pool::create(tx, &servers.one.config, &new);
    let delete = |tx: &mut Tx| address_scope::delete(tx, scope);
    let (second, first) = servers.race(create, create).await;
    assert_eq!((second.unwrap_err(), first.is_ok()), ("AddressScopePrefixConflict", true));
    let first = first.unwrap().id;
    servers.one.write(|tx| subnet_pool::delete(tx, first, None)).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let (went, came) = servers.race(delete, create).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("AddressScopeInUse", true));
    let out = SubnetPoolChange { address_scope_id: Some(None), ..SubnetPoolChange::default() };
    let came = came.unwrap().id;
    servers.one.write(|tx| subnet_pool::update(tx, came, &out, None)).await.unwrap();
    servers.two.store.wait_current().await.unwrap();
    let (came, went) = servers.race(create, delete).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("AddressScopeNotFound", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pools_become_the_default() {
    let servers = servers().await;
    let new = NewSubnetPool { is_default: true, ..new_pool(&["10.8.0.0/16"]) };
    let create = |tx: &mut Tx| subnet_pool::create(tx, &servers.one.config, &new);
    let (second, first) = servers.race(create, create).await;
    assert_eq!((second.unwrap_err(), first.is_ok()), ("InvalidInput", true));
    servers.check().await;
}
