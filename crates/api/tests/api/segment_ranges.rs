//! Ranges of identifiers of networks, as administrators see and change them.

use crate::support::*;
use serde_json::{Value, json};

#[tokio::test]
async fn a_range_is_shown_with_what_is_left_of_it() {
    let cloud = Cloud::new().await;
    let body = json!({"name": "nsr", "network_type": "vxlan", "minimum": 1500, "maximum": 1502, "shared": false,
        "project_id": PROJECT});
    let made = cloud.create(ADMIN, "network-segment-ranges", body).await;
    let expected = json!({
        "id": id(&made), "name": "nsr", "default": false, "shared": false, "project_id": PROJECT, "network_type": "vxlan",
        "physical_network": "", "minimum": 1500, "maximum": 1502, "revision_number": 0, "description": "",
        "created_at": made["created_at"], "updated_at": made["updated_at"], "available": [1500, 1501, 1502], "used": {},
        "tags": [],
    });
    assert_eq!(made, expected);
    cloud.create(MEMBER, "networks", json!({})).await;
    let path = format!("/v2.0/network-segment-ranges/{}", id(&made));
    let shown = cloud.get(ADMIN, &path).await.expect(200);
    assert_eq!((&shown["available"], &shown["used"]), (&json!([1501, 1502]), &json!({"1500": PROJECT})));
    let kept = cloud.call(ADMIN, "DELETE", &path, None).await;
    assert_eq!(kept.error(), (409, "NetworkSegmentRangeReferencedByProject"));
    let update = async |change: Value| {
        let body = json!({"network_segment_range": change});
        cloud.call(ADMIN, "PUT", &path, Some(body)).await
    };
    assert_eq!(
        update(json!({"minimum": 1501})).await.error(),
        (409, "NetworkSegmentRangeReferencedByProject")
    );
    assert_eq!(update(json!({"maximum": 1600, "name": "more"})).await.expect(200)["maximum"], 1600);
    assert_eq!(update(json!({"shared": true})).await.error(), (400, "HTTPBadRequest"));
}

#[tokio::test]
async fn bad_ranges_are_refused_and_others_see_none() {
    let cloud = Cloud::new().await;
    let gre = json!({"network_type": "gre", "minimum": 1, "maximum": 9});
    let made = cloud.create(ADMIN, "network-segment-ranges", gre.clone()).await;
    assert_eq!((made.get("project_id"), &made["shared"]), (None, &json!(true)));
    assert_eq!(cloud.get(MEMBER, "/v2.0/network-segment-ranges").await.expect(200), json!([]));
    assert_eq!(cloud.try_create(MEMBER, "network-segment-ranges", gre.clone()).await.error().0, 403);
    for (body, error) in [
        (gre, (409, "NetworkSegmentRangeOverlaps")),
        (json!({"minimum": 1, "maximum": 2}), (400, "NetworkSegmentRangeNetTypeNotSupported")),
        (json!({"network_type": "flat", "minimum": 1, "maximum": 2}), (400, "HTTPBadRequest")),
        (json!({"network_type": "vlan", "minimum": 1, "maximum": 2}), (400, "InvalidInput")),
        (json!({"network_type": "vxlan", "minimum": 3, "maximum": 2}), (400, "InvalidInput")),
        (json!({"network_type": "vxlan", "minimum": 0, "maximum": 2}), (400, "HTTPBadRequest")),
        (json!({"network_type": "vxlan", "minimum": "x", "maximum": 2}), (400, "InvalidInput")),
        (json!({"network_type": "vxlan", "minimum": 1}), (400, "HTTPBadRequest")),
        (
            json!({"network_type": "vlan", "physical_network": "one", "minimum": 1, "maximum": 4095}),
            (400, "InvalidInput"),
        ),
    ] {
        let refused = cloud.try_create(ADMIN, "network-segment-ranges", body.clone()).await;
        assert_eq!(refused.error(), error, "{body}");
    }
    let unknown = cloud.get(ADMIN, &format!("/v2.0/network-segment-ranges/{NOBODY}")).await;
    assert_eq!(unknown.error(), (404, "NetworkSegmentRangeNotFound"));
}
