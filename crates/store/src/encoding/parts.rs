//! Pieces that several messages share.

use crate::DecodeError;
use hadron_model::{AddressRange, IpNet, Mac, Stamp, Tags, Timestamp};
use std::net::IpAddr;
use uuid::Uuid;

/// `Stamp` without its tags, which are a field of every record that has them: see [`super::TAGS_FIELD`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct StampMessage {
    #[prost(int64, tag = "1")]
    created_at: i64,
    #[prost(int64, tag = "2")]
    updated_at: i64,
    #[prost(uint64, tag = "3")]
    revision_number: u64,
}

pub(crate) fn stamp_message(stamp: &Stamp) -> Option<StampMessage> {
    Some(StampMessage {
        created_at: stamp.created_at.0,
        updated_at: stamp.updated_at.0,
        revision_number: stamp.revision_number,
    })
}

pub(crate) fn stamp(message: Option<StampMessage>) -> Stamp {
    let message = message.unwrap_or_default();
    Stamp {
        created_at: Timestamp(message.created_at),
        updated_at: Timestamp(message.updated_at),
        revision_number: message.revision_number,
        tags: Tags::default(),
    }
}

/// A prefix: address and length.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PrefixMessage {
    #[prost(bytes = "vec", tag = "1")]
    address: Vec<u8>,
    #[prost(uint32, tag = "2")]
    length: u32,
}

pub(crate) fn prefix_message(prefix: IpNet) -> PrefixMessage {
    PrefixMessage { address: address_bytes(prefix.addr()), length: prefix.prefix_len().into() }
}

pub(crate) fn prefix(message: &PrefixMessage) -> Result<IpNet, DecodeError> {
    let length = u8::try_from(message.length).map_err(|_| bad("prefix length"))?;
    IpNet::new(address(&message.address)?, length).map_err(|_| bad("prefix length"))
}

/// A range of addresses.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RangeMessage {
    #[prost(bytes = "vec", tag = "1")]
    first: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    last: Vec<u8>,
}

pub(crate) fn range_message(range: AddressRange) -> RangeMessage {
    RangeMessage { first: address_bytes(range.first()), last: address_bytes(range.last()) }
}

pub(crate) fn range(message: &RangeMessage) -> Result<AddressRange, DecodeError> {
    AddressRange::new(address(&message.first)?, address(&message.last)?).ok_or_else(|| bad("address range"))
}

/// Four octets or sixteen.
pub(crate) fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

pub(crate) fn address(bytes: &[u8]) -> Result<IpAddr, DecodeError> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Ok(octets.into());
    }
    <[u8; 16]>::try_from(bytes).map(IpAddr::from).map_err(|_| bad("address"))
}

pub(crate) fn uuid_bytes(uuid: Uuid) -> Vec<u8> {
    uuid.as_bytes().to_vec()
}

pub(crate) fn uuid(bytes: &[u8]) -> Result<Uuid, DecodeError> {
    Uuid::from_slice(bytes).map_err(|_| bad("UUID"))
}

pub(crate) fn mac(bytes: &[u8]) -> Result<Mac, DecodeError> {
    bytes.try_into().map(Mac).map_err(|_| bad("MAC"))
}

pub(crate) fn digest(bytes: &[u8]) -> Result<[u8; 32], DecodeError> {
    bytes.try_into().map_err(|_| bad("SHA-256 digest"))
}

pub(crate) fn bad(what: &str) -> DecodeError {
    DecodeError(format!("no {what} that this release knows"))
}
