//! Segments of networks, as administrators see and change them.

use crate::support::*;
use serde_json::{Value, json};

fn vlan(id: u32) -> Value {
    json!({"provider:network_type": "vlan", "provider:physical_network": "one", "provider:segmentation_id": id})
}

async fn segments(cloud: &Cloud, query: &str) -> Vec<Value> {
    let list = cloud.get(ADMIN, &format!("/v2.0/segments?{query}")).await.expect(200);
    list.as_array().unwrap().clone()
}

#[tokio::test]
async fn a_network_shows_its_segments() {
    let cloud = Cloud::new().await;
    let network = cloud.create(ADMIN, "networks", json!({"segments": [vlan(1), vlan(2)]})).await;
    assert_eq!(network["segments"], json!([vlan(1), vlan(2)]));
    assert_eq!(network.get("provider:network_type"), None);
    let path = format!("/v2.0/networks/{}", id(&network));
    let all = segments(&cloud, &format!("network_id={}", id(&network))).await;
    let first = json!({
        "id": id(&all[0]), "network_id": id(&network), "name": null, "description": null, "physical_network": "one",
        "network_type": "vlan", "segmentation_id": 1, "revision_number": 0,
        "created_at": all[0]["created_at"], "updated_at": all[0]["updated_at"],
    });
    let of = |number: u32| all.iter().find(|segment| segment["segmentation_id"] == number).unwrap();
    let shown = cloud.get(ADMIN, &format!("/v2.0/segments/{}", id(of(1)))).await.expect(200);
    assert_eq!(
        shown.as_object().unwrap().keys().collect::<Vec<_>>(),
        first.as_object().unwrap().keys().collect::<Vec<_>>()
    );
    assert_eq!((all.len(), &shown["name"], &shown["physical_network"]), (2, &Value::Null, &json!("one")));
    let gone = cloud.call(ADMIN, "DELETE", &format!("/v2.0/segments/{}", id(of(2))), None).await;
    assert_eq!(gone.status, 204);
    let shown = cloud.get(ADMIN, &path).await.expect(200);
    assert_eq!((shown.get("segments"), &shown["provider:segmentation_id"]), (None, &json!(1)));
    cloud.call(ADMIN, "DELETE", &format!("/v2.0/segments/{}", id(of(1))), None).await;
    let shown = cloud.get(ADMIN, &path).await.expect(200);
    for name in ["provider:network_type", "provider:physical_network", "provider:segmentation_id"] {
        assert_eq!(shown[name], Value::Null, "{name}");
    }
    assert_eq!(shown["l2_adjacency"], true);
}

#[tokio::test]
async fn segments_are_administrators() {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    assert_eq!(cloud.get(MEMBER, "/v2.0/segments").await.expect(200), json!([]));
    let seen = cloud.get(MEMBER, &format!("/v2.0/networks/{network}")).await.expect(200);
    assert_eq!((seen.get("segments"), seen.get("provider:network_type")), (None, None));
    let body = json!({"network_id": network, "network_type": "vxlan"});
    assert_eq!(
        cloud.try_create(MEMBER, "segments", body.clone()).await.error(),
        (403, "PolicyNotAuthorized")
    );
    assert_eq!(cloud.try_create(MEMBER, "networks", json!({"segments": [vlan(1)]})).await.error().0, 403);
    let made = cloud.create(ADMIN, "segments", body).await;
    assert_eq!(
        (&made["name"], &made["description"], &made["revision_number"]),
        (&Value::Null, &json!(""), &json!(1))
    );
    let changed =
        cloud.update(ADMIN, "segments", &id(&made), json!({"name": "rack", "description": "d"})).await;
    assert_eq!(changed.expect(200)["name"], "rack");
    assert_eq!(segments(&cloud, "name=rack").await.len(), 1);
    assert_eq!(segments(&cloud, "network_type=vxlan&sort_key=segmentation_id&sort_dir=asc").await.len(), 2);
    let subnet =
        json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24", "segment_id": id(&made)});
    let subnet = cloud.create(ADMIN, "subnets", subnet).await;
    assert_eq!(subnet["segment_id"], made["id"]);
    let hidden = cloud.get(MEMBER, &format!("/v2.0/subnets/{}", id(&subnet))).await.expect(200);
    assert_eq!(hidden.get("segment_id"), None);
    let port = cloud.create(MEMBER, "ports", json!({"network_id": network})).await;
    assert_eq!((&port["ip_allocation"], &port["fixed_ips"]), (&json!("deferred"), &json!([])));
    let in_use = cloud.call(ADMIN, "DELETE", &format!("/v2.0/segments/{}", id(&made)), None).await;
    assert_eq!(in_use.error(), (409, "SegmentInUse"));
}

#[tokio::test]
async fn bad_segments_are_refused() {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(ADMIN, "networks", json!({})).await);
    for (body, error) in [
        (json!({"segments": [vlan(1), vlan(1)]}), "SegmentsContainDuplicateEntry"),
        (
            json!({"segments": [vlan(1)], "provider:network_type": "vxlan"}),
            "SegmentsSetInConjunctionWithProviders",
        ),
        (json!({"segments": [{}]}), "InvalidInput"),
        (json!({"segments": [{"provider:network_type": "vlan", "x": 1}]}), "HTTPBadRequest"),
        (
            json!({"segments": [{"provider:network_type": "vlan", "provider:segmentation_id": "x"}]}),
            "InvalidInput",
        ),
        (json!({"segments": [{"provider:network_type": "x"}]}), "InvalidInput"),
        (json!({"segments": "x"}), "HTTPBadRequest"),
        (json!({"segments": [5]}), "HTTPBadRequest"),
    ] {
        assert_eq!(cloud.try_create(ADMIN, "networks", body.clone()).await.error(), (400, error), "{body}");
    }
    let changed = cloud.update(ADMIN, "networks", &network, json!({"segments": [vlan(1)]})).await;
    assert_eq!(changed.error(), (400, "InvalidInput"));
    for (body, error) in [
        (json!({"network_id": network}), (400, "HTTPBadRequest")),
        (json!({"network_id": network, "network_type": "x"}), (400, "InvalidInput")),
        (
            json!({"network_id": network, "network_type": "vlan", "physical_network": "one", "segmentation_id": 5000}),
            (400, "InvalidInput"),
        ),
        (json!({"network_id": network, "network_type": "flat"}), (400, "InvalidInput")),
        (json!({"network_id": NOBODY, "network_type": "local"}), (404, "NetworkNotFound")),
    ] {
        assert_eq!(cloud.try_create(ADMIN, "segments", body.clone()).await.error(), error, "{body}");
    }
    assert_eq!(cloud.get(ADMIN, &format!("/v2.0/segments/{NOBODY}")).await.error(), (404, "SegmentNotFound"));
}

/// Subnets of a network's segments lead to each other (`spec/peer_subnet_routes.json`, recorded).
#[tokio::test]
async fn subnets_of_segments_lead_to_each_other() {
    let cloud = Cloud::new().await;
    sequence::replay(&cloud, include_str!("../../../../spec/peer_subnet_routes.json")).await;
}
