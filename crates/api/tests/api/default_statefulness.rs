//! Whether security groups that don't say so begin stateful.

use crate::support::*;
use serde_json::{Value, json};

const PATH: &str = "/v2.0/security-groups-default-statefulness";

async fn create(cloud: &Cloud, token: &str, setting: Value) -> Answer {
    let body = json!({"security_group_default_statefulness": setting});
    cloud.call(token, "POST", PATH, Some(body)).await
}

async fn change(cloud: &Cloud, token: &str, id: &str, setting: Value) -> Answer {
    let body = json!({"security_group_default_statefulness": setting});
    cloud.call(token, "PUT", &format!("{PATH}/{id}"), Some(body)).await
}

/// Whether a new group is stateful.
async fn begins(cloud: &Cloud, token: &str, group: Value) -> bool {
    cloud.create(token, "security-groups", group).await["stateful"].as_bool().unwrap()
}

#[tokio::test]
async fn groups_begin_as_their_project_s_setting_says_or_else_everybody_s() {
    let cloud = Cloud::new().await;
    assert!(begins(&cloud, MEMBER, json!({})).await);
    let all = create(&cloud, ADMIN, json!({"project_id": null, "stateful": false})).await.expect(201);
    assert_eq!((&all["project_id"], &all["stateful"]), (&Value::Null, &json!(false)));
    assert!(!begins(&cloud, MEMBER, json!({})).await);
    assert!(begins(&cloud, MEMBER, json!({"stateful": true})).await, "what is said counts");
    let own = create(&cloud, "manager", json!({})).await.expect(201);
    assert_eq!((&own["project_id"], &own["stateful"]), (&json!(PROJECT), &json!(true)));
    assert!(begins(&cloud, MEMBER, json!({})).await);
    assert!(!begins(&cloud, OTHER, json!({})).await);
    change(&cloud, "manager", &id(&own), json!({"stateful": "no"})).await.expect(200);
    assert!(!begins(&cloud, MEMBER, json!({})).await);
    let many = json!({"security_groups": [{}, {"stateful": true}]});
    let many = cloud.call(MEMBER, "POST", "/v2.0/security-groups", Some(many)).await.expect(201);
    assert_eq!((&many[0]["stateful"], &many[1]["stateful"]), (&json!(false), &json!(true)));
    for (token, setting) in [("manager", &own), (ADMIN, &all)] {
        let path = format!("{PATH}/{}", id(setting));
        assert_eq!(cloud.call(token, "DELETE", &path, None).await.status, 204);
    }
    assert!(begins(&cloud, MEMBER, json!({})).await);
    // A default group is stateful always.
    let groups = cloud.get("fresh", "/v2.0/security-groups").await.expect(200);
    assert_eq!(groups[0]["stateful"], true);
}

#[tokio::test]
async fn settings_are_refused_as_neutron_refuses_them() {
    let cloud = Cloud::new().await;
    create(&cloud, ADMIN, json!({"project_id": PROJECT})).await.expect(201);
    create(&cloud, ADMIN, json!({"project_id": null})).await.expect(201);
    let exists = (409, "SecurityGroupDefaultStatefulnessAlreadyExists");
    let (bad, invalid) = ((400, "HTTPBadRequest"), (400, "InvalidInput"));
    for (token, setting, expected) in [
        (ADMIN, json!({"project_id": PROJECT, "stateful": false}), exists),
        ("manager", json!({}), exists),
        (ADMIN, json!({"project_id": null}), exists),
        ("manager", json!({"project_id": null}), bad),
        ("manager", json!({"project_id": OTHER_PROJECT}), bad),
        (MEMBER, json!({}), (403, "PolicyNotAuthorized")),
        (ADMIN, json!({"stateful": "x"}), invalid),
        (ADMIN, json!({"stateful": null}), invalid),
        (ADMIN, json!({"project_id": 7}), bad),
        (ADMIN, json!({"project_id": "x".repeat(256)}), bad),
        (ADMIN, json!({"name": "x"}), bad),
        (ADMIN, json!({"revision_number": 1}), bad),
        (ADMIN, json!([{"project_id": OTHER_PROJECT}]), bad),
    ] {
        let answer = create(&cloud, token, setting.clone()).await;
        assert_eq!(answer.error(), expected, "{token} {setting}: {}", answer.text);
    }
    assert_eq!(cloud.call(ADMIN, "POST", PATH, Some(json!({}))).await.error(), bad);
    let gone = (404, "SecurityGroupDefaultStatefulnessNotFound");
    for id in [NOBODY, "abc"] {
        let path = format!("{PATH}/{id}");
        assert_eq!(cloud.get(ADMIN, &path).await.error(), gone);
        assert_eq!(change(&cloud, ADMIN, id, json!({"stateful": true})).await.error(), gone);
        assert_eq!(cloud.call(ADMIN, "DELETE", &path, None).await.error(), gone);
    }
    let settings = cloud.get(ADMIN, PATH).await.expect(200);
    let one = id(&settings[0]);
    assert_eq!(change(&cloud, ADMIN, &one, json!({"project_id": OTHER_PROJECT})).await.error(), bad);
    assert_eq!(change(&cloud, ADMIN, &one, json!({"stateful": "x"})).await.error(), invalid);
    assert_eq!(cloud.get(ADMIN, &format!("{PATH}?bogus=1")).await.error(), bad);
    let own = cloud.get(ADMIN, &format!("{PATH}?project_id={PROJECT}&fields=stateful")).await.expect(200);
    assert_eq!(own, json!([{"stateful": true}]));
}

#[tokio::test]
async fn another_project_neither_sees_nor_touches() {
    let cloud = Cloud::new().await;
    let own = id(&create(&cloud, "manager", json!({})).await.expect(201));
    let all = id(&create(&cloud, ADMIN, json!({"project_id": null})).await.expect(201));
    for (token, setting) in [(OTHER, &own), (OTHER, &all), ("unscoped", &own), ("manager", &all)] {
        let path = format!("{PATH}/{setting}");
        assert_eq!(cloud.get(token, &path).await.status, 404);
        assert_eq!(change(&cloud, token, setting, json!({"stateful": false})).await.status, 404);
        assert_eq!(cloud.call(token, "DELETE", &path, None).await.status, 404);
        let seen = cloud.get(token, PATH).await.expect(200);
        assert!(!crate::support::all(&seen, "id").contains(&setting.as_str()));
    }
    assert_eq!(id(&cloud.get(READER, &format!("{PATH}/{own}")).await.expect(200)), own);
    let denied = (403, "PolicyNotAuthorized");
    assert_eq!(change(&cloud, MEMBER, &own, json!({"stateful": false})).await.error(), denied);
    assert_eq!(cloud.call(READER, "DELETE", &format!("{PATH}/{own}"), None).await.error(), denied);
}
