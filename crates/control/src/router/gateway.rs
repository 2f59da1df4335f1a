//! A router's attachments to external networks.

use super::{bad_request, check, routes};
use crate::ipam::FixedIpRequest;
use crate::port::{self, NewPort};
use crate::{Config, Error, RouterError, nat, network, service_port};
use hadron_model::router::DEVICE_OWNER_ROUTER_GATEWAY;
use hadron_model::{Gateway, Network, NetworkId, Port, PortStatus, Router, RouterPortRole, Subnet};
use hadron_store::{Snapshot, Tx};
use std::net::IpAddr;

/// An attachment as a caller asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatewayRequest {
    /// The external network. Whether the caller may use it is for the caller to have checked.
    pub network_id: NetworkId,
    /// Whether traffic of the router's subnets leaves with the gateway's address; it does if nothing is asked for.
    pub enable_snat: Option<bool>,
    /// Addresses; empty is what ports get by default.
    pub fixed_ips: Vec<FixedIpRequest>,
}

/// Attaches the router to one more network.
pub(super) fn add(
    tx: &mut Tx,
    config: &Config,
    router: &mut Router,
    request: &GatewayRequest,
) -> Result<(), Error> {
    check_request(tx.view(), request)?;
    let subnets = subnets_of(tx.view(), request.network_id);
    let subnets: Vec<&Subnet> = subnets.iter().collect();
    check::check_overlap(tx.view(), router.id, &subnets, RouterPortRole::Gateway, None)?;
    // Nobody owns it: only administrators see it.
    let mut new = NewPort::on(request.network_id, String::new());
    new.device_id = router.id.to_string();
    new.device_owner = DEVICE_OWNER_ROUTER_GATEWAY.to_owned();
    new.fixed_ips = (!request.fixed_ips.is_empty()).then(|| request.fixed_ips.clone());
    let port = service_port::create(tx, config, &new, PortStatus::Active)?;
    router.gateways.push(Gateway {
        network_id: request.network_id,
        port_id: port.id,
        enable_snat: request.enable_snat.unwrap_or(true),
    });
    nat::choose_hosts(tx, port.id);
    Ok(())
}

/// Makes the first attachment what is asked for, or takes it away. Whether its port is another or has changed.
pub(super) fn set_first(
    tx: &mut Tx,
    config: &Config,
    router: &mut Router,
    request: Option<&GatewayRequest>,
) -> Result<bool, Error> {
    let first = router.gateways.first().copied();
    let is_changed = match (first, request) {
        (None, None) => false,
        (None, Some(request)) => {
            add(tx, config, router, request)?;
            true
        }
        (Some(first), Some(request)) if first.network_id == request.network_id => {
            check_request(tx.view(), request)?;
            router.gateways[0].enable_snat = request.enable_snat.unwrap_or(true);
            readdress(tx, config, &first, request)?
        }
        (Some(first), request) => {
            detach(tx, router, &first)?;
            if let Some(request) = request {
                add(tx, config, router, request)?;
                router.gateways.rotate_right(1);
            }
            true
        }
    };
    if is_changed {
        routes::check_connected(tx.view(), router.id, &router.routes)?;
    }
    Ok(is_changed)
}

/// Makes the attachments what is asked for (`update_external_gateways`): the first stands first, what matches one stays with the
/// addresses asked for, what matches none is new, and what nobody asks for goes.
pub(super) fn update(
    tx: &mut Tx,
    config: &Config,
    router: &mut Router,
    requests: &[GatewayRequest],
) -> Result<(), Error> {
    let mut left = router.gateways.clone();
    let mut plan = Vec::with_capacity(requests.len());
    for request in requests {
        check_request(tx.view(), request)?;
        let matched = place_of(tx.view(), router, &left, request)?;
        plan.push((matched.map(|place| left.remove(place)), request));
    }
    for gone in &left {
        detach(tx, router, gone)?;
    }
    router.gateways.clear();
    for (matched, request) in plan {
        match matched {
            Some(gateway) => {
                readdress(tx, config, &gateway, request)?;
                let enable_snat = request.enable_snat.unwrap_or(gateway.enable_snat);
                router.gateways.push(Gateway { enable_snat, ..gateway });
            }
            None => add(tx, config, router, request)?,
        }
    }
    routes::check_connected(tx.view(), router.id, &router.routes)
}

/// Takes attachments away (`remove_external_gateways`).
pub(super) fn remove(tx: &mut Tx, router: &mut Router, requests: &[GatewayRequest]) -> Result<(), Error> {
    for request in requests {
        check_request(tx.view(), request)?;
        let gateways = router.gateways.clone();
        let place = place_of(tx.view(), router, &gateways, request)?;
        let place = place.ok_or_else(|| RouterError::UnableToMatchGateways {
            router: router.id,
            reason: format!("it has none on network {} with such addresses", request.network_id),
        })?;
        detach(tx, router, &gateways[place])?;
    }
    routes::check_connected(tx.view(), router.id, &router.routes)
}

/// Takes every attachment of a router away that is itself to go.
pub(super) fn remove_all(tx: &mut Tx, router: &Router) -> Result<(), Error> {
    let mut router = router.clone();
    while let Some(gateway) = router.gateways.first().copied() {
        detach(tx, &mut router, &gateway)?;
    }
    Ok(())
}

/// Takes one away; floating IPs that have no other way to the router keep it.
fn detach(tx: &mut Tx, router: &mut Router, gateway: &Gateway) -> Result<(), Error> {
    router.gateways.retain(|other| other.port_id != gateway.port_id);
    if router.gateway_on(gateway.network_id).is_none() {
        check::check_gateway_unused(tx, router.id, gateway.network_id)?;
    }
    if let Some(port) = tx.get::<Port>(&gateway.port_id) {
        port::remove(tx, &port);
        nat::forget(tx, port.id);
    }
    Ok(())
}

/// Gives a gateway's port the addresses asked for, if there are such. Whether it has others than before.
fn readdress(
    tx: &mut Tx,
    config: &Config,
    gateway: &Gateway,
    request: &GatewayRequest,
) -> Result<bool, Error> {
    if request.fixed_ips.is_empty() {
        return Ok(false);
    }
    service_port::readdress(tx, config, gateway.port_id, &request.fixed_ips)
}

/// Where among `gateways` is the one that a request names: by its network, and by its addresses where there are several.
fn place_of(
    view: &Snapshot,
    router: &Router,
    gateways: &[Gateway],
    request: &GatewayRequest,
) -> Result<Option<usize>, Error> {
    let on = |gateway: &Gateway| gateway.network_id == request.network_id;
    let asked: Vec<IpAddr> = request.fixed_ips.iter().filter_map(|ip| ip.ip_address).collect();
    if !asked.is_empty() {
        let has = |gateway: &Gateway| {
            let port = view.get::<Port>(&gateway.port_id);
            port.is_some_and(|port| port.fixed_ips.iter().any(|ip| asked.contains(&ip.ip_address)))
        };
        return Ok(gateways.iter().position(|gateway| on(gateway) && has(gateway)));
    }
    if gateways.iter().filter(|gateway| on(gateway)).count() > 1 {
        let reason =
            format!("several are on network {}: name one by its external_fixed_ips", request.network_id);
        return Err(RouterError::UnableToMatchGateways { router: router.id, reason }.into());
    }
    Ok(gateways.iter().position(on))
}

fn check_request(view: &Snapshot, request: &GatewayRequest) -> Result<(), Error> {
    let id = request.network_id;
    view.get::<Network>(&id).ok_or(Error::NetworkNotFound(id))?;
    if !network::is_external(view, id) {
        return Err(bad_request(format!("network {id} is not an external network")));
    }
    for asked in request.fixed_ips.iter().filter_map(|ip| ip.ip_address) {
        if view.subnets_of(id).any(|subnet| subnet.gateway_ip == Some(asked)) {
            return Err(bad_request(format!("external address {asked} is the gateway of its subnet")));
        }
    }
    Ok(())
}

fn subnets_of(view: &Snapshot, network: NetworkId) -> Vec<Subnet> {
    view.subnets_of(network).map(|subnet| subnet.value.clone()).collect()
}
