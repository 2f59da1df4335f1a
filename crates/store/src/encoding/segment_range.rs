//! Ranges of identifiers of networks.

use super::Encoded;
use super::parts::{StampMessage, bad, stamp, stamp_message, uuid, uuid_bytes};
use crate::DecodeError;
use hadron_model::{SegmentPool, SegmentRange, SegmentRangeId};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentRangeMessage {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(string, tag = "2")]
    project_id: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, optional, tag = "4")]
    description: Option<String>,
    #[prost(bool, tag = "5")]
    is_default: bool,
    /// The API's word.
    #[prost(string, tag = "6")]
    network_type: String,
    #[prost(string, tag = "7")]
    physical_network: String,
    #[prost(uint32, tag = "8")]
    first: u32,
    #[prost(uint32, tag = "9")]
    last: u32,
    #[prost(message, optional, tag = "10")]
    stamp: Option<StampMessage>,
}

impl Encoded for SegmentRange {
    type Message = SegmentRangeMessage;
    const LAST_FIELD: u32 = 10;
    with_tags!();

    fn to_message(&self) -> SegmentRangeMessage {
        SegmentRangeMessage {
            id: uuid_bytes(self.id.0),
            project_id: self.project_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            is_default: self.is_default,
            network_type: self.pool.network_type().to_owned(),
            physical_network: self.pool.physical_network().to_owned(),
            first: self.first,
            last: self.last,
            stamp: stamp_message(&self.stamp),
        }
    }

    fn from_message(message: SegmentRangeMessage) -> Result<Self, DecodeError> {
        let pool = SegmentPool::new(&message.network_type, &message.physical_network);
        Ok(SegmentRange {
            id: SegmentRangeId(uuid(&message.id)?),
            project_id: message.project_id,
            name: message.name,
            description: message.description,
            is_default: message.is_default,
            pool: pool.ok_or_else(|| bad("network type"))?,
            first: message.first,
            last: message.last,
            stamp: stamp(message.stamp),
        })
    }
}
