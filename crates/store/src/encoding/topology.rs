//! Automatic topologies.

use super::Encoded;
use super::parts::{uuid, uuid_bytes};
use crate::DecodeError;
use hadron_model::{AutoTopology, DefaultNetwork, NetworkId, RouterId};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AutoTopologyMessage {
    #[prost(string, tag = "1")]
    project_id: String,
    #[prost(bytes = "vec", tag = "2")]
    network_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    router_id: Vec<u8>,
}

impl Encoded for AutoTopology {
    type Message = AutoTopologyMessage;
    const LAST_FIELD: u32 = 3;

    fn to_message(&self) -> AutoTopologyMessage {
        AutoTopologyMessage {
            project_id: self.project_id.clone(),
            network_id: uuid_bytes(self.network_id.0),
            router_id: uuid_bytes(self.router_id.0),
        }
    }

    fn from_message(message: AutoTopologyMessage) -> Result<Self, DecodeError> {
        Ok(AutoTopology {
            project_id: message.project_id,
            network_id: NetworkId(uuid(&message.network_id)?),
            router_id: RouterId(uuid(&message.router_id)?),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DefaultNetworkMessage {
    #[prost(bytes = "vec", tag = "1")]
    network_id: Vec<u8>,
}

impl Encoded for DefaultNetwork {
    type Message = DefaultNetworkMessage;
    const LAST_FIELD: u32 = 1;

    fn to_message(&self) -> DefaultNetworkMessage {
        DefaultNetworkMessage { network_id: uuid_bytes(self.network_id.0) }
    }

    fn from_message(message: DefaultNetworkMessage) -> Result<Self, DecodeError> {
        Ok(DefaultNetwork { network_id: NetworkId(uuid(&message.network_id)?) })
    }
}
