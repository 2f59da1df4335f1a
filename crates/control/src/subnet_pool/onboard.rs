//! Subnets that come to a pool with their prefixes (`subnet_onboard`).

use super::{SubnetPoolChange, get, prefix, taken, update};
use crate::{Error, PoolError, stamp};
use hadron_model::{IpVersion, Network, NetworkId, Subnet, SubnetPool, SubnetPoolId};
use hadron_store::Tx;

/// Brings the network's subnets of the pool's family into the pool, with their prefixes. For a project the network must be its own.
pub fn onboard(
    tx: &mut Tx,
    id: SubnetPoolId,
    network: NetworkId,
    asker: Option<&str>,
    revision: Option<u64>,
) -> Result<SubnetPool, Error> {
    let found = tx.get::<Network>(&network).ok_or(Error::NetworkNotFound(network))?;
    if asker.is_some_and(|asker| asker != found.project_id) {
        return Err(PoolError::NotOwnNetwork(network).into());
    }
    let pool = get(tx, id, revision)?;
    let subnets = tx.view().subnets_of(network).map(|subnet| subnet.value.clone());
    let subnets: Vec<Subnet> =
        subnets.filter(|subnet| IpVersion::of(subnet.cidr.addr()) == pool.ip_version).collect();
    let is_taken = |subnet: &&Subnet| taken(tx.view(), id).any(|other| prefix::overlap(other, subnet.cidr));
    if let Some(other) = subnets.iter().find(is_taken) {
        let reason = format!("subnet {} with {} overlaps what is taken from it", other.id, other.cidr);
        return Err(PoolError::IllegalUpdate(reason).into());
    }
    let prefixes = pool.prefixes.iter().copied().chain(subnets.iter().map(|subnet| subnet.cidr)).collect();
    let asker = asker.map(str::to_owned);
    let change = SubnetPoolChange { prefixes: Some(prefixes), asker, ..SubnetPoolChange::default() };
    let pool = update(tx, id, &change, None)?;
    // Written in any case: what takes of it meanwhile must see the subnets.
    tx.put(pool.clone());
    for seen in subnets {
        let Some(subnet) = tx.get::<Subnet>(&seen.id) else { continue };
        let mut subnet = Subnet { subnetpool_id: Some(id), ..subnet.value.clone() };
        stamp::touch(tx, &mut subnet);
        tx.put(subnet);
    }
    // Subnets come and go one after another.
    crate::network::touch(tx, &found);
    Ok(pool)
}
