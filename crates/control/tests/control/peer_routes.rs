//! Routes among the subnets of a routed network's segments.

use crate::support::*;
use hadron_control::network::{self, NewNetwork};
use hadron_control::segment::Provider;
use hadron_control::subnet::{self, Gateway, NewSubnet, SubnetChange};
use hadron_control::{Config, recovery, steps};
use hadron_model::{NetworkId, SegmentId, Subnet, SubnetId};

struct Routed {
    cloud: Cloud,
    network: NetworkId,
    segments: Vec<SegmentId>,
}

impl Routed {
    async fn new(segments: i64) -> Self {
        let cloud = Cloud::new().await;
        let vlan = |id| Provider {
            network_type: Some("vlan".to_owned()),
            physical_network: Some("one".to_owned()),
            segmentation_id: Some(id),
        };
        let new = NewNetwork { segments: (1..=segments).map(vlan).collect(), ..new_network() };
        let network = cloud.write(|tx| network::create(tx, &cloud.config, &new)).await.unwrap().id;
        let segments = cloud.view().segments_of(network).map(|segment| segment.id).collect();
        Self { cloud, network, segments }
    }

    /// A subnet of the segment of this index.
    async fn subnet(&self, segment: usize, cidr: &str) -> SubnetId {
        self.create(NewSubnet { segment_id: Some(self.segments[segment]), ..new_subnet(self.network, cidr) })
            .await
    }

    async fn create(&self, new: NewSubnet) -> SubnetId {
        let Cloud { store, config } = &self.cloud;
        let made = store.write(info(), |tx| subnet::create(tx, config, &new)).await.unwrap().value;
        subnet::fill_peer_routes(store, &info(), config, self.network).await.unwrap();
        made.id
    }

    async fn change(&self, id: SubnetId, change: SubnetChange) -> Subnet {
        let config = &self.cloud.config;
        self.cloud.write(|tx| subnet::update(tx, config, id, &change, None)).await.unwrap()
    }

    async fn delete(&self, id: SubnetId) {
        let Cloud { store, config } = &self.cloud;
        steps::run(store, &info(), |tx| subnet::delete(tx, config, id, None)).await.unwrap();
    }

    /// `DESTINATION by NEXTHOP` of each of a subnet's routes.
    fn routes(&self, id: SubnetId) -> Vec<String> {
        let subnet = self.cloud.view().get::<Subnet>(&id).unwrap().value.clone();
        subnet.host_routes.iter().map(|route| format!("{} by {}", route.destination, route.nexthop)).collect()
    }
}

#[tokio::test]
async fn an_enlarged_subnet_is_led_to_whole() {
    let routed = Routed::new(2).await;
    let (one, two) = (routed.subnet(0, "10.0.1.0/24").await, routed.subnet(1, "10.0.2.0/24").await);
    let cidr = Some("10.0.2.0/23".parse().unwrap());
    let enlarged = routed.change(two, SubnetChange { cidr, ..SubnetChange::default() }).await;
    assert_eq!(enlarged.host_routes.len(), 1);
    assert_eq!(routed.routes(one), ["10.0.2.0/23 by 10.0.1.1"]);
    routed.delete(two).await;
    assert!(routed.routes(one).is_empty());
    routed.cloud.check();
}

#[tokio::test]
async fn subnets_of_one_segment_or_of_none_need_no_routes() {
    let routed = Routed::new(2).await;
    let (one, two) = (routed.subnet(0, "10.0.1.0/24").await, routed.subnet(0, "10.0.2.0/24").await);
    assert!(routed.routes(one).is_empty() && routed.routes(two).is_empty());
    let plain = Routed::new(1).await;
    let one = plain.create(new_subnet(plain.network, "10.0.1.0/24")).await;
    plain.create(new_subnet(plain.network, "10.0.2.0/24")).await;
    plain.change(one, SubnetChange { gateway_ip: Some(None), ..SubnetChange::default() }).await;
    assert!(plain.routes(one).is_empty());
}

/// More subnets than one transaction changes, each with as many routes as one may have.
#[tokio::test]
async fn many_subnets_get_their_routes_and_lose_them() {
    let routed = Routed::new(2).await;
    let mut many = Vec::new();
    for number in 0..80 {
        many.push(routed.subnet(0, &format!("10.1.{number}.0/24")).await);
    }
    let one = routed.subnet(1, "10.2.0.0/24").await;
    assert_eq!(routed.routes(one).len(), Config::default().max_subnet_host_routes);
    for (number, id) in many.iter().enumerate() {
        assert_eq!(routed.routes(*id), [format!("10.2.0.0/24 by 10.1.{number}.1")]);
    }
    routed.delete(one).await;
    assert!(many.iter().all(|id| routed.routes(*id).is_empty()));
    routed.cloud.check();
}

#[tokio::test]
async fn a_server_that_starts_completes_what_another_began() {
    let routed = Routed::new(2).await;
    for number in 0..80 {
        routed.subnet(0, &format!("10.1.{number}.0/24")).await;
    }
    let (cloud, config) = (&routed.cloud, &routed.cloud.config);
    let segment_id = Some(routed.segments[1]);
    let new = NewSubnet { segment_id, gateway: Gateway::Absent, ..new_subnet(routed.network, "10.2.0.0/24") };
    cloud.write(|tx| subnet::create(tx, config, &new)).await.unwrap();
    let lacking = || cloud.view().subnets_of(routed.network).filter(|one| one.host_routes.is_empty()).count();
    assert!(lacking() > 1);
    recovery::run(&cloud.store, config).await.unwrap();
    assert_eq!(lacking(), 1, "the one that has no gateway");
}
