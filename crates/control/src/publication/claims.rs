//! Which names ports and floating IPs claim.

use super::zones::{Zones, absolute};
use hadron_model::{
    FloatingIp, FloatingIpId, NameValue, Network, NetworkId, Port, PortId, Segment, SegmentPool,
    SegmentRange, Subnet,
};
use hadron_store::{Revision, Snapshot};
use std::net::IpAddr;

/// Who claims names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Owner {
    Port(PortId),
    FloatingIp(FloatingIpId),
}

/// A value that a name is to have.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Claim {
    /// When the owner came to be: who is first has the name.
    pub(super) since: Revision,
    pub(super) owner: Owner,
    pub(super) project_id: String,
    /// The address that it is about.
    pub(super) address: IpAddr,
    pub(super) value: NameValue,
}

/// What an owner claims, by name.
pub(super) fn of(view: &Snapshot, zones: &Zones, owner: Owner) -> Vec<(String, Claim)> {
    match owner {
        Owner::Port(id) => of_port(view, zones, id),
        Owner::FloatingIp(id) => of_floating_ip(view, zones, id),
    }
    .unwrap_or_default()
}

fn of_port(view: &Snapshot, zones: &Zones, id: PortId) -> Option<Vec<(String, Claim)>> {
    let port = view.get::<Port>(&id)?;
    let network = view.get::<Network>(&port.network_id)?;
    let own = &port.details.dns_domain;
    let name = full_name(&port.details.dns_name, if own.is_empty() { &network.dns_domain } else { own })?;
    if !is_published(view, network) {
        return None;
    }
    let claim = |address| (address, Owner::Port(id), port.created, &port.project_id);
    Some(published_addresses(view, port).flat_map(|address| both(zones, &name, claim(address))).collect())
}

/// A floating IP has the name that was given to it, or else that of its port in its port's network.
fn of_floating_ip(view: &Snapshot, zones: &Zones, id: FloatingIpId) -> Option<Vec<(String, Claim)>> {
    let floating_ip = view.get::<FloatingIp>(&id)?;
    let name = if floating_ip.dns_name.is_empty() {
        let port = view.get::<Port>(&floating_ip.association?.port_id)?;
        let network = view.get::<Network>(&port.network_id)?;
        full_name(&port.details.dns_name, &network.dns_domain)?
    } else {
        full_name(&floating_ip.dns_name, &floating_ip.dns_domain)?
    };
    let address = floating_ip.floating_ip_address;
    Some(both(zones, &name, (address, Owner::FloatingIp(id), floating_ip.created, &floating_ip.project_id)))
}

/// The name and its reverse, for an address, in zones that are ours.
fn both(
    zones: &Zones,
    name: &str,
    (address, owner, since, project_id): (IpAddr, Owner, Revision, &String),
) -> Vec<(String, Claim)> {
    if zones.of_name(name).is_none() {
        return Vec::new();
    }
    let claim = |value| Claim { since, owner, project_id: project_id.clone(), address, value };
    let forward = (name.to_owned(), claim(NameValue::Address(address)));
    let reverse =
        zones.of_address(address).map(|(_, reverse)| (reverse, claim(NameValue::Name(name.to_owned()))));
    std::iter::once(forward).chain(reverse).collect()
}

/// `dns_name` in `dns_domain`; a name with a dot at its end has its domain in it.
fn full_name(name: &str, domain: &str) -> Option<String> {
    if name.is_empty() || domain.is_empty() {
        return None;
    }
    Some(if name.ends_with('.') { absolute(name) } else { absolute(&format!("{name}.{domain}")) })
}

/// The addresses in subnets that publish theirs, or all if none of the port's does.
fn published_addresses(view: &Snapshot, port: &Port) -> impl Iterator<Item = IpAddr> {
    let publishes = |subnet| view.get::<Subnet>(subnet).is_some_and(|subnet| subnet.dns_publish_fixed_ip);
    let is_any = port.fixed_ips.iter().any(|fixed| publishes(&fixed.subnet_id));
    let chosen = port.fixed_ips.iter().filter(move |fixed| !is_any || publishes(&fixed.subnet_id));
    chosen.map(|fixed| fixed.ip_address).collect::<Vec<_>>().into_iter()
}

/// Whether addresses of the network are reached from outside by themselves, so that names of them are of use there: a subnet says so, or
/// the network is an operator's, untagged or under an identifier that projects' networks don't get.
fn is_published(view: &Snapshot, network: &Network) -> bool {
    if view.subnets_of(network.id).any(|subnet| subnet.dns_publish_fixed_ip) {
        return true;
    }
    if view.is_external(network.id) {
        return false;
    }
    if view.segments_of(network.id).count() > 1 {
        return true;
    }
    match (&network.segment, network.segment.segmentation_id()) {
        (Segment::Local | Segment::None, _) => false,
        (_, None) => true,
        (segment, Some(id)) => !is_of_projects(view, segment, id),
    }
}

fn is_of_projects(view: &Snapshot, segment: &Segment, id: u32) -> bool {
    let physical = segment.physical().map_or("", |physical| &physical.network);
    let pool = SegmentPool::new(segment.network_type(), physical);
    view.iter::<SegmentRange>()
        .any(|range| Some(&range.pool) == pool.as_ref() && (range.first..=range.last).contains(&id))
}

/// Everything of a network that may claim names.
pub(super) fn owners_on(view: &Snapshot, network: NetworkId) -> impl Iterator<Item = Owner> {
    view.ports_of_network(network).flat_map(|port| owners_with(view, port.id))
}

/// A port and the floating IPs that lead to it.
pub(super) fn owners_with(view: &Snapshot, port: PortId) -> impl Iterator<Item = Owner> {
    let floating_ips = view.floating_ips_of_port(port).map(|floating_ip| Owner::FloatingIp(floating_ip.id));
    std::iter::once(Owner::Port(port)).chain(floating_ips)
}
