//! Subnet pools, from which subnets get their prefix, and the scopes within which prefixes are distinct.

use crate::address::IpVersion;
use crate::{AddressScopeId, IpNet, Stamp, SubnetPoolId};

/// Within a scope addresses are distinct, so that routers may forward between its subnets without translation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressScope {
    /// UUID.
    pub id: AddressScopeId,
    /// Owner's project id.
    pub project_id: String,
    /// Name, at most 255 characters.
    pub name: String,
    /// The family of its addresses.
    pub ip_version: IpVersion,
}

/// Prefixes of one family to take subnets from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubnetPool {
    /// UUID.
    pub id: SubnetPoolId,
    /// Owner's project id.
    pub project_id: String,
    /// Name, at most 255 characters.
    pub name: String,
    /// Description, at most 255 characters.
    pub description: String,
    /// The family of its prefixes.
    pub ip_version: IpVersion,
    /// At least one: disjoint, in order, and as few as the addresses allow.
    pub prefixes: Vec<IpNet>,
    /// Length of a subnet's prefix for which none is asked.
    pub default_prefixlen: u8,
    /// The widest subnet.
    pub min_prefixlen: u8,
    /// The narrowest subnet.
    pub max_prefixlen: u8,
    /// How much a project may take: addresses of IPv4, prefixes of length 64 of IPv6.
    pub default_quota: Option<u64>,
    /// The scope to which its prefixes belong.
    pub address_scope_id: Option<AddressScopeId>,
    /// Whether it is taken where a default pool of the family is asked for; one is at most.
    pub is_default: bool,
    /// Times and revision.
    pub stamp: Stamp,
}
