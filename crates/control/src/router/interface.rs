//! A router's interfaces: attached by a subnet, whose gateway address the router takes, or by a port that somebody made.

use super::{bad_request, check, get};
use crate::ipam::FixedIpRequest;
use crate::port::NewPort;
use crate::{Config, Error, RouterError, service_port, stamp};
use hadron_model::router::DEVICE_OWNER_ROUTER_INTERFACE;
use hadron_model::{
    Access, NetworkId, Port, PortId, PortStatus, Router, RouterId, RouterPortRole, Shareable, Subnet,
    SubnetId, Target,
};
use hadron_store::{Snapshot, Tx};

/// What a router is to be attached to. Whether the caller may know of it is for the caller to have checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attachment {
    /// A subnet, by its gateway address.
    Subnet {
        /// The subnet.
        id: SubnetId,
        /// Whether the caller may attach a subnet that is not its project's.
        may_be_foreign: bool,
        /// The project that asks.
        project: String,
    },
    /// A port that nothing uses, with the addresses that it has.
    Port {
        /// The port.
        id: PortId,
        /// Whether the caller may attach an address outside the pools of a subnet that is not its project's.
        may_be_foreign: bool,
        /// The project that asks.
        project: String,
    },
}

/// What a router is to be detached from: a port, a subnet, or a port that has an address of a subnet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Detachment {
    /// The port.
    pub port: Option<PortId>,
    /// The subnet.
    pub subnet: Option<SubnetId>,
}

/// An interface that has come or gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// The router.
    pub router_id: RouterId,
    /// The port's project.
    pub project_id: String,
    /// The port.
    pub port_id: PortId,
    /// Its network.
    pub network_id: NetworkId,
    /// The subnets that came or went with it; at least one.
    pub subnet_ids: Vec<SubnetId>,
}

/// Attaches a router (`add_router_interface`).
pub fn attach(
    tx: &mut Tx,
    config: &Config,
    id: RouterId,
    what: &Attachment,
    revision: Option<u64>,
) -> Result<Interface, Error> {
    let mut router = get(tx, id, revision)?;
    let (port, subnets) = match what {
        Attachment::Subnet { id, may_be_foreign, project } => {
            let subnet = tx.get::<Subnet>(id).ok_or(Error::SubnetNotFound(*id))?.value.clone();
            if !may_be_foreign && !is_routable_by(tx.view(), &subnet, project) {
                return Err(bad_request(format!("subnet {id} is not owned by the project that asks")));
            }
            (attach_subnet(tx, config, &router, &subnet)?, vec![*id])
        }
        Attachment::Port { id, may_be_foreign, project } => {
            let port = attach_port(tx, &router, *id, (!may_be_foreign).then_some(project))?;
            let subnets = port.fixed_ips.iter().map(|ip| ip.subnet_id).collect();
            (port, subnets)
        }
    };
    stamp::touch(tx, &mut router);
    tx.put(router);
    Ok(interface(id, &port, subnets))
}

/// Whether a project may attach routers to a subnet: its own, or one of a network that a policy shares with it by name. What
/// everybody may use is not everybody's to route.
fn is_routable_by(view: &Snapshot, subnet: &Subnet, project: &str) -> bool {
    let (network, target) = (Shareable::Network(subnet.network_id), Target::Project(project.to_owned()));
    subnet.project_id == project || view.rbac_policy(network, Access::Shared, &target).is_some()
}

fn interface(router_id: RouterId, port: &Port, subnet_ids: Vec<SubnetId>) -> Interface {
    Interface {
        router_id,
        project_id: port.project_id.clone(),
        port_id: port.id,
        network_id: port.network_id,
        subnet_ids,
    }
}

/// A new port with the subnet's gateway address; of IPv6 an address more for the port that the router has on the network.
fn attach_subnet(tx: &mut Tx, config: &Config, router: &Router, subnet: &Subnet) -> Result<Port, Error> {
    let gateway = subnet
        .gateway_ip
        .ok_or_else(|| bad_request(format!("subnet {} has no gateway address for a router", subnet.id)))?;
    check_advertised(subnet)?;
    check::check_overlap(tx.view(), router.id, &[subnet], RouterPortRole::Interface, None)?;
    let address =
        FixedIpRequest { subnet_id: Some(subnet.id), ip_address: Some(gateway), delete_subnet: false };
    if subnet.cidr.addr().is_ipv6() {
        let has_ipv6 = |port: &&Port| port.fixed_ips.iter().any(|ip| ip.ip_address.is_ipv6());
        let port = interfaces_on(tx, router.id, subnet.network_id).iter().find(has_ipv6).map(|port| port.id);
        if let Some(port) = port {
            return service_port::add_address(tx, config, port, address);
        }
    }
    let mut new = NewPort::on(subnet.network_id, router.project_id.clone());
    new.device_id = router.id.to_string();
    new.device_owner = DEVICE_OWNER_ROUTER_INTERFACE.to_owned();
    new.fixed_ips = Some(vec![address]);
    service_port::create(tx, config, &new, PortStatus::Active)
}

/// Turns a port into an interface. `only_of` is the project whose own subnets alone may have addresses outside their pools.
fn attach_port(tx: &mut Tx, router: &Router, id: PortId, only_of: Option<&String>) -> Result<Port, Error> {
    let mut port = tx.get::<Port>(&id).ok_or(Error::PortNotFound(id))?.value.clone();
    if !port.device_id.is_empty() {
        return Err(Error::PortInUse { port: id, network: port.network_id, device: port.device_id });
    }
    let mut subnets = Vec::with_capacity(port.fixed_ips.len());
    for ip in &port.fixed_ips {
        let subnet = tx.get::<Subnet>(&ip.subnet_id).ok_or(Error::SubnetNotFound(ip.subnet_id))?;
        check_advertised(&subnet)?;
        let is_in_pool = subnet.allocation_pools.iter().any(|pool| pool.contains(ip.ip_address));
        if !is_in_pool && only_of.is_some_and(|project| subnet.project_id != *project) {
            return Err(bad_request(format!(
                "port {id} has an address outside the pools of subnet {}, which the project that asks does not own",
                subnet.id
            )));
        }
        subnets.push(subnet);
    }
    if subnets.is_empty() {
        return Err(bad_request("the port of a router needs an address"));
    }
    check_one_ipv6_port(tx, router.id, &port)?;
    let routed: Vec<&Subnet> = subnets.iter().map(|subnet| &subnet.value).collect();
    check::check_overlap(tx.view(), router.id, &routed, RouterPortRole::Interface, Some(id))?;
    if subnets.iter().filter(|subnet| subnet.cidr.addr().is_ipv4()).count() > 1 {
        return Err(bad_request("the port of a router can't have several IPv4 subnets"));
    }
    port.device_id = router.id.to_string();
    port.device_owner = DEVICE_OWNER_ROUTER_INTERFACE.to_owned();
    service_port::adopt(tx, port)
}

/// Detaches a router (`remove_router_interface`). The port goes, or the subnet's address of it if it has others.
pub fn detach(
    tx: &mut Tx,
    config: &Config,
    id: RouterId,
    what: Detachment,
    revision: Option<u64>,
) -> Result<Interface, Error> {
    let mut router = get(tx, id, revision)?;
    let interface = match (what.port, what.subnet) {
        (Some(port), subnet) => detach_port(tx, config, &router, port, subnet)?,
        (None, Some(subnet)) => detach_subnet(tx, config, &router, subnet)?,
        (None, None) => return Err(bad_request("subnet_id or port_id must be given")),
    };
    stamp::touch(tx, &mut router);
    tx.put(router);
    Ok(interface)
}

fn detach_port(
    tx: &mut Tx,
    config: &Config,
    router: &Router,
    id: PortId,
    subnet: Option<SubnetId>,
) -> Result<Interface, Error> {
    let port =
        tx.get::<Port>(&id).filter(|port| port.router() == Some((router.id, RouterPortRole::Interface)));
    let port = port.ok_or(RouterError::InterfaceNotFound { router: router.id, port: id })?.value.clone();
    let subnets: Vec<SubnetId> = port.fixed_ips.iter().map(|ip| ip.subnet_id).collect();
    if let Some(subnet) = subnet.filter(|subnet| !subnets.contains(subnet)) {
        return Err(RouterError::SubnetMismatch { port: id, subnet }.into());
    }
    for subnet in check::routed_subnets(tx.view(), &port) {
        check::check_unused(tx, router, &subnet)?;
    }
    service_port::remove(tx, config, port.id)?;
    Ok(interface(router.id, &port, subnets))
}

fn detach_subnet(tx: &mut Tx, config: &Config, router: &Router, id: SubnetId) -> Result<Interface, Error> {
    let subnet = tx.get::<Subnet>(&id).ok_or(Error::SubnetNotFound(id))?.value.clone();
    let has = |port: &&Port| port.fixed_ips.iter().any(|ip| ip.subnet_id == id);
    let port = interfaces_on(tx, router.id, subnet.network_id).iter().find(has).cloned();
    let port = port.ok_or(RouterError::InterfaceNotFoundForSubnet { router: router.id, subnet: id })?;
    // Guarded: another server may have given it another address.
    tx.get::<Port>(&port.id);
    check::check_unused(tx, router, &subnet)?;
    if port.fixed_ips.iter().all(|ip| ip.subnet_id == id) {
        service_port::remove(tx, config, port.id)?;
    } else {
        service_port::drop_subnet(tx, config, port.id, id)?;
    }
    Ok(interface(router.id, &port, vec![id]))
}

fn interfaces_on(tx: &Tx, router: RouterId, network: NetworkId) -> Vec<Port> {
    let ports = tx.view().router_ports(router);
    let interfaces = ports.filter(|port| {
        port.network_id == network && port.router() == Some((router, RouterPortRole::Interface))
    });
    interfaces.map(|port| port.value.clone()).collect()
}

/// A router has one port for the IPv6 subnets of a network.
fn check_one_ipv6_port(tx: &Tx, router: RouterId, port: &Port) -> Result<(), Error> {
    let has_ipv6 = |port: &Port| port.fixed_ips.iter().any(|ip| ip.ip_address.is_ipv6());
    if !has_ipv6(port) {
        return Ok(());
    }
    match tx.view().router_ports(router).find(|other| other.network_id == port.network_id && has_ipv6(other))
    {
        Some(other) if other.id != port.id => Err(bad_request(format!(
            "the router has port {} for the IPv6 subnets of network {} already",
            other.id, other.network_id
        ))),
        _ => Ok(()),
    }
}

/// Refuses a subnet whose instances learn their router from somebody else's advertisements.
fn check_advertised(subnet: &Subnet) -> Result<(), Error> {
    if subnet.ipv6_address_mode.is_some() && subnet.ipv6_ra_mode.is_none() {
        return Err(bad_request(format!(
            "IPv6 subnet {} takes advertisements of a router outside; ours can't be attached",
            subnet.id
        )));
    }
    Ok(())
}
