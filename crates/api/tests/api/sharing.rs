//! What is shared with whom: requests to the real service in one sequence, and its answers (`spec/sharing.json`, recorded).

use crate::support::*;
use serde_json::json;

#[tokio::test]
async fn answers_are_those_of_the_real_service() {
    let cloud = Cloud::new().await;
    sequence::replay(&cloud, include_str!("../../../../spec/sharing.json")).await;
}

#[tokio::test]
async fn an_address_group_is_seen_and_used_where_it_is_shared() {
    let cloud = Cloud::new().await;
    let group = id(&cloud.create(MEMBER, "address-groups", json!({"addresses": ["10.0.0.0/8"]})).await);
    let path = format!("/v2.0/address-groups/{group}");
    assert_eq!(cloud.get(OTHER, &path).await.error(), (404, "AddressGroupNotFound"));
    let policy = json!({"object_type": "address_group", "object_id": group, "action": "access_as_shared",
        "target_tenant": OTHER_PROJECT});
    cloud.create(MEMBER, "rbac-policies", policy).await;
    cloud.get(OTHER, &path).await.expect(200);
    assert_eq!(all(&cloud.get(OTHER, "/v2.0/address-groups").await.expect(200), "id"), [group.as_str()]);
    assert!(all(&cloud.get("fresh", "/v2.0/address-groups").await.expect(200), "id").is_empty());
    // To whom it is shared it is not there to be changed, unlike other objects.
    let denied = (404, "HTTPNotFound");
    assert_eq!(cloud.update(OTHER, "address-groups", &group, json!({"name": "x"})).await.error(), denied);
    assert_eq!(cloud.delete(OTHER, "address-groups", &group).await.error(), denied);
}

/// A project has so many policies, whoever makes them for it.
#[tokio::test]
async fn a_project_has_so_many_policies() {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let policy = |n: usize| {
        json!({"object_type": "network", "object_id": network, "action": "access_as_shared",
            "target_tenant": format!("{n:032}")})
    };
    for n in 0..10 {
        cloud.create(MEMBER, "rbac-policies", policy(n)).await;
    }
    assert_eq!(cloud.try_create(MEMBER, "rbac-policies", policy(10)).await.error(), (409, "OverQuota"));
    let mut of_admin = policy(10);
    of_admin["project_id"] = json!(ADMIN_PROJECT);
    cloud.create(ADMIN, "rbac-policies", of_admin).await;
    cloud.delete(MEMBER, "networks", &network).await.expect(204);
    let left = cloud.get(ADMIN, "/v2.0/rbac-policies").await.expect(200);
    assert!(all(&left, "id").is_empty(), "policies go with their network");
}
