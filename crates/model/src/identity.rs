//! The embedded identity's nouns, a part of Keystone v3: projects, users, roles and assignments.
//!
//! Ids are 32 hexadecimal digits, as Keystone makes them; the default domain's id is `default`.

/// The only domain.
pub const DEFAULT_DOMAIN: &str = "default";

/// A project (tenant): owner of networks, subnets and ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Project {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique in its domain.
    pub name: String,
    /// Domain id.
    pub domain_id: String,
    /// Free text.
    pub description: String,
    /// A disabled project gets no tokens.
    pub enabled: bool,
}

/// A user with a password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique in its domain.
    pub name: String,
    /// Domain id.
    pub domain_id: String,
    /// Free text.
    pub description: String,
    /// Address for mail, may be empty.
    pub email: String,
    /// Project that a client may use when it names none.
    pub default_project_id: Option<String>,
    /// A disabled user gets no tokens.
    pub enabled: bool,
    /// PHC string of the password's hash; `None` means no password works.
    pub password_hash: Option<String>,
    /// Milliseconds since the epoch. A token states the value at its issue and is invalid under another one: a change of
    /// password and a disabling move it on, whatever the clock says.
    pub tokens_valid_from: i64,
}

/// A role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Role {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique: `admin`, `member`, `reader` …
    pub name: String,
    /// Free text.
    pub description: String,
}

/// What a role is assigned on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// A project, by id.
    Project(String),
    /// A domain, by id.
    Domain(String),
    /// The whole deployment.
    System,
}

/// A user's role on a scope. The three fields together are its key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Assignment {
    /// User id.
    pub user_id: String,
    /// Project, domain or system.
    pub scope: Scope,
    /// Role id.
    pub role_id: String,
}

/// A named secret or setting that all servers share: token signing keys, the certificate authority.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Name, the key of the record.
    pub name: String,
    /// Contents, as the owner of the name defines them.
    pub value: Vec<u8>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({}, {} bytes)", self.name, self.value.len())
    }
}
