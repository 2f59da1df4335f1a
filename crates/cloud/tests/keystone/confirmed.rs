//! What the real Keystone says.

use crate::hostile::Test;
use crate::real::{LIFETIME, SERVICE_PASSWORD, Server};
use hadron_api::{AuthError, Authenticate};
use hadron_cloud::keystone::{Keystone, KeystoneConfig, KeystoneError};
use nix::sys::signal::Signal;
use serde_json::json;
use std::time::{Duration, Instant};

pub const TESTS: &[(&str, Test)] = &[
    ("tokens_of_every_scope_are_read", || Box::pin(scopes())),
    ("what_is_taken_away_ends", || Box::pin(taken_away())),
    ("a_token_ends_in_time_and_a_service_may_finish", || Box::pin(expiry())),
    ("a_stopped_keystone_lets_nobody_new_in", || Box::pin(stopped())),
];

impl Server {
    fn config(&self) -> KeystoneConfig {
        KeystoneConfig {
            // Long, for a busy machine: whatever waits for it to pass sets its own.
            timeout: Duration::from_secs(60),
            ..KeystoneConfig::new(&format!("http://127.0.0.1:{}", self.ports[0]), SERVICE_PASSWORD)
        }
    }

    /// A client that asks about every token on every request.
    fn asked_always(&self) -> Keystone {
        Keystone::new(KeystoneConfig { cache_time: Duration::ZERO, ..self.config() }).unwrap()
    }
}

const INVALID: AuthError = AuthError::Invalid;

async fn scopes() {
    let mut server = Server::start();
    let keystone = server.asked_always();
    keystone.probe().await.unwrap();
    let admin = keystone.authenticate(&server.admin).await.unwrap();
    assert_eq!(admin.project_id.as_deref(), Some(server.project.as_str()));
    assert_eq!((admin.user_name.as_str(), admin.user_domain_id.as_str()), ("admin", "default"));
    for role in ["admin", "manager", "member", "reader"] {
        assert!(admin.has_role(role), "{role}");
    }
    let project = server.make("project", json!({"name": "demo"}));
    server.user("alice", "secret of alice", &project, "member");
    let alice = keystone.authenticate(&server.token("alice", "secret of alice", &project)).await.unwrap();
    assert!(alice.has_role("member") && alice.has_role("reader") && !alice.has_role("manager"));
    assert_eq!(alice.project_name.as_deref(), Some("demo"));

    let system =
        server.log_in("admin", "secret of the first administrator", json!({"system": {"all": true}})).token;
    let system = keystone.authenticate(&system).await.unwrap();
    assert!(system.is_system_scoped && system.project_id.is_none() && system.has_role("admin"));
    let unscoped = server.log_in("alice", "secret of alice", json!("unscoped")).token;
    let unscoped = keystone.authenticate(&unscoped).await.unwrap();
    assert!(unscoped.project_id.is_none() && unscoped.roles.is_empty() && !unscoped.is_system_scoped);
    server.renew_admin();
    let admin_user = &keystone.authenticate(&server.admin).await.unwrap().user_id;
    let grant = format!("/v3/domains/default/users/{admin_user}/roles/{}", server.role("admin"));
    assert_eq!(server.admin_call("PUT", &grant, None).status, 204);
    let domain = server
        .log_in("admin", "secret of the first administrator", json!({"domain": {"id": "default"}}))
        .token;
    let domain = keystone.authenticate(&domain).await.unwrap();
    assert_eq!((domain.domain_id.as_deref(), domain.project_id.as_deref()), (Some("default"), None));

    limited(&server, &keystone, &project).await;
    for wrong in ["", "no token", "gAAAAABrAW-gqbAh_ZkwxmzmHEvV508kBfdy"] {
        assert_eq!(keystone.authenticate(wrong).await, Err(INVALID), "{wrong}");
    }
}

/// An application credential with access rules.
async fn limited(server: &Server, keystone: &Keystone, project: &str) {
    let token = server.token("alice", "secret of alice", project);
    let user = &keystone.authenticate(&token).await.unwrap().user_id;
    let rules = json!([{"service": "network", "method": "GET", "path": "/v2.0/ports/*"}]);
    let credential = json!({"application_credential": {"name": "few", "secret": "s", "access_rules": rules}});
    let path = format!("/v3/users/{user}/application_credentials");
    let made = server.call("POST", &path, Some(&token), &[], Some(credential));
    assert_eq!(made.status, 201, "{}", made.body);
    let identity = json!({"methods": ["application_credential"], "application_credential": {
        "id": made.body["application_credential"]["id"], "secret": "s",
    }});
    let limited =
        server.call("POST", "/v3/auth/tokens", None, &[], Some(json!({"auth": {"identity": identity}})));
    let caller = keystone.authenticate(&limited.token).await.unwrap();
    let rules = caller.access_rules.as_ref().unwrap();
    assert!(rules.iter().any(|rule| rule.allows("GET", "/v2.0/ports/x")));
    assert!(
        !rules.iter().any(|rule| rule.allows("DELETE", "/v2.0/ports/x") || rule.allows("GET", "/v2.0/ports"))
    );
}

async fn taken_away() {
    let mut server = Server::start();
    let project = server.make("project", json!({"name": "demo"}));
    let user = server.user("alice", "secret of alice", &project, "member");
    let always = server.asked_always();
    let caching = Keystone::new(server.config()).unwrap();
    let token = || server.token("alice", "secret of alice", &project);

    let revoked = token();
    assert!(always.authenticate(&revoked).await.is_ok() && caching.authenticate(&revoked).await.is_ok());
    server.revoke(&revoked);
    assert_eq!(always.authenticate(&revoked).await, Err(INVALID));
    assert!(caching.authenticate(&revoked).await.is_ok(), "known for as long as it is remembered");
    let forgetful = KeystoneConfig { cache_time: Duration::from_millis(1), ..server.config() };
    let forgetful = Keystone::new(forgetful).unwrap();
    assert_eq!(forgetful.authenticate(&revoked).await, Err(INVALID));

    // The service user's own token, after which it logs in again.
    server.renew_admin();
    let neutron = &always.authenticate(&server.admin).await.unwrap().user_id;
    assert!(!neutron.is_empty());
    let service = server.admin_call("GET", "/v3/users?name=neutron", None).body["users"][0]["id"].clone();
    let path = format!("/v3/users/{}", service.as_str().unwrap());
    let change = json!({"user": {"enabled": false}});
    assert_eq!(server.admin_call("PATCH", &path, Some(change)).status, 200);
    let refused = always.authenticate(&server.admin).await;
    assert!(
        matches!(&refused, Err(AuthError::Unavailable { reason }) if reason.contains("name or password")),
        "{refused:?}"
    );
    let change = json!({"user": {"enabled": true}});
    assert_eq!(server.admin_call("PATCH", &path, Some(change)).status, 200);
    // Keystone tells tokens from what ended earlier ones by whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let always = server.asked_always();
    let welcome = always.authenticate(&server.admin).await;
    assert!(welcome.is_ok(), "{welcome:?}");

    // Another password than the user has; a user who may not validate.
    let wrong = KeystoneConfig::new(&format!("http://127.0.0.1:{}/v3", server.ports[0]), "wrong");
    assert!(matches!(Keystone::new(wrong).unwrap().probe().await, Err(KeystoneError::Credentials)));
    let powerless = KeystoneConfig {
        user: "alice".to_owned(),
        project: "demo".to_owned(),
        ..KeystoneConfig::new(&format!("http://127.0.0.1:{}/v3", server.ports[0]), "secret of alice")
    };
    let answer = Keystone::new(powerless).unwrap().authenticate(&server.admin).await;
    assert!(
        matches!(&answer, Err(AuthError::Unavailable { reason }) if reason.contains("may not validate")),
        "{answer:?}"
    );

    // A role, then the project.
    server.renew_admin();
    let token = server.token("alice", "secret of alice", &project);
    let role = format!("/v3/projects/{project}/users/{user}/roles/{}", server.role("member"));
    assert_eq!(server.admin_call("DELETE", &role, None).status, 204);
    assert_eq!(always.authenticate(&token).await, Err(INVALID));
    assert_eq!(server.admin_call("PUT", &role, None).status, 204);
    let token = server.token("alice", "secret of alice", &project);
    assert!(always.authenticate(&token).await.is_ok());
    let disabled = json!({"project": {"enabled": false}});
    assert_eq!(server.admin_call("PATCH", &format!("/v3/projects/{project}"), Some(disabled)).status, 200);
    assert_eq!(always.authenticate(&token).await, Err(INVALID));
}

async fn expiry() {
    let mut server = Server::start();
    let project = server.make("project", json!({"name": "demo"}));
    server.user("alice", "secret of alice", &project, "member");
    let keystone = Keystone::new(server.config()).unwrap();
    let token = server.token("alice", "secret of alice", &project);
    let made = Instant::now();
    assert!(keystone.authenticate(&token).await.is_ok());
    // Its whole life and a little, by Keystone's clock, which is ours.
    tokio::time::sleep(Duration::from_secs(LIFETIME + 1).saturating_sub(made.elapsed())).await;
    assert_eq!(keystone.authenticate(&token).await, Err(INVALID), "remembered, and over");
    let fresh = Keystone::new(server.config()).unwrap();
    assert_eq!(fresh.authenticate(&token).await, Err(INVALID), "unknown, and over");
    for keystone in [&keystone, &fresh] {
        assert_eq!(keystone.authenticate_even_expired(&token).await.unwrap().project(), project);
        assert_eq!(keystone.authenticate(&token).await, Err(INVALID));
    }
    // The service user's token has ended as well, and was renewed.
    let service = service_project(&mut server);
    let token = server.token("neutron", SERVICE_PASSWORD, &service);
    assert!(keystone.authenticate(&token).await.unwrap().has_role("service"));
}

fn service_project(server: &mut Server) -> String {
    server.renew_admin();
    let projects = server.admin_call("GET", "/v3/projects?name=service", None);
    projects.body["projects"][0]["id"].as_str().unwrap().to_owned()
}

async fn stopped() {
    let mut server = Server::start();
    let config = KeystoneConfig { timeout: Duration::from_secs(2), ..server.config() };
    let patient = Keystone::new(server.config()).unwrap();
    let token = server.admin.clone();
    assert!(patient.authenticate(&token).await.is_ok());
    let keystone = Keystone::new(config).unwrap();
    server.signal(Signal::SIGSTOP);
    let paused = keystone.authenticate(&token).await;
    assert!(
        matches!(&paused, Err(AuthError::Unavailable { reason }) if reason.contains("in time")),
        "{paused:?}"
    );
    assert!(patient.authenticate(&token).await.is_ok(), "remembered");
    server.signal(Signal::SIGCONT);
    server.renew_admin();
    let token = server.admin.clone();
    assert!(patient.authenticate(&token).await.is_ok(), "it goes on by itself");
    server.stop();
    let gone = patient.authenticate("another").await;
    assert!(
        matches!(&gone, Err(AuthError::Unavailable { reason }) if reason.contains("can't be reached")),
        "{gone:?}"
    );
}
