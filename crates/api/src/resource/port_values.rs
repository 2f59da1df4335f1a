//! What a request says of a port, read from checked values.

use super::security_group_rule::{group_not_found, may_use_group};
use super::{Request, sharing};
use crate::ApiError;
use crate::field::Field;
use crate::validate::{pairs_of, parse_address, parse_uuid, show};
use crate::values::Values;
use hadron_control::Error;
use hadron_control::binding::{self, BindingChange, VNIC_NORMAL, VifType};
use hadron_control::ipam::FixedIpRequest;
use hadron_control::port_security::SecurityChange;
use hadron_control::rbac::Reliance;
use hadron_model::{Binding, NetworkId, Router, SecurityGroupId, Shareable, SubnetId};
use hadron_store::Snapshot;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Owners of ports that a router has made, which name the router.
const ROUTER_INTERFACE_OWNERS: [&str; 3] = [
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
];

/// Longest `binding:host_id`.
const MAX_HOST_ID: usize = 255;

/// A router's port may name no router but one's own.
pub(super) fn check_device(
    request: Request<'_>,
    device_owner: &str,
    device_id: &str,
) -> Result<(), ApiError> {
    let names_router = ROUTER_INTERFACE_OWNERS.contains(&device_owner) && !device_id.is_empty();
    let is_own = || {
        let router = device_id.parse().ok().and_then(|id| request.view.get::<Router>(&id));
        router.is_some_and(|router| router.project_id == request.sees.project())
    };
    if names_router && !request.is_admin && !is_own() {
        return Err(Error::DeviceIdNotOwnedByTenant(device_id.to_owned()).into());
    }
    Ok(())
}

pub(super) fn fixed_ips(
    values: &Values,
    is_subnet_visible: &dyn Fn(Uuid) -> bool,
) -> Result<Option<Vec<FixedIpRequest>>, ApiError> {
    let list = values.get("fixed_ips").and_then(Value::as_array);
    list.map(|list| fixed_ip_requests(list, is_subnet_visible)).transpose()
}

pub(super) fn fixed_ip_requests(
    list: &[Value],
    is_subnet_visible: &dyn Fn(Uuid) -> bool,
) -> Result<Vec<FixedIpRequest>, ApiError> {
    let request = |ip: &Value| {
        let text = |key: &str| ip.get(key).and_then(Value::as_str);
        let subnet_id = text("subnet_id").and_then(parse_uuid);
        if let Some(id) = subnet_id.filter(|id| !is_subnet_visible(*id)) {
            return Err(Error::SubnetNotFound(SubnetId(id)).into());
        }
        Ok(FixedIpRequest {
            subnet_id: subnet_id.map(SubnetId),
            ip_address: text("ip_address").and_then(parse_address),
            delete_subnet: ip.get("delete_subnet").and_then(Value::as_bool).unwrap_or(false),
        })
    };
    list.iter().map(request).collect()
}

/// The port's project may use its own groups, those shared with it, those that the port has, and, for an administrator, any.
pub(super) fn security_change(
    request: Request<'_>,
    values: &Values,
    project: &str,
    has: &[SecurityGroupId],
) -> Result<SecurityChange, ApiError> {
    let groups = values.uuids("security_groups");
    let groups = groups.map(|ids| ids.into_iter().map(SecurityGroupId).collect::<Vec<_>>());
    let refused = |id: &&SecurityGroupId| !has.contains(id) && !may_use_group(request, **id, project);
    if let Some(id) = groups.iter().flatten().find(refused) {
        return Err(group_not_found(&id.to_string()));
    }
    let pairs = values.get("allowed_address_pairs").and_then(Value::as_array);
    Ok(SecurityChange {
        port_security_enabled: values.boolean("port_security_enabled"),
        security_groups: groups,
        allowed_address_pairs: pairs.map(|list| pairs_of(list)),
    })
}

pub(super) fn or<'a>(text: &'a str, otherwise: &'static str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// `binding:profile`, in which `trusted` is repeated if it is said, as compute services look for it there.
pub(super) fn profile(binding: &Binding, trusted: Option<bool>) -> Field<'_> {
    let text = or(&binding.profile, "{}");
    let Some(trusted) = trusted else { return Field::Json(text) };
    let mut members: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    members.insert("trusted".to_owned(), trusted.into());
    Field::OwnedJson(Value::from(members).to_string())
}

/// What a compute service needs to know to plug an interface, or why that can't be.
pub(super) fn vif_details(
    view: &Snapshot,
    network: NetworkId,
    binding: &Binding,
    vif_type: VifType,
) -> Field<'static> {
    match vif_type {
        VifType::Tap => Field::Json(r#"{"connectivity":"l2","port_filter":true}"#),
        VifType::Unbound | VifType::Distributed => Field::Json("{}"),
        VifType::BindingFailed => match binding::failure(view, network, binding) {
            Some(failure) => Field::OwnedJson(json!({"reason": failure.to_string()}).to_string()),
            None => Field::Json("{}"),
        },
    }
}

pub(super) fn binding_change(values: &Values) -> Result<BindingChange, ApiError> {
    binding_change_of(values, ["binding:host_id", "binding:vnic_type", "binding:profile"])
}

/// What a request for a new port says of its binding. The compute service looks in the profile for what the hardware is to take over.
pub(super) fn new_binding(values: &Values) -> Result<BindingChange, ApiError> {
    let mut binding = binding_change(values)?;
    if let Some(offload) = values.text("hardware_offload_type") {
        let given = values.get("binding:profile").and_then(Value::as_object);
        binding.profile =
            Some(Value::from(with_capability(given.cloned().unwrap_or_default(), offload)).to_string());
    }
    Ok(binding)
}

/// A profile whose `capabilities` have this one. What stands there and is no list gives way, as in Neutron.
fn with_capability(mut profile: Map<String, Value>, capability: String) -> Map<String, Value> {
    let given = profile.get("capabilities").and_then(Value::as_array);
    let mut capabilities = given.cloned().unwrap_or_default();
    if !capabilities.iter().any(|other| *other == capability) {
        capabilities.push(capability.into());
    }
    profile.insert("capabilities".to_owned(), capabilities.into());
    profile
}

/// What a request says of a binding by attributes of these names: host, kind of interface, profile.
pub(super) fn binding_change_of(
    values: &Values,
    [host, vnic_type, profile]: [&str; 3],
) -> Result<BindingChange, ApiError> {
    let host_id = match values.get(host) {
        None => None,
        Some(Value::Null) => Some(String::new()),
        Some(Value::String(host)) if host.chars().count() <= MAX_HOST_ID => Some(host.clone()),
        Some(other) => {
            return Err(ApiError::bad_request(format!(
                "invalid value for {host}: '{}' is not a host name",
                show(other)
            )));
        }
    };
    let vnic_type = values.text(vnic_type);
    let profile = values.get(profile).map(|profile| match profile {
        Value::Object(members) if !members.is_empty() => profile.to_string(),
        _ => String::new(),
    });
    Ok(BindingChange {
        host_id,
        vnic_type: vnic_type.map(|kind| if kind == VNIC_NORMAL { String::new() } else { kind }),
        profile,
    })
}

/// What of others a new port uses: its network, for the caller, and groups, for the port's project.
pub(super) fn relies_on(
    request: Request<'_>,
    network: Option<NetworkId>,
    groups: Option<&[SecurityGroupId]>,
    project: &str,
) -> Vec<Reliance> {
    let caller = request.view.project();
    let network = network.and_then(|id| sharing::reliance(request, Shareable::Network(id), caller));
    let groups = groups.into_iter().flatten();
    let groups = groups.filter_map(|id| sharing::reliance(request, Shareable::SecurityGroup(*id), project));
    network.into_iter().chain(groups).collect()
}
