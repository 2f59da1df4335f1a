//! What a floating IP leads to.

use super::{bad_request, claim_of, guard_forwardings};
use crate::{Error, RouterError, router};
use hadron_model::port::DEVICE_OWNER_DHCP;
use hadron_model::{
    Association, FixedIp, FloatingIp, Network, NetworkId, Port, PortId, Router, RouterId, RouterPortRole,
    Subnet,
};
use hadron_store::{FloatingClaim, Record, Snapshot, Tx};
use std::net::IpAddr;

/// What a floating IP is to lead to, as a caller asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssociationRequest {
    /// The port.
    pub port_id: PortId,
    /// Which of its addresses; it may be left out if the port has one of IPv4.
    pub fixed_ip_address: Option<IpAddr>,
    /// The router that is to translate; one that joins the two networks if none is named.
    pub router_id: Option<RouterId>,
    /// Whether the port may be of another project than the floating IP.
    pub may_be_foreign: bool,
}

/// Leads a floating IP, whose record the caller writes, to what is asked for.
pub(super) fn set(tx: &mut Tx, floating: &mut FloatingIp, request: &AssociationRequest) -> Result<(), Error> {
    // Guarded: a port that goes takes what leads to it along.
    let port = tx.get::<Port>(&request.port_id).ok_or(Error::PortNotFound(request.port_id))?.value.clone();
    if port.project_id != floating.project_id && !request.may_be_foreign {
        return Err(bad_request(format!("port {} is owned by a different project", port.id)));
    }
    let ip = address_of(&port, request.fixed_ip_address)?;
    let router = match request.router_id {
        Some(router) => named_router(tx.view(), router, floating.floating_network_id)?,
        None => router_between(tx.view(), &port, ip, floating.floating_network_id)?,
    };
    // Guarded: a router that loses its interface or gateway is written.
    tx.get::<Router>(&router);
    check_forwardings(tx, port.id)?;
    let to = Association { port_id: port.id, fixed_ip_address: ip.ip_address };
    if floating.association != Some(to) {
        clear(tx, floating);
        claim(tx, floating, to)?;
    }
    floating.association = Some(to);
    floating.router_id = Some(router);
    Ok(())
}

/// Ends what a floating IP leads to; the caller writes its record.
pub(super) fn clear(tx: &mut Tx, floating: &mut FloatingIp) {
    if let Some(to) = floating.association.take() {
        tx.delete::<FloatingClaim>(&claim_of(floating, to).key());
        floating.router_id = None;
    }
}

fn claim(tx: &mut Tx, floating: &FloatingIp, to: Association) -> Result<(), Error> {
    tx.insert(claim_of(floating, to)).map_err(|_| {
        RouterError::FloatingIpPortAlreadyAssociated {
            floating_ip: floating.id,
            port: to.port_id,
            address: to.fixed_ip_address,
            network: floating.floating_network_id,
        }
        .into()
    })
}

/// The port's address that is asked for, or its only one of IPv4.
fn address_of(port: &Port, asked: Option<IpAddr>) -> Result<FixedIp, Error> {
    if port.device_owner == DEVICE_OWNER_DHCP || !matches!(port.binding.vnic_type.as_str(), "" | "normal") {
        return Err(bad_request(format!("port {} is unable to be assigned a floating IP", port.id)));
    }
    if let Some(address) = asked {
        if !address.is_ipv4() {
            return Err(bad_request(format!("{address} is not an IPv4 address")));
        }
        let ip = port.fixed_ips.iter().find(|ip| ip.ip_address == address);
        return ip
            .copied()
            .ok_or_else(|| bad_request(format!("port {} does not have fixed ip {address}", port.id)));
    }
    let mut ips = port.fixed_ips.iter().filter(|ip| ip.ip_address.is_ipv4());
    match (ips.next(), ips.next()) {
        (Some(ip), None) => Ok(*ip),
        (None, _) => Err(bad_request(format!("port {} has no fixed IPv4 addresses", port.id))),
        (Some(_), Some(_)) => Err(bad_request(format!(
            "port {} has multiple fixed IPv4 addresses: name one in fixed_ip_address",
            port.id
        ))),
    }
}

/// A router that joins the subnet of a port's address with an external network: the one that has the subnet's gateway address, if
/// there are several.
pub(crate) fn router_between(
    view: &Snapshot,
    port: &Port,
    ip: FixedIp,
    network: NetworkId,
) -> Result<RouterId, Error> {
    let gateway = view.get::<Subnet>(&ip.subnet_id).and_then(|subnet| subnet.gateway_ip);
    let mut found = None;
    for interface in view.router_ports_on(port.network_id) {
        let Some((id, RouterPortRole::Interface)) = interface.router() else { continue };
        let here = interface.fixed_ips.iter().find(|own| own.subnet_id == ip.subnet_id);
        let Some(here) = here.filter(|_| has_gateway(view, id, network)) else { continue };
        if gateway == Some(here.ip_address) {
            return Ok(id);
        }
        found = found.or(Some(id));
    }
    let error =
        RouterError::ExternalGatewayForFloatingIpNotFound { subnet: ip.subnet_id, network, port: port.id };
    found.ok_or_else(|| error.into())
}

fn named_router(view: &Snapshot, id: RouterId, network: NetworkId) -> Result<RouterId, Error> {
    view.get::<Router>(&id).ok_or(RouterError::NotFound(id))?;
    if has_gateway(view, id, network) {
        Ok(id)
    } else {
        Err(RouterError::RouterWithoutGateway { router: id, network }.into())
    }
}

fn has_gateway(view: &Snapshot, router: RouterId, network: NetworkId) -> bool {
    let is_there = view.get::<Network>(&network).is_some();
    is_there && view.get::<Router>(&router).is_some_and(|router| router.gateway_on(network).is_some())
}

/// A port with port forwardings has no floating IP of its own: both would be translated on its host, for the same packets.
fn check_forwardings(tx: &mut Tx, port: PortId) -> Result<(), Error> {
    guard_forwardings(tx);
    let view = tx.view();
    let router = view.forwardings_of_port(port).find_map(|forwarding| {
        let floating = view.get::<FloatingIp>(&forwarding.floating_ip_id)?;
        view.get::<Router>(&floating.router_id?)
    });
    match router.filter(|router| router::is_distributed(router)) {
        Some(_) => Err(RouterError::PortHasForwarding(port).into()),
        None => Ok(()),
    }
}
