//! Application credentials: what they permit, and when that ends.

use crate::cloud::{Cloud, role_names, token_login};
use hadron_model::identity::ApplicationCredential;
use serde_json::{Value, json};

fn login(id: &str, secret: &str) -> Value {
    let given = json!({"id": id, "secret": secret});
    json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential": given}}})
}

struct Made {
    id: String,
    secret: String,
    path: String,
}

async fn make(cloud: &Cloud, user: &str, token: &str, more: Value) -> Made {
    let mut new = json!({"name": "app"});
    new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let path = format!("/v3/users/{user}/application_credentials");
    let made = cloud.post(&path, token, json!({"application_credential": new})).await.expect(201);
    let made = &made["application_credential"];
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    Made { id: text("id"), secret: text("secret"), path: format!("{path}/{}", text("id")) }
}

#[tokio::test]
async fn a_program_acts_for_its_user_with_the_roles_given() {
    let cloud = Cloud::start().await;
    let (project, user, token) = cloud.tenant("ann", "member").await;
    let made = make(&cloud, &user, &token, json!({"roles": [{"name": "reader"}]})).await;
    let shown = cloud.get(&made.path, &token).await.expect(200);
    let shown = &shown["application_credential"];
    assert!(shown.get("secret").is_none(), "the secret is shown once");
    assert_eq!(shown["project_id"], project.as_str());
    assert_eq!(shown["roles"][0]["name"], "reader");
    let answer = cloud.post("/v3/auth/tokens", "", login(&made.id, &made.secret)).await;
    assert_eq!(role_names(&answer.body), ["reader"]);
    assert_eq!(answer.body["token"]["project"]["id"], project.as_str());
    assert_eq!(answer.body["token"]["methods"], json!(["application_credential"]));
    assert_eq!(answer.body["token"]["application_credential"]["restricted"], true);
    let by_name = json!({"auth": {"identity": {
        "methods": ["application_credential"],
        "application_credential": {
            "name": "app", "secret": made.secret, "user": {"name": "ann", "domain": {"id": "default"}},
        },
    }}});
    cloud.post("/v3/auth/tokens", "", by_name).await.expect(201);
    cloud.delete(&made.path, &token).await.expect(204);
    cloud.get("/v3/auth/projects", &answer.token()).await.expect(401);
    cloud.post("/v3/auth/tokens", "", login(&made.id, &made.secret)).await.expect(401);
}

#[tokio::test]
async fn wrong_secrets_and_other_scopes_are_refused() {
    let cloud = Cloud::start().await;
    let (_, user, token) = cloud.tenant("ann", "member").await;
    let second = cloud.project("second").await;
    cloud.grant(&second, &user, "member").await;
    let made = make(&cloud, &user, &token, json!({})).await;
    cloud.post("/v3/auth/tokens", "", login(&made.id, "wrong")).await.expect(401);
    cloud.post("/v3/auth/tokens", "", login("unknown", &made.secret)).await.expect(401);
    for scope in [json!({"project": {"id": second}}), json!({"system": {"all": true}}), json!("unscoped")] {
        let mut request = login(&made.id, &made.secret);
        request["auth"]["scope"] = scope.clone();
        cloud.post("/v3/auth/tokens", "", request).await.expect(401);
        let token = cloud.post("/v3/auth/tokens", "", login(&made.id, &made.secret)).await.token();
        cloud.post("/v3/auth/tokens", "", token_login(&token, Some(scope))).await.expect(401);
    }
    let token = cloud.post("/v3/auth/tokens", "", login(&made.id, &made.secret)).await.token();
    let again = cloud.post("/v3/auth/tokens", "", token_login(&token, None)).await.token();
    cloud.delete(&made.path, &cloud.admin).await.expect(204);
    cloud.get("/v3/auth/projects", &again).await.expect(401);
}

#[tokio::test]
async fn a_restricted_credential_makes_no_others() {
    let cloud = Cloud::start().await;
    let (_, user, token) = cloud.tenant("ann", "member").await;
    let path = format!("/v3/users/{user}/application_credentials");
    for (name, unrestricted, status) in [("tied", false, 403), ("free", true, 201)] {
        let made = make(&cloud, &user, &token, json!({"name": name, "unrestricted": unrestricted})).await;
        let by_it = cloud.post("/v3/auth/tokens", "", login(&made.id, &made.secret)).await.token();
        let new = json!({"application_credential": {"name": format!("of-{name}")}});
        cloud.post(&path, &by_it, new).await.expect(status);
        cloud.delete(&made.path, &by_it).await.expect(if unrestricted { 204 } else { 403 });
    }
}

#[tokio::test]
async fn it_ends_with_its_time_its_roles_its_user_and_its_project() {
    let cloud = Cloud::start().await;
    let (project, user, token) = cloud.tenant("ann", "member").await;
    let end = jiff::Timestamp::now() + jiff::Span::new().hours(1);
    let timed = make(&cloud, &user, &token, json!({"expires_at": end.to_string()})).await;
    let tied = make(&cloud, &user, &token, json!({"name": "tied"})).await;
    let by = async |made: &Made| cloud.post("/v3/auth/tokens", "", login(&made.id, &made.secret)).await;
    let timed_token = by(&timed).await.token();
    cloud.wait(3599);
    cloud.get("/v3/auth/projects", &timed_token).await.expect(200);
    cloud.wait(2);
    cloud.get("/v3/auth/projects", &timed_token).await.expect(401);
    by(&timed).await.expect(401);

    let tied_token = by(&tied).await.token();
    let member = cloud.id_as(&cloud.login_admin().await, "roles", "member").await;
    let admin = cloud.login_admin().await;
    let grant = format!("/v3/projects/{project}/users/{user}/roles/{member}");
    cloud.delete(&grant, &admin).await.expect(204);
    cloud.get("/v3/auth/projects", &tied_token).await.expect(401);
    cloud.put(&grant, &admin).await.expect(204);
    by(&tied).await.expect(201);
    cloud.delete(&format!("/v3/projects/{project}"), &admin).await.expect(204);
    assert!(cloud.store.snapshot().is_empty::<ApplicationCredential>());
}

#[tokio::test]
async fn what_cant_be_is_refused() {
    let cloud = Cloud::start().await;
    let (_, user, token) = cloud.tenant("ann", "reader").await;
    let path = format!("/v3/users/{user}/application_credentials");
    for bad in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "a", "roles": [{"name": "admin"}]}),
        json!({"name": "a", "roles": []}),
        json!({"name": "a", "roles": "reader"}),
        json!({"name": "a", "secret": ""}),
        json!({"name": "a", "expires_at": "yesterday"}),
        json!({"name": "a", "expires_at": "2001-01-01T00:00:00"}),
        json!({"name": "a", "access_rules": [{"path": "/v2.0/ports"}]}),
        json!({"name": "a", "colour": "red"}),
    ] {
        let reply = cloud.post(&path, &token, json!({"application_credential": bad})).await;
        assert_eq!(reply.status, 400, "{bad}: {}", reply.body);
    }
    let new = json!({"application_credential": {"name": "a"}});
    cloud.post(&path, &token, new.clone()).await.expect(201);
    cloud.post(&path, &token, new.clone()).await.expect(409);
    cloud.post(&path, &cloud.admin, new.clone()).await.expect(403);
    let unscoped = cloud.login("ann", "pw-ann", Some(json!("unscoped"))).await.token();
    cloud.post(&path, &unscoped, new).await.expect(403);
    let (_, _, other) = cloud.tenant("eve", "member").await;
    cloud.get(&path, &other).await.expect(403);
}
