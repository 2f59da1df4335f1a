//! The API on a store in memory, called without a network.

#![allow(dead_code, missing_docs)]

#[path = "../../../../control/tests/control/support/consistency.rs"]
pub mod consistency;
pub mod recipes;
pub mod recorded;
pub mod sequence;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use hadron_api::policy::{LivePolicy, PolicyConfig};
use hadron_api::{ApiConfig, ApiState, AuthError, Authenticate, Authentication, Caller, router};
use hadron_store::Store;
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;

pub const ADMIN: &str = "admin";
pub const MEMBER: &str = "member";
pub const READER: &str = "reader";
/// A member of another project.
pub const OTHER: &str = "other";
pub const SERVICE: &str = "service";

pub const PROJECT: &str = "11111111111111111111111111111111";
pub const OTHER_PROJECT: &str = "22222222222222222222222222222222";
pub const ADMIN_PROJECT: &str = "33333333333333333333333333333333";
pub const FRESH_PROJECT: &str = "55555555555555555555555555555555";

pub const NOBODY: &str = "11111111-2222-3333-4444-555555555555";

/// Tokens whose text says who has them.
pub struct Tokens;

impl Authenticate for Tokens {
    fn authenticate<'a>(&'a self, token: &'a str) -> Authentication<'a> {
        let (project, roles): (_, &[&str]) = match token {
            ADMIN => (Some(ADMIN_PROJECT), &["admin", "manager", "member", "reader"]),
            MEMBER => (Some(PROJECT), &["member", "reader"]),
            READER => (Some(PROJECT), &["reader"]),
            OTHER => (Some(OTHER_PROJECT), &["member", "reader"]),
            SERVICE => (Some(ADMIN_PROJECT), &["service"]),
            "manager" => (Some(PROJECT), &["manager", "member", "reader"]),
            // A member of a project that nobody has used.
            "fresh" => (Some(FRESH_PROJECT), &["member", "reader"]),
            "unscoped" => (None, &[]),
            // Of a project, with a role that no default knows.
            "bare" => (Some(PROJECT), &["other"]),
            "barefoot" => (Some(OTHER_PROJECT), &["other"]),
            "unavailable" => {
                let reason = "the identity service is away".to_owned();
                return Box::pin(std::future::ready(Err(AuthError::Unavailable { reason })));
            }
            // A member of any project.
            other => match other.strip_prefix("p:") {
                Some(project) => (Some(project), &["member", "reader"]),
                None => return Box::pin(std::future::ready(Err(AuthError::Invalid))),
            },
        };
        let caller = Caller {
            user_id: format!("user-{token}"),
            project_id: project.map(str::to_owned),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            ..Caller::default()
        };
        Box::pin(std::future::ready(Ok(Arc::new(caller))))
    }

    fn identity_uri(&self) -> &str {
        "http://identity.example:5000/v3"
    }
}

pub struct Cloud {
    pub router: Router,
    pub store: Store,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Answer {
    /// The status and the type of the error.
    pub fn error(&self) -> (u16, &str) {
        (self.status, self.body["NeutronError"]["type"].as_str().unwrap_or("none"))
    }

    /// The object or the list in the body, which must be of this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        match self.body {
            Value::Object(members) => members.into_iter().next().map_or(Value::Null, |(_, value)| value),
            other => other,
        }
    }
}

impl Cloud {
    pub async fn new() -> Self {
        Self::with(ApiConfig::default()).await
    }

    pub async fn with(config: ApiConfig) -> Self {
        Self::on(Store::in_memory().await, config)
    }

    pub fn on(store: Store, config: ApiConfig) -> Self {
        let router = router(ApiState::new(store.clone(), Arc::new(Tokens), config));
        Self { router, store }
    }

    /// With what an operator says of the policy.
    pub async fn with_policy(policy: PolicyConfig) -> Self {
        let store = Store::in_memory().await;
        let policy = Arc::new(LivePolicy::open(policy).unwrap());
        let state = ApiState::with_policy(store.clone(), Arc::new(Tokens), ApiConfig::default(), policy);
        Self { router: router(state), store }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, body, text }
    }

    pub async fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_with(token, method, path, body, &[]).await
    }

    pub async fn call_with(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = Request::builder().method(method).uri(path).header("X-Auth-Token", token);
        request = request.header("Host", "127.0.0.1:9696");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body).unwrap()).await
    }

    pub async fn raw(&self, token: &str, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder().method(method).uri(path).header("X-Auth-Token", token);
        self.send(request.body(body.into()).unwrap()).await
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.call(token, "GET", path, None).await
    }

    /// Creates a log, which must succeed.
    pub async fn log(&self, token: &str, log: Value) -> Value {
        let mut log = log;
        log["resource_type"] = "security_group".into();
        let body = serde_json::json!({ "log": log });
        self.call(token, "POST", "/v2.0/log/logs", Some(body)).await.expect(201)
    }

    /// Creates an object, which must succeed.
    pub async fn create(&self, token: &str, collection: &str, object: Value) -> Value {
        let body = serde_json::json!({ member(collection): object });
        self.call(token, "POST", &format!("/v2.0/{collection}"), Some(body)).await.expect(201)
    }

    /// Tries to create an object.
    pub async fn try_create(&self, token: &str, collection: &str, object: Value) -> Answer {
        let body = serde_json::json!({ member(collection): object });
        self.call(token, "POST", &format!("/v2.0/{collection}"), Some(body)).await
    }

    /// Tries to change an object.
    pub async fn update(&self, token: &str, collection: &str, id: &str, object: Value) -> Answer {
        let body = serde_json::json!({ member(collection): object });
        self.call(token, "PUT", &format!("/v2.0/{collection}/{id}"), Some(body)).await
    }

    pub async fn delete(&self, token: &str, collection: &str, id: &str) -> Answer {
        self.call(token, "DELETE", &format!("/v2.0/{collection}/{id}"), None).await
    }
}

/// The name for one of a collection, as in bodies.
fn member(collection: &str) -> String {
    let one = match collection.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => collection.strip_suffix('s').unwrap().to_owned(),
    };
    one.replace('-', "_")
}

/// The id of an object.
pub fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

/// The values of a member of each object of a list.
pub fn all<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|object| object[member].as_str().unwrap()).collect()
}
