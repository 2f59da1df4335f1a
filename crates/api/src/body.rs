//! The body of a request: JSON with one object under the resource's name, or many under the collection's.

use crate::ApiError;
use serde_json::{Map, Value};

/// What a body holds.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Envelope {
    /// Nothing that names the resource.
    Nothing,
    /// One object.
    One(Map<String, Value>),
    /// Many objects, at least one.
    Many(Vec<Map<String, Value>>),
}

/// Opens the envelope.
pub(crate) fn open(bytes: &[u8], member: &str, collection: &str) -> Result<Envelope, ApiError> {
    if bytes.is_empty() {
        return Ok(Envelope::Nothing);
    }
    // Nested deeper than 128 levels is refused by the parser.
    let Ok(Value::Object(mut body)) = serde_json::from_slice::<Value>(bytes) else {
        return Err(invalid());
    };
    // Where both are the same word it is for one.
    if member != collection
        && let Some(items) = body.remove(collection)
    {
        return many(items, member);
    }
    match body.remove(member) {
        None => Ok(Envelope::Nothing),
        Some(object) => one(object, member).map(Envelope::One),
    }
}

fn many(items: Value, member: &str) -> Result<Envelope, ApiError> {
    match items {
        Value::Array(items) if !items.is_empty() => {
            let items = items.into_iter().map(|item| match item {
                Value::Object(mut item) => match item.remove(member) {
                    Some(inner) => one(inner, member),
                    None => Ok(item),
                },
                _ => Err(invalid()),
            });
            items.collect::<Result<_, _>>().map(Envelope::Many)
        }
        Value::Null | Value::Bool(false) => Err(nothing()),
        Value::Array(_) => Err(nothing()),
        Value::Object(items) if items.is_empty() => Err(nothing()),
        Value::String(text) if text.is_empty() => Err(nothing()),
        _ => Err(invalid()),
    }
}

fn one(object: Value, member: &str) -> Result<Map<String, Value>, ApiError> {
    match object {
        Value::Object(object) => Ok(object),
        Value::Null => Err(missing(member)),
        _ => Err(ApiError::bad_request(format!("'{member}' in the body is not an object"))),
    }
}

/// The body does not name the resource.
pub(crate) fn missing(member: &str) -> ApiError {
    ApiError::bad_request(format!("the body has no '{member}'"))
}

fn nothing() -> ApiError {
    ApiError::bad_request("the body has no objects to create")
}

fn invalid() -> ApiError {
    ApiError::bad_request("the body is not the JSON object that is expected")
}
