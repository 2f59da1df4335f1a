//! Which rows a host is to have, by the words of `rows.proto` and nothing else: slow, and in another way than the
//! projection.

mod instance;
mod packet_log;
mod router;
mod security;

use crate::model::Model;
use hadron_model::{ExtraDhcpOpt, Host, Network, Port, Subnet};
use hadron_wire::row::{
    self, DhcpServer, LocationRow, NetworkRow, Place, PortAddress, PortRow, Prefix, PresenceRow, SubnetRow,
    address,
};
use hadron_wire::{Row, RowKey};
use std::collections::BTreeMap;

pub type Rows = BTreeMap<RowKey, Row>;

/// The rows of `host`, with the revision of port rows left out.
pub fn rows_of(model: &Model, host: &Host) -> Rows {
    let mut rows = Vec::new();
    for network in model.networks.values() {
        if router::reaches(model, host, network) {
            rows.extend(network_rows(model, network, host));
        }
    }
    let is_here = |port: &&Port| wired_by(model, port).is_some_and(|wired_by| wired_by.name == host.name);
    for port in model.ports.values().filter(is_here) {
        rows.push(Row::Port(port_row(model, port)));
        rows.extend(instance::row(model, port));
    }
    rows.extend(router::rows(model, host));
    rows.extend(router::floating_ips(model, host));
    rows.extend(router::forwardings(model, host));
    rows.extend(security::rows(model, host));
    rows.into_iter().map(|row| (row.key(), row)).collect()
}

/// A row without what depends on the history that led to it.
pub fn timeless(row: &Row) -> Row {
    match row {
        Row::Port(port) => Row::Port(PortRow { revision: 0, ..port.clone() }),
        other => other.clone(),
    }
}

/// The host that wires the port: the one that it is bound to, if frames of its network come there.
fn wired_by<'a>(model: &'a Model, port: &Port) -> Option<&'a Host> {
    let network = model.networks.values().find(|network| network.id == port.network_id)?;
    let mut hosts = model.hosts.values();
    hosts.find(|host| host.name == port.binding.host_id && host.reaches(&network.segment))
}

fn is_on(port: &Port, network: &Network, host: &Host) -> bool {
    port.network_id == network.id && port.binding.host_id == host.name
}

/// Whether an instance's port may have addresses beside its own.
fn has_further(port: &Port) -> bool {
    let is_instance = port.device_owner.is_empty();
    is_instance && (!port.port_security_enabled || !port.allowed_address_pairs.is_empty())
}

fn network_rows(model: &Model, network: &Network, receiver: &Host) -> Vec<Row> {
    let number = network.number.0;
    let vni = router::vni(model, network);
    let mut rows = vec![Row::Network(NetworkRow {
        number,
        uuid: network.id.0.into_bytes(),
        vni,
        mtu: network.mtu,
        admin_up: network.admin_state_up,
        privacy_addresses: network.privacy_addresses,
        physical: network.segment.physical().map(|physical| hadron_wire::row::PhysicalSegment {
            network: physical.network.clone(),
            vlan: physical.vlan.map(|vlan| vlan.get()),
        }),
        unlisted_addresses: network.privacy_addresses
            || network.segment.physical().is_some()
            || model.ports.values().any(|port| port.network_id == network.id && has_further(port)),
    })];
    for subnet in model.subnets.values().filter(|subnet| subnet.network_id == network.id) {
        rows.push(Row::Subnet(subnet_row(model, number, subnet)));
    }
    for host in model.hosts.values() {
        if vni.is_some() && router::reaches(model, host, network) {
            let underlay = address(host.underlay);
            rows.push(Row::Presence(PresenceRow { network: number, host: host.number.0, underlay }));
        }
    }
    for port in model.ports.values().filter(|port| port.network_id == network.id) {
        let bound_to = wired_by(model, port);
        let is_local = network.segment == hadron_model::Segment::Local;
        let place = match bound_to {
            _ if port.device_owner == "network:dhcp" => Place::Everywhere,
            Some(host) if !is_local || host.name == receiver.name => Place::Host(host.number.0),
            _ => continue,
        };
        rows.push(Row::Location(LocationRow {
            network: number,
            port: port.number.0,
            mac: port.mac_address.0,
            addresses: port.fixed_ips.iter().map(|fixed| address(fixed.ip_address)).collect(),
            place,
        }));
        if !port.details.dns_name.is_empty() {
            let domain = if port.details.dns_domain.is_empty() {
                &network.dns_domain
            } else {
                &port.details.dns_domain
            };
            rows.push(Row::Name(hadron_wire::row::NameRow {
                network: number,
                port: port.number.0,
                name: port.details.dns_name.clone(),
                domain: domain.strip_suffix('.').unwrap_or(domain).to_owned(),
            }));
        }
    }
    rows
}

fn subnet_row(model: &Model, network: u32, subnet: &Subnet) -> SubnetRow {
    let mut servers = Vec::new();
    for port in model.ports.values().filter(|port| port.device_owner == "network:dhcp" && port.admin_state_up)
    {
        for fixed in port.fixed_ips.iter().filter(|fixed| fixed.subnet_id == subnet.id) {
            servers.push((
                port.number,
                DhcpServer { address: address(fixed.ip_address), mac: port.mac_address.0 },
            ));
        }
    }
    servers.sort_by_key(|(number, _)| *number);
    SubnetRow {
        number: subnet.number.0,
        network,
        uuid: subnet.id.0.into_bytes(),
        cidr: Prefix::of(subnet.cidr.addr(), subnet.cidr.prefix_len()),
        gateway: subnet.gateway_ip.map(address),
        dns: vec![],
        host_routes: vec![],
        enable_dhcp: subnet.enable_dhcp,
        dhcp: servers.first().map(|(_, server)| *server),
        lease_seconds: 86_400,
        ra_mode: None,
        address_mode: None,
    }
}

fn port_row(model: &Model, port: &Port) -> PortRow {
    let network = model.networks.values().find(|network| network.id == port.network_id).unwrap();
    PortRow {
        number: port.number.0,
        uuid: port.id.0.into_bytes(),
        network: network.number.0,
        mac: port.mac_address.0,
        addresses: port
            .fixed_ips
            .iter()
            .map(|fixed| PortAddress {
                address: address(fixed.ip_address),
                subnet: model.subnets.values().find(|subnet| subnet.id == fixed.subnet_id).unwrap().number.0,
            })
            .collect(),
        interface_name: format!("tap{}", &port.id.0.to_string()[..11]),
        admin_up: port.admin_state_up,
        port_security_disabled: !port.port_security_enabled,
        revision: 0,
        policy: port.policy.map(|policy| policy.0),
        allowed_pairs: security::allowed_pairs(port),
        log: packet_log::of_port(model, port),
        dhcp_options: {
            let options = port.details.extra_dhcp_opts.iter().cloned();
            options
                .map(|ExtraDhcpOpt { name, is_ipv6, value }| row::DhcpOption { name, value, is_ipv6 })
                .collect()
        },
        dns_name: port.details.dns_name.clone(),
    }
}
