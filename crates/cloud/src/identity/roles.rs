//! Roles that exist from the first start, and which role implies which.
//!
//! As Keystone's bootstrap makes them: `admin` implies `manager`, that `member`, that `reader`; `service` stands alone. They
//! are immutable, so an implication is a matter of the name.

use hadron_model::identity::Role;
use hadron_store::{Snapshot, Stored};
use std::sync::Arc;

/// Full authority.
pub(crate) const ADMIN: &str = "admin";

/// The built-in roles in order of authority, and `service`.
pub(crate) const BUILT_IN: [&str; 5] = [ADMIN, "manager", "member", "reader", "service"];

/// A role in a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoleRef {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Name.
    pub name: String,
}

impl From<&Role> for RoleRef {
    fn from(role: &Role) -> Self {
        Self { id: role.id.clone(), name: role.name.clone() }
    }
}

/// Whether the role came with the first start and can't be changed or deleted.
pub(crate) fn is_built_in(name: &str) -> bool {
    BUILT_IN.contains(&name)
}

/// The role that `name` implies directly.
pub(crate) fn implied_by(name: &str) -> Option<&'static str> {
    match name {
        ADMIN => Some("manager"),
        "manager" => Some("member"),
        "member" => Some("reader"),
        _ => None,
    }
}

/// `direct` and all that they imply, each once.
pub(crate) fn with_implied(snapshot: &Snapshot, direct: &[Arc<Stored<Role>>]) -> Vec<RoleRef> {
    let mut roles: Vec<RoleRef> = Vec::new();
    for role in direct {
        push(&mut roles, role);
        let mut name = role.name.as_str();
        while let Some(implied) = implied_by(name) {
            if let Some(role) = snapshot.role_by_name(implied) {
                push(&mut roles, role);
            }
            name = implied;
        }
    }
    roles
}

fn push(roles: &mut Vec<RoleRef>, role: &Role) {
    if !roles.iter().any(|have| have.id == role.id) {
        roles.push(RoleRef::from(role));
    }
}
