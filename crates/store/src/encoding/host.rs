//! Hosts and join tokens.

use super::Encoded;
use super::parts::{address, address_bytes, digest};
use crate::DecodeError;
use hadron_model::{Host, HostNumber, JoinToken, Timestamp};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HostMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    number: u32,
    #[prost(bytes = "vec", tag = "3")]
    underlay: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    key_fingerprint: Vec<u8>,
    #[prost(int64, tag = "5")]
    joined_at: i64,
    #[prost(string, repeated, tag = "6")]
    physical_networks: Vec<String>,
}

impl Encoded for Host {
    type Message = HostMessage;
    const LAST_FIELD: u32 = 6;

    fn to_message(&self) -> HostMessage {
        HostMessage {
            name: self.name.clone(),
            number: self.number.0,
            underlay: address_bytes(self.underlay),
            key_fingerprint: self.key_fingerprint.to_vec(),
            joined_at: self.joined_at.0,
            physical_networks: self.physical_networks.clone(),
        }
    }

    fn from_message(message: HostMessage) -> Result<Self, DecodeError> {
        Ok(Host {
            name: message.name,
            number: HostNumber(message.number),
            underlay: address(&message.underlay)?,
            key_fingerprint: digest(&message.key_fingerprint)?,
            joined_at: Timestamp(message.joined_at),
            physical_networks: message.physical_networks,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct JoinTokenMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(bytes = "vec", tag = "2")]
    secret_sha256: Vec<u8>,
    #[prost(string, optional, tag = "3")]
    host: Option<String>,
    #[prost(int64, tag = "4")]
    expires_at: i64,
}

impl Encoded for JoinToken {
    type Message = JoinTokenMessage;
    const LAST_FIELD: u32 = 4;

    fn to_message(&self) -> JoinTokenMessage {
        JoinTokenMessage {
            id: self.id.clone(),
            secret_sha256: self.secret_sha256.to_vec(),
            host: self.host.clone(),
            expires_at: self.expires_at.0,
        }
    }

    fn from_message(message: JoinTokenMessage) -> Result<Self, DecodeError> {
        Ok(JoinToken {
            id: message.id,
            secret_sha256: digest(&message.secret_sha256)?,
            host: message.host,
            expires_at: Timestamp(message.expires_at),
        })
    }
}
