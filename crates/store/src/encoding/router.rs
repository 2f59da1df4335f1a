//! Routers.

use super::Encoded;
use super::parts::{
    PrefixMessage, StampMessage, address, address_bytes, bad, prefix, prefix_message, stamp, stamp_message,
    uuid, uuid_bytes,
};
use crate::DecodeError;
use hadron_model::{ExtraRoute, Gateway, NetworkId, PortId, Router, RouterId, RouterNumber};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RouterMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(string, tag = "3")]
    project_id: String,
    #[prost(string, tag = "4")]
    name: String,
    #[prost(string, tag = "5")]
    description: String,
    #[prost(bool, tag = "6")]
    admin_state_up: bool,
    #[prost(message, repeated, tag = "7")]
    gateways: Vec<GatewayMessage>,
    #[prost(message, repeated, tag = "8")]
    routes: Vec<ExtraRouteMessage>,
    #[prost(bool, optional, tag = "9")]
    distributed: Option<bool>,
    #[prost(bool, optional, tag = "10")]
    ha: Option<bool>,
    #[prost(bool, optional, tag = "11")]
    default_route_ecmp: Option<bool>,
    #[prost(bool, optional, tag = "12")]
    default_route_bfd: Option<bool>,
    #[prost(string, repeated, tag = "13")]
    availability_zone_hints: Vec<String>,
    #[prost(bytes = "vec", optional, tag = "14")]
    flavor_id: Option<Vec<u8>>,
    #[prost(message, optional, tag = "15")]
    stamp: Option<StampMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GatewayMessage {
    #[prost(bytes = "vec", tag = "1")]
    network_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    port_id: Vec<u8>,
    #[prost(bool, tag = "3")]
    enable_snat: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ExtraRouteMessage {
    #[prost(message, optional, tag = "1")]
    destination: Option<PrefixMessage>,
    #[prost(bytes = "vec", tag = "2")]
    next_hop: Vec<u8>,
}

fn gateway_message(gateway: &Gateway) -> GatewayMessage {
    GatewayMessage {
        network_id: uuid_bytes(gateway.network_id.0),
        port_id: uuid_bytes(gateway.port_id.0),
        enable_snat: gateway.enable_snat,
    }
}

fn gateway(message: &GatewayMessage) -> Result<Gateway, DecodeError> {
    Ok(Gateway {
        network_id: NetworkId(uuid(&message.network_id)?),
        port_id: PortId(uuid(&message.port_id)?),
        enable_snat: message.enable_snat,
    })
}

fn route_message(route: &ExtraRoute) -> ExtraRouteMessage {
    ExtraRouteMessage {
        destination: Some(prefix_message(route.destination)),
        next_hop: address_bytes(route.next_hop),
    }
}

fn route(message: &ExtraRouteMessage) -> Result<ExtraRoute, DecodeError> {
    Ok(ExtraRoute {
        destination: prefix(message.destination.as_ref().ok_or_else(|| bad("destination"))?)?,
        next_hop: address(&message.next_hop)?,
    })
}

impl Encoded for Router {
    type Message = RouterMessage;
    const LAST_FIELD: u32 = 15;
    with_tags!();

    fn to_message(&self) -> RouterMessage {
        RouterMessage {
            id: uuid_bytes(self.id.0),
            number: self.number.0,
            project_id: self.project_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            admin_state_up: self.admin_state_up,
            gateways: self.gateways.iter().map(gateway_message).collect(),
            routes: self.routes.iter().map(route_message).collect(),
            distributed: self.distributed,
            ha: self.ha,
            default_route_ecmp: self.default_route_ecmp,
            default_route_bfd: self.default_route_bfd,
            availability_zone_hints: self.availability_zone_hints.clone(),
            flavor_id: self.flavor_id.map(uuid_bytes),
            stamp: stamp_message(&self.stamp),
        }
    }

    fn from_message(message: RouterMessage) -> Result<Self, DecodeError> {
        Ok(Router {
            id: RouterId(uuid(&message.id)?),
            number: RouterNumber(message.number),
            project_id: message.project_id,
            name: message.name,
            description: message.description,
            admin_state_up: message.admin_state_up,
            gateways: message.gateways.iter().map(gateway).collect::<Result<_, _>>()?,
            routes: message.routes.iter().map(route).collect::<Result<_, _>>()?,
            distributed: message.distributed,
            ha: message.ha,
            default_route_ecmp: message.default_route_ecmp,
            default_route_bfd: message.default_route_bfd,
            availability_zone_hints: message.availability_zone_hints,
            flavor_id: message.flavor_id.as_deref().map(uuid).transpose()?,
            stamp: stamp(message.stamp),
        })
    }
}
