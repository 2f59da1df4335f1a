//! Subnet pools and address scopes.

use super::Encoded;
use super::parts::{
    PrefixMessage, StampMessage, bad, prefix, prefix_message, stamp, stamp_message, uuid, uuid_bytes,
};
use crate::DecodeError;
use hadron_model::{AddressScope, AddressScopeId, IpVersion, SubnetPool, SubnetPoolId};

fn version(number: u32) -> Result<IpVersion, DecodeError> {
    IpVersion::new(number.into()).ok_or_else(|| bad("family"))
}

fn length(number: u32) -> Result<u8, DecodeError> {
    u8::try_from(number).map_err(|_| bad("prefix length"))
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AddressScopeMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(string, tag = "2")]
    project_id: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(uint32, tag = "4")]
    ip_version: u32,
}

impl Encoded for AddressScope {
    type Message = AddressScopeMessage;
    const LAST_FIELD: u32 = 4;

    fn to_message(&self) -> AddressScopeMessage {
        AddressScopeMessage {
            id: uuid_bytes(self.id.0),
            project_id: self.project_id.clone(),
            name: self.name.clone(),
            ip_version: self.ip_version.number().into(),
        }
    }

    fn from_message(message: AddressScopeMessage) -> Result<Self, DecodeError> {
        Ok(AddressScope {
            id: AddressScopeId(uuid(&message.id)?),
            project_id: message.project_id,
            name: message.name,
            ip_version: version(message.ip_version)?,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SubnetPoolMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(string, tag = "2")]
    project_id: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    description: String,
    #[prost(uint32, tag = "5")]
    ip_version: u32,
    #[prost(message, repeated, tag = "6")]
    prefixes: Vec<PrefixMessage>,
    #[prost(uint32, tag = "7")]
    default_prefixlen: u32,
    #[prost(uint32, tag = "8")]
    min_prefixlen: u32,
    #[prost(uint32, tag = "9")]
    max_prefixlen: u32,
    #[prost(uint64, optional, tag = "10")]
    default_quota: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "11")]
    address_scope_id: Option<Vec<u8>>,
    #[prost(bool, tag = "12")]
    is_default: bool,
    #[prost(message, optional, tag = "13")]
    stamp: Option<StampMessage>,
}

impl Encoded for SubnetPool {
    type Message = SubnetPoolMessage;
    const LAST_FIELD: u32 = 13;
    with_tags!();

    fn to_message(&self) -> SubnetPoolMessage {
        SubnetPoolMessage {
            id: uuid_bytes(self.id.0),
            project_id: self.project_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            ip_version: self.ip_version.number().into(),
            prefixes: self.prefixes.iter().copied().map(prefix_message).collect(),
            default_prefixlen: self.default_prefixlen.into(),
            min_prefixlen: self.min_prefixlen.into(),
            max_prefixlen: self.max_prefixlen.into(),
            default_quota: self.default_quota,
            address_scope_id: self.address_scope_id.map(|id| uuid_bytes(id.0)),
            is_default: self.is_default,
            stamp: stamp_message(&self.stamp),
        }
    }

    fn from_message(message: SubnetPoolMessage) -> Result<Self, DecodeError> {
        let scope = message.address_scope_id.as_deref().map(uuid).transpose()?;
        Ok(SubnetPool {
            id: SubnetPoolId(uuid(&message.id)?),
            project_id: message.project_id,
            name: message.name,
            description: message.description,
            ip_version: version(message.ip_version)?,
            prefixes: message.prefixes.iter().map(prefix).collect::<Result<_, _>>()?,
            default_prefixlen: length(message.default_prefixlen)?,
            min_prefixlen: length(message.min_prefixlen)?,
            max_prefixlen: length(message.max_prefixlen)?,
            default_quota: message.default_quota,
            address_scope_id: scope.map(AddressScopeId),
            is_default: message.is_default,
            stamp: stamp(message.stamp),
        })
    }
}
