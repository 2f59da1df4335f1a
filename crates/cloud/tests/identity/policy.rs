//! Who may do what.

use crate::cloud::Cloud;
use axum::http::Method;
use serde_json::{Value, json};

/// Every management call, aimed at another project and user.
fn management(project: &str, user: &str, role: &str) -> Vec<(Method, String, Option<Value>)> {
    let grant = format!("users/{user}/roles/{role}");
    vec![
        (Method::GET, "/v3/projects".into(), None),
        (Method::POST, "/v3/projects".into(), Some(json!({"project": {"name": "new"}}))),
        (Method::GET, format!("/v3/projects/{project}"), None),
        (Method::PATCH, format!("/v3/projects/{project}"), Some(json!({"project": {"enabled": false}}))),
        (Method::DELETE, format!("/v3/projects/{project}"), None),
        (Method::GET, "/v3/projects/unknown".into(), None),
        (Method::GET, "/v3/users".into(), None),
        (Method::POST, "/v3/users".into(), Some(json!({"user": {"name": "new"}}))),
        (Method::GET, format!("/v3/users/{user}"), None),
        (Method::GET, format!("/v3/users/{user}/projects"), None),
        (Method::PATCH, format!("/v3/users/{user}"), Some(json!({"user": {"password": "mine"}}))),
        (Method::DELETE, format!("/v3/users/{user}"), None),
        (Method::GET, format!("/v3/users/{user}/groups"), None),
        (Method::GET, "/v3/groups".into(), None),
        (Method::POST, "/v3/groups".into(), Some(json!({"group": {"name": "new"}}))),
        (Method::GET, "/v3/groups/unknown".into(), None),
        (Method::PATCH, "/v3/groups/unknown".into(), Some(json!({"group": {"name": "new"}}))),
        (Method::DELETE, "/v3/groups/unknown".into(), None),
        (Method::GET, "/v3/groups/unknown/users".into(), None),
        (Method::GET, "/v3/groups/unknown/users/other".into(), None),
        (Method::PUT, format!("/v3/groups/unknown/users/{user}"), None),
        (Method::DELETE, format!("/v3/groups/unknown/users/{user}"), None),
        (Method::PUT, format!("/v3/projects/{project}/groups/unknown/roles/{role}"), None),
        (Method::GET, format!("/v3/users/{user}/application_credentials"), None),
        (Method::DELETE, format!("/v3/users/{user}/application_credentials/unknown"), None),
        (Method::POST, "/v3/domains".into(), Some(json!({"domain": {"name": "new"}}))),
        (Method::PATCH, "/v3/domains/default".into(), Some(json!({"domain": {"name": "new"}}))),
        (Method::DELETE, "/v3/domains/default".into(), None),
        (Method::PUT, format!("/v3/OS-INHERIT/domains/default/{grant}/inherited_to_projects"), None),
        (Method::DELETE, format!("/v3/OS-INHERIT/domains/default/{grant}/inherited_to_projects"), None),
        (Method::GET, "/v3/roles".into(), None),
        (Method::GET, format!("/v3/roles/{role}"), None),
        (Method::GET, format!("/v3/roles/{role}/implies"), None),
        (Method::GET, "/v3/role_inferences".into(), None),
        (Method::POST, "/v3/roles".into(), Some(json!({"role": {"name": "new"}}))),
        (Method::PATCH, format!("/v3/roles/{role}"), Some(json!({"role": {"name": "new"}}))),
        (Method::DELETE, format!("/v3/roles/{role}"), None),
        (Method::GET, "/v3/role_assignments".into(), None),
        (Method::GET, format!("/v3/projects/{project}/users/{user}/roles"), None),
        (Method::GET, format!("/v3/projects/{project}/{grant}"), None),
        (Method::PUT, format!("/v3/projects/{project}/{grant}"), None),
        (Method::DELETE, format!("/v3/projects/{project}/{grant}"), None),
        (Method::PUT, format!("/v3/domains/default/{grant}"), None),
        (Method::DELETE, format!("/v3/domains/default/{grant}"), None),
        (Method::PUT, format!("/v3/system/{grant}"), None),
        (Method::DELETE, format!("/v3/system/{grant}"), None),
        (Method::GET, "/v3/domains".into(), None),
        (Method::GET, "/v3/services".into(), None),
        (Method::GET, "/v3/endpoints".into(), None),
    ]
}

#[tokio::test]
async fn members_of_other_projects_manage_nothing() {
    let cloud = Cloud::start().await;
    let (project, user, _) = cloud.tenant("victim", "member").await;
    let role = cloud.id("roles", "member").await;
    let before = cloud.store.snapshot();
    for name in ["reader", "member", "manager", "service"] {
        let (_, _, token) = cloud.tenant(&format!("other-{name}"), name).await;
        let unscoped = cloud.login("victim", "pw-victim", None).await.token();
        let before = cloud.store.snapshot();
        for (method, path, body) in management(&project, &user, &role) {
            let reply = cloud.call(method.clone(), &path, &token, body.clone()).await;
            assert_eq!(reply.status, 403, "{name}: {method} {path}: {}", reply.body);
            assert!(reply.body["error"]["message"].as_str().unwrap().contains("identity:"));
            let is_own = path.contains(&user)
                && path.starts_with("/v3/users")
                && (method == Method::GET || path.contains("application_credentials"));
            if !is_own {
                let reply = cloud.call(method.clone(), &path, &unscoped, body.clone()).await;
                assert_eq!(reply.status, 403, "unscoped: {method} {path}: {}", reply.body);
            }
            let none = cloud.call(method.clone(), &path, "", body).await;
            assert_eq!(none.status, 401, "without a token: {method} {path}");
        }
        assert_eq!(cloud.store.snapshot().position(), before.position(), "nothing was written");
    }
    assert_eq!(
        before.get::<hadron_model::identity::User>(&user).unwrap().value,
        cloud.store.snapshot().get::<hadron_model::identity::User>(&user).unwrap().value
    );
}

#[tokio::test]
async fn a_member_sees_what_is_his() {
    let cloud = Cloud::start().await;
    let (project, user, token) = cloud.tenant("ann", "member").await;
    for path in [
        format!("/v3/projects/{project}"),
        format!("/v3/users/{user}"),
        format!("/v3/users/{user}/projects"),
        "/v3/auth/projects".into(),
        "/v3/auth/domains".into(),
        "/v3/auth/system".into(),
        "/v3/auth/catalog".into(),
        "/v3/domains/default".into(),
        "/v3/regions".into(),
        "/v3/regions/RegionOne".into(),
    ] {
        cloud.get(&path, &token).await.expect(200);
    }
    let projects = cloud.get("/v3/auth/projects", &token).await.expect(200);
    assert_eq!(projects["projects"].as_array().unwrap().len(), 1);
    assert_eq!(projects["projects"][0]["id"], project.as_str());
    let unscoped = cloud.login("ann", "pw-ann", Some(json!("unscoped"))).await.token();
    cloud.get("/v3/auth/catalog", &unscoped).await.expect(403);
    cloud.get("/v3/auth/projects", &unscoped).await.expect(200);
}

#[tokio::test]
async fn readers_of_the_system_and_the_domain_read() {
    let cloud = Cloud::start().await;
    let user = cloud.user("auditor").await;
    let reader = cloud.id("roles", "reader").await;
    for place in ["system", "domains/default"] {
        cloud.put(&format!("/v3/{place}/users/{user}/roles/{reader}"), &cloud.admin).await.expect(204);
    }
    let on = async |scope| cloud.login("auditor", "pw-auditor", Some(scope)).await.token();
    let system = on(json!({"system": {"all": true}})).await;
    let domain = on(json!({"domain": {"id": "default"}})).await;
    for path in ["/v3/projects", "/v3/users", "/v3/role_assignments"] {
        cloud.get(path, &system).await.expect(200);
        cloud.get(path, &domain).await.expect(200);
    }
    for path in ["/v3/roles", "/v3/services", "/v3/endpoints", "/v3/domains"] {
        cloud.get(path, &system).await.expect(200);
        cloud.get(path, &domain).await.expect(403);
    }
    let listed = cloud.get("/v3/role_assignments", &domain).await.expect(200);
    let assignments = listed["role_assignments"].as_array().unwrap();
    assert!(assignments.iter().all(|assignment| assignment["scope"].get("system").is_none()));
    cloud.post("/v3/projects", &system, json!({"project": {"name": "x"}})).await.expect(403);
}

#[tokio::test]
async fn a_reader_of_one_domain_sees_nothing_of_another() {
    let cloud = Cloud::start().await;
    let other = cloud.domain("other").await;
    let new = json!({"user": {"name": "spy", "password": "pw-spy", "domain_id": other}});
    let spy = cloud.post("/v3/users", &cloud.admin, new).await.expect(201);
    let spy = spy["user"]["id"].as_str().unwrap().to_owned();
    let reader = cloud.id("roles", "reader").await;
    cloud.put(&format!("/v3/domains/{other}/users/{spy}/roles/{reader}"), &cloud.admin).await.expect(204);
    let group = json!({"group": {"name": "there"}});
    let group = cloud.post("/v3/groups", &cloud.admin, group).await.expect(201);
    let group = group["group"]["id"].as_str().unwrap();
    let (project, victim, _) = cloud.tenant("victim", "member").await;
    let login = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {"id": spy, "password": "pw-spy"}}},
        "scope": {"domain": {"id": other}},
    }});
    let token = cloud.post("/v3/auth/tokens", "", login).await.token();
    for (kind, expected) in [("users", 1), ("projects", 0), ("groups", 0), ("role_assignments", 1)] {
        let listed = cloud.get(&format!("/v3/{kind}"), &token).await.expect(200);
        assert_eq!(listed[kind].as_array().unwrap().len(), expected, "{listed}");
    }
    for path in [
        format!("projects/{project}"),
        format!("users/{victim}"),
        format!("users/{victim}/groups"),
        format!("users/{victim}/projects"),
        format!("groups/{group}"),
        format!("groups/{group}/users"),
        format!("projects/{project}/users/{victim}/roles"),
        format!("domains/default/users/{victim}/roles"),
        "domains/default".into(),
    ] {
        cloud.get(&format!("/v3/{path}"), &token).await.expect(403);
    }
    cloud.get(&format!("/v3/domains/{other}"), &token).await.expect(200);
    cloud.get(&format!("/v3/users/{spy}"), &token).await.expect(200);
}
