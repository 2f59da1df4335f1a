//! The objects that policies share, whatever their kind.

use crate::{Error, PoolError, SecurityError, network};
use hadron_model::{AddressGroup, AddressScope, Network, SecurityGroup, Shareable, SubnetPool};
use hadron_store::{Snapshot, Tx};

/// The project that owns an object, guarded; `None` if there is no such object.
pub(crate) fn owner_of(tx: &mut Tx, object: Shareable) -> Option<String> {
    match object {
        Shareable::Network(id) => tx.get::<Network>(&id).map(|it| it.project_id.clone()),
        Shareable::SubnetPool(id) => tx.get::<SubnetPool>(&id).map(|it| it.project_id.clone()),
        Shareable::AddressScope(id) => tx.get::<AddressScope>(&id).map(|it| it.project_id.clone()),
        Shareable::AddressGroup(id) => tx.get::<AddressGroup>(&id).map(|it| it.project_id.clone()),
        Shareable::SecurityGroup(id) => tx.get::<SecurityGroup>(&id).map(|it| it.project_id.clone()),
    }
}

/// The project that owns an object.
pub(super) fn owner(view: &Snapshot, object: Shareable) -> Option<&str> {
    match object {
        Shareable::Network(id) => view.get::<Network>(&id).map(|it| it.project_id.as_str()),
        Shareable::SubnetPool(id) => view.get::<SubnetPool>(&id).map(|it| it.project_id.as_str()),
        Shareable::AddressScope(id) => view.get::<AddressScope>(&id).map(|it| it.project_id.as_str()),
        Shareable::AddressGroup(id) => view.get::<AddressGroup>(&id).map(|it| it.project_id.as_str()),
        Shareable::SecurityGroup(id) => view.get::<SecurityGroup>(&id).map(|it| it.project_id.as_str()),
    }
}

/// Writes the object, which makes every transaction that reads it conflict with this one. To a network it counts as a change.
pub(crate) fn touch(tx: &mut Tx, object: Shareable) {
    match object {
        Shareable::Network(id) => {
            if let Some(it) = tx.get::<Network>(&id) {
                network::touch(tx, &it);
            }
        }
        Shareable::SubnetPool(id) => {
            if let Some(it) = tx.get::<SubnetPool>(&id) {
                tx.put(it.value.clone());
            }
        }
        Shareable::AddressScope(id) => {
            if let Some(it) = tx.get::<AddressScope>(&id) {
                tx.put(it.value.clone());
            }
        }
        Shareable::AddressGroup(id) => {
            if let Some(it) = tx.get::<AddressGroup>(&id) {
                tx.put(it.value.clone());
            }
        }
        Shareable::SecurityGroup(id) => {
            if let Some(it) = tx.get::<SecurityGroup>(&id) {
                tx.put(it.value.clone());
            }
        }
    }
}

/// The refusal of an object that there is none of, or none that the project may use.
pub(super) fn not_found(object: Shareable) -> Error {
    match object {
        Shareable::Network(id) => Error::NetworkNotFound(id),
        Shareable::SubnetPool(id) => PoolError::PoolNotFound(id).into(),
        Shareable::AddressScope(id) => PoolError::ScopeNotFound(id).into(),
        Shareable::AddressGroup(id) => SecurityError::AddressGroupNotFound(id).into(),
        Shareable::SecurityGroup(id) => SecurityError::GroupNotFound(id).into(),
    }
}
