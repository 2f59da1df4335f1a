//! Prefixes of subnet pools for ports: nobody else's, counted, given back.

use crate::support::{Cloud, info, new_port, new_subnet};
use hadron_control::delegation::DelegationRequest;
use hadron_control::port::{self, NewPort, PortChange};
use hadron_control::port_details::DetailsChange;
use hadron_control::subnet_pool::{self, NewSubnetPool};
use hadron_control::{Error, steps};
use hadron_model::{IpNet, NetworkId, Port, PortId, SubnetPoolId};
use std::collections::BTreeSet;

fn request(pool: SubnetPoolId, length: Option<u8>) -> DelegationRequest {
    DelegationRequest { subnetpool_id: pool, length }
}

fn asking(network: NetworkId, project: &str, request: DelegationRequest) -> NewPort {
    let details = DetailsChange { delegation: Some(Some(request)), ..DetailsChange::default() };
    NewPort { project_id: project.to_owned(), details, ..new_port(network) }
}

async fn change(cloud: &Cloud, id: PortId, request: Option<DelegationRequest>) -> Result<Port, Error> {
    let details = DetailsChange { delegation: Some(request), ..DetailsChange::default() };
    let change = PortChange { details, ..PortChange::default() };
    cloud.write(|tx| port::update(tx, &cloud.config, id, &change, None)).await
}

async fn pool(cloud: &Cloud, prefix: &str, quota: Option<u64>) -> SubnetPoolId {
    let is_v4 = !prefix.contains(':');
    let new = NewSubnetPool {
        project_id: "p".to_owned(),
        name: "pool".to_owned(),
        description: String::new(),
        prefixes: vec![prefix.parse().unwrap()],
        default_prefixlen: Some(if is_v4 { 26 } else { 56 }),
        min_prefixlen: Some(if is_v4 { 8 } else { 48 }),
        max_prefixlen: None,
        default_quota: quota,
        address_scope_id: None,
        is_default: false,
        shared: false,
        asker: None,
    };
    cloud.write(|tx| subnet_pool::create(tx, &cloud.config, &new)).await.unwrap().id
}

fn prefix(port: &Port) -> IpNet {
    port.details.delegation.unwrap().prefix
}

#[tokio::test]
async fn a_port_has_a_prefix_that_nobody_else_gets_until_it_gives_it_back() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    cloud.subnet(&new_subnet(network, "fd00:1::/64")).await.unwrap();
    let pool = pool(&cloud, "fd00:d0::/54", None).await;
    let mut ports = Vec::new();
    for _ in 0..4 {
        ports.push(cloud.port(&asking(network, "p", request(pool, None))).await.unwrap());
    }
    let all: BTreeSet<IpNet> = ports.iter().map(prefix).collect();
    assert_eq!(all.len(), 4, "{all:?}");
    assert!(all.iter().all(|prefix| prefix.prefix_len() == 56));
    // The pool is empty: neither a port nor a subnet gets anything of it.
    let full = cloud.port(&asking(network, "p", request(pool, Some(64)))).await.unwrap_err();
    assert_eq!(full.type_name(), "SubnetAllocationError");
    let gone = steps::run(&cloud.store, &info(), |tx| subnet_pool::delete(tx, pool, None)).await.unwrap_err();
    assert_eq!(gone.type_name(), "SubnetPoolDeleteError");
    // What is asked for again is the same; another length is another prefix.
    assert_eq!(
        prefix(&change(&cloud, ports[0].id, Some(request(pool, None))).await.unwrap()),
        prefix(&ports[0])
    );
    cloud.delete_port(ports[1].id).await.unwrap();
    let shorter = change(&cloud, ports[0].id, Some(request(pool, Some(60)))).await.unwrap();
    assert_eq!((prefix(&shorter).prefix_len(), shorter.stamp.revision_number), (60, 2));
    assert!(prefix(&ports[1]).contains(&prefix(&shorter)));
    let again = cloud.port(&asking(network, "p", request(pool, None))).await.unwrap();
    assert_eq!(prefix(&again), prefix(&ports[0]), "what was given back is not given again");
    for port in [again.id, ports[2].id, ports[3].id] {
        assert!(change(&cloud, port, None).await.unwrap().details.delegation.is_none());
    }
    cloud.delete_port(shorter.id).await.unwrap();
    cloud.check();
    steps::run(&cloud.store, &info(), |tx| subnet_pool::delete(tx, pool, None)).await.unwrap();
}

#[tokio::test]
async fn a_prefix_counts_in_the_project_s_quota_and_comes_from_a_pool_that_it_may_use() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    // Quotas of IPv6 pools count prefixes of 64 bits.
    let own = pool(&cloud, "fd00:d0::/48", Some(300)).await;
    let first = cloud.port(&asking(network, "p", request(own, None))).await.unwrap();
    let refused = cloud.port(&asking(network, "p", request(own, None))).await.unwrap_err();
    assert_eq!(refused.type_name(), "SubnetPoolQuotaExceeded");
    cloud.delete_port(first.id).await.unwrap();
    cloud.port(&asking(network, "p", request(own, None))).await.unwrap();
    let foreign = cloud.port(&asking(network, "q", request(own, None))).await.unwrap_err();
    assert_eq!(foreign.type_name(), "SubnetPoolNotFound");
    let v4 = pool(&cloud, "10.0.0.0/8", None).await;
    let wrong = cloud.port(&asking(network, "p", request(v4, Some(28)))).await.unwrap_err();
    assert_eq!(wrong.type_name(), "InvalidInput");
    let trusted =
        NewPort { device_owner: "network:x".to_owned(), ..asking(network, "p", request(own, None)) };
    assert_eq!(cloud.port(&trusted).await.unwrap_err().type_name(), "InvalidInput");
    cloud.check();
}
