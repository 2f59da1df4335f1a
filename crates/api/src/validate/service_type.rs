//! Which ports a subnet is for.

use super::show;
use crate::ApiError;
use crate::attribute::Fault;
use axum::http::StatusCode;
use serde_json::Value;

/// How a `device_owner` begins that a subnet can be for.
///
/// Neutron takes each character of `compute:` for a prefix, and its public tests rest on that.
const PREFIXES: [&str; 11] = ["network:", "neutron:", "baremetal:", "c", "o", "m", "p", "u", "t", "e", ":"];

/// A list of owners, or null.
pub(super) fn list(value: &Value) -> Result<(), Fault> {
    let error = |name, message| Fault::Error(ApiError::new(StatusCode::BAD_REQUEST, name, message));
    let items = match value {
        Value::Null => return Ok(()),
        Value::Array(items) => items,
        other => return Err(Fault::Error(ApiError::bad_request(format!("{} is not a list", show(other))))),
    };
    for item in items {
        let Some(text) = item.as_str() else {
            return Err(error("InvalidInputSubnetServiceType", format!("{} is not a string", show(item))));
        };
        if !PREFIXES.iter().any(|prefix| text.starts_with(prefix)) || text.chars().count() > 255 {
            return Err(error(
                "InvalidSubnetServiceType",
                format!("'{}' is no device_owner that a subnet can be for", show(item)),
            ));
        }
    }
    Ok(())
}
