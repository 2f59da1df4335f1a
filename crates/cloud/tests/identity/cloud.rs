//! A cloud with its first administrator and a clock turned by hand.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use hadron_cloud::identity::{Clock, Identity, IdentityConfig, bootstrap, router};
use hadron_model::Timestamp;
use hadron_store::Store;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tower::ServiceExt as _;

pub struct Cloud {
    pub store: Store,
    pub identity: Identity,
    pub password: String,
    pub router: Router,
    clock: Arc<AtomicI64>,
    /// A token of the administrator on his project.
    pub admin: String,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    /// The answer's token.
    pub fn token(&self) -> String {
        assert_eq!(self.status, 201, "{}", self.body);
        self.headers["x-subject-token"].to_str().unwrap().to_owned()
    }

    /// The body, if the status is `status`.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

impl Cloud {
    pub async fn start() -> Self {
        Self::on(Store::in_memory().await).await
    }

    /// On an empty store.
    pub async fn on(store: Store) -> Self {
        let password = bootstrap(&store).await.unwrap().expect("a new store").to_string();
        assert!(bootstrap(&store).await.unwrap().is_none(), "only the first start gives a password");
        let clock = Arc::new(AtomicI64::new(Timestamp::now().0));
        let hand = clock.clone();
        let mut config = IdentityConfig::new("http://cloud.test:5000", "http://cloud.test:9696");
        config.clock = Clock::from_fn(move || Timestamp(hand.load(Ordering::Relaxed)));
        let identity = Identity::new(store.clone(), config).unwrap();
        let router = router(identity.clone());
        let mut cloud = Self { store, identity, password, router, clock, admin: String::new() };
        let login = password_login("admin", &cloud.password, Some(in_project("admin")));
        cloud.admin = cloud.post("/v3/auth/tokens", "", login).await.token();
        cloud
    }

    /// Moves the clock.
    pub fn wait(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Reply { status: parts.status, headers: parts.headers, body }
    }

    pub async fn call(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Reply {
        self.send(request(method, path, token, body)).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Reply {
        self.call(Method::GET, path, token, None).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        self.call(Method::POST, path, token, Some(body)).await
    }

    pub async fn put(&self, path: &str, token: &str) -> Reply {
        self.call(Method::PUT, path, token, None).await
    }

    pub async fn patch(&self, path: &str, token: &str, body: Value) -> Reply {
        self.call(Method::PATCH, path, token, Some(body)).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Reply {
        self.call(Method::DELETE, path, token, None).await
    }

    /// Asks about `subject` with `token`.
    pub async fn about(&self, method: Method, token: &str, subject: &str) -> Reply {
        let mut request = request(method, "/v3/auth/tokens", token, None);
        request.headers_mut().insert("x-subject-token", subject.parse().unwrap());
        self.send(request).await
    }

    /// A login with a password, from `address`.
    pub async fn login_from(&self, address: &str, user: &str, password: &str) -> Reply {
        let mut request =
            request(Method::POST, "/v3/auth/tokens", "", Some(password_login(user, password, None)));
        let peer: SocketAddr = address.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        self.send(request).await
    }

    pub async fn login(&self, user: &str, password: &str, scope: Option<Value>) -> Reply {
        self.post("/v3/auth/tokens", "", password_login(user, password, scope)).await
    }

    /// A new token of the administrator, for after the clock has moved.
    pub async fn login_admin(&self) -> String {
        self.login("admin", &self.password, Some(in_project("admin"))).await.token()
    }

    /// The id of the only object of this name.
    pub async fn id(&self, kind: &str, name: &str) -> String {
        self.id_as(&self.admin, kind, name).await
    }

    /// The same with this token.
    pub async fn id_as(&self, token: &str, kind: &str, name: &str) -> String {
        let found = self.get(&format!("/v3/{kind}?name={name}"), token).await.expect(200);
        assert_eq!(found[kind].as_array().unwrap().len(), 1, "{found}");
        found[kind][0]["id"].as_str().unwrap().to_owned()
    }

    pub async fn project(&self, name: &str) -> String {
        let made = self.post("/v3/projects", &self.admin, json!({"project": {"name": name}})).await;
        made.expect(201)["project"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn domain(&self, name: &str) -> String {
        let made = self.post("/v3/domains", &self.admin, json!({"domain": {"name": name}})).await;
        made.expect(201)["domain"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn group(&self, name: &str) -> String {
        let made = self.post("/v3/groups", &self.admin, json!({"group": {"name": name}})).await;
        made.expect(201)["group"]["id"].as_str().unwrap().to_owned()
    }

    /// A user with the password `pw-<name>`.
    pub async fn user(&self, name: &str) -> String {
        let user = json!({"user": {"name": name, "password": format!("pw-{name}")}});
        let made = self.post("/v3/users", &self.admin, user).await;
        made.expect(201)["user"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn grant(&self, project: &str, user: &str, role: &str) {
        let role = self.id("roles", role).await;
        let path = format!("/v3/projects/{project}/users/{user}/roles/{role}");
        self.put(&path, &self.admin).await.expect(204);
    }

    /// A project, a user in it with `role`, and a token of his: `(project, user, token)`.
    pub async fn tenant(&self, name: &str, role: &str) -> (String, String, String) {
        let (project, user) = (self.project(name).await, self.user(name).await);
        self.grant(&project, &user, role).await;
        let token = self.login(name, &format!("pw-{name}"), Some(in_project(name))).await.token();
        (project, user, token)
    }
}

pub fn request(method: Method, path: &str, token: &str, body: Option<Value>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header("X-Auth-Token", token);
    }
    match body {
        None => request.body(Body::empty()),
        Some(body) => request.header("Content-Type", "application/json").body(Body::from(body.to_string())),
    }
    .unwrap()
}

pub fn password_login(user: &str, password: &str, scope: Option<Value>) -> Value {
    let user = json!({"name": user, "domain": {"id": "default"}, "password": password});
    let mut auth = json!({"identity": {"methods": ["password"], "password": {"user": user}}});
    if let Some(scope) = scope {
        auth["scope"] = scope;
    }
    json!({"auth": auth})
}

pub fn token_login(token: &str, scope: Option<Value>) -> Value {
    let mut auth = json!({"identity": {"methods": ["token"], "token": {"id": token}}});
    if let Some(scope) = scope {
        auth["scope"] = scope;
    }
    json!({"auth": auth})
}

pub fn in_project(name: &str) -> Value {
    json!({"project": {"name": name, "domain": {"name": "Default"}}})
}

/// The names of a token's roles, sorted.
pub fn role_names(body: &Value) -> Vec<&str> {
    let roles = body["token"]["roles"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut names: Vec<_> = roles.iter().map(|role| role["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}
