//! Requests to Keystone.

use super::{KeystoneConfig, KeystoneError, answer};
use arc_swap::ArcSwapOption;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use hadron_model::Timestamp;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Largest answer, in octets.
const MOST: usize = 1024 * 1024;
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(30);

type Http = legacy::Client<HttpsConnector<HttpConnector>, Full<bytes::Bytes>>;

/// Connections to one Keystone.
pub(super) struct Client {
    http: Http,
    /// Scheme and authority that the operator names; an answer never leads elsewhere.
    origin: String,
    /// The path that the operator names.
    path: String,
    /// The path of version 3, once it is known.
    version: ArcSwapOption<String>,
}

/// An answer.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: bytes::Bytes,
}

impl Client {
    pub(super) fn new(config: &KeystoneConfig) -> Result<Self, KeystoneError> {
        let fault = || KeystoneError::Url { url: config.url.clone() };
        let url: Uri = config.url.parse().map_err(|_| fault())?;
        let scheme =
            url.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https")).ok_or_else(fault)?;
        let authority =
            url.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(fault)?;
        if url.query().is_some() {
            return Err(fault());
        }
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.timeout));
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls(config, scheme == "https")?);
        let connector = match scheme {
            "https" => tls.https_only().enable_http1().wrap_connector(connector),
            _ => tls.https_or_http().enable_http1().wrap_connector(connector),
        };
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self {
            http,
            origin: format!("{scheme}://{authority}"),
            path: url.path().trim_end_matches('/').to_owned(),
            version: ArcSwapOption::empty(),
        })
    }

    /// A token for the service user, and when it ends.
    pub(super) async fn log_in(&self, config: &KeystoneConfig) -> Result<(String, Timestamp), KeystoneError> {
        const WHAT: &str = "the network service's login";
        let path = format!("{}/auth/tokens?nocatalog", self.version().await?);
        let body = login(config).to_string();
        let reply = self.send(Method::POST, &path, HeaderMap::new(), body.into()).await?;
        match reply.status {
            201 => {}
            401 => return Err(KeystoneError::Credentials),
            status => return Err(KeystoneError::Status { status, what: WHAT }),
        }
        let read = || {
            let token = reply.headers.get("x-subject-token")?.to_str().ok()?;
            let body: Value = serde_json::from_slice(&reply.body).ok()?;
            let expires_at = answer::time(body["token"]["expires_at"].as_str()?)?;
            (!token.is_empty()).then(|| (token.to_owned(), expires_at))
        };
        read().ok_or(KeystoneError::Garbage { what: WHAT })
    }

    /// Asks about a token; `None` if it can't be one.
    pub(super) async fn validate(
        &self,
        service: &str,
        token: &str,
        allow_expired: bool,
    ) -> Result<Option<Reply>, KeystoneError> {
        let Some(subject) = secret(token) else { return Ok(None) };
        let service =
            secret(service).ok_or(KeystoneError::Garbage { what: "the network service's login" })?;
        let mut headers = HeaderMap::new();
        headers.insert("x-auth-token", service);
        headers.insert("x-subject-token", subject);
        // Without it, Keystone hides tokens that are limited by access rules.
        headers.insert("openstack-identity-access-rules", HeaderValue::from_static("1"));
        let expired = if allow_expired { "&allow_expired=1" } else { "" };
        let path = format!("{}/auth/tokens?nocatalog{expired}", self.version().await?);
        self.send(Method::GET, &path, headers, bytes::Bytes::new()).await.map(Some)
    }

    /// The path of version 3: what the operator names, or where the versions' list says that it is.
    async fn version(&self) -> Result<Arc<String>, KeystoneError> {
        if let Some(version) = self.version.load_full() {
            return Ok(version);
        }
        let version = match self.path.ends_with("/v3") {
            true => self.path.clone(),
            false => self.discover().await?,
        };
        let version = Arc::new(version);
        self.version.store(Some(version.clone()));
        Ok(version)
    }

    async fn discover(&self) -> Result<String, KeystoneError> {
        const WHAT: &str = "the question about its versions";
        let reply =
            self.send(Method::GET, &format!("{}/", self.path), HeaderMap::new(), bytes::Bytes::new()).await?;
        if !matches!(reply.status, 200 | 300) {
            return Err(KeystoneError::Status { status: reply.status, what: WHAT });
        }
        let body: Value =
            serde_json::from_slice(&reply.body).map_err(|_| KeystoneError::Garbage { what: WHAT })?;
        let versions = body["versions"]["values"].as_array().ok_or(KeystoneError::Garbage { what: WHAT })?;
        let is_ours = |version: &&Value| {
            let id = version["id"].as_str().unwrap_or_default();
            id == "v3" || id.starts_with("v3.")
        };
        let links = versions.iter().find(is_ours).ok_or(KeystoneError::NoVersion)?["links"].as_array();
        let href = links
            .into_iter()
            .flatten()
            .find(|link| link["rel"] == "self")
            .and_then(|link| link["href"].as_str());
        let uri: Uri =
            href.and_then(|href| href.parse().ok()).ok_or(KeystoneError::Garbage { what: WHAT })?;
        Ok(uri.path().trim_end_matches('/').to_owned())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: bytes::Bytes,
    ) -> Result<Reply, KeystoneError> {
        let unreachable = |error: Box<dyn std::error::Error + Send + Sync>| KeystoneError::Unreachable(error);
        let uri = format!("{}{path}", self.origin);
        let request = Request::builder().method(method).uri(uri).body(Full::new(body));
        let mut request = request.map_err(|error| unreachable(error.into()))?;
        request.headers_mut().extend(headers);
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("hadron"));
        let response = self.http.request(request).await.map_err(|error| unreachable(error.into()))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MOST).collect().await.map_err(unreachable)?.to_bytes();
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

/// A token as a header that is not shown in logs.
fn secret(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(token).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn login(config: &KeystoneConfig) -> Value {
    json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": config.user,
            "domain": {"name": config.user_domain},
            "password": config.password.0,
        }}},
        "scope": {"project": {"name": config.project, "domain": {"name": config.project_domain}}},
    }})
}

fn tls(config: &KeystoneConfig, is_needed: bool) -> Result<ClientConfig, KeystoneError> {
    let mut roots = RootCertStore::empty();
    match &config.ca_file {
        Some(path) => {
            for authority in authorities(path)? {
                roots.add(authority)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() && is_needed {
        return Err(KeystoneError::NoAuthority);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, KeystoneError> {
    let fault = |source| KeystoneError::Authorities { path: path.to_owned(), source };
    let text = std::fs::read(path).map_err(fault)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(fault(std::io::Error::other("there is no certificate in it"))),
        Err(error) => Err(fault(std::io::Error::other(error.to_string()))),
    }
}
