//! `/v2.0/quotas`

use crate::support::*;
use serde_json::{Value, json};

fn path(project: &str) -> String {
    format!("/v2.0/quotas/{project}")
}

async fn put(cloud: &Cloud, token: &str, quota: Value) -> Answer {
    cloud.call(token, "PUT", &path(PROJECT), Some(json!({"quota": quota}))).await
}

#[tokio::test]
async fn limits_are_shown_changed_and_reset() {
    let cloud = Cloud::new().await;
    let defaults = json!({
        "network": 100, "subnet": 100, "port": 500, "security_group": 10, "security_group_rule": 100,
    });
    for token in [MEMBER, READER, ADMIN] {
        assert_eq!(contains(&cloud.get(token, &path(PROJECT)).await.expect(200)), contains(&defaults));
        let default = cloud.get(token, &format!("{}/default", path(PROJECT))).await.expect(200);
        assert_eq!(contains(&default), contains(&defaults));
    }
    assert_eq!(cloud.get(ADMIN, "/v2.0/quotas").await.body, json!({"quotas": []}));
    let changed = put(&cloud, ADMIN, json!({"port": "7", "network": -1})).await.expect(200);
    assert_eq!(
        (&changed["port"], &changed["network"], &changed["subnet"]),
        (&json!(7), &json!(-1), &json!(100))
    );
    assert_eq!(cloud.get(MEMBER, &path(PROJECT)).await.expect(200), changed);
    let default = cloud.get(ADMIN, &format!("{}/default", path(PROJECT))).await.expect(200);
    assert_eq!(default["port"], 500);
    let list = cloud.get(ADMIN, "/v2.0/quotas").await.expect(200);
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(
        (&list[0]["port"], &list[0]["project_id"], &list[0]["tenant_id"]),
        (&json!(7), &json!(PROJECT), &json!(PROJECT))
    );
    assert_eq!(cloud.call(ADMIN, "DELETE", &path(PROJECT), None).await.status, 204);
    assert_eq!(cloud.get(MEMBER, &path(PROJECT)).await.expect(200)["port"], 500);
    let again = cloud.call(ADMIN, "DELETE", &path(PROJECT), None).await;
    assert_eq!(again.error(), (404, "TenantQuotaNotFound"));
    for name in ["project", "tenant"] {
        let whose = cloud.get(MEMBER, &path(name)).await;
        assert_eq!(whose.body, json!({ name: { format!("{name}_id"): PROJECT } }));
    }
    assert_eq!(cloud.get("unscoped", &path("project")).await.error(), (400, "QuotaMissingTenant"));
}

/// The members of the kinds that this release counts.
fn contains(quota: &Value) -> Vec<(String, i64)> {
    let known = ["network", "subnet", "port", "security_group", "security_group_rule"];
    known.iter().map(|kind| ((*kind).to_owned(), quota[*kind].as_i64().unwrap())).collect()
}

#[tokio::test]
async fn limits_hold_and_details_tell_what_is_used() {
    let cloud = Cloud::new().await;
    put(&cloud, ADMIN, json!({"network": 2})).await.expect(200);
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    cloud.create(MEMBER, "networks", json!({})).await;
    cloud.create(MEMBER, "ports", json!({"network_id": network})).await;
    assert_eq!(cloud.try_create(MEMBER, "networks", json!({})).await.error(), (409, "OverQuota"));
    cloud.create(OTHER, "networks", json!({})).await;
    for (token, project) in [(MEMBER, PROJECT), (READER, PROJECT), (ADMIN, PROJECT)] {
        let details = cloud.get(token, &format!("{}/details", path(project))).await.expect(200);
        assert_eq!(details["network"], json!({"limit": 2, "used": 2, "reserved": 0}));
        assert_eq!(details["port"], json!({"limit": 500, "used": 1, "reserved": 0}));
        assert_eq!(
            details["security_group"],
            json!({"limit": 10, "used": 1, "reserved": 0}),
            "the default one"
        );
    }
    let json_suffix = cloud.get(MEMBER, &format!("{}/details.json", path(PROJECT))).await;
    assert_eq!(json_suffix.status, 200);
    let below = json!({"network": 1});
    assert_eq!(put(&cloud, ADMIN, below).await.error(), (400, "HTTPBadRequest"));
    for check in [json!(true), json!(false), json!("x")] {
        let below = json!({"network": 1, "check_limit": check});
        assert_eq!(put(&cloud, ADMIN, below).await.error(), (400, "HTTPBadRequest"));
    }
    let forced = put(&cloud, ADMIN, json!({"network": 1, "force": true})).await.expect(200);
    assert_eq!(forced["network"], 1);
    assert_eq!(cloud.try_create(MEMBER, "networks", json!({})).await.error(), (409, "OverQuota"));
}

#[tokio::test]
async fn only_administrators_change_limits_and_nobody_sees_another_project_s() {
    let cloud = Cloud::new().await;
    put(&cloud, ADMIN, json!({"port": 7})).await.expect(200);
    let denied = (403, "PolicyNotAuthorized");
    for token in [MEMBER, READER, OTHER, "manager", "unscoped"] {
        assert_eq!(put(&cloud, token, json!({"port": 8})).await.error(), denied, "{token}");
        assert_eq!(cloud.call(token, "DELETE", &path(PROJECT), None).await.error(), denied, "{token}");
    }
    for token in [MEMBER, READER, OTHER] {
        assert_eq!(cloud.get(token, "/v2.0/quotas").await.error(), denied);
    }
    assert_eq!(cloud.get(OTHER, &path(PROJECT)).await.error(), denied);
    assert_eq!(cloud.get(OTHER, &format!("{}/default", path(PROJECT))).await.error(), denied);
    let details = cloud.get(OTHER, &format!("{}/details", path(PROJECT))).await;
    assert_eq!(details.error(), (403, "AdminRequired"));
    // A manager sees the limits of its own project in a list, and no others.
    let other = json!({"quota": {"port": 9}});
    cloud.call(ADMIN, "PUT", &path(OTHER_PROJECT), Some(other)).await.expect(200);
    assert_eq!(all(&cloud.get("manager", "/v2.0/quotas").await.expect(200), "project_id"), [PROJECT]);
    assert_eq!(cloud.get("manager", &path(OTHER_PROJECT)).await.error(), denied);
}

#[tokio::test]
async fn what_is_no_limit_is_refused() {
    let cloud = Cloud::new().await;
    for (quota, kind) in [
        (json!({"port": -2}), "HTTPBadRequest"),
        (json!({"port": null}), "InvalidInput"),
        (json!({"port": "x"}), "InvalidInput"),
        (json!({"port": []}), "InvalidInput"),
        (json!({"port": 2_147_483_648_u64}), "HTTPBadRequest"),
        (json!({"port": 1e30}), "HTTPBadRequest"),
        (json!({"bogus": 1}), "HTTPBadRequest"),
        (json!({"port": 1, "network": -5}), "HTTPBadRequest"),
        (json!({"port": 1, "project_id": PROJECT}), "HTTPBadRequest"),
        (json!([1]), "HTTPBadRequest"),
        (json!(null), "HTTPBadRequest"),
    ] {
        assert_eq!(put(&cloud, ADMIN, quota.clone()).await.error(), (400, kind), "{quota}");
    }
    assert_eq!(cloud.get(ADMIN, "/v2.0/quotas").await.body, json!({"quotas": []}), "nothing was changed");
    assert_eq!(put(&cloud, ADMIN, json!({"port": 2_147_483_647})).await.status, 200);
    assert_eq!(put(&cloud, ADMIN, json!({})).await.status, 200);
    for (method, path, error) in [
        ("POST", "/v2.0/quotas".to_owned(), (501, "HTTPNotImplemented")),
        ("PUT", "/v2.0/quotas".to_owned(), (405, "HTTPMethodNotAllowed")),
        ("PATCH", path(PROJECT), (405, "HTTPMethodNotAllowed")),
        ("GET", format!("{}/bogus", path(PROJECT)), (404, "HTTPNotFound")),
        ("PUT", format!("{}/details", path(PROJECT)), (404, "HTTPNotFound")),
        ("PUT", path(&"x".repeat(256)), (400, "InvalidInput")),
    ] {
        let body = Some(json!({"quota": {}}));
        assert_eq!(cloud.call(ADMIN, method, &path, body).await.error(), error, "{method} {path}");
    }
}
