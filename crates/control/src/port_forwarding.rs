//! Port forwardings: a floating IP shared by protocol and port number.
//!
//! Every change of a floating IP's forwardings also writes the floating IP, so that two servers don't give one of its ports
//! away twice.

use crate::network::set;
use crate::{Error, RouterError, floating_ip, stamp};
use hadron_model::{
    FixedIp, FloatingIp, FloatingIpId, ForwardedProtocol, Port, PortForwarding, PortForwardingId, PortId,
    PortRange, Router,
};
use hadron_store::{FloatingClaim, Tx};
use std::net::IpAddr;

/// A port forwarding to be created. Whether the caller may know of what it names is for the caller to have checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewForwarding {
    /// The floating IP.
    pub floating_ip_id: FloatingIpId,
    /// Description.
    pub description: String,
    /// The protocol.
    pub protocol: ForwardedProtocol,
    /// Ports of the floating IP; protocols other than ICMP need them.
    pub external: Option<PortRange>,
    /// The port that it leads to.
    pub internal_port_id: PortId,
    /// Which of its addresses.
    pub internal_ip_address: IpAddr,
    /// Ports there: as many as outside, or one.
    pub internal: Option<PortRange>,
}

/// Changes to a port forwarding; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ForwardingChange {
    /// Description.
    pub description: Option<String>,
    /// The protocol.
    pub protocol: Option<ForwardedProtocol>,
    /// Ports of the floating IP.
    pub external: Option<PortRange>,
    /// The port that it leads to.
    pub internal_port_id: Option<PortId>,
    /// Which of its addresses.
    pub internal_ip_address: Option<IpAddr>,
    /// Ports there.
    pub internal: Option<PortRange>,
}

/// Creates a port forwarding.
pub fn create(tx: &mut Tx, new: &NewForwarding) -> Result<PortForwarding, Error> {
    let floating = floating_ip::get(tx, new.floating_ip_id, None)?;
    let forwarding = PortForwarding {
        id: PortForwardingId::random(),
        floating_ip_id: new.floating_ip_id,
        description: new.description.clone(),
        protocol: new.protocol,
        external: new.external,
        internal_port_id: new.internal_port_id,
        internal_ip_address: new.internal_ip_address,
        internal: new.internal,
        stamp: stamp::born(tx, 0),
    };
    check_ports(tx, &forwarding)?;
    put(tx, floating, &forwarding)?;
    Ok(forwarding)
}

/// Changes a port forwarding; `revision` is the one that the caller demands, if any.
pub fn update(
    tx: &mut Tx,
    id: PortForwardingId,
    change: &ForwardingChange,
    revision: Option<u64>,
) -> Result<PortForwarding, Error> {
    let old = get(tx, id, revision)?;
    let floating = floating_ip::get(tx, old.floating_ip_id, None)?;
    let mut forwarding = old.clone();
    set(&mut forwarding.description, &change.description);
    set(&mut forwarding.protocol, &change.protocol);
    set(&mut forwarding.internal_port_id, &change.internal_port_id);
    set(&mut forwarding.internal_ip_address, &change.internal_ip_address);
    forwarding.external = change.external.or(forwarding.external);
    forwarding.internal = change.internal.or(forwarding.internal);
    if forwarding == old {
        return Ok(old);
    }
    check_ports(tx, &forwarding)?;
    stamp::touch(tx, &mut forwarding);
    put(tx, floating, &forwarding)?;
    Ok(forwarding)
}

/// Deletes a port forwarding.
pub fn delete(tx: &mut Tx, id: PortForwardingId, revision: Option<u64>) -> Result<(), Error> {
    let forwarding = get(tx, id, revision)?;
    floating_ip::get(tx, forwarding.floating_ip_id, None)?;
    remove(tx, &forwarding);
    Ok(())
}

/// Removes a port forwarding; with the last the floating IP leaves its router.
pub(crate) fn remove(tx: &mut Tx, forwarding: &PortForwarding) {
    tx.delete::<PortForwarding>(&forwarding.id);
    let is_last = tx.view().forwardings_of_floating_ip(forwarding.floating_ip_id).next().is_none();
    let Some(floating) = tx.get::<FloatingIp>(&forwarding.floating_ip_id) else { return };
    let mut floating = floating.value.clone();
    if is_last {
        floating.router_id = None;
    }
    stamp::touch(tx, &mut floating);
    tx.put(floating);
}

fn get(tx: &mut Tx, id: PortForwardingId, revision: Option<u64>) -> Result<PortForwarding, Error> {
    let forwarding = tx.get::<PortForwarding>(&id).ok_or(RouterError::ForwardingNotFound(id))?;
    stamp::check_revision(&forwarding.stamp, revision)?;
    Ok(forwarding.value.clone())
}

/// Writes a forwarding if its floating IP can lead there, and the floating IP, which is then its router's.
fn put(tx: &mut Tx, mut floating: FloatingIp, forwarding: &PortForwarding) -> Result<(), Error> {
    let (port, ip) = destination(tx, forwarding)?;
    if let Some(to) = floating.association {
        return Err(RouterError::FloatingIpPortAlreadyAssociated {
            floating_ip: floating.id,
            port: to.port_id,
            address: to.fixed_ip_address,
            network: floating.floating_network_id,
        }
        .into());
    }
    let router = floating_ip::router_between(tx.view(), &port, ip, floating.floating_network_id);
    let router = router.map_err(|error| bad_request(error.to_string()))?;
    // Guarded: a router that loses its interface or gateway is written.
    tx.get::<Router>(&router);
    if let Some(other) = floating.router_id.filter(|other| *other != router) {
        return Err(bad_request(format!(
            "floating IP {} is translated by router {other}, which does not reach port {}",
            floating.id, port.id
        )));
    }
    floating.router_id = Some(router);
    stamp::touch(tx, &mut floating);
    tx.put(floating);
    tx.put(forwarding.clone());
    Ok(())
}

/// The port that it leads to, guarded, with the address that it must have; a port to which a floating IP leads has none.
fn destination(tx: &mut Tx, forwarding: &PortForwarding) -> Result<(Port, FixedIp), Error> {
    let id = forwarding.internal_port_id;
    let port = tx.get::<Port>(&id).ok_or(Error::PortNotFound(id))?.value.clone();
    // Another server may lead a floating IP to it.
    tx.guard_range::<FloatingClaim>(id);
    if let Some(floating) = tx.view().floating_ips_of_port(id).next() {
        return Err(RouterError::PortHasFloatingIp { floating_ip: floating.id, port: id }.into());
    }
    let asked = forwarding.internal_ip_address;
    let ip = port.fixed_ips.iter().find(|ip| ip.ip_address == asked && asked.is_ipv4()).copied();
    let ip = ip.ok_or_else(|| bad_request(format!("{asked} is not an IPv4 address of port {id}")))?;
    Ok((port, ip))
}

/// Refuses ports that don't go together, or that another forwarding has.
fn check_ports(tx: &mut Tx, forwarding: &PortForwarding) -> Result<(), Error> {
    let has_ports = !matches!(forwarding.protocol, ForwardedProtocol::Icmp | ForwardedProtocol::Icmpv6);
    if has_ports && (forwarding.external.is_none() || forwarding.internal.is_none()) {
        let protocol = forwarding.protocol.as_str();
        return Err(bad_request(format!("{protocol} needs an external and an internal port")));
    }
    let count = |range: Option<PortRange>| range.map_or(1, PortRange::count);
    if count(forwarding.internal) > 1 && count(forwarding.internal) != count(forwarding.external) {
        return Err(bad_request("there must be as many internal ports as external ones, or one"));
    }
    // Those that lead to the port may be of other floating IPs.
    tx.guard_range::<PortForwarding>(());
    let view = tx.view();
    let of_port = view.forwardings_of_port(forwarding.internal_port_id);
    let of_address = of_port.filter(|other| other.internal_ip_address == forwarding.internal_ip_address);
    let inside = of_address.filter(|other| is_rival(other, forwarding)).map(|other| other.internal);
    check_collisions("internal", forwarding.internal, inside)?;
    let of_floating = view.forwardings_of_floating_ip(forwarding.floating_ip_id);
    let outside = of_floating.filter(|other| is_rival(other, forwarding)).map(|other| other.external);
    check_collisions("external", forwarding.external, outside)
}

fn is_rival(other: &PortForwarding, forwarding: &PortForwarding) -> bool {
    other.id != forwarding.id && other.protocol == forwarding.protocol
}

/// A forwarding without ports has all.
fn check_collisions(
    side: &'static str,
    wanted: Option<PortRange>,
    mut taken: impl Iterator<Item = Option<PortRange>>,
) -> Result<(), Error> {
    let all = PortRange::new(1, u16::MAX);
    let wanted = wanted.or(all);
    let collision = taken.find_map(|taken| {
        let (taken, wanted) = (taken.or(all)?, wanted?);
        taken.overlaps(wanted).then_some((wanted, taken))
    });
    match collision {
        Some((wanted, existing)) => {
            Err(RouterError::ForwardedPortCollision { side, wanted, existing }.into())
        }
        None => Ok(()),
    }
}

fn bad_request(reason: impl Into<String>) -> Error {
    Error::BadRequest { resource: "port_forwarding", reason: reason.into() }
}
