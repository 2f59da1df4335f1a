//! Refusals about automatic topologies.

use hadron_model::NetworkId;

/// A refused automatic topology. Named and numbered as Neutron's exceptions.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TopologyError {
    /// No network is the way out.
    #[error("Deployment error: No default router:external network; an administrator sets is_default on one.")]
    NoDefaultNetwork,
    /// No pool gives prefixes.
    #[error(
        "Deployment error: No default subnetpools defined; an administrator sets is_default on a shared one."
    )]
    NoDefaultPools,
    /// The project's network can't be made.
    #[error("Deployment error: Unable to provide project private network: {0}.")]
    Network(String),
    /// The project's router can't be made.
    #[error("Deployment error: Unable to provide external connectivity: {0}.")]
    Router(String),
    /// Another network is the default.
    #[error("A default external network already exists: {0}; take is_default from it first")]
    DefaultNetworkExists(NetworkId),
    /// The topology of another project.
    #[error("not authorized: project {0} is not the one of the token")]
    NotAuthorized(String),
}

impl TopologyError {
    /// The name of Neutron's exception.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::NoDefaultNetwork | Self::NoDefaultPools | Self::Network(_) | Self::Router(_) => {
                "AutoAllocationFailure"
            }
            Self::DefaultNetworkExists(_) => "DefaultExternalNetworkExists",
            Self::NotAuthorized(_) => "NotAuthorized",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotAuthorized(_) => 403,
            _ => 409,
        }
    }
}
