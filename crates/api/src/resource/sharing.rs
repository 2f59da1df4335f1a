//! What other projects share with the caller's.

use super::Request;
use hadron_control::rbac::{Reliance, may_use};
use hadron_model::{Access, NetworkId, Shareable};
use hadron_store::Snapshot;
use std::collections::BTreeSet;

/// The networks of others that policies let the project see.
pub(super) fn networks(view: &Snapshot, project: &str) -> BTreeSet<NetworkId> {
    let shared = view.networks_granted(project, Access::Shared);
    shared.chain(view.networks_granted(project, Access::External)).collect()
}

/// What must still hold when a request is done that names an object for a project: `None` for an administrator, or if it is not
/// the project's access to the object that lets the request through.
pub(super) fn reliance(request: Request<'_>, object: Shareable, project: &str) -> Option<Reliance> {
    let rests_on_it = !request.is_admin && may_use(request.view, object, project);
    rests_on_it.then(|| Reliance { object, project: project.to_owned() })
}
