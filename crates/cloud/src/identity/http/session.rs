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

/// Who may do something with what belongs to the whole deployment or to the default domain.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// The role `admin`, in whatever scope.
    Admin,
    /// That, or `reader` on the system.
    SystemReader,
    /// That, or `reader` on the default domain.
    DomainReader,
}

impl Session {
    /// Refuses what `rule` doesn't permit. `action` is the policy's name without `identity:`.
    pub(crate) fn require(&self, rule: Rule, action: &'static str) -> Result<(), IdentityError> {
        self.require_or(rule, action, false)
    }

    /// As [`Session::require`], but for `owner`s also without.
    pub(crate) fn require_or(
        &self,
        rule: Rule,
        action: &'static str,
        owner: bool,
    ) -> Result<(), IdentityError> {
        let is_admin = self.has_role(ADMIN);
        let reads = self.has_role("reader");
        let on_system = reads && *self.scope() == TokenScope::System;
        let on_domain = reads && matches!(self.scope(), TokenScope::Domain(id) if id == DEFAULT_DOMAIN);
        let permitted = match rule {
            Rule::Admin => is_admin,
            Rule::SystemReader => is_admin || on_system,
            Rule::DomainReader => is_admin || on_system || on_domain,
        };
        if permitted || owner { Ok(()) } else { Err(IdentityError::NotPermitted(action)) }
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
