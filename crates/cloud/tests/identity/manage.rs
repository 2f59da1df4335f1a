//! Managing projects, users, roles and assignments.

use crate::cloud::{Cloud, in_project};
use hadron_cloud::identity::recover_administrator;
use hadron_model::identity::{Assignment, User};
use serde_json::{Value, json};

fn names<'a>(body: &'a Value, kind: &str) -> Vec<&'a str> {
    let mut names: Vec<_> =
        body[kind].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_project_lives() {
    let cloud = Cloud::start().await;
    let new = json!({"project": {"name": "p", "description": "d", "domain_id": "default", "tags": []}});
    let made = cloud.post("/v3/projects", &cloud.admin, new.clone()).await.expect(201);
    let id = made["project"]["id"].as_str().unwrap();
    let path = format!("/v3/projects/{id}");
    assert_eq!(
        made["project"],
        json!({
            "id": id, "name": "p", "domain_id": "default", "description": "d", "enabled": true,
            "parent_id": "default", "is_domain": false, "tags": [], "options": {},
            "links": {"self": format!("http://cloud.test:5000{path}")},
        })
    );
    cloud.post("/v3/projects", &cloud.admin, new).await.expect(409);
    let renamed = json!({"project": {"name": "q", "description": null}});
    let shown = cloud.patch(&path, &cloud.admin, renamed).await.expect(200);
    assert_eq!((&shown["project"]["name"], &shown["project"]["description"]), (&json!("q"), &json!("")));
    assert_eq!(cloud.get(&path, &cloud.admin).await.expect(200), shown);
    let taken = json!({"project": {"name": "admin"}});
    cloud.patch(&path, &cloud.admin, taken).await.expect(409);
    cloud.delete(&path, &cloud.admin).await.expect(204);
    for reply in [
        cloud.get(&path, &cloud.admin).await,
        cloud.delete(&path, &cloud.admin).await,
        cloud.patch(&path, &cloud.admin, json!({"project": {}})).await,
    ] {
        assert_eq!(reply.expect(404)["error"]["message"], format!("Could not find project: {id}."));
    }
}

#[tokio::test]
async fn a_user_lives() {
    let cloud = Cloud::start().await;
    let new = json!({"user": {
        "name": "ann", "password": "pw", "email": "a@b.test", "description": "d", "enabled": true,
    }});
    let made = cloud.post("/v3/users", &cloud.admin, new.clone()).await.expect(201);
    let id = made["user"]["id"].as_str().unwrap();
    let path = format!("/v3/users/{id}");
    assert_eq!(
        made["user"],
        json!({
            "id": id, "name": "ann", "domain_id": "default", "enabled": true, "email": "a@b.test",
            "description": "d", "password_expires_at": null, "options": {},
            "links": {"self": format!("http://cloud.test:5000{path}")},
        })
    );
    cloud.post("/v3/users", &cloud.admin, new).await.expect(409);
    let without = cloud.post("/v3/users", &cloud.admin, json!({"user": {"name": "bob"}})).await.expect(201);
    assert!(without["user"].get("email").is_none());
    cloud.login("bob", "", None).await.expect(401);
    let shown = cloud.patch(&path, &cloud.admin, json!({"user": {"name": "eve", "email": null}})).await;
    assert_eq!(shown.expect(200)["user"]["name"], "eve");
    cloud.login("eve", "pw", None).await.expect(201);
    cloud.patch(&path, &cloud.admin, json!({"user": {"password": null}})).await.expect(200);
    cloud.login("eve", "pw", None).await.expect(401);
    cloud.delete(&path, &cloud.admin).await.expect(204);
    cloud.get(&path, &cloud.admin).await.expect(404);
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let cloud = Cloud::start().await;
    for name in ["one", "two", "three"] {
        cloud.project(name).await;
    }
    let two = cloud.id("projects", "two").await;
    let off = json!({"project": {"enabled": false}});
    cloud.patch(&format!("/v3/projects/{two}"), &cloud.admin, off).await.expect(200);
    let list =
        async |query: &str| cloud.get(&format!("/v3/projects?{query}"), &cloud.admin).await.expect(200);
    assert_eq!(names(&list("").await, "projects"), ["admin", "one", "three", "two"]);
    assert_eq!(names(&list("name=one").await, "projects"), ["one"]);
    assert_eq!(names(&list("enabled=False").await, "projects"), ["two"]);
    assert_eq!(names(&list("name__startswith=t&domain_id=default").await, "projects"), ["three", "two"]);
    assert_eq!(names(&list("domain_id=other").await, "projects"), [""; 0]);
    cloud.get("/v3/projects?enabled=perhaps", &cloud.admin).await.expect(400);
    cloud.get("/v3/projects?limit=0", &cloud.admin).await.expect(400);
    let mut path = "/v3/projects?limit=3".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = cloud.get(&path, &cloud.admin).await.expect(200);
        seen.extend(names(&page, "projects").into_iter().map(str::to_owned));
        assert_eq!(page["truncated"] == true, page["links"]["next"].is_string());
        match page["links"]["next"].as_str() {
            Some(next) => path = next.trim_start_matches("http://cloud.test:5000").to_owned(),
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, ["admin", "one", "three", "two"]);
}

#[tokio::test]
async fn roles_can_be_added_but_the_built_in_ones_stay() {
    let cloud = Cloud::start().await;
    let all = cloud.get("/v3/roles", &cloud.admin).await.expect(200);
    assert_eq!(names(&all, "roles"), ["admin", "manager", "member", "reader", "service"]);
    let made = cloud.post("/v3/roles", &cloud.admin, json!({"role": {"name": "Auditor"}})).await.expect(201);
    let id = made["role"]["id"].as_str().unwrap();
    assert_eq!(made["role"]["options"], json!({}));
    for name in ["Auditor", "auditor", "ADMIN"] {
        cloud.post("/v3/roles", &cloud.admin, json!({"role": {"name": name}})).await.expect(409);
    }
    let path = format!("/v3/roles/{id}");
    cloud.patch(&path, &cloud.admin, json!({"role": {"name": "AUDITOR"}})).await.expect(200);
    let (project, user) = (cloud.project("p").await, cloud.user("u").await);
    cloud.grant(&project, &user, "AUDITOR").await;
    cloud.login("u", "pw-u", Some(in_project("p"))).await.expect(201);
    cloud.delete(&path, &cloud.admin).await.expect(204);
    cloud.login("u", "pw-u", Some(in_project("p"))).await.expect(401);
    let member = format!("/v3/roles/{}", cloud.id("roles", "member").await);
    cloud.delete(&member, &cloud.admin).await.expect(403);
    cloud.patch(&member, &cloud.admin, json!({"role": {"name": "x"}})).await.expect(403);
    let implied = cloud.get("/v3/role_inferences", &cloud.admin).await.expect(200);
    assert_eq!(implied["role_inferences"].as_array().unwrap().len(), 3);
    let implied = cloud.get(&format!("{member}/implies"), &cloud.admin).await.expect(200);
    assert_eq!(implied["role_inference"]["implies"][0]["name"], "reader");
}

#[tokio::test]
async fn a_grant_lives() {
    let cloud = Cloud::start().await;
    let (project, user) = (cloud.project("p").await, cloud.user("u").await);
    let role = cloud.id("roles", "member").await;
    for place in [format!("projects/{project}"), "domains/default".into(), "system".into()] {
        let list = format!("/v3/{place}/users/{user}/roles");
        let path = format!("{list}/{role}");
        cloud.get(&path, &cloud.admin).await.expect(404);
        cloud.delete(&path, &cloud.admin).await.expect(404);
        cloud.put(&path, &cloud.admin).await.expect(204);
        cloud.put(&path, &cloud.admin).await.expect(204);
        cloud.get(&path, &cloud.admin).await.expect(204);
        let roles = cloud.get(&list, &cloud.admin).await.expect(200);
        assert_eq!(names(&roles, "roles"), ["member"]);
        cloud.delete(&path, &cloud.admin).await.expect(204);
        cloud.get(&path, &cloud.admin).await.expect(404);
    }
    for (place, user, role, missing) in [
        ("projects/none", user.as_str(), role.as_str(), "project: none"),
        ("domains/none", &user, &role, "domain: none"),
        ("system", "none", &role, "user: none"),
        ("system", &user, "none", "role: none"),
    ] {
        let path = format!("/v3/{place}/users/{user}/roles/{role}");
        let reply = cloud.put(&path, &cloud.admin).await.expect(404);
        assert_eq!(reply["error"]["message"], format!("Could not find {missing}."));
    }
}

#[tokio::test]
async fn assignments_are_listed_with_names_and_what_they_imply() {
    let cloud = Cloud::start().await;
    let (project, user, _) = cloud.tenant("ann", "manager").await;
    let list = async |query: &str| {
        let path = format!("/v3/role_assignments?{query}");
        let mut body = cloud.get(&path, &cloud.admin).await.expect(200);
        body["role_assignments"].take().as_array().unwrap().clone()
    };
    assert_eq!(list("").await.len(), 3);
    let plain = list(&format!("user.id={user}")).await;
    let manager = cloud.id("roles", "manager").await;
    assert_eq!(
        plain,
        [json!({
            "user": {"id": user}, "role": {"id": manager}, "scope": {"project": {"id": project}},
            "links": {"assignment":
                format!("http://cloud.test:5000/v3/projects/{project}/users/{user}/roles/{manager}")},
        })]
    );
    let named = list(&format!("user.id={user}&include_names=True")).await;
    let domain = json!({"id": "default", "name": "Default"});
    assert_eq!(named[0]["user"], json!({"id": user, "name": "ann", "domain": domain}));
    assert_eq!(named[0]["role"]["name"], "manager");
    assert_eq!(named[0]["scope"]["project"]["name"], "ann");
    let effective = list(&format!("user.id={user}&effective&include_names")).await;
    let roles: Vec<_> = effective.iter().map(|it| it["role"]["name"].as_str().unwrap()).collect();
    assert_eq!(roles, ["manager", "member", "reader"]);
    let member = cloud.id("roles", "member").await;
    assert_eq!(list(&format!("effective&role.id={member}&scope.project.id={project}")).await.len(), 1);
    assert_eq!(list(&format!("role.id={member}")).await.len(), 0);
    assert_eq!(list("scope.system=all").await.len(), 1);
    assert_eq!(list(&format!("scope.project.id={project}")).await.len(), 1);
    assert_eq!(list("scope.domain.id=default").await.len(), 0);
    assert_eq!(list("group.id=x").await.len(), 0);
    for query in ["user.id=a&group.id=b", "effective&group.id=b", "scope.project.id=a&scope.domain.id=b"] {
        cloud.get(&format!("/v3/role_assignments?{query}"), &cloud.admin).await.expect(400);
    }
}

#[tokio::test]
async fn many_assignments_go_with_their_object() {
    let cloud = Cloud::start().await;
    let project = cloud.project("crowd").await;
    let role = cloud.id("roles", "member").await;
    let assignments = || cloud.store.snapshot().len::<Assignment>();
    let before = assignments();
    for number in 0..250 {
        let user = json!({"user": {"name": format!("u{number}")}});
        let made = cloud.post("/v3/users", &cloud.admin, user).await.expect(201);
        let user = made["user"]["id"].as_str().unwrap();
        cloud
            .put(&format!("/v3/projects/{project}/users/{user}/roles/{role}"), &cloud.admin)
            .await
            .expect(204);
    }
    assert_eq!(assignments(), before + 250);
    cloud.delete(&format!("/v3/projects/{project}"), &cloud.admin).await.expect(204);
    assert_eq!(assignments(), before);
}

#[tokio::test]
async fn the_last_administrator_cannot_be_lost() {
    let cloud = Cloud::start().await;
    let (user, project) = (cloud.id("users", "admin").await, cloud.id("projects", "admin").await);
    let role = cloud.id("roles", "admin").await;
    let (user_path, project_path) = (format!("/v3/users/{user}"), format!("/v3/projects/{project}"));
    let on_system = format!("/v3/system/users/{user}/roles/{role}");
    let on_project = format!("{project_path}/users/{user}/roles/{role}");
    cloud.delete(&user_path, &cloud.admin).await.expect(403);
    cloud.patch(&user_path, &cloud.admin, json!({"user": {"enabled": false}})).await.expect(403);
    cloud.patch(&user_path, &cloud.admin, json!({"user": {"password": null}})).await.expect(403);
    cloud.delete(&on_system, &cloud.admin).await.expect(204);
    cloud.delete(&on_project, &cloud.admin).await.expect(403);
    cloud.delete(&project_path, &cloud.admin).await.expect(403);
    cloud.patch(&project_path, &cloud.admin, json!({"project": {"enabled": false}})).await.expect(403);
    cloud.get("/v3/users", &cloud.admin).await.expect(200);
    let second = cloud.user("second").await;
    cloud.put(&format!("/v3/system/users/{second}/roles/{role}"), &cloud.admin).await.expect(204);
    cloud.delete(&user_path, &cloud.admin).await.expect(204);
    cloud.get("/v3/users", &cloud.admin).await.expect(401);
}

#[tokio::test]
async fn an_administrator_who_forgot_can_be_helped() {
    let cloud = Cloud::start().await;
    let password = recover_administrator(&cloud.store).await.unwrap().to_string();
    cloud.get("/v3/users", &cloud.admin).await.expect(401);
    cloud.login("admin", &cloud.password, None).await.expect(401);
    let token = cloud.login("admin", &password, Some(in_project("admin"))).await.token();
    cloud.get("/v3/users", &token).await.expect(200);
    assert_eq!(cloud.store.snapshot().len::<User>(), 1);
}

#[tokio::test]
async fn commits_say_who_made_them() {
    let cloud = Cloud::start().await;
    let mut watch = cloud.store.watch();
    cloud.project("p").await;
    let commit = watch.next().await;
    assert_eq!(commit.info.actor, cloud.id("users", "admin").await);
    assert_eq!(commit.info.project, cloud.id("projects", "admin").await);
    assert!(commit.info.request_id.starts_with("req-"));
}

#[tokio::test]
async fn the_catalogue_in_its_parts() {
    let cloud = Cloud::start().await;
    let services = cloud.get("/v3/services?type=network", &cloud.admin).await.expect(200);
    assert_eq!(names(&services, "services"), ["neutron"]);
    let id = services["services"][0]["id"].as_str().unwrap();
    cloud.get(&format!("/v3/services/{id}"), &cloud.admin).await.expect(200);
    let query = format!("/v3/endpoints?service_id={id}&interface=public");
    let endpoints = cloud.get(&query, &cloud.admin).await.expect(200);
    assert_eq!(endpoints["endpoints"].as_array().unwrap().len(), 1);
    assert_eq!(endpoints["endpoints"][0]["url"], "http://cloud.test:9696");
    let id = endpoints["endpoints"][0]["id"].as_str().unwrap();
    cloud.get(&format!("/v3/endpoints/{id}"), &cloud.admin).await.expect(200);
    for path in ["services/x", "endpoints/x", "regions/x", "domains/x"] {
        cloud.get(&format!("/v3/{path}"), &cloud.admin).await.expect(404);
    }
}
