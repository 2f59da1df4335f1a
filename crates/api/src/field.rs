//! The value of an attribute, as read from a record: one form for answers, filters, sorting and policy.

use crate::json::{Writer, time_text};
use crate::resource::floating_ip_fields::{ForwardingsOf, PortDetails};
use crate::resource::gateway::GatewaysOf;
use crate::resource::security_group_rule::RulesOf;
use hadron_model::{
    AddressPair, AddressRange, ExtraRoute, FixedIp, HostRoute, IpNet, Mac, PortRange, Protocol, Tags,
    Timestamp,
};
use std::cmp::Ordering;
use std::fmt::Write;
use std::net::IpAddr;
use uuid::Uuid;

/// A value that borrows from the record where it can.
#[derive(Clone, PartialEq, Debug)]
pub enum Field<'a> {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Integer(u64),
    /// A number that is shown as text.
    Decimal(u64),
    /// Text.
    Text(&'a str),
    /// A UUID.
    Id(Uuid),
    /// UUIDs.
    Ids(Vec<Uuid>),
    /// An address.
    Address(IpAddr),
    /// Addresses.
    Addresses(&'a [IpAddr]),
    /// A prefix.
    Prefix(IpNet),
    /// A MAC.
    Mac(Mac),
    /// A time.
    Time(Timestamp),
    /// Addresses of a port.
    FixedIps(&'a [FixedIp]),
    /// Allocation pools.
    Pools(&'a [AddressRange]),
    /// Host routes.
    Routes(&'a [HostRoute]),
    /// Allowed address pairs.
    AddressPairs(&'a [AddressPair]),
    /// An IP protocol.
    Protocol(Protocol),
    /// Prefixes.
    Prefixes(&'a [IpNet]),
    /// A security group's rules.
    Rules(RulesOf<'a>),
    /// Tags.
    Tags(&'a Tags),
    /// A router's extra routes.
    ExtraRoutes(&'a [ExtraRoute]),
    /// A router's gateways.
    Gateways(GatewaysOf<'a>),
    /// Some of the attributes of the port that a floating IP leads to.
    PortDetails(PortDetails<'a>),
    /// A floating IP's port forwardings.
    Forwardings(ForwardingsOf<'a>),
    /// Numbers of ports.
    PortRange(PortRange),
    /// Text that is made for the purpose.
    OwnedText(String),
    /// Texts.
    Texts(Vec<&'a str>),
    /// JSON as text that is made for the purpose.
    OwnedJson(String),
    /// JSON as text.
    Json(&'a str),
}

impl<'a> Field<'a> {
    /// The address, or null.
    pub(crate) fn address(value: Option<IpAddr>) -> Self {
        value.map_or(Field::Null, Field::Address)
    }

    /// The text, or null.
    pub(crate) fn text(value: Option<&'a str>) -> Self {
        value.map_or(Field::Null, Field::Text)
    }

    /// Writes it as JSON.
    pub(crate) fn write(&self, json: &mut Writer<'_>) {
        match self {
            Field::Null => json.null(),
            Field::Bool(value) => json.boolean(*value),
            Field::Integer(value) => json.integer(*value),
            Field::Decimal(value) => json.quoted(format_args!("{value}")),
            Field::Text(value) => json.text(value),
            Field::Id(value) => json.uuid(*value),
            Field::Ids(values) => json.uuids(values),
            Field::Address(value) => json.address(*value),
            Field::Addresses(values) => json.addresses(values),
            Field::Prefix(value) => json.prefix(*value),
            Field::Mac(value) => json.mac(*value),
            Field::Time(value) => json.time(*value),
            Field::FixedIps(values) => json.fixed_ips(values),
            Field::Pools(values) => json.pools(values),
            Field::Routes(values) => json.routes(values),
            Field::AddressPairs(values) => json.address_pairs(values),
            Field::Protocol(value) => json.quoted(format_args!("{value}")),
            Field::Prefixes(values) => json.prefixes(values),
            Field::Rules(rules) => rules.write(json),
            Field::Tags(tags) => json.tags(tags),
            Field::ExtraRoutes(routes) => json.extra_routes(routes),
            Field::Gateways(gateways) => gateways.write(json),
            Field::PortDetails(details) => details.write(json),
            Field::Forwardings(forwardings) => forwardings.write(json),
            Field::PortRange(range) => json.quoted(format_args!("{range}")),
            Field::OwnedText(value) => json.text(value),
            Field::Texts(values) => json.texts(values),
            Field::OwnedJson(value) => json.raw(value.as_bytes()),
            Field::Json(value) => json.raw(value.as_bytes()),
        }
    }

    /// Writes it as the text by which filters, sorting and policy know it; `false` if it has none.
    pub(crate) fn write_text(&self, out: &mut String) -> bool {
        let written = match self {
            Field::Bool(value) => write!(out, "{}", if *value { "True" } else { "False" }),
            Field::Integer(value) | Field::Decimal(value) => write!(out, "{value}"),
            Field::Text(value) => out.write_str(value),
            Field::OwnedText(value) => out.write_str(value),
            Field::Id(value) => write!(out, "{}", value.as_hyphenated()),
            Field::Address(value) => write!(out, "{value}"),
            Field::Prefix(value) => write!(out, "{value}"),
            Field::Mac(value) => write!(out, "{value}"),
            Field::Protocol(value) => write!(out, "{value}"),
            Field::PortRange(value) => write!(out, "{value}"),
            Field::Time(value) => out.write_str(std::str::from_utf8(&time_text(*value)).unwrap_or_default()),
            Field::Null
            | Field::Ids(_)
            | Field::Addresses(_)
            | Field::FixedIps(_)
            | Field::Pools(_)
            | Field::Routes(_)
            | Field::AddressPairs(_)
            | Field::Prefixes(_)
            | Field::Rules(_)
            | Field::Tags(_)
            | Field::ExtraRoutes(_)
            | Field::Gateways(_)
            | Field::PortDetails(_)
            | Field::Forwardings(_)
            | Field::Texts(_)
            | Field::OwnedJson(_)
            | Field::Json(_) => return false,
        };
        written.is_ok()
    }

    /// A key by which values of one attribute can be sorted: nothing first, numbers as numbers, the rest as text.
    pub(crate) fn sort_key(&self) -> SortKey {
        match self {
            Field::Bool(value) => SortKey::Number(u64::from(*value)),
            Field::Integer(value) | Field::Decimal(value) => SortKey::Number(*value),
            Field::Id(value) => SortKey::Id(*value),
            other => {
                let mut text = String::new();
                if other.write_text(&mut text) { SortKey::Text(text) } else { SortKey::Nothing }
            }
        }
    }
}

/// What lists are sorted by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SortKey {
    /// No value; before every value.
    Nothing,
    /// A number or a boolean.
    Number(u64),
    /// A UUID: its bytes have the order of its text.
    Id(Uuid),
    /// Text.
    Text(String),
}

/// The order of two rows of keys, each column in its direction.
pub(crate) fn compare(a: &[SortKey], b: &[SortKey], ascending: &[bool]) -> Ordering {
    let columns = a.iter().zip(b).zip(ascending);
    columns
        .map(|((a, b), &ascending)| if ascending { a.cmp(b) } else { b.cmp(a) })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}
