//! Whether a caller may know of what its request names.

use super::network::Networks;
use super::subnet::Subnets;
use super::target::Subject;
use super::{Object, Resource};
use crate::Caller;
use crate::policy::Policy;
use crate::values::Table;
use hadron_store::Snapshot;
use uuid::Uuid;

/// Whether there is such a network and the caller may know of it.
pub(super) fn network(policy: &Policy, caller: &Caller, view: &Snapshot, id: Uuid) -> bool {
    is_visible::<Networks>(policy, caller, view, id)
}

/// Whether there is such a subnet and the caller may know of it.
pub(super) fn subnet(policy: &Policy, caller: &Caller, view: &Snapshot, id: Uuid) -> bool {
    is_visible::<Subnets>(policy, caller, view, id)
}

fn is_visible<R: Resource>(policy: &Policy, caller: &Caller, view: &Snapshot, id: Uuid) -> bool {
    let Some(record) = view.get::<R::Record>(&R::Record::key_of(id)) else { return false };
    let table = Table { attributes: R::ATTRIBUTES, names: R::NAMES };
    let subject = Subject::<R> { table, record: Some(&record.value), values: None, view };
    policy.check(policy.deciding(&format!("get_{}", R::MEMBER)), caller, &subject)
}
