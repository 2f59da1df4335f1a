//! Ranges of identifiers: whose networks get which, and what keeps a range.

use crate::support::*;
use hadron_control::network::{self, NewNetwork};
use hadron_control::segment::Provider;
use hadron_control::segment_range::{self, NewSegmentRange, SegmentRangeChange};
use hadron_control::{Error, VlanRange, recovery};
use hadron_model::{Network, SegmentPool, SegmentRange, Tags};

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.expect_err("it must be refused").type_name()
}

fn range(project: &str, pool: SegmentPool, first: u32, last: u32) -> NewSegmentRange {
    NewSegmentRange {
        project_id: project.to_owned(),
        name: String::new(),
        description: String::new(),
        pool,
        ends: (first, last),
        tags: Tags::default(),
    }
}

impl Cloud {
    async fn range(&self, new: &NewSegmentRange) -> Result<SegmentRange, Error> {
        self.write(|tx| segment_range::create(tx, new)).await
    }

    async fn of_type(&self, project: &str, network_type: Option<&str>) -> Result<Network, Error> {
        let provider = Provider { network_type: network_type.map(str::to_owned), ..Provider::default() };
        let new = NewNetwork { project_id: project.to_owned(), segments: vec![provider], ..new_network() };
        self.write(|tx| network::create(tx, &self.config, &new)).await
    }

    /// The identifier that a new network of a project gets.
    async fn next(&self, project: &str, network_type: Option<&str>) -> Result<u32, Error> {
        Ok(self.of_type(project, network_type).await?.segment.segmentation_id().unwrap())
    }
}

#[tokio::test]
async fn a_project_s_networks_get_identifiers_of_its_own_ranges_first() {
    let mut cloud = Cloud::new().await;
    cloud.config.tenant_vnis = 1..=4;
    cloud.range(&range("p", SegmentPool::Vxlan, 2, 3)).await.unwrap();
    cloud.range(&range("", SegmentPool::Vxlan, 9, 9)).await.unwrap();
    for (project, id) in [("p", 2), ("q", 1), ("q", 4), ("p", 3), ("q", 9)] {
        assert_eq!(cloud.next(project, None).await.unwrap(), id, "{project}");
    }
    for project in ["p", "q"] {
        assert_eq!(
            kind(cloud.next(project, None).await),
            "NoNetworkAvailable",
            "the others are kept for one"
        );
    }
    cloud.check();
}

#[tokio::test]
async fn ranges_of_vlans_and_tunnels_are_kept_too() {
    let mut cloud = Cloud::new().await;
    cloud.config.tenant_vnis = 1..=2;
    let vlans = |name: &str| SegmentPool::Vlan(name.to_owned());
    cloud.config.vlan_ranges = vec![VlanRange { physical_network: "one".to_owned(), vlans: 5..=6 }];
    cloud.range(&range("p", vlans("two"), 7, 7)).await.unwrap();
    for (project, id) in [("q", 5), ("p", 6), ("p", 7)] {
        assert_eq!(cloud.next(project, Some("vlan")).await.unwrap(), id, "{project}");
    }
    assert_eq!(kind(cloud.next("q", Some("vlan")).await), "NoNetworkAvailable");
    let gre = SegmentPool::Tunnel(hadron_model::TunnelKind::Gre);
    cloud.range(&range("p", gre, 2, 2)).await.unwrap();
    for (project, id) in [("q", 1), ("p", 2)] {
        assert_eq!(cloud.next(project, Some("gre")).await.unwrap(), id, "{project}");
    }
    assert_eq!(kind(cloud.next("q", Some("gre")).await), "NoNetworkAvailable");
    cloud.check();
}

#[tokio::test]
async fn networks_keep_their_range() {
    let cloud = Cloud::new().await;
    let own = cloud.range(&range("p", SegmentPool::Vxlan, 1100, 1105)).await.unwrap();
    let other = cloud.range(&range("p", SegmentPool::Vxlan, 1200, 1205)).await.unwrap();
    for (first, last) in [(1105, 1110), (1000, 1100), (1102, 1103), (1000, 2000)] {
        assert_eq!(
            kind(cloud.range(&range("q", SegmentPool::Vxlan, first, last)).await),
            "NetworkSegmentRangeOverlaps"
        );
    }
    for (first, last) in [(0, 5), (7, 6), (1, 1 << 24)] {
        assert_eq!(kind(cloud.range(&range("q", SegmentPool::Vxlan, first, last)).await), "InvalidInput");
    }
    let network = cloud.of_type("p", None).await.unwrap();
    assert_eq!(network.segment.segmentation_id(), Some(1100));
    let change = async |first, last| {
        let change = SegmentRangeChange { first, last, ..SegmentRangeChange::default() };
        cloud.write(|tx| segment_range::update(tx, own.id, &change, None)).await
    };
    assert_eq!(kind(change(Some(1101), None).await), "NetworkSegmentRangeReferencedByProject");
    assert_eq!(kind(change(None, Some(1200)).await), "NetworkSegmentRangeOverlaps");
    assert_eq!(change(Some(1100), Some(1150)).await.unwrap().last, 1150);
    let delete = async |id| cloud.write(|tx| segment_range::delete(tx, id, None)).await;
    assert_eq!(kind(delete(own.id).await), "NetworkSegmentRangeReferencedByProject");
    delete(other.id).await.unwrap();
    let view = cloud.view();
    let own = view.get::<SegmentRange>(&own.id).unwrap();
    assert_eq!(segment_range::used(&view, own), [(1100, "p".to_owned())].into());
    assert_eq!(segment_range::available(&view, own).next(), Some(1101));
    cloud.delete_network(network.id).await.unwrap();
    delete(own.id).await.unwrap();
    assert_eq!(kind(delete(own.id).await), "NetworkSegmentRangeNotFound");
}

#[tokio::test]
async fn what_servers_are_started_with_is_shown() {
    let mut cloud = Cloud::new().await;
    let shown = |cloud: &Cloud| {
        let view = cloud.view();
        let mut all: Vec<_> = view
            .iter::<SegmentRange>()
            .map(|range| (range.pool.network_type(), range.first, range.last, range.is_default))
            .collect();
        all.sort_unstable();
        all
    };
    cloud.config.tenant_vnis = 1..=9;
    for vlans in [5..=6, 7..=8] {
        let (first, last) = ((*vlans.start()).into(), (*vlans.end()).into());
        cloud.config.vlan_ranges = vec![VlanRange { physical_network: "one".to_owned(), vlans }];
        for _ in 0..2 {
            recovery::run(&cloud.store, &cloud.config).await.unwrap();
            let expected = [
                ("geneve", 1, 9, true),
                ("gre", 1, 9, true),
                ("vlan", first, last, true),
                ("vxlan", 1, 9, true),
            ];
            assert_eq!(shown(&cloud), expected);
        }
    }
    let default = cloud.view().iter::<SegmentRange>().next().unwrap().id;
    let refused = cloud.write(|tx| segment_range::delete(tx, default, None)).await;
    assert_eq!(kind(refused), "NetworkSegmentRangeDefaultReadOnly");
}
