//! The rule that somebody can always administer: a change that would leave no usable administrator is refused.

use super::IdentityError;
use super::roles::ADMIN;
use hadron_model::identity::{Assignment, DEFAULT_DOMAIN, Project, Scope, User};
use hadron_store::{Snapshot, Tx};

/// Refuses unless, in the transaction's state and without the assignments that are `going`, an enabled user with a
/// password has the role `admin` on something enabled. That witness is guarded: two servers can't each remove the other's.
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
    tx.get::<User>(&witness.user_id);
    if let Scope::Project(id) = &witness.scope {
        tx.get::<Project>(id);
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
    let can_log_in = user.is_some_and(|user| user.enabled && user.password_hash.is_some());
    can_log_in
        && match &assignment.scope {
            Scope::Project(id) => view.get::<Project>(id).is_some_and(|project| project.enabled),
            Scope::Domain(id) => id == DEFAULT_DOMAIN,
            Scope::System => true,
        }
}
