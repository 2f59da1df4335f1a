//! Faulty requests: status and type of the error are those that the real service gives (`spec/errors.json`, recorded).

use crate::support::*;
use axum::body::Body;
use axum::http::Request;
use hadron_api::ApiConfig;
use hadron_control::Config;
use serde_json::{Value, json};

const RECORDED: &str = include_str!("../../../../spec/errors.json");
const KEYS: &str = include_str!("../../../../spec/sample_keys.json");

/// What the recorded requests name.
async fn objects(cloud: &Cloud) -> Vec<(&'static str, String)> {
    let network = cloud.create(MEMBER, "networks", json!({})).await;
    let network2 = cloud.create(MEMBER, "networks", json!({})).await;
    let shared = cloud.create(ADMIN, "networks", json!({"shared": true})).await;
    let admin_network = cloud.create(ADMIN, "networks", json!({})).await;
    let subnet =
        |network: &Value, cidr: &str| json!({"network_id": id(network), "ip_version": 4, "cidr": cidr});
    let own = cloud.create(MEMBER, "subnets", subnet(&network, "192.168.50.0/24")).await;
    let admin_subnet = cloud.create(ADMIN, "subnets", subnet(&admin_network, "192.168.51.0/24")).await;
    let port = cloud.create(MEMBER, "ports", json!({"network_id": id(&network)})).await;
    let admin_port = cloud.create(ADMIN, "ports", json!({"network_id": id(&admin_network)})).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    vec![
        ("{network}", id(&network)),
        ("{network2}", id(&network2)),
        ("{shared_network}", id(&shared)),
        ("{admin_network}", id(&admin_network)),
        ("{subnet}", id(&own)),
        ("{admin_subnet}", id(&admin_subnet)),
        ("{port}", id(&port)),
        ("{admin_mac}", text(&admin_port["mac_address"])),
        ("{address}", text(&port["fixed_ips"][0]["ip_address"])),
        ("{project}", PROJECT.to_owned()),
        ("{admin_project}", ADMIN_PROJECT.to_owned()),
    ]
}

fn token(case: &Value) -> &'static str {
    match (case["as"].as_str(), case["note"].as_str()) {
        (_, Some("bad token")) => "wrong",
        (Some("member"), _) => MEMBER,
        (Some("member2"), _) => OTHER,
        (Some("reader"), _) => READER,
        (Some("admin"), _) => ADMIN,
        _ => "",
    }
}

async fn send(cloud: &Cloud, case: &Value) -> Answer {
    let (method, path) = case["request"].as_str().unwrap().split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path).header("X-Auth-Token", token(case));
    for (name, value) in case["request_headers"].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap());
    }
    let body = match &case["request_body"] {
        Value::Null => Body::empty(),
        Value::String(text) => Body::from(text.clone()),
        other => Body::from(other.to_string()),
    };
    cloud.send(request.body(body).unwrap()).await
}

#[tokio::test]
async fn recorded_faults_get_the_recorded_errors() {
    let cloud = Cloud::new().await;
    let mut recorded = RECORDED.to_owned();
    for (name, value) in objects(&cloud).await {
        recorded = recorded.replace(name, &value);
    }
    let mut config = Config::default();
    config.quotas.network = Some(0);
    let full = Cloud::with(ApiConfig { control: config, ..ApiConfig::default() }).await;
    for case in serde_json::from_str::<Vec<Value>>(&recorded).unwrap() {
        let is_quota = case["note"] == "over quota";
        let answer = send(if is_quota { &full } else { &cloud }, &case).await;
        let kind = case["type"].as_str().unwrap_or("none");
        let status = case["status"].as_u64().unwrap() as u16;
        assert_eq!(answer.error(), (status, kind), "{}: {}", case["note"], answer.text);
        let is_open = answer.status == 401;
        assert_eq!(answer.headers["content-type"], "application/json");
        assert!(answer.headers["x-openstack-request-id"].to_str().unwrap().starts_with("req-"));
        assert_eq!(answer.headers.contains_key("www-authenticate"), is_open);
        if !is_open {
            assert_eq!(answer.body["NeutronError"]["detail"], "");
            assert!(!answer.body["NeutronError"]["message"].as_str().unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn objects_have_the_recorded_attributes_of_what_is_announced() {
    let cloud = Cloud::new().await;
    let network = cloud.create(ADMIN, "networks", json!({})).await;
    let subnet = json!({"network_id": id(&network), "ip_version": 4, "cidr": "10.0.0.0/24"});
    let recorded: Value = serde_json::from_str(KEYS).unwrap();
    let facts: Value = serde_json::from_str(include_str!("../../../../spec/resources.json")).unwrap();
    let aliases = cloud.get(MEMBER, "/v2.0/extensions").await.expect(200);
    let mut announced = all(&aliases, "alias");
    announced.push("(core)");
    let group = cloud.create(ADMIN, "security-groups", json!({})).await;
    for (member, object) in [
        ("network", json!({})),
        ("subnet", subnet),
        ("port", json!({"network_id": id(&network)})),
        ("security_group", json!({})),
        ("security_group_rule", json!({"security_group_id": id(&group), "direction": "ingress"})),
        ("address_group", json!({})),
        ("log", json!({"resource_type": "security_group"})),
    ] {
        let collection = format!("{member}s");
        let made = cloud.create(ADMIN, &collection, object).await;
        let mut have: Vec<&str> = made.as_object().unwrap().keys().map(String::as_str).collect();
        have.retain(|key| !key.starts_with("hadron:"));
        have.sort_unstable();
        let sample = recorded[member].get("admin").unwrap_or(&recorded[member]["member"]);
        let attributes = &facts[&collection]["attributes"];
        let is_announced = |key: &&str| {
            let alias = &attributes[*key]["alias"];
            let aliases = alias.as_array().cloned().unwrap_or_else(|| vec![alias.clone()]);
            aliases.iter().any(|alias| announced.contains(&alias.as_str().unwrap_or_default()))
        };
        let want: Vec<&str> = sample["keys"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .filter(is_announced)
            .collect();
        assert_eq!(have, want, "{member}");
    }
}

#[tokio::test]
async fn what_discovery_says() {
    let cloud = Cloud::new().await;
    let root = cloud.raw("", "GET", "/", Body::empty()).await;
    assert_eq!((root.status, &root.body["versions"][0]["id"]), (200, &json!("v2.0")));
    assert_eq!(root.body["versions"][0]["links"][0]["href"], "http://localhost/v2.0/");
    assert_eq!(cloud.raw("", "POST", "/", Body::empty()).await.error(), (405, "HTTPMethodNotAllowed"));
    assert_eq!(cloud.raw("", "GET", "/v2.1", Body::empty()).await.status, 404);
    assert_eq!(cloud.raw("", "GET", "/v2.0/", Body::empty()).await.status, 401);
    assert_eq!(cloud.raw("", "GET", "/v2.0", Body::empty()).await.status, 401);
    assert_eq!(cloud.get(MEMBER, "/v2.0").await.error(), (404, "HTTPNotFound"));
    let resources = cloud.get(MEMBER, "/v2.0/").await.expect(200);
    let collections = all(&resources, "collection");
    assert!(collections.starts_with(&["networks", "subnets"]) && !collections.contains(&"quotas"));
    assert_eq!(resources[0]["links"][0]["href"], "http://127.0.0.1:9696/v2.0/networks");
    let health = cloud.raw("", "GET", "/healthcheck", Body::empty()).await;
    assert_eq!(health.body, json!({"detailed": false, "reasons": ["OK"]}));
    let one = cloud.get(MEMBER, "/v2.0/extensions/net-mtu").await.expect(200);
    assert_eq!(one["alias"], "net-mtu");
    assert_eq!(cloud.get(MEMBER, "/v2.0/extensions/nope").await.status, 404);
    assert_eq!(cloud.call(MEMBER, "POST", "/v2.0/extensions", None).await.status, 405);
    assert_eq!(cloud.get(MEMBER, "/v2.0/networks.json").await.status, 200);
}

#[tokio::test]
async fn methods_and_bodies_that_don_t_fit() {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let one = format!("/v2.0/networks/{network}");
    for (method, path, body, expected) in [
        ("PUT", "/v2.0/networks", Some(json!({})), (404, "NetworkNotFound")),
        ("DELETE", "/v2.0/networks", None, (404, "NetworkNotFound")),
        ("POST", "/v2.0/networks/nope", Some(json!({})), (405, "HTTPMethodNotAllowed")),
        ("PATCH", "/v2.0/networks", Some(json!({})), (405, "HTTPMethodNotAllowed")),
        ("DELETE", &one, Some(json!({"a": 1})), (400, "HTTPBadRequest")),
        ("PUT", &one, None, (400, "HTTPBadRequest")),
        ("PUT", &one, Some(json!({"networks": [{}]})), (400, "HTTPBadRequest")),
        ("PUT", &one, Some(json!({"network": []})), (400, "HTTPBadRequest")),
        ("PUT", &one, Some(json!({"network": {"admin_state_up": "maybe"}})), (400, "InvalidInput")),
        ("PUT", "/v2.0/networks/nope", Some(json!({"network": {}})), (404, "NetworkNotFound")),
        ("POST", "/v2.0/networks", Some(json!({"networks": 5})), (400, "HTTPBadRequest")),
        ("POST", "/v2.0/networks", Some(json!({"networks": ["network"]})), (400, "HTTPBadRequest")),
        ("POST", "/v2.0/networks", Some(json!({"network": null})), (400, "HTTPBadRequest")),
    ] {
        let answer = cloud.call(MEMBER, method, path, body.clone()).await;
        assert_eq!(answer.error(), expected, "{method} {path} {body:?}: {}", answer.text);
    }
    assert_eq!(cloud.raw(MEMBER, "HEAD", "/v2.0/networks", Body::empty()).await.status, 405);
    assert_eq!(cloud.update(MEMBER, "networks", &network, json!({})).await.status, 200);
    assert_eq!(cloud.get("unavailable", "/v2.0/networks").await.status, 503);
    let unscoped = cloud.try_create("unscoped", "networks", json!({})).await;
    assert_eq!(unscoped.error(), (400, "HTTPBadRequest"));
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let config = ApiConfig { max_body: 1000, max_url: 200, ..ApiConfig::default() };
    let cloud = Cloud::with(config).await;
    let long = "x".repeat(2000);
    let answer = cloud.raw(MEMBER, "POST", "/v2.0/networks", long.clone()).await;
    assert_eq!(answer.error(), (413, "HTTPRequestEntityTooLarge"));
    let parts = futures_util::stream::iter((0..10).map(|_| Ok::<_, std::io::Error>("x".repeat(200))));
    let answer = cloud.raw(MEMBER, "POST", "/v2.0/networks", Body::from_stream(parts)).await;
    assert_eq!(answer.error(), (413, "HTTPRequestEntityTooLarge"));
    let answer = cloud.get(MEMBER, &format!("/v2.0/networks?name={long}")).await;
    assert_eq!(answer.error(), (414, "HTTPRequestURITooLong"));
    let deep = format!("{}{}", "[".repeat(400), "]".repeat(400));
    let answer = cloud.raw(MEMBER, "POST", "/v2.0/networks", format!("{{\"network\":{deep}}}")).await;
    assert_eq!(answer.error(), (400, "HTTPBadRequest"));
}
