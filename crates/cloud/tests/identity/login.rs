//! Who gets a token, and what it says.

use crate::cloud::{Cloud, in_project, role_names, token_login};
use serde_json::{Value, json};

#[tokio::test]
async fn discovery_needs_no_token() {
    let cloud = Cloud::start().await;
    let root = cloud.get("/", "").await;
    assert_eq!(root.headers["location"], "http://cloud.test:5000/v3/");
    let version = &root.expect(300)["versions"]["values"][0];
    assert_eq!(version["id"], "v3.14");
    for path in ["/v3", "/v3/"] {
        let reply = cloud.get(path, "").await.expect(200);
        assert_eq!(reply["version"]["links"][0]["href"], "http://cloud.test:5000/v3/");
    }
    let unknown = cloud.get("/v3/nothing", "").await;
    assert!(unknown.headers["x-openstack-request-id"].to_str().unwrap().starts_with("req-"));
    assert_eq!(unknown.expect(404)["error"]["title"], "Not Found");
    assert_eq!(cloud.put("/v3/projects", &cloud.admin).await.expect(405)["error"]["code"], 405);
}

#[tokio::test]
async fn a_project_token_says_what_keystones_says() {
    let cloud = Cloud::start().await;
    let reply = cloud.login("admin", &cloud.password, Some(in_project("admin"))).await.expect(201);
    let token = &reply["token"];
    assert_eq!(token["methods"], json!(["password"]));
    assert_eq!(token["user"]["domain"], json!({"id": "default", "name": "Default"}));
    assert_eq!(token["user"]["password_expires_at"], Value::Null);
    assert_eq!(token["project"]["name"], "admin");
    assert_eq!(token["is_domain"], false);
    assert_eq!(token["audit_ids"].as_array().unwrap().len(), 1);
    assert_eq!(token["audit_ids"][0].as_str().unwrap().len(), 22);
    assert_eq!(role_names(&reply), ["admin", "manager", "member", "reader"]);
    let network = token["catalog"].as_array().unwrap().iter().find(|it| it["type"] == "network").unwrap();
    assert_eq!(network["name"], "neutron");
    let interfaces: Vec<_> = network["endpoints"].as_array().unwrap().iter().collect();
    assert_eq!(interfaces.len(), 3);
    assert_eq!(interfaces[0]["url"], "http://cloud.test:9696");
    assert_eq!(interfaces[0]["region_id"], "RegionOne");
}

#[tokio::test]
async fn every_failed_login_looks_alike() {
    let cloud = Cloud::start().await;
    let nobody = cloud.user("nobody").await;
    let disabled = cloud.user("disabled").await;
    let disable = json!({"user": {"enabled": false}});
    cloud.patch(&format!("/v3/users/{disabled}"), &cloud.admin, disable).await.expect(200);
    let attempts = [
        ("admin", "wrong", None),
        ("unknown", "x", None),
        ("disabled", "pw-disabled", None),
        ("nobody", "pw-nobody", Some(in_project("admin"))),
        ("nobody", "pw-nobody", Some(in_project("unknown"))),
        ("nobody", "pw-nobody", Some(json!({"domain": {"id": "default"}}))),
        ("nobody", "pw-nobody", Some(json!({"domain": {"id": "other"}}))),
        ("nobody", "pw-nobody", Some(json!({"system": {"all": true}}))),
    ];
    let mut bodies = Vec::new();
    for (user, password, scope) in attempts {
        let reply = cloud.login(user, password, scope).await;
        assert_eq!(reply.headers["www-authenticate"], "Keystone uri=\"http://cloud.test:5000/v3\"");
        bodies.push(reply.expect(401));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    assert_eq!(bodies[0]["error"]["title"], "Unauthorized");
    let unscoped = cloud.login("nobody", "pw-nobody", None).await.expect(201);
    assert_eq!(unscoped["token"]["user"]["id"], nobody.as_str());
    assert!(unscoped["token"].get("roles").is_none() && unscoped["token"].get("catalog").is_none());
}

#[tokio::test]
async fn roles_imply_and_scopes_differ() {
    let cloud = Cloud::start().await;
    let (_, user, _) = cloud.tenant("ann", "member").await;
    let reader = cloud.id("roles", "reader").await;
    cloud.put(&format!("/v3/domains/default/users/{user}/roles/{reader}"), &cloud.admin).await.expect(204);
    let manager = cloud.id("roles", "manager").await;
    cloud.put(&format!("/v3/system/users/{user}/roles/{manager}"), &cloud.admin).await.expect(204);
    let on = async |scope| cloud.login("ann", "pw-ann", Some(scope)).await.expect(201);
    assert_eq!(role_names(&on(in_project("ann")).await), ["member", "reader"]);
    let domain = on(json!({"domain": {"name": "Default"}})).await;
    assert_eq!(role_names(&domain), ["reader"]);
    assert_eq!(domain["token"]["domain"]["id"], "default");
    let system = on(json!({"system": {"all": true}})).await;
    assert_eq!(role_names(&system), ["manager", "member", "reader"]);
    assert_eq!(system["token"]["system"], json!({"all": true}));
}

#[tokio::test]
async fn a_default_project_is_used_when_it_can_be() {
    let cloud = Cloud::start().await;
    let (project, user, _) = cloud.tenant("ann", "member").await;
    let default = |id: &str| json!({"user": {"default_project_id": id}});
    let path = format!("/v3/users/{user}");
    cloud.patch(&path, &cloud.admin, default(&project)).await.expect(200);
    let scoped = cloud.login("ann", "pw-ann", None).await.expect(201);
    assert_eq!(scoped["token"]["project"]["id"], project.as_str());
    let unscoped = cloud.login("ann", "pw-ann", Some(json!("unscoped"))).await.expect(201);
    assert!(unscoped["token"].get("project").is_none());
    let other = cloud.project("other").await;
    cloud.patch(&path, &cloud.admin, default(&other)).await.expect(200);
    let without_role = cloud.login("ann", "pw-ann", None).await.expect(201);
    assert!(without_role["token"].get("project").is_none());
    let none = json!({"user": {"default_project_id": null}});
    let shown = cloud.patch(&path, &cloud.admin, none).await.expect(200);
    assert!(shown["user"].get("default_project_id").is_none());
}

#[tokio::test]
async fn a_token_can_be_exchanged_and_ends_with_its_source() {
    let cloud = Cloud::start().await;
    let (project, _, _) = cloud.tenant("ann", "member").await;
    let first = cloud.login("ann", "pw-ann", Some(json!("unscoped"))).await;
    let token = first.token();
    cloud.wait(60);
    let scope = json!({"project": {"id": project}});
    let second = cloud.post("/v3/auth/tokens", "", token_login(&token, Some(scope))).await.expect(201);
    assert_eq!(second["token"]["expires_at"], first.body["token"]["expires_at"]);
    assert_ne!(second["token"]["issued_at"], first.body["token"]["issued_at"]);
    assert_eq!(second["token"]["methods"], json!(["password", "token"]));
    assert_eq!(second["token"]["audit_ids"][1], first.body["token"]["audit_ids"][0]);
    assert_eq!(second["token"]["project"]["id"], project.as_str());
    cloud.post("/v3/auth/tokens", "", token_login("nonsense", None)).await.expect(404);
}

#[tokio::test]
async fn two_methods_must_name_one_user() {
    let cloud = Cloud::start().await;
    cloud.user("ann").await;
    let token = cloud.login("ann", "pw-ann", None).await.token();
    let both = |user: &str, password: &str| {
        json!({"auth": {"identity": {
            "methods": ["token", "password"],
            "token": {"id": token},
            "password": {"user": {"name": user, "domain": {"id": "default"}, "password": password}},
        }}})
    };
    cloud.post("/v3/auth/tokens", "", both("ann", "pw-ann")).await.expect(201);
    cloud.post("/v3/auth/tokens", "", both("admin", &cloud.password)).await.expect(401);
}

#[tokio::test]
async fn guessing_is_slowed_down_for_the_guesser_alone() {
    let cloud = Cloud::start().await;
    cloud.user("ann").await;
    for _ in 0..10 {
        cloud.login_from("192.0.2.1:1", "ann", "guess").await.expect(401);
    }
    let refused = cloud.login_from("192.0.2.1:2", "ann", "pw-ann").await;
    assert_eq!(refused.headers["retry-after"], "6");
    assert_eq!(refused.expect(429)["error"]["code"], 429);
    cloud.login_from("192.0.2.2:1", "ann", "pw-ann").await.expect(201);
    cloud.wait(6);
    cloud.login_from("192.0.2.1:3", "ann", "pw-ann").await.expect(201);
}
