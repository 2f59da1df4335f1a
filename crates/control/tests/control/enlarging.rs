//! Subnets that become larger in place.

use crate::support::*;
use hadron_control::Error;
use hadron_control::router::{self, Attachment, Detachment, NewRouter};
use hadron_control::subnet::{self, Gateway, Prefix, SubnetChange};
use hadron_control::subnet_pool::{self, NewSubnetPool};
use hadron_model::{Ipv6Mode, Port, Subnet, SubnetId};

async fn enlarge(cloud: &Cloud, id: SubnetId, cidr: &str) -> Result<Subnet, Error> {
    let change = SubnetChange { cidr: Some(cidr.parse().unwrap()), ..SubnetChange::default() };
    cloud.write(|tx| subnet::update(tx, &cloud.config, id, &change, None)).await
}

fn pools(subnet: &Subnet) -> Vec<String> {
    subnet.allocation_pools.iter().map(|pool| format!("{}-{}", pool.first(), pool.last())).collect()
}

fn refusal(result: Result<Subnet, Error>) -> String {
    result.expect_err("it must be refused").to_string()
}

#[tokio::test]
async fn what_has_an_address_keeps_it_and_the_new_part_is_given_out() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let mut new = new_subnet(network, "10.0.0.0/30");
    new.enable_dhcp = false;
    let subnet = cloud.subnet(&new).await.unwrap();
    let port = cloud.port(&new_port(network)).await.unwrap();
    assert!(cloud.port(&new_port(network)).await.is_err(), "two addresses, of which one is the gateway's");
    let enlarged = enlarge(&cloud, subnet.id, "10.0.0.0/28").await.unwrap();
    assert_eq!((enlarged.cidr.to_string().as_str(), enlarged.gateway_ip), ("10.0.0.0/28", subnet.gateway_ip));
    assert_eq!(pools(&enlarged), ["10.0.0.2-10.0.0.14"]);
    let another = cloud.port(&new_port(network)).await.unwrap();
    assert!(enlarged.cidr.contains(&another.fixed_ips[0].ip_address));
    assert_eq!(cloud.view().get::<Port>(&port.id).unwrap().fixed_ips, port.fixed_ips);
    let enlarged = enlarge(&cloud, subnet.id, "10.0.0.5/27").await.unwrap();
    assert_eq!(enlarged.cidr.to_string(), "10.0.0.0/27", "host bits are cut off");
    let same = enlarge(&cloud, subnet.id, "10.0.0.0/27").await.unwrap();
    assert_eq!(same.stamp, enlarged.stamp, "no change");
    cloud.check();
}

#[tokio::test]
async fn pools_of_the_callers_own_stay() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let range = |first: &str, last: &str| Some(vec![(first.parse().unwrap(), last.parse().unwrap())]);
    let mut new = new_subnet(network, "fd00:0:0:8::/64");
    new.allocation_pools = range("fd00:0:0:8::10", "fd00:0:0:8::20");
    let subnet = cloud.subnet(&new).await.unwrap();
    let enlarged = enlarge(&cloud, subnet.id, "fd00::/60").await.unwrap();
    assert_eq!(pools(&enlarged), ["fd00:0:0:8::10-fd00:0:0:8::20"]);
    let change = SubnetChange {
        cidr: Some("fd00::/56".parse().unwrap()),
        allocation_pools: range("fd00:0:0:ff::1", "fd00:0:0:ff::2"),
        ..SubnetChange::default()
    };
    let both = cloud.write(|tx| subnet::update(tx, &cloud.config, subnet.id, &change, None)).await.unwrap();
    assert_eq!(pools(&both), ["fd00:0:0:ff::1-fd00:0:0:ff::2"], "in the new range");
    cloud.check();
}

#[tokio::test]
async fn what_it_can_not_be_is_refused_and_nothing_changes() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await.id;
    let subnet = cloud.subnet(&new_subnet(network, "10.0.1.0/24")).await.unwrap();
    cloud.subnet(&new_subnet(network, "10.0.2.0/24")).await.unwrap();
    for (cidr, text) in [
        ("10.0.1.0/25", "does not cover"),
        ("10.0.4.0/22", "does not cover"),
        ("10.0.0.0/22", "overlaps with another subnet"),
        ("0.0.0.0/0", "prefix length 0"),
        ("fd00::/56", "does not match the ip_version"),
    ] {
        let refusal = refusal(enlarge(&cloud, subnet.id, cidr).await);
        assert!(refusal.contains(text), "{cidr}: {refusal}");
    }
    assert_eq!(cloud.view().get::<Subnet>(&subnet.id).unwrap().value, subnet);
    let mut slaac = new_subnet(network, "fd00:1::/64");
    (slaac.ipv6_ra_mode, slaac.ipv6_address_mode) = (Some(Ipv6Mode::Slaac), Some(Ipv6Mode::Slaac));
    slaac.enable_dhcp = true;
    let slaac = cloud.subnet(&slaac).await.unwrap();
    assert!(refusal(enlarge(&cloud, slaac.id, "fd00:1::/60").await).contains("need a /64"));
    let network = cloud.network().await.id;
    let mut new = new_subnet(network, "192.0.2.8/32");
    (new.enable_dhcp, new.gateway) = (false, Gateway::Absent);
    let whole = cloud.subnet(&new).await.unwrap();
    cloud.port(&new_port(network)).await.unwrap();
    assert!(refusal(enlarge(&cloud, whole.id, "192.0.2.8/30").await).contains("broadcast address"));
    enlarge(&cloud, whole.id, "192.0.2.0/24").await.unwrap();
    cloud.check();
}

#[tokio::test]
async fn a_router_keeps_its_subnets_apart() {
    let cloud = Cloud::new().await;
    let mut subnets = Vec::new();
    let router = cloud.write(|tx| router::create(tx, &cloud.config, &NewRouter::default())).await.unwrap();
    let attach = async |id| {
        let what = Attachment::Subnet { id, may_be_foreign: true, project: String::new() };
        cloud.write(|tx| router::attach(tx, &cloud.config, router.id, &what, None)).await
    };
    for cidr in ["10.0.0.0/24", "10.0.1.0/24"] {
        let network = cloud.network().await.id;
        let subnet = cloud.subnet(&new_subnet(network, cidr)).await.unwrap();
        attach(subnet.id).await.unwrap();
        subnets.push(subnet.id);
    }
    assert!(refusal(enlarge(&cloud, subnets[0], "10.0.0.0/23").await).contains("overlaps with prefix"));
    let what = Detachment { port: None, subnet: Some(subnets[1]) };
    cloud.write(|tx| router::detach(tx, &cloud.config, router.id, what, None)).await.unwrap();
    enlarge(&cloud, subnets[0], "10.0.0.0/23").await.unwrap();
    assert!(attach(subnets[1]).await.is_err(), "the other way round");
    cloud.check();
}

#[tokio::test]
async fn the_rest_of_a_pools_prefix_must_be_free() {
    let cloud = Cloud::new().await;
    let new = NewSubnetPool {
        project_id: "p".to_owned(),
        name: "pool".to_owned(),
        description: String::new(),
        prefixes: vec!["10.0.0.0/16".parse().unwrap()],
        default_prefixlen: Some(26),
        min_prefixlen: Some(20),
        max_prefixlen: None,
        default_quota: Some(2048),
        address_scope_id: None,
        is_default: false,
        shared: false,
        asker: None,
    };
    let pool = cloud.write(|tx| subnet_pool::create(tx, &cloud.config, &new)).await.unwrap().id;
    let take = async |cidr: &str| {
        let mut new = new_subnet(cloud.network().await.id, cidr);
        new.prefix = Prefix::OfPool { pool, cidr: Some(cidr.parse().unwrap()), length: None };
        cloud.subnet(&new).await
    };
    let subnet = take("10.0.0.0/24").await.unwrap();
    enlarge(&cloud, subnet.id, "10.0.0.0/22").await.unwrap();
    assert!(take("10.0.3.0/24").await.is_err(), "it is taken");
    let beside = take("10.0.4.0/24").await.unwrap();
    assert!(
        refusal(enlarge(&cloud, subnet.id, "10.0.0.0/21").await).contains("10.0.4.0/22 is not of its free")
    );
    cloud.write(|tx| subnet::delete(tx, &cloud.config, beside.id, None)).await.unwrap();
    enlarge(&cloud, subnet.id, "10.0.0.0/21").await.unwrap();
    assert!(
        enlarge(&cloud, subnet.id, "10.0.0.0/20").await.is_err(),
        "beyond the project's quota of the pool"
    );
    assert!(enlarge(&cloud, subnet.id, "10.0.0.0/19").await.is_err(), "larger than the pool's largest");
    cloud.check();
}
