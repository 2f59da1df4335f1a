//! Values that are lists.

use super::{address, canonical_address, parse_prefix, show, string, uuid};
use crate::ApiError;
use hadron_model::IpNet;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Pools with their addresses in canonical form; `null` is an empty list.
pub(super) fn canonical_pools(value: Value) -> Result<Value, ApiError> {
    let bad = || ApiError::invalid_input("allocation_pools is not a list of pools");
    match value {
        Value::Null => Ok(Value::Array(vec![])),
        Value::Array(pools) => pools
            .into_iter()
            .map(|pool| match pool {
                Value::Object(pool) => {
                    let pool = pool.into_iter().map(|(key, value)| (key, canonical_address(value)));
                    Ok(Value::Object(pool.collect()))
                }
                _ => Err(bad()),
            })
            .collect(),
        _ => Err(bad()),
    }
}

/// Objects with exactly `start` and `end`, both addresses.
pub(super) fn pools(value: &Value) -> Result<(), String> {
    for pool in items(value, "IP pools")? {
        let pool = exactly(pool, &["start", "end"])?;
        pool.values().try_for_each(address)?;
    }
    Ok(())
}

/// Distinct texts of at most so many characters.
pub(super) fn unique_strings(value: &Value, most: usize) -> Result<(), String> {
    let items = value.as_array().ok_or_else(|| format!("'{}' is not a list", show(value)))?;
    let mut seen = HashSet::new();
    for item in items {
        string(item, most)?;
        if !seen.insert(item.as_str()) {
            return Err(format!("'{}' is twice in the list", show(item)));
        }
    }
    Ok(())
}

/// Objects; `ip_address`, distinct, and `subnet_id` are checked where present.
pub(super) fn fixed_ips(value: &Value) -> Result<(), String> {
    let mut seen = HashSet::new();
    for ip in items(value, "fixed IPs")? {
        let ip = ip.as_object().ok_or_else(|| format!("'{}' is not a fixed IP", show(ip)))?;
        if let Some(value) = ip.get("ip_address") {
            address(value)?;
            if !seen.insert(canonical_address(value.clone()).to_string()) {
                return Err(format!("duplicate IP address '{}'", show(value)));
            }
        }
        if let Some(value) = ip.get("subnet_id") {
            uuid(value)?;
        }
    }
    Ok(())
}

/// Distinct addresses.
pub(super) fn name_servers(value: &Value) -> Result<(), String> {
    let mut seen = HashSet::new();
    for server in items(value, "name servers")? {
        address(server)?;
        if !seen.insert(canonical_address(server.clone()).to_string()) {
            return Err(format!("duplicate nameserver '{}'", show(server)));
        }
    }
    Ok(())
}

/// Distinct objects with exactly `destination`, a prefix without host bits, and `nexthop`, an address.
pub(super) fn host_routes(value: &Value) -> Result<(), String> {
    let mut seen = HashSet::new();
    for route in items(value, "host routes")? {
        let fields = exactly(route, &["destination", "nexthop"])?;
        let destination = &fields["destination"];
        let prefix = destination.as_str().filter(|text| text.contains('/')).and_then(parse_prefix);
        match prefix {
            Some(prefix) if prefix == prefix.trunc() && !is_loopback(prefix) => {}
            _ => return Err(format!("'{}' is not a valid destination of a route", show(destination))),
        }
        address(&fields["nexthop"])?;
        if !seen.insert(route.to_string()) {
            return Err(format!("duplicate hostroute '{}'", show(route)));
        }
    }
    Ok(())
}

/// Distinct UUIDs.
pub(super) fn uuids(value: &Value) -> Result<(), String> {
    let list = distinct(value)?;
    list.iter().try_for_each(uuid)
}

/// Distinct prefixes, each with its length.
pub(super) fn prefixes(value: &Value) -> Result<(), String> {
    for prefix in distinct(value)? {
        let text = prefix.as_str().filter(|text| has_length(text));
        if text.and_then(parse_prefix).is_none() {
            return Err(format!("'{}' is not a valid IP subnet", show(prefix)));
        }
    }
    Ok(())
}

/// Whether the text ends in `/` and a number.
pub(super) fn has_length(text: &str) -> bool {
    text.split_once('/').is_some_and(|(_, length)| length.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A list without the same value twice.
fn distinct(value: &Value) -> Result<&Vec<Value>, String> {
    let list = value.as_array().ok_or_else(|| format!("'{}' is not a list", show(value)))?;
    let mut seen = HashSet::new();
    match list.iter().find(|item| !seen.insert(item.to_string())) {
        Some(twice) => Err(format!("'{}' is in the list twice", show(twice))),
        None => Ok(list),
    }
}

fn is_loopback(prefix: IpNet) -> bool {
    prefix.addr().is_loopback()
}

fn items<'a>(value: &'a Value, what: &str) -> Result<&'a Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("'{}' is not a list of {what}", show(value)))
}

/// The object, if it has these keys and no others.
fn exactly<'a>(value: &'a Value, keys: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let object = value
        .as_object()
        .filter(|object| object.len() == keys.len() && keys.iter().all(|&key| object.contains_key(key)));
    object.ok_or_else(|| format!("'{}' is not an object with exactly {}", show(value), keys.join(", ")))
}
