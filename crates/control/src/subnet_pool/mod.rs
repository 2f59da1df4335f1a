//! Subnet pools: prefixes from which subnets are taken.
//!
//! Whoever takes a subnet from a pool, or changes its prefixes, writes the pool, and whoever brings a pool into an address
//! scope, or changes the prefixes of one there, writes the scope: so they come one after another, and neither a prefix is given
//! twice nor a scope has an address twice.

mod allocate;
mod check;
mod onboard;
mod prefix;

pub(crate) use allocate::{Taken, check_affinity, take, take_around};
pub use onboard::onboard;

use crate::network::set;
use crate::quota::{self, Counted};
use crate::{Config, Error, PoolError, Step, rbac, stamp};
use check::Lengths;
use hadron_model::{AddressScopeId, IpNet, IpVersion, Shareable, SubnetPool, SubnetPoolId};
use hadron_store::{Snapshot, Tx};

/// A subnet pool to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSubnetPool {
    /// Owner's project id.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Prefixes of one family, in any order; what overlaps or adjoins is merged.
    pub prefixes: Vec<IpNet>,
    /// Length of a subnet's prefix for which none is asked; `None` is the shortest.
    pub default_prefixlen: Option<i64>,
    /// The shortest; `None` is 8 of IPv4, 64 of IPv6.
    pub min_prefixlen: Option<i64>,
    /// The longest; `None` is that of an address.
    pub max_prefixlen: Option<i64>,
    /// How much a project may take: addresses of IPv4, prefixes of length 64 of IPv6. 0 is no limit.
    pub default_quota: Option<u64>,
    /// Its address scope.
    pub address_scope_id: Option<AddressScopeId>,
    /// Whether it is the default of its family.
    pub is_default: bool,
    /// Visible to and usable by every project.
    pub shared: bool,
    /// The project that asks and may use the scope; `None` is an administrator's, who may use any.
    pub asker: Option<String>,
}

/// Changes to a subnet pool; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubnetPoolChange {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// All prefixes; those that it has must be among them.
    pub prefixes: Option<Vec<IpNet>>,
    /// Length of a subnet's prefix for which none is asked.
    pub default_prefixlen: Option<i64>,
    /// The shortest.
    pub min_prefixlen: Option<i64>,
    /// The longest.
    pub max_prefixlen: Option<i64>,
    /// How much a project may take.
    pub default_quota: Option<u64>,
    /// Its address scope; `Some(None)` takes it out of one.
    pub address_scope_id: Option<Option<AddressScopeId>>,
    /// Whether it is the default of its family.
    pub is_default: Option<bool>,
    /// As [`NewSubnetPool::asker`].
    pub asker: Option<String>,
}

/// Creates a subnet pool.
pub fn create(tx: &mut Tx, config: &Config, new: &NewSubnetPool) -> Result<SubnetPool, Error> {
    quota::check(tx, config, &new.project_id, Counted::SubnetPool, 1)?;
    let ip_version = check::family(&new.prefixes)?;
    let lengths = Lengths::new(ip_version, new.min_prefixlen, new.max_prefixlen, new.default_prefixlen)?;
    let pool = SubnetPool {
        id: SubnetPoolId::random(),
        project_id: new.project_id.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        ip_version,
        prefixes: prefix::merged(new.prefixes.iter().copied()),
        default_prefixlen: lengths.default,
        min_prefixlen: lengths.min,
        max_prefixlen: lengths.max,
        default_quota: new.default_quota,
        address_scope_id: new.address_scope_id,
        is_default: new.is_default,
        stamp: stamp::born(tx, 0),
    };
    if pool.is_default {
        check::no_other_default(tx, ip_version)?;
    }
    check::scope(tx, &pool, new.asker.as_deref())?;
    tx.put(pool.clone());
    rbac::share_with_everyone(tx, Shareable::SubnetPool(pool.id), &pool.project_id, new.shared);
    Ok(pool)
}

/// Changes a subnet pool; `revision` is the one that the caller demands, if any.
pub fn update(
    tx: &mut Tx,
    id: SubnetPoolId,
    change: &SubnetPoolChange,
    revision: Option<u64>,
) -> Result<SubnetPool, Error> {
    let old = get(tx, id, revision)?;
    let mut pool = old.clone();
    if let Some(prefixes) = &change.prefixes {
        pool.prefixes = extended(&old, prefixes)?;
    }
    let given = |new: Option<i64>, old: u8| Some(new.unwrap_or(old.into()));
    let lengths = Lengths::new(
        old.ip_version,
        given(change.min_prefixlen, old.min_prefixlen),
        given(change.max_prefixlen, old.max_prefixlen),
        given(change.default_prefixlen, old.default_prefixlen),
    )?;
    (pool.min_prefixlen, pool.max_prefixlen, pool.default_prefixlen) =
        (lengths.min, lengths.max, lengths.default);
    set(&mut pool.name, &change.name);
    set(&mut pool.description, &change.description);
    set(&mut pool.is_default, &change.is_default);
    set(&mut pool.address_scope_id, &change.address_scope_id);
    pool.default_quota = change.default_quota.or(pool.default_quota);
    if pool.is_default && !old.is_default {
        check::no_other_default(tx, pool.ip_version)?;
    }
    check::owner_of_scope(tx, &old, change.asker.as_deref())?;
    check::scope(tx, &pool, change.asker.as_deref())?;
    Ok(put(tx, &old, pool))
}

/// Adds prefixes.
pub fn add_prefixes(
    tx: &mut Tx,
    id: SubnetPoolId,
    prefixes: &[IpNet],
    asker: Option<&str>,
    revision: Option<u64>,
) -> Result<SubnetPool, Error> {
    let pool = get(tx, id, revision)?;
    let prefixes = pool.prefixes.iter().chain(prefixes).copied().collect();
    let asker = asker.map(str::to_owned);
    update(
        tx,
        id,
        &SubnetPoolChange { prefixes: Some(prefixes), asker, ..SubnetPoolChange::default() },
        revision,
    )
}

/// Takes away what of these prefixes the pool has; no subnet may have any of it.
pub fn remove_prefixes(
    tx: &mut Tx,
    id: SubnetPoolId,
    prefixes: &[IpNet],
    revision: Option<u64>,
) -> Result<SubnetPool, Error> {
    let old = get(tx, id, revision)?;
    let removed = prefix::merged(prefixes.iter().copied());
    if !prefix::any_overlap(&old.prefixes, &removed) {
        return Ok(old);
    }
    let is_removed = |taken: IpNet| removed.iter().any(|removed| prefix::overlap(taken, *removed));
    if taken(tx.view(), id).any(is_removed) {
        return Err(PoolError::IllegalPrefixUpdate("a subnet has some of what is to be removed").into());
    }
    let pool = SubnetPool { prefixes: prefix::without(&old.prefixes, &removed), ..old.clone() };
    Ok(put(tx, &old, pool))
}

/// Deletes a subnet pool of which no subnet is, and no delegated prefix.
pub fn delete(tx: &mut Tx, id: SubnetPoolId, revision: Option<u64>) -> Result<Step<()>, Error> {
    // Guarded: a subnet that comes of the pool writes it.
    get(tx, id, revision)?;
    if taken(tx.view(), id).next().is_some() {
        return Err(PoolError::PoolDelete.into());
    }
    if !rbac::remove_some(tx, Shareable::SubnetPool(id)) {
        return Ok(Step::More);
    }
    tx.delete::<SubnetPool>(&id);
    Ok(Step::Done(()))
}

/// The prefixes that subnets and ports have of a pool.
fn taken(view: &Snapshot, id: SubnetPoolId) -> impl Iterator<Item = IpNet> {
    let delegated = view.delegations_of_pool(id).filter_map(|port| Some(port.details.delegation?.prefix));
    delegated.chain(view.subnets_of_pool(id).map(|subnet| subnet.cidr))
}

fn get(tx: &mut Tx, id: SubnetPoolId, revision: Option<u64>) -> Result<SubnetPool, Error> {
    let pool = tx.get::<SubnetPool>(&id).ok_or(PoolError::PoolNotFound(id))?;
    stamp::check_revision(&pool.stamp, revision)?;
    Ok(pool.value.clone())
}

/// Writes a changed pool.
fn put(tx: &mut Tx, old: &SubnetPool, mut pool: SubnetPool) -> SubnetPool {
    if pool != *old {
        stamp::touch(tx, &mut pool);
        tx.put(pool.clone());
    }
    pool
}

/// The prefixes that a pool is to have, if they are of its family and leave out none of those that it has.
fn extended(old: &SubnetPool, prefixes: &[IpNet]) -> Result<Vec<IpNet>, PoolError> {
    let merged = prefix::merged(prefixes.iter().copied());
    if !prefix::covers(&merged, &old.prefixes) {
        return Err(PoolError::IllegalPrefixUpdate("those that it has must be among the new ones"));
    }
    match check::family(prefixes)? {
        version if version == old.ip_version => Ok(merged),
        _ => Err(PoolError::PrefixVersionMismatch),
    }
}

/// How much of a pool a unit of its quota is: an address of IPv4, a prefix of length 64 of IPv6.
fn quota_unit(version: IpVersion) -> u128 {
    match version {
        IpVersion::V4 => 1,
        IpVersion::V6 => 1 << 64,
    }
}
