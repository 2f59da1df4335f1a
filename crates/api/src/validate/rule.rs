//! What a security group's rule matches.

use super::{parse_address, show, to_integer};
use crate::ApiError;
use axum::http::StatusCode;
use hadron_control::{Error, SecurityError};
use hadron_model::{Ethertype, IpNet, Protocol};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};

/// A protocol's name in lower case, its number as text, or `null` for any.
pub(super) fn protocol(value: Value) -> Result<Value, ApiError> {
    let text = match &value {
        Value::Null => return Ok(value),
        Value::String(text) if text.eq_ignore_ascii_case("any") => return Ok(Value::Null),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => return Err(refused(SecurityError::RuleInvalidProtocol(show(other)))),
    };
    // A number has one form, so that what is the same is seen to be.
    let protocol = text.parse::<Protocol>().ok();
    match protocol.filter(|protocol| protocol.name().is_some() || protocol.to_string() == text) {
        Some(protocol) => Ok(protocol.to_string().into()),
        None => Err(refused(SecurityError::RuleInvalidProtocol(text))),
    }
}

/// A number from 0 to 65535, or `null`.
pub(super) fn port(value: Value) -> Result<Value, ApiError> {
    match to_integer(&value) {
        _ if value.is_null() => Ok(value),
        Some(port @ 0..=65535) => Ok(port.into()),
        _ => Err(refused(SecurityError::InvalidPortValue(show(&value)))),
    }
}

/// `IPv4` or `IPv6`.
pub(super) fn ethertype(value: Value) -> Result<Value, ApiError> {
    let named = |word: &&str| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(word));
    match Ethertype::ALL.map(Ethertype::as_str).iter().find(|word| named(word)) {
        Some(word) => Ok((*word).into()),
        None => Err(refused(SecurityError::RuleInvalidEtherType(show(&value)))),
    }
}

/// A prefix with its length and its host bits; what is empty is `null`.
pub(super) fn remote_prefix(value: Value) -> Result<Value, ApiError> {
    let is_empty = match &value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(true) => false,
    };
    if is_empty {
        return Ok(Value::Null);
    }
    match value.as_str().and_then(parse_cidr) {
        Some(prefix) => Ok(prefix.to_string().into()),
        None => {
            let message = format!("'{}' is not a valid CIDR", show(&value));
            Err(ApiError::new(StatusCode::BAD_REQUEST, "InvalidCIDR", message))
        }
    }
}

/// `address`, `address/length`, `address/netmask` or `address/hostmask`; blanks around what follows the slash don't matter.
fn parse_cidr(text: &str) -> Option<IpNet> {
    let Some((address, rest)) = text.split_once('/') else { return parse_address(text).map(IpNet::from) };
    let (address, rest) = (parse_address(address)?, rest.trim());
    if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return IpNet::new(address, rest.parse().ok()?).ok();
    }
    let mask: Ipv4Addr = rest.parse().ok()?;
    let hostmask = Ipv4Addr::from(!u32::from(mask));
    match address {
        IpAddr::V4(_) => {
            let prefix = IpNet::with_netmask(address, mask.into());
            prefix.or_else(|_| IpNet::with_netmask(address, hostmask.into())).ok()
        }
        IpAddr::V6(_) => None,
    }
}

fn refused(error: SecurityError) -> ApiError {
    Error::from(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind<T>(result: Result<T, ApiError>) -> &'static str {
        result.err().map_or("none", |error| error.kind)
    }

    #[test]
    fn protocols() {
        for (given, shown) in [
            (json!(null), json!(null)),
            (json!("any"), json!(null)),
            (json!("TCP"), json!("tcp")),
            (json!("ipv6-icmp"), json!("ipv6-icmp")),
            (json!(0), json!("0")),
            (json!("255"), json!("255")),
        ] {
            assert_eq!(protocol(given.clone()), Ok(shown), "{given}");
        }
        for bad in [
            json!(""),
            json!(256),
            json!(-1),
            json!(6.5),
            json!("06"),
            json!("+6"),
            json!(" tcp"),
            json!("0x6"),
            json!(true),
            json!([]),
            json!({}),
            json!("bogus"),
        ] {
            assert_eq!(kind(protocol(bad.clone())), "SecurityGroupRuleInvalidProtocol", "{bad}");
        }
    }

    #[test]
    fn ports() {
        for (given, read) in [
            (json!(null), json!(null)),
            (json!(" 9 "), json!(9)),
            (json!(7.5), json!(7)),
            (json!(true), json!(1)),
        ] {
            assert_eq!(port(given.clone()), Ok(read), "{given}");
        }
        for bad in [json!(-1), json!(65536), json!("x"), json!(""), json!([]), json!("0x10")] {
            assert_eq!(kind(port(bad.clone())), "SecurityGroupInvalidPortValue", "{bad}");
        }
    }

    #[test]
    fn ethertypes() {
        assert_eq!(ethertype(json!("ipV6")), Ok(json!("IPv6")));
        for bad in [json!("IPv5"), json!(""), json!(4), json!(null), json!(["IPv4"])] {
            assert_eq!(kind(ethertype(bad.clone())), "SecurityGroupRuleInvalidEtherType", "{bad}");
        }
    }

    #[test]
    fn remote_prefixes() {
        for (given, read) in [
            ("10.0.0.1", "10.0.0.1/32"),
            ("10.0.0.1/8", "10.0.0.1/8"),
            ("10.1.0.0/ 08 ", "10.1.0.0/8"),
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
            ("10.0.0.0/0.255.255.255", "10.0.0.0/8"),
            ("2001:DB8::1/32", "2001:db8::1/32"),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1/128"),
        ] {
            assert_eq!(remote_prefix(given.into()), Ok(read.into()), "{given}");
        }
        for empty in [json!(null), json!(""), json!([]), json!({}), json!(0), json!(false)] {
            assert_eq!(remote_prefix(empty.clone()), Ok(Value::Null), "{empty}");
        }
        for bad in [
            "10.0.0.0/33",
            "10.0.0/8",
            "bad",
            " 10.0.0.0/8",
            "010.0.0.0/8",
            "/8",
            "10",
            "fe80::1%eth0",
            "fd00::/ffff::",
        ] {
            assert_eq!(kind(remote_prefix(bad.into())), "InvalidCIDR", "{bad}");
        }
        assert_eq!(kind(remote_prefix(json!(7))), "InvalidCIDR");
    }
}
