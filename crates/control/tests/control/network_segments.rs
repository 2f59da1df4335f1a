//! Segments of networks: what they take, what keeps them, and which subnets are of them.

use crate::support::*;
use hadron_control::binding::{self, BindingChange};
use hadron_control::network::{self, NetworkChange};
use hadron_control::network_segment::{self, MAX_SEGMENTS, NewSegment, SegmentChange};
use hadron_control::port::{self, PortChange};
use hadron_control::segment::Provider;
use hadron_control::subnet::{self, NewSubnet, SubnetChange};
use hadron_control::{Error, host, recovery};
use hadron_model::{Network, NetworkId, NetworkSegment, Port, Segment, SegmentId, Subnet};
use hadron_store::SegmentClaim;

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.expect_err("it must be refused").type_name()
}

fn vlan(physical: &str, id: i64) -> Provider {
    Provider {
        network_type: Some("vlan".to_owned()),
        physical_network: Some(physical.to_owned()),
        segmentation_id: Some(id),
    }
}

impl Cloud {
    async fn of_segments(&self, segments: Vec<Provider>) -> Result<Network, Error> {
        let new = network::NewNetwork { segments, ..new_network() };
        self.write(|tx| network::create(tx, &self.config, &new)).await
    }

    async fn segment(&self, network_id: NetworkId, provider: Provider) -> Result<NetworkSegment, Error> {
        let new = NewSegment { network_id, name: None, description: None, provider };
        self.write(|tx| network_segment::create(tx, &self.config, &new)).await
    }

    async fn delete_segment(&self, id: SegmentId) -> Result<(), Error> {
        self.write(|tx| network_segment::delete(tx, id, None)).await
    }

    async fn subnet_of(
        &self,
        network: NetworkId,
        cidr: &str,
        of: Option<SegmentId>,
    ) -> Result<Subnet, Error> {
        let new = NewSubnet { segment_id: of, ..new_subnet(network, cidr) };
        self.write(|tx| subnet::create(tx, &self.config, &new)).await
    }

    fn segments(&self, network: NetworkId) -> Vec<SegmentId> {
        self.view().segments_of(network).map(|segment| segment.id).collect()
    }

    async fn bind(&self, port: &Port, host: &str) -> Result<Port, Error> {
        let host_id = Some(host.to_owned());
        let change =
            PortChange { binding: BindingChange { host_id, ..Default::default() }, ..Default::default() };
        self.write(|tx| port::update(tx, &self.config, port.id, &change, None)).await
    }
}

#[tokio::test]
async fn a_network_has_several_segments() {
    let cloud = Cloud::new().await;
    let local = Provider { network_type: Some("local".to_owned()), ..Provider::default() };
    assert_eq!(
        kind(cloud.of_segments(vec![vlan("one", 5), vlan("one", 5)]).await),
        "SegmentsContainDuplicateEntry"
    );
    assert_eq!(
        kind(cloud.of_segments(vec![local.clone(), local.clone()]).await),
        "SegmentsContainDuplicateEntry"
    );
    assert!(cloud.view().is_empty::<SegmentClaim>());
    let any = Provider { network_type: Some("vxlan".to_owned()), ..Provider::default() };
    let network = cloud.of_segments(vec![vlan("one", 5), any.clone(), any.clone()]).await.unwrap();
    assert_eq!((network.segment.network_type(), network.mtu), ("vlan", 1450), "what all of them carry");
    cloud.check();
    let ids = cloud.segments(network.id);
    assert_eq!(ids.len(), 3);
    assert_eq!(kind(cloud.of_segments(vec![vlan("two", 1), vlan("one", 5)]).await), "VlanIdInUse");
    let mut change = NetworkChange::default();
    change.provider.segmentation_id = Some(9);
    let changed = cloud.write(|tx| network::update(tx, &cloud.config, network.id, &change, None)).await;
    assert_eq!(kind(changed), "InvalidInput", "of which one?");
    // The next one takes the place of the first, and at the end there is none.
    for (id, left) in ids.iter().zip(["vxlan", "vxlan", "none"]) {
        cloud.delete_segment(*id).await.unwrap();
        cloud.check();
        assert_eq!(cloud.view().get::<Network>(&network.id).unwrap().segment.network_type(), left);
    }
    assert_eq!(kind(cloud.delete_segment(ids[0]).await), "SegmentNotFound");
    cloud.host("h1", "192.0.2.1").await;
    let port = cloud.port(&new_port(network.id)).await.unwrap();
    let port = cloud.bind(&port, "h1").await.unwrap();
    let failure = binding::failure(&cloud.view(), network.id, &port.binding).unwrap();
    assert_eq!(failure.to_string(), "the network has no segment; add one");
    cloud.segment(network.id, vlan("one", 5)).await.expect("it is free");
    cloud.delete_port(port.id).await.unwrap();
    cloud.delete_network(network.id).await.unwrap();
    assert!(cloud.view().is_empty::<NetworkSegment>() && cloud.view().is_empty::<SegmentClaim>());
    cloud.check();
}

#[tokio::test]
async fn segments_come_to_a_network_and_go() {
    let cloud = Cloud::new().await;
    let network = cloud.of_segments(vec![vlan("one", 1)]).await.unwrap();
    let any = Provider { network_type: Some("vxlan".to_owned()), ..Provider::default() };
    assert_eq!(
        kind(cloud.segment(network.id, any).await),
        "InvalidInput",
        "it does not carry the network's MTU"
    );
    assert_eq!(kind(cloud.segment(network.id, vlan("one", 1)).await), "VlanIdInUse");
    assert_eq!(kind(cloud.segment(NetworkId::random(), vlan("one", 2)).await), "NetworkNotFound");
    let second = cloud.segment(network.id, vlan("one", 2)).await.unwrap();
    assert_eq!((second.index, second.stamp.revision_number), (1, 1));
    let change = async |change: &SegmentChange, revision| {
        cloud.write(|tx| network_segment::update(tx, second.id, change, revision)).await
    };
    let named = change(&SegmentChange { name: Some(Some("rack".to_owned())), ..Default::default() }, None)
        .await
        .unwrap();
    assert_eq!((named.name.as_deref(), named.stamp.revision_number), (Some("rack"), 2));
    assert_eq!(kind(change(&SegmentChange::default(), Some(1)).await), "RevisionNumberConstraintFailed");
    for id in 3..=MAX_SEGMENTS as i64 {
        cloud.segment(network.id, vlan("one", id)).await.unwrap();
    }
    assert_eq!(kind(cloud.segment(network.id, vlan("one", 99)).await), "InvalidInput", "too many");
    cloud.check();
    cloud.delete_network(network.id).await.unwrap();
    cloud.check();
}

#[tokio::test]
async fn subnets_are_of_segments_or_none_is() {
    let cloud = Cloud::new().await;
    let network = cloud.of_segments(vec![vlan("one", 1), vlan("two", 1)]).await.unwrap();
    let [first, second] = cloud.segments(network.id)[..] else { panic!() };
    let other = cloud.of_segments(vec![vlan("one", 2)]).await.unwrap();
    let foreign = cloud.segments(other.id)[0];
    let of = async |cidr, segment| cloud.subnet_of(network.id, cidr, segment).await;
    assert_eq!(kind(of("10.0.0.0/24", Some(foreign)).await), "NetworkIdsDontMatch");
    assert_eq!(kind(of("10.0.0.0/24", Some(SegmentId::random())).await), "SegmentNotFound");
    let subnet = of("10.0.0.0/24", Some(first)).await.unwrap();
    assert!(!network_segment::is_adjacent(&cloud.view(), network.id));
    assert_eq!(kind(of("10.0.1.0/24", None).await), "SubnetsNotAllAssociatedWithSegments");
    of("10.0.1.0/24", Some(second)).await.unwrap();
    assert_eq!(kind(cloud.delete_segment(first).await), "SegmentInUse");
    let move_to = async |subnet: &Subnet, segment| {
        let change = SubnetChange { segment_id: Some(segment), ..SubnetChange::default() };
        cloud.write(|tx| subnet::update(tx, &cloud.config, subnet.id, &change, None)).await
    };
    assert_eq!(kind(move_to(&subnet, Some(second)).await), "SubnetsNotAllAssociatedWithSegments");
    let plain = cloud.subnet_of(other.id, "10.1.0.0/24", None).await.unwrap();
    assert_eq!(kind(move_to(&plain, Some(first)).await), "NetworkIdsDontMatch");
    assert_eq!(move_to(&plain, Some(foreign)).await.unwrap().segment_id, Some(foreign));
    let moved = cloud.view().get::<Subnet>(&plain.id).unwrap().value.clone();
    assert_eq!(kind(move_to(&moved, None).await), "SubnetSegmentAssociationChangeNotAllowed");
    cloud.check();
    cloud.delete_network(network.id).await.unwrap();
    cloud.check();
}

#[tokio::test]
async fn ports_of_routed_networks_get_the_addresses_of_their_hosts() {
    let cloud = Cloud::new().await;
    let network = cloud.of_segments(vec![vlan("one", 1), vlan("two", 1)]).await.unwrap();
    let [first, second] = cloud.segments(network.id)[..] else { panic!() };
    cloud.subnet_of(network.id, "10.0.0.0/24", Some(first)).await.unwrap();
    cloud.subnet_of(network.id, "10.0.1.0/24", Some(second)).await.unwrap();
    for (name, last, physical) in [("h1", "1", "one"), ("h2", "2", "two"), ("h3", "3", "three")] {
        cloud.host(name, &format!("192.0.2.{last}")).await;
        let networks = [physical.to_owned()];
        cloud.write(|tx| host::set_physical_networks(tx, name, &networks)).await.unwrap();
    }
    let deferred = cloud.port(&new_port(network.id)).await.unwrap();
    assert!(deferred.details.is_deferred && deferred.fixed_ips.is_empty());
    assert_eq!(kind(cloud.bind(&deferred, "h3").await), "HostNotConnectedToAnySegment");
    let bound = cloud.bind(&deferred, "h2").await.unwrap();
    assert_eq!(bound.fixed_ips[0].ip_address.to_string(), "10.0.1.2");
    assert_eq!(kind(cloud.bind(&deferred, "h1").await), "HostNotCompatibleWithFixedIps");
    let mut new = new_port(network.id);
    new.binding.host_id = Some("h1".to_owned());
    let there = cloud.port(&new).await.unwrap();
    assert_eq!(
        (there.details.is_deferred, there.fixed_ips[0].ip_address.to_string().as_str()),
        (false, "10.0.0.2")
    );
    new.binding.host_id = Some("h3".to_owned());
    assert_eq!(kind(cloud.port(&new).await), "HostNotConnectedToAnySegment");
    cloud.check();
}

#[tokio::test]
async fn networks_from_before_get_their_segment() {
    let cloud = Cloud::new().await;
    let network = cloud.network().await;
    let lost = cloud.segments(network.id)[0];
    let forget = |tx: &mut hadron_store::Tx| {
        tx.delete::<NetworkSegment>(&lost);
        Ok::<_, Error>(())
    };
    cloud.write(forget).await.unwrap();
    for _ in 0..2 {
        recovery::run(&cloud.store, &cloud.config).await.unwrap();
        let view = cloud.view();
        let segments: Vec<&Segment> = view.segments_of(network.id).map(|segment| &segment.segment).collect();
        assert_eq!(segments, [&network.segment]);
        cloud.check();
    }
}
