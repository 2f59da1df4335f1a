//! The Identity API v3 over HTTP: the part of Keystone's that clients of the network use.
//!
//! One module per resource; [`body`] and [`query`] read what is asked, [`session`] says who asks and what he may,
//! [`view`] writes what is answered. Paths, statuses and shapes are Keystone's.

mod assignments;
mod body;
mod credentials;
mod delete;
mod discovery;
mod domains;
mod grants;
mod groups;
pub(crate) mod parse;
mod projects;
mod query;
mod request;
mod roles;
mod services;
mod session;
mod tokens;
mod users;
mod view;

use super::{Identity, IdentityError};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use request::{Answer, RequestId};
use tower::util::MapRequest;

/// The API, to be served on a listener of its own. For limits by client address, serve it with
/// `into_make_service_with_connect_info::<SocketAddr>()`; without, all clients share one address.
pub fn router(identity: Identity) -> Router {
    let routes = Router::new()
        .merge(discovery::routes())
        .merge(tokens::routes())
        .merge(projects::routes())
        .merge(users::routes())
        .merge(groups::routes())
        .merge(credentials::routes())
        .merge(roles::routes())
        .merge(grants::routes())
        .merge(assignments::routes())
        .merge(domains::routes())
        .merge(services::routes())
        .fallback(async || IdentityError::NoSuchPath)
        .method_not_allowed_fallback(async || IdentityError::MethodNotAllowed)
        .layer(middleware::from_fn_with_state(identity.clone(), frame))
        .with_state(identity);
    Router::new().fallback_service(MapRequest::new(routes, without_trailing_slash))
}

/// What every answer carries.
async fn frame(State(identity): State<Identity>, mut request: Request, next: Next) -> Response {
    let id = RequestId::random();
    request.extensions_mut().insert(id.clone());
    // What another server has acknowledged counts here too; if the store can't be asked, what is known here does.
    let _ = identity.store().wait_current().await;
    let mut response = next.run(request).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = format!("Keystone uri=\"{}\"", identity.config().identity_url);
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
    }
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("X-Auth-Token"));
    if let Ok(id) = HeaderValue::try_from(&id.0) {
        headers.insert("x-openstack-request-id", id);
    }
    response
}

/// `/v3/projects/` is `/v3/projects`.
fn without_trailing_slash<B>(mut request: axum::http::Request<B>) -> axum::http::Request<B> {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() < path.len() && !trimmed.is_empty() {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(path) = PathAndQuery::try_from(format!("{trimmed}{query}")) {
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(path);
            *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        }
    }
    request
}

/// 204.
fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// What most handlers return.
type Reply = Result<Answer, IdentityError>;
