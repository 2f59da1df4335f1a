//! Policies that share objects: by project, by what they share, and by whom they let use it.

use super::{Indexed, Indexes, replace};
use crate::record::Tables;
use hadron_model::{Access, RbacPolicy, RbacPolicyId, Shareable, Target};
use imbl::{OrdMap, OrdSet};

/// What is shared with whom.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Sharing {
    /// The policies of each object. A target that is everyone comes before projects.
    pub(crate) policies: OrdMap<(Shareable, Access, Target), RbacPolicyId>,
    /// What each target is permitted.
    pub(crate) granted: OrdSet<(Target, Access, Shareable)>,
}

impl Indexed for RbacPolicy {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        let project = |policy: &Self| (policy.project_id.clone(), policy.id);
        replace(
            indexes,
            old.map(project),
            new.map(project),
            |indexes, (project, id)| indexes.owned(&project, |owned| owned.rbac_policies.remove(&id)),
            |indexes, (project, id)| indexes.owned(&project, |owned| owned.rbac_policies.insert(id)),
        );
        let grant = |policy: &Self| (policy.object, policy.access, policy.target.clone(), policy.id);
        replace(
            indexes,
            old.map(grant),
            new.map(grant),
            |indexes, (object, access, target, _)| {
                indexes.sharing.granted.remove(&(target.clone(), access, object));
                indexes.sharing.policies.remove(&(object, access, target));
            },
            |indexes, (object, access, target, id)| {
                indexes.sharing.granted.insert((target.clone(), access, object));
                indexes.sharing.policies.insert((object, access, target), id);
            },
        );
    }
}
