//! A router's gateways as requests give them.

use super::{list, show, to_boolean, uuid};
use serde_json::{Map, Value};

/// A gateway: null or empty for none.
pub(super) fn one(value: &Value) -> Result<(), String> {
    match value {
        Value::Null => Ok(()),
        Value::Object(members) if members.is_empty() => Ok(()),
        Value::Object(members) => members_of(members),
        other => Err(format!("'{}' is not a dictionary", show(other))),
    }
}

/// A list of gateways: null for none.
pub(super) fn list(value: &Value) -> Result<(), String> {
    match value {
        Value::Null => Ok(()),
        Value::Array(gateways) => gateways.iter().try_for_each(one),
        // So the official client asks for none.
        Value::Object(members) if members.is_empty() => Ok(()),
        other => Err(format!("'{}' is not a list", show(other))),
    }
}

fn members_of(members: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in members {
        match name.as_str() {
            "network_id" => uuid(value)?,
            "external_fixed_ips" => list::fixed_ips(value)?,
            "enable_snat" if to_boolean(value).is_some() => {}
            "enable_snat" => return Err(format!("'{}' is not a valid boolean value", show(value))),
            other => return Err(format!("unexpected key '{other}'")),
        }
    }
    if members.contains_key("network_id") {
        Ok(())
    } else {
        Err("required key 'network_id' is missing".to_owned())
    }
}
