//! Parts of a request and an answer that axum doesn't bring in Keystone's shape.

use super::query::Query;
use crate::identity::IdentityError;
use axum::extract::{ConnectInfo, FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use uuid::Uuid;

/// `req-` and a UUID, the same in the answer's header and in the commit.
#[derive(Clone)]
pub(crate) struct RequestId(pub(crate) String);

impl RequestId {
    pub(crate) fn random() -> Self {
        Self(format!("req-{}", Uuid::new_v4()))
    }
}

/// The variables of the path, by name.
pub(crate) struct Params(HashMap<String, String>);

impl Params {
    /// The variable `name`; empty if the path has none, which no object is called.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&String> {
        self.0.get(name)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = IdentityError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, IdentityError> {
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        path.map(|Path(params)| Self(params)).map_err(|_| IdentityError::NoSuchPath)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::parse(parts.uri.query()))
    }
}

/// The client's address; `::` if the listener doesn't tell.
pub(crate) struct Peer(pub(crate) IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(peer.map_or(Ipv6Addr::UNSPECIFIED.into(), |ConnectInfo(peer)| peer.ip())))
    }
}

/// A JSON answer.
pub(crate) struct Answer(pub(crate) StatusCode, pub(crate) Value);

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self(StatusCode::OK, body)
    }

    pub(crate) fn created(body: Value) -> Self {
        Self(StatusCode::CREATED, body)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.0, self.1.to_string()).into_response();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}
