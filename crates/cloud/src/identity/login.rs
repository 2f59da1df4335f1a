//! Logging in: from a parsed authentication request to a token.

use super::http::parse::{
    CredentialLogin, CredentialRef, DomainRef, LoginRequest, ProjectRef, ScopeRequest, UserRef,
};
use super::token::{self, Claims, Methods, TokenScope};
use super::verify::{is_enabled, usable_project};
use super::{Identity, IdentityError, Verified, credential, roles};
use hadron_model::identity::{ApplicationCredential, Domain, Project, User};
use hadron_store::{Snapshot, Stored};
use std::net::IpAddr;
use std::sync::Arc;

/// The name of the default domain at the first start.
pub(crate) const DEFAULT_DOMAIN_NAME: &str = "Default";

/// Who has been authenticated, and how.
struct Authenticated {
    user: Arc<Stored<User>>,
    methods: Methods,
    /// The token that was one of the methods.
    source: Option<Claims>,
    /// The application credential that was one of the methods.
    credential: Option<Arc<Stored<ApplicationCredential>>>,
}

impl Identity {
    /// Authenticates, and issues a token for the scope asked for. Errors: 401 whenever the reason would tell a stranger
    /// whether a user, a project or an assignment exists; 404 for a token that does not hold; 429.
    pub(crate) async fn login(
        &self,
        request: &LoginRequest,
        from: IpAddr,
    ) -> Result<(String, Arc<Verified>), IdentityError> {
        let who = self.authenticate_request(request, from).await?;
        let snapshot = self.store().snapshot();
        let scope = match who.bound_scope() {
            Some(bound) => bound_scope(&snapshot, bound, &request.scope)?,
            None => resolve_scope(&snapshot, &who.user, &request.scope)?,
        };
        self.issue(&snapshot, &who, scope)
    }

    async fn authenticate_request(
        &self,
        request: &LoginRequest,
        from: IpAddr,
    ) -> Result<Authenticated, IdentityError> {
        let mut methods = Methods::default();
        let mut user: Option<Arc<Stored<User>>> = None;
        let mut source = None;
        let mut credential = None;
        if let Some(token) = &request.token {
            let verified = self.verify(token).map_err(|error| match error {
                IdentityError::Unauthorized => IdentityError::NoSuchToken,
                other => other,
            })?;
            methods = Methods { token: true, ..verified.claims.methods };
            user = Some(verified.stored_user().clone());
            source = Some(verified.claims.clone());
        }
        if let Some(login) = &request.password {
            let found = self.check_password(&login.user, &login.password, from).await?;
            if user.as_ref().is_some_and(|user| user.id != found.id) {
                return Err(IdentityError::Unauthorized);
            }
            methods.password = true;
            user = Some(found);
        }
        if let Some(login) = &request.credential {
            let (found, owner) = self.check_credential(login, from).await?;
            if user.as_ref().is_some_and(|user| user.id != owner.id) {
                return Err(IdentityError::Unauthorized);
            }
            methods.application_credential = true;
            user = Some(owner);
            credential = Some(found);
        }
        let user = user.ok_or(IdentityError::Unauthorized)?;
        Ok(Authenticated { user, methods, source, credential })
    }

    /// The user whose password this is. Whether the user is unknown, disabled, has no password or another one: the answer
    /// and the time that it takes are the same.
    pub(crate) async fn check_password(
        &self,
        user: &UserRef,
        password: &str,
        from: IpAddr,
    ) -> Result<Arc<Stored<User>>, IdentityError> {
        let snapshot = self.store().snapshot();
        let found = find_user(&snapshot, user);
        let key = found.as_ref().map_or_else(|| user.throttle_key(), |user| user.id.clone());
        self.throttle().check(from, &key, self.now())?;
        let usable = found.as_ref().filter(|user| user.enabled && is_enabled(&snapshot, &user.domain_id));
        let hash = usable.and_then(|user| user.password_hash.as_deref());
        let matches = self.passwords().is_match(password, hash).await?;
        let known = found.as_ref().map(|user| user.id.clone());
        match found.filter(|_| matches) {
            Some(user) => {
                self.throttle().succeeded(from, &key, self.now());
                Ok(user)
            }
            None => {
                self.throttle().failed(from, &key, self.now());
                // Not the name that was typed: it may be a password in the wrong field.
                tracing::info!(user = known.as_deref().unwrap_or("unknown"), %from, "login failed");
                Err(IdentityError::Unauthorized)
            }
        }
    }

    /// The credential whose secret this is, and its user. As with passwords, every refusal looks the same.
    async fn check_credential(
        &self,
        login: &CredentialLogin,
        from: IpAddr,
    ) -> Result<(Arc<Stored<ApplicationCredential>>, Arc<Stored<User>>), IdentityError> {
        let snapshot = self.store().snapshot();
        let found = find_credential(&snapshot, &login.credential);
        let key = found.map_or_else(|| login.credential.throttle_key(), |found| found.id.clone());
        self.throttle().check(from, &key, self.now())?;
        let user = found.and_then(|found| snapshot.get::<User>(&found.user_id));
        let user = user.filter(|user| user.enabled && is_enabled(&snapshot, &user.domain_id));
        let usable = found
            .zip(user)
            .filter(|(found, user)| credential::usable(&snapshot, &found.id, &user.id, self.now()).is_some());
        let hash = usable.map(|(found, _)| found.secret_hash.as_str());
        let matches = self.passwords().is_match(&login.secret, hash).await?;
        match usable.filter(|_| matches) {
            Some((credential, user)) => {
                self.throttle().succeeded(from, &key, self.now());
                Ok((credential.clone(), user.clone()))
            }
            None => {
                self.throttle().failed(from, &key, self.now());
                let known = found.map_or("unknown", |found| found.id.as_str());
                tracing::info!(application_credential = known, %from, "login failed");
                Err(IdentityError::Unauthorized)
            }
        }
    }

    /// A token for an authenticated user. The claims carry the user's epoch as it was when the password was checked, so a
    /// change of password in the meantime makes the token void; a token made from a token ends with it.
    fn issue(
        &self,
        snapshot: &Snapshot,
        who: &Authenticated,
        scope: TokenScope,
    ) -> Result<(String, Arc<Verified>), IdentityError> {
        let now = self.now();
        let lifetime = self.config().lifetime_ms();
        let chain = who.source.as_ref();
        let credential = who.credential.as_ref().map(|credential| credential.id.clone());
        let claims = Claims {
            user_id: who.user.id.clone(),
            user_epoch: who.user.tokens_valid_from,
            methods: who.methods,
            scope,
            issued_at: now,
            expires_at: chain.map_or(hadron_model::Timestamp(now.0 + lifetime), |source| source.expires_at),
            audit_id: token::audit_id().map_err(IdentityError::internal)?,
            audit_chain_id: chain
                .map(|source| source.audit_chain_id.as_ref().unwrap_or(&source.audit_id).clone()),
            credential_id: credential.or_else(|| chain.and_then(|source| source.credential_id.clone())),
        };
        let ring = self.ring(snapshot)?;
        let token = token::seal(&claims, &ring, snapshot.position().history)
            .ok_or_else(|| IdentityError::internal("the ring of token keys has no primary key"))?;
        Ok((token, self.verify_claims(snapshot, ring, claims)?))
    }
}

impl Authenticated {
    /// The only scope that is possible: that of the application credential by which, now or earlier, the user came in.
    fn bound_scope(&self) -> Option<TokenScope> {
        let own =
            self.credential.as_ref().map(|credential| TokenScope::Project(credential.project_id.clone()));
        let earlier = self.source.as_ref().filter(|source| source.credential_id.is_some());
        own.or_else(|| earlier.map(|source| source.scope.clone()))
    }
}

/// The scope of a token by an application credential. Naming another one is refused.
fn bound_scope(
    snapshot: &Snapshot,
    bound: TokenScope,
    request: &ScopeRequest,
) -> Result<TokenScope, IdentityError> {
    let is_same = match request {
        ScopeRequest::Default => true,
        ScopeRequest::Project(project) => find_project(snapshot, project)
            .is_some_and(|project| bound == TokenScope::Project(project.id.clone())),
        _ => false,
    };
    if is_same { Ok(bound) } else { Err(IdentityError::Unauthorized) }
}

fn find_credential<'a>(
    snapshot: &'a Snapshot,
    credential: &CredentialRef,
) -> Option<&'a Arc<Stored<ApplicationCredential>>> {
    match credential {
        CredentialRef::Id(id) => snapshot.get::<ApplicationCredential>(id),
        CredentialRef::Name { name, user } => {
            let user = find_user(snapshot, user)?;
            // The iterator must not outlive the user's id.
            let id = snapshot.credentials_of_user(&user.id).find(|it| it.name == *name)?.id.clone();
            snapshot.get::<ApplicationCredential>(&id)
        }
    }
}

/// The user that a request names.
pub(crate) fn find_user(snapshot: &Snapshot, user: &UserRef) -> Option<Arc<Stored<User>>> {
    match user {
        UserRef::Id(id) => snapshot.get::<User>(id),
        UserRef::Name { name, domain } => {
            find_domain(snapshot, domain).and_then(|domain| snapshot.user_by_name(&domain, name))
        }
    }
    .cloned()
}

/// The id of the domain that a request names.
fn find_domain(snapshot: &Snapshot, domain: &DomainRef) -> Option<String> {
    let found = match domain {
        DomainRef::Id(id) => snapshot.get::<Domain>(id),
        DomainRef::Name(name) => snapshot.domain_by_name(name),
    };
    found.map(|domain| domain.id.clone())
}

/// The scope of the token to issue. Whether the user has a role on it is seen when the token is verified.
fn resolve_scope(
    snapshot: &Snapshot,
    user: &User,
    request: &ScopeRequest,
) -> Result<TokenScope, IdentityError> {
    Ok(match request {
        ScopeRequest::Unscoped => TokenScope::Unscoped,
        ScopeRequest::System => TokenScope::System,
        ScopeRequest::Default => default_scope(snapshot, user),
        ScopeRequest::Domain(domain) => {
            TokenScope::Domain(find_domain(snapshot, domain).ok_or(IdentityError::Unauthorized)?)
        }
        ScopeRequest::Project(project) => {
            let project = find_project(snapshot, project).ok_or(IdentityError::Unauthorized)?;
            TokenScope::Project(project.id.clone())
        }
    })
}

/// The user's default project if it can be used, else no scope.
fn default_scope(snapshot: &Snapshot, user: &User) -> TokenScope {
    let id = user.default_project_id.as_ref();
    let enabled = id.filter(|id| usable_project(snapshot, id).is_some());
    let scope = enabled.map_or(TokenScope::Unscoped, |id| TokenScope::Project(id.clone()));
    if roles::assigned(snapshot, &user.id, &scope).is_empty() { TokenScope::Unscoped } else { scope }
}

fn find_project<'a>(snapshot: &'a Snapshot, project: &ProjectRef) -> Option<&'a Arc<Stored<Project>>> {
    match project {
        ProjectRef::Id(id) => snapshot.get::<Project>(id),
        ProjectRef::Name { name, domain } => {
            find_domain(snapshot, domain).and_then(|domain| snapshot.project_by_name(&domain, name))
        }
    }
}
