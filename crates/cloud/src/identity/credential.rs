//! Application credentials: a program acts for a user in one project with some of his roles, without his password.

use super::roles::with_implied;
use hadron_model::Timestamp;
use hadron_model::identity::{ApplicationCredential, Role};
use hadron_store::{Snapshot, Stored};
use std::sync::Arc;

/// The credential, if it is this user's and has not ended.
pub(crate) fn usable<'a>(
    snapshot: &'a Snapshot,
    id: &String,
    user: &str,
    now: Timestamp,
) -> Option<&'a Arc<Stored<ApplicationCredential>>> {
    let credential = snapshot.get::<ApplicationCredential>(id)?;
    let has_ended = credential.expires_at.is_some_and(|end| end <= now);
    (credential.user_id == user && !has_ended).then_some(credential)
}

/// The credential's roles; `None` if the user, whose roles are `direct` and what they imply, lacks one of them.
pub(crate) fn restrict(
    snapshot: &Snapshot,
    credential: &ApplicationCredential,
    direct: &[Arc<Stored<Role>>],
) -> Option<Vec<Arc<Stored<Role>>>> {
    let held = with_implied(snapshot, direct);
    let role = |id: &String| {
        held.iter().find(|role| role.id == *id)?;
        snapshot.get::<Role>(id).cloned()
    };
    credential.roles.iter().map(role).collect()
}
