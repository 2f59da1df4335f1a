//! Tags of objects of every kind that has them.

use crate::support::*;
use serde_json::{Value, json};

const TAGGED: [&str; 4] = ["networks", "subnets", "ports", "security-groups"];

/// An object of each kind, by the address behind `/v2.0/`.
async fn objects(cloud: &Cloud) -> Vec<String> {
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let subnet = json!({"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = id(&cloud.create(MEMBER, "subnets", subnet).await);
    let port = id(&cloud.create(MEMBER, "ports", json!({"network_id": network})).await);
    let group = id(&cloud.create(MEMBER, "security-groups", json!({"name": "g"})).await);
    let ids = [network, subnet, port, group];
    TAGGED.iter().zip(ids).map(|(collection, id)| format!("/v2.0/{collection}/{id}")).collect()
}

async fn shown(cloud: &Cloud, object: &str) -> (Value, u64) {
    let object = cloud.get(MEMBER, object).await.expect(200);
    (object["tags"].clone(), object["revision_number"].as_u64().unwrap())
}

#[tokio::test]
async fn tags_come_and_go_on_objects_of_every_kind() {
    let cloud = Cloud::new().await;
    for object in objects(&cloud).await {
        let tags = format!("{object}/tags");
        let (none, born) = shown(&cloud, &object).await;
        assert_eq!(none, json!([]), "{object}");
        let put = cloud.call(MEMBER, "PUT", &tags, Some(json!({"tags": ["red", "blue"]}))).await;
        assert_eq!((put.status, put.body), (200, json!({"tags": ["red", "blue"]})));
        assert_eq!(shown(&cloud, &object).await, (json!(["blue", "red"]), born + 1));
        let one = format!("{tags}/green");
        let put = cloud.call(MEMBER, "PUT", &one, None).await;
        assert_eq!((put.status, put.text.as_str()), (201, "null"));
        assert_eq!(cloud.call(MEMBER, "PUT", &one, None).await.status, 201, "it is there already");
        assert_eq!(cloud.get(MEMBER, &one).await.status, 204);
        assert_eq!(shown(&cloud, &object).await, (json!(["blue", "green", "red"]), born + 2));
        assert_eq!(cloud.call(MEMBER, "DELETE", &one, None).await.status, 204);
        for method in ["GET", "DELETE"] {
            assert_eq!(cloud.call(MEMBER, method, &one, None).await.error(), (404, "TagNotFound"));
        }
        let more = cloud.call(MEMBER, "POST", &tags, Some(json!({"tags": ["red", "a/b", "é"]}))).await;
        assert_eq!((more.status, more.body), (200, json!({"tags": ["red", "a/b", "é"]})));
        let list = cloud.get(MEMBER, &tags).await;
        assert_eq!((list.status, list.body), (200, json!({"tags": ["a/b", "blue", "red", "é"]})));
        assert_eq!(cloud.get(MEMBER, &format!("{tags}/a%2Fb")).await.status, 204);
        assert_eq!(cloud.call(MEMBER, "DELETE", &tags, None).await.status, 204);
        assert_eq!(shown(&cloud, &object).await, (json!([]), born + 5));
        assert_eq!(cloud.call(MEMBER, "DELETE", &tags, None).await.status, 204);
        assert_eq!(shown(&cloud, &object).await, (json!([]), born + 5), "nothing has changed");
    }
}

#[tokio::test]
async fn what_is_no_tag_is_refused() {
    let cloud = Cloud::new().await;
    let object = objects(&cloud).await.swap_remove(0);
    let tags = format!("{object}/tags");
    let many: Vec<String> = (0..51).map(|number| format!("t{number}")).collect();
    let bodies = [
        (json!({"tags": ["a", "a"]}), "InvalidInput"),
        (json!({"tags": null}), "InvalidInput"),
        (json!({"tags": "a"}), "InvalidInput"),
        (json!({"tags": {}}), "InvalidInput"),
        (json!({"tags": [1]}), "InvalidInput"),
        (json!({"tags": [null]}), "InvalidInput"),
        (json!({"tags": ["x".repeat(256)]}), "InvalidInput"),
        (json!({}), "InvalidInput"),
        (json!([]), "InvalidInput"),
        (json!({"tags": many}), "BadRequest"),
    ];
    for (body, kind) in bodies {
        for method in ["PUT", "POST"] {
            let answer = cloud.call(MEMBER, method, &tags, Some(body.clone())).await;
            assert_eq!(answer.error(), (400, kind), "{method} {body}");
        }
    }
    let broken = cloud.raw(MEMBER, "PUT", &tags, "{bad").await;
    assert_eq!(broken.error(), (400, "MalformedRequestBody"));
    let long = format!("{tags}/{}", "x".repeat(256));
    assert_eq!(cloud.call(MEMBER, "PUT", &long, None).await.error(), (400, "InvalidInput"));
    let full = json!({"tags": many[..50]});
    assert_eq!(cloud.call(MEMBER, "PUT", &tags, Some(full)).await.status, 200);
    let one_more = format!("{tags}/more");
    assert_eq!(cloud.call(MEMBER, "PUT", &one_more, None).await.error(), (400, "BadRequest"));
    assert_eq!(cloud.call(MEMBER, "PUT", &format!("{tags}/t7"), None).await.status, 201);
    for (method, path) in [("PATCH", &tags), ("POST", &format!("{tags}/t7"))] {
        assert_eq!(cloud.call(MEMBER, method, path, None).await.error(), (405, "HTTPMethodNotAllowed"));
    }
    assert_eq!(cloud.call(MEMBER, "PUT", &format!("{tags}/a/b"), None).await.error(), (404, "HTTPNotFound"));
    let stale = [("If-Match", "revision_number=1")];
    let demanding = cloud.call_with(MEMBER, "DELETE", &tags, None, &stale).await;
    assert_eq!(demanding.error(), (412, "RevisionNumberConstraintFailed"));
}

#[tokio::test]
async fn another_project_s_tags_are_neither_seen_nor_touched() {
    let cloud = Cloud::new().await;
    for object in objects(&cloud).await {
        let tags = format!("{object}/tags");
        assert_eq!(cloud.call(MEMBER, "PUT", &tags, Some(json!({"tags": ["red"]}))).await.status, 200);
        let body = || Some(json!({"tags": ["x"]}));
        let one = format!("{tags}/red");
        let requests = [
            ("GET", &tags, None),
            ("PUT", &tags, body()),
            ("POST", &tags, body()),
            ("DELETE", &tags, None),
            ("GET", &one, None),
            ("PUT", &one, None),
            ("DELETE", &one, None),
        ];
        for (method, path, body) in &requests {
            for token in [OTHER, "unscoped"] {
                let answer = cloud.call(token, method, path, body.clone()).await;
                assert_eq!(answer.error(), (404, "TagResourceNotFound"), "{method} {path}");
            }
            let answer = cloud.call(READER, method, path, body.clone()).await;
            match *method {
                "GET" => assert!(answer.status < 300),
                _ => assert_eq!(answer.error(), (403, "PolicyNotAuthorized"), "{method} {path}"),
            }
        }
        assert_eq!(shown(&cloud, &object).await.0, json!(["red"]));
        assert_eq!(cloud.call(ADMIN, "DELETE", &one, None).await.status, 204);
    }
    let gone = format!("/v2.0/networks/{NOBODY}/tags");
    assert_eq!(cloud.get(MEMBER, &gone).await.error(), (404, "TagResourceNotFound"));
    assert_eq!(cloud.get(MEMBER, "/v2.0/networks/abc/tags").await.error(), (404, "TagResourceNotFound"));
    let shared = id(&cloud.create(ADMIN, "networks", json!({"shared": true})).await);
    let tags = format!("/v2.0/networks/{shared}/tags");
    assert_eq!(cloud.get(MEMBER, &tags).await.body, json!({"tags": []}));
    let denied = cloud.call(MEMBER, "PUT", &format!("{tags}/x"), None).await;
    assert_eq!(denied.error(), (403, "PolicyNotAuthorized"));
}

#[tokio::test]
async fn ports_are_created_with_tags_and_other_objects_are_not() {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let port = json!({"network_id": network, "tags": ["z", "a"]});
    let port = cloud.create(MEMBER, "ports", port).await;
    assert_eq!((&port["tags"], &port["revision_number"]), (&json!(["a", "z"]), &json!(2)));
    let bulk = json!({"ports": [{"network_id": network, "tags": ["p"]}, {"network_id": network}]});
    let made = cloud.call(MEMBER, "POST", "/v2.0/ports", Some(bulk)).await.expect(201);
    assert_eq!((&made[0]["tags"], &made[1]["tags"]), (&json!(["p"]), &json!([])));
    let many: Vec<String> = (0..51).map(|number| format!("t{number}")).collect();
    for (tags, kind) in [
        (json!(null), "HTTPBadRequest"),
        (json!(["a", "a"]), "HTTPBadRequest"),
        (json!(["x".repeat(256)]), "HTTPBadRequest"),
        (json!(many), "BadRequest"),
    ] {
        let port = json!({"network_id": network, "tags": tags});
        assert_eq!(cloud.try_create(MEMBER, "ports", port).await.error(), (400, kind), "{tags}");
    }
    let update = cloud.update(MEMBER, "ports", &id(&port), json!({"tags": []})).await;
    assert_eq!(update.error(), (400, "HTTPBadRequest"));
    let tagged = cloud.try_create(MEMBER, "networks", json!({"tags": ["a"]})).await;
    assert_eq!(tagged.error(), (400, "HTTPBadRequest"));
}

#[tokio::test]
async fn lists_are_filtered_by_tags() {
    let cloud = Cloud::new().await;
    for (name, tags) in [
        ("none", json!([])),
        ("red", json!(["red"])),
        ("rb", json!(["red", "blue"])),
        ("rbg", json!(["red", "blue", "green"])),
    ] {
        let network = id(&cloud.create(MEMBER, "networks", json!({"name": name})).await);
        let path = format!("/v2.0/networks/{network}/tags");
        cloud.call(MEMBER, "PUT", &path, Some(json!({"tags": tags}))).await.expect(200);
    }
    let expected: [(&str, &[&str]); 17] = [
        ("tags=red", &["rb", "rbg", "red"]),
        ("tags=red,blue", &["rb", "rbg"]),
        ("tags=red&tags=blue", &["rb", "rbg"]),
        ("tags=red,blue&tags=green", &["rbg"]),
        ("tags=RED", &[]),
        ("tags=", &[]),
        ("tags=red,", &[]),
        ("tags-any=red,green", &["rb", "rbg", "red"]),
        ("tags-any=blue&tags-any=green", &["rb", "rbg"]),
        ("tags-any=", &[]),
        ("not-tags=red,blue", &["none", "red"]),
        ("not-tags=red&not-tags=green", &["none", "rb", "red"]),
        ("not-tags=", &["none", "rb", "rbg", "red"]),
        ("not-tags-any=blue,green", &["none", "red"]),
        ("not-tags-any=red&not-tags=blue", &["none"]),
        ("tags=red&not-tags=green", &["rb", "red"]),
        ("tags=red&tags-any=green,blue", &["rb", "rbg"]),
    ];
    for (filter, names) in expected {
        let path = format!("/v2.0/networks?fields=name&sort_key=name&sort_dir=asc&{filter}");
        assert_eq!(all(&cloud.get(MEMBER, &path).await.expect(200), "name"), names, "{filter}");
    }
    let fields = cloud.get(MEMBER, "/v2.0/networks?name=red&fields=tags&fields=tags-any").await.expect(200);
    assert_eq!(fields, json!([{"tags": ["red"]}]));
    for bad in ["networks?tag=red", "networks?sort_key=tags&sort_dir=asc", "security-group-rules?tags=x"] {
        let answer = cloud.get(MEMBER, &format!("/v2.0/{bad}")).await;
        assert_eq!(answer.error(), (400, "HTTPBadRequest"), "{bad}");
    }
}
