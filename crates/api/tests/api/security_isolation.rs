//! What a project's security groups, rules and address groups are to others.

use crate::support::*;
use serde_json::{Value, json};

struct World {
    cloud: Cloud,
    group: String,
    rule: String,
    addresses: String,
}

async fn world() -> World {
    let cloud = Cloud::new().await;
    let group = id(&cloud.create(MEMBER, "security-groups", json!({"name": "mine"})).await);
    let rule = json!({"security_group_id": group, "direction": "ingress", "protocol": "tcp"});
    let rule = id(&cloud.create(MEMBER, "security-group-rules", rule).await);
    let addresses = json!({"addresses": ["10.0.0.0/24"]});
    let addresses = id(&cloud.create(MEMBER, "address-groups", addresses).await);
    World { cloud, group, rule, addresses }
}

const COLLECTIONS: [(&str, &str); 3] = [
    ("security-groups", "SecurityGroupNotFound"),
    ("security-group-rules", "SecurityGroupRuleNotFound"),
    ("address-groups", "AddressGroupNotFound"),
];

#[tokio::test]
async fn another_project_neither_sees_nor_touches() {
    let World { cloud, group, rule, addresses } = world().await;
    for ((collection, kind), object) in COLLECTIONS.into_iter().zip([&group, &rule, &addresses]) {
        let path = format!("/v2.0/{collection}/{object}");
        for token in [OTHER, "unscoped"] {
            assert_eq!(cloud.get(token, &path).await.error(), (404, kind));
            let change = json!({"description": "x"});
            assert_eq!(cloud.update(token, collection, object, change).await.error(), (404, kind));
            assert_eq!(cloud.delete(token, collection, object).await.error(), (404, kind));
            for query in ["", "?project_id=11111111111111111111111111111111", "?fields=id&limit=1000"] {
                let seen = cloud.get(token, &format!("/v2.0/{collection}{query}")).await.expect(200);
                assert!(!all(&seen, "id").contains(&object.as_str()), "{collection}{query}");
            }
            let marker = format!("/v2.0/{collection}?limit=1&marker={object}");
            assert_eq!(cloud.get(token, &marker).await.error(), (404, kind));
        }
    }
    for action in ["add_addresses", "remove_addresses"] {
        let path = format!("/v2.0/address-groups/{addresses}/{action}");
        let body = json!({"addresses": ["10.0.0.0/24"]});
        assert_eq!(
            cloud.call(OTHER, "PUT", &path, Some(body.clone())).await.error(),
            (404, "AddressGroupNotFound")
        );
        assert_eq!(cloud.call(READER, "PUT", &path, Some(body)).await.error(), (403, "PolicyNotAuthorized"));
    }
    let by_group = format!("/v2.0/security-group-rules?security_group_id={group}");
    assert_eq!(cloud.get(OTHER, &by_group).await.expect(200), json!([]));
}

#[tokio::test]
async fn another_project_s_groups_can_t_be_named() {
    let World { cloud, group, addresses, .. } = world().await;
    let mine = id(&cloud.create(OTHER, "security-groups", json!({})).await);
    let into = json!({"security_group_id": group, "direction": "ingress"});
    let denied = (403, "PolicyNotAuthorized");
    assert_eq!(cloud.try_create(OTHER, "security-group-rules", into).await.error(), denied);
    for (remote, other, kind) in [
        ("remote_group_id", &group, "SecurityGroupNotFound"),
        ("remote_address_group_id", &addresses, "AddressGroupNotFound"),
    ] {
        let rule = json!({"security_group_id": mine, "direction": "ingress", remote: other});
        assert_eq!(cloud.try_create(OTHER, "security-group-rules", rule).await.error(), (404, kind));
    }
    let network = id(&cloud.create(OTHER, "networks", json!({})).await);
    let port = json!({"network_id": network, "security_groups": [group]});
    assert_eq!(cloud.try_create(OTHER, "ports", port).await.error(), (404, "SecurityGroupNotFound"));
    let port = id(&cloud.create(OTHER, "ports", json!({"network_id": network})).await);
    let change = json!({"security_groups": [mine, group]});
    assert_eq!(cloud.update(OTHER, "ports", &port, change).await.error(), (404, "SecurityGroupNotFound"));
    // What an administrator has given stays nameable.
    let given = json!({"security_groups": [group]});
    assert_eq!(cloud.update(ADMIN, "ports", &port, given).await.status, 200);
    let both = json!({"security_groups": [mine, group]});
    let both = cloud.update(OTHER, "ports", &port, both).await.expect(200);
    assert_eq!(both["security_groups"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_reader_reads() {
    let World { cloud, group, rule, addresses } = world().await;
    let denied = (403, "PolicyNotAuthorized");
    let news =
        [json!({}), json!({"security_group_id": group, "direction": "egress", "protocol": "udp"}), json!({})];
    for (((collection, _), object), new) in COLLECTIONS.into_iter().zip([&group, &rule, &addresses]).zip(news)
    {
        assert_eq!(cloud.get(READER, &format!("/v2.0/{collection}/{object}")).await.status, 200);
        assert_eq!(cloud.try_create(READER, collection, new).await.error(), denied);
        let change = json!({"description": "x"});
        let refused = cloud.update(READER, collection, object, change).await;
        // Rules never change, whoever asks.
        let is_rule = collection == "security-group-rules";
        assert_eq!(refused.error(), if is_rule { (405, "HTTPMethodNotAllowed") } else { denied });
        assert_eq!(cloud.delete(READER, collection, object).await.error(), denied);
    }
}

#[tokio::test]
async fn rules_tell_whether_they_are_of_the_default_group() {
    let World { cloud, rule, .. } = world().await;
    let rules = cloud.get(MEMBER, "/v2.0/security-group-rules?belongs_to_default_sg=true").await.expect(200);
    assert_eq!(rules.as_array().unwrap().len(), 4);
    assert!(rules.as_array().unwrap().iter().all(|rule| rule["belongs_to_default_sg"] == true));
    let rule = cloud.get(MEMBER, &format!("/v2.0/security-group-rules/{rule}")).await.expect(200);
    assert_eq!(rule["belongs_to_default_sg"], false);
}

#[tokio::test]
async fn a_list_makes_the_default_group_of_whoever_may_have_one() {
    let cloud = Cloud::new().await;
    let names = |list: Value| all(&list, "name").join(",");
    assert_eq!(names(cloud.get("fresh", "/v2.0/security-groups").await.expect(200)), "default");
    assert_eq!(names(cloud.get("unscoped", "/v2.0/security-groups").await.expect(200)), "");
    // Another's is not made for whoever asks for it, an administrator's question makes it.
    let others = format!("/v2.0/security-groups?project_id={OTHER_PROJECT}");
    assert_eq!(names(cloud.get(MEMBER, &others).await.expect(200)), "");
    assert!(cloud.store.snapshot().default_group_of_project(OTHER_PROJECT).is_none());
    assert_eq!(names(cloud.get(ADMIN, &others).await.expect(200)), "default");
}
