//! The first start: roles, an administrator and the keys of tokens; and the way back for an administrator locked out.

use super::login::DEFAULT_DOMAIN_NAME;
use super::roles::{ADMIN, BUILT_IN};
use super::{IdentityError, keys, password};
use hadron_model::Timestamp;
use hadron_model::identity::{Assignment, DEFAULT_DOMAIN, Domain, Project, Role, Scope, User};
use hadron_store::{CommitInfo, Store, Tx};
use std::fmt;
use uuid::Uuid;

/// The administrator's password, which exists nowhere else. `Display` shows it, `Debug` doesn't.
pub struct InitialPassword(String);

impl fmt::Display for InitialPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for InitialPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InitialPassword(…)")
    }
}

/// Prepares an empty store: the default domain, the built-in roles, the project `admin`, and in it the user `admin` with a random password,
/// who is administrator of that project and of the system. Returns the password if this call made the user, so exactly
/// once in a store's life, whatever the number of servers. Blocks a thread for one password hash.
pub async fn bootstrap(store: &Store) -> Result<Option<InitialPassword>, IdentityError> {
    let prepared = Prepared::new().await?;
    let made = store.write(CommitInfo::system(), |tx| {
        keys::ensure(tx, &prepared.keys);
        tx.guard_range::<User>(());
        tx.guard_range::<Role>(());
        let roles = ensure_roles(tx);
        if !tx.view().is_empty::<User>() {
            return Ok::<_, IdentityError>(false);
        }
        put_administrator(tx, &roles, &prepared.hash);
        Ok(true)
    });
    Ok(made.await?.value.then_some(prepared.password))
}

/// Gives the user `admin` a new random password, enables it and makes it administrator again, if need be by making the
/// user, its project and the roles anew. Its tokens end. For an operator with access to the machine.
pub async fn recover_administrator(store: &Store) -> Result<InitialPassword, IdentityError> {
    let prepared = Prepared::new().await?;
    let put = store.write(CommitInfo::system(), |tx| {
        keys::ensure(tx, &prepared.keys);
        tx.guard_range::<User>(());
        tx.guard_range::<Role>(());
        let roles = ensure_roles(tx);
        put_administrator(tx, &roles, &prepared.hash);
        Ok::<_, IdentityError>(())
    });
    put.await?;
    tracing::warn!("the user admin has a new password");
    Ok(prepared.password)
}

/// What is random or slow and therefore made before the transaction.
struct Prepared {
    password: InitialPassword,
    hash: String,
    keys: [[u8; 32]; 2],
}

impl Prepared {
    async fn new() -> Result<Self, IdentityError> {
        let password = InitialPassword(password::random_text()?);
        let text = password.0.clone();
        let hash = tokio::task::spawn_blocking(move || password::hash_now(&text));
        let hash = hash.await.map_err(IdentityError::internal)??;
        Ok(Self { password, hash, keys: [keys::fresh()?, keys::fresh()?] })
    }
}

/// The id of `admin`'s role, after the default domain and all built-in roles exist.
fn ensure_roles(tx: &mut Tx) -> String {
    if tx.get::<Domain>(&DEFAULT_DOMAIN.to_owned()).is_none() {
        tx.put(Domain {
            id: DEFAULT_DOMAIN.into(),
            name: DEFAULT_DOMAIN_NAME.into(),
            description: "The default domain".into(),
            enabled: true,
        });
    }
    for name in BUILT_IN {
        if tx.view().role_by_name(name).is_none() {
            tx.put(Role { id: new_id(), name: name.into(), description: String::new() });
        }
    }
    tx.view().role_by_name(ADMIN).map(|role| role.id.clone()).unwrap_or_default()
}

fn put_administrator(tx: &mut Tx, admin_role: &str, hash: &str) {
    let project = admin_project(tx);
    let user = tx.view().user_by_name(DEFAULT_DOMAIN, ADMIN).cloned();
    let user = match user.and_then(|user| tx.get::<User>(&user.id)) {
        Some(user) => User {
            enabled: true,
            password_hash: Some(hash.into()),
            tokens_valid_from: next_epoch(&user, tx.info().time),
            ..user.value.clone()
        },
        None => new_administrator(&project, hash, tx.info().time),
    };
    for scope in [Scope::Project(project), Scope::System] {
        tx.put(Assignment { user_id: user.id.clone(), scope, role_id: admin_role.into() });
    }
    tx.put(user);
}

/// The id of the project `admin`, which exists and is enabled afterwards.
fn admin_project(tx: &mut Tx) -> String {
    tx.guard_range::<Project>(());
    let existing = tx.view().project_by_name(DEFAULT_DOMAIN, ADMIN).map(|project| project.value.clone());
    let project = existing.unwrap_or_else(|| Project {
        id: new_id(),
        name: ADMIN.into(),
        domain_id: DEFAULT_DOMAIN.into(),
        description: "The administrator's project".into(),
        enabled: true,
    });
    let id = project.id.clone();
    tx.put(Project { enabled: true, ..project });
    id
}

fn new_administrator(project: &str, hash: &str, now: Timestamp) -> User {
    User {
        id: new_id(),
        name: ADMIN.into(),
        domain_id: DEFAULT_DOMAIN.into(),
        description: String::new(),
        email: String::new(),
        default_project_id: Some(project.into()),
        enabled: true,
        password_hash: Some(hash.into()),
        tokens_valid_from: now.0,
    }
}

/// The value of `tokens_valid_from` that ends all of the user's tokens: later than before, whatever the clock says.
pub(crate) fn next_epoch(user: &User, now: Timestamp) -> i64 {
    now.0.max(user.tokens_valid_from + 1)
}

/// A new id as Keystone makes them: 32 hexadecimal digits.
pub(crate) fn new_id() -> String {
    Uuid::new_v4().simple().to_string()
}
