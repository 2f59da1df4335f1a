//! Who asks, and what he may: Keystone's default policy in four rules.

use super::request::RequestId;
use crate::identity::roles::ADMIN;
use crate::identity::token::TokenScope;
use crate::identity::{Identity, IdentityError, Verified};
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use hadron_model::identity::DEFAULT_DOMAIN;
use hadron_store::CommitInfo;
use std::sync::Arc;

/// The caller of a request with a valid `X-Auth-Token`.
pub(crate) struct Session {
    pub(crate) verified: Arc<Verified>,
    request_id: String,
}

/// Who may do something with what belongs to the whole deployment or to a domain.
#[derive(Clone, Copy)]
pub(crate) enum Rule<'a> {
    /// The role `admin`, in whatever scope.
    Admin,
    /// That, or `reader` on the system.
    SystemReader,
    /// That, or `reader` on the domain of this id.
    DomainReader(&'a str),
}

impl Session {
    /// Refuses what `rule` doesn't permit. `action` is the policy's name without `identity:`.
    pub(crate) fn require(&self, rule: Rule<'_>, action: &'static str) -> Result<(), IdentityError> {
        self.require_or(rule, action, false)
    }

    /// As [`Session::require`], but for `owner`s also without.
    pub(crate) fn require_or(
        &self,
        rule: Rule<'_>,
        action: &'static str,
        owner: bool,
    ) -> Result<(), IdentityError> {
        if owner || self.is_permitted(rule) { Ok(()) } else { Err(IdentityError::NotPermitted(action)) }
    }

    fn is_permitted(&self, rule: Rule<'_>) -> bool {
        let is_admin = self.has_role(ADMIN);
        match rule {
            Rule::Admin => is_admin,
            Rule::SystemReader => is_admin || self.has_role("reader") && *self.scope() == TokenScope::System,
            Rule::DomainReader(domain) => {
                self.is_permitted(Rule::SystemReader) || self.read_domain() == Some(domain)
            }
        }
    }

    /// The domain that the token is scoped to with the role `reader`.
    fn read_domain(&self) -> Option<&str> {
        match self.scope() {
            TokenScope::Domain(id) if self.has_role("reader") => Some(id),
            _ => None,
        }
    }

    /// Whose objects the caller may list: of the one domain, or with `None` of all.
    pub(crate) fn listed_domain(&self, action: &'static str) -> Result<Option<&str>, IdentityError> {
        if self.is_permitted(Rule::SystemReader) {
            return Ok(None);
        }
        self.read_domain().map(Some).ok_or(IdentityError::NotPermitted(action))
    }

    /// The domain of what the caller makes without naming one: that of the token's scope, or else the default domain.
    pub(crate) fn home_domain(&self) -> &str {
        match self.scope() {
            TokenScope::Domain(id) => id,
            _ => self.verified.project().map_or(DEFAULT_DOMAIN, |project| &project.domain_id),
        }
    }

    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.verified.caller.has_role(role)
    }

    pub(crate) fn scope(&self) -> &TokenScope {
        &self.verified.claims.scope
    }

    pub(crate) fn user_id(&self) -> &str {
        &self.verified.claims.user_id
    }

    /// Whether the token is scoped to this project.
    pub(crate) fn is_in_project(&self, id: &str) -> bool {
        matches!(self.scope(), TokenScope::Project(project) if project == id)
    }

    /// What the commits of this request say of themselves.
    pub(crate) fn commit_info(&self, identity: &Identity) -> CommitInfo {
        CommitInfo {
            actor: self.user_id().to_owned(),
            project: self.verified.caller.project().to_owned(),
            request_id: self.request_id.clone(),
            time: identity.now(),
        }
    }
}

impl FromRequestParts<Identity> for Session {
    type Rejection = IdentityError;

    async fn from_request_parts(parts: &mut Parts, identity: &Identity) -> Result<Self, IdentityError> {
        let token = header(&parts.headers, "x-auth-token").ok_or(IdentityError::Unauthorized)?;
        let verified = identity.verify(token)?;
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        Ok(Self { verified, request_id })
    }
}

/// A header's text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
