//! Taking a subnet's prefix from a pool.

use super::quota_unit;
use crate::{Error, PoolError};
use hadron_model::{AddressScopeId, IpNet, IpVersion, NetworkId, SubnetPool, SubnetPoolId};
use hadron_store::{Snapshot, Tx};
use std::net::IpAddr;

/// What a subnet asks of a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// This prefix.
    Prefix(IpNet),
    /// That of this length, or of the pool's default, in which this address lies.
    Around(IpAddr, Option<u8>),
    /// Any of this length, or of the pool's default.
    Length(Option<u8>),
}

/// Takes a prefix from the pool for a subnet of the project. It is taken when the subnet is written.
pub(crate) fn take(
    tx: &mut Tx,
    id: SubnetPoolId,
    version: IpVersion,
    project: &str,
    taken: Taken,
) -> Result<IpNet, Error> {
    let pool = tx.get::<SubnetPool>(&id).ok_or(PoolError::PoolNotFound(id))?;
    if pool.ip_version != version {
        return Err(Error::BadRequest {
            resource: "subnets",
            reason: format!(
                "an IPv{} subnet can't be taken from an IPv{} subnet pool",
                version.number(),
                pool.ip_version.number()
            ),
        });
    }
    let length = match taken {
        Taken::Prefix(prefix) => prefix.prefix_len(),
        Taken::Around(_, length) | Taken::Length(length) => length.unwrap_or(pool.default_prefixlen),
    };
    if length > pool.max_prefixlen {
        return Err(PoolError::AboveMax { length, max: pool.max_prefixlen }.into());
    }
    if length < pool.min_prefixlen {
        return Err(PoolError::BelowMin { length, min: pool.min_prefixlen }.into());
    }
    let wanted = match taken {
        Taken::Prefix(prefix) => Some(prefix),
        Taken::Around(address, _) => Some(around(address, length)?),
        Taken::Length(_) => None,
    };
    let prefix = match wanted {
        Some(prefix) if tx.view().is_prefix_free(id, prefix) => prefix,
        Some(prefix) => {
            return Err(PoolError::Allocation(format!("{prefix} is not of its free prefixes")).into());
        }
        None => tx
            .view()
            .next_free_prefix(id, length)
            .ok_or_else(|| PoolError::Allocation(format!("no prefix of length {length} is left")))?,
    };
    check_quota(tx.view(), &pool, project, prefix)?;
    // Two that take of one pool come one after another.
    tx.put(pool.value.clone());
    Ok(prefix)
}

/// Takes the rest of `new`, of which a subnet of the project has `old` already. It is taken when the subnet is written.
pub(crate) fn take_around(
    tx: &mut Tx,
    id: SubnetPoolId,
    project: &str,
    old: IpNet,
    new: IpNet,
) -> Result<(), Error> {
    let pool = tx.get::<SubnetPool>(&id).ok_or(PoolError::PoolNotFound(id))?;
    if new.prefix_len() < pool.min_prefixlen {
        return Err(PoolError::BelowMin { length: new.prefix_len(), min: pool.min_prefixlen }.into());
    }
    for rest in rest_of(new, old) {
        if !tx.view().is_prefix_free(id, rest) {
            return Err(PoolError::Allocation(format!("{rest} is not of its free prefixes")).into());
        }
        check_quota(tx.view(), &pool, project, rest)?;
    }
    tx.put(pool.value.clone());
    Ok(())
}

/// What of `whole` is beside `part`, which is in it: a prefix of each length between theirs.
fn rest_of(whole: IpNet, part: IpNet) -> Vec<IpNet> {
    let mut rest = Vec::new();
    let mut part = part;
    while part.prefix_len() > whole.prefix_len() {
        let Some(around) = part.supernet() else { break };
        let halves = around.subnets(part.prefix_len()).into_iter().flatten();
        rest.extend(halves.filter(|half| *half != part));
        part = around;
    }
    rest
}

/// The prefix of this length in which the address lies.
fn around(address: IpAddr, length: u8) -> Result<IpNet, Error> {
    let prefix = IpNet::new(address, length);
    prefix
        .map(|prefix| prefix.trunc())
        .map_err(|_| Error::input("gateway_ip is not of the subnet pool's family"))
}

fn check_quota(view: &Snapshot, pool: &SubnetPool, project: &str, prefix: IpNet) -> Result<(), Error> {
    let Some(quota) = pool.default_quota.filter(|quota| *quota > 0) else { return Ok(()) };
    let limit = u128::from(quota).saturating_mul(quota_unit(pool.ip_version));
    let used = view.pool_addresses_taken(pool.id, project).saturating_add(Snapshot::prefix_size(prefix));
    if used > limit { Err(PoolError::PoolQuotaExceeded.into()) } else { Ok(()) }
}

/// Refuses a subnet of the pool, or of none, beside what the network has of the family: all of its subnets are of one scope, or
/// without one of one pool, or of none. The network has been read guarded.
pub(crate) fn check_affinity(
    tx: &mut Tx,
    network: NetworkId,
    version: IpVersion,
    pool: Option<SubnetPoolId>,
) -> Result<(), Error> {
    let subnets = tx.view().subnets_of(network).filter(|subnet| IpVersion::of(subnet.cidr.addr()) == version);
    let others: Vec<Option<SubnetPoolId>> = subnets.map(|subnet| subnet.subnetpool_id).collect();
    let mut scope = None;
    for other in others.iter().flatten() {
        // Guarded: a pool may not change its scope meanwhile.
        scope = scope.or(scope_of(tx, *other));
    }
    match (pool, scope) {
        (Some(pool), Some(scope)) if scope_of(tx, pool) != Some(scope) => {
            Err(PoolError::ScopeAffinity.into())
        }
        (Some(_), Some(_)) => Ok(()),
        (Some(pool), None) if others.iter().any(|other| *other != Some(pool)) => {
            Err(PoolError::PoolAffinity.into())
        }
        (None, _) if others.iter().any(Option::is_some) => Err(PoolError::PoolAffinity.into()),
        _ => Ok(()),
    }
}

fn scope_of(tx: &mut Tx, pool: SubnetPoolId) -> Option<AddressScopeId> {
    tx.get::<SubnetPool>(&pool).and_then(|pool| pool.address_scope_id)
}
