//! Groups, their members, and the roles that members have by them.

use crate::cloud::{Cloud, in_project, role_names};
use axum::http::Method;
use hadron_model::identity::{Group, GroupAssignment, Membership};
use serde_json::json;

#[tokio::test]
async fn a_group_lives() {
    let cloud = Cloud::start().await;
    let id = cloud.group("g").await;
    let path = format!("/v3/groups/{id}");
    let shown = cloud.get(&path, &cloud.admin).await.expect(200);
    assert_eq!(
        shown["group"],
        json!({
            "id": id, "name": "g", "domain_id": "default", "description": "",
            "links": {"self": format!("http://cloud.test:5000{path}")},
        })
    );
    cloud.post("/v3/groups", &cloud.admin, json!({"group": {"name": "g"}})).await.expect(409);
    cloud
        .post("/v3/groups", &cloud.admin, json!({"group": {"name": "h", "domain_id": "x"}}))
        .await
        .expect(404);
    let changed = cloud.patch(&path, &cloud.admin, json!({"group": {"name": "h", "description": "d"}})).await;
    assert_eq!(changed.expect(200)["group"]["name"], "h");
    let moved = json!({"group": {"domain_id": cloud.domain("other").await}});
    cloud.patch(&path, &cloud.admin, moved).await.expect(400);
    let listed = cloud.get("/v3/groups?name=h", &cloud.admin).await.expect(200);
    assert_eq!(listed["groups"][0]["id"], id.as_str());
    cloud.delete(&path, &cloud.admin).await.expect(204);
    cloud.get(&path, &cloud.admin).await.expect(404);
    cloud.delete(&path, &cloud.admin).await.expect(404);
}

#[tokio::test]
async fn members_come_and_go() {
    let cloud = Cloud::start().await;
    let (group, user) = (cloud.group("g").await, cloud.user("u").await);
    let path = format!("/v3/groups/{group}/users/{user}");
    cloud.get(&path, &cloud.admin).await.expect(404);
    cloud.put(&path, &cloud.admin).await.expect(204);
    cloud.put(&path, &cloud.admin).await.expect(204);
    cloud.call(Method::HEAD, &path, &cloud.admin, None).await.expect(204);
    let users = cloud.get(&format!("/v3/groups/{group}/users"), &cloud.admin).await.expect(200);
    assert_eq!(users["users"][0]["id"], user.as_str());
    let own = cloud.login("u", "pw-u", None).await.token();
    let groups = cloud.get(&format!("/v3/users/{user}/groups"), &own).await.expect(200);
    assert_eq!(groups["groups"][0]["id"], group.as_str());
    cloud.get(&path, &own).await.expect(204);
    for unknown in [format!("/v3/groups/x/users/{user}"), format!("/v3/groups/{group}/users/x")] {
        cloud.put(&unknown, &cloud.admin).await.expect(404);
    }
    cloud.delete(&path, &cloud.admin).await.expect(204);
    cloud.delete(&path, &cloud.admin).await.expect(404);
}

#[tokio::test]
async fn a_member_has_the_roles_of_his_groups_as_long_as_he_is_one() {
    let cloud = Cloud::start().await;
    let (group, user, project) = (cloud.group("g").await, cloud.user("u").await, cloud.project("p").await);
    let role = cloud.id("roles", "member").await;
    let grant = format!("/v3/projects/{project}/groups/{group}/roles/{role}");
    cloud.get(&grant, &cloud.admin).await.expect(404);
    cloud.put(&grant, &cloud.admin).await.expect(204);
    cloud.get(&grant, &cloud.admin).await.expect(204);
    let listed = cloud.get(&format!("/v3/projects/{project}/groups/{group}/roles"), &cloud.admin).await;
    assert_eq!(listed.expect(200)["roles"][0]["id"], role.as_str());
    cloud.login("u", "pw-u", Some(in_project("p"))).await.expect(401);
    let membership = format!("/v3/groups/{group}/users/{user}");
    cloud.put(&membership, &cloud.admin).await.expect(204);
    let login = cloud.login("u", "pw-u", Some(in_project("p"))).await;
    assert_eq!(role_names(&login.body), ["member", "reader"]);
    let token = login.token();
    let projects = cloud.get("/v3/auth/projects", &token).await.expect(200);
    assert_eq!(projects["projects"][0]["id"], project.as_str());
    cloud.delete(&membership, &cloud.admin).await.expect(204);
    cloud.get("/v3/auth/projects", &token).await.expect(401);
    cloud.put(&membership, &cloud.admin).await.expect(204);
    cloud.get("/v3/auth/projects", &token).await.expect(200);
    cloud.delete(&grant, &cloud.admin).await.expect(204);
    cloud.get("/v3/auth/projects", &token).await.expect(401);
}

#[tokio::test]
async fn a_role_on_all_projects_of_a_domain_counts_on_later_ones_too() {
    let cloud = Cloud::start().await;
    let (group, user) = (cloud.group("g").await, cloud.user("u").await);
    cloud.put(&format!("/v3/groups/{group}/users/{user}"), &cloud.admin).await.expect(204);
    let role = cloud.id("roles", "reader").await;
    let grant =
        |actor: &str| format!("/v3/OS-INHERIT/domains/default/{actor}/roles/{role}/inherited_to_projects");
    cloud.put(&grant(&format!("groups/{group}")), &cloud.admin).await.expect(204);
    let project = cloud.project("later").await;
    let login = cloud.login("u", "pw-u", Some(in_project("later"))).await;
    assert_eq!(role_names(&login.body), ["reader"]);
    cloud.login("u", "pw-u", Some(json!({"domain": {"id": "default"}}))).await.expect(401);
    let query = format!("/v3/role_assignments?effective&user.id={user}&scope.project.id={project}");
    let listed = cloud.get(&query, &cloud.admin).await.expect(200);
    let listed = listed["role_assignments"].as_array().unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["scope"], json!({"project": {"id": project}}));
    assert!(listed[0]["links"]["membership"].as_str().unwrap().ends_with(&format!("{group}/users/{user}")));
    let other = cloud.domain("other").await;
    let elsewhere = json!({"project": {"name": "elsewhere", "domain_id": other}});
    cloud.post("/v3/projects", &cloud.admin, elsewhere).await.expect(201);
    let scope = json!({"project": {"name": "elsewhere", "domain": {"id": other}}});
    cloud.login("u", "pw-u", Some(scope)).await.expect(401);
}

#[tokio::test]
async fn assignments_of_groups_are_listed_as_such_and_for_members() {
    let cloud = Cloud::start().await;
    let (group, user, project) = (cloud.group("g").await, cloud.user("u").await, cloud.project("p").await);
    let role = cloud.id("roles", "reader").await;
    cloud.put(&format!("/v3/groups/{group}/users/{user}"), &cloud.admin).await.expect(204);
    cloud.put(&format!("/v3/projects/{project}/groups/{group}/roles/{role}"), &cloud.admin).await.expect(204);
    let list = async |query: &str| {
        let listed = cloud.get(&format!("/v3/role_assignments?{query}"), &cloud.admin).await.expect(200);
        listed["role_assignments"].as_array().unwrap().clone()
    };
    let of_group = list(&format!("group.id={group}&include_names")).await;
    assert_eq!(of_group.len(), 1);
    let domain = json!({"id": "default", "name": "Default"});
    assert_eq!(of_group[0]["group"], json!({"id": group, "name": "g", "domain": domain}));
    assert!(of_group[0].get("user").is_none());
    assert_eq!(list(&format!("user.id={user}")).await.len(), 0);
    let effective = list(&format!("user.id={user}&effective")).await;
    assert_eq!(effective.len(), 1);
    assert_eq!(effective[0]["user"]["id"], user.as_str());
}

#[tokio::test]
async fn nothing_is_left_of_a_deleted_group_or_member() {
    let cloud = Cloud::start().await;
    let (group, user, project) = (cloud.group("g").await, cloud.user("u").await, cloud.project("p").await);
    let role = cloud.id("roles", "reader").await;
    let member = format!("/v3/groups/{group}/users/{user}");
    cloud.put(&member, &cloud.admin).await.expect(204);
    cloud.delete(&format!("/v3/users/{user}"), &cloud.admin).await.expect(204);
    assert!(cloud.store.snapshot().is_empty::<Membership>());
    let user = cloud.user("u").await;
    cloud.put(&format!("/v3/groups/{group}/users/{user}"), &cloud.admin).await.expect(204);
    cloud.put(&format!("/v3/projects/{project}/groups/{group}/roles/{role}"), &cloud.admin).await.expect(204);
    cloud.delete(&format!("/v3/groups/{group}"), &cloud.admin).await.expect(204);
    let left = cloud.store.snapshot();
    assert!(left.is_empty::<Membership>() && left.is_empty::<GroupAssignment>() && left.is_empty::<Group>());
}
