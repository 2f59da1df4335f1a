//! Refusals about what objects of every kind have.

use hadron_model::{AgentId, NetworkId, RouterId};
use uuid::Uuid;

/// A refused operation on an object of any kind. Named and numbered as Neutron's exceptions.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ObjectError {
    /// The object has no such tag.
    #[error("tag {0} could not be found")]
    TagNotFound(String),
    /// There is no object whose tags these could be, or the caller can't see it.
    #[error("resource {collection} {id} could not be found")]
    TagResourceNotFound {
        /// The kind of object.
        collection: &'static str,
        /// Its id as given.
        id: String,
    },
    /// An object would have too many tags.
    #[error(
        "bad {collection} request: {id} would have {count} tags, more than the {limit} that an object may have"
    )]
    TooManyTags {
        /// The kind of object.
        collection: &'static str,
        /// The object.
        id: Uuid,
        /// How many it would have.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The project has more than the limit that it is to get.
    #[error(
        "a limit of {limit} for {kind} is below the {used} that the project has; force it, or remove some first"
    )]
    QuotaBelowUsage {
        /// What is counted.
        kind: &'static str,
        /// The limit asked for.
        limit: u32,
        /// How many there are.
        used: usize,
    },
    /// The project has the deployment's limits.
    #[error("quota for project {0} could not be found: it has the defaults")]
    ProjectQuotaNotFound(String),
    /// There is no such agent.
    #[error("agent {0} could not be found")]
    AgentNotFound(AgentId),
    /// The agent answers no DHCP.
    #[error("agent {0} is not a DHCP agent")]
    InvalidDhcpAgent(AgentId),
    /// The agent answers for the network already.
    #[error("network {network} is hosted by DHCP agent {agent} already")]
    NetworkHostedByDhcpAgent {
        /// The network.
        network: NetworkId,
        /// The agent.
        agent: AgentId,
    },
    /// Nobody has put the network on the agent.
    #[error("network {network} is not hosted by DHCP agent {agent}")]
    NetworkNotHostedByDhcpAgent {
        /// The network.
        network: NetworkId,
        /// The agent.
        agent: AgentId,
    },
    /// A host answers for the networks of its ports, and for those that have none anywhere.
    #[error(
        "host {host} answers for network {network}, of which it has {ports} ports: move them to another, or switch DHCP off"
    )]
    NetworkServedWherePortsAre {
        /// The network.
        network: NetworkId,
        /// The host.
        host: String,
        /// How many there are.
        ports: usize,
    },
    /// The agent is none that routes.
    #[error("agent {0} is not an L3 agent")]
    InvalidL3Agent(AgentId),
    /// A host routes for its ports.
    #[error("host {host} serves router {router} as long as it has ports of its networks: move them")]
    RouterServedWherePortsAre {
        /// The router.
        router: RouterId,
        /// The host.
        host: String,
    },
    /// No host is in the zone.
    #[error("availability zone {0} could not be found")]
    AvailabilityZoneNotFound(String),
    /// A request names a DHCP option twice.
    #[error("DHCP option {0} is named twice for the same family")]
    DuplicateDhcpOpt(String),
    /// Every subnet of the network is for ports of other owners.
    #[error(
        "no subnet of network {network} has addresses for ports of device_owner '{device_owner}'; see their service_types"
    )]
    NoMatchingSubnet {
        /// The network.
        network: NetworkId,
        /// The port's owner.
        device_owner: String,
    },
    /// The token names no project.
    #[error("the request names no project, and neither does its token")]
    QuotaMissingProject,
}

impl ObjectError {
    /// The name of Neutron's exception.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::TagNotFound(_) => "TagNotFound",
            Self::TagResourceNotFound { .. } => "TagResourceNotFound",
            Self::TooManyTags { .. } => "BadRequest",
            Self::QuotaBelowUsage { .. } => "HTTPBadRequest",
            Self::ProjectQuotaNotFound(_) => "TenantQuotaNotFound",
            Self::QuotaMissingProject => "QuotaMissingTenant",
            Self::AgentNotFound(_) => "AgentNotFound",
            Self::InvalidDhcpAgent(_) => "InvalidDHCPAgent",
            Self::InvalidL3Agent(_) => "InvalidL3Agent",
            Self::RouterServedWherePortsAre { .. } => "DVRL3CannotRemoveFromDvrAgent",
            Self::NetworkHostedByDhcpAgent { .. } => "NetworkHostedByDHCPAgent",
            Self::NetworkNotHostedByDhcpAgent { .. } | Self::NetworkServedWherePortsAre { .. } => {
                "NetworkNotHostedByDhcpAgent"
            }
            Self::AvailabilityZoneNotFound(_) => "AvailabilityZoneNotFound",
            Self::DuplicateDhcpOpt(_) => "NeutronDbObjectDuplicateEntry",
            Self::NoMatchingSubnet { .. } => "IpAddressGenerationFailureNoMatchingSubnet",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::TagNotFound(_) | Self::TagResourceNotFound { .. } | Self::ProjectQuotaNotFound(_) => 404,
            Self::AgentNotFound(_)
            | Self::InvalidDhcpAgent(_)
            | Self::InvalidL3Agent(_)
            | Self::AvailabilityZoneNotFound(_) => 404,
            Self::DuplicateDhcpOpt(_)
            | Self::NoMatchingSubnet { .. }
            | Self::NetworkHostedByDhcpAgent { .. }
            | Self::NetworkNotHostedByDhcpAgent { .. }
            | Self::NetworkServedWherePortsAre { .. }
            | Self::RouterServedWherePortsAre { .. } => 409,
            Self::TooManyTags { .. } | Self::QuotaBelowUsage { .. } | Self::QuotaMissingProject => 400,
        }
    }
}
