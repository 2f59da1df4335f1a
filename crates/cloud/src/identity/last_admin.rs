//! The rule that somebody can always administer: a change that would leave no usable administrator is refused.

use super::IdentityError;
use super::roles::ADMIN;
use super::verify::{is_enabled, usable_project};
use hadron_model::identity::{Assignment, Domain, Project, Scope, User};
use hadron_store::{Snapshot, Tx};

/// Refuses unless, in the transaction's state and without the assignments that are `going`, an enabled user with a
/// password has the role `admin` on something enabled, by himself and not by a group. That witness is guarded: two servers can't
/// each remove the other's.
pub(crate) fn ensure_one_remains(
    tx: &mut Tx,
    is_going: impl Fn(&Assignment) -> bool,
) -> Result<(), IdentityError> {
    let witness = witness(tx.view(), is_going).ok_or_else(|| {
        IdentityError::Forbidden(
            "This would leave nobody who can administer the cloud; give another user the role admin first."
                .into(),
        )
    })?;
    let user_domain = tx.get::<User>(&witness.user_id).map(|user| user.domain_id.clone());
    let scope_domain = match &witness.scope {
        Scope::Project(id) => tx.get::<Project>(id).map(|project| project.domain_id.clone()),
        Scope::Domain(id) => Some(id.clone()),
        Scope::System | Scope::ProjectsOf(_) => None,
    };
    for domain in user_domain.iter().chain(&scope_domain) {
        tx.get::<Domain>(domain);
    }
    tx.get::<Assignment>(&witness);
    Ok(())
}

fn witness(view: &Snapshot, is_going: impl Fn(&Assignment) -> bool) -> Option<Assignment> {
    let admin = &view.role_by_name(ADMIN)?.id;
    let mut admins = view.iter::<Assignment>().filter(|assignment| assignment.role_id == *admin);
    let found = admins.find(|assignment| !is_going(assignment) && is_usable(view, assignment));
    found.map(|found| found.value.clone())
}

fn is_usable(view: &Snapshot, assignment: &Assignment) -> bool {
    let user = view.get::<User>(&assignment.user_id);
    let can_log_in = user.is_some_and(|user| {
        user.enabled && user.password_hash.is_some() && is_enabled(view, &user.domain_id)
    });
    can_log_in
        && match &assignment.scope {
            Scope::Project(id) => usable_project(view, id).is_some(),
            Scope::Domain(id) => is_enabled(view, id),
            Scope::System => true,
            // It may have no project.
            Scope::ProjectsOf(_) => false,
        }
}
