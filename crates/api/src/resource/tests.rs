//! The tables held against the facts of Neutron 29 in `spec/resources.json`.

use super::{
    Resource, address_group::AddressGroups, address_scope::AddressScopes, agent::Agents,
    default_rule::DefaultRules, default_statefulness::DefaultStatefulnesses, floating_ip::FloatingIps,
    network::Networks, packet_log::PacketLogs, port::Ports, port_forwarding::PortForwardings,
    rbac_policy::RbacPolicies, router::Routers, security_group::SecurityGroups,
    security_group_rule::SecurityGroupRules, segment::Segments, segment_range::SegmentRanges,
    subnet::Subnets, subnet_pool::SubnetPools,
};
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::extension::EXTENSIONS;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const FACTS: &str = include_str!("../../../../spec/resources.json");
/// Attributes of extensions that are hadron's own.
const OWN: &str = include_str!("../../../../spec/own.json");

/// Attributes of extensions that are listed for the sake of the core, or that add nothing but a filter.
fn facts(collection: &str) -> Map<String, Value> {
    let facts: Value = serde_json::from_str(FACTS).unwrap();
    let mut facts = facts[collection]["attributes"].as_object().unwrap().clone();
    let own: Value = serde_json::from_str(OWN).unwrap();
    facts.extend(own[collection].as_object().cloned().unwrap_or_default());
    facts.into_iter().map(|(name, fact)| (name, announced(fact))).collect()
}

fn aliases(fact: &Value) -> Vec<&str> {
    match &fact["alias"] {
        Value::String(alias) => vec![alias],
        Value::Array(aliases) => aliases.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    }
}

fn is_announced(alias: &str) -> bool {
    alias == "(core)" || EXTENSIONS.iter().any(|extension| extension.alias == alias)
}

fn converter(convert: Convert) -> Option<&'static str> {
    match convert {
        Convert::Keep => None,
        Convert::Boolean => Some("convert_to_boolean"),
        Convert::Text => Some("convert_to_string"),
        Convert::Integer => Some("convert_to_int"),
        Convert::Mac => Some("convert_to_mac_if_none"),
        Convert::Address => Some("convert_ip_to_canonical_format"),
        Convert::Prefix => Some("convert_cidr_to_canonical_format"),
        Convert::Pools => Some("convert_allocation_pools_to_canonical_format"),
        Convert::NullToList => Some("convert_none_to_empty_list"),
        Convert::BooleanIfGiven => Some("convert_to_boolean_if_not_none"),
        Convert::LowerCase => Some("convert_string_to_case_insensitive"),
        Convert::Protocol => Some("convert_protocol"),
        Convert::Port => Some("convert_validate_port_value"),
        Convert::Ethertype => Some("convert_ethertype_to_case_insensitive"),
        Convert::RemotePrefix => Some("convert_ip_prefix_to_cidr"),
        Convert::SharedType => Some("convert_valid_object_type"),
        Convert::ForwardedProtocol => Some("convert_to_protocol"),
    }
}

fn validator(validate: Validate) -> Option<Value> {
    let (name, argument) = match validate {
        Validate::Anything => return None,
        Validate::Uuid => ("uuid", Value::Null),
        Validate::UuidOrNone => ("uuid_or_none", Value::Null),
        Validate::NameString(most) => ("name_string", most.into()),
        Validate::String(most) => ("string", most.into()),
        Validate::StringOrNone(usize::MAX) => ("string_or_none", Value::Null),
        Validate::StringOrNone(most) => ("string_or_none", most.into()),
        Validate::NonNegative => ("non_negative", Value::Null),
        Validate::Integers(values) => ("values", json!(values)),
        Validate::Words(values) => ("values", json!(values)),
        Validate::Mac => ("mac_address", Value::Null),
        Validate::FixedIps => ("fixed_ips", Value::Null),
        Validate::AddressOrNone => ("ip_address_or_none", Value::Null),
        Validate::PrefixOrNone => ("subnet_or_none", Value::Null),
        Validate::Pools => ("ip_pools", Value::Null),
        Validate::NameServers => ("nameservers", Value::Null),
        Validate::HostRoutes => ("hostroutes", Value::Null),
        Validate::SubnetPoolOrNone => ("subnetpool_id_or_none", Value::Null),
        Validate::ObjectOrNone => ("dict_or_none", Value::Null),
        Validate::NameNotDefault(most) => ("name_not_default", most.into()),
        Validate::Uuids => ("uuid_list", Value::Null),
        Validate::Prefixes => ("subnet_list", Value::Null),
        Validate::ZoneHints => ("availability_zone_hint_list", Value::Null),
        Validate::Hints => {
            let steering = json!({"type:dict": {"tx-steering": {"type:values": ["thread", "hash"]}}});
            let switch = json!({"type:dict": {"other_config": steering}});
            return Some(json!({"type:dict_or_none": {"openvswitch": switch}}));
        }
        Validate::DhcpOpts => {
            let version =
                json!({"convert_to": "callable:convert_to_int", "type:values": [4, 6], "required": false});
            let option = |name: Value, value: &str| {
                let mut name = name;
                name["required"] = true.into();
                json!({"opt_name": name, "opt_value": {format!("type:{value}"): 255, "required": true}, "ip_version": version})
            };
            let empty = json!({"type:values": ["router", "classless-static-route"]});
            return Some(json!({"type:list_of_any_key_specs_or_none": [
                option(empty, "string_or_none"),
                option(json!({"type:oneline_not_empty_string": 64}), "oneline_not_empty_string_or_none"),
            ]}));
        }
        Validate::DnsName(most) => ("dns_host_name", most.into()),
        Validate::RelativeDnsName(most) => ("fip_dns_host_name", most.into()),
        Validate::DnsDomain(most) => ("dns_domain_name", most.into()),
        Validate::ServiceTypes => ("list_of_subnet_service_types", Value::Null),
        Validate::Boolean => ("boolean", Value::Null),
        Validate::UniqueStrings(most) => ("list_of_unique_strings", most.into()),
        Validate::AddressPairs => ("allowed_address_pairs", Value::Null),
        Validate::RangeOrNone(least, most) => ("range_or_none", json!([least, most])),
        Validate::PortRange(least, most) => ("port_range", json!([least, most])),
        Validate::Address => ("ip_address", Value::Null),
        Validate::NameStringOrNone(most) => ("name_string_or_none", most.into()),
        Validate::Range(least, most) => ("range", json!([least, most])),
        Validate::Segments => ("network_segments", Value::Null),
        Validate::Gateway => ("dict_or_nodata", gateway()),
        Validate::Gateways => ("list_of_dict_or_nodata", gateway()),
        Validate::TargetProject => ("valid_target_project", Value::Null),
        Validate::NotEmptyName => ("not_empty_name_string", Value::Null),
    };
    Some(json!({ format!("type:{name}"): argument }))
}

fn gateway() -> Value {
    json!({
        "network_id": { "type:uuid": null, "required": true },
        "external_fixed_ips": { "type:fixed_ips": null, "required": false },
        "enable_snat": { "type:boolean": null, "required": false, "convert_to": "callable:convert_to_boolean" },
    })
}

/// A fact without what extensions add that are not announced.
fn announced(mut fact: Value) -> Value {
    if !is_announced("qos-gateway-ip") {
        let gateway = fact.pointer_mut("/validate/type:dict_or_nodata").and_then(Value::as_object_mut);
        gateway.map(|members| members.remove("qos_policy_id"));
    }
    if let Some(aliases) = fact.get_mut("alias").and_then(Value::as_array_mut) {
        aliases.retain(|alias| is_announced(alias.as_str().unwrap()));
    }
    fact
}

fn default(default: Default) -> Option<Value> {
    match default {
        Default::Required => None,
        Default::Unspecified => Some("UNSPECIFIED".into()),
        other => other.value(),
    }
}

fn hold<R: Resource>() {
    let collection = match R::PARENT {
        Some(parent) => format!("{}/{}", parent.collection, R::COLLECTION),
        None => R::COLLECTION.to_owned(),
    };
    let facts = facts(&collection);
    for attribute in R::ATTRIBUTES {
        let name = format!("{}.{}", R::COLLECTION, attribute.name);
        let fact = facts.get(attribute.name).unwrap_or_else(|| panic!("{name} is not an attribute"));
        // Another name takes everything from the one that it mirrors.
        let spec = match attribute.mirrors {
            Some(other) => {
                assert_eq!(fact["mirror_of"], other, "{name}");
                &facts[other]
            }
            None => fact,
        };
        hold_one(&name, attribute, fact, spec);
    }
    let have: BTreeSet<&str> = R::ATTRIBUTES.iter().map(|attribute| attribute.name).collect();
    let missing: Vec<&String> = facts
        .iter()
        .filter(|(name, fact)| aliases(fact).into_iter().any(is_announced) && !have.contains(name.as_str()))
        .map(|(name, _)| name)
        .collect();
    assert!(missing.is_empty(), "{} lack {missing:?}, whose extension is announced", R::COLLECTION);
}

fn hold_one<R>(name: &str, attribute: &Attribute<R>, fact: &Value, spec: &Value) {
    let flag = |flag: &str| spec[flag].as_bool().unwrap_or(false);
    let have = [
        ("allow_post", attribute.post),
        ("allow_put", attribute.put),
        ("is_visible", attribute.visible),
        ("is_filter", attribute.filter),
        ("is_sort_key", attribute.sort),
        ("primary_key", attribute.primary_key),
        ("required_by_policy", attribute.required_by_policy),
        ("enforce_policy", attribute.enforce_policy),
    ];
    for (what, have) in have {
        assert_eq!(have, flag(what), "{name}: {what}");
    }
    assert_eq!(default(attribute.default), spec.get("default").cloned(), "{name}: default");
    assert_eq!(converter(attribute.convert), spec["convert_to"].as_str(), "{name}: convert_to");
    assert_eq!(validator(attribute.validate), spec.get("validate").cloned(), "{name}: validate");
    assert_eq!(attribute.pairs, spec.get("convert_list_to").is_some(), "{name}: convert_list_to");
    let extensions: Vec<&str> = aliases(fact).into_iter().filter(|alias| *alias != "(core)").collect();
    assert_eq!(attribute.extensions, extensions, "{name}: extensions");
    for extension in extensions {
        assert!(is_announced(extension), "{name} is of {extension}, which is not announced");
    }
}

#[test]
fn networks_are_as_neutron_has_them() {
    hold::<Networks>();
}

#[test]
fn subnets_are_as_neutron_has_them() {
    hold::<Subnets>();
}

#[test]
fn ports_are_as_neutron_has_them() {
    hold::<Ports>();
}

#[test]
fn security_groups_and_their_rules_are_as_neutron_has_them() {
    hold::<SecurityGroups>();
    hold::<SecurityGroupRules>();
    hold::<DefaultRules>();
    hold::<AddressGroups>();
    hold::<DefaultStatefulnesses>();
}

#[test]
fn packet_logs_are_as_neutron_has_them() {
    hold::<PacketLogs>();
    let facts = facts("loggable_resources");
    let [column] = super::loggable_resource::TABLE else { panic!("one attribute") };
    hold_one("loggable_resources.type", column, &facts["type"], &facts["type"]);
    assert_eq!((column.name, facts.len()), ("type", 1));
}

#[test]
fn routers_are_as_neutron_has_them() {
    hold::<Routers>();
}

#[test]
fn policies_subnet_pools_and_scopes_are_as_neutron_has_them() {
    hold::<RbacPolicies>();
    hold::<SubnetPools>();
    hold::<AddressScopes>();
    hold::<Segments>();
    hold::<SegmentRanges>();
}

#[test]
fn floating_ips_are_as_neutron_has_them() {
    hold::<FloatingIps>();
    hold::<PortForwardings>();
    let facts = facts("floatingip_pools");
    for column in super::floating_ip_pool::TABLE.iter().filter(|column| column.name != "tenant_id") {
        hold_one(
            &format!("floatingip_pools.{}", column.name),
            column,
            &facts[column.name],
            &facts[column.name],
        );
    }
}

#[test]
fn agents_are_as_neutron_has_them() {
    hold::<Agents>();
}

#[test]
fn network_ip_availabilities_are_as_neutron_has_them() {
    let facts = facts("network_ip_availabilities");
    let table = super::network_ip_availability::TABLE;
    for column in table {
        let fact = &facts[column.name];
        let spec = column.mirrors.map_or(fact, |other| &facts[other]);
        hold_one(column.name, column, fact, spec);
    }
    let names: Vec<&str> = table.iter().map(|column| column.name).collect();
    assert_eq!((names.as_slice(), table.len()), (super::network_ip_availability::NAMES, facts.len()));
}

#[test]
fn port_bindings_are_as_neutron_has_them() {
    let facts = facts("ports/bindings");
    let table = super::port_binding::TABLE;
    for column in table {
        hold_one(column.name, column, &facts[column.name], &facts[column.name]);
    }
    let names: Vec<&str> = table.iter().map(|column| column.name).collect();
    assert_eq!((names.as_slice(), table.len()), (super::port_binding::NAMES, facts.len()));
}

#[test]
fn names_are_those_of_the_tables() {
    fn check<R: Resource>() {
        let names: Vec<&str> = R::ATTRIBUTES.iter().map(|attribute| attribute.name).collect();
        assert_eq!(names, R::NAMES);
    }
    check::<Agents>();
    check::<Networks>();
    check::<Subnets>();
    check::<Ports>();
    check::<SecurityGroups>();
    check::<SecurityGroupRules>();
    check::<DefaultRules>();
    check::<AddressGroups>();
    check::<PacketLogs>();
    check::<Routers>();
    check::<DefaultStatefulnesses>();
    check::<RbacPolicies>();
    check::<FloatingIps>();
    check::<PortForwardings>();
    check::<SubnetPools>();
    check::<AddressScopes>();
    check::<Segments>();
    check::<SegmentRanges>();
}
