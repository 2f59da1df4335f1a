//! Automatic topologies over HTTP: requests to the real service in one sequence, and its answers (`spec/auto_topology.json`, recorded).

use crate::support::*;
use serde_json::json;

#[tokio::test]
async fn answers_are_those_of_the_real_service() {
    let cloud = Cloud::new().await;
    sequence::replay(&cloud, include_str!("../../../../spec/auto_topology.json")).await;
}

#[tokio::test]
async fn those_who_ask_at_the_same_time_get_the_same_network() {
    let cloud = Cloud::new().await;
    let outside =
        id(&cloud.create(ADMIN, "networks", json!({"router:external": true, "is_default": true})).await);
    let subnet = json!({"network_id": outside, "ip_version": 4, "cidr": "203.0.113.0/24"});
    cloud.create(ADMIN, "subnets", subnet).await;
    let pool = |prefix: &str, length: u8| {
        json!({"name": "default", "prefixes": [prefix], "default_prefixlen": length, "is_default": true,
            "shared": true})
    };
    cloud.create(ADMIN, "subnetpools", pool("10.0.0.0/8", 24)).await;
    cloud.create(ADMIN, "subnetpools", pool("2001:db8::/32", 64)).await;
    let path = format!("/v2.0/auto-allocated-topology/{PROJECT}");
    let asked = futures_util::future::join_all((0..20).map(|_| cloud.get(MEMBER, &path))).await;
    let ids: std::collections::BTreeSet<String> =
        asked.into_iter().map(|answer| id(&answer.expect(200))).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let network = ids.first().unwrap();
    assert_eq!(cloud.get(MEMBER, "/v2.0/routers").await.expect(200).as_array().unwrap().len(), 1);
    let path_of_subnets = format!("/v2.0/subnets?network_id={network}&sort_key=name&sort_dir=asc");
    let subnets = cloud.get(MEMBER, &path_of_subnets).await.expect(200);
    assert_eq!(all(&subnets, "name"), ["auto_allocated_subnet_v4", "auto_allocated_subnet_v6"]);
    assert_eq!(cloud.call(MEMBER, "DELETE", &path, None).await.status, 204);
    for collection in ["routers", "subnets", "ports"] {
        assert_eq!(
            cloud.get(MEMBER, &format!("/v2.0/{collection}?project_id={PROJECT}")).await.expect(200),
            json!([])
        );
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_topology_that_a_quota_refuses() {
    let cloud = Cloud::new().await;
    recipes::topology_needs(&cloud).await;
    let limit = json!({"quota": {"router": 0}});
    cloud.call(ADMIN, "PUT", &format!("/v2.0/quotas/{PROJECT}"), Some(limit)).await.expect(200);
    let path = format!("/v2.0/auto-allocated-topology/{PROJECT}");
    assert_eq!(cloud.get(MEMBER, &path).await.error(), (409, "OverQuota"));
    for collection in ["subnets", "ports"] {
        assert_eq!(
            cloud.get(MEMBER, &format!("/v2.0/{collection}?project_id={PROJECT}")).await.expect(200),
            json!([])
        );
    }
}
