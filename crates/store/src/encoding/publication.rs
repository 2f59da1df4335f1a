//! What name servers outside have from us.

use super::Encoded;
use super::parts::{address, address_bytes};
use crate::DecodeError;
use hadron_model::{NameValue, PublishedName};
use std::net::IpAddr;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PublishedNameMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    project_id: String,
    #[prost(bytes = "vec", repeated, tag = "3")]
    addresses: Vec<Vec<u8>>,
    #[prost(string, repeated, tag = "4")]
    names: Vec<String>,
    #[prost(bool, tag = "5")]
    is_ours: bool,
}

impl Encoded for PublishedName {
    type Message = PublishedNameMessage;
    const LAST_FIELD: u32 = 5;

    fn to_message(&self) -> PublishedNameMessage {
        let mut message = PublishedNameMessage {
            name: self.name.clone(),
            project_id: self.project_id.clone(),
            is_ours: self.is_ours,
            ..PublishedNameMessage::default()
        };
        for value in &self.values {
            match value {
                NameValue::Address(address) => message.addresses.push(address_bytes(*address)),
                NameValue::Name(name) => message.names.push(name.clone()),
            }
        }
        message
    }

    fn from_message(message: PublishedNameMessage) -> Result<Self, DecodeError> {
        let addresses: Vec<IpAddr> =
            message.addresses.iter().map(|bytes| address(bytes)).collect::<Result<_, _>>()?;
        let names = message.names.into_iter().map(NameValue::Name);
        Ok(PublishedName {
            name: message.name,
            project_id: message.project_id,
            values: addresses.into_iter().map(NameValue::Address).chain(names).collect(),
            is_ours: message.is_ours,
        })
    }
}
