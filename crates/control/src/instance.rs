//! Instances that a compute service other than Nova tells of: what they are told of themselves.

use hadron_model::instance::{Instance, MAX_USER_DATA};
use hadron_store::{StoreError, Tx};

/// Facts of an instance that can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Without an id no port belongs to it.
    #[error("an instance needs an id: the device_id of its ports, at most 255 characters")]
    Id,
    /// Too much for an instance to fetch.
    #[error("user data are limited to {MAX_USER_DATA} octets, and have {0}")]
    UserData(usize),
    /// All that isn't user data, which every host gets that has a port of the instance.
    #[error("what is told of an instance beside its user data is limited to {MAX_FACTS} octets, and has {0}")]
    Facts(usize),
    /// The store refuses.
    #[error("the store refuses the change")]
    Store(#[from] StoreError),
}

/// Most octets of everything but the user data.
pub const MAX_FACTS: usize = 256 << 10;

/// Registers an instance, in place of what was registered by its id before. Its ports may come before it or after.
///
/// # Errors
/// See [`InstanceError`].
pub fn register(tx: &mut Tx, instance: Instance) -> Result<(), InstanceError> {
    if instance.id.is_empty() || instance.id.chars().count() > 255 {
        return Err(InstanceError::Id);
    }
    if instance.user_data.len() > MAX_USER_DATA {
        return Err(InstanceError::UserData(instance.user_data.len()));
    }
    let facts = size(&instance);
    if facts > MAX_FACTS {
        return Err(InstanceError::Facts(facts));
    }
    tx.put(instance);
    Ok(())
}

/// Forgets an instance; false when it was not registered.
pub fn forget(tx: &mut Tx, id: &str) -> bool {
    let id = id.to_owned();
    let is_there = tx.get::<Instance>(&id).is_some();
    if is_there {
        tx.delete::<Instance>(&id);
    }
    is_there
}

fn size(it: &Instance) -> usize {
    let texts = [&it.name, &it.hostname, &it.availability_zone, &it.instance_type, &it.image_id];
    let texts = texts.into_iter().chain([&it.vendor_data, &it.vendor_data2]).chain(&it.security_groups);
    let pairs = it.meta.iter().flat_map(|(name, value)| [name, value]);
    let keys = it.keys.iter().flat_map(|key| [&key.name, &key.kind, &key.data]);
    texts.chain(pairs).chain(keys).map(String::len).sum()
}
