//! What policies that share objects name.

use super::show;
use crate::ApiError;
use crate::attribute::Fault;
use hadron_model::{Shareable, Target};
use serde_json::Value;
use uuid::Uuid;

/// A kind of object, in any case and between blanks.
pub(super) fn object_type(value: &Value) -> Result<Value, ApiError> {
    let normal = value.as_str().map(|text| text.trim().to_lowercase());
    match normal.filter(|text| Shareable::TYPES.contains(&text.as_str())) {
        Some(text) => Ok(text.into()),
        None => Err(ApiError::invalid_input(format!(
            "'{}' is not an object type that can be shared; those are {}",
            show(value),
            Shareable::TYPES.join(", ")
        ))),
    }
}

/// A project's id, which is a UUID with or without hyphens, or everyone.
pub(super) fn target_project(value: &Value) -> Result<(), Fault> {
    let is_target =
        value.as_str().is_some_and(|text| text == Target::EVERYONE || Uuid::parse_str(text).is_ok());
    if is_target {
        return Ok(());
    }
    let reason = format!("'{}' is not a target project; it must be a UUID or '*'", show(value));
    Err(Fault::Error(ApiError::invalid_input(reason)))
}
