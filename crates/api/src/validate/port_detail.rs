//! What ports say for others.

use super::{show, to_integer};
use serde_json::{Map, Value};

/// Longest name of a DHCP option.
const MAX_NAME: usize = 64;
/// Longest value of a DHCP option.
const MAX_VALUE: usize = 255;
/// Options whose value may be empty.
const EMPTY_ALLOWED: [&str; 2] = ["router", "classless-static-route"];

/// `{"openvswitch": {"other_config": {"tx-steering": "thread" | "hash"}}}`, or parts of it from outside, or null.
pub(super) fn hints(value: &Value) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    let Some(switch) = only(value, "openvswitch")? else { return Ok(()) };
    let Some(config) = only(switch, "other_config")? else { return Ok(()) };
    let Some(steering) = only(config, "tx-steering")? else { return Ok(()) };
    match steering.as_str() {
        Some("thread" | "hash") => Ok(()),
        _ => Err(format!("{} is not one of thread, hash", show(steering))),
    }
}

/// The one member that an object may have.
fn only<'a>(value: &'a Value, name: &str) -> Result<Option<&'a Value>, String> {
    let object = value.as_object().ok_or_else(|| format!("'{}' is not a dictionary", show(value)))?;
    match object.keys().find(|key| *key != name) {
        Some(key) => Err(format!("unexpected keys supplied: {key}")),
        None => Ok(object.get(name)),
    }
}

/// Distinct objects with `opt_name`, `opt_value` (null takes it away) and perhaps `ip_version`; or null.
pub(super) fn dhcp_opts(value: &Value) -> Result<(), String> {
    let options = match value {
        Value::Null => return Ok(()),
        Value::Array(options) => options,
        other => return Err(format!("'{}' is not a list", show(other))),
    };
    for (index, option) in options.iter().enumerate() {
        if !option.as_object().is_some_and(is_dhcp_opt) {
            return Err(format!("{} is not a DHCP option", show(option)));
        }
        if options[..index].contains(option) {
            return Err(format!("{} is twice in the list", show(option)));
        }
    }
    Ok(())
}

fn is_dhcp_opt(option: &Map<String, Value>) -> bool {
    let is_line = |value: &Value, most: usize, may_be_empty: bool| {
        value.as_str().is_some_and(|text| {
            text.chars().count() <= most
                && !text.contains(['\n', '\r'])
                && (may_be_empty || !text.trim().is_empty())
        })
    };
    let is_known = option.keys().all(|key| matches!(key.as_str(), "opt_name" | "opt_value" | "ip_version"));
    let is_version = |value: &Value| matches!(to_integer(value), Some(4 | 6));
    let Some(name) = option.get("opt_name").filter(|name| is_line(name, MAX_NAME, false)) else {
        return false;
    };
    let may_be_empty = name.as_str().is_some_and(|name| EMPTY_ALLOWED.contains(&name));
    let is_value = |value: &Value| value.is_null() || is_line(value, MAX_VALUE, may_be_empty);
    is_known
        && option.get("opt_value").is_some_and(is_value)
        && option.get("ip_version").is_none_or(is_version)
}
