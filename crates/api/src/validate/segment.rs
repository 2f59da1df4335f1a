//! Segments of a new network.

use super::{show, string, to_integer};
use crate::ApiError;
use crate::attribute::Fault;
use serde_json::Value;

/// A list of objects with provider attributes and nothing else.
pub(super) fn list(value: &Value) -> Result<(), Fault> {
    let segments = value.as_array().ok_or_else(|| format!("'{}' is not a list", show(value)))?;
    segments.iter().try_for_each(one)
}

fn one(segment: &Value) -> Result<(), Fault> {
    let members = segment.as_object().ok_or_else(|| format!("'{}' is not a dictionary", show(segment)))?;
    for (name, value) in members {
        match name.as_str() {
            "provider:network_type" => string(value, 32)?,
            "provider:physical_network" if value.is_null() => {}
            "provider:physical_network" => string(value, 64)?,
            "provider:segmentation_id" if value.is_null() || to_integer(value).is_some() => {}
            "provider:segmentation_id" => {
                let message = format!("'{}' is not an integer", show(value));
                return Err(Fault::Error(ApiError::invalid_input(message)));
            }
            other => {
                let message = format!("unrecognized attribute(s) '{other}'");
                return Err(Fault::Error(ApiError::bad_request(message)));
            }
        }
    }
    Ok(())
}
