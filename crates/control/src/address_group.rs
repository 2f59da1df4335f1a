//! Address groups: sets of prefixes that rules can name.

use crate::{Config, Error};
use hadron_model::{AddressGroup, AddressGroupId, IpNet};
use hadron_store::Tx;

/// An address group to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAddressGroup {
    /// Owner's project id.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Prefixes in any order; host bits are cut off, and what is then the same is one.
    pub addresses: Vec<IpNet>,
}

/// Changes to an address group; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AddressGroupChange {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
}

/// Creates an address group.
pub fn create(tx: &mut Tx, config: &Config, new: &NewAddressGroup) -> Result<AddressGroup, Error> {
    todo!("{tx:?} {config:?} {new:?}")
}

/// Changes an address group; `revision` is the one that the caller demands, if any.
pub fn update(
    tx: &mut Tx,
    id: AddressGroupId,
    change: &AddressGroupChange,
    revision: Option<u64>,
) -> Result<AddressGroup, Error> {
    todo!("{tx:?} {id:?} {change:?} {revision:?}")
}

/// Deletes an address group that no rule names.
pub fn delete(tx: &mut Tx, id: AddressGroupId, revision: Option<u64>) -> Result<(), Error> {
    todo!("{tx:?} {id:?} {revision:?}")
}

/// Adds prefixes, none of which the group may have.
pub fn add_addresses(
    tx: &mut Tx,
    config: &Config,
    id: AddressGroupId,
    addresses: &[IpNet],
    revision: Option<u64>,
) -> Result<AddressGroup, Error> {
    todo!("{tx:?} {config:?} {id:?} {addresses:?} {revision:?}")
}

/// Removes prefixes, each of which the group must have.
pub fn remove_addresses(
    tx: &mut Tx,
    id: AddressGroupId,
    addresses: &[IpNet],
    revision: Option<u64>,
) -> Result<AddressGroup, Error> {
    todo!("{tx:?} {id:?} {addresses:?} {revision:?}")
}
