//! What rules and templates of rules match: the attributes that both have.

use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Read, Validate};
use crate::field::Field;
use crate::validate::show;
use crate::values::Values;
use hadron_control::SecurityError;
use hadron_control::security_group_rule::RuleMatch;
use hadron_model::{Direction, Ethertype, Protocol};
use serde_json::Value;

/// The extensions that add an attribute.
type By = &'static [&'static str];

pub(super) const fn direction<R>(by: By, read: Read<R>) -> Attribute<R> {
    const WORDS: &[Option<&str>] = &[Some("ingress"), Some("egress")];
    Attribute::new("direction", read).by(by).post().filter_sort().validate(Validate::Words(WORDS))
}

pub(super) const fn ethertype<R>(by: By, read: Read<R>) -> Attribute<R> {
    const WORDS: &[Option<&str>] = &[Some("IPv4"), Some("IPv6")];
    let attribute = Attribute::new("ethertype", read).by(by).post().filter_sort();
    attribute.default(Default::Text("IPv4")).convert(Convert::Ethertype).validate(Validate::Words(WORDS))
}

pub(super) const fn protocol<R>(by: By, read: Read<R>) -> Attribute<R> {
    optional("protocol", by, read).convert(Convert::Protocol)
}

pub(super) const fn port<R>(name: &'static str, by: By, read: Read<R>) -> Attribute<R> {
    optional(name, by, read).convert(Convert::Port)
}

pub(super) const fn remote_ip_prefix<R>(by: By, read: Read<R>) -> Attribute<R> {
    optional("remote_ip_prefix", by, read).convert(Convert::RemotePrefix)
}

/// An attribute that is `null` unless it is given.
pub(super) const fn optional<R>(name: &'static str, by: By, read: Read<R>) -> Attribute<R> {
    Attribute::new(name, read).by(by).post().filter_sort().default(Default::Null)
}

/// The protocol as it is shown.
pub(super) fn protocol_field(protocol: Option<Protocol>) -> Field<'static> {
    protocol.map_or(Field::Null, Field::Protocol)
}

/// The port as it is shown.
pub(super) fn port_field(port: Option<u16>) -> Field<'static> {
    port.map_or(Field::Null, |port| Field::Integer(port.into()))
}

/// What checked values match.
pub(super) fn read<R>(values: &Values, remote: Result<R, SecurityError>) -> Result<RuleMatch<R>, ApiError> {
    let word = |name: &str| values.get(name).and_then(Value::as_str);
    let port = |name: &str| values.integer(name).and_then(|port| u16::try_from(port).ok());
    let direction = Direction::ALL.into_iter().find(|known| Some(known.as_str()) == word("direction"));
    let ethertype = Ethertype::ALL.into_iter().find(|known| Some(known.as_str()) == word("ethertype"));
    Ok(RuleMatch {
        direction: direction.ok_or_else(ApiError::internal)?,
        ethertype: ethertype.ok_or_else(ApiError::internal)?,
        protocol: word("protocol").and_then(|text| text.parse().ok()),
        port_range_min: port("port_range_min"),
        port_range_max: port("port_range_max"),
        remote,
    })
}

/// The text of an attribute that names an object: `None` if it is absent or null.
pub(super) fn named(values: &Values, name: &str) -> Option<String> {
    values.get(name).filter(|value| !value.is_null()).map(show)
}
