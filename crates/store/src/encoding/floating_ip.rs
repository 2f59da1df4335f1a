//! Floating IPs, port forwardings and what floating IPs claim.

use super::Encoded;
use super::parts::{StampMessage, address, address_bytes, bad, stamp, stamp_message, uuid, uuid_bytes};
use crate::{DecodeError, FloatingClaim};
use hadron_model::{
    Association, FloatingIp, FloatingIpId, FloatingIpNumber, ForwardedProtocol, NetworkId, PortForwarding,
    PortForwardingId, PortId, PortRange, RouterId,
};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FloatingIpMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(string, tag = "3")]
    project_id: String,
    #[prost(string, tag = "4")]
    description: String,
    #[prost(bytes = "vec", tag = "5")]
    floating_network_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    floating_port_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    floating_ip_address: Vec<u8>,
    #[prost(message, optional, tag = "8")]
    association: Option<AssociationMessage>,
    #[prost(bytes = "vec", optional, tag = "9")]
    router_id: Option<Vec<u8>>,
    #[prost(string, tag = "10")]
    dns_name: String,
    #[prost(string, tag = "11")]
    dns_domain: String,
    #[prost(message, optional, tag = "12")]
    stamp: Option<StampMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AssociationMessage {
    #[prost(bytes = "vec", tag = "1")]
    port_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    fixed_ip_address: Vec<u8>,
}

fn association(message: AssociationMessage) -> Result<Association, DecodeError> {
    Ok(Association {
        port_id: PortId(uuid(&message.port_id)?),
        fixed_ip_address: address(&message.fixed_ip_address)?,
    })
}

impl Encoded for FloatingIp {
    type Message = FloatingIpMessage;
    const LAST_FIELD: u32 = 12;
    with_tags!();

    fn to_message(&self) -> FloatingIpMessage {
        FloatingIpMessage {
            id: uuid_bytes(self.id.0),
            number: self.number.0,
            project_id: self.project_id.clone(),
            description: self.description.clone(),
            floating_network_id: uuid_bytes(self.floating_network_id.0),
            floating_port_id: uuid_bytes(self.floating_port_id.0),
            floating_ip_address: address_bytes(self.floating_ip_address),
            association: self.association.map(|association| AssociationMessage {
                port_id: uuid_bytes(association.port_id.0),
                fixed_ip_address: address_bytes(association.fixed_ip_address),
            }),
            router_id: self.router_id.map(|id| uuid_bytes(id.0)),
            dns_name: self.dns_name.clone(),
            dns_domain: self.dns_domain.clone(),
            stamp: stamp_message(&self.stamp),
        }
    }

    fn from_message(message: FloatingIpMessage) -> Result<Self, DecodeError> {
        Ok(FloatingIp {
            id: FloatingIpId(uuid(&message.id)?),
            number: FloatingIpNumber(message.number),
            project_id: message.project_id,
            description: message.description,
            floating_network_id: NetworkId(uuid(&message.floating_network_id)?),
            floating_port_id: PortId(uuid(&message.floating_port_id)?),
            floating_ip_address: address(&message.floating_ip_address)?,
            association: message.association.map(association).transpose()?,
            router_id: message.router_id.as_deref().map(uuid).transpose()?.map(RouterId),
            dns_name: message.dns_name,
            dns_domain: message.dns_domain,
            stamp: stamp(message.stamp),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PortForwardingMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    floating_ip_id: Vec<u8>,
    #[prost(string, tag = "3")]
    description: String,
    /// The number in the IP header.
    #[prost(uint32, tag = "4")]
    protocol: u32,
    #[prost(message, optional, tag = "5")]
    external: Option<PortRangeMessage>,
    #[prost(bytes = "vec", tag = "6")]
    internal_port_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    internal_ip_address: Vec<u8>,
    #[prost(message, optional, tag = "8")]
    internal: Option<PortRangeMessage>,
    #[prost(message, optional, tag = "9")]
    stamp: Option<StampMessage>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct PortRangeMessage {
    #[prost(uint32, tag = "1")]
    first: u32,
    #[prost(uint32, tag = "2")]
    last: u32,
}

fn range_message(range: PortRange) -> PortRangeMessage {
    PortRangeMessage { first: range.first().into(), last: range.last().into() }
}

fn range(message: PortRangeMessage) -> Result<PortRange, DecodeError> {
    let number = |port: u32| u16::try_from(port).map_err(|_| bad("port number"));
    PortRange::new(number(message.first)?, number(message.last)?).ok_or_else(|| bad("port range"))
}

fn protocol(number: u32) -> Result<ForwardedProtocol, DecodeError> {
    let mut all = ForwardedProtocol::ALL.into_iter();
    all.find(|protocol| u32::from(protocol.number()) == number).ok_or_else(|| bad("protocol"))
}

impl Encoded for PortForwarding {
    type Message = PortForwardingMessage;
    const LAST_FIELD: u32 = 9;
    with_tags!();

    fn to_message(&self) -> PortForwardingMessage {
        PortForwardingMessage {
            id: uuid_bytes(self.id.0),
            floating_ip_id: uuid_bytes(self.floating_ip_id.0),
            description: self.description.clone(),
            protocol: self.protocol.number().into(),
            external: self.external.map(range_message),
            internal_port_id: uuid_bytes(self.internal_port_id.0),
            internal_ip_address: address_bytes(self.internal_ip_address),
            internal: self.internal.map(range_message),
            stamp: stamp_message(&self.stamp),
        }
    }

    fn from_message(message: PortForwardingMessage) -> Result<Self, DecodeError> {
        Ok(PortForwarding {
            id: PortForwardingId(uuid(&message.id)?),
            floating_ip_id: FloatingIpId(uuid(&message.floating_ip_id)?),
            description: message.description,
            protocol: protocol(message.protocol)?,
            external: message.external.map(range).transpose()?,
            internal_port_id: PortId(uuid(&message.internal_port_id)?),
            internal_ip_address: address(&message.internal_ip_address)?,
            internal: message.internal.map(range).transpose()?,
            stamp: stamp(message.stamp),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FloatingClaimMessage {
    #[prost(bytes = "vec", tag = "1")]
    port_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    address: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    floating_network_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    floating_ip_id: Vec<u8>,
}

impl Encoded for FloatingClaim {
    type Message = FloatingClaimMessage;
    const LAST_FIELD: u32 = 4;

    fn to_message(&self) -> FloatingClaimMessage {
        FloatingClaimMessage {
            port_id: uuid_bytes(self.port_id.0),
            address: address_bytes(self.address),
            floating_network_id: uuid_bytes(self.floating_network_id.0),
            floating_ip_id: uuid_bytes(self.floating_ip_id.0),
        }
    }

    fn from_message(message: FloatingClaimMessage) -> Result<Self, DecodeError> {
        Ok(FloatingClaim {
            port_id: PortId(uuid(&message.port_id)?),
            address: address(&message.address)?,
            floating_network_id: NetworkId(uuid(&message.floating_network_id)?),
            floating_ip_id: FloatingIpId(uuid(&message.floating_ip_id)?),
        })
    }
}
