//! Who calls: the seam between the API and whatever validates tokens (the embedded identity or a Keystone).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// The person or service behind a valid token, and what the token is scoped to.
///
/// Role names are compared without regard to case, as oslo.policy does. Whether a caller is an administrator is not stated
/// here: the policy rule `context_is_admin` decides it from the roles.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Caller {
    /// User id.
    pub user_id: String,
    /// User name.
    pub user_name: String,
    /// Domain id of the user.
    pub user_domain_id: String,
    /// Id of the project that the token is scoped to; `None` for an unscoped, domain- or system-scoped token.
    pub project_id: Option<String>,
    /// Name of that project.
    pub project_name: Option<String>,
    /// Domain id of that project.
    pub project_domain_id: Option<String>,
    /// Whether the token is scoped to the system (`system: all`).
    pub is_system_scoped: bool,
    /// Names of the roles that the token carries in its scope, with those that they imply (`admin` implies `manager`, that
    /// `member`, that `reader`): policy asks for each by its name.
    pub roles: Vec<String>,
}

impl Caller {
    /// Whether the token carries `role`, without regard to ASCII case.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|have| have.eq_ignore_ascii_case(role))
    }

    /// The project id, empty without one.
    pub fn project(&self) -> &str {
        self.project_id.as_deref().unwrap_or_default()
    }
}

/// Why a token was not accepted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AuthError {
    /// Unknown, malformed, expired or revoked. Answered with 401.
    #[error("the token is unknown, expired or revoked; get a new one from the identity service")]
    Invalid,
    /// The identity service can't be asked now. Answered with 503.
    #[error("tokens can't be validated now: {reason}")]
    Unavailable {
        /// What failed, for people.
        reason: String,
    },
}

/// The answer to come of [`Authenticate::authenticate`].
pub type Authentication<'a> = Pin<Box<dyn Future<Output = Result<Arc<Caller>, AuthError>> + Send + 'a>>;

/// Validates the value of `X-Auth-Token`.
///
/// An implementation is asked on every request: it caches what is costly to find out (a signature, a remote answer), for a
/// bounded time, and honours revocation.
pub trait Authenticate: Send + Sync + 'static {
    /// The caller behind `token`.
    fn authenticate<'a>(&'a self, token: &'a str) -> Authentication<'a>;

    /// The public address of the identity service, for `WWW-Authenticate: Keystone uri="…"` of a 401.
    fn identity_uri(&self) -> &str;
}

impl fmt::Debug for dyn Authenticate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authenticate({})", self.identity_uri())
    }
}
