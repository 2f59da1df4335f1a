//! Floating IPs: addresses of external networks that lead to ports.
//!
//! The address is held by a port of the external network. One address of a port has at most one floating IP of a network, which
//! a [`FloatingClaim`] keeps true whichever server associates.

mod association;
mod port;

pub use association::AssociationRequest;
pub(crate) use association::router_between;
pub use port::check_release;
pub(crate) use port::{after_change, after_removal, release_some};

use crate::ipam::FixedIpRequest;
use crate::network::set;
use crate::port::NewPort;
use crate::quota::{self, Counted};
use crate::{Config, Error, RouterError, network, service_port, stamp, tag};
use hadron_model::floating_ip::DEVICE_OWNER_FLOATING_IP;
use hadron_model::{
    Association, FloatingIp, FloatingIpId, FloatingIpNumber, Host, Network, NetworkId, Port, PortForwarding,
    PortId, PortStatus, Router, SubnetId, Tags,
};
use hadron_store::{Counter, FloatingClaim, Snapshot, Tx};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A floating IP to be created. Whether the caller may know of what it names is for the caller to have checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewFloatingIp {
    /// Owner's project id.
    pub project_id: String,
    /// Description.
    pub description: String,
    /// The external network.
    pub floating_network_id: NetworkId,
    /// The subnet from which its address comes, if one is wanted.
    pub subnet_id: Option<SubnetId>,
    /// Its address, if a certain one is wanted.
    pub floating_ip_address: Option<IpAddr>,
    /// What it is to lead to.
    pub association: Option<AssociationRequest>,
    /// Its name for a name service outside; empty for none.
    pub dns_name: String,
    /// The domain of its name; empty for none.
    pub dns_domain: String,
    /// Its tags.
    pub tags: Tags,
}

/// Changes to a floating IP; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FloatingIpChange {
    /// Description.
    pub description: Option<String>,
    /// What it is to lead to; `Some(None)` ends that.
    pub association: Option<Option<AssociationRequest>>,
}

/// What works of a floating IP: `ACTIVE` or `DOWN`. It leads to a port that works on a host with an interface to the physical network of
/// the external one.
pub fn status(view: &Snapshot, floating: &FloatingIp) -> &'static str {
    let router = floating.router_id.and_then(|id| view.get::<Router>(&id));
    let is_routed = router.is_some_and(|router| router.admin_state_up);
    let network = view.get::<Network>(&floating.floating_network_id);
    let segment = network.map(|network| &network.segment).filter(|segment| segment.physical().is_some());
    let is_at_door = |port: &Port| {
        let host = view.get::<Host>(&port.binding.host_id);
        segment.zip(host).is_some_and(|(segment, host)| host.reaches(segment))
    };
    let leads = match floating.association {
        Some(to) => view
            .get::<Port>(&to.port_id)
            .is_some_and(|port| port.status == PortStatus::Active && is_at_door(port)),
        None => view.forwardings_of_floating_ip(floating.id).next().is_some(),
    };
    if is_routed && leads { "ACTIVE" } else { "DOWN" }
}

/// Creates a floating IP.
pub fn create(tx: &mut Tx, config: &Config, new: &NewFloatingIp) -> Result<FloatingIp, Error> {
    let network = new.floating_network_id;
    tx.view().get::<Network>(&network).ok_or(Error::NetworkNotFound(network))?;
    if !network::is_external(tx.view(), network) {
        return Err(bad_request(format!("network {network} is not a valid external network")));
    }
    if !tx.view().subnets_of(network).any(|subnet| subnet.cidr.addr().is_ipv4()) {
        return Err(bad_request(format!("network {network} has no IPv4 subnet")));
    }
    quota::check(tx, config, &new.project_id, Counted::FloatingIp, 1)?;
    let id = FloatingIpId::random();
    let port = hold_address(tx, config, id, new)?;
    let address = port.fixed_ips.iter().map(|ip| ip.ip_address).find(IpAddr::is_ipv4);
    let mut floating = FloatingIp {
        id,
        number: FloatingIpNumber(tx.next_number(Counter::FloatingIp)?),
        project_id: new.project_id.clone(),
        description: new.description.clone(),
        floating_network_id: network,
        floating_port_id: port.id,
        floating_ip_address: address.ok_or(RouterError::ExternalIpAddressExhausted(network))?,
        association: None,
        router_id: None,
        dns_name: new.dns_name.clone(),
        dns_domain: new.dns_domain.clone(),
        stamp: stamp::born(tx, 0),
    };
    tag::begin(&mut floating.stamp, &new.tags, "floatingips", id.0)?;
    if let Some(request) = &new.association {
        association::set(tx, &mut floating, request)?;
    }
    tx.put(floating.clone());
    Ok(floating)
}

/// The port on the external network, which nobody but administrators sees.
fn hold_address(tx: &mut Tx, config: &Config, id: FloatingIpId, new: &NewFloatingIp) -> Result<Port, Error> {
    let mut port = NewPort::on(new.floating_network_id, String::new());
    port.device_id = id.to_string();
    port.device_owner = DEVICE_OWNER_FLOATING_IP.to_owned();
    if new.subnet_id.is_some() || new.floating_ip_address.is_some() {
        port.fixed_ips = Some(vec![FixedIpRequest {
            subnet_id: new.subnet_id,
            ip_address: new.floating_ip_address,
            delete_subnet: false,
        }]);
    }
    service_port::create(tx, config, &port, PortStatus::NotApplicable)
}

/// Changes a floating IP; `revision` is the one that the caller demands, if any.
pub fn update(
    tx: &mut Tx,
    id: FloatingIpId,
    change: &FloatingIpChange,
    revision: Option<u64>,
) -> Result<FloatingIp, Error> {
    let old = get(tx, id, revision)?;
    let mut floating = old.clone();
    set(&mut floating.description, &change.description);
    match &change.association {
        Some(Some(request)) => {
            check_not_shared(tx, id)?;
            association::set(tx, &mut floating, request)?;
        }
        // Port forwardings stay, and what translates them.
        Some(None) if floating.association.is_some() => association::clear(tx, &mut floating),
        _ => {}
    }
    if floating != old {
        stamp::touch(tx, &mut floating);
        tx.put(floating.clone());
    }
    Ok(floating)
}

/// Deletes a floating IP, which ends what it leads to. Port forwardings keep it from being deleted.
pub fn delete(tx: &mut Tx, config: &Config, id: FloatingIpId, revision: Option<u64>) -> Result<(), Error> {
    let mut floating = get(tx, id, revision)?;
    check_not_shared(tx, id)?;
    association::clear(tx, &mut floating);
    service_port::remove(tx, config, floating.floating_port_id)?;
    tx.delete::<FloatingIp>(&id);
    Ok(())
}

/// Floating IPs of a network that lead neither to a port nor to ports of one, by the port that holds their address.
pub(crate) fn leading_nowhere(view: &Snapshot, network: NetworkId) -> BTreeMap<PortId, FloatingIpId> {
    let held = view.ports_of_network(network).filter(|port| port.device_owner == DEVICE_OWNER_FLOATING_IP);
    let floating = held.filter_map(|port| {
        let floating = view.get::<FloatingIp>(&port.device_id.parse().ok()?)?;
        let leads =
            floating.association.is_some() || view.forwardings_of_floating_ip(floating.id).next().is_some();
        (!leads).then_some((port.id, floating.id))
    });
    floating.collect()
}

/// The floating IP, guarded, at the revision that the caller demands.
pub(crate) fn get(tx: &mut Tx, id: FloatingIpId, revision: Option<u64>) -> Result<FloatingIp, Error> {
    let floating = tx.get::<FloatingIp>(&id).ok_or(RouterError::FloatingIpNotFound(id))?;
    stamp::check_revision(&floating.stamp, revision)?;
    Ok(floating.value.clone())
}

/// Refuses what port forwardings of it forbid. One that comes meanwhile writes the floating IP, which is guarded.
fn check_not_shared(tx: &Tx, id: FloatingIpId) -> Result<(), Error> {
    match tx.view().forwardings_of_floating_ip(id).next() {
        Some(_) => Err(RouterError::FloatingIpInUseByForwarding(id).into()),
        None => Ok(()),
    }
}

/// The claim of an association.
fn claim_of(floating: &FloatingIp, to: Association) -> FloatingClaim {
    FloatingClaim {
        port_id: to.port_id,
        address: to.fixed_ip_address,
        floating_network_id: floating.floating_network_id,
        floating_ip_id: floating.id,
    }
}

/// A port has forwardings that some transaction may be adding to.
fn guard_forwardings(tx: &mut Tx) {
    tx.guard_range::<PortForwarding>(());
}

fn bad_request(reason: impl Into<String>) -> Error {
    Error::BadRequest { resource: "floatingip", reason: reason.into() }
}
