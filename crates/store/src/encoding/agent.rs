//! Agents.

use super::Encoded;
use super::parts::{bad, uuid, uuid_bytes};
use crate::DecodeError;
use hadron_model::{Agent, AgentId, AgentRole, NetworkId, RouterId, Timestamp};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AgentMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(string, tag = "2")]
    host: String,
    #[prost(uint32, tag = "3")]
    role: u32,
    #[prost(bool, tag = "4")]
    admin_state_up: bool,
    #[prost(string, optional, tag = "5")]
    description: Option<String>,
    #[prost(string, tag = "6")]
    availability_zone: String,
    #[prost(bytes = "vec", repeated, tag = "7")]
    networks: Vec<Vec<u8>>,
    #[prost(int64, tag = "8")]
    created_at: i64,
    #[prost(int64, tag = "9")]
    started_at: i64,
    #[prost(int64, tag = "10")]
    heartbeat_at: i64,
    #[prost(bytes = "vec", repeated, tag = "11")]
    routers: Vec<Vec<u8>>,
}

const SWITCHING: u32 = 1;
const DHCP: u32 = 2;
const ROUTING: u32 = 3;

impl Encoded for Agent {
    type Message = AgentMessage;
    const LAST_FIELD: u32 = 11;

    fn to_message(&self) -> AgentMessage {
        AgentMessage {
            id: uuid_bytes(self.id.0),
            host: self.host.clone(),
            role: match self.role {
                AgentRole::Switching => SWITCHING,
                AgentRole::Dhcp => DHCP,
                AgentRole::Routing => ROUTING,
            },
            admin_state_up: self.admin_state_up,
            description: self.description.clone(),
            availability_zone: self.availability_zone.clone(),
            networks: self.networks.iter().map(|id| uuid_bytes(id.0)).collect(),
            created_at: self.created_at.0,
            started_at: self.started_at.0,
            heartbeat_at: self.heartbeat_at.0,
            routers: self.routers.iter().map(|id| uuid_bytes(id.0)).collect(),
        }
    }

    fn from_message(message: AgentMessage) -> Result<Self, DecodeError> {
        let networks = message.networks.iter().map(|id| uuid(id).map(NetworkId));
        let routers = message.routers.iter().map(|id| uuid(id).map(RouterId));
        Ok(Agent {
            id: AgentId(uuid(&message.id)?),
            host: message.host,
            role: match message.role {
                SWITCHING => AgentRole::Switching,
                DHCP => AgentRole::Dhcp,
                ROUTING => AgentRole::Routing,
                _ => return Err(bad("agent role")),
            },
            admin_state_up: message.admin_state_up,
            description: message.description,
            availability_zone: message.availability_zone,
            networks: networks.collect::<Result<_, _>>()?,
            routers: routers.collect::<Result<_, _>>()?,
            created_at: Timestamp(message.created_at),
            started_at: Timestamp(message.started_at),
            heartbeat_at: Timestamp(message.heartbeat_at),
        })
    }
}
