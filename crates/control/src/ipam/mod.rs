//! Addresses of ports: each is claimed in its subnet, so none is given twice.
//!
//! The choice follows Neutron: a port that asks for nothing gets one IPv4 address, one IPv6 address of a subnet without
//! autoconfiguration, and the address that it forms in every subnet with it. The lowest free address is taken, found in
//! logarithmic time by the store's index of free ranges.

mod change;
mod routed;

pub(crate) use change::change;
pub(crate) use routed::check_host;

use crate::{Config, Error, ObjectError, slaac, subnet};
use hadron_model::{FixedIp, Mac, NetworkId, Port, PortId, Subnet, SubnetId};
use hadron_store::{AddressClaim, Stored, Tx};
use std::net::IpAddr;
use std::sync::Arc;

/// Device owners of a router's ports, which may have the first address of an IPv6 subnet.
const ROUTER_PORT_OWNERS: [&str; 6] = [
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
    "network:router_centralized_snat",
    "network:router_gateway",
    "network:floatingip_agent_gateway",
];

/// An address as a caller asks for it: of a subnet, a certain one, or both.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FixedIpRequest {
    /// The subnet.
    pub subnet_id: Option<SubnetId>,
    /// The address.
    pub ip_address: Option<IpAddr>,
    /// On update: give up the address that the port forms itself in `subnet_id`.
    pub delete_subnet: bool,
}

/// The port for which addresses are chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder<'a> {
    pub network: NetworkId,
    pub port: PortId,
    pub mac: Mac,
    pub device_owner: &'a str,
    /// Empty for none.
    pub host: &'a str,
}

impl<'a> Holder<'a> {
    pub(crate) fn of(port: &'a Port) -> Self {
        Self {
            network: port.network_id,
            port: port.id,
            mac: port.mac_address,
            device_owner: &port.device_owner,
            host: &port.binding.host_id,
        }
    }
}

/// What is to be claimed.
#[derive(Clone, Debug)]
enum Wanted {
    /// This address.
    Address(Arc<Stored<Subnet>>, IpAddr),
    /// A free one of the first of these subnets that has one.
    Free(Vec<Arc<Stored<Subnet>>>),
}

/// Claims addresses for a new port: those asked for, or those that a port gets which asks for nothing. `None` for one that gets them
/// when it has a host.
pub(crate) fn allocate(
    tx: &mut Tx,
    config: &Config,
    holder: Holder<'_>,
    requests: Option<&[FixedIpRequest]>,
) -> Result<Option<Vec<FixedIp>>, Error> {
    let mut subnets = subnets_for(tx, holder.network, holder.device_owner)?;
    if requests.is_none() && routed::is_deferred(&subnets, holder) {
        return Ok(None);
    }
    routed::keep_connected(tx.view(), holder, &mut subnets)?;
    let mut wanted = match requests {
        Some(requests) => resolve(&subnets, holder, requests)?,
        None => by_default(&subnets),
    };
    add_auto(&mut wanted, &subnets, holder, &[]);
    check_count(config, wanted.len())?;
    claim(tx, holder, wanted).map(Some)
}

/// The subnets of a network that ports of this owner can have addresses of.
fn subnets_for(tx: &Tx, network: NetworkId, device_owner: &str) -> Result<Vec<Arc<Stored<Subnet>>>, Error> {
    let mut subnets = subnet::of_network(tx, network);
    let is_without = subnets.is_empty();
    subnets.retain(|subnet| subnet.serves(device_owner));
    if subnets.is_empty() && !is_without {
        let device_owner = device_owner.to_owned();
        return Err(ObjectError::NoMatchingSubnet { network, device_owner }.into());
    }
    Ok(subnets)
}

/// Gives up every address of the port.
pub(crate) fn release_all(tx: &mut Tx, port: &Port) {
    for ip in &port.fixed_ips {
        release(tx, ip);
    }
}

/// Gives up the port's addresses of these subnets.
pub(crate) fn release_subnets(tx: &mut Tx, port: &mut Port, subnets: &[SubnetId]) {
    let (gone, kept) =
        port.fixed_ips.iter().partition::<Vec<FixedIp>, _>(|ip| subnets.contains(&ip.subnet_id));
    for ip in &gone {
        release(tx, ip);
    }
    port.fixed_ips = kept;
}

fn release(tx: &mut Tx, ip: &FixedIp) {
    tx.delete::<AddressClaim>(&(ip.subnet_id, ip.ip_address));
}

/// One address of an IPv4 subnet and one of an IPv6 subnet without autoconfiguration, if there are such.
fn by_default(subnets: &[Arc<Stored<Subnet>>]) -> Vec<Wanted> {
    let manual = subnets.iter().filter(|subnet| !slaac::is_auto_address(subnet));
    let (v4, v6): (Vec<_>, Vec<_>) = manual.cloned().partition(|subnet| subnet.cidr.addr().is_ipv4());
    [v4, v6].into_iter().filter(|subnets| !subnets.is_empty()).map(Wanted::Free).collect()
}

/// Turns requests into what is to be claimed. A request for a subnet with autoconfiguration alone adds nothing: every port
/// gets that address.
fn resolve(
    subnets: &[Arc<Stored<Subnet>>],
    holder: Holder<'_>,
    requests: &[FixedIpRequest],
) -> Result<Vec<Wanted>, Error> {
    let mut wanted = Vec::with_capacity(requests.len() + 1);
    for request in requests {
        let subnet = subnet_of(subnets, holder, request)?;
        let is_auto = slaac::is_auto_address(&subnet) && slaac::applies_to(holder.device_owner);
        match request.ip_address {
            Some(address) if is_auto && slaac::address(&subnet, holder.mac) != Some(address) => {
                return Err(Error::AllocationOnAutoAddressSubnet { address, subnet: subnet.id });
            }
            Some(_) if is_auto => {}
            Some(address) => wanted.push(Wanted::Address(subnet, address)),
            None if is_auto => {}
            None => wanted.push(Wanted::Free(vec![subnet])),
        }
    }
    Ok(wanted)
}

fn subnet_of(
    subnets: &[Arc<Stored<Subnet>>],
    holder: Holder<'_>,
    request: &FixedIpRequest,
) -> Result<Arc<Stored<Subnet>>, Error> {
    if subnets.is_empty() {
        return Err(Error::input("an IP address needs a subnet on the network"));
    }
    match (request.subnet_id, request.ip_address) {
        (Some(id), address) => {
            let subnet = subnets.iter().find(|subnet| subnet.id == id).ok_or_else(|| {
                Error::InvalidInput(format!(
                    "fixed_ips names subnet {id}, which is not on network {}",
                    holder.network
                ))
            })?;
            match address {
                Some(address) if !is_host_address(subnet, address, holder.device_owner) => {
                    Err(Error::InvalidIpForSubnet(address))
                }
                _ => Ok(subnet.clone()),
            }
        }
        (None, Some(address)) => subnets
            .iter()
            .find(|subnet| is_host_address(subnet, address, holder.device_owner))
            .cloned()
            .ok_or(Error::InvalidIpForNetwork(address)),
        (None, None) => Err(Error::input("an entry of fixed_ips needs subnet_id or ip_address")),
    }
}

/// Whether a port of this owner can have the address in the subnet: not the network or broadcast address of IPv4; the
/// first address of IPv6 for routers and ports without owner only.
fn is_host_address(subnet: &Subnet, address: IpAddr, device_owner: &str) -> bool {
    let cidr = subnet.cidr;
    if !cidr.contains(&address) {
        return false;
    }
    match address {
        IpAddr::V4(_) if cidr.prefix_len() >= 31 => true,
        IpAddr::V4(_) => address != cidr.network() && address != cidr.broadcast(),
        IpAddr::V6(_) => {
            device_owner.is_empty() || ROUTER_PORT_OWNERS.contains(&device_owner) || address != cidr.network()
        }
    }
}

/// Adds the addresses that the port forms itself, but for the subnets in `handled`.
fn add_auto(
    wanted: &mut Vec<Wanted>,
    subnets: &[Arc<Stored<Subnet>>],
    holder: Holder<'_>,
    handled: &[SubnetId],
) {
    if !slaac::applies_to(holder.device_owner) {
        return;
    }
    let auto =
        subnets.iter().filter(|subnet| slaac::is_auto_address(subnet) && !handled.contains(&subnet.id));
    wanted.extend(
        auto.filter_map(|subnet| Some(Wanted::Address(subnet.clone(), slaac::address(subnet, holder.mac)?))),
    );
}

fn check_count(config: &Config, count: usize) -> Result<(), Error> {
    if count > config.max_fixed_ips {
        return Err(Error::InvalidInput(format!(
            "{count} addresses are more than the {} that a port may have",
            config.max_fixed_ips
        )));
    }
    Ok(())
}

/// Claims what is wanted, certain addresses first, so that none of them is taken as the next free one. The answer is in the
/// order of `wanted`.
fn claim(tx: &mut Tx, holder: Holder<'_>, wanted: Vec<Wanted>) -> Result<Vec<FixedIp>, Error> {
    let mut claimed = vec![None; wanted.len()];
    for (slot, wanted) in claimed.iter_mut().zip(&wanted) {
        if let Wanted::Address(subnet, address) = wanted {
            *slot = Some(claim_address(tx, holder, subnet.id, *address)?);
        }
    }
    for (slot, wanted) in claimed.iter_mut().zip(&wanted) {
        if let Wanted::Free(subnets) = wanted {
            let free =
                subnets.iter().find_map(|subnet| Some((subnet.id, tx.view().first_free_address(subnet.id)?)));
            let (subnet, address) = free.ok_or(Error::IpAddressGenerationFailure(holder.network))?;
            *slot = Some(claim_address(tx, holder, subnet, address)?);
        }
    }
    Ok(claimed.into_iter().flatten().collect())
}

fn claim_address(
    tx: &mut Tx,
    holder: Holder<'_>,
    subnet_id: SubnetId,
    address: IpAddr,
) -> Result<FixedIp, Error> {
    // Guarded: the subnet must still be there, with the same pools and modes, when the claim is made.
    tx.get::<Subnet>(&subnet_id).ok_or(Error::SubnetNotFound(subnet_id))?;
    tx.insert(AddressClaim { subnet_id, address, port_id: holder.port })
        .map_err(|_| Error::IpAddressAlreadyAllocated { address, subnet: subnet_id })?;
    Ok(FixedIp { subnet_id, ip_address: address })
}
