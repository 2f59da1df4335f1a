//! What a request is answered with when it is not done.

use crate::json::Writer;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use hadron_control::Error as ControlError;
use hadron_store::StoreError;

/// A refused request: HTTP status, the name of Neutron's exception, and a text for people.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// `type` in the body: what clients tell errors apart by.
    pub kind: &'static str,
    /// `message` in the body.
    pub message: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into() }
    }

    /// The request's form or a value in it is wrong.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "HTTPBadRequest", message)
    }

    /// A value can't be converted to what it should be.
    pub(crate) fn invalid_input(message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidInput", format!("invalid input for operation: {message}"))
    }

    /// A header or query parameter is wrong.
    pub(crate) fn bad_resource(resource: &str, message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", format!("bad {resource} request: {message}"))
    }

    /// There is nothing at this address, or nothing that the caller may know of.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "HTTPNotFound", "the resource could not be found")
    }

    /// There is something at this address, but not for this method.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "HTTPMethodNotAllowed",
            "the method is not allowed at this address",
        )
    }

    /// The caller wants a form of answer that there is none of.
    pub(crate) fn not_acceptable() -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "HTTPNotAcceptable", "answers are application/json only")
    }

    /// The caller may see it but not do this.
    pub(crate) fn forbidden(rules: &[String]) -> Self {
        let message = format!("disallowed by policy: {}", rules.join(" and "));
        Self::new(StatusCode::FORBIDDEN, "PolicyNotAuthorized", message)
    }

    /// Something that should not happen did; the details are in the log only.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "HTTPInternalServerError",
            "the request failed for an internal reason; the server's log has it under the request id",
        )
    }

    /// The answer, with the body that clients of Neutron expect.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut out = Vec::with_capacity(128 + self.message.len());
        let mut json = Writer::new(&mut out);
        json.raw(b"{\"NeutronError\":{\"type\":");
        json.text(self.kind);
        json.raw(b",\"message\":");
        json.text(&self.message);
        json.raw(b",\"detail\":\"\"}}");
        json_response(self.status, out)
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status == StatusCode::INTERNAL_SERVER_ERROR && matches!(error, ControlError::Store(_)) {
            tracing::error!(%error, "an operation failed");
            return Self::internal();
        }
        Self::new(status, error.type_name(), error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        ControlError::from(error).into()
    }
}

/// An answer with a JSON body.
pub(crate) fn json_response(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
