//! Routers, and the ports by which they are attached to networks.

use crate::{NetworkId, Port, PortId, RouterId, RouterNumber, Stamp};
use ipnet::IpNet;
use std::net::IpAddr;
use uuid::Uuid;

/// `device_owner` of a router's port on a network whose subnets it routes. Its `device_id` is the router's id.
pub const DEVICE_OWNER_ROUTER_INTERFACE: &str = "network:router_interface";
/// `device_owner` of a router's port on an external network. Its `device_id` is the router's id.
pub const DEVICE_OWNER_ROUTER_GATEWAY: &str = "network:router_gateway";

/// A route beside those to the router's subnets (`routes`). Several to one destination share the traffic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExtraRoute {
    /// Destination prefix, host bits zero.
    pub destination: IpNet,
    /// Next hop, of the destination's family, in a subnet of one of the router's ports.
    pub next_hop: IpAddr,
}

/// An attachment to an external network (`external_gateway_info`, `external_gateways`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Gateway {
    /// The external network.
    pub network_id: NetworkId,
    /// The port on it, which holds the addresses.
    pub port_id: PortId,
    /// Whether traffic of the router's subnets leaves with the gateway's address.
    pub enable_snat: bool,
}

/// What joins subnets, and joins them to external networks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Router {
    /// UUID.
    pub id: RouterId,
    /// Number in the packet path.
    pub number: RouterNumber,
    /// Owner's project id.
    pub project_id: String,
    /// Name, at most 255 characters.
    pub name: String,
    /// Description, at most 255 characters.
    pub description: String,
    /// Administrative state; false stops its routing.
    pub admin_state_up: bool,
    /// Its external networks. The first is the one of `external_gateway_info`.
    pub gateways: Vec<Gateway>,
    /// Sorted, distinct.
    pub routes: Vec<ExtraRoute>,
    /// `distributed` as it was asked for; `None` if nobody asked. Every router's work is done on the instances' hosts.
    pub distributed: Option<bool>,
    /// `ha` as it was asked for; `None` if nobody asked. No router depends on one host.
    pub ha: Option<bool>,
    /// `enable_default_route_ecmp` as it was asked for; `None` if nobody asked.
    pub default_route_ecmp: Option<bool>,
    /// `enable_default_route_bfd` as it was asked for; `None` if nobody asked.
    pub default_route_bfd: Option<bool>,
    /// Availability zones in which its gateways are wanted.
    pub availability_zone_hints: Vec<String>,
    /// The flavor that it was created with.
    pub flavor_id: Option<Uuid>,
    /// Times and revision.
    pub stamp: Stamp,
}

impl Router {
    /// The attachment that `external_gateway_info` shows.
    pub fn primary_gateway(&self) -> Option<&Gateway> {
        self.gateways.first()
    }

    /// The attachment to an external network.
    pub fn gateway_on(&self, network: NetworkId) -> Option<&Gateway> {
        self.gateways.iter().find(|gateway| gateway.network_id == network)
    }
}

/// What a router's port is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RouterPortRole {
    /// It routes subnets of its network.
    Interface,
    /// It leads to an external network.
    Gateway,
}

impl RouterPortRole {
    /// The role of ports with this `device_owner`.
    pub fn of(device_owner: &str) -> Option<Self> {
        match device_owner {
            DEVICE_OWNER_ROUTER_INTERFACE => Some(RouterPortRole::Interface),
            DEVICE_OWNER_ROUTER_GATEWAY => Some(RouterPortRole::Gateway),
            _ => None,
        }
    }

    /// The `device_owner` of its ports.
    pub fn device_owner(self) -> &'static str {
        match self {
            RouterPortRole::Interface => DEVICE_OWNER_ROUTER_INTERFACE,
            RouterPortRole::Gateway => DEVICE_OWNER_ROUTER_GATEWAY,
        }
    }
}

impl Port {
    /// The router that the port belongs to, and what for.
    pub fn router(&self) -> Option<(RouterId, RouterPortRole)> {
        let role = RouterPortRole::of(&self.device_owner)?;
        Some((self.device_id.parse().ok()?, role))
    }
}
