//! Metadata that Nova has: a request goes there with who asks, signed, and nothing else of what the instance has sent but method, path
//! and body.

use crate::error::Error;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use ring::hmac;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Largest answer, octets.
const MOST: usize = 1 << 20;
/// Requests under way at once.
const AT_ONCE: usize = 64;
/// How long nobody asks a Nova that hasn't answered.
const PAUSE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(30);

/// How Nova's metadata service is reached.
#[derive(Clone)]
pub struct NovaConfig {
    /// Its address, as `http://controller:8775`.
    pub url: String,
    /// `metadata_proxy_shared_secret` of both.
    pub secret: String,
    /// Authorities of its certificate in PEM; by default those of the system.
    pub ca_file: Option<PathBuf>,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl std::fmt::Debug for NovaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NovaConfig").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The port's `device_id`.
    pub device: &'a str,
    /// The port's project.
    pub project: &'a str,
    /// The instance's address.
    pub address: IpAddr,
}

/// Why there is no answer of Nova's.
#[derive(Debug, thiserror::Error)]
pub enum NovaError {
    /// It has not answered a moment ago, or too many requests wait for it.
    #[error("Nova is not asked now: it has not answered, or too many wait for it")]
    Busy,
    /// No answer in time.
    #[error("Nova does not answer in time")]
    Slow,
    /// No connection, or one that broke.
    #[error("Nova can't be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Connections to Nova's metadata service.
pub struct Nova {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    key: hmac::Key,
    timeout: Duration,
    room: Semaphore,
    failed: Mutex<Option<Instant>>,
}

impl Nova {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Nova`]
    pub fn new(config: &NovaConfig) -> Result<Self, Error> {
        let fault = |what: &str| Error::Nova(what.to_owned());
        let url: Uri = config.url.parse().map_err(|_| fault("its address is no URL"))?;
        let scheme = url.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
        let scheme = scheme.ok_or_else(|| fault("its address begins with neither http:// nor https://"))?;
        let authority = url.authority().ok_or_else(|| fault("its address has no host"))?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.timeout));
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls(config, scheme == "https")?);
        let connector = tls.https_or_http().enable_http1().wrap_connector(connector);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Nova {
            http,
            base: format!("{scheme}://{authority}{}", url.path().trim_end_matches('/')),
            key: hmac::Key::new(hmac::HMAC_SHA256, config.secret.as_bytes()),
            timeout: config.timeout,
            room: Semaphore::new(AT_ONCE),
            failed: Mutex::new(None),
        })
    }

    /// Asks for a path with its query.
    ///
    /// # Errors
    /// [`NovaError`]; the instance is told that the service is not available.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        asker: Asker<'_>,
    ) -> Result<Response<Full<Bytes>>, NovaError> {
        if self.failed().is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(NovaError::Busy);
        }
        let _room = self.room.try_acquire().map_err(|_| NovaError::Busy)?;
        let request = self.request(method, path, body, asker)?;
        let answer = match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(NovaError::Slow),
        };
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = answer.is_err().then(Instant::now);
        answer
    }

    fn failed(&self) -> Option<Instant> {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        asker: Asker<'_>,
    ) -> Result<Request<Full<Bytes>>, NovaError> {
        let signature = hmac::sign(&self.key, asker.device.as_bytes());
        let signature: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("X-Forwarded-For", asker.address.to_string())
            .header("X-Instance-ID", asker.device)
            .header("X-Tenant-ID", asker.project)
            .header("X-Instance-ID-Signature", signature)
            .body(Full::new(body))
            .map_err(|error| NovaError::Unreachable(error.into()))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, NovaError> {
        let answer =
            self.http.request(request).await.map_err(|error| NovaError::Unreachable(error.into()))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, MOST).collect().await.map_err(NovaError::Unreachable)?.to_bytes();
        let status = match parts.status.as_u16() {
            200 | 400 | 403 | 404 | 409 | 500 | 502 | 503 | 504 => parts.status,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let plain = HeaderValue::from_static("text/plain; charset=UTF-8");
        let media = parts.headers.get(CONTENT_TYPE).cloned().unwrap_or(plain);
        response.headers_mut().insert(CONTENT_TYPE, media);
        Ok(response)
    }
}

impl std::fmt::Debug for Nova {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nova").field("base", &self.base).finish_non_exhaustive()
    }
}

fn tls(config: &NovaConfig, is_needed: bool) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    match &config.ca_file {
        Some(path) => {
            let failed = |error: String| Error::Nova(format!("{}: {error}", path.display()));
            let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            for certificate in CertificateDer::pem_slice_iter(&text) {
                let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                roots.add(certificate).map_err(|error| failed(error.to_string()))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if roots.is_empty() && is_needed {
        return Err(Error::Nova("there is no authority to trust; name a file with one".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Nova(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
