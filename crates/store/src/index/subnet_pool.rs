//! Subnet pools and address scopes: by project and scope, the pools' free prefixes, their subnets and what projects have
//! taken.

use super::{Indexed, Indexes, replace};
use crate::prefixes::PrefixSpace;
use crate::record::Tables;
use hadron_model::{
    AddressScope, AddressScopeId, IpNet, IpVersion, NetworkId, Port, PortId, Subnet, SubnetId, SubnetPool,
    SubnetPoolId,
};
use imbl::{OrdMap, OrdSet};
use uuid::Uuid;

/// What pools are found by, and what is left of them.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Pools {
    pub(crate) free: OrdMap<SubnetPoolId, PrefixSpace>,
    pub(crate) subnets: OrdSet<(SubnetPoolId, SubnetId)>,
    /// Ports with a delegated prefix.
    pub(crate) delegations: OrdSet<(SubnetPoolId, PortId)>,
    /// The same, by network.
    pub(crate) delegations_on: OrdSet<(NetworkId, PortId)>,
    /// How many addresses of a pool a project's subnets and ports have.
    pub(crate) taken: OrdMap<(SubnetPoolId, String), u128>,
    pub(crate) of_scope: OrdSet<(AddressScopeId, SubnetPoolId)>,
    pub(crate) defaults: OrdSet<(IpVersion, SubnetPoolId)>,
}

/// How many addresses a prefix has; 2^128 counts as 2^128 − 1.
pub(crate) fn size(prefix: IpNet) -> u128 {
    let bits = u32::from(prefix.max_prefix_len() - prefix.prefix_len());
    1_u128.checked_shl(bits).unwrap_or(u128::MAX)
}

impl Indexed for AddressScope {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|scope| (scope.project_id.as_str(), scope.id)),
            new.map(|scope| (scope.project_id.as_str(), scope.id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.address_scopes.remove(&id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.address_scopes.insert(id)),
        );
    }
}

impl Indexed for SubnetPool {
    fn index(indexes: &mut Indexes, tables: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|pool| (pool.project_id.as_str(), pool.id)),
            new.map(|pool| (pool.project_id.as_str(), pool.id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.subnet_pools.remove(&id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.subnet_pools.insert(id)),
        );
        replace(
            indexes,
            old.and_then(|pool| Some((pool.address_scope_id?, pool.id))),
            new.and_then(|pool| Some((pool.address_scope_id?, pool.id))),
            |indexes, pair| indexes.pools.of_scope.remove(&pair),
            |indexes, pair| indexes.pools.of_scope.insert(pair),
        );
        replace(
            indexes,
            old.filter(|pool| pool.is_default).map(|pool| (pool.ip_version, pool.id)),
            new.filter(|pool| pool.is_default).map(|pool| (pool.ip_version, pool.id)),
            |indexes, pair| indexes.pools.defaults.remove(&pair),
            |indexes, pair| indexes.pools.defaults.insert(pair),
        );
        replace(
            indexes,
            old.map(|pool| (pool.id, pool.ip_version, &pool.prefixes)),
            new.map(|pool| (pool.id, pool.ip_version, &pool.prefixes)),
            |indexes, (id, _, _)| indexes.pools.free.remove(&id),
            |indexes, (id, version, prefixes)| {
                let free = free(indexes, tables, id, version, prefixes);
                indexes.pools.free.insert(id, free)
            },
        );
    }
}

/// What the pool's subnets leave of its prefixes.
fn free(
    indexes: &Indexes,
    tables: &Tables,
    pool: SubnetPoolId,
    version: IpVersion,
    prefixes: &[IpNet],
) -> PrefixSpace {
    let mut free = PrefixSpace::new(version);
    for prefix in prefixes {
        free.insert(*prefix);
    }
    let first = (pool, SubnetId(Uuid::nil()));
    let subnets = indexes.pools.subnets.range(first..).take_while(|pair| pair.0 == pool);
    for subnet in subnets.filter_map(|pair| tables.subnets.get(&pair.1)) {
        free.remove(subnet.cidr);
    }
    let first = (pool, PortId(Uuid::nil()));
    let ports = indexes.pools.delegations.range(first..).take_while(|pair| pair.0 == pool);
    let ports = ports.filter_map(|pair| tables.ports.get(&pair.1));
    for delegation in ports.filter_map(|port| port.details.delegation) {
        free.remove(delegation.prefix);
    }
    free
}

/// What a project has of a pool.
type Taken<'a> = (SubnetPoolId, IpNet, &'a str);

/// Brings the pools along with a subnet.
pub(super) fn index_subnet(
    indexes: &mut Indexes,
    tables: &Tables,
    old: Option<&Subnet>,
    new: Option<&Subnet>,
) {
    replace(
        indexes,
        old.and_then(|subnet| Some((subnet.subnetpool_id?, subnet.id, subnet.cidr, &subnet.project_id))),
        new.and_then(|subnet| Some((subnet.subnetpool_id?, subnet.id, subnet.cidr, &subnet.project_id))),
        |indexes, (pool, subnet, cidr, project)| {
            indexes.pools.subnets.remove(&(pool, subnet));
            give_back(indexes, tables, (pool, cidr, project));
        },
        |indexes, (pool, subnet, cidr, project)| {
            indexes.pools.subnets.insert((pool, subnet));
            take(indexes, (pool, cidr, project));
        },
    );
}

/// Brings the pools along with a port.
pub(super) fn index_port(indexes: &mut Indexes, tables: &Tables, old: Option<&Port>, new: Option<&Port>) {
    replace(
        indexes,
        old.and_then(|port| Some((port.details.delegation?, port.id, &port.project_id))),
        new.and_then(|port| Some((port.details.delegation?, port.id, &port.project_id))),
        |indexes, (delegation, port, project)| {
            indexes.pools.delegations.remove(&(delegation.subnetpool_id, port));
            give_back(indexes, tables, (delegation.subnetpool_id, delegation.prefix, project));
        },
        |indexes, (delegation, port, project)| {
            indexes.pools.delegations.insert((delegation.subnetpool_id, port));
            take(indexes, (delegation.subnetpool_id, delegation.prefix, project));
        },
    );
    replace(
        indexes,
        old.filter(|port| port.details.delegation.is_some()).map(|port| (port.network_id, port.id)),
        new.filter(|port| port.details.delegation.is_some()).map(|port| (port.network_id, port.id)),
        |indexes, pair| indexes.pools.delegations_on.remove(&pair),
        |indexes, pair| indexes.pools.delegations_on.insert(pair),
    );
}

fn take(indexes: &mut Indexes, (pool, cidr, project): Taken<'_>) {
    if let Some(free) = indexes.pools.free.get_mut(&pool) {
        free.remove(cidr);
    }
    let taken = indexes.pools.taken.entry((pool, project.to_owned())).or_insert(0);
    *taken = taken.wrapping_add(size(cidr));
}

fn give_back(indexes: &mut Indexes, tables: &Tables, (pool, cidr, project): Taken<'_>) {
    let is_of_pool =
        tables.subnet_pools.get(&pool).is_some_and(|pool| pool.prefixes.iter().any(|it| it.contains(&cidr)));
    if let Some(free) = indexes.pools.free.get_mut(&pool).filter(|_| is_of_pool) {
        free.insert(cidr);
    }
    let key = (pool, project.to_owned());
    if let Some(taken) = indexes.pools.taken.get_mut(&key) {
        *taken = taken.wrapping_sub(size(cidr));
        if *taken == 0 {
            indexes.pools.taken.remove(&key);
        }
    }
}
