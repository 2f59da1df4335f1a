//! What can go wrong, and how a client is told: `{"error": {"code", "message", "title"}}`, as Keystone does.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hadron_store::StoreError;
use serde_json::{Value, json};

/// A request to the identity, or one of its own operations, failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IdentityError {
    /// The request is malformed; the text says where. 400.
    #[error("{0}")]
    BadRequest(String),
    /// No token, an invalid one, or a login that failed; deliberately without the reason. 401.
    #[error("The request requires authentication: the token or the credentials are missing or not valid.")]
    Unauthorized,
    /// The caller's roles do not permit `identity:<action>`. 403.
    #[error("You are not authorized to perform the requested action: identity:{0}.")]
    NotPermitted(&'static str),
    /// Refused for another reason. 403.
    #[error("{0}")]
    Forbidden(String),
    /// No such object. 404.
    #[error("Could not find {kind}: {id}.")]
    NotFound {
        /// What was looked for, in words.
        kind: &'static str,
        /// What it was called.
        id: String,
    },
    /// The token in the request's subject is not valid. 404, as Keystone answers.
    #[error("The subject token is missing or not valid.")]
    NoSuchToken,
    /// No such path. 404.
    #[error("The requested path is not part of this Identity API.")]
    NoSuchPath,
    /// The path exists, without this method. 405.
    #[error("The method is not allowed for the requested path.")]
    MethodNotAllowed,
    /// It contradicts what exists. 409.
    #[error("{0}")]
    Conflict(String),
    /// The body is too large. 413.
    #[error("The request body is larger than the {limit} bytes that are accepted.")]
    TooLarge {
        /// Most bytes accepted.
        limit: usize,
    },
    /// The body takes too long to arrive. 408.
    #[error("The request body took too long to arrive.")]
    TooSlow,
    /// Too many failed logins, or more logins at once than can be checked. 429.
    #[error("Too many attempts to authenticate; try again in {retry_after} seconds.")]
    TooMany {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// The store refuses. 503 while it can't write, 409 after lasting conflicts.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that the identity rests on is missing or broken. 500; the reason goes to the log only.
    #[error("The identity service failed; its log has the reason.")]
    Internal {
        /// Cause and next step, for an operator.
        reason: String,
    },
}

impl IdentityError {
    /// A 400 with `message`.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::BadRequest(message.into())
    }

    pub(crate) fn not_found(kind: &'static str, id: &str) -> Self {
        Self::NotFound { kind, id: id.into() }
    }

    pub(crate) fn internal(reason: impl ToString) -> Self {
        Self::Internal { reason: reason.to_string() }
    }

    /// The HTTP status that answers it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotPermitted(_) | Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound { .. } | Self::NoSuchToken | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) | Self::Store(StoreError::Conflict) => StatusCode::CONFLICT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Store(StoreError::Unavailable { .. } | StoreError::Closed) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Store(_) | Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The text that a client may read: a broken store's details stay in the log.
    fn message(&self) -> String {
        match self {
            Self::Store(_) if self.status() == StatusCode::INTERNAL_SERVER_ERROR => {
                Self::Internal { reason: String::new() }.to_string()
            }
            _ => self.to_string(),
        }
    }

    fn body(&self) -> Value {
        let status = self.status();
        let title = status.canonical_reason().unwrap_or("Error");
        json!({"error": {"code": status.as_u16(), "message": self.message(), "title": title}})
    }
}

impl IntoResponse for IdentityError {
    fn into_response(self) -> Response {
        match &self {
            Self::Internal { reason } => tracing::error!(reason, "identity request failed"),
            Self::Store(error) => tracing::warn!(%error, "identity request failed in the store"),
            _ => {}
        }
        let mut response = (self.status(), self.body().to_string()).into_response();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if let Self::TooMany { retry_after } = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
        }
        response
    }
}
