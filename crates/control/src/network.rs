//! Networks.

use crate::quota::{self, Counted};
use crate::segment::{self, Asker, Provider};
use crate::steps::BATCH;
use crate::{
    Config, Error, Step, agent, dhcp, floating_ip, ipam, network_segment, port, rbac, stamp, subnet, topology,
};
use hadron_model::{
    Access, DefaultNetwork, Network, NetworkId, NetworkNumber, Port, Shareable, SubnetId, Target,
};
use hadron_store::{Counter, MacClaim, Snapshot, Tx};

/// Smallest MTU of an IPv4 link (RFC 791 §3.2).
const IPV4_MIN_MTU: u32 = 68;
/// Smallest MTU of an IPv6 link (RFC 8200 §5).
const IPV6_MIN_MTU: u32 = 1280;

/// A network to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewNetwork {
    /// Owner's project id.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Administrative state.
    pub admin_state_up: bool,
    /// Visible to and usable by every project.
    pub shared: bool,
    /// Every project may reach the outside through it.
    pub external: bool,
    /// Whether automatic topologies lead to it; of a network that is not external nothing is noted.
    pub is_default: bool,
    /// Octets; 0 is the largest that the segment carries.
    pub mtu: u32,
    /// Whether its ports begin with port security.
    pub port_security_enabled: bool,
    /// Whether hosts may choose further addresses of their own.
    pub privacy_addresses: bool,
    /// Zones in which it is to be served.
    pub availability_zone_hints: Vec<String>,
    /// What an administrator asks for of each of its segments, at least one.
    pub segments: Vec<Provider>,
    /// Domain of its ports' names; empty for none.
    pub dns_domain: String,
}

/// Changes to a network; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NetworkChange {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Administrative state.
    pub admin_state_up: Option<bool>,
    /// Visible to and usable by every project.
    pub shared: Option<bool>,
    /// Every project may reach the outside through it, or no one may.
    pub external: Option<bool>,
    /// Whether automatic topologies lead to it.
    pub is_default: Option<bool>,
    /// Octets; 0 is the largest that the segment carries.
    pub mtu: Option<u32>,
    /// Whether its further ports begin with port security; those that it has stay as they are.
    pub port_security_enabled: Option<bool>,
    /// Whether hosts may choose further addresses of their own.
    pub privacy_addresses: Option<bool>,
    /// Provider attributes as given. Only a VLAN can be changed, to another one; naming the others as they are is no change.
    pub provider: Provider,
    /// Domain of its ports' names; empty for none.
    pub dns_domain: Option<String>,
}

/// Creates a network.
pub fn create(tx: &mut Tx, config: &Config, new: &NewNetwork) -> Result<Network, Error> {
    agent::check_zone_hints(tx, &new.availability_zone_hints, "network")?;
    quota::check(tx, config, &new.project_id, Counted::Network, 1)?;
    let id = NetworkId::random();
    let segment =
        network_segment::begin(tx, &Asker { config, network: id, project: &new.project_id }, &new.segments)?;
    let network = Network {
        id,
        number: NetworkNumber(tx.next_number(Counter::Network)?),
        project_id: new.project_id.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        admin_state_up: new.admin_state_up,
        was_shared: false,
        mtu: segment::mtu(network_segment::max_mtu(tx.view(), config, id), new.mtu)?,
        segment,
        port_security_enabled: new.port_security_enabled,
        privacy_addresses: new.privacy_addresses,
        availability_zone_hints: new.availability_zone_hints.clone(),
        dns_domain: new.dns_domain.clone(),
        stamp: stamp::born(tx, 1),
    };
    tx.put(network.clone());
    rbac::share_with_everyone(tx, Shareable::Network(id), &network.project_id, new.shared);
    rbac::make_external(tx, &network, new.external)?;
    topology::set_default(tx, id, new.is_default)?;
    Ok(network)
}

/// Changes a network; `revision` is the one that the caller demands, if any.
pub fn update(
    tx: &mut Tx,
    config: &Config,
    id: NetworkId,
    change: &NetworkChange,
    revision: Option<u64>,
) -> Result<Network, Error> {
    let old = tx.get::<Network>(&id).ok_or(Error::NetworkNotFound(id))?;
    stamp::check_revision(&old.stamp, revision)?;
    if !change.provider.is_empty() {
        network_segment::check_one(tx.view(), id)?;
        check_provider(&old, &change.provider)?;
    }
    let mut is_changed = false;
    if let Some(shared) = change.shared {
        if !shared {
            check_not_used_by_others(tx, &old)?;
        }
        is_changed |= rbac::share_with_everyone(tx, Shareable::Network(id), &old.project_id, shared);
    }
    if let Some(external) = change.external {
        is_changed |= rbac::make_external(tx, &old, external)?;
        if !external {
            tx.delete::<DefaultNetwork>(&id);
        }
    }
    if let Some(is_default) = change.is_default {
        is_changed |= topology::set_default(tx, id, is_default)?;
    }
    let mut network = old.value.clone();
    if let Some(id) = change.provider.segmentation_id.filter(|id| *id != 0) {
        network.segment = network_segment::change_vlan(tx, &old, id)?;
    }
    if let Some(mtu) = change.mtu {
        check_mtu_of_subnets(tx, id, mtu)?;
        network.mtu = segment::mtu(network_segment::max_mtu(tx.view(), config, id), mtu)?;
    }
    set(&mut network.name, &change.name);
    set(&mut network.description, &change.description);
    set(&mut network.admin_state_up, &change.admin_state_up);
    set(&mut network.port_security_enabled, &change.port_security_enabled);
    set(&mut network.privacy_addresses, &change.privacy_addresses);
    set(&mut network.dns_domain, &change.dns_domain);
    if is_changed || network != old.value {
        stamp::touch(tx, &mut network);
        tx.put(network.clone());
    }
    Ok(network)
}

/// Deletes a network with its subnets, the port of its DHCP service, and floating IPs of it that lead nowhere. Other ports keep it
/// from being deleted.
pub fn delete(tx: &mut Tx, config: &Config, id: NetworkId, revision: Option<u64>) -> Result<Step<()>, Error> {
    let network = tx.get::<Network>(&id).ok_or(Error::NetworkNotFound(id))?;
    stamp::check_revision(&network.stamp, revision)?;
    // A port created meanwhile by another server takes a MAC of the network.
    tx.guard_range::<MacClaim>(id);
    let floating = floating_ip::leading_nowhere(tx.view(), id);
    let view = tx.view();
    let (services, users): (Vec<_>, Vec<_>) = view
        .ports_of_network(id)
        .filter(|port| !floating.contains_key(&port.id))
        .map(|port| port.value.clone())
        .partition(|port: &Port| dhcp::is_service(port));
    if !users.is_empty() {
        return Err(Error::NetworkInUse { network: id, ports: users.iter().map(|port| port.id).collect() });
    }
    for &id in floating.values().take(BATCH / 2) {
        floating_ip::delete(tx, config, id, None)?;
    }
    if !floating.is_empty() {
        return Ok(Step::More);
    }
    let view = tx.view();
    let subnets: Vec<SubnetId> = view.subnets_of(id).map(|subnet| subnet.id).collect();
    for &subnet in subnets.iter().take(BATCH) {
        subnet::remove(tx, subnet);
    }
    if subnets.len() > BATCH {
        for mut port in services {
            ipam::release_subnets(tx, &mut port, &subnets[..BATCH]);
            stamp::touch(tx, &mut port);
            tx.put(port);
        }
        return Ok(Step::More);
    }
    if !rbac::remove_some(tx, Shareable::Network(id)) {
        return Ok(Step::More);
    }
    for port in &services {
        port::remove(tx, port);
    }
    network_segment::remove_all(tx, id);
    tx.delete::<Network>(&id);
    tx.delete::<DefaultNetwork>(&id);
    Ok(Step::Done(()))
}

/// Counts a change of what belongs to the network, as Neutron does for its subnets. It also makes every transaction that
/// reads the network conflict with this one.
pub(crate) fn touch(tx: &mut Tx, network: &Network) {
    let mut network = network.clone();
    stamp::touch(tx, &mut network);
    tx.put(network);
}

/// Refuses a subnet on a network whose MTU is too small for its family.
pub(crate) fn check_mtu_for_subnet(network: &Network, is_ipv6: bool) -> Result<(), Error> {
    let minimum = if is_ipv6 { IPV6_MIN_MTU } else { IPV4_MIN_MTU };
    if network.mtu < minimum {
        return Err(Error::NetworkMtuSubnetConflict { network: network.id, minimum });
    }
    Ok(())
}

/// Whether routers can lead outside through the network.
pub(crate) fn is_external(view: &Snapshot, id: NetworkId) -> bool {
    view.is_external(id)
}

pub(crate) fn set<T: Clone>(field: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

fn check_mtu_of_subnets(tx: &Tx, id: NetworkId, mtu: u32) -> Result<(), Error> {
    if mtu == 0 {
        return Ok(());
    }
    for subnet in tx.view().subnets_of(id) {
        let minimum = if subnet.cidr.addr().is_ipv6() { IPV6_MIN_MTU } else { IPV4_MIN_MTU };
        if mtu < minimum {
            return Err(Error::NetworkMtuSubnetConflict { network: id, minimum });
        }
    }
    Ok(())
}

fn check_provider(network: &Network, provider: &Provider) -> Result<(), Error> {
    let other_type = provider.network_type.as_deref().is_some_and(|t| t != network.segment.network_type());
    let physical = network.segment.physical().map(|physical| physical.network.as_str());
    let other_network = provider.physical_network.as_deref().is_some_and(|name| physical != Some(name));
    if other_type || other_network {
        return Err(Error::input(
            "provider:network_type and provider:physical_network of a network can't be changed",
        ));
    }
    Ok(())
}

/// Refuses to withdraw a shared network from projects that have ports or subnets on it and no policy of their own.
fn check_not_used_by_others(tx: &mut Tx, network: &Network) -> Result<(), Error> {
    let object = Shareable::Network(network.id);
    if tx.view().rbac_policy(object, Access::Shared, &Target::Everyone).is_none() {
        return Ok(());
    }
    tx.guard_range::<MacClaim>(network.id);
    let view = tx.view();
    let depends = |project: &String| {
        *project != network.project_id
            && view.rbac_policy(object, Access::Shared, &Target::Project(project.clone())).is_none()
    };
    let foreign_port = view
        .ports_of_network(network.id)
        .any(|port| !port.device_owner.starts_with("network:") && depends(&port.project_id));
    let foreign_subnet = view.subnets_of(network.id).any(|subnet| depends(&subnet.project_id));
    if foreign_port || foreign_subnet {
        return Err(Error::InvalidSharedSetting(network.name.clone()));
    }
    Ok(())
}
