//! Refusals about subnet pools and address scopes.

use hadron_model::{AddressScopeId, IpVersion, NetworkId, SubnetPoolId};

/// A refused operation on subnet pools or address scopes. Named and numbered as Neutron's exceptions.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PoolError {
    /// There is no such pool, or the caller can't see it.
    #[error("subnet pool {0} could not be found")]
    PoolNotFound(SubnetPoolId),
    /// There is no such scope, or the caller can't see it.
    #[error("address scope {0} could not be found")]
    ScopeNotFound(AddressScopeId),
    /// Pools are of the scope.
    #[error("address scope {0} is in use by subnet pools; take them out of it first")]
    ScopeInUse(AddressScopeId),
    /// A shared scope stays shared.
    #[error("address scope {scope} can't be changed: {reason}")]
    ScopeUpdate {
        /// The scope.
        scope: AddressScopeId,
        /// Why.
        reason: &'static str,
    },
    /// Two pools of a scope would have the same addresses.
    #[error("a prefix overlaps one of another subnet pool of the address scope")]
    ScopePrefixConflict,
    /// The pool's owner may not use the scope.
    #[error(
        "subnet pool {pool} can't be of address scope {scope}, which is neither its project's own nor shared with it"
    )]
    IllegalScope {
        /// The pool.
        pool: SubnetPoolId,
        /// The scope.
        scope: AddressScopeId,
    },
    /// The scope is of the other family.
    #[error("subnet pool {pool} can't be of address scope {scope}, which is of IPv{}", .version.number())]
    ScopeVersion {
        /// The pool.
        pool: SubnetPoolId,
        /// The scope.
        scope: AddressScopeId,
        /// The scope's family.
        version: IpVersion,
    },
    /// All subnets of a network and family are of one scope.
    #[error("the subnets of a network and family must be of one address scope")]
    ScopeAffinity,
    /// All subnets of a network and family are of one pool, or of none.
    #[error("the subnets of a network and family must be of one subnet pool")]
    PoolAffinity,
    /// A pool has prefixes.
    #[error("a subnet pool needs at least one prefix")]
    EmptyPrefixList,
    /// A pool is of one family.
    #[error("the prefixes of a subnet pool must be of one family")]
    PrefixVersionMismatch,
    /// Lengths of prefixes contradict each other.
    #[error("{what} {length} is beyond {other} {bound}")]
    IllegalBounds {
        /// Which.
        what: &'static str,
        /// Its value.
        length: i64,
        /// What it is beyond.
        other: &'static str,
        /// Its value.
        bound: i64,
    },
    /// The pool's prefixes can't change so.
    #[error("the prefixes of the subnet pool can't change: {0}")]
    IllegalPrefixUpdate(&'static str),
    /// The pool can't change so.
    #[error("the subnet pool can't change: {0}")]
    IllegalUpdate(String),
    /// Subnets are of the pool.
    #[error("the subnet pool can't be deleted: subnets are of it")]
    PoolDelete,
    /// Too narrow a subnet.
    #[error("a subnet of length {length} can't be taken, the pool's longest prefix is {max}")]
    AboveMax {
        /// What was asked.
        length: u8,
        /// What the pool gives.
        max: u8,
    },
    /// Too wide a subnet.
    #[error("a subnet of length {length} can't be taken, the pool's shortest prefix is {min}")]
    BelowMin {
        /// What was asked.
        length: u8,
        /// What the pool gives.
        min: u8,
    },
    /// Nothing such is left.
    #[error("the subnet pool can't give the subnet: {0}")]
    Allocation(String),
    /// A project brings the subnets of its own networks only.
    #[error(
        "network {0} is of another project, so that only an administrator can bring its subnets to a pool"
    )]
    NotOwnNetwork(NetworkId),
    /// The project has as much of the pool as it may have.
    #[error("the project has as much of the subnet pool as it may have")]
    PoolQuotaExceeded,
}

impl PoolError {
    /// The name of Neutron's exception.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::PoolNotFound(_) => "SubnetPoolNotFound",
            Self::ScopeNotFound(_) => "AddressScopeNotFound",
            Self::ScopeInUse(_) => "AddressScopeInUse",
            Self::ScopeUpdate { .. } => "AddressScopeUpdateError",
            Self::ScopePrefixConflict => "AddressScopePrefixConflict",
            Self::IllegalScope { .. } => "IllegalSubnetPoolAssociationToAddressScope",
            Self::ScopeVersion { .. } => "IllegalSubnetPoolIpVersionAssociationToAddressScope",
            Self::ScopeAffinity => "NetworkAddressScopeAffinityError",
            Self::PoolAffinity => "NetworkSubnetPoolAffinityError",
            Self::EmptyPrefixList => "EmptySubnetPoolPrefixList",
            Self::PrefixVersionMismatch => "PrefixVersionMismatch",
            Self::IllegalBounds { .. } => "IllegalSubnetPoolPrefixBounds",
            Self::IllegalPrefixUpdate(_) => "IllegalSubnetPoolPrefixUpdate",
            Self::IllegalUpdate(_) => "IllegalSubnetPoolUpdate",
            Self::PoolDelete => "SubnetPoolDeleteError",
            Self::AboveMax { .. } => "MaxPrefixSubnetAllocationError",
            Self::BelowMin { .. } => "MinPrefixSubnetAllocationError",
            Self::Allocation(_) => "SubnetAllocationError",
            Self::PoolQuotaExceeded => "SubnetPoolQuotaExceeded",
            Self::NotOwnNetwork(_) => "NotAuthorized",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::PoolNotFound(_) | Self::ScopeNotFound(_) => 404,
            Self::NotOwnNetwork(_) => 403,
            Self::ScopeInUse(_)
            | Self::ScopePrefixConflict
            | Self::Allocation(_)
            | Self::PoolQuotaExceeded => 409,
            _ => 400,
        }
    }
}
