//! JSON Schemas of values, from the conversions and checks of the tables.

use crate::attribute::{Convert, Default, Validate};
use crate::description::Column;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// What more than one resource uses.
pub(super) fn shared() -> Map<String, Value> {
    let text = json!({"type": "string"});
    let fault = json!({"type": "object", "required": ["type", "message", "detail"],
        "properties": {"type": text, "message": text, "detail": text}});
    let denied = json!({"type": "object", "required": ["code", "title", "message"],
        "properties": {"code": {"type": "integer"}, "title": text, "message": text}});
    let link = json!({"type": "object", "required": ["rel", "href"],
        "properties": {"rel": {"enum": ["next", "previous"]}, "href": text}});
    [
        (
            "NeutronError",
            json!({"type": "object", "required": ["NeutronError"], "properties": {"NeutronError": fault}}),
        ),
        ("IdentityError", json!({"type": "object", "required": ["error"], "properties": {"error": denied}})),
        ("Link", link),
    ]
    .map(|(name, schema)| (name.to_owned(), schema))
    .into_iter()
    .collect()
}

static BOOLEANS: LazyLock<Value> =
    LazyLock::new(|| json!([true, false, "true", "True", "false", "False", "0", "1", 0, 1]));

fn texts() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn objects(properties: Value) -> Value {
    json!({"type": "array", "items": {"type": "object", "properties": properties}})
}

/// Values that are known by their check, as they are shown; `None` if it does not tell.
fn by_check(validate: Validate) -> Option<Value> {
    let text = json!({"type": "string"});
    let text_or_null = json!({"type": ["string", "null"]});
    Some(match validate {
        Validate::Uuid => json!({"type": "string", "format": "uuid"}),
        Validate::UuidOrNone | Validate::SubnetPoolOrNone => {
            json!({"type": ["string", "null"], "format": "uuid"})
        }
        Validate::NonNegative => json!({"type": "integer", "minimum": 0}),
        Validate::Integers(values) => json!({"enum": values}),
        Validate::Mac => text,
        Validate::AddressOrNone | Validate::PrefixOrNone => text_or_null,
        Validate::FixedIps => objects(json!({"subnet_id": text, "ip_address": text})),
        Validate::Pools => objects(json!({"start": text, "end": text})),
        Validate::HostRoutes => objects(json!({"destination": text, "nexthop": text})),
        Validate::DhcpOpts => {
            json!({"type": ["array", "null"], "items": {"type": "object", "properties": {"opt_name": text,
            "opt_value": text_or_null, "ip_version": {"type": ["integer", "string"]}}}})
        }
        Validate::NameStringOrNone(_) => text_or_null,
        Validate::Segments => objects(json!({
            "provider:network_type": text, "provider:physical_network": text_or_null,
            "provider:segmentation_id": {"type": ["integer", "null"]},
        })),
        Validate::Hints => json!({"type": ["object", "null"]}),
        Validate::ServiceTypes => json!({"type": ["array", "null"], "items": text}),
        Validate::DnsName(_) | Validate::RelativeDnsName(_) | Validate::DnsDomain(_) => text,
        Validate::AddressPairs => objects(json!({"mac_address": text_or_null, "ip_address": text})),
        Validate::NameServers | Validate::Uuids | Validate::Prefixes | Validate::UniqueStrings(_) => texts(),
        Validate::ObjectOrNone | Validate::Gateway => json!({"type": ["object", "null"]}),
        Validate::Gateways => objects(json!({})),
        _ => return None,
    })
}

/// An attribute as it is shown.
pub(super) fn shown(column: &Column) -> Value {
    match column.name {
        "created_at" | "updated_at" => return json!({"type": "string", "format": "date-time"}),
        "revision_number" => return json!({"type": "integer", "minimum": 0}),
        "project_id" | "tenant_id" | "status" => return json!({"type": ["string", "null"]}),
        // Unsaid, until it is said.
        "trusted" => return json!({"type": ["boolean", "null"]}),
        _ => {}
    }
    match column.convert {
        Convert::Boolean => return json!({"type": "boolean"}),
        Convert::BooleanIfGiven => return json!({"type": ["boolean", "null"]}),
        Convert::Integer | Convert::Port => return json!({"type": ["integer", "null"]}),
        _ => {}
    }
    if let Some(schema) = by_check(column.validate) {
        return schema;
    }
    match (column.validate, column.default) {
        (
            Validate::NameString(_) | Validate::String(_) | Validate::NameNotDefault(_) | Validate::Words(_),
            _,
        ) => {
            json!({"type": ["string", "null"]})
        }
        (_, Default::Bool(_)) => json!({"type": "boolean"}),
        (_, Default::EmptyList) => json!({"type": "array"}),
        _ => json!({}),
    }
}

/// An attribute as it is given. What the conversions accept beside the plain form is accepted here, too.
pub(super) fn given(column: &Column) -> Value {
    let mut schema = match (column.convert, column.validate) {
        (Convert::Boolean, _) => json!({"enum": *BOOLEANS}),
        (Convert::BooleanIfGiven, _) => json!({"anyOf": [{"enum": *BOOLEANS}, {"type": "null"}]}),
        (Convert::Integer | Convert::Port, _) => json!({"type": ["integer", "string", "null"]}),
        (_, Validate::String(most) | Validate::NameString(most) | Validate::NameNotDefault(most)) => {
            json!({"type": "string", "maxLength": most})
        }
        (_, Validate::Words(words)) => json!({"enum": words}),
        (_, Validate::FixedIps) => json!({"type": "array", "items": {"type": "object"}}),
        (_, validate) => by_check(validate).unwrap_or_else(|| json!({})),
    };
    if let Some(default) = column.default.value() {
        schema["default"] = default;
    }
    schema
}
