//! Subnets.

mod check;
mod enlarge;
mod peer_routes;
mod pools;

pub use peer_routes::fill_all as fill_peer_routes;

use crate::network::{self, set};
use crate::quota::{self, Counted};
use crate::rbac::Reliance;
use crate::steps::BATCH;
use crate::subnet_pool::Taken;
use crate::{Config, Error, Step, dhcp, ipam, network_segment, rbac, slaac, stamp, subnet_pool};
use hadron_model::{FixedIp, HostRoute, IpNet, Ipv6Mode, Network, NetworkId, Port, Subnet};
use hadron_model::{IpVersion, SegmentId, SubnetId, SubnetNumber, SubnetPoolId};
use hadron_store::{AddressClaim, Counter, Tx};
use std::net::IpAddr;

/// Device owners of a router's ports on a subnet.
pub(crate) const ROUTER_INTERFACE_OWNERS: [&str; 3] = [
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
];

/// A pool as a caller names it; the ends may be in the wrong order or of the wrong family.
pub type RequestedPool = (IpAddr, IpAddr);

/// The gateway of a new subnet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Gateway {
    /// The first address: of IPv4 the one behind the network's address, of IPv6 the network's address itself.
    #[default]
    First,
    /// None.
    Absent,
    /// This address, inside the prefix or not.
    At(IpAddr),
}

/// The prefix of a new subnet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prefix {
    /// This; host bits are cut off.
    Given(IpNet),
    /// From a pool.
    OfPool {
        /// The pool.
        pool: SubnetPoolId,
        /// This one of it; host bits are cut off.
        cidr: Option<IpNet>,
        /// Any of this length; `None` is the pool's default.
        length: Option<u8>,
    },
}

/// A subnet to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSubnet {
    /// Its network.
    pub network_id: NetworkId,
    /// Owner's project id.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// 4 or 6; the prefix must be of that family.
    pub ip_version: u8,
    /// Its prefix.
    pub prefix: Prefix,
    /// Gateway.
    pub gateway: Gateway,
    /// Pools; `None` is everything but the gateway.
    pub allocation_pools: Option<Vec<RequestedPool>>,
    /// Name servers.
    pub dns_nameservers: Vec<IpAddr>,
    /// Host routes.
    pub host_routes: Vec<HostRoute>,
    /// Whether instances get their address by DHCP.
    pub enable_dhcp: bool,
    /// Who advertises, IPv6 only.
    pub ipv6_ra_mode: Option<Ipv6Mode>,
    /// How addresses are assigned, IPv6 only.
    pub ipv6_address_mode: Option<Ipv6Mode>,
    /// Owners of the ports that can have its addresses; empty for any.
    pub service_types: Vec<String>,
    /// Whether names of its addresses are to be published.
    pub dns_publish_fixed_ip: bool,
    /// The segment of its network that it is to be of.
    pub segment_id: Option<SegmentId>,
    /// What of others it uses.
    pub relies_on: Vec<Reliance>,
}

/// Changes to a subnet; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubnetChange {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// A prefix that covers the one that it has.
    pub cidr: Option<IpNet>,
    /// Gateway; `Some(None)` removes it.
    pub gateway_ip: Option<Option<IpAddr>>,
    /// Pools.
    pub allocation_pools: Option<Vec<RequestedPool>>,
    /// Name servers.
    pub dns_nameservers: Option<Vec<IpAddr>>,
    /// Host routes.
    pub host_routes: Option<Vec<HostRoute>>,
    /// Whether instances get their address by DHCP.
    pub enable_dhcp: Option<bool>,
    /// Owners of the ports that can have its addresses; those that have some keep them.
    pub service_types: Option<Vec<String>>,
    /// Whether names of its addresses are to be published.
    pub dns_publish_fixed_ip: Option<bool>,
    /// The segment of its network that it is to be of, or none.
    pub segment_id: Option<Option<SegmentId>>,
}

/// Creates a subnet.
///
/// The network's DHCP service gets an address of it if it needs one, and of a subnet of a segment the network's others get a route to
/// it: as many as fit in this transaction, the rest by [`fill_peer_routes`]. If hosts form their own address in it, the ports of
/// the network get theirs: as many as fit in this transaction, the rest by [`slaac::fill`], which the caller runs until it
/// is done.
pub fn create(tx: &mut Tx, config: &Config, new: &NewSubnet) -> Result<Subnet, Error> {
    let network = tx.get::<Network>(&new.network_id).ok_or(Error::NetworkNotFound(new.network_id))?;
    let (cidr, subnetpool_id) = take_prefix(tx, new)?;
    check::new_subnet(config, new, cidr)?;
    network::check_mtu_for_subnet(&network, cidr.addr().is_ipv6())?;
    let gateway_ip = match new.gateway {
        Gateway::Absent => None,
        Gateway::At(address) => Some(address),
        Gateway::First => Some(pools::default_gateway(cidr, new.is_chosen_by_pool())?),
    };
    let allocation_pools = match &new.allocation_pools {
        None => pools::default_pools(cidr, gateway_ip),
        Some(requested) => pools::checked(config, requested, cidr)?,
    };
    if new.allocation_pools.is_some() {
        pools::check_gateway(gateway_ip, &allocation_pools)?;
    }
    check_overlap(tx, new.network_id, cidr, None)?;
    network_segment::check_new_subnet(tx.view(), new.network_id, new.segment_id, &new.service_types)?;
    subnet_pool::check_affinity(tx, new.network_id, IpVersion::of(cidr.addr()), subnetpool_id)?;
    rbac::check_reliance(tx, &new.relies_on)?;
    quota::check(tx, config, &new.project_id, Counted::Subnet, 1)?;
    let mut subnet = Subnet {
        id: SubnetId::random(),
        number: SubnetNumber(tx.next_number(Counter::Subnet)?),
        network_id: new.network_id,
        project_id: new.project_id.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        subnetpool_id,
        cidr,
        gateway_ip,
        allocation_pools,
        dns_nameservers: new.dns_nameservers.clone(),
        host_routes: new.host_routes.clone(),
        enable_dhcp: new.enable_dhcp,
        ipv6_ra_mode: new.ipv6_ra_mode,
        ipv6_address_mode: new.ipv6_address_mode,
        service_types: new.service_types.clone(),
        dns_publish_fixed_ip: new.dns_publish_fixed_ip,
        segment_id: new.segment_id,
        stamp: stamp::born(tx, 0),
    };
    if subnet.segment_id.is_some() {
        peer_routes::complete(tx, config, &mut subnet);
    }
    tx.put(subnet.clone());
    network::touch(tx, &network);
    peer_routes::announce(tx, config, &subnet)?;
    dhcp::sync(tx, config, &network)?;
    slaac::fill(tx, subnet.id)?;
    Ok(subnet)
}

impl NewSubnet {
    /// Whether a pool chooses the prefix.
    fn is_chosen_by_pool(&self) -> bool {
        matches!(self.prefix, Prefix::OfPool { cidr: None, .. })
    }
}

/// The prefix of a new subnet, and the pool from which it is.
fn take_prefix(tx: &mut Tx, new: &NewSubnet) -> Result<(IpNet, Option<SubnetPoolId>), Error> {
    let (pool, cidr, length) = match new.prefix {
        Prefix::Given(cidr) => return Ok((cidr.trunc(), None)),
        Prefix::OfPool { pool, cidr, length } => (pool, cidr, length),
    };
    if cidr.is_none() && new.allocation_pools.is_some() {
        let reason = "allocation_pools need a cidr".to_owned();
        return Err(Error::BadRequest { resource: "subnets", reason });
    }
    let taken = match (cidr, new.gateway) {
        (Some(cidr), _) => Taken::Prefix(cidr.trunc()),
        (None, Gateway::At(address)) => Taken::Around(address, length),
        (None, _) => Taken::Length(length),
    };
    let version = if new.ip_version == 6 { IpVersion::V6 } else { IpVersion::V4 };
    let cidr = subnet_pool::take(tx, pool, version, &new.project_id, taken)?;
    Ok((cidr, Some(pool)))
}

/// Changes a subnet; `revision` is the one that the caller demands, if any.
pub fn update(
    tx: &mut Tx,
    config: &Config,
    id: SubnetId,
    change: &SubnetChange,
    revision: Option<u64>,
) -> Result<Subnet, Error> {
    let old = tx.get::<Subnet>(&id).ok_or(Error::SubnetNotFound(id))?;
    stamp::check_revision(&old.stamp, revision)?;
    let mut subnet = old.value.clone();
    if let Some(cidr) = change.cidr {
        enlarge::enlarge(tx, &mut subnet, cidr)?;
    }
    check::change(config, &subnet, change)?;
    if let Some(gateway_ip) = change.gateway_ip {
        if gateway_ip != old.gateway_ip {
            check_gateway_unused(tx, &old)?;
        }
        subnet.gateway_ip = gateway_ip;
    }
    if let Some(requested) = &change.allocation_pools {
        subnet.allocation_pools = pools::checked(config, requested, subnet.cidr)?;
    }
    if subnet.gateway_ip != old.gateway_ip || change.allocation_pools.is_some() {
        pools::check_gateway(subnet.gateway_ip, &subnet.allocation_pools)?;
    }
    if let Some(segment) = change.segment_id {
        network_segment::check_move(tx.view(), &old, segment)?;
        subnet.segment_id = segment;
    }
    set(&mut subnet.name, &change.name);
    set(&mut subnet.description, &change.description);
    set(&mut subnet.dns_nameservers, &change.dns_nameservers);
    set(&mut subnet.host_routes, &change.host_routes);
    set(&mut subnet.enable_dhcp, &change.enable_dhcp);
    set(&mut subnet.service_types, &change.service_types);
    set(&mut subnet.dns_publish_fixed_ip, &change.dns_publish_fixed_ip);
    peer_routes::follow(tx, config, &old, &mut subnet);
    if subnet == old.value {
        return Ok(subnet);
    }
    let network = tx.get::<Network>(&subnet.network_id).ok_or(Error::NetworkNotFound(subnet.network_id))?;
    stamp::touch(tx, &mut subnet);
    tx.put(subnet.clone());
    if subnet.cidr != old.cidr {
        peer_routes::lead_on(tx, &old, subnet.cidr)?;
    }
    network::touch(tx, &network);
    dhcp::sync(tx, config, &network)?;
    Ok(subnet)
}

/// Deletes a subnet. Ports with an address of it keep it from being deleted, but for the network's DHCP service and, where
/// hosts form their own address, all but routers: these lose the address.
pub fn delete(tx: &mut Tx, config: &Config, id: SubnetId, revision: Option<u64>) -> Result<Step<()>, Error> {
    let subnet = tx.get::<Subnet>(&id).ok_or(Error::SubnetNotFound(id))?;
    stamp::check_revision(&subnet.stamp, revision)?;
    // A port created meanwhile by another server claims an address of the subnet.
    tx.guard_range::<AddressClaim>(id);
    let holders: Vec<Port> = tx.view().ports_of_subnet(id).map(|port| port.value.clone()).collect();
    let keeps = |port: &Port| {
        if slaac::is_auto_address(&subnet) {
            ROUTER_INTERFACE_OWNERS.contains(&port.device_owner.as_str())
        } else {
            !dhcp::is_service(port)
        }
    };
    if holders.iter().any(keeps) {
        return Err(Error::SubnetInUse { subnet: id });
    }
    let is_last = holders.len() <= BATCH;
    for mut port in holders.into_iter().take(BATCH) {
        ipam::release_subnets(tx, &mut port, &[id]);
        stamp::touch(tx, &mut port);
        tx.put(port);
    }
    if !is_last || !peer_routes::withdraw(tx, &subnet) {
        return Ok(Step::More);
    }
    remove(tx, id);
    if let Some(network) = tx.get::<Network>(&subnet.network_id) {
        network::touch(tx, &network);
        dhcp::sync(tx, config, &network)?;
    }
    Ok(Step::Done(()))
}

/// Removes the record of a subnet of which nobody has an address.
pub(crate) fn remove(tx: &mut Tx, id: SubnetId) {
    tx.delete::<Subnet>(&id);
}

/// A network's subnets in the order of their creation.
pub(crate) fn of_network(tx: &Tx, network: NetworkId) -> Vec<std::sync::Arc<hadron_store::Stored<Subnet>>> {
    let mut subnets: Vec<_> = tx.view().subnets_of(network).cloned().collect();
    subnets.sort_by_key(|subnet| subnet.number);
    subnets
}

/// Refuses a prefix that overlaps with another subnet of the network than `except`.
fn check_overlap(tx: &Tx, network: NetworkId, cidr: IpNet, except: Option<SubnetId>) -> Result<(), Error> {
    let overlaps = |other: &Subnet| other.cidr.contains(&cidr) || cidr.contains(&other.cidr);
    if tx.view().subnets_of(network).any(|other| Some(other.id) != except && overlaps(other)) {
        return Err(Error::InvalidInput(format!(
            "requested subnet with CIDR {cidr} for network {network} overlaps with another subnet"
        )));
    }
    Ok(())
}

/// Refuses to move the gateway away from a router that has its address.
fn check_gateway_unused(tx: &Tx, subnet: &Subnet) -> Result<(), Error> {
    let Some(gateway) = subnet.gateway_ip else { return Ok(()) };
    let held = FixedIp { subnet_id: subnet.id, ip_address: gateway };
    let router = tx.view().get::<AddressClaim>(&(subnet.id, gateway)).and_then(|claim| {
        let port = tx.view().get::<Port>(&claim.port_id)?;
        let is_router = ROUTER_INTERFACE_OWNERS.contains(&port.device_owner.as_str());
        (is_router && port.fixed_ips.contains(&held)).then_some(port.id)
    });
    match router {
        Some(port) => Err(Error::GatewayIpInUse { gateway, port }),
        None => Ok(()),
    }
}
