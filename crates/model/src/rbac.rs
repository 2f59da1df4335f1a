//! Policies by which an object of one project is visible to and usable by others (`rbac-policies`).

use crate::{AddressGroupId, AddressScopeId, NetworkId, RbacPolicyId, SecurityGroupId, SubnetPoolId};
use uuid::Uuid;

/// An object that policies can share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Shareable {
    /// A network.
    Network(NetworkId),
    /// A subnet pool.
    SubnetPool(SubnetPoolId),
    /// An address scope.
    AddressScope(AddressScopeId),
    /// An address group.
    AddressGroup(AddressGroupId),
    /// A security group.
    SecurityGroup(SecurityGroupId),
}

impl Shareable {
    /// The kinds, by the API's `object_type`.
    pub const TYPES: [&'static str; 5] =
        ["network", "subnetpool", "address_scope", "address_group", "security_group"];

    /// The object of a kind and an id; `None` if there is no such kind.
    pub fn new(object_type: &str, id: Uuid) -> Option<Self> {
        Some(match object_type {
            "network" => Self::Network(NetworkId(id)),
            "subnetpool" => Self::SubnetPool(SubnetPoolId(id)),
            "address_scope" => Self::AddressScope(AddressScopeId(id)),
            "address_group" => Self::AddressGroup(AddressGroupId(id)),
            "security_group" => Self::SecurityGroup(SecurityGroupId(id)),
            _ => return None,
        })
    }

    /// The API's `object_type`.
    pub fn object_type(self) -> &'static str {
        match self {
            Self::Network(_) => "network",
            Self::SubnetPool(_) => "subnetpool",
            Self::AddressScope(_) => "address_scope",
            Self::AddressGroup(_) => "address_group",
            Self::SecurityGroup(_) => "security_group",
        }
    }

    /// Its id.
    pub fn id(self) -> Uuid {
        match self {
            Self::Network(id) => id.0,
            Self::SubnetPool(id) => id.0,
            Self::AddressScope(id) => id.0,
            Self::AddressGroup(id) => id.0,
            Self::SecurityGroup(id) => id.0,
        }
    }

    /// What a policy can permit on it.
    pub fn accesses(self) -> &'static [Access] {
        match self {
            Self::Network(_) => &[Access::Shared, Access::External],
            _ => &[Access::Shared],
        }
    }
}

/// What a policy permits (`action`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Access {
    /// To see the object and use it.
    Shared,
    /// To see the network and reach the outside through it.
    External,
}

impl Access {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Access::Shared => "access_as_shared",
            Access::External => "access_as_external",
        }
    }
}

/// Whom a policy permits it (`target_tenant`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Target {
    /// Every project, `*`.
    Everyone,
    /// The project of this id.
    Project(String),
}

impl Target {
    /// The API's word for every project.
    pub const EVERYONE: &'static str = "*";

    /// The target that the API's text names.
    pub fn new(text: &str) -> Self {
        if text == Self::EVERYONE { Self::Everyone } else { Self::Project(text.to_owned()) }
    }

    /// The API's text.
    pub fn as_str(&self) -> &str {
        match self {
            Target::Everyone => Self::EVERYONE,
            Target::Project(id) => id,
        }
    }
}

/// A policy: one for each object, access and target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RbacPolicy {
    /// UUID.
    pub id: RbacPolicyId,
    /// Owner's project id, whose quota it counts to.
    pub project_id: String,
    /// What it shares.
    pub object: Shareable,
    /// What it permits.
    pub access: Access,
    /// Whom.
    pub target: Target,
}
