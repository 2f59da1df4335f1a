//! What routers need outside.

use super::Encoded;
use super::parts::{bad, uuid, uuid_bytes};
use crate::DecodeError;
use hadron_model::{GatewayHosts, HostNumber, PortId, PortLease};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GatewayHostsMessage {
    #[prost(bytes = "vec", tag = "1")]
    port_id: Vec<u8>,
    #[prost(uint32, repeated, tag = "2")]
    hosts: Vec<u32>,
    #[prost(uint64, tag = "3")]
    epoch: u64,
}

impl Encoded for GatewayHosts {
    type Message = GatewayHostsMessage;
    const LAST_FIELD: u32 = 3;

    fn to_message(&self) -> GatewayHostsMessage {
        GatewayHostsMessage {
            port_id: uuid_bytes(self.port_id.0),
            hosts: self.hosts.iter().map(|host| host.0).collect(),
            epoch: self.epoch,
        }
    }

    fn from_message(message: GatewayHostsMessage) -> Result<Self, DecodeError> {
        Ok(GatewayHosts {
            port_id: PortId(uuid(&message.port_id)?),
            hosts: message.hosts.into_iter().map(HostNumber).collect(),
            epoch: message.epoch,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PortLeaseMessage {
    #[prost(bytes = "vec", tag = "1")]
    port_id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    host: u32,
    #[prost(uint32, repeated, tag = "3")]
    blocks: Vec<u32>,
    #[prost(uint32, repeated, tag = "4")]
    slots: Vec<u32>,
    #[prost(uint32, repeated, tag = "5")]
    ending: Vec<u32>,
}

impl Encoded for PortLease {
    type Message = PortLeaseMessage;
    const LAST_FIELD: u32 = 5;

    fn to_message(&self) -> PortLeaseMessage {
        PortLeaseMessage {
            port_id: uuid_bytes(self.port_id.0),
            host: self.host.0,
            blocks: self.blocks.iter().copied().map(u32::from).collect(),
            slots: self.slots.iter().copied().map(u32::from).collect(),
            ending: self.ending.iter().copied().map(u32::from).collect(),
        }
    }

    fn from_message(message: PortLeaseMessage) -> Result<Self, DecodeError> {
        let numbers = |numbers: Vec<u32>, what| {
            let numbers = numbers.into_iter().map(|number| u16::try_from(number).map_err(|_| bad(what)));
            numbers.collect::<Result<_, _>>()
        };
        Ok(PortLease {
            port_id: PortId(uuid(&message.port_id)?),
            host: HostNumber(message.host),
            blocks: numbers(message.blocks, "block")?,
            slots: numbers(message.slots, "slot")?,
            ending: numbers(message.ending, "block or slot")?,
        })
    }
}
