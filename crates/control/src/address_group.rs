//! Address groups: sets of prefixes that rules can name.

use crate::network::set;
use crate::quota::{self, Counted};
use crate::{Config, Error, SecurityError, Step, rbac, stamp};
use hadron_model::{AddressGroup, AddressGroupId, IpNet, SecurityGroupRule, SetNumber, Shareable};
use hadron_store::{Counter, Tx};

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
    quota::check(tx, config, &new.project_id, Counted::AddressGroup, 1)?;
    let addresses = normalized(&new.addresses);
    check_size(config, addresses.len())?;
    let group = AddressGroup {
        id: AddressGroupId::random(),
        number: SetNumber(tx.next_number(Counter::Set)?),
        project_id: new.project_id.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        // The addresses come as a change of the new group.
        stamp: stamp::born(tx, addresses.len() as u64),
        addresses,
    };
    tx.put(group.clone());
    Ok(group)
}

/// Changes an address group; `revision` is the one that the caller demands, if any.
pub fn update(
    tx: &mut Tx,
    id: AddressGroupId,
    change: &AddressGroupChange,
    revision: Option<u64>,
) -> Result<AddressGroup, Error> {
    let mut group = get(tx, id, revision)?;
    let old = group.clone();
    set(&mut group.name, &change.name);
    set(&mut group.description, &change.description);
    if group != old {
        stamp::touch(tx, &mut group);
        tx.put(group.clone());
    }
    Ok(group)
}

/// Deletes an address group that no rule names.
pub fn delete(tx: &mut Tx, id: AddressGroupId, revision: Option<u64>) -> Result<Step<()>, Error> {
    // Another server may add a rule that names the group.
    tx.guard_range::<SecurityGroupRule>(());
    if tx.view().rules_by_address_group(id).next().is_some() {
        return Err(SecurityError::AddressGroupInUse(id).into());
    }
    get(tx, id, revision)?;
    if !rbac::remove_some(tx, Shareable::AddressGroup(id)) {
        return Ok(Step::More);
    }
    tx.delete::<AddressGroup>(&id);
    Ok(Step::Done(()))
}

/// Adds prefixes, none of which the group may have.
pub fn add_addresses(
    tx: &mut Tx,
    config: &Config,
    id: AddressGroupId,
    addresses: &[IpNet],
    revision: Option<u64>,
) -> Result<AddressGroup, Error> {
    let mut group = get(tx, id, revision)?;
    let addresses = normalized(addresses);
    let (present, new): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|it| has(&group, it));
    if !present.is_empty() {
        return Err(SecurityError::AddressesAlreadyExist { addresses: present, group: id }.into());
    }
    check_size(config, group.addresses.len() + new.len())?;
    if !new.is_empty() {
        group.addresses.extend(new);
        group.addresses.sort();
        stamp::touch(tx, &mut group);
        tx.put(group.clone());
    }
    Ok(group)
}

/// Removes prefixes, each of which the group must have.
pub fn remove_addresses(
    tx: &mut Tx,
    id: AddressGroupId,
    addresses: &[IpNet],
    revision: Option<u64>,
) -> Result<AddressGroup, Error> {
    let mut group = get(tx, id, revision)?;
    let addresses = normalized(addresses);
    let (present, absent): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|it| has(&group, it));
    if !absent.is_empty() {
        return Err(SecurityError::AddressesNotFound { addresses: absent, group: id }.into());
    }
    if !present.is_empty() {
        group.addresses.retain(|it| present.binary_search(it).is_err());
        stamp::touch(tx, &mut group);
        tx.put(group.clone());
    }
    Ok(group)
}

fn get(tx: &mut Tx, id: AddressGroupId, revision: Option<u64>) -> Result<AddressGroup, Error> {
    let group = tx.get::<AddressGroup>(&id).ok_or(SecurityError::AddressGroupNotFound(id))?;
    stamp::check_revision(&group.stamp, revision)?;
    Ok(group.value.clone())
}

fn has(group: &AddressGroup, address: &IpNet) -> bool {
    group.addresses.binary_search(address).is_ok()
}

/// Without host bits, sorted, each once.
fn normalized(addresses: &[IpNet]) -> Vec<IpNet> {
    let mut addresses: Vec<IpNet> = addresses.iter().map(IpNet::trunc).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

fn check_size(config: &Config, size: usize) -> Result<(), Error> {
    let limit = config.max_address_group_addresses;
    if size <= limit {
        return Ok(());
    }
    Err(Error::InvalidInput(format!(
        "{size} addresses are more than the {limit} that an address group may have"
    )))
}
