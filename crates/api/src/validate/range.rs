//! Numbers within limits, and the protocols that are forwarded.

use super::{show, to_integer};
use crate::ApiError;
use hadron_model::ForwardedProtocol;
use serde_json::Value;

/// A number from `least` to `most`, or null.
pub(super) fn number_or_none(value: &Value, least: i64, most: i64) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    match to_integer(value) {
        None => Err(format!("'{}' is not an integer", show(value))),
        Some(number) if number < least => {
            Err(format!("'{number}' is too small - must be at least '{least}'"))
        }
        Some(number) if number > most => {
            Err(format!("'{number}' is too large - must be no larger than '{most}'"))
        }
        Some(_) => Ok(()),
    }
}

/// A port, or two with a colon between them in rising order, or null.
pub(super) fn ports(value: &Value, least: i64, most: i64) -> Result<(), String> {
    let text = match value {
        Value::Null => return Ok(()),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let ends: Vec<&str> = text.split(':').collect();
    let mut numbers = Vec::with_capacity(2);
    for end in &ends {
        match end.trim().parse::<i64>() {
            Ok(number) if (least..=most).contains(&number) => numbers.push(number),
            _ => return Err(format!("invalid port: '{}'", show(value))),
        }
    }
    match numbers[..] {
        [_] => Ok(()),
        [first, last] if first <= last => Ok(()),
        [_, _] => Err("the first port must not be above the second".to_owned()),
        _ => Err("a port range is two integers separated by a colon".to_owned()),
    }
}

/// A protocol that can be forwarded, in any case; null stays.
pub(super) fn protocol(value: Value) -> Result<Value, ApiError> {
    let name = match &value {
        Value::Null => return Ok(value),
        Value::String(text) => text.to_ascii_lowercase(),
        other => other.to_string(),
    };
    if ForwardedProtocol::ALL.iter().any(|protocol| protocol.as_str() == name) {
        return Ok(Value::String(name));
    }
    Err(ApiError::invalid_input(format!("IP protocol '{}' is not supported", show(&value))))
}
