//! Conversions and checks of values, as Neutron makes them.
//!
//! What they accept follows `neutron_lib`'s converters and validators of the same names; the texts are our own.

mod address;
mod dns;
mod gateway;
mod list;
mod pair;
mod port_detail;
mod range;
mod rule;
mod segment;
mod service_type;
mod sharing;

pub(crate) use address::{parse_address, parse_mac, parse_prefix};
pub(crate) use pair::pairs_of;

use crate::ApiError;
use crate::attribute::{Convert, Fault, Validate};
use hadron_control::{Error, SecurityError};
use hadron_model::Mac;
use hadron_model::security::DEFAULT_GROUP_NAME;
use serde_json::Value;
use uuid::Uuid;

/// Longest excerpt of a caller's value that a message shows.
const EXCERPT: usize = 300;

/// Converts a value; an error is Neutron's `InvalidInput`.
pub(crate) fn convert(convert: Convert, value: Value) -> Result<Value, ApiError> {
    match convert {
        Convert::Keep => Ok(value),
        Convert::Boolean => match to_boolean(&value) {
            Some(value) => Ok(value.into()),
            None => Err(ApiError::invalid_input(format!("'{}' is not a boolean", show(&value)))),
        },
        Convert::BooleanIfGiven if value.is_null() => Ok(value),
        Convert::BooleanIfGiven => self::convert(Convert::Boolean, value),
        Convert::Text => Ok(match value {
            Value::Null | Value::String(_) => value,
            other => Value::String(other.to_string()),
        }),
        Convert::Integer => match to_integer(&value) {
            Some(value) => Ok(value.into()),
            None => Err(ApiError::invalid_input(format!("'{}' is not an integer", show(&value)))),
        },
        Convert::Mac => Ok(match value.as_str().and_then(parse_mac) {
            Some(mac) => mac.to_string().into(),
            None => value,
        }),
        Convert::Address => Ok(canonical_address(value)),
        Convert::Prefix => match value.as_str().and_then(parse_prefix) {
            Some(prefix) => Ok(prefix.to_string().into()),
            None => Err(ApiError::invalid_input(format!("{} is not in CIDR format", show(&value)))),
        },
        Convert::Pools => list::canonical_pools(value),
        Convert::NullToList => Ok(if value.is_null() { Value::Array(vec![]) } else { value }),
        Convert::Protocol => rule::protocol(value),
        Convert::Port => rule::port(value),
        Convert::Ethertype => rule::ethertype(value),
        Convert::RemotePrefix => rule::remote_prefix(value),
        Convert::SharedType => sharing::object_type(&value),
        Convert::LowerCase => match value {
            Value::String(text) => Ok(text.to_lowercase().into()),
            other => Err(ApiError::invalid_input(format!("{} must be a string", show(&other)))),
        },
        Convert::ForwardedProtocol => range::protocol(value),
    }
}

/// Checks a value.
pub(crate) fn check(validate: Validate, value: &Value) -> Result<(), Fault> {
    match validate {
        Validate::NameNotDefault(most) => {
            string(value, most)?;
            let is_default = value.as_str().is_some_and(|name| name.to_lowercase() == DEFAULT_GROUP_NAME);
            if is_default { Err(refused(SecurityError::DefaultAlreadyExists)) } else { Ok(()) }
        }
        Validate::AddressPairs => pair::check_list(value),
        Validate::TargetProject => sharing::target_project(value),
        Validate::DhcpOpts => {
            port_detail::dhcp_opts(value).map_err(|text| Fault::Error(ApiError::invalid_input(text)))
        }
        Validate::ServiceTypes => service_type::list(value),
        Validate::Segments => segment::list(value),
        other => Ok(plain(other, value)?),
    }
}

fn refused(error: SecurityError) -> Fault {
    Fault::Error(Error::from(error).into())
}

/// Checks a value whose faults are all told alike; the error is the reason.
fn plain(validate: Validate, value: &Value) -> Result<(), String> {
    match validate {
        Validate::Anything => Ok(()),
        Validate::UuidOrNone if value.is_null() => Ok(()),
        Validate::Uuid | Validate::UuidOrNone => uuid(value),
        Validate::NameStringOrNone(_) if value.is_null() => Ok(()),
        Validate::NameString(most) | Validate::NameStringOrNone(most) => {
            string(value, most)?;
            match value.as_str() {
                Some(text) if is_name(text) => Ok(()),
                _ => Err(format!("'{}' is not a valid string", show(value))),
            }
        }
        Validate::StringOrNone(_) if value.is_null() => Ok(()),
        Validate::String(most) | Validate::StringOrNone(most) => string(value, most),
        Validate::NotEmptyName => match value.as_str() {
            Some(text) if is_name(text) && !text.trim().is_empty() => Ok(()),
            _ => Err(format!("'{}' is not a name, or an empty one", show(value))),
        },
        Validate::NonNegative => match to_integer(value) {
            Some(number) if number >= 0 => Ok(()),
            Some(_) => Err(format!("'{}' should be non-negative", show(value))),
            None => Err(format!("'{}' is not an integer", show(value))),
        },
        Validate::Integers(words) => match value.as_i64() {
            Some(number) if words.contains(&number) => Ok(()),
            _ => Err(format!("{} is not one of {words:?}", show(value))),
        },
        Validate::Words(words) => {
            if words.iter().any(|word| word.map_or(value.is_null(), |word| value == word)) {
                return Ok(());
            }
            let valid: Vec<&str> = words.iter().map(|word| word.unwrap_or("null")).collect();
            Err(format!("{} is not one of {}", show(value), valid.join(", ")))
        }
        Validate::Mac => match value.as_str().and_then(parse_mac) {
            Some(mac) if !mac.is_zero() && !mac.is_multicast() => Ok(()),
            _ => Err(format!("'{}' is not a valid MAC address", show(value))),
        },
        Validate::FixedIps => list::fixed_ips(value),
        Validate::AddressOrNone if value.is_null() => Ok(()),
        Validate::AddressOrNone => address(value),
        Validate::PrefixOrNone if value.is_null() => Ok(()),
        Validate::PrefixOrNone => match value.as_str().and_then(parse_prefix) {
            Some(_) => Ok(()),
            None => Err(format!("'{}' is not a valid IP subnet", show(value))),
        },
        Validate::Pools => list::pools(value),
        Validate::NameServers => list::name_servers(value),
        Validate::HostRoutes => list::host_routes(value),
        Validate::SubnetPoolOrNone => match value {
            Value::Null => Ok(()),
            Value::String(text) if text == "prefix_delegation" => Ok(()),
            other => uuid(other),
        },
        Validate::ObjectOrNone => match value {
            Value::Null | Value::Object(_) => Ok(()),
            other => Err(format!("'{}' is not a dictionary", show(other))),
        },
        Validate::Uuids => list::uuids(value),
        Validate::Prefixes => list::prefixes(value),
        Validate::ZoneHints => list::unique_strings(value, 255),
        Validate::UniqueStrings(most) => list::unique_strings(value, most),
        Validate::Range(..) if value.is_null() => Err("null is not an integer".to_owned()),
        Validate::Range(least, most) | Validate::RangeOrNone(least, most) => {
            range::number_or_none(value, least, most)
        }
        Validate::PortRange(least, most) => range::ports(value, least, most),
        Validate::Address => address(value),
        Validate::Gateway => gateway::one(value),
        Validate::Gateways => gateway::list(value),
        Validate::NameNotDefault(_)
        | Validate::AddressPairs
        | Validate::TargetProject
        | Validate::DhcpOpts
        | Validate::Segments
        | Validate::ServiceTypes => Ok(()),
        Validate::Hints => port_detail::hints(value),
        Validate::DnsName(most) => dns::name(value, most),
        Validate::RelativeDnsName(most) => dns::relative_name(value, most),
        Validate::DnsDomain(most) => dns::domain(value, most),
        Validate::Boolean => {
            to_boolean(value).map(drop).ok_or_else(|| format!("'{}' is not a boolean", show(value)))
        }
    }
}

/// A caller's value as a message shows it.
pub(crate) fn show(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// `1`, `t`, `true`, `on`, `y`, `yes` and their opposites, in any case, with blanks around.
pub(crate) fn to_boolean(value: &Value) -> Option<bool> {
    let text = match value {
        Value::Bool(value) => return Some(*value),
        Value::String(text) => text.trim().to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    match text.as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// A number without its fraction, a boolean as 0 or 1, or a text that is a whole number.
pub(crate) fn to_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?.trunc();
            (float.abs() < 9e15).then_some(float as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Any way to write a UUID that Neutron accepts: case, hyphens, braces and the `urn:uuid:` prefix don't matter.
pub(crate) fn parse_uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok()
}

fn uuid(value: &Value) -> Result<(), String> {
    match value.as_str().and_then(parse_uuid) {
        Some(_) => Ok(()),
        None => Err(format!("'{}' is not a valid UUID", show(value))),
    }
}

fn string(value: &Value, most: usize) -> Result<(), String> {
    match value.as_str() {
        None => Err(format!("'{}' is not a valid string", show(value))),
        Some(text) if text.chars().count() > most => {
            Err(format!("'{}' exceeds the maximum length of {most}", show(value)))
        }
        Some(_) => Ok(()),
    }
}

/// Printable, without blanks at its ends.
fn is_name(text: &str) -> bool {
    let is_printable = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().all(is_printable) && text.trim() == text
}

fn address(value: &Value) -> Result<(), String> {
    match value.as_str().and_then(parse_address) {
        Some(_) => Ok(()),
        None => Err(format!("'{}' is not a valid IP address", show(value))),
    }
}

fn canonical_address(value: Value) -> Value {
    match value.as_str().and_then(parse_address) {
        Some(address) => address.to_string().into(),
        None => value,
    }
}

/// The MAC in a value that was checked.
pub(crate) fn mac_of(value: &Value) -> Option<Mac> {
    value.as_str().and_then(parse_mac)
}
