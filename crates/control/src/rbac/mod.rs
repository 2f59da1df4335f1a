//! Policies by which projects share their objects with others.
//!
//! Whether an object is shared follows from its policies alone: `shared` of a network is its policy for everyone, and
//! `router:external` is that it has a policy of that action. Each change of an object's policies writes the object, so that it
//! and whatever rests on them, which reads the object, come one after another.

mod object;
mod user;

pub(crate) use object::{owner_of, touch};
pub(crate) use user::check_no_gateways;

use crate::quota::{self, Counted};
use crate::{Config, Error, SharingError};
use hadron_model::{
    Access, AddressScope, Network, NetworkId, RbacPolicy, RbacPolicyId, Shareable, SubnetPool, Target,
};
use hadron_store::{CommitInfo, Snapshot, Store, Tx};

/// Most policies that one transaction removes with their object.
const BATCH: usize = 16;

/// A policy to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewRbacPolicy {
    /// Owner's project id.
    pub project_id: String,
    /// What it shares.
    pub object: Shareable,
    /// What it permits.
    pub access: Access,
    /// Whom.
    pub target: Target,
    /// The project that asks and must own the object; `None` is an administrator's, who may share any.
    pub asker: Option<String>,
}

/// A change of a policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RbacPolicyChange {
    /// Whom it permits something; `None` leaves as it is.
    pub target: Option<Target>,
    /// As [`NewRbacPolicy::asker`].
    pub asker: Option<String>,
}

/// A request names an object that it may use because the object is shared with this project, or the project's own. That must
/// still be so when it is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reliance {
    /// The object.
    pub object: Shareable,
    /// The project.
    pub project: String,
}

/// Creates a policy.
pub fn create(tx: &mut Tx, config: &Config, new: &NewRbacPolicy) -> Result<RbacPolicy, Error> {
    let object = new.object;
    let owner = owner_of(tx, object).filter(|owner| new.asker.as_ref().is_none_or(|asker| asker == owner));
    if owner.is_none() {
        return Err(Error::InvalidInput(format!(
            "{} {} does not exist or is of another project, so that only an administrator can share it",
            object.object_type(),
            object.id()
        )));
    }
    quota::check(tx, config, &new.project_id, Counted::RbacPolicy, 1)?;
    if tx.view().rbac_policy(object, new.access, &new.target).is_some() {
        return Err(SharingError::DuplicatePolicy.into());
    }
    check_scope(tx, object, &new.target)?;
    let policy = put(tx, &new.project_id, object, new.access, new.target.clone());
    touch(tx, object);
    Ok(policy)
}

/// Changes whom a policy permits something. What the old target has must not depend on it.
pub fn update(tx: &mut Tx, id: RbacPolicyId, change: &RbacPolicyChange) -> Result<RbacPolicy, Error> {
    let old = tx.get::<RbacPolicy>(&id).ok_or(SharingError::PolicyNotFound(id))?;
    let owner = owner_of(tx, old.object);
    if change.asker.as_ref().is_some_and(|asker| Some(asker) != owner.as_ref()) {
        let details = "only an administrator can change policies on objects of other projects".to_owned();
        return Err(SharingError::PolicyInUse { object: old.object, details }.into());
    }
    let target = match &change.target {
        Some(target) if *target != old.target => target.clone(),
        _ => return Ok(old.value.clone()),
    };
    if tx.view().rbac_policy(old.object, old.access, &target).is_some() {
        return Err(SharingError::DuplicatePolicy.into());
    }
    user::check_unused(tx, &old, Some(&target))?;
    let policy = RbacPolicy { target, ..old.value.clone() };
    tx.put(policy.clone());
    touch(tx, policy.object);
    Ok(policy)
}

/// Deletes a policy on which nothing of another project depends.
pub fn delete(tx: &mut Tx, id: RbacPolicyId) -> Result<(), Error> {
    let policy = tx.get::<RbacPolicy>(&id).ok_or(SharingError::PolicyNotFound(id))?;
    user::check_unused(tx, &policy, None)?;
    tx.delete::<RbacPolicy>(&id);
    touch(tx, policy.object);
    Ok(())
}

/// Refuses as if there were no such object, unless each is still what the request rests on. Each object has been read guarded.
pub(crate) fn check_reliance(tx: &Tx, relies_on: &[Reliance]) -> Result<(), Error> {
    for Reliance { object, project } in relies_on {
        if !may_use(tx.view(), *object, project) {
            return Err(object::not_found(*object));
        }
    }
    Ok(())
}

/// Whether the object is the project's own or shared with it; of a network also by its outside.
pub fn may_use(view: &Snapshot, object: Shareable, project: &str) -> bool {
    let accesses = object.accesses();
    object::owner(view, object).is_some_and(|owner| owner == project)
        || accesses.iter().any(|access| view.rbac_grant(object, *access, project).is_some())
}

/// Makes the object shared with everyone or no longer; true if that was a change. The caller writes the object.
pub(crate) fn share_with_everyone(tx: &mut Tx, object: Shareable, project: &str, is_shared: bool) -> bool {
    let policy = tx.view().rbac_policy(object, Access::Shared, &Target::Everyone).map(|policy| policy.id);
    match (policy, is_shared) {
        (None, true) => {
            put(tx, project, object, Access::Shared, Target::Everyone);
            true
        }
        (Some(id), false) => {
            tx.delete::<RbacPolicy>(&id);
            true
        }
        _ => false,
    }
}

/// Makes a network external for everyone, or for nobody; true if that was a change. The caller writes the network.
pub(crate) fn make_external(tx: &mut Tx, network: &Network, is_external: bool) -> Result<bool, Error> {
    if tx.view().is_external(network.id) == is_external {
        return Ok(false);
    }
    let object = Shareable::Network(network.id);
    if is_external {
        put(tx, &network.project_id, object, Access::External, Target::Everyone);
        return Ok(true);
    }
    check_no_gateways(tx, network.id)?;
    let policies =
        tx.view().rbac_policies_of_object(object).filter(|policy| policy.access == Access::External);
    let policies: Vec<RbacPolicyId> = policies.map(|policy| policy.id).collect();
    for id in policies {
        tx.delete::<RbacPolicy>(&id);
    }
    Ok(true)
}

/// Removes policies of an object that is to be deleted; false if some are left for another transaction.
pub(crate) fn remove_some(tx: &mut Tx, object: Shareable) -> bool {
    let policies = tx.view().rbac_policies_of_object(object).take(BATCH + 1);
    let policies: Vec<RbacPolicyId> = policies.map(|policy| policy.id).collect();
    for id in policies.iter().take(BATCH) {
        tx.delete::<RbacPolicy>(id);
    }
    policies.len() <= BATCH
}

/// Turns what releases before these policies have noted of shared networks into policies.
pub async fn adopt_all(store: &Store, info: &CommitInfo) -> Result<(), Error> {
    let view = store.snapshot();
    let old: Vec<NetworkId> =
        view.iter::<Network>().filter(|network| network.was_shared).map(|network| network.id).collect();
    for id in old {
        store.write(info.clone(), |tx| adopt(tx, id)).await?;
    }
    Ok(())
}

fn adopt(tx: &mut Tx, id: NetworkId) -> Result<(), Error> {
    let Some(network) = tx.get::<Network>(&id).filter(|network| network.was_shared) else { return Ok(()) };
    share_with_everyone(tx, Shareable::Network(id), &network.project_id, true);
    tx.put(Network { was_shared: false, ..network.value.clone() });
    Ok(())
}

fn put(tx: &mut Tx, project: &str, object: Shareable, access: Access, target: Target) -> RbacPolicy {
    let policy =
        RbacPolicy { id: RbacPolicyId::random(), project_id: project.to_owned(), object, access, target };
    tx.put(policy.clone());
    policy
}

/// Refuses to share a subnet pool with whom its address scope is not shared.
fn check_scope(tx: &mut Tx, object: Shareable, target: &Target) -> Result<(), Error> {
    let Shareable::SubnetPool(pool) = object else { return Ok(()) };
    let Some(scope) = tx.view().get::<SubnetPool>(&pool).and_then(|pool| pool.address_scope_id) else {
        return Ok(());
    };
    let owner = tx.get::<AddressScope>(&scope).map(|scope| scope.project_id.clone());
    let scope = Shareable::AddressScope(scope);
    let may = match target {
        Target::Everyone => tx.view().rbac_policy(scope, Access::Shared, target).is_some(),
        Target::Project(project) => {
            owner.as_ref() == Some(project) || tx.view().is_shared_with(scope, project)
        }
    };
    if may {
        return Ok(());
    }
    Err(Error::InvalidInput(format!(
        "subnet pool {pool} can't be shared with '{}', with whom its address scope is not shared",
        target.as_str()
    )))
}
