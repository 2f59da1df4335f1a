//! Roles that exist from the first start, which role implies which, and which a user has.
//!
//! As Keystone's bootstrap makes them: `admin` implies `manager`, that `member`, that `reader`; `service` stands alone. They
//! are immutable, so an implication is a matter of the name.

use super::token::TokenScope;
use hadron_model::identity::{Assignment, GroupAssignment, Project, Role, Scope};
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

/// The roles that the user has on `scope` by himself or by his groups, each once, without those that they imply. Found by key: a
/// user may have many others.
pub(crate) fn assigned(snapshot: &Snapshot, user: &str, scope: &TokenScope) -> Vec<Arc<Stored<Role>>> {
    let mut roles: Vec<Arc<Stored<Role>>> = Vec::new();
    for scope in sources(snapshot, scope) {
        let own = own_roles(snapshot, user, &scope);
        let groups = snapshot.groups_of_user(user).flat_map(|group| group_roles(snapshot, group, &scope));
        for id in own.chain(groups) {
            if !roles.iter().any(|have| have.id == *id) {
                roles.extend(snapshot.get::<Role>(id).cloned());
            }
        }
    }
    roles
}

/// The scopes of assignments that count on a token's scope.
fn sources(snapshot: &Snapshot, scope: &TokenScope) -> Vec<Scope> {
    match scope {
        TokenScope::Project(id) => {
            let domain = snapshot.get::<Project>(id).map(|project| project.domain_id.clone());
            std::iter::once(Scope::Project(id.clone())).chain(domain.map(Scope::ProjectsOf)).collect()
        }
        TokenScope::Domain(id) => vec![Scope::Domain(id.clone())],
        TokenScope::System => vec![Scope::System],
        TokenScope::Unscoped => Vec::new(),
    }
}

fn own_roles<'a>(
    snapshot: &'a Snapshot,
    user: &'a str,
    scope: &'a Scope,
) -> impl Iterator<Item = &'a String> {
    let first = Assignment { user_id: user.to_owned(), scope: scope.clone(), role_id: String::new() };
    let assignments = snapshot.iter_from::<Assignment>(first);
    assignments.take_while(move |it| it.user_id == user && it.scope == *scope).map(|it| &it.role_id)
}

fn group_roles<'a>(
    snapshot: &'a Snapshot,
    group: &'a str,
    scope: &'a Scope,
) -> impl Iterator<Item = &'a String> {
    let first = GroupAssignment { group_id: group.to_owned(), scope: scope.clone(), role_id: String::new() };
    let assignments = snapshot.iter_from::<GroupAssignment>(first);
    assignments.take_while(move |it| it.group_id == group && it.scope == *scope).map(|it| &it.role_id)
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
