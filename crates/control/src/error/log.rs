//! Refusals about packet logs.

use hadron_model::{PacketLogId, PortId, SecurityGroupId};

/// A refused operation on a packet log. Named and numbered as Neutron's exceptions.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogError {
    /// There is no such log, or the caller can't see it.
    #[error("log resource {0} could not be found")]
    NotFound(PacketLogId),
    /// Nothing of this kind is logged.
    #[error("invalid log resource_type: {0}; GET /v2.0/log/loggable-resources lists those that there are")]
    InvalidResourceType(String),
    /// There is no such security group, or the caller can't use it.
    #[error("resource {0} could not be found")]
    GroupNotFound(SecurityGroupId),
    /// There is no such port, or the caller can't see it.
    #[error("target resource {0} could not be found")]
    PortNotFound(PortId),
    /// No host filters the packets of a port of this kind.
    #[error("packets of port {0} can't be logged: no host filters a port of this kind")]
    TypeNotSupported(PortId),
    /// The port does not have the group.
    #[error("security group {group} can't be logged on port {port}, which doesn't have it")]
    GroupNotOnPort {
        /// The group.
        group: SecurityGroupId,
        /// The port.
        port: PortId,
    },
}

impl LogError {
    /// The name of Neutron's exception.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "LogResourceNotFound",
            Self::InvalidResourceType(_) => "InvalidLogResourceType",
            Self::GroupNotFound(_) => "ResourceNotFound",
            Self::PortNotFound(_) => "TargetResourceNotFound",
            Self::TypeNotSupported(_) => "LoggingTypeNotSupported",
            Self::GroupNotOnPort { .. } => "InvalidResourceConstraint",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotFound(_) | Self::GroupNotFound(_) | Self::PortNotFound(_) => 404,
            Self::TypeNotSupported(_) => 409,
            Self::InvalidResourceType(_) | Self::GroupNotOnPort { .. } => 400,
        }
    }
}
