//! Whether a token holds now, and what it permits.
//!
//! A signature is checked once per token and kept in a bounded cache. What the token rests on, its *evidence* (signing
//! keys, user, project, roles), is read from the current snapshot at every use and compared with what the cached answer
//! was made from; one pointer comparison each. Nothing has to be invalidated, so nothing can be forgotten.

use super::keys::{self, KeyRing};
use super::roles::{self, RoleRef};
use super::token::{self, Claims, TokenScope};
use super::{Identity, IdentityError, credential, revocation};
use hadron_api::{AuthError, Authenticate, Authentication, Caller};
use hadron_model::Timestamp;
use hadron_model::identity::{ApplicationCredential, Domain, Project, Role, Secret, User};
use hadron_store::{Snapshot, Stored};
use std::sync::Arc;

/// A token that holds, and what it permits.
#[derive(Debug)]
pub struct Verified {
    /// What it states.
    pub claims: Claims,
    /// The caller, as the APIs see it.
    pub caller: Arc<Caller>,
    /// The roles on its scope, with those that they imply.
    pub roles: Vec<RoleRef>,
    evidence: Evidence,
}

impl Verified {
    /// The user.
    pub fn user(&self) -> &User {
        &self.evidence.user
    }

    /// The application credential that it was made with.
    pub fn credential(&self) -> Option<&ApplicationCredential> {
        self.evidence.credential.as_deref().map(|stored| &**stored)
    }

    pub(crate) fn stored_user(&self) -> &Arc<Stored<User>> {
        &self.evidence.user
    }

    /// The project of its scope.
    pub fn project(&self) -> Option<&Project> {
        self.evidence.project.as_deref().map(|stored| &**stored)
    }
}

/// The records that a token rests on.
#[derive(Debug)]
struct Evidence {
    ring: Arc<KeyRing>,
    user: Arc<Stored<User>>,
    project: Option<Arc<Stored<Project>>>,
    credential: Option<Arc<Stored<ApplicationCredential>>>,
    roles: Vec<Arc<Stored<Role>>>,
}

impl Evidence {
    /// What `claims` rest on in `snapshot`; `None` if it no longer carries them.
    fn find(snapshot: &Snapshot, claims: &Claims, ring: Arc<KeyRing>, now: Timestamp) -> Option<Self> {
        let user = snapshot.get::<User>(&claims.user_id)?;
        if !user.enabled
            || !is_enabled(snapshot, &user.domain_id)
            || user.tokens_valid_from != claims.user_epoch
            || revocation::is_revoked(snapshot, claims)
        {
            return None;
        }
        let project = match &claims.scope {
            TokenScope::Project(id) => Some(usable_project(snapshot, id)?),
            TokenScope::Domain(id) if !is_enabled(snapshot, id) => return None,
            _ => None,
        };
        let mut roles = roles::assigned(snapshot, &claims.user_id, &claims.scope);
        if roles.is_empty() && claims.scope != TokenScope::Unscoped {
            return None;
        }
        let credential = match &claims.credential_id {
            None => None,
            Some(id) => {
                let credential = credential::usable(snapshot, id, &claims.user_id, now)?;
                roles = credential::restrict(snapshot, credential, &roles)?;
                Some(credential.clone())
            }
        };
        Some(Self { ring, user: user.clone(), project: project.cloned(), credential, roles })
    }

    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ring, &other.ring)
            && Arc::ptr_eq(&self.user, &other.user)
            && self.project.as_ref().map(Arc::as_ptr) == other.project.as_ref().map(Arc::as_ptr)
            && self.credential.as_ref().map(Arc::as_ptr) == other.credential.as_ref().map(Arc::as_ptr)
            && self.roles.len() == other.roles.len()
            && self.roles.iter().zip(&other.roles).all(|(one, two)| Arc::ptr_eq(one, two))
    }

    fn caller(&self, scope: &TokenScope, roles: &[RoleRef]) -> Caller {
        let project = self.project.as_ref();
        Caller {
            user_id: self.user.id.clone(),
            user_name: self.user.name.clone(),
            user_domain_id: self.user.domain_id.clone(),
            project_id: project.map(|project| project.id.clone()),
            project_name: project.map(|project| project.name.clone()),
            project_domain_id: project.map(|project| project.domain_id.clone()),
            domain_id: match scope {
                TokenScope::Domain(id) => Some(id.clone()),
                _ => None,
            },
            is_system_scoped: *scope == TokenScope::System,
            roles: roles.iter().map(|role| role.name.clone()).collect(),
            ..Caller::default()
        }
    }
}

/// Whether the domain is there and enabled.
pub(crate) fn is_enabled(snapshot: &Snapshot, domain: &str) -> bool {
    snapshot.get::<Domain>(&domain.to_owned()).is_some_and(|domain| domain.enabled)
}

/// The project, if it and its domain are enabled.
pub(crate) fn usable_project<'a>(snapshot: &'a Snapshot, id: &String) -> Option<&'a Arc<Stored<Project>>> {
    let project = snapshot.get::<Project>(id)?;
    (project.enabled && is_enabled(snapshot, &project.domain_id)).then_some(project)
}

impl Identity {
    /// What `token` permits now. Errors: [`IdentityError::Unauthorized`] if it doesn't hold.
    pub fn verify(&self, token: &str) -> Result<Arc<Verified>, IdentityError> {
        let snapshot = self.store().snapshot();
        let ring = self.ring(&snapshot)?;
        let cached = self.cache().get(token).filter(|cached| Arc::ptr_eq(&cached.evidence.ring, &ring));
        let claims = match cached {
            Some(cached) => {
                let evidence = self.evidence(&snapshot, ring.clone(), &cached.claims)?;
                if evidence.is_same(&cached.evidence) {
                    return Ok(cached);
                }
                cached.claims.clone()
            }
            None => {
                token::open(token, &ring, snapshot.position().history).ok_or(IdentityError::Unauthorized)?
            }
        };
        let verified = self.verify_claims(&snapshot, ring, claims)?;
        self.cache().insert(token.into(), verified.clone());
        Ok(verified)
    }

    /// What `claims`, whose signature has been checked, permit now.
    pub(crate) fn verify_claims(
        &self,
        snapshot: &Snapshot,
        ring: Arc<KeyRing>,
        claims: Claims,
    ) -> Result<Arc<Verified>, IdentityError> {
        let evidence = self.evidence(snapshot, ring, &claims)?;
        let roles = roles::with_implied(snapshot, &evidence.roles);
        let caller = Arc::new(evidence.caller(&claims.scope, &roles));
        Ok(Arc::new(Verified { claims, caller, roles, evidence }))
    }

    fn evidence(
        &self,
        snapshot: &Snapshot,
        ring: Arc<KeyRing>,
        claims: &Claims,
    ) -> Result<Evidence, IdentityError> {
        let now = self.now();
        if claims.expires_at <= now {
            return Err(IdentityError::Unauthorized);
        }
        Evidence::find(snapshot, claims, ring, now).ok_or(IdentityError::Unauthorized)
    }

    /// The signing keys, read again only when their record has changed.
    pub(crate) fn ring(&self, snapshot: &Snapshot) -> Result<Arc<KeyRing>, IdentityError> {
        let secret = snapshot.get::<Secret>(self.ring_name()).ok_or_else(keys::no_ring)?;
        let last = self.last_ring().load_full();
        if let Some((seen, ring)) = last.as_deref().filter(|last| Arc::ptr_eq(&last.0, secret)) {
            debug_assert_eq!(seen.modified, secret.modified);
            return Ok(ring.clone());
        }
        let ring = Arc::new(KeyRing::read(secret)?);
        self.last_ring().store(Some(Arc::new((secret.clone(), ring.clone()))));
        Ok(ring)
    }
}

impl Authenticate for Identity {
    fn authenticate<'a>(&'a self, token: &'a str) -> Authentication<'a> {
        let answer = match self.verify(token) {
            Ok(verified) => Ok(verified.caller.clone()),
            Err(IdentityError::Unauthorized) => Err(AuthError::Invalid),
            Err(error) => {
                tracing::error!(?error, "tokens can't be verified");
                Err(AuthError::Unavailable { reason: error.to_string() })
            }
        };
        Box::pin(std::future::ready(answer))
    }

    fn identity_uri(&self) -> &str {
        &self.config().identity_url
    }
}
