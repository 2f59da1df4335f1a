//! What ends a token, and what does not.

use crate::cloud::{Cloud, in_project};
use axum::http::Method;
use hadron_api::{AuthError, Authenticate as _};
use hadron_cloud::identity::{Identity, IdentityConfig};
use hadron_store::Store;
use serde_json::json;

async fn holds(cloud: &Cloud, token: &str) -> bool {
    let by_api = cloud.identity.authenticate(token).await;
    let status = cloud.get("/v3/auth/projects", token).await.status;
    assert_eq!(status, if by_api.is_ok() { 200 } else { 401 });
    assert!(!matches!(by_api, Err(AuthError::Unavailable { .. })));
    by_api.is_ok()
}

#[tokio::test]
async fn the_networking_api_learns_who_calls() {
    let cloud = Cloud::start().await;
    let (project, user, token) = cloud.tenant("ann", "member").await;
    let caller = cloud.identity.authenticate(&token).await.unwrap();
    assert_eq!((caller.user_id.as_str(), caller.user_name.as_str()), (user.as_str(), "ann"));
    assert_eq!(caller.project_id.as_deref(), Some(project.as_str()));
    assert_eq!(caller.project_name.as_deref(), Some("ann"));
    assert_eq!(caller.roles, ["member", "reader"]);
    assert!(!caller.is_system_scoped);
    let system = cloud.login("admin", &cloud.password, Some(json!({"system": {"all": true}}))).await.token();
    let caller = cloud.identity.authenticate(&system).await.unwrap();
    assert!(caller.is_system_scoped && caller.project_id.is_none() && caller.has_role("admin"));
    assert_eq!(cloud.identity.identity_uri(), "http://cloud.test:5000/v3");
}

#[tokio::test]
async fn a_token_expires() {
    let cloud = Cloud::start().await;
    assert!(holds(&cloud, &cloud.admin).await);
    cloud.wait(3599);
    assert!(holds(&cloud, &cloud.admin).await);
    cloud.wait(1);
    assert!(!holds(&cloud, &cloud.admin).await);
}

#[tokio::test]
async fn no_changed_token_is_accepted() {
    let cloud = Cloud::start().await;
    let token = cloud.admin.clone();
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(!holds(&cloud, std::str::from_utf8(&changed).unwrap()).await, "at {at}");
    }
    for other in ["", "A", &token[1..], &token[..token.len() - 1], &format!("{token}A"), &"A".repeat(5000)] {
        assert_eq!(cloud.identity.authenticate(other).await, Err(AuthError::Invalid));
    }
    assert!(holds(&cloud, &token).await);
}

#[tokio::test]
async fn another_clouds_token_is_not_accepted() {
    let (one, two) = (Cloud::start().await, Cloud::start().await);
    assert!(!holds(&one, &two.admin).await);
}

#[tokio::test]
async fn a_restored_backup_accepts_no_token_from_before() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let store = Store::open(at("store")).await.unwrap();
    let cloud = Cloud::on(store).await;
    assert!(holds(&cloud, &cloud.admin).await);
    cloud.store.backup(at("backup")).await.unwrap();
    Store::restore(at("backup"), at("restored")).await.unwrap();
    let restored = Store::open(at("restored")).await.unwrap();
    let identity = Identity::new(restored, cloud.identity.config().clone()).unwrap();
    assert_eq!(identity.authenticate(&cloud.admin).await, Err(AuthError::Invalid));
}

#[tokio::test]
async fn servers_on_one_store_accept_each_others_tokens() {
    let cloud = Cloud::start().await;
    let config = IdentityConfig::new("http://other.test:5000", "http://other.test:9696");
    let other = Identity::new(cloud.store.clone(), config).unwrap();
    assert!(other.authenticate(&cloud.admin).await.is_ok());
    cloud.identity.rotate_token_keys().await.unwrap();
    let later = cloud.login("admin", &cloud.password, None).await.token();
    assert!(other.authenticate(&later).await.is_ok());
}

#[tokio::test]
async fn a_rotated_key_is_accepted_until_its_tokens_have_expired() {
    let cloud = Cloud::start().await;
    let ring = async || {
        let snapshot = cloud.store.snapshot();
        let name = "identity/token-keys".to_owned();
        snapshot.get::<hadron_model::identity::Secret>(&name).unwrap().value.value.len()
    };
    let two_keys = ring().await;
    let old = cloud.admin.clone();
    cloud.identity.rotate_token_keys().await.unwrap();
    assert!(holds(&cloud, &old).await);
    let new = cloud.login("admin", &cloud.password, None).await.token();
    cloud.identity.rotate_token_keys().await.unwrap();
    assert!(holds(&cloud, &old).await && holds(&cloud, &new).await);
    let four_keys = ring().await;
    assert!(four_keys > two_keys);
    cloud.wait(2 * 3600);
    cloud.identity.rotate_token_keys().await.unwrap();
    assert!(ring().await < four_keys, "keys whose tokens have all expired are removed");
    assert!(holds(&cloud, &cloud.login("admin", &cloud.password, None).await.token()).await);
}

#[tokio::test]
async fn keys_rotate_by_themselves_when_they_are_old() {
    let cloud = Cloud::start().await;
    let modified = || {
        let name = "identity/token-keys".to_owned();
        cloud.store.snapshot().get::<hadron_model::identity::Secret>(&name).unwrap().modified
    };
    let first = modified();
    cloud.identity.maintain().await.unwrap();
    assert_eq!(modified(), first);
    cloud.wait(7 * 24 * 3600);
    cloud.identity.maintain().await.unwrap();
    let second = modified();
    assert!(second > first);
    cloud.identity.maintain().await.unwrap();
    assert_eq!(modified(), second);
}

#[tokio::test]
async fn replacing_the_keys_ends_all_tokens() {
    let cloud = Cloud::start().await;
    cloud.identity.replace_token_keys().await.unwrap();
    assert!(!holds(&cloud, &cloud.admin).await);
    let token = cloud.login("admin", &cloud.password, None).await.token();
    assert!(holds(&cloud, &token).await);
}

#[tokio::test]
async fn a_revoked_token_ends_alone_and_at_once() {
    let cloud = Cloud::start().await;
    let other = cloud.login("admin", &cloud.password, Some(in_project("admin"))).await.token();
    assert!(holds(&cloud, &other).await);
    cloud.about(Method::DELETE, &cloud.admin, &other).await.expect(204);
    assert!(!holds(&cloud, &other).await);
    assert!(holds(&cloud, &cloud.admin).await);
    cloud.about(Method::DELETE, &cloud.admin, &other).await.expect(404);
    cloud.about(Method::GET, &cloud.admin, &other).await.expect(404);
}

#[tokio::test]
async fn revocations_are_forgotten_when_the_token_would_have_expired() {
    let cloud = Cloud::start().await;
    let records = || cloud.store.snapshot().len::<hadron_model::identity::Secret>();
    let before = records();
    for _ in 0..3 {
        let token = cloud.login("admin", &cloud.password, None).await.token();
        cloud.about(Method::DELETE, &cloud.admin, &token).await.expect(204);
    }
    assert_eq!(records(), before + 3);
    cloud.identity.maintain().await.unwrap();
    assert_eq!(records(), before + 3);
    cloud.wait(3601);
    cloud.identity.maintain().await.unwrap();
    assert_eq!(records(), before);
}

#[tokio::test]
async fn revoking_is_bounded() {
    let cloud = Cloud::start().await;
    let (_, _, token) = cloud.tenant("ann", "member").await;
    let mut refused = 0;
    for _ in 0..210 {
        let login = crate::cloud::token_login(&token, None);
        let subject = cloud.post("/v3/auth/tokens", "", login).await.token();
        let reply = cloud.about(Method::DELETE, &token, &subject).await;
        refused += usize::from(reply.status == 429);
    }
    assert_eq!(refused, 10);
}

#[tokio::test]
async fn what_a_token_rests_on_is_looked_at_every_time() {
    let cloud = Cloud::start().await;
    let (project, user, token) = cloud.tenant("ann", "member").await;
    let role = cloud.id("roles", "member").await;
    let (user_path, project_path) = (format!("/v3/users/{user}"), format!("/v3/projects/{project}"));
    let grant = format!("{project_path}/users/{user}/roles/{role}");

    assert!(holds(&cloud, &token).await);
    cloud.delete(&grant, &cloud.admin).await.expect(204);
    assert!(!holds(&cloud, &token).await, "assignment removed");
    cloud.put(&grant, &cloud.admin).await.expect(204);
    assert!(holds(&cloud, &token).await, "assignment there again");

    let enable = |what: &str, on: bool| json!({what: {"enabled": on}});
    cloud.patch(&project_path, &cloud.admin, enable("project", false)).await.expect(200);
    assert!(!holds(&cloud, &token).await, "project disabled");
    cloud.patch(&project_path, &cloud.admin, enable("project", true)).await.expect(200);
    assert!(holds(&cloud, &token).await, "project enabled again");

    cloud.patch(&project_path, &cloud.admin, json!({"project": {"name": "renamed"}})).await.expect(200);
    let caller = cloud.identity.authenticate(&token).await.unwrap();
    assert_eq!(caller.project_name.as_deref(), Some("renamed"));

    cloud.patch(&user_path, &cloud.admin, enable("user", false)).await.expect(200);
    assert!(!holds(&cloud, &token).await, "user disabled");
    cloud.patch(&user_path, &cloud.admin, enable("user", true)).await.expect(200);
    assert!(!holds(&cloud, &token).await, "a token from before the disabling stays void");
}

#[tokio::test]
async fn a_new_role_is_in_the_old_token() {
    let cloud = Cloud::start().await;
    let (project, user, token) = cloud.tenant("ann", "reader").await;
    assert!(!cloud.identity.authenticate(&token).await.unwrap().has_role("member"));
    cloud.grant(&project, &user, "member").await;
    assert!(cloud.identity.authenticate(&token).await.unwrap().has_role("member"));
}

#[tokio::test]
async fn a_new_password_ends_all_tokens() {
    let cloud = Cloud::start().await;
    let (_, user, token) = cloud.tenant("ann", "member").await;
    let change = json!({"user": {"original_password": "pw-ann", "password": "second"}});
    let path = format!("/v3/users/{user}/password");
    cloud.post(&path, "", change.clone()).await.expect(204);
    assert!(!holds(&cloud, &token).await);
    cloud.post(&path, "", change).await.expect(401);
    cloud.login("ann", "pw-ann", None).await.expect(401);
    let token = cloud.login("ann", "second", Some(in_project("ann"))).await.token();
    assert!(holds(&cloud, &token).await);
    let reset = json!({"user": {"password": "third"}});
    cloud.patch(&format!("/v3/users/{user}"), &cloud.admin, reset).await.expect(200);
    assert!(!holds(&cloud, &token).await, "reset by the administrator");
    cloud.login("ann", "third", None).await.expect(201);
}

#[tokio::test]
async fn deleting_ends_tokens() {
    let cloud = Cloud::start().await;
    let (project, _, ann) = cloud.tenant("ann", "member").await;
    let (_, user, bob) = cloud.tenant("bob", "member").await;
    cloud.delete(&format!("/v3/projects/{project}"), &cloud.admin).await.expect(204);
    cloud.delete(&format!("/v3/users/{user}"), &cloud.admin).await.expect(204);
    assert!(!holds(&cloud, &ann).await && !holds(&cloud, &bob).await);
    cloud.login("ann", "pw-ann", None).await.expect(201);
    cloud.login("bob", "pw-bob", None).await.expect(401);
}

#[tokio::test]
async fn a_token_is_shown_to_its_owner_and_to_services() {
    let cloud = Cloud::start().await;
    let (_, _, ann) = cloud.tenant("ann", "member").await;
    let (_, _, bob) = cloud.tenant("bob", "member").await;
    let (_, _, nova) = cloud.tenant("nova", "service").await;
    for holder in [&ann, &nova, &cloud.admin] {
        let shown = cloud.about(Method::GET, holder, &ann).await;
        assert_eq!(shown.headers["x-subject-token"].to_str().unwrap(), ann);
        assert_eq!(shown.expect(200)["token"]["user"]["name"], "ann");
        assert_eq!(cloud.about(Method::HEAD, holder, &ann).await.status, 200);
    }
    cloud.about(Method::GET, &bob, &ann).await.expect(403);
    cloud.about(Method::DELETE, &bob, &ann).await.expect(403);
    cloud.about(Method::DELETE, &nova, &ann).await.expect(403);
    cloud.about(Method::DELETE, &ann, &ann).await.expect(204);
    assert!(!holds(&cloud, &ann).await);
    cloud.get("/v3/auth/tokens", &cloud.admin).await.expect(404);
}
