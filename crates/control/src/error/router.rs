//! Refusals about routers, floating IPs and port forwardings.

use hadron_model::{
    ExtraRoute, FloatingIpId, NetworkId, PortForwardingId, PortId, PortRange, RouterId, SubnetId,
};
use std::net::IpAddr;

/// A refused operation of layer 3. Named and numbered as Neutron's exceptions.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RouterError {
    /// There is no such router, or the caller can't see it.
    #[error("router {0} could not be found")]
    NotFound(RouterId),
    /// The router has interfaces.
    #[error("router {router} still has ports: {}; remove its interfaces first", ids(.ports))]
    InUse {
        /// The router.
        router: RouterId,
        /// Its interfaces.
        ports: Vec<PortId>,
    },
    /// The port is no interface of the router.
    #[error("router {router} has no interface with id {port}")]
    InterfaceNotFound {
        /// The router.
        router: RouterId,
        /// The port.
        port: PortId,
    },
    /// The router has no interface on the subnet.
    #[error("router {router} has no interface on subnet {subnet}")]
    InterfaceNotFoundForSubnet {
        /// The router.
        router: RouterId,
        /// The subnet.
        subnet: SubnetId,
    },
    /// The port has no address of the subnet.
    #[error("subnet {subnet} is not one of port {port}")]
    SubnetMismatch {
        /// The port.
        port: PortId,
        /// The subnet.
        subnet: SubnetId,
    },
    /// Floating IPs lead to the subnet through the router.
    #[error(
        "the interface on subnet {subnet} of router {router} is needed by floating IPs; release them first"
    )]
    InterfaceInUseByFloatingIp {
        /// The router.
        router: RouterId,
        /// The subnet.
        subnet: SubnetId,
    },
    /// Next hops lie in the subnet.
    #[error("the interface on subnet {subnet} of router {router} is needed by its routes; remove them first")]
    InterfaceInUseByRoute {
        /// The router.
        router: RouterId,
        /// The subnet.
        subnet: SubnetId,
    },
    /// Floating IPs need the gateway.
    #[error(
        "the gateway of router {router} on network {network} is needed by floating IPs; release them first"
    )]
    GatewayInUseByFloatingIp {
        /// The router.
        router: RouterId,
        /// The external network.
        network: NetworkId,
    },
    /// A route that can't be.
    #[error("invalid route to {} by {}: {reason}", .route.destination, .route.next_hop)]
    InvalidRoute {
        /// The route.
        route: ExtraRoute,
        /// Why.
        reason: &'static str,
    },
    /// The router has no gateways that match.
    #[error("no gateway of router {router} matches: {reason}")]
    UnableToMatchGateways {
        /// The router.
        router: RouterId,
        /// What did not match.
        reason: String,
    },
    /// The port is a part of a router or a floating IP.
    #[error("port {port} can't be {operation} through the port API: it has device owner {device_owner}")]
    ServicePortInUse {
        /// The port.
        port: PortId,
        /// What was asked.
        operation: &'static str,
        /// Its `device_owner`.
        device_owner: String,
    },
    /// There is no such floating IP, or the caller can't see it.
    #[error("floating IP {0} could not be found")]
    FloatingIpNotFound(FloatingIpId),
    /// No address is left on the external network.
    #[error("no IPv4 address is left on external network {0}")]
    ExternalIpAddressExhausted(NetworkId),
    /// The port's address has a floating IP of the network already.
    #[error(
        "floating IP {floating_ip} can't lead to {address} of port {port}, which has a floating IP of network {network}"
    )]
    FloatingIpPortAlreadyAssociated {
        /// The one that was to lead there.
        floating_ip: FloatingIpId,
        /// The port.
        port: PortId,
        /// Its address.
        address: IpAddr,
        /// The external network.
        network: NetworkId,
    },
    /// No router joins the subnet and the external network.
    #[error(
        "external network {network} is not reachable from subnet {subnet}: no router joins them for port {port}"
    )]
    ExternalGatewayForFloatingIpNotFound {
        /// The subnet.
        subnet: SubnetId,
        /// The external network.
        network: NetworkId,
        /// The port.
        port: PortId,
    },
    /// The router that was named has no gateway on the floating IP's network.
    #[error("router {router} has no gateway on network {network}")]
    RouterWithoutGateway {
        /// The router.
        router: RouterId,
        /// The external network.
        network: NetworkId,
    },
    /// A floating IP of another project leads to the port that is to be deleted.
    #[error("a floating IP of another project leads to port {0}; ask an administrator to release it")]
    FipAssociated(PortId),
    /// Port forwardings share the floating IP.
    #[error("floating IP {0} is in use by port forwardings; delete them first")]
    FloatingIpInUseByForwarding(FloatingIpId),
    /// The port has port forwardings, and so no floating IP.
    #[error("port {0} has port forwardings, so no floating IP can lead to it")]
    PortHasForwarding(PortId),
    /// The port has a floating IP, and so no port forwardings.
    #[error("floating IP {floating_ip} leads to port {port}, so no port forwarding can")]
    PortHasFloatingIp {
        /// The floating IP.
        floating_ip: FloatingIpId,
        /// The port.
        port: PortId,
    },
    /// There is no such port forwarding of the floating IP.
    #[error("port forwarding {0} could not be found")]
    ForwardingNotFound(PortForwardingId),
    /// Two port forwardings would have a port.
    #[error(
        "bad port_forwarding request: {side} ports {wanted} and {existing} of another port forwarding collide"
    )]
    ForwardedPortCollision {
        /// `external` or `internal`.
        side: &'static str,
        /// Those asked for.
        wanted: PortRange,
        /// Those taken.
        existing: PortRange,
    },
}

impl RouterError {
    /// The name of Neutron's exception.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "RouterNotFound",
            Self::InUse { .. } => "RouterInUse",
            Self::InterfaceNotFound { .. } => "RouterInterfaceNotFound",
            Self::InterfaceNotFoundForSubnet { .. } => "RouterInterfaceNotFoundForSubnet",
            Self::SubnetMismatch { .. } => "SubnetMismatchForPort",
            Self::InterfaceInUseByFloatingIp { .. } => "RouterInterfaceInUseByFloatingIP",
            Self::InterfaceInUseByRoute { .. } => "RouterInterfaceInUseByRoute",
            Self::GatewayInUseByFloatingIp { .. } => "RouterExternalGatewayInUseByFloatingIp",
            Self::InvalidRoute { .. } => "InvalidRoutes",
            Self::UnableToMatchGateways { .. } => "UnableToMatchGateways",
            Self::ServicePortInUse { .. } => "ServicePortInUse",
            Self::FloatingIpNotFound(_) => "FloatingIPNotFound",
            Self::ExternalIpAddressExhausted(_) => "ExternalIpAddressExhausted",
            Self::FloatingIpPortAlreadyAssociated { .. } => "FloatingIPPortAlreadyAssociated",
            Self::ExternalGatewayForFloatingIpNotFound { .. } => "ExternalGatewayForFloatingIPNotFound",
            Self::RouterWithoutGateway { .. } => "Conflict",
            Self::FipAssociated(_) => "FipAssociated",
            Self::FloatingIpInUseByForwarding(_) => "FipInUseByPortForwarding",
            Self::PortHasForwarding(_) => "PortHasPortForwarding",
            Self::PortHasFloatingIp { .. } => "PortHasBindingFloatingIP",
            Self::ForwardingNotFound(_) => "PortForwardingNotFound",
            Self::ForwardedPortCollision { .. } => "BadRequest",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotFound(_)
            | Self::InterfaceNotFound { .. }
            | Self::InterfaceNotFoundForSubnet { .. }
            | Self::FloatingIpNotFound(_)
            | Self::ExternalGatewayForFloatingIpNotFound { .. }
            | Self::ForwardingNotFound(_) => 404,
            Self::SubnetMismatch { .. }
            | Self::InvalidRoute { .. }
            | Self::ExternalIpAddressExhausted(_)
            | Self::PortHasForwarding(_)
            | Self::UnableToMatchGateways { .. }
            | Self::ForwardedPortCollision { .. } => 400,
            Self::InUse { .. }
            | Self::InterfaceInUseByFloatingIp { .. }
            | Self::InterfaceInUseByRoute { .. }
            | Self::GatewayInUseByFloatingIp { .. }
            | Self::ServicePortInUse { .. }
            | Self::FloatingIpPortAlreadyAssociated { .. }
            | Self::RouterWithoutGateway { .. }
            | Self::FipAssociated(_)
            | Self::FloatingIpInUseByForwarding(_)
            | Self::PortHasFloatingIp { .. } => 409,
        }
    }
}

fn ids(ports: &[PortId]) -> String {
    super::ids(ports)
}
