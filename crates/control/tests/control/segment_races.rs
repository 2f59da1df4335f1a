//! Two servers at the same time, on segments and ranges of their identifiers: between what an operation reads on one and its
//! commit, a rival commits on the other.

use crate::support::servers::{Servers, servers};
use crate::support::*;
use hadron_control::network::{self, NewNetwork};
use hadron_control::network_segment::{self, MAX_SEGMENTS, NewSegment};
use hadron_control::segment::Provider;
use hadron_control::segment_range::{self, NewSegmentRange, SegmentRangeChange};
use hadron_control::subnet::{self, NewSubnet};
use hadron_control::{Error, Step};
use hadron_model::{
    Network, NetworkId, NetworkSegment, SegmentId, SegmentPool, SegmentRange, SegmentRangeId, Subnet, Tags,
};
use hadron_store::Tx;

fn vlan(id: Option<i64>) -> Provider {
    Provider {
        network_type: Some("vlan".to_owned()),
        physical_network: Some("one".to_owned()),
        segmentation_id: id,
    }
}

fn range(project: &str, first: u32, last: u32) -> NewSegmentRange {
    NewSegmentRange {
        project_id: project.to_owned(),
        name: String::new(),
        description: String::new(),
        pool: SegmentPool::Vlan("one".to_owned()),
        ends: (first, last),
        tags: Tags::default(),
    }
}

fn create_range(new: NewSegmentRange) -> impl Fn(&mut Tx) -> Result<SegmentRange, Error> {
    move |tx| segment_range::create(tx, &new)
}

fn delete_range(id: SegmentRangeId) -> impl Fn(&mut Tx) -> Result<(), Error> {
    move |tx| segment_range::delete(tx, id, None)
}

fn delete_segment(id: SegmentId) -> impl Fn(&mut Tx) -> Result<(), Error> {
    move |tx| network_segment::delete(tx, id, None)
}

impl Servers {
    async fn with_range(project: &str, first: u32, last: u32) -> (Self, SegmentRangeId) {
        let servers = servers().await;
        let range = servers.one.write(create_range(range(project, first, last))).await.unwrap().id;
        servers.two.store.wait_current().await.unwrap();
        // Each server has numbers at hand, so that it is not these that they get in each other's way for.
        servers.two.network().await;
        servers.one.store.wait_current().await.unwrap();
        (servers, range)
    }

    fn take(&self, provider: Provider) -> impl Fn(&mut Tx) -> Result<Network, Error> {
        let new = NewNetwork { segments: vec![provider], ..new_network() };
        let config = self.one.config.clone();
        move |tx| network::create(tx, &config, &new)
    }

    /// A network with two segments of VLANs, and these.
    async fn routed() -> (Self, NetworkId, [SegmentId; 2]) {
        let servers = servers().await;
        let new = NewNetwork { segments: vec![vlan(Some(1)), vlan(Some(2))], ..new_network() };
        let config = &servers.one.config;
        let network = servers.one.write(|tx| network::create(tx, config, &new)).await.unwrap().id;
        servers.two.store.wait_current().await.unwrap();
        // Here too.
        let other = new_subnet(servers.two.network().await.id, "10.99.0.0/24");
        servers.two.subnet(&other).await.unwrap();
        let view = servers.one.store.wait_current().await.unwrap();
        let ids: Vec<SegmentId> = view.segments_of(network).map(|segment| segment.id).collect();
        (servers, network, ids.try_into().unwrap())
    }

    fn create_subnet_on(
        &self,
        network: NetworkId,
        cidr: &str,
        segment: SegmentId,
    ) -> impl Fn(&mut Tx) -> Result<Subnet, Error> {
        let new = NewSubnet { segment_id: Some(segment), ..new_subnet(network, cidr) };
        let config = self.one.config.clone();
        move |tx| subnet::create(tx, &config, &new)
    }

    fn add_segment(&self, network: NetworkId, id: i64) -> impl Fn(&mut Tx) -> Result<NetworkSegment, Error> {
        let new = NewSegment { network_id: network, name: None, description: None, provider: vlan(Some(id)) };
        let config = self.one.config.clone();
        move |tx| network_segment::create(tx, &config, &new)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ranges_would_overlap() {
    let (servers, _) = Servers::with_range("", 1, 9).await;
    let (a, b) = servers.race(create_range(range("", 10, 20)), create_range(range("p", 20, 30))).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("NetworkSegmentRangeOverlaps", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_goes_while_a_network_takes_of_it() {
    // A free one, and a certain one.
    for provider in [vlan(None), vlan(Some(5))] {
        let (servers, range) = Servers::with_range("p", 5, 9).await;
        let (went, took) = servers.race(delete_range(range), servers.take(provider.clone())).await;
        assert_eq!((went.unwrap_err(), took.is_ok()), ("NetworkSegmentRangeReferencedByProject", true));
        let view = servers.check().await;
        assert_eq!(segment_range::used(&view, view.get::<SegmentRange>(&range).unwrap()).len(), 1);
    }
    let (servers, range) = Servers::with_range("p", 5, 9).await;
    let (took, went) = servers.race(servers.take(vlan(None)), delete_range(range)).await;
    assert_eq!((took.unwrap_err(), went.is_ok()), ("InvalidInput", true), "no VLANs are kept any more");
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_shrinks_while_a_network_takes_of_it() {
    let (servers, range) = Servers::with_range("p", 5, 9).await;
    let change = SegmentRangeChange { first: Some(7), ..SegmentRangeChange::default() };
    let shrink = |tx: &mut Tx| segment_range::update(tx, range, &change, None);
    let (shrunk, took) = servers.race(shrink, servers.take(vlan(None))).await;
    assert_eq!((shrunk.unwrap_err(), took.is_ok()), ("NetworkSegmentRangeReferencedByProject", true));
    let (servers, range) = Servers::with_range("p", 5, 9).await;
    let shrink = |tx: &mut Tx| segment_range::update(tx, range, &change, None);
    let (took, shrunk) = servers.race(servers.take(vlan(None)), shrink).await;
    assert_eq!(took.unwrap().segment.segmentation_id(), Some(7));
    assert_eq!(shrunk.unwrap().first, 7);
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_networks_want_the_last_of_a_range() {
    let (servers, _) = Servers::with_range("p", 5, 5).await;
    let (a, b) = servers.race(servers.take(vlan(None)), servers.take(vlan(None))).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("NoNetworkAvailable", true));
    servers.check().await;
    let (servers, _) = Servers::with_range("p", 5, 5).await;
    let (a, b) = servers.race(servers.take(vlan(Some(7))), servers.take(vlan(Some(7)))).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("VlanIdInUse", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_goes_while_a_subnet_comes_to_it() {
    let (servers, network, [first, _]) = Servers::routed().await;
    let create = servers.create_subnet_on(network, "10.1.0.0/24", first);
    let (went, came) = servers.race(delete_segment(first), create).await;
    assert_eq!((went.unwrap_err(), came.is_ok()), ("SegmentInUse", true));
    servers.check().await;
    let (servers, network, [first, _]) = Servers::routed().await;
    let create = servers.create_subnet_on(network, "10.1.0.0/24", first);
    let (came, went) = servers.race(create, delete_segment(first)).await;
    assert_eq!((came.unwrap_err(), went.is_ok()), ("SegmentNotFound", true));
    servers.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_comes_while_its_network_goes() {
    let (servers, network, _) = Servers::routed().await;
    let config = &servers.one.config;
    let delete = |tx: &mut Tx| network::delete(tx, config, network, None);
    let (came, went) = servers.race(servers.add_segment(network, 3), delete).await;
    assert_eq!((came.unwrap_err(), went), ("NetworkNotFound", Ok(Step::Done(()))));
    servers.check().await;
    let (servers, network, _) = Servers::routed().await;
    let delete = |tx: &mut Tx| network::delete(tx, config, network, None);
    let (went, came) = servers.race(delete, servers.add_segment(network, 3)).await;
    assert_eq!((went, came.is_ok()), (Ok(Step::Done(())), true), "it goes with the network");
    let view = servers.check().await;
    assert!(view.iter::<NetworkSegment>().all(|segment| segment.network_id != network));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_segments_want_the_last_place_of_a_network() {
    let (servers, network, _) = Servers::routed().await;
    for id in 3..MAX_SEGMENTS as i64 {
        servers.one.write(servers.add_segment(network, id)).await.unwrap();
    }
    servers.two.store.wait_current().await.unwrap();
    let (a, b) = servers.race(servers.add_segment(network, 98), servers.add_segment(network, 99)).await;
    assert_eq!((a.unwrap_err(), b.is_ok()), ("InvalidInput", true));
    assert_eq!(servers.check().await.segments_of(network).count(), MAX_SEGMENTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_subnets_of_two_segments_lead_to_each_other() {
    let (servers, network, [first, second]) = Servers::routed().await;
    let one = servers.create_subnet_on(network, "10.1.0.0/24", first);
    let two = servers.create_subnet_on(network, "10.2.0.0/24", second);
    let (one, two) = servers.race(one, two).await;
    let (one, two) = (one.unwrap(), two.unwrap());
    let view = servers.check().await;
    for (from, to) in [(&one, &two), (&two, &one)] {
        let routes = &view.get::<Subnet>(&from.id).unwrap().host_routes;
        assert_eq!((routes.len(), routes[0].destination), (1, to.cidr), "{routes:?}");
    }
}
