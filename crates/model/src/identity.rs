//! The embedded identity's nouns, a part of Keystone v3: domains, projects, users, groups, roles, assignments and application
//! credentials.
//!
//! Ids are 32 hexadecimal digits, as Keystone makes them; the default domain's id is `default`.

use crate::Timestamp;

/// The domain that exists from the first start and can't be deleted.
pub const DEFAULT_DOMAIN: &str = "default";

/// A domain: a name space of projects, users and groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Domain {
    /// 32 hexadecimal digits, or `default`.
    pub id: String,
    /// Unique.
    pub name: String,
    /// Free text.
    pub description: String,
    /// In a disabled domain no user and no project gets tokens.
    pub enabled: bool,
}

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

/// A group of users. Its roles are those of each member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique in its domain.
    pub name: String,
    /// Domain id.
    pub domain_id: String,
    /// Free text.
    pub description: String,
}

/// A user's belonging to a group. The two fields together are its key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Membership {
    /// User id.
    pub user_id: String,
    /// Group id.
    pub group_id: String,
}

/// A secret by which a program acts for a user in one project, with some of his roles.
#[derive(Clone, PartialEq, Eq)]
pub struct ApplicationCredential {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique for the user.
    pub name: String,
    /// Whose it is.
    pub user_id: String,
    /// Where it works.
    pub project_id: String,
    /// Free text.
    pub description: String,
    /// PHC string of the secret's hash.
    pub secret_hash: String,
    /// Ids of its roles, sorted. It holds only while the user has all of them.
    pub roles: Vec<String>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Whether its tokens may make and delete application credentials.
    pub unrestricted: bool,
}

impl std::fmt::Debug for ApplicationCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApplicationCredential({}, {} of {})", self.id, self.name, self.user_id)
    }
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
    /// Every project of a domain, by the domain's id: what Keystone calls an assignment that projects inherit.
    ProjectsOf(String),
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

/// A group's role on a scope. The three fields together are its key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupAssignment {
    /// Group id.
    pub group_id: String,
    /// What it is assigned on.
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
