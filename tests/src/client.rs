//! A small client of the two APIs: one connection, kept open, JSON in and out.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, null if there was none.
    pub body: Value,
}

impl Answer {
    /// The body of an answer of status 2xx; anything else is an error that shows the answer.
    pub fn ok(self) -> Result<Value> {
        if !self.status.is_success() {
            bail!("answered {}: {}", self.status, self.body);
        }
        Ok(self.body)
    }
}

/// A connection to one service.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    token: Option<String>,
}

impl Client {
    /// Connects to `address` by TLS, trusting only the authorities in `ca_pem`.
    pub async fn connect(address: SocketAddr, ca_pem: &[u8]) -> Result<Self> {
        let stream =
            tokio::net::TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        let name = ServerName::IpAddress(address.ip().into());
        let stream = TlsConnector::from(tls(ca_pem)?).connect(name, stream).await.context("TLS")?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_string(), token: None })
    }

    /// Sends `token` with every request from now on.
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// One request and its answer.
    pub async fn request(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let bytes = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let (status, headers, bytes) = self.send(method, path, bytes.into()).await?;
        let body =
            if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).context("body")? };
        Ok(Answer { status, headers, body })
    }

    /// One request with a body that is ready, and its answer as bytes.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, HeaderMap, Bytes)> {
        let mut request = Request::builder().method(method).uri(path).header("Host", &self.host);
        if !body.is_empty() {
            request = request.header("Content-Type", "application/json");
        }
        if let Some(token) = &self.token {
            request = request.header("X-Auth-Token", token);
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::new(body))?).await?;
        let (parts, body) = answer.into_parts();
        Ok((parts.status, parts.headers, body.collect().await?.to_bytes()))
    }

    /// `GET`, which must succeed.
    pub async fn get(&mut self, path: &str) -> Result<Value> {
        self.request(Method::GET, path, None).await?.ok().with_context(|| format!("GET {path}"))
    }

    /// `POST`, which must succeed.
    pub async fn post(&mut self, path: &str, body: Value) -> Result<Value> {
        self.request(Method::POST, path, Some(&body)).await?.ok().with_context(|| format!("POST {path}"))
    }

    /// `PUT`, which must succeed.
    pub async fn put(&mut self, path: &str, body: Value) -> Result<Value> {
        self.request(Method::PUT, path, Some(&body)).await?.ok().with_context(|| format!("PUT {path}"))
    }

    /// `DELETE`, which must succeed.
    pub async fn delete(&mut self, path: &str) -> Result<()> {
        self.request(Method::DELETE, path, None)
            .await?
            .ok()
            .with_context(|| format!("DELETE {path}"))
            .map(drop)
    }
}

/// A token for `user` of the default domain, scoped to `project`.
pub async fn token(identity: &mut Client, user: &str, password: &str, project: &str) -> Result<String> {
    let body = json!({"auth": {
        "identity": {"methods": ["password"],
                     "password": {"user": {"name": user, "domain": {"id": "default"}, "password": password}}},
        "scope": {"project": {"name": project, "domain": {"id": "default"}}}}});
    let answer = identity.request(Method::POST, "/v3/auth/tokens", Some(&body)).await?;
    let token = answer.headers.get("X-Subject-Token").cloned();
    answer.ok().context("POST /v3/auth/tokens")?;
    Ok(token.context("an answer without X-Subject-Token")?.to_str()?.to_owned())
}

fn tls(ca_pem: &[u8]) -> Result<Arc<rustls::ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
