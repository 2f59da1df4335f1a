//! Prefixes of subnet pools for instances that are routers themselves (RFC 8415 §6.3).
//!
//! A prefix is the port's from its pool, as a subnet's is: it counts in the project's quota there, nobody else gets it, and it goes back with the
//! port. Routers of the port's network lead it to the port's first IPv6 address.

use crate::subnet_pool::{self, Taken};
use crate::{Error, PoolError, rbac};
use hadron_model::{Delegation, IpVersion, Port, Shareable, SubnetPool, SubnetPoolId};
use hadron_store::Tx;

/// What a port asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DelegationRequest {
    /// The pool, of IPv6.
    pub subnetpool_id: SubnetPoolId,
    /// Length of the prefix; `None` is the pool's default.
    pub length: Option<u8>,
}

/// Gives the port what it asks for, in place of what it has; `None` leaves as it is, `Some(None)` gives back. The caller writes the port.
pub(crate) fn change(
    tx: &mut Tx,
    port: &mut Port,
    request: Option<Option<DelegationRequest>>,
) -> Result<(), Error> {
    let Some(request) = request else { return Ok(()) };
    let Some(DelegationRequest { subnetpool_id: id, length }) = request else {
        port.details.delegation = None;
        return Ok(());
    };
    if port.is_trusted() {
        return Err(Error::input(format!("no prefix can be delegated to a port of {}", port.device_owner)));
    }
    let pool = tx.get::<SubnetPool>(&id).ok_or(PoolError::PoolNotFound(id))?;
    if !rbac::may_use(tx.view(), Shareable::SubnetPool(id), &port.project_id) {
        return Err(PoolError::PoolNotFound(id).into());
    }
    if pool.ip_version != IpVersion::V6 {
        return Err(Error::input("prefixes are delegated from IPv6 subnet pools"));
    }
    let old = port.details.delegation;
    let is_same = |old: Delegation| length.is_none_or(|length| length == old.prefix.prefix_len());
    if old.is_some_and(|old| old.subnetpool_id == id && is_same(old)) {
        return Ok(());
    }
    let prefix = subnet_pool::take(tx, id, IpVersion::V6, &port.project_id, Taken::Length(length))?;
    port.details.delegation = Some(Delegation { subnetpool_id: id, prefix });
    Ok(())
}
