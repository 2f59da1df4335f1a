//! Subnet pools and address scopes.

use super::{Record1, Snapshot};
use crate::index::prefix_size;
use hadron_model::{
    AddressScope, AddressScopeId, IpNet, IpVersion, NetworkId, Port, PortId, Subnet, SubnetId, SubnetPool,
    SubnetPoolId,
};
use uuid::Uuid;

/// By project, scope and pool.
impl Snapshot {
    /// A project's subnet pools, by id.
    pub fn subnet_pools_of_project(&self, project: &str) -> impl Iterator<Item = &Record1<SubnetPool>> {
        let ids = self.indexes.projects.get(project).into_iter().flat_map(|owned| owned.subnet_pools.iter());
        ids.filter_map(|id| self.find::<SubnetPool>(id))
    }

    /// How many subnet pools a project has.
    pub fn count_subnet_pools_of_project(&self, project: &str) -> usize {
        self.indexes.projects.get(project).map_or(0, |owned| owned.subnet_pools.len())
    }

    /// A project's address scopes, by id.
    pub fn address_scopes_of_project(&self, project: &str) -> impl Iterator<Item = &Record1<AddressScope>> {
        let ids =
            self.indexes.projects.get(project).into_iter().flat_map(|owned| owned.address_scopes.iter());
        ids.filter_map(|id| self.find::<AddressScope>(id))
    }

    /// The pools of an address scope, by id.
    pub fn subnet_pools_of_scope(&self, scope: AddressScopeId) -> impl Iterator<Item = &Record1<SubnetPool>> {
        let first = (scope, SubnetPoolId(Uuid::nil()));
        let pairs = self.indexes.pools.of_scope.range(first..).take_while(move |pair| pair.0 == scope);
        pairs.filter_map(|pair| self.find::<SubnetPool>(&pair.1))
    }

    /// The subnets of a pool, by id.
    pub fn subnets_of_pool(&self, pool: SubnetPoolId) -> impl Iterator<Item = &Record1<Subnet>> {
        let first = (pool, SubnetId(Uuid::nil()));
        let pairs = self.indexes.pools.subnets.range(first..).take_while(move |pair| pair.0 == pool);
        pairs.filter_map(|pair| self.find::<Subnet>(&pair.1))
    }

    /// The ports with a prefix of a pool that is delegated to them, by id.
    pub fn delegations_of_pool(&self, pool: SubnetPoolId) -> impl Iterator<Item = &Record1<Port>> {
        let first = (pool, PortId(Uuid::nil()));
        let pairs = self.indexes.pools.delegations.range(first..).take_while(move |pair| pair.0 == pool);
        pairs.filter_map(|pair| self.find::<Port>(&pair.1))
    }

    /// The ports of a network that have a delegated prefix, by id.
    pub fn delegations_on(&self, network: NetworkId) -> impl Iterator<Item = &Record1<Port>> {
        let first = (network, PortId(Uuid::nil()));
        let pairs =
            self.indexes.pools.delegations_on.range(first..).take_while(move |pair| pair.0 == network);
        pairs.filter_map(|pair| self.find::<Port>(&pair.1))
    }

    /// The pool that is the default of a family.
    pub fn default_subnet_pool(&self, version: IpVersion) -> Option<&Record1<SubnetPool>> {
        let first = (version, SubnetPoolId(Uuid::nil()));
        let pair = self.indexes.pools.defaults.range(first..).next().filter(|pair| pair.0 == version)?;
        self.find::<SubnetPool>(&pair.1)
    }
}

/// Allocation. Each answer takes a time that does not grow with the pool's size or fill.
impl Snapshot {
    /// The prefix of this length that the pool gives next: of its smallest free block that has one the first.
    pub fn next_free_prefix(&self, pool: SubnetPoolId, length: u8) -> Option<IpNet> {
        self.indexes.pools.free.get(&pool)?.best(length)
    }

    /// Whether the prefix is of the pool and no subnet or port has any of it.
    pub fn is_prefix_free(&self, pool: SubnetPoolId, prefix: IpNet) -> bool {
        self.indexes.pools.free.get(&pool).is_some_and(|free| free.contains(prefix))
    }

    /// How many addresses of the pool the project's subnets and ports have.
    pub fn pool_addresses_taken(&self, pool: SubnetPoolId, project: &str) -> u128 {
        self.indexes.pools.taken.get(&(pool, project.to_owned())).copied().unwrap_or(0)
    }

    /// How many addresses a prefix has; 2^128 counts as 2^128 − 1.
    pub fn prefix_size(prefix: IpNet) -> u128 {
        prefix_size(prefix)
    }
}
