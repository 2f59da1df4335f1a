//! Routers: their life, and what they are attached to.
//!
//! A router's interfaces and gateways are ports that name it as their device. Every change of its ports also writes the
//! router, so that two servers that attach it to subnets which overlap, or delete it meanwhile, find out.

mod check;
mod gateway;
mod interface;
mod port;
mod routes;

pub(crate) use check::{check_enlarged, uses_of_port};
pub use gateway::GatewayRequest;
pub use interface::{Attachment, Detachment, Interface, attach, detach};
pub(crate) use port::{after_change, check_change, check_removal};
pub use routes::{add_routes, remove_routes};

use crate::network::set;
use crate::quota::{self, Counted};
use crate::{Config, Error, RouterError, agent, stamp};
use hadron_model::{ExtraRoute, Router, RouterId, RouterNumber, RouterPortRole};
use hadron_store::{Counter, Tx};

/// A router to be created.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewRouter {
    /// Owner's project id.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Administrative state.
    pub admin_state_up: bool,
    /// The external network to begin with.
    pub gateway: Option<GatewayRequest>,
    /// `distributed`, if asked for.
    pub distributed: Option<bool>,
    /// `ha`, if asked for.
    pub ha: Option<bool>,
    /// `enable_default_route_ecmp`, if asked for.
    pub default_route_ecmp: Option<bool>,
    /// `enable_default_route_bfd`, if asked for.
    pub default_route_bfd: Option<bool>,
    /// Availability zones in which its gateways are wanted.
    pub availability_zone_hints: Vec<String>,
}

/// Changes to a router; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RouterChange {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Administrative state.
    pub admin_state_up: Option<bool>,
    /// The first external network; `Some(None)` takes it away.
    pub gateway: Option<Option<GatewayRequest>>,
    /// Routes beside those to its subnets, in any order.
    pub routes: Option<Vec<ExtraRoute>>,
    /// `distributed`.
    pub distributed: Option<bool>,
    /// `ha`.
    pub ha: Option<bool>,
    /// `enable_default_route_ecmp`.
    pub default_route_ecmp: Option<bool>,
    /// `enable_default_route_bfd`.
    pub default_route_bfd: Option<bool>,
}

/// What can be done with a router's gateways at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GatewaysChange {
    /// More of them.
    Add(Vec<GatewayRequest>),
    /// Other addresses or SNAT for those that match; those that don't are added.
    Update(Vec<GatewayRequest>),
    /// Those that match are taken away.
    Remove(Vec<GatewayRequest>),
}

/// Whether a router does its work on every host; all do, unless an administrator wants it to be said otherwise.
pub fn is_distributed(router: &Router) -> bool {
    router.distributed.unwrap_or(true)
}

/// Whether a router survives the loss of a host; all do, unless an administrator wants it to be said otherwise.
pub fn is_highly_available(router: &Router) -> bool {
    router.ha.unwrap_or(true)
}

/// Creates a router.
pub fn create(tx: &mut Tx, config: &Config, new: &NewRouter) -> Result<Router, Error> {
    agent::check_zone_hints(tx, &new.availability_zone_hints, "router")?;
    quota::check(tx, config, &new.project_id, Counted::Router, 1)?;
    let mut router = Router {
        id: RouterId::random(),
        number: RouterNumber(tx.next_number(Counter::Router)?),
        project_id: new.project_id.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        admin_state_up: new.admin_state_up,
        gateways: vec![],
        routes: vec![],
        distributed: new.distributed,
        ha: new.ha,
        default_route_ecmp: new.default_route_ecmp,
        default_route_bfd: new.default_route_bfd,
        availability_zone_hints: new.availability_zone_hints.clone(),
        flavor_id: None,
        stamp: stamp::born(tx, 1),
    };
    if let Some(request) = &new.gateway {
        gateway::add(tx, config, &mut router, request)?;
        stamp::touch(tx, &mut router);
    }
    tx.put(router.clone());
    Ok(router)
}

/// Changes a router; `revision` is the one that the caller demands, if any.
pub fn update(
    tx: &mut Tx,
    config: &Config,
    id: RouterId,
    change: &RouterChange,
    revision: Option<u64>,
) -> Result<Router, Error> {
    let old = get(tx, id, revision)?;
    let mut router = old.clone();
    check_conversion(&old, change)?;
    set(&mut router.name, &change.name);
    set(&mut router.description, &change.description);
    set(&mut router.admin_state_up, &change.admin_state_up);
    router.distributed = change.distributed.or(router.distributed);
    router.ha = change.ha.or(router.ha);
    router.default_route_ecmp = change.default_route_ecmp.or(router.default_route_ecmp);
    router.default_route_bfd = change.default_route_bfd.or(router.default_route_bfd);
    let mut has_new_ports = false;
    if let Some(request) = &change.gateway {
        has_new_ports = gateway::set_first(tx, config, &mut router, request.as_ref())?;
    }
    if let Some(routes) = &change.routes {
        router.routes = routes::checked(tx, config, &router, routes)?;
    }
    Ok(put(tx, &old, router, has_new_ports))
}

/// Changes the gateways of a router.
pub fn change_gateways(
    tx: &mut Tx,
    config: &Config,
    id: RouterId,
    change: &GatewaysChange,
    revision: Option<u64>,
) -> Result<Router, Error> {
    let old = get(tx, id, revision)?;
    let mut router = old.clone();
    match change {
        GatewaysChange::Add(requests) => {
            for request in requests {
                gateway::add(tx, config, &mut router, request)?;
            }
        }
        GatewaysChange::Update(requests) => gateway::update(tx, config, &mut router, requests)?,
        GatewaysChange::Remove(requests) => gateway::remove(tx, &mut router, requests)?,
    }
    Ok(put(tx, &old, router, true))
}

/// Deletes a router with its gateways. Interfaces and floating IPs keep it from being deleted.
pub fn delete(tx: &mut Tx, id: RouterId, revision: Option<u64>) -> Result<(), Error> {
    let router = get(tx, id, revision)?;
    let is_interface = |role| role == RouterPortRole::Interface;
    let interfaces =
        tx.view().router_ports(id).filter(|port| port.router().is_some_and(|(_, role)| is_interface(role)));
    let ports: Vec<_> = interfaces.map(|port| port.id).collect();
    if !ports.is_empty() {
        return Err(RouterError::InUse { router: id, ports }.into());
    }
    gateway::remove_all(tx, &router)?;
    tx.delete::<Router>(&id);
    Ok(())
}

/// The router, guarded, at the revision that the caller demands.
pub(crate) fn get(tx: &mut Tx, id: RouterId, revision: Option<u64>) -> Result<Router, Error> {
    let router = tx.get::<Router>(&id).ok_or(RouterError::NotFound(id))?;
    stamp::check_revision(&router.stamp, revision)?;
    Ok(router.value.clone())
}

/// Writes a router that is no longer what it was; `is_touched` counts a change of its ports as one of its own.
fn put(tx: &mut Tx, old: &Router, mut router: Router, is_touched: bool) -> Router {
    if is_touched || router != *old {
        stamp::touch(tx, &mut router);
        tx.put(router.clone());
    }
    router
}

/// Refuses to change what a router in use is said to be (`router-admin-state-down-before-update`).
fn check_conversion(old: &Router, change: &RouterChange) -> Result<(), Error> {
    let becomes = |asked: Option<bool>, is: bool| asked.is_some_and(|asked| asked != is);
    let is_converted =
        becomes(change.distributed, is_distributed(old)) || becomes(change.ha, is_highly_available(old));
    if is_converted && old.admin_state_up {
        return Err(bad_request("distributed and ha can change only while admin_state_up is false"));
    }
    Ok(())
}

pub(crate) fn bad_request(reason: impl Into<String>) -> Error {
    Error::BadRequest { resource: "router", reason: reason.into() }
}
