//! Packet logs.

use super::Encoded;
use super::parts::{StampMessage, bad, stamp, stamp_message, uuid, uuid_bytes};
use crate::DecodeError;
use hadron_model::{LoggedEvents, PacketLog, PacketLogId, PortId, SecurityGroupId};

const ALL: u32 = 1;
const ACCEPT: u32 = 2;
const DROP: u32 = 3;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PacketLogMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(string, tag = "2")]
    project_id: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    description: String,
    #[prost(bool, tag = "5")]
    enabled: bool,
    #[prost(uint32, tag = "6")]
    events: u32,
    #[prost(bytes = "vec", optional, tag = "7")]
    security_group_id: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "8")]
    port_id: Option<Vec<u8>>,
    #[prost(bool, tag = "9")]
    of_every_project: bool,
    #[prost(message, optional, tag = "10")]
    stamp: Option<StampMessage>,
}

impl Encoded for PacketLog {
    type Message = PacketLogMessage;
    const LAST_FIELD: u32 = 10;

    fn to_message(&self) -> PacketLogMessage {
        PacketLogMessage {
            id: uuid_bytes(self.id.0),
            project_id: self.project_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            enabled: self.enabled,
            events: match self.events {
                LoggedEvents::All => ALL,
                LoggedEvents::Accept => ACCEPT,
                LoggedEvents::Drop => DROP,
            },
            security_group_id: self.security_group_id.map(|id| uuid_bytes(id.0)),
            port_id: self.port_id.map(|id| uuid_bytes(id.0)),
            of_every_project: self.of_every_project,
            stamp: stamp_message(&self.stamp),
        }
    }

    fn from_message(message: PacketLogMessage) -> Result<Self, DecodeError> {
        let optional = |bytes: Option<Vec<u8>>| bytes.map(|bytes| uuid(&bytes)).transpose();
        Ok(PacketLog {
            id: PacketLogId(uuid(&message.id)?),
            project_id: message.project_id,
            name: message.name,
            description: message.description,
            enabled: message.enabled,
            events: match message.events {
                ALL => LoggedEvents::All,
                ACCEPT => LoggedEvents::Accept,
                DROP => LoggedEvents::Drop,
                _ => return Err(bad("kind of logged events")),
            },
            security_group_id: optional(message.security_group_id)?.map(SecurityGroupId),
            port_id: optional(message.port_id)?.map(PortId),
            of_every_project: message.of_every_project,
            stamp: stamp(message.stamp),
        })
    }
}
