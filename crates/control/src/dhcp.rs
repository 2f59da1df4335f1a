//! The port that stands for a network's DHCP service.
//!
//! A network with an IPv4 subnet that has DHCP enabled has one such port: owner [`DEVICE_OWNER_DHCP`], one address in each
//! of these subnets (the server identifier of RFC 2132 §9.7 that instances see), served by every host that has a port of
//! the network. It comes and goes with what needs it, in the same transaction, and counts to the network's project.

use crate::{Config, Error, ipam, mac, port, stamp};
use hadron_model::port::DEVICE_OWNER_DHCP;
use hadron_model::{
    Binding, FixedIp, Network, NetworkId, Port, PortDetails, PortId, PortNumber, PortStatus, Subnet, SubnetId,
};
use hadron_store::{AddressClaim, Counter, Tx};

/// Stands where Neutron has an id made of the agent's host name; every host of hadron is the same service.
const SERVICE_ID: &str = "9a4fbd3a-2a1e-5d0c-8f3e-6b7c5d1e2f40";

/// Whether the port belongs to a network's own services, which don't keep it from being deleted.
pub(crate) fn is_service(port: &Port) -> bool {
    port.is_distributed()
}

/// The `device_id` of the network's DHCP port.
pub fn device_id(network: NetworkId) -> String {
    format!("dhcp{SERVICE_ID}-{network}")
}

/// The network's DHCP port, if it has one.
pub fn port_of(tx: &Tx, network: NetworkId) -> Option<Port> {
    tx.view()
        .ports_of_device(&device_id(network))
        .find(|port| port.network_id == network && port.is_distributed())
        .map(|port| port.value.clone())
}

/// Brings the network's DHCP port into line after `port` has given up addresses, if it could need one of them or was it.
pub(crate) fn after_release(tx: &mut Tx, config: &Config, port: &Port) -> Result<(), Error> {
    let service = port_of(tx, port.network_id);
    let lacks = |ip: &FixedIp| {
        let subnet = tx.view().get::<Subnet>(&ip.subnet_id);
        let is_wanted = subnet.is_some_and(|subnet| subnet.enable_dhcp && ip.ip_address.is_ipv4());
        let has = |service: &Port| service.fixed_ips.iter().any(|held| held.subnet_id == ip.subnet_id);
        is_wanted && !service.as_ref().is_some_and(has)
    };
    if !port.is_distributed() && !port.fixed_ips.iter().any(lacks) {
        return Ok(());
    }
    match tx.get::<Network>(&port.network_id) {
        Some(network) => sync(tx, config, &network),
        None => Ok(()),
    }
}

/// Brings the network's DHCP port into line with its subnets. A subnet whose pools are exhausted goes without an address.
pub(crate) fn sync(tx: &mut Tx, config: &Config, network: &Network) -> Result<(), Error> {
    let wanted: Vec<SubnetId> = tx
        .view()
        .subnets_of(network.id)
        .filter(|subnet| subnet.enable_dhcp && subnet.cidr.addr().is_ipv4())
        .map(|subnet| subnet.id)
        .collect();
    match port_of(tx, network.id) {
        None if wanted.is_empty() => Ok(()),
        None => create(tx, config, network, &wanted),
        Some(old) => {
            let unwanted: Vec<SubnetId> =
                old.fixed_ips.iter().map(|ip| ip.subnet_id).filter(|id| !wanted.contains(id)).collect();
            let mut port = old.clone();
            ipam::release_subnets(tx, &mut port, &unwanted);
            claim(tx, &mut port, &wanted)?;
            if port.fixed_ips.is_empty() {
                port::remove(tx, &port);
            } else if port != old {
                stamp::touch(tx, &mut port);
                tx.put(port);
            }
            Ok(())
        }
    }
}

fn create(tx: &mut Tx, config: &Config, network: &Network, wanted: &[SubnetId]) -> Result<(), Error> {
    if wanted.iter().all(|&subnet| tx.view().first_free_address(subnet).is_none()) {
        return Ok(());
    }
    let id = PortId::random();
    let mut port = Port {
        id,
        number: PortNumber(tx.next_number(Counter::Port)?),
        network_id: network.id,
        project_id: network.project_id.clone(),
        name: String::new(),
        description: String::new(),
        mac_address: mac::claim_random(tx, config, network.id, id)?,
        fixed_ips: vec![],
        admin_state_up: true,
        device_id: device_id(network.id),
        device_owner: DEVICE_OWNER_DHCP.to_owned(),
        binding: Binding::default(),
        status: PortStatus::Active,
        port_security_enabled: false,
        security_groups: vec![],
        allowed_address_pairs: vec![],
        policy: None,
        details: PortDetails::default(),
        inactive_bindings: vec![],
        stamp: stamp::born(tx, 1),
    };
    claim(tx, &mut port, wanted)?;
    tx.put(port);
    Ok(())
}

/// Takes an address in each of the subnets in which the port has none.
fn claim(tx: &mut Tx, port: &mut Port, wanted: &[SubnetId]) -> Result<(), Error> {
    for &subnet_id in wanted {
        if port.fixed_ips.iter().any(|ip| ip.subnet_id == subnet_id) {
            continue;
        }
        let Some(address) = tx.view().first_free_address(subnet_id) else { continue };
        tx.insert(AddressClaim { subnet_id, address, port_id: port.id })
            .map_err(|_| Error::IpAddressAlreadyAllocated { address, subnet: subnet_id })?;
        port.fixed_ips.push(FixedIp { subnet_id, ip_address: address });
    }
    Ok(())
}
