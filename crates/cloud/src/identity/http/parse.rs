//! The body of an authentication request (Identity API v3, "Password authentication with scoped authorization" and its
//! sisters).

use super::body::{Fields, JsonBody};
use crate::identity::IdentityError;

/// What a client presents, and what it wants.
pub(crate) struct LoginRequest {
    pub(crate) password: Option<PasswordLogin>,
    pub(crate) token: Option<String>,
    pub(crate) credential: Option<CredentialLogin>,
    pub(crate) scope: ScopeRequest,
}

/// A user and a password.
pub(crate) struct PasswordLogin {
    pub(crate) user: UserRef,
    pub(crate) password: String,
}

/// An application credential and its secret.
pub(crate) struct CredentialLogin {
    pub(crate) credential: CredentialRef,
    pub(crate) secret: String,
}

/// An application credential, as a client names one.
pub(crate) enum CredentialRef {
    Id(String),
    Name { name: String, user: UserRef },
}

impl CredentialRef {
    /// A bounded text under which attempts on a credential that doesn't exist are counted.
    pub(crate) fn throttle_key(&self) -> String {
        let (Self::Id(text) | Self::Name { name: text, .. }) = self;
        text.chars().take(255).collect()
    }
}

/// A user, as a client names one.
pub(crate) enum UserRef {
    Id(String),
    Name { name: String, domain: DomainRef },
}

impl UserRef {
    /// A bounded text under which attempts on a user that doesn't exist are counted.
    pub(crate) fn throttle_key(&self) -> String {
        let (Self::Id(text) | Self::Name { name: text, .. }) = self;
        text.chars().take(255).collect()
    }
}

/// A domain, as a client names one.
pub(crate) enum DomainRef {
    Id(String),
    Name(String),
}

/// A project, as a client names one.
pub(crate) enum ProjectRef {
    Id(String),
    Name { name: String, domain: DomainRef },
}

/// The scope that a client asks for.
pub(crate) enum ScopeRequest {
    /// It named none: the user's default project, if there is one.
    Default,
    Unscoped,
    Project(ProjectRef),
    Domain(DomainRef),
    System,
}

impl LoginRequest {
    pub(crate) fn parse(body: &JsonBody) -> Result<Self, IdentityError> {
        let auth = Fields::of(body).object("auth")?;
        let identity = auth.object("identity")?;
        let mut request = Self { password: None, token: None, credential: None, scope: parse_scope(&auth)? };
        for method in identity.texts("methods")? {
            match method {
                "password" => request.password = Some(parse_password(&identity)?),
                "token" => {
                    request.token = Some(identity.object("token")?.required_text("id")?.to_owned());
                }
                "application_credential" => request.credential = Some(parse_credential(&identity)?),
                other if !identity.has(other) => return Err(identity.missing(other)),
                // Other methods of Keystone exist; nobody can authenticate by them here.
                _ => return Err(IdentityError::Unauthorized),
            }
        }
        Ok(request)
    }
}

fn parse_password(identity: &Fields) -> Result<PasswordLogin, IdentityError> {
    let user = identity.object("password")?.object("user")?;
    let password = user.required_text("password")?.to_owned();
    Ok(PasswordLogin { user: user_ref(&user)?, password })
}

fn parse_credential(identity: &Fields) -> Result<CredentialLogin, IdentityError> {
    let given = identity.object("application_credential")?;
    let secret = given.required_text("secret")?.to_owned();
    let credential = match (given.text("id")?, given.text("name")?) {
        (Some(id), _) => CredentialRef::Id(id.to_owned()),
        (None, Some(name)) => {
            CredentialRef::Name { name: name.to_owned(), user: user_ref(&given.object("user")?)? }
        }
        (None, None) => {
            return Err(IdentityError::bad("Expecting to find id or name in application_credential."));
        }
    };
    Ok(CredentialLogin { credential, secret })
}

fn user_ref(user: &Fields) -> Result<UserRef, IdentityError> {
    match (user.text("id")?, user.text("name")?) {
        (Some(id), _) => Ok(UserRef::Id(id.to_owned())),
        (None, Some(name)) => Ok(UserRef::Name { name: name.to_owned(), domain: parse_domain(user)? }),
        (None, None) => Err(IdentityError::bad("Expecting to find id or name in user.")),
    }
}

/// The `domain` of a user or project that is given by name.
fn parse_domain(owner: &Fields) -> Result<DomainRef, IdentityError> {
    domain_ref(&owner.object("domain")?)
}

fn domain_ref(domain: &Fields) -> Result<DomainRef, IdentityError> {
    match (domain.text("id")?, domain.text("name")?) {
        (Some(id), _) => Ok(DomainRef::Id(id.to_owned())),
        (None, Some(name)) => Ok(DomainRef::Name(name.to_owned())),
        (None, None) => Err(IdentityError::bad("Expecting to find id or name in domain.")),
    }
}

fn parse_scope(auth: &Fields) -> Result<ScopeRequest, IdentityError> {
    if !auth.has("scope") {
        return Ok(ScopeRequest::Default);
    }
    if let Ok(Some("unscoped")) = auth.text("scope") {
        return Ok(ScopeRequest::Unscoped);
    }
    let scope = auth.object("scope")?;
    if scope.len() != 1 {
        return Err(IdentityError::bad("Expecting exactly one of project, domain and system in scope."));
    }
    if scope.has("project") {
        parse_project(&scope.object("project")?).map(ScopeRequest::Project)
    } else if scope.has("domain") {
        domain_ref(&scope.object("domain")?).map(ScopeRequest::Domain)
    } else if scope.has("system") {
        parse_system(&scope.object("system")?)
    } else if scope.names("unscoped") {
        Ok(ScopeRequest::Unscoped)
    } else {
        Err(IdentityError::bad("Expecting one of project, domain, system and unscoped in scope."))
    }
}

fn parse_project(project: &Fields) -> Result<ProjectRef, IdentityError> {
    match (project.text("id")?, project.text("name")?) {
        (Some(id), _) => Ok(ProjectRef::Id(id.to_owned())),
        (None, Some(name)) => Ok(ProjectRef::Name { name: name.to_owned(), domain: parse_domain(project)? }),
        (None, None) => Err(IdentityError::bad("Expecting to find id or name in project.")),
    }
}

fn parse_system(system: &Fields) -> Result<ScopeRequest, IdentityError> {
    match system.boolean("all")? {
        Some(true) => Ok(ScopeRequest::System),
        _ => Err(IdentityError::bad("Expecting all: true in system.")),
    }
}
