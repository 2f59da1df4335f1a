//! The stored form of records: protobuf, so that two releases can share a store.
//!
//! Field numbers are never reused. A reader skips fields that it does not know and [`Stored`](crate::Stored) keeps their
//! bytes, so that an older release that rewrites a record does not lose what a newer one put there. An *enumerator* that
//! a reader does not know is an error: it may not guess what the record means.

mod claim;
mod commit;
mod host;
mod identity;
mod network;
mod parts;
mod port;
mod security;
mod subnet;
#[cfg(test)]
mod tests;

pub(crate) use commit::{LogChange, LogEntry};

use crate::DecodeError;
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use std::sync::Arc;

/// The encoded fields of a record that only a newer release knows.
pub(crate) type Unknown = Option<Arc<[u8]>>;

/// A record's protobuf message.
pub(crate) trait Encoded: Sized {
    /// The message.
    type Message: Message + Default;
    /// The highest field number that this release knows.
    const LAST_FIELD: u32;

    fn to_message(&self) -> Self::Message;
    fn from_message(message: Self::Message) -> Result<Self, DecodeError>;
}

pub(crate) fn encode<T: Encoded>(value: &T, out: &mut Vec<u8>) {
    value.to_message().encode_raw(out);
}

pub(crate) fn decode<T: Encoded>(bytes: &[u8]) -> Result<(T, Unknown), DecodeError> {
    let value = T::from_message(T::Message::decode(bytes)?)?;
    Ok((value, unknown_fields(bytes, T::LAST_FIELD)?))
}

/// The bytes of the top-level fields above `last`.
fn unknown_fields(bytes: &[u8], last: u32) -> Result<Unknown, DecodeError> {
    let mut rest = bytes;
    let mut unknown = Vec::new();
    while !rest.is_empty() {
        let field = rest;
        let (tag, wire_type) = decode_key(&mut rest)?;
        skip_field(wire_type, tag, &mut rest, DecodeContext::default())?;
        if tag > last {
            unknown.extend_from_slice(&field[..field.len() - rest.len()]);
        }
    }
    Ok((!unknown.is_empty()).then(|| unknown.into()))
}
