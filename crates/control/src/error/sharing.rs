//! Refusals about policies that share objects.

use hadron_model::{Access, NetworkId, RbacPolicyId, Shareable};

/// A refused operation on what is shared with whom. Named and numbered as Neutron's exceptions.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SharingError {
    /// There is no such policy, or the caller can't see it.
    #[error("RBAC policy {0} could not be found")]
    PolicyNotFound(RbacPolicyId),
    /// An object has one policy for an action and a target.
    #[error("an RBAC policy with the same object, action and target exists already")]
    DuplicatePolicy,
    /// What another project has depends on the policy.
    #[error("the RBAC policy on {} {} can't be taken back: {details}", .object.object_type(), .object.id())]
    PolicyInUse {
        /// What it shares.
        object: Shareable,
        /// What depends on it.
        details: String,
    },
    /// The action is none of those for such objects.
    #[error(
        "invalid action '{action}' for object type '{object_type}'; valid actions: {}",
        .valid.iter().map(|access| access.as_str()).collect::<Vec<_>>().join(", ")
    )]
    InvalidAction {
        /// As given.
        action: String,
        /// The kind of object.
        object_type: &'static str,
        /// What can be permitted on it.
        valid: &'static [Access],
    },
    /// Routers lead to the outside by the network.
    #[error("external network {0} is in use: routers have a gateway on it")]
    ExternalNetworkInUse(NetworkId),
}

impl SharingError {
    /// The name of Neutron's exception.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::PolicyNotFound(_) => "RbacPolicyNotFound",
            Self::DuplicatePolicy => "DuplicateRbacPolicy",
            Self::PolicyInUse { .. } => "RbacPolicyInUse",
            Self::InvalidAction { .. } => "InvalidActionForType",
            Self::ExternalNetworkInUse(_) => "ExternalNetworkInUse",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::PolicyNotFound(_) => 404,
            Self::InvalidAction { .. } => 400,
            Self::DuplicatePolicy | Self::PolicyInUse { .. } | Self::ExternalNetworkInUse(_) => 409,
        }
    }
}
