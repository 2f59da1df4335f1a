//! The stored form of records: protobuf, so that two releases can share a store.
//!
//! Field numbers are never reused. A reader skips fields that it does not know and [`Stored`](crate::Stored) keeps their
//! bytes, so that an older release that rewrites a record does not lose what a newer one put there. An *enumerator* that
//! a reader does not know is an error: it may not guess what the record means.

/// The two methods of [`Encoded`] of a record whose stamp has tags.
macro_rules! with_tags {
    () => {
        fn tags(&self) -> Option<&hadron_model::Tags> {
            Some(&self.stamp.tags)
        }

        fn tags_mut(&mut self) -> Option<&mut hadron_model::Tags> {
            Some(&mut self.stamp.tags)
        }
    };
}

mod agent;
mod claim;
mod commit;
mod floating_ip;
mod host;
mod identity;
mod instance;
mod nat;
mod network;
mod packet_log;
mod parts;
mod port;
mod port_details;
mod publication;
mod quota;
mod rbac;
mod router;
mod security;
mod segment_range;
mod subnet;
mod subnet_pool;
#[cfg(test)]
mod tests;
mod topology;

pub(crate) use commit::{LogChange, LogEntry};

use crate::DecodeError;
use hadron_model::Tags;
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field, string};
use std::sync::Arc;

/// The encoded fields of a record that only a newer release knows.
pub(crate) type Unknown = Option<Arc<[u8]>>;

/// The field of a record's message that holds a tag, in each record whose stamp has tags. It is of the record rather than of
/// its stamp, so that releases that know no tags keep them.
pub(crate) const TAGS_FIELD: u32 = 90;

/// A record's protobuf message.
pub(crate) trait Encoded: Sized {
    /// The message.
    type Message: Message + Default;
    /// The highest field number that this release knows.
    const LAST_FIELD: u32;

    fn to_message(&self) -> Self::Message;
    fn from_message(message: Self::Message) -> Result<Self, DecodeError>;

    /// The tags of its stamp, if it has one.
    fn tags(&self) -> Option<&Tags> {
        None
    }

    /// The tags of its stamp, to set.
    fn tags_mut(&mut self) -> Option<&mut Tags> {
        None
    }
}

pub(crate) fn encode<T: Encoded>(value: &T, out: &mut Vec<u8>) {
    value.to_message().encode_raw(out);
    for tag in value.tags().into_iter().flat_map(Tags::iter) {
        string::encode(TAGS_FIELD, &tag.to_owned(), out);
    }
}

pub(crate) fn decode<T: Encoded>(bytes: &[u8]) -> Result<(T, Unknown), DecodeError> {
    let mut value = T::from_message(T::Message::decode(bytes)?)?;
    let above = Above::read(bytes, T::LAST_FIELD, value.tags().is_some())?;
    if let Some(tags) = value.tags_mut() {
        *tags = above.tags.into_iter().collect();
    }
    Ok((value, (!above.unknown.is_empty()).then(|| above.unknown.into())))
}

/// What a message has above the last field of its kind.
#[derive(Default)]
struct Above {
    tags: Vec<String>,
    /// The bytes of the fields that only a newer release knows.
    unknown: Vec<u8>,
}

impl Above {
    fn read(bytes: &[u8], last: u32, has_tags: bool) -> Result<Self, DecodeError> {
        let mut above = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let field = rest;
            let (number, wire_type) = decode_key(&mut rest)?;
            if number == TAGS_FIELD && has_tags {
                let mut tag = String::new();
                string::merge(wire_type, &mut tag, &mut rest, DecodeContext::default())?;
                above.tags.push(tag);
                continue;
            }
            skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
            if number > last {
                above.unknown.extend_from_slice(&field[..field.len() - rest.len()]);
            }
        }
        Ok(above)
    }
}
