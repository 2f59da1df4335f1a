//! Address scopes: within one, addresses are distinct.

use crate::network::set;
use crate::{Error, PoolError, Step, rbac};
use hadron_model::{AddressScope, AddressScopeId, IpVersion, Shareable};
use hadron_store::Tx;

/// An address scope to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAddressScope {
    /// Owner's project id.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// The family of its addresses.
    pub ip_version: IpVersion,
    /// Visible to and usable by every project.
    pub shared: bool,
}

/// Changes to an address scope; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AddressScopeChange {
    /// Name.
    pub name: Option<String>,
    /// Visible to and usable by every project. What is shared can't be withdrawn.
    pub shared: Option<bool>,
    /// The project that asks, which owns the policy that shares the scope.
    pub asker: String,
}

/// Creates an address scope.
pub fn create(tx: &mut Tx, new: &NewAddressScope) -> Result<AddressScope, Error> {
    let scope = AddressScope {
        id: AddressScopeId::random(),
        project_id: new.project_id.clone(),
        name: new.name.clone(),
        ip_version: new.ip_version,
    };
    tx.put(scope.clone());
    rbac::share_with_everyone(tx, Shareable::AddressScope(scope.id), &scope.project_id, new.shared);
    Ok(scope)
}

/// Changes an address scope.
pub fn update(tx: &mut Tx, id: AddressScopeId, change: &AddressScopeChange) -> Result<AddressScope, Error> {
    let old = tx.get::<AddressScope>(&id).ok_or(PoolError::ScopeNotFound(id))?;
    let object = Shareable::AddressScope(id);
    if change.shared == Some(false) && tx.view().is_shared_with(object, &change.asker) {
        let reason = "what is shared can't be withdrawn";
        return Err(PoolError::ScopeUpdate { scope: id, reason }.into());
    }
    if change.shared == Some(true) {
        rbac::share_with_everyone(tx, object, &change.asker, true);
    }
    let mut scope = old.value.clone();
    set(&mut scope.name, &change.name);
    tx.put(scope.clone());
    Ok(scope)
}

/// Deletes an address scope of which no subnet pool is.
pub fn delete(tx: &mut Tx, id: AddressScopeId) -> Result<Step<()>, Error> {
    // Guarded: a pool that comes into the scope writes it.
    tx.get::<AddressScope>(&id).ok_or(PoolError::ScopeNotFound(id))?;
    if tx.view().subnet_pools_of_scope(id).next().is_some() {
        return Err(PoolError::ScopeInUse(id).into());
    }
    if !rbac::remove_some(tx, Shareable::AddressScope(id)) {
        return Ok(Step::More);
    }
    tx.delete::<AddressScope>(&id);
    Ok(Step::Done(()))
}
