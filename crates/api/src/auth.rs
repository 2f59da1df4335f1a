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
    /// Id of the domain that the token is scoped to, if it is scoped to one.
    pub domain_id: Option<String>,
    /// Whether the token is scoped to the system (`system: all`).
    pub is_system_scoped: bool,
    /// Names of the roles that the token carries in its scope, with those that they imply (`admin` implies `manager`, that
    /// `member`, that `reader`): policy asks for each by its name.
    pub roles: Vec<String>,
    /// The service that forwards the caller's request, known by a token of its own (`X-Service-Token`).
    pub service: Option<Arc<Caller>>,
    /// What the application credential behind the token is limited to; `None` if it is not limited.
    pub access_rules: Option<Arc<[AccessRule]>>,
}

/// A request that an application credential may make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessRule {
    /// Type of the service, `network` for this API.
    pub service: String,
    /// Method.
    pub method: String,
    /// Path, in which `*` and `{name}` stand for one part and `**` for the rest.
    pub path: String,
}

impl AccessRule {
    /// Whether it lets a request to the Networking API pass.
    pub fn allows(&self, method: &str, path: &str) -> bool {
        self.service == "network" && self.method == method && is_match(self.path.as_bytes(), path.as_bytes())
    }
}

/// Whether `path` is as `pattern` says. Its time grows with the product of their lengths.
fn is_match(pattern: &[u8], path: &[u8]) -> bool {
    // For each place in the path, whether the pattern up to here can end there.
    let mut ends = vec![false; path.len() + 1];
    ends[0] = true;
    let mut rest = pattern;
    while let Some((&first, after)) = rest.split_first() {
        let braces = (first == b'{').then(|| after.iter().position(|&byte| byte == b'}')).flatten();
        let mut next = vec![false; path.len() + 1];
        if rest.starts_with(b"**") {
            let mut reached = false;
            for (place, end) in ends.iter().enumerate() {
                reached |= end;
                next[place] = reached;
            }
            rest = &rest[2..];
        } else if first == b'*' || braces.is_some() {
            let mut reached = false;
            for place in 0..path.len() {
                reached = (reached || ends[place]) && path[place] != b'/';
                next[place + 1] = reached;
            }
            rest = braces.map_or(after, |end| &after[end + 1..]);
        } else {
            for place in 0..path.len() {
                next[place + 1] = ends[place] && path[place] == first;
            }
            rest = after;
        }
        ends = next;
    }
    ends[path.len()]
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

    /// The caller behind `token`, which may have expired since: a service is finishing a long request of the caller's. An
    /// implementation that does not know expired tokens refuses them.
    fn authenticate_even_expired<'a>(&'a self, token: &'a str) -> Authentication<'a> {
        self.authenticate(token)
    }

    /// The public address of the identity service, for `WWW-Authenticate: Keystone uri="…"` of a 401.
    fn identity_uri(&self) -> &str;
}

impl fmt::Debug for dyn Authenticate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authenticate({})", self.identity_uri())
    }
}

/// What a request shows to be let in.
pub(crate) struct Presented<'a> {
    pub(crate) token: Option<&'a str>,
    pub(crate) service_token: Option<&'a str>,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
}

/// The role that a service has which forwards requests of others.
const SERVICE_ROLE: &str = "service";

/// The caller of a request, as Keystone's middleware finds it: a token of a service must hold and have the role `service`, and
/// then the caller's own may have expired; without one, an application credential's access rules must let the request pass.
pub(crate) async fn caller(
    auth: &dyn Authenticate,
    presented: Presented<'_>,
) -> Result<Arc<Caller>, AuthError> {
    let given =
        |token: Option<&str>| token.map(str::trim).filter(|token| !token.is_empty()).map(str::to_owned);
    let service = match given(presented.service_token) {
        None => None,
        Some(token) => {
            let service = auth.authenticate(&token).await?;
            if !service.roles.iter().any(|role| role == SERVICE_ROLE) {
                return Err(AuthError::Invalid);
            }
            Some(service)
        }
    };
    let token = given(presented.token).ok_or(AuthError::Invalid)?;
    let Some(service) = service else {
        let caller = auth.authenticate(&token).await?;
        let is_allowed = caller
            .access_rules
            .as_ref()
            .is_none_or(|rules| rules.iter().any(|rule| rule.allows(presented.method, presented.path)));
        return if is_allowed { Ok(caller) } else { Err(AuthError::Invalid) };
    };
    let caller = auth.authenticate_even_expired(&token).await?;
    Ok(Arc::new(Caller { service: Some(service), ..Caller::clone(&caller) }))
}

#[cfg(test)]
mod tests {
    use super::is_match;

    #[test]
    fn access_rules_match_paths() {
        for (pattern, path, expected) in [
            ("/v2.0/ports", "/v2.0/ports", true),
            ("/v2.0/ports", "/v2.0/ports/1", false),
            ("/v2.0/ports/*", "/v2.0/ports/1", true),
            ("/v2.0/ports/*", "/v2.0/ports/", false),
            ("/v2.0/ports/*", "/v2.0/ports/1/tags", false),
            ("/v2.0/{what}/*/tags", "/v2.0/ports/1/tags", true),
            ("/v2.0/**", "/v2.0/ports/1/tags", true),
            ("/v2.0/**", "/v2.0/", true),
            ("**", "", true),
            ("", "/", false),
            ("/{", "/{", true),
        ] {
            assert_eq!(is_match(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
    }
}
