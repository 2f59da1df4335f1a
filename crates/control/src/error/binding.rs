//! Refusals about a port's bindings.

use crate::binding::BindingFailure;
use hadron_model::PortId;

/// A refused operation on a binding. Named and numbered as Neutron's exceptions.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BindingError {
    /// The port has no binding to the host.
    #[error("port {port} has no binding to host {host}")]
    NotFound {
        /// The port.
        port: PortId,
        /// The host, as given.
        host: String,
    },
    /// The port has a binding to the host.
    #[error("port {port} has a binding to host {host} already")]
    AlreadyExists {
        /// The port.
        port: PortId,
        /// The host.
        host: String,
    },
    /// The port is on the host.
    #[error("the binding of port {port} to host {host} is active already")]
    AlreadyActive {
        /// The port.
        port: PortId,
        /// The host.
        host: String,
    },
    /// The port can't be plugged so.
    #[error("port {port} can't be bound to host {host}: {reason}")]
    Failed {
        /// The port.
        port: PortId,
        /// The host.
        host: String,
        /// Why.
        reason: BindingFailure,
    },
    /// Only instances move.
    #[error("bad port request: {0} is not the port of an instance or a share, and has no further bindings")]
    Unsupported(PortId),
    /// The port has as many as it may have.
    #[error(
        "bad port request: {port} has {limit} inactive bindings, as many as a port may have; delete some"
    )]
    TooMany {
        /// The port.
        port: PortId,
        /// How many it may have.
        limit: usize,
    },
}

impl BindingError {
    /// The name of Neutron's exception.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "PortBindingNotFound",
            Self::AlreadyExists { .. } => "PortBindingAlreadyExists",
            Self::AlreadyActive { .. } => "PortBindingAlreadyActive",
            Self::Failed { .. } => "PortBindingError",
            Self::Unsupported(_) | Self::TooMany { .. } => "BadRequest",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotFound { .. } => 404,
            Self::AlreadyExists { .. } | Self::AlreadyActive { .. } => 409,
            Self::Unsupported(_) | Self::TooMany { .. } => 400,
            // Compute services know a host that can't be had by this.
            Self::Failed { .. } => 500,
        }
    }
}
