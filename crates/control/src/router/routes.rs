//! A router's extra routes.

use super::{check, get, put};
use crate::quota::{self, Counted};
use crate::{Config, Error, RouterError};
use hadron_model::{ExtraRoute, Router, RouterId};
use hadron_store::{Snapshot, Tx};

/// Adds routes; those that the router has are no change (`add_extraroutes`).
pub fn add_routes(
    tx: &mut Tx,
    config: &Config,
    id: RouterId,
    routes: &[ExtraRoute],
    revision: Option<u64>,
) -> Result<Router, Error> {
    let old = get(tx, id, revision)?;
    let all: Vec<ExtraRoute> = old.routes.iter().chain(routes).copied().collect();
    let routes = checked(tx, config, &old, &all)?;
    Ok(put(tx, &old, Router { routes, ..old.clone() }, false))
}

/// Removes routes; those that the router has not are no change (`remove_extraroutes`).
pub fn remove_routes(
    tx: &mut Tx,
    id: RouterId,
    routes: &[ExtraRoute],
    revision: Option<u64>,
) -> Result<Router, Error> {
    let old = get(tx, id, revision)?;
    let mut router = old.clone();
    let gone: Vec<ExtraRoute> = routes.iter().map(normalized).collect();
    router.routes.retain(|route| !gone.contains(route));
    Ok(put(tx, &old, router, false))
}

fn normalized(route: &ExtraRoute) -> ExtraRoute {
    ExtraRoute { destination: route.destination.trunc(), ..*route }
}

/// The routes sorted, each once, if all can be.
pub(super) fn checked(
    tx: &mut Tx,
    config: &Config,
    router: &Router,
    routes: &[ExtraRoute],
) -> Result<Vec<ExtraRoute>, Error> {
    let mut routes: Vec<ExtraRoute> = routes.iter().map(normalized).collect();
    routes.sort_unstable();
    routes.dedup();
    check_connected(tx.view(), router.id, &routes)?;
    quota::check(tx, config, &router.project_id, Counted::RouterRoute, routes.len())?;
    Ok(routes)
}

/// Refuses routes whose next hop is not a neighbour on one of the router's networks.
pub(super) fn check_connected(view: &Snapshot, router: RouterId, routes: &[ExtraRoute]) -> Result<(), Error> {
    if routes.is_empty() {
        return Ok(());
    }
    let ports: Vec<_> = view.router_ports(router).collect();
    let subnets: Vec<_> = ports.iter().flat_map(|port| check::routed_subnets(view, port)).collect();
    for route in routes {
        let is_own = ports.iter().flat_map(|port| &port.fixed_ips).any(|ip| ip.ip_address == route.next_hop);
        let is_reached = subnets.iter().any(|subnet| subnet.cidr.contains(&route.next_hop));
        let reason = if route.destination.addr().is_ipv4() != route.next_hop.is_ipv4() {
            "the next hop is of another family than the destination"
        } else if !is_reached {
            "the next hop is not connected with the router"
        } else if is_own {
            "the next hop is an address of the router"
        } else {
            continue;
        };
        return Err(RouterError::InvalidRoute { route: *route, reason }.into());
    }
    Ok(())
}
