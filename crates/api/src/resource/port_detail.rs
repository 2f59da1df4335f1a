//! The attributes of a port that are kept and shown for others.

use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::values::Values;
use hadron_control::Error;
use hadron_control::delegation::DelegationRequest;
use hadron_control::port_details::{DetailsChange, DhcpOptChange, dns_assignment};
use hadron_model::{Port, SubnetPoolId};
use serde_json::{Value, json};

type Column = Attribute<Port>;

const DATA_PLANE: &[Option<&str>] = &[None, Some("ACTIVE"), Some("DOWN")];
const HARDWARE_OFFLOAD: &[Option<&str>] = &[Some("switchdev")];
const NUMA: &[Option<&str>] = &[Some("required"), Some("preferred"), Some("legacy"), Some("socket"), None];

pub(super) const DATA_PLANE_STATUS: Column =
    Column::new("data_plane_status", |port, _| Some(Field::text(port.details.data_plane_status.as_deref())))
        .by(&["data-plane-status"])
        .put()
        .enforce_policy()
        .default(Default::Unspecified)
        .validate(Validate::Words(DATA_PLANE));

pub(super) const PROPAGATE_UPLINK_STATUS: Column =
    Column::new("propagate_uplink_status", |port, _| Some(Field::Bool(!port.details.hides_uplink_status)))
        .by(&["uplink-status-propagation", "uplink-status-propagation-updatable"])
        .post_put()
        .default(Default::Bool(true))
        .convert(Convert::Boolean);

pub(super) const NUMA_AFFINITY_POLICY: Column = Column::new("numa_affinity_policy", |port, _| {
    Some(Field::text(port.details.numa_affinity_policy.as_deref()))
})
.by(&["port-numa-affinity-policy", "port-numa-affinity-policy-socket"])
.post_put()
.default(Default::Null)
.validate(Validate::Words(NUMA));

pub(super) const DEVICE_PROFILE: Column =
    Column::new("device_profile", |port, _| Some(Field::text(port.details.device_profile.as_deref())))
        .by(&["port-device-profile"])
        .post()
        .default(Default::Null)
        .validate(Validate::StringOrNone(255));

pub(super) const HARDWARE_OFFLOAD_TYPE: Column = Column::new("hardware_offload_type", |port, _| {
    Some(Field::text(port.details.hardware_offload_type.as_deref()))
})
.by(&["port-hardware-offload-type"])
.post()
.enforce_policy()
.default(Default::Unspecified)
.convert(Convert::Text)
.validate(Validate::Words(HARDWARE_OFFLOAD));

pub(super) const HINTS: Column =
    Column::new("hints", |port, _| Some(port.details.hints.as_deref().map_or(Field::Null, Field::Json)))
        .by(&["port-hints"])
        .post_put()
        .enforce_policy()
        .default(Default::Null)
        .validate(Validate::Hints);

/// Nothing asks for resources as long as there is no QoS.
pub(super) const RESOURCE_REQUEST: Column = Column::new("resource_request", |_, _| Some(Field::Null))
    .by(&["port-resource-request"])
    .default(Default::Unspecified)
    .validate(Validate::ObjectOrNone);

pub(super) const TRUSTED: Column =
    Column::new("trusted", |port, _| Some(port.details.trusted.map_or(Field::Null, Field::Bool)))
        .by(&["port-trusted-vif"])
        .post_put()
        .enforce_policy()
        .default(Default::Unspecified)
        .convert(Convert::Boolean)
        .validate(Validate::Boolean);

pub(super) const DNS_NAME: Column =
    Column::new("dns_name", |port, _| Some(Field::Text(&port.details.dns_name)))
        .by(&["dns-integration"])
        .post_put()
        .default(Default::Text(""))
        .convert(Convert::LowerCase)
        .validate(Validate::DnsName(255));

pub(super) const DNS_DOMAIN: Column =
    Column::new("dns_domain", |port, _| Some(Field::Text(&port.details.dns_domain)))
        .by(&["dns-domain-ports"])
        .post_put()
        .default(Default::Text(""))
        .convert(Convert::LowerCase)
        .validate(Validate::DnsDomain(255));

pub(super) const DNS_ASSIGNMENT: Column =
    Column::new("dns_assignment", |port, _| Some(Field::OwnedJson(dns_assignments(port).to_string())))
        .by(&["dns-integration"]);

fn dns_assignments(port: &Port) -> Value {
    let assignments = port.fixed_ips.iter().map(|ip| {
        let (hostname, fqdn) = dns_assignment(port, ip.ip_address);
        json!({"ip_address": ip.ip_address, "hostname": hostname, "fqdn": fqdn})
    });
    assignments.collect()
}

pub(super) const DELEGATED_PREFIX: Column = Column::new("hadron:delegated_prefix", |port, _| {
    Some(port.details.delegation.map_or(Field::Null, |delegation| {
        let (pool, prefix) = (delegation.subnetpool_id.to_string(), delegation.prefix.to_string());
        Field::OwnedJson(json!({"subnetpool_id": pool, "cidr": prefix}).to_string())
    }))
})
.by(&["hadron-delegated-prefix"])
.post_put()
.default(Default::Unspecified)
.validate(Validate::ObjectOrNone);

/// `{"subnetpool_id": …}`, with `prefixlen` or without, or null.
fn delegation(values: &Values) -> Result<Option<Option<DelegationRequest>>, ApiError> {
    let refused = || {
        let text = "hadron:delegated_prefix has a subnetpool_id and perhaps a prefixlen from 1 to 128";
        ApiError::from(Error::InvalidInput(text.to_owned()))
    };
    let Some(value) = values.get("hadron:delegated_prefix") else { return Ok(None) };
    let Value::Object(given) = value else { return Ok(Some(None)) };
    if given.keys().any(|key| key != "subnetpool_id" && key != "prefixlen") {
        return Err(refused());
    }
    let pool = given.get("subnetpool_id").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let length = match given.get("prefixlen") {
        None | Some(Value::Null) => None,
        Some(length) => {
            let length = crate::validate::to_integer(length).filter(|length| (1..=128).contains(length));
            Some(length.and_then(|length| u8::try_from(length).ok()).ok_or_else(refused)?)
        }
    };
    Ok(Some(Some(DelegationRequest { subnetpool_id: SubnetPoolId(pool.ok_or_else(refused)?), length })))
}

pub(super) const IP_ALLOCATION: Column = Column::new("ip_allocation", |port, _| {
    Some(Field::Text(match &port.details {
        details if details.is_addressless => "none",
        details if details.is_deferred => "deferred",
        _ => "immediate",
    }))
})
.by(&["ip_allocation"])
.filter_sort();

pub(super) const EXTRA_DHCP_OPTS: Column =
    Column::new("extra_dhcp_opts", |port, _| Some(Field::OwnedJson(dhcp_opts(port).to_string())))
        .by(&["extra_dhcp_opt"])
        .post_put()
        .default(Default::Null)
        .validate(Validate::DhcpOpts);

fn dhcp_opts(port: &Port) -> Value {
    let version = |is_ipv6: bool| if is_ipv6 { 6 } else { 4 };
    let options = port.details.extra_dhcp_opts.iter().map(|option| {
        json!({"opt_name": option.name, "opt_value": option.value, "ip_version": version(option.is_ipv6)})
    });
    options.collect()
}

/// What a request says of them.
pub(super) fn change(values: &Values) -> Result<DetailsChange, ApiError> {
    let text = |name: &str| values.get(name).map(|value| value.as_str().map(str::to_owned));
    let options = values.get("extra_dhcp_opts").and_then(Value::as_array).into_iter().flatten();
    Ok(DetailsChange {
        dns_name: values.text("dns_name"),
        dns_domain: values.text("dns_domain"),
        trusted: values.boolean("trusted"),
        data_plane_status: text("data_plane_status"),
        propagate_uplink_status: values.boolean("propagate_uplink_status"),
        numa_affinity_policy: text("numa_affinity_policy"),
        device_profile: text("device_profile"),
        hardware_offload_type: text("hardware_offload_type"),
        hints: values.get("hints").map(|hints| {
            let hints = hints.as_object().filter(|hints| !hints.is_empty());
            hints.map(|hints| Value::from(hints.clone()).to_string())
        }),
        extra_dhcp_opts: options.filter_map(dhcp_opt).collect(),
        delegation: delegation(values)?,
    })
}

fn dhcp_opt(option: &Value) -> Option<DhcpOptChange> {
    let version = option.get("ip_version").and_then(crate::validate::to_integer);
    Some(DhcpOptChange {
        name: option.get("opt_name")?.as_str()?.to_owned(),
        is_ipv6: version == Some(6),
        value: option.get("opt_value")?.as_str().map(str::to_owned),
    })
}
