//! What a pool's values must be for each other, its scope and its subnets.

use super::prefix;
use crate::{Error, PoolError, rbac};
use hadron_model::{AddressScope, IpNet, IpVersion, NetworkId, Shareable, SubnetPool};
use hadron_store::Tx;
use std::collections::BTreeSet;

/// The family of all prefixes, of which there is one.
pub(super) fn family(prefixes: &[IpNet]) -> Result<IpVersion, PoolError> {
    let mut versions = prefixes.iter().map(|prefix| IpVersion::of(prefix.addr()));
    let first = versions.next().ok_or(PoolError::EmptyPrefixList)?;
    if versions.all(|version| version == first) { Ok(first) } else { Err(PoolError::PrefixVersionMismatch) }
}

/// Lengths of the prefixes that a pool gives.
pub(super) struct Lengths {
    pub(super) min: u8,
    pub(super) max: u8,
    pub(super) default: u8,
}

impl Lengths {
    /// The lengths, those that are not given by default, if they fit each other and the family.
    pub(super) fn new(
        version: IpVersion,
        min: Option<i64>,
        max: Option<i64>,
        default: Option<i64>,
    ) -> Result<Self, PoolError> {
        let shortest = match version {
            IpVersion::V4 => 8,
            IpVersion::V6 => 64,
        };
        let bits = i64::from(version.bits());
        let (min, max) = (min.unwrap_or(shortest), max.unwrap_or(bits));
        let default = default.unwrap_or(min);
        let order = [
            (min > max, ("min_prefixlen", min), ("max_prefixlen", max)),
            (max > bits, ("max_prefixlen", max), ("ip_version_max", bits)),
            (default < min, ("default_prefixlen", default), ("min_prefixlen", min)),
            (default > max, ("default_prefixlen", default), ("max_prefixlen", max)),
        ];
        if let Some((_, (what, length), (other, bound))) =
            order.into_iter().find(|(is_wrong, _, _)| *is_wrong)
        {
            return Err(PoolError::IllegalBounds { what, length, other, bound });
        }
        // Each is between 0, below which none is taken, and the family's bits.
        let small = |length: i64| u8::try_from(length).unwrap_or(0);
        Ok(Self { min: small(min), max: small(max), default: small(default) })
    }
}

/// Refuses a second default of a family.
pub(super) fn no_other_default(tx: &mut Tx, version: IpVersion) -> Result<(), Error> {
    // Another server may make one.
    tx.guard_range::<SubnetPool>(());
    match tx.view().default_subnet_pool(version) {
        None => Ok(()),
        Some(other) => Err(Error::InvalidInput(format!(
            "subnet pool {} is the default of IPv{} already, and there can be one only",
            other.id,
            version.number()
        ))),
    }
}

/// Refuses a change of a pool in a scope of another project, but for an administrator.
pub(super) fn owner_of_scope(tx: &mut Tx, pool: &SubnetPool, asker: Option<&str>) -> Result<(), Error> {
    let (Some(asker), Some(scope)) = (asker, pool.address_scope_id) else { return Ok(()) };
    let owner = rbac::owner_of(tx, Shareable::AddressScope(scope));
    if owner.as_deref() == Some(asker) {
        return Ok(());
    }
    let reason = format!("its address scope {scope} is of another project");
    Err(PoolError::IllegalUpdate(reason).into())
}

/// Checks a pool as it is to be against its scope, if it has one, and writes the scope.
pub(super) fn scope(tx: &mut Tx, pool: &SubnetPool, asker: Option<&str>) -> Result<(), Error> {
    let Some(id) = pool.address_scope_id else { return Ok(()) };
    let scope = tx.get::<AddressScope>(&id).ok_or(PoolError::ScopeNotFound(id))?;
    if asker.is_some_and(|asker| !rbac::may_use(tx.view(), Shareable::AddressScope(id), asker)) {
        return Err(PoolError::ScopeNotFound(id).into());
    }
    if scope.ip_version != pool.ip_version {
        return Err(PoolError::ScopeVersion { pool: pool.id, scope: id, version: scope.ip_version }.into());
    }
    check_networks(tx, pool)?;
    let overlaps = {
        let mut others = tx.view().subnet_pools_of_scope(id).filter(|other| other.id != pool.id);
        others.any(|other| prefix::any_overlap(&other.prefixes, &pool.prefixes))
    };
    if overlaps {
        return Err(PoolError::ScopePrefixConflict.into());
    }
    tx.put(scope.value.clone());
    Ok(())
}

/// Refuses if a network that has subnets of the pool has others of the family, which would then be of another scope.
fn check_networks(tx: &Tx, pool: &SubnetPool) -> Result<(), Error> {
    let view = tx.view();
    let networks: BTreeSet<NetworkId> =
        view.subnets_of_pool(pool.id).map(|subnet| subnet.network_id).collect();
    let mut subnets = networks.iter().flat_map(|network| view.subnets_of(*network));
    let is_other = |subnet: &hadron_model::Subnet| {
        IpVersion::of(subnet.cidr.addr()) == pool.ip_version && subnet.subnetpool_id != Some(pool.id)
    };
    if subnets.any(|subnet| is_other(subnet)) {
        return Err(PoolError::ScopeAffinity.into());
    }
    Ok(())
}
