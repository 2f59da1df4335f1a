//! What is done with a router beside changing its attributes, read from the bodies of these requests.

use super::{Request, gateway};
use crate::ApiError;
use crate::attribute::Validate;
use crate::validate::{parse_uuid, show};
use crate::values::{check, routes_of};
use hadron_control::Error;
use hadron_control::router::{
    Attachment, Detachment, GatewayRequest, GatewaysChange, Interface, RouterChange,
};
use hadron_model::{ExtraRoute, HostRoute, PortId, SubnetId};
use serde_json::{Value, json};
use uuid::Uuid;

const ADD_INTERFACE: &str = "add_router_interface";
const REMOVE_INTERFACE: &str = "remove_router_interface";
const ADD_ROUTES: &str = "add_extraroutes";
const REMOVE_ROUTES: &str = "remove_extraroutes";
const ADD_GATEWAYS: &str = "add_external_gateways";
const UPDATE_GATEWAYS: &str = "update_external_gateways";
const REMOVE_GATEWAYS: &str = "remove_external_gateways";

/// Their names.
pub(super) const ACTIONS: &[&str] = &[
    ADD_INTERFACE,
    REMOVE_INTERFACE,
    ADD_ROUTES,
    REMOVE_ROUTES,
    ADD_GATEWAYS,
    UPDATE_GATEWAYS,
    REMOVE_GATEWAYS,
];

/// What a request does to a router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Other attributes.
    Attributes(Box<RouterChange>),
    /// Another interface.
    Attach(Attachment),
    /// An interface less.
    Detach(Detachment),
    /// More routes.
    AddRoutes(Vec<ExtraRoute>),
    /// Fewer routes.
    RemoveRoutes(Vec<ExtraRoute>),
    /// Other gateways.
    Gateways(GatewaysChange),
}

/// The change that an action's body asks for.
pub(super) fn read(request: Request<'_>, action: &str, body: &Value) -> Result<Change, ApiError> {
    Ok(match action {
        ADD_INTERFACE => Change::Attach(attachment(request, body)?),
        REMOVE_INTERFACE => Change::Detach(detachment(request, body)?),
        ADD_ROUTES => Change::AddRoutes(routes(body)?),
        REMOVE_ROUTES => Change::RemoveRoutes(routes(body)?),
        ADD_GATEWAYS => Change::Gateways(GatewaysChange::Add(gateways(request, body)?)),
        UPDATE_GATEWAYS => Change::Gateways(GatewaysChange::Update(gateways(request, body)?)),
        REMOVE_GATEWAYS => Change::Gateways(GatewaysChange::Remove(gateways(request, body)?)),
        _ => return Err(ApiError::not_found()),
    })
}

/// An interface as the actions that add and remove one answer.
pub(super) fn shown(interface: &Interface) -> Value {
    let subnets: Vec<String> = interface.subnet_ids.iter().map(SubnetId::to_string).collect();
    json!({
        "id": interface.router_id.to_string(),
        "project_id": interface.project_id,
        "port_id": interface.port_id.to_string(),
        "network_id": interface.network_id.to_string(),
        "subnet_id": subnets.last(),
        "subnet_ids": subnets,
    })
}

/// Routes as a router has them.
pub(super) fn extra_routes(routes: Vec<HostRoute>) -> Vec<ExtraRoute> {
    let route = |route: HostRoute| ExtraRoute { destination: route.destination, next_hop: route.nexthop };
    routes.into_iter().map(route).collect()
}

fn bad_request(reason: impl Into<String>) -> ApiError {
    Error::BadRequest { resource: "router", reason: reason.into() }.into()
}

/// The gateways of a body, `{"router": {"external_gateways": […]}}`.
fn gateways(request: Request<'_>, body: &Value) -> Result<Vec<GatewayRequest>, ApiError> {
    let list = member(body, "external_gateways", Validate::Gateways)?;
    let gateways = list.iter().map(|value| gateway::read(request.sees, value));
    Ok(gateways.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// The routes of a body, `{"router": {"routes": […]}}`.
fn routes(body: &Value) -> Result<Vec<ExtraRoute>, ApiError> {
    Ok(extra_routes(routes_of(member(body, "routes", Validate::HostRoutes)?)))
}

/// A list in the router of a body.
fn member<'a>(body: &'a Value, name: &'static str, validate: Validate) -> Result<&'a [Value], ApiError> {
    let value = body.get("router").and_then(|router| router.get(name));
    let value =
        value.ok_or_else(|| ApiError::bad_request(format!("the body has no router with '{name}'")))?;
    check(name, validate, value)?;
    Ok(value.as_array().map_or(&[], Vec::as_slice))
}

/// What a body names under `key`; it must be a UUID if it is there.
fn named(body: &Value, key: &str) -> Result<Option<Uuid>, ApiError> {
    let Some(value) = body.get(key) else { return Ok(None) };
    let id = value.as_str().and_then(parse_uuid);
    id.map(Some).ok_or_else(|| bad_request(format!("'{}' is not a valid UUID", show(value))))
}

fn attachment(request: Request<'_>, body: &Value) -> Result<Attachment, ApiError> {
    let (may_be_foreign, project) = (request.is_admin, request.sees.project().to_owned());
    match (named(body, "port_id")?, named(body, "subnet_id")?) {
        (None, None) => Err(bad_request("either subnet_id or port_id must be given")),
        (Some(_), Some(_)) => Err(bad_request("subnet_id and port_id can't both be given")),
        (Some(id), None) if request.sees.port(id) => {
            Ok(Attachment::Port { id: PortId(id), may_be_foreign, project })
        }
        (Some(id), None) => Err(Error::PortNotFound(PortId(id)).into()),
        (None, Some(id)) if request.sees.subnet(id) => {
            Ok(Attachment::Subnet { id: SubnetId(id), may_be_foreign, project })
        }
        (None, Some(id)) => Err(Error::SubnetNotFound(SubnetId(id)).into()),
    }
}

fn detachment(request: Request<'_>, body: &Value) -> Result<Detachment, ApiError> {
    let (port, subnet) = (named(body, "port_id")?, named(body, "subnet_id")?);
    if port.is_none() && subnet.is_none() {
        return Err(bad_request("either subnet_id or port_id must be given"));
    }
    if let Some(id) = subnet.filter(|id| port.is_none() && !request.sees.subnet(*id)) {
        return Err(Error::SubnetNotFound(SubnetId(id)).into());
    }
    Ok(Detachment { port: port.map(PortId), subnet: subnet.map(SubnetId) })
}
