//! Whatever comes, the answer is an error in Keystone's shape and never a failure of the server.

use crate::cloud::{Cloud, Reply, password_login, request};
use axum::body::Body;
use axum::http::{Method, Request};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

fn raw(path: &str, token: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(Method::POST).uri(path).header("X-Auth-Token", token);
    request.header("Content-Type", content_type).body(body.into()).unwrap()
}

fn assert_shape(reply: &Reply, what: &str) {
    let code = reply.status.as_u16();
    assert!(code < 500, "{what}: {code} {}", reply.body);
    if code >= 400 {
        let error = &reply.body["error"];
        assert_eq!(error["code"], code, "{what}: {}", reply.body);
        assert!(error["message"].is_string() && error["title"].is_string(), "{what}: {}", reply.body);
    }
}

#[tokio::test]
async fn bodies_that_are_none() {
    let cloud = Cloud::start().await;
    for body in ["", "{", "[]", "null", "1", "{}", "\"auth\"", "{\"auth\": null}", "\u{0}", "{\"auth\":[]}"] {
        for path in ["/v3/auth/tokens", "/v3/projects", "/v3/users", "/v3/roles"] {
            let reply = cloud.send(raw(path, &cloud.admin, "application/json", body)).await;
            assert_shape(&reply, body);
            assert_eq!(reply.status, 400, "{path} {body}");
        }
    }
    let invalid = raw("/v3/projects", &cloud.admin, "application/json", vec![0xff, 0xfe]);
    cloud.send(invalid).await.expect(400);
    let deep = "[".repeat(50_000);
    cloud.send(raw("/v3/projects", &cloud.admin, "application/json", deep)).await.expect(400);
    let text = raw("/v3/projects", &cloud.admin, "text/plain", r#"{"project":{"name":"x"}}"#);
    cloud.send(text).await.expect(400);
    let charset = "application/json; charset=utf-8";
    let with_charset = raw("/v3/projects", &cloud.admin, charset, r#"{"project":{"name":"x"}}"#);
    cloud.send(with_charset).await.expect(201);
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let cloud = Cloud::start().await;
    let large = " ".repeat(200_000);
    let reply = cloud.send(raw("/v3/auth/tokens", "", "application/json", large.clone())).await;
    assert_eq!(reply.expect(413)["error"]["code"], 413);
    let chunks = Body::from_stream(futures_stream(large));
    cloud.send(raw("/v3/auth/tokens", "", "application/json", chunks)).await.expect(413);
}

/// A body whose length is not announced.
fn futures_stream(
    text: String,
) -> impl futures_util::Stream<Item = Result<String, std::io::Error>> + Send + 'static {
    futures_util::stream::once(async move { Ok(text) })
}

#[tokio::test]
async fn fields_of_the_wrong_kind() {
    let cloud = Cloud::start().await;
    let long = "x".repeat(300);
    for project in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "  "}),
        json!({"name": 5}),
        json!({"name": null}),
        json!({"name": long}),
        json!({"name": "a\nb"}),
        json!({"name": "p", "enabled": "yes"}),
        json!({"name": "p", "tags": ["x"]}),
        json!({"name": "p", "options": {"immutable": true}}),
        json!({"name": "p", "is_domain": true}),
        json!({"name": "p", "parent_id": "other"}),
        json!({"name": "p", "unknown": 1}),
    ] {
        let reply = cloud.post("/v3/projects", &cloud.admin, json!({"project": project})).await;
        assert_eq!(reply.status, 400, "{project}: {}", reply.body);
    }
    for user in [
        json!({"name": "u", "password": 5}),
        json!({"name": "u", "password": ""}),
        json!({"name": "u", "password": "x".repeat(5000)}),
        json!({"name": "u", "options": {"lock_password": true}}),
        json!({"name": "u", "email": 5}),
    ] {
        let reply = cloud.post("/v3/users", &cloud.admin, json!({"user": user})).await;
        assert_eq!(reply.status, 400, "{user}: {}", reply.body);
    }
    let moved = json!({"project": {"name": "p", "domain_id": "other"}});
    cloud.post("/v3/projects", &cloud.admin, moved).await.expect(400);
    let moved = json!({"user": {"name": "u", "domain_id": "other"}});
    cloud.post("/v3/users", &cloud.admin, moved).await.expect(404);
    let method = |body: Value| json!({"auth": {"identity": body}});
    cloud.post("/v3/auth/tokens", "", method(json!({"methods": ["totp"]}))).await.expect(400);
    cloud.post("/v3/auth/tokens", "", method(json!({"methods": ["totp"], "totp": {}}))).await.expect(401);
    cloud.post("/v3/auth/tokens", "", method(json!({"methods": []}))).await.expect(401);
    for scope in [
        json!({}),
        json!("nowhere"),
        json!({"project": {}}),
        json!({"project": {"name": "admin"}}),
        json!({"project": {"id": 5}}),
        json!({"system": {"all": false}}),
        json!({"system": {"all": true}, "domain": {"id": "default"}}),
        json!({"domain": {}}),
    ] {
        let reply = cloud.login("admin", &cloud.password, Some(scope.clone())).await;
        assert_eq!(reply.status, 400, "{scope}: {}", reply.body);
    }
}

#[tokio::test]
async fn paths_and_headers_of_any_kind() {
    let cloud = Cloud::start().await;
    for path in [
        "/v3/projects/%ff%fe",
        "/v3/projects/%00",
        "/v3/users/%2e%2e%2f",
        "/v3//projects",
        "/v3/projects//",
        "/v3/projects?name=%ff&limit=99999999999999999999999",
        "/v3/role_assignments?scope.project.id=%00",
        "//",
    ] {
        let reply = cloud.get(path, &cloud.admin).await;
        assert_shape(&reply, path);
    }
    let mut binary = request(Method::GET, "/v3/projects", "", None);
    binary.headers_mut().insert("x-auth-token", axum::http::HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    cloud.send(binary).await.expect(401);
}

/// A valid request body of some path, which the property test then damages.
fn valid() -> Vec<(&'static str, Value)> {
    vec![
        ("/v3/auth/tokens", password_login("nobody", "x", Some(json!({"system": {"all": true}})))),
        ("/v3/auth/tokens", json!({"auth": {"identity": {"methods": ["token"], "token": {"id": "x"}}}})),
        ("/v3/projects", json!({"project": {"name": "p", "enabled": true, "description": "d"}})),
        ("/v3/users", json!({"user": {"name": "u", "email": "e", "default_project_id": "x"}})),
        ("/v3/roles", json!({"role": {"name": "r", "description": "d"}})),
        ("/v3/users/x/password", json!({"user": {"password": "a", "original_password": "b"}})),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "(auth|identity|methods|password|user|domain|id|name|scope|project|token)".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = "(auth|identity|methods|password|user|domain|id|name|scope|project|role|token|\\PC{0,4})";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Replaces the part of `value` that `at` picks.
fn damage(value: &mut Value, at: usize, with: Value) {
    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Object(map) => map.values().map(count).sum(),
            Value::Array(list) => list.iter().map(count).sum(),
            _ => 0,
        }
    }
    fn replace(value: &mut Value, at: &mut usize, with: &Value) {
        if *at == 0 {
            *value = with.clone();
            *at = usize::MAX;
            return;
        }
        *at -= 1;
        match value {
            Value::Object(map) => map.values_mut().for_each(|value| step(value, at, with)),
            Value::Array(list) => list.iter_mut().for_each(|value| step(value, at, with)),
            _ => {}
        }
    }
    fn step(value: &mut Value, at: &mut usize, with: &Value) {
        if *at != usize::MAX {
            replace(value, at, with);
        }
    }
    let mut at = at % count(value);
    replace(value, &mut at, &with);
}

#[test]
fn no_body_makes_it_fail() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cloud = runtime.block_on(Cloud::start());
    let cases = (0..valid().len(), any::<usize>(), any_json(), any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let result = runner.run(&cases, |(which, at, with, whole)| {
        let (path, mut body) = valid().swap_remove(which);
        if whole {
            body = with
        } else {
            damage(&mut body, at, with)
        }
        let reply = runtime.block_on(cloud.post(path, &cloud.admin, body.clone()));
        assert_shape(&reply, &format!("{path} {body}"));
        cloud.wait(30);
        Ok(())
    });
    result.unwrap();
}
