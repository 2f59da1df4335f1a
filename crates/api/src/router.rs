//! From an HTTP request to its answer.
//!
//! ```text
//! request ─▶ limits ─▶ path ─▶ token ─▶ Accept ─▶ body ─▶ resource ─▶ answer with request id
//! ```

use crate::admission::{Admission, Crowded};
use crate::audit::Watched;
use crate::bodies::{Bodies, Room};
use crate::error::json_response;
use crate::json::Writer;
use crate::path::Path;
use crate::query::Query;
use crate::request::Call;
use crate::resource::{self, Endpoint};
use crate::state::ApiState;
use crate::{ApiError, AuthError, Caller, auth, extension, openapi, version};
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const SERVICE_TOKEN: HeaderName = HeaderName::from_static("x-service-token");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What the handler holds.
struct Api {
    current: ArcSwap<Current>,
}

/// What requests are answered with until the policy changes.
struct Current {
    state: ApiState,
    endpoints: Vec<Box<dyn Endpoint>>,
    admission: Arc<Admission>,
    bodies: Arc<Bodies>,
}

impl Current {
    fn new(state: ApiState, admission: Arc<Admission>, bodies: Arc<Bodies>) -> Self {
        Self { endpoints: resource::all(&state.policy), state, admission, bodies }
    }
}

impl Api {
    /// What a request is answered with, from its beginning to its end.
    fn current(&self) -> Arc<Current> {
        let current = self.current.load_full();
        let policy = current.state.live_policy.current();
        if Arc::ptr_eq(&policy, &current.state.policy) {
            return current;
        }
        let state = ApiState { policy, ..current.state.clone() };
        let current = Arc::new(Current::new(state, current.admission.clone(), current.bodies.clone()));
        self.current.store(current.clone());
        current
    }
}

/// The Networking API v2.0.
pub fn router(state: ApiState) -> Router {
    let admission = Arc::new(Admission::new(state.config.shares));
    let bodies = Arc::new(Bodies::new(state.config.bodies));
    let api = Api { current: ArcSwap::from_pointee(Current::new(state, admission, bodies)) };
    Router::new().fallback(handle).with_state(Arc::new(api))
}

async fn handle(State(api): State<Arc<Api>>, request: Request<Body>) -> Response<Body> {
    let api = api.current();
    let path = Path::parse(request.uri().path());
    if path.is_open() {
        return open(&api, &path, &request).unwrap_or_else(ApiError::into_response);
    }
    let request_id = format!("req-{}", uuid::Uuid::new_v4());
    if let Some(from) = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok()) {
        tracing::debug!(request_id, from, "a request of another service's request");
    }
    let mut watched = Watched::begin(&api.state.observers, &request, &request_id);
    let caller = watched.as_mut().map(|watched| &mut watched.asked.caller);
    // A fault in one request must not take the others of its connection with it.
    let answer =
        AssertUnwindSafe(answer(&api, path, request, request_id.clone(), caller)).catch_unwind().await;
    let mut response = match answer {
        Ok(answer) => answer.unwrap_or_else(ApiError::into_response),
        Err(_) => {
            tracing::error!(request_id, "a request ended in a panic");
            ApiError::internal().into_response()
        }
    };
    if let Some(watched) = &mut watched {
        watched.asked.status = Some(response.status().as_u16());
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// What is answered without a token.
fn open(api: &Current, path: &Path, request: &Request<Body>) -> Result<Response<Body>, ApiError> {
    match path {
        Path::Unknown => Err(ApiError::not_found()),
        _ if request.method() != Method::GET => Err(ApiError::method_not_allowed()),
        Path::Description => Ok(openapi::answer()),
        Path::Health => Ok(version::health(&api.state.store.state())),
        _ => Ok(version::versions(&base(api, request))),
    }
}

async fn answer(
    api: &Current,
    path: Path,
    request: Request<Body>,
    request_id: String,
    told: Option<&mut Option<Arc<Caller>>>,
) -> Result<Response<Body>, ApiError> {
    let config = &api.state.config;
    let url = request.uri().path_and_query().map_or(0, |url| url.as_str().len());
    if url > config.max_url {
        let message =
            format!("the address has {url} octets, more than the {} that are taken", config.max_url);
        return Err(ApiError::new(StatusCode::URI_TOO_LONG, "HTTPRequestURITooLong", message));
    }
    let headers = request.headers();
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let presented = auth::Presented {
        token: text(&AUTH_TOKEN),
        service_token: text(&SERVICE_TOKEN),
        method: request.method().as_str(),
        path: request.uri().path(),
    };
    // A token that another server has issued or revoked is judged by what that one has acknowledged.
    api.state.view().await;
    let caller = match auth::caller(&*api.state.auth, presented).await {
        Ok(caller) => caller,
        Err(error) => return Ok(unauthenticated(api, &error)),
    };
    if let Some(told) = told {
        *told = Some(caller.clone());
    }
    if !accepts_json(request.headers()) {
        return Err(ApiError::not_acceptable());
    }
    let base = base(api, &request);
    let (parts, body) = request.into_parts();
    match path {
        Path::Version if parts.method == Method::GET => {
            let tops = api.endpoints.iter().filter(|endpoint| endpoint.below().is_none());
            let names = tops.map(|endpoint| (endpoint.member(), endpoint.collection()));
            Ok(version::resources(&base, names))
        }
        Path::Version => Err(ApiError::method_not_allowed()),
        Path::Extensions(alias) => extension::answer(&parts.method, alias.as_deref()),
        Path::Resource(name, id, below) => {
            let endpoint = endpoint(&api.endpoints, &name, below.first().map(String::as_str));
            let endpoint = endpoint.ok_or_else(ApiError::not_found)?;
            let mut room = api.bodies.open(caller.project());
            let call = Call {
                query: Query::parse(parts.uri.query().unwrap_or_default())?,
                body: read(api, &parts.headers, body, &mut room).await?,
                address: format!("{base}{}", parts.uri.path()),
                method: parts.method,
                headers: parts.headers,
                id,
                parent: None,
                below,
                caller,
                request_id,
            };
            // Not before the whole request is here: a slow client takes nobody's place.
            let place = api.admission.enter(call.caller.project()).await;
            let _place = place.map_err(|Crowded| crowded())?;
            endpoint.answer(&api.state, call).await
        }
        Path::UnknownInVersion | Path::Root | Path::Health | Path::Description | Path::Unknown => {
            Err(ApiError::not_found())
        }
    }
}

/// The answer to a project that asks faster than it is answered.
fn crowded() -> ApiError {
    let message = "too many requests of this project are waiting; try again when some are answered";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "HTTPTooManyRequests", message)
}

/// Who answers for a collection and the first part of the path behind an object's id: what belongs to the object, or else the object.
fn endpoint<'a>(
    endpoints: &'a [Box<dyn Endpoint>],
    collection: &str,
    below: Option<&str>,
) -> Option<&'a dyn Endpoint> {
    let find = |below| {
        let mut of_it = endpoints.iter().filter(|endpoint| endpoint.collection() == collection);
        of_it.find(|endpoint| endpoint.below() == below)
    };
    below.and_then(|below| find(Some(below))).or_else(|| find(None)).map(|endpoint| &**endpoint)
}

/// The answer to a request without a valid token, in the form of Keystone's middleware.
fn unauthenticated(api: &Current, error: &AuthError) -> Response<Body> {
    let (status, title) = match error {
        AuthError::Invalid => (StatusCode::UNAUTHORIZED, "Unauthorized"),
        AuthError::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
    };
    let mut out = Vec::with_capacity(192);
    let mut json = Writer::new(&mut out);
    json.raw(b"{\"error\":{\"code\":");
    json.integer(status.as_u16().into());
    json.raw(b",\"title\":");
    json.text(title);
    json.raw(b",\"message\":");
    json.text(&error.to_string());
    json.raw(b"}}");
    let mut response = json_response(status, out);
    let challenge = format!("Keystone uri=\"{}\"", api.state.auth.identity_uri());
    if let (StatusCode::UNAUTHORIZED, Ok(challenge)) = (status, HeaderValue::from_str(&challenge)) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Whether the caller takes JSON (RFC 9110 §12.5.1).
fn accepts_json(headers: &HeaderMap) -> bool {
    let mut texts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if texts.peek().is_none() {
        return true;
    }
    texts.flat_map(|text| text.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_json = matches!(
            parts.next().unwrap_or_default().to_ascii_lowercase().as_str(),
            "*/*" | "application/*" | "application/json" | ""
        );
        let is_refused =
            |part: &str| part.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0);
        is_json && !parts.any(is_refused)
    })
}

/// The body, within limits of size and time; what arrives is counted in `room`.
async fn read(api: &Current, headers: &HeaderMap, body: Body, room: &mut Room) -> Result<Bytes, ApiError> {
    let limit = api.state.config.max_body;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match announced {
        Some(0) => return Ok(Bytes::new()),
        Some(length) if length > limit => return Err(too_large(limit)),
        _ => {}
    }
    match tokio::time::timeout(api.state.config.body_timeout, collect(body, limit, room)).await {
        Ok(read) => read,
        Err(_) => {
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "HTTPRequestTimeout", "the body took too long"))
        }
    }
}

async fn collect(mut body: Body, limit: usize, room: &mut Room) -> Result<Bytes, ApiError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| ApiError::bad_request(format!("the body can't be read: {error}")))?;
        // Trailers mean nothing here.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limit - whole.len() {
            return Err(too_large(limit));
        }
        room.grow(data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the body is larger than the {limit} octets that are taken");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "HTTPRequestEntityTooLarge", message)
}

/// The scheme and host that links begin with.
fn base(api: &Current, request: &Request<Body>) -> String {
    let config = &api.state.config;
    if let Some(url) = &config.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let text = |name: &HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let forwarded = text(&FORWARDED_PROTO).filter(|scheme| matches!(*scheme, "http" | "https"));
    let scheme = forwarded.unwrap_or(if config.is_https { "https" } else { "http" });
    let host = text(&header::HOST).or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}
