//! Domains: name spaces of users, groups and projects.

use crate::cloud::{Cloud, role_names};
use hadron_model::identity::{Domain, Group, Project, User};
use serde_json::{Value, json};

fn login(user: &str, domain: &str, scope: Value) -> Value {
    let user = json!({"name": user, "domain": {"name": domain}, "password": format!("pw-{user}")});
    json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}})
}

#[tokio::test]
async fn a_domain_lives() {
    let cloud = Cloud::start().await;
    let id = cloud.domain("d").await;
    let path = format!("/v3/domains/{id}");
    let shown = cloud.get(&path, &cloud.admin).await.expect(200);
    assert_eq!(
        shown["domain"],
        json!({
            "id": id, "name": "d", "description": "", "enabled": true, "tags": [], "options": {},
            "links": {"self": format!("http://cloud.test:5000{path}")},
        })
    );
    for name in ["d", "Default"] {
        cloud.post("/v3/domains", &cloud.admin, json!({"domain": {"name": name}})).await.expect(409);
    }
    let renamed = cloud.patch(&path, &cloud.admin, json!({"domain": {"name": "e"}})).await.expect(200);
    assert_eq!(renamed["domain"]["name"], "e");
    let all = cloud.get("/v3/domains?name=e", &cloud.admin).await.expect(200);
    assert_eq!(all["domains"].as_array().unwrap().len(), 1);
    cloud.delete(&path, &cloud.admin).await.expect(403);
    cloud.patch(&path, &cloud.admin, json!({"domain": {"enabled": false}})).await.expect(200);
    cloud.delete(&path, &cloud.admin).await.expect(204);
    cloud.get(&path, &cloud.admin).await.expect(404);
    cloud.delete(&path, &cloud.admin).await.expect(404);
}

#[tokio::test]
async fn the_default_domain_stays() {
    let cloud = Cloud::start().await;
    let off = json!({"domain": {"enabled": false}});
    cloud.patch("/v3/domains/default", &cloud.admin, off).await.expect(403);
    cloud.delete("/v3/domains/default", &cloud.admin).await.expect(403);
    let named = json!({"domain": {"description": "ours"}});
    cloud.patch("/v3/domains/default", &cloud.admin, named).await.expect(200);
}

#[tokio::test]
async fn names_are_unique_within_a_domain_only() {
    let cloud = Cloud::start().await;
    let domain = cloud.domain("d").await;
    let (_, user, _) = cloud.tenant("ann", "member").await;
    let there = |name: &str| json!({"name": name, "domain_id": domain});
    let project =
        cloud.post("/v3/projects", &cloud.admin, json!({"project": there("ann")})).await.expect(201);
    assert_eq!(
        (&project["project"]["domain_id"], &project["project"]["parent_id"]),
        (&json!(domain), &json!(domain))
    );
    let mut new = there("ann");
    new["password"] = json!("pw-ann");
    let other = cloud.post("/v3/users", &cloud.admin, json!({"user": new})).await.expect(201);
    let (project, other) =
        (project["project"]["id"].as_str().unwrap(), other["user"]["id"].as_str().unwrap());
    assert_ne!(user, other);
    let role = cloud.id("roles", "member").await;
    cloud.put(&format!("/v3/projects/{project}/users/{other}/roles/{role}"), &cloud.admin).await.expect(204);
    let scope = json!({"project": {"name": "ann", "domain": {"name": "d"}}});
    let answer = cloud.post("/v3/auth/tokens", "", login("ann", "d", scope.clone())).await.expect(201);
    assert_eq!(role_names(&answer), ["member", "reader"]);
    assert_eq!(answer["token"]["user"]["domain"], json!({"id": domain, "name": "d"}));
    assert_eq!(answer["token"]["project"]["domain"], json!({"id": domain, "name": "d"}));
    cloud.post("/v3/auth/tokens", "", login("ann", "Default", scope)).await.expect(401);
}

#[tokio::test]
async fn a_disabled_domain_ends_its_tokens_and_gives_none() {
    let cloud = Cloud::start().await;
    let domain = cloud.domain("d").await;
    let new = json!({"user": {"name": "ann", "password": "pw-ann", "domain_id": domain}});
    let user = cloud.post("/v3/users", &cloud.admin, new).await.expect(201);
    let user = user["user"]["id"].as_str().unwrap();
    let role = cloud.id("roles", "reader").await;
    cloud.put(&format!("/v3/domains/{domain}/users/{user}/roles/{role}"), &cloud.admin).await.expect(204);
    let request = login("ann", "d", json!({"domain": {"id": domain}}));
    let token = cloud.post("/v3/auth/tokens", "", request.clone()).await.token();
    cloud.get("/v3/users", &token).await.expect(200);
    let switch = async |enabled: bool| {
        let body = json!({"domain": {"enabled": enabled}});
        cloud.patch(&format!("/v3/domains/{domain}"), &cloud.admin, body).await.expect(200);
    };
    switch(false).await;
    cloud.get("/v3/users", &token).await.expect(401);
    cloud.post("/v3/auth/tokens", "", request).await.expect(401);
    switch(true).await;
    cloud.get("/v3/users", &token).await.expect(200);
}

#[tokio::test]
async fn a_deleted_domain_takes_its_contents_along() {
    let cloud = Cloud::start().await;
    let domain = cloud.domain("d").await;
    let before = cloud.store.snapshot();
    for number in 0..3 {
        let new = json!({"name": format!("it{number}"), "domain_id": domain});
        for kind in ["project", "user", "group"] {
            cloud.post(&format!("/v3/{kind}s"), &cloud.admin, json!({kind: new})).await.expect(201);
        }
    }
    let path = format!("/v3/domains/{domain}");
    cloud.patch(&path, &cloud.admin, json!({"domain": {"enabled": false}})).await.expect(200);
    cloud.delete(&path, &cloud.admin).await.expect(204);
    let after = cloud.store.snapshot();
    assert_eq!(after.len::<Domain>(), 1);
    assert_eq!(after.len::<User>(), before.len::<User>());
    assert_eq!(after.len::<Project>(), before.len::<Project>());
    assert_eq!(after.len::<Group>(), 0);
}
