//! Rows as a function of their key and a snapshot of the model.

mod instance;
mod name;
mod packet_log;
mod router;
mod security;

pub(crate) use router::{DEFAULTS, delegated, destination_of, first_port};
pub(crate) use security::{AddressEntries, entries_only_in, names};

use crate::projection::Settings;
use crate::reach::vni;
use crate::{Interest, touch::DhcpPorts};
use hadron_model::{
    ExtraDhcpOpt, Host, HostNumber, HostRoute, Ipv6Mode, Network, NetworkNumber, Port, PortNumber, Segment,
    Subnet, SubnetId, VlanId,
};
use hadron_store::{Snapshot, Stored};
use hadron_wire::Row;
use hadron_wire::row::{self, Place, PortAddress, PortRow, Prefix, RowKey};
use std::sync::Arc;

/// What rows are made from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) model: &'a Snapshot,
    pub(crate) dhcp_ports: &'a DhcpPorts,
    pub(crate) entries: &'a AddressEntries,
    pub(crate) settings: &'a Settings,
}

impl<'a> Source<'a> {
    /// The row of `key` and who is to have it; `None` when there is none.
    pub(crate) fn row(self, key: RowKey) -> Option<(Interest, Row)> {
        match key {
            RowKey::Network(number) => {
                let network = self.network(number)?;
                Some((Interest::Network(number), Row::Network(network_row(self.model, network))))
            }
            RowKey::Subnet { network, subnet } => {
                let of = self.network(network)?;
                let subnet = self.model.subnets_of(of.id).find(|found| found.number.0 == subnet)?;
                Some((Interest::Network(network), Row::Subnet(self.subnet_row(network, subnet))))
            }
            RowKey::Presence { network, host } => self.presence(network, host),
            RowKey::Location { network, port } => self.location(network, port),
            RowKey::Name { network, port } => self.name(network, port),
            RowKey::RouterInterface { router, port } => self.router_interface(router, port),
            RowKey::Route { router, destination } => self.route(router, destination),
            RowKey::FloatingRelay { router, floating_ip } => self.floating_relay(router, floating_ip),
            RowKey::Forwarding { router, floating_ip, protocol, port } => {
                self.forwarding(router, floating_ip, (protocol, port))
            }
            RowKey::PortLease { router, interface, host } => self.port_lease(router, interface, host),
            RowKey::Rule { group, rule } => self.rule(group, rule),
            RowKey::Member { set, member } => self.member(set, member),
            RowKey::Policy(number) => self.policy(number),
            RowKey::FloatingIp(number) => self.floating_ip(number),
            RowKey::Instance(port) => self.instance(port),
            RowKey::Port(number) => self.port(number),
        }
    }

    /// Whether the host is to have the rows of the interest.
    pub(crate) fn is_interested(self, host: u32, interest: Interest) -> bool {
        let Some(member) = self.model.host_by_number(HostNumber(host)) else { return false };
        match interest {
            Interest::Host(of) => of == host,
            Interest::Network(network) => {
                self.network(network).is_some_and(|network| self.reaches_network(&member.name, network.id))
            }
            Interest::Router(router) => self.reaches_router(&member.name, router),
            _ => self.needs(&member.name, interest),
        }
    }

    fn network(self, number: u32) -> Option<&'a Arc<Stored<Network>>> {
        self.model.network_by_number(NetworkNumber(number))
    }

    /// The host that wires the port: the one that it is bound to, if that has joined, wires this kind of interface and has one to the
    /// network's physical network.
    fn host_of(self, port: &Port) -> Option<&'a Arc<Stored<Host>>> {
        let is_wirable = matches!(port.binding.vnic_type.as_str(), "" | "normal");
        if port.is_distributed() || !is_wirable {
            None
        } else {
            let network = self.model.get::<Network>(&port.network_id)?;
            self.model.get::<Host>(&port.binding.host_id).filter(|host| host.reaches(&network.segment))
        }
    }

    fn presence(self, network: u32, host: u32) -> Option<(Interest, Row)> {
        vni(self.model, self.network(network)?)?;
        let member = self.model.host_by_number(HostNumber(host))?;
        if !self.is_interested(host, Interest::Network(network)) {
            return None;
        }
        let row = row::PresenceRow { network, host, underlay: row::address(member.underlay) };
        Some((Interest::Network(network), Row::Presence(row)))
    }

    fn location(self, network: u32, number: u32) -> Option<(Interest, Row)> {
        let of = self.network(network)?;
        let port = self.model.port_by_number(PortNumber(number)).filter(|port| port.network_id == of.id)?;
        let (interest, place) = if port.is_distributed() {
            (Interest::Network(network), Place::Everywhere)
        } else {
            let host = self.host_of(port)?.number.0;
            let stays_within_host = of.segment == Segment::Local;
            let interest = if stays_within_host { Interest::Host(host) } else { Interest::Network(network) };
            (interest, Place::Host(host))
        };
        let row = row::LocationRow {
            network,
            port: number,
            mac: port.mac_address.0,
            addresses: port.fixed_ips.iter().map(|fixed| row::address(fixed.ip_address)).collect(),
            place,
        };
        Some((interest, Row::Location(row)))
    }

    fn port(self, number: u32) -> Option<(Interest, Row)> {
        let port = self.model.port_by_number(PortNumber(number))?;
        let host = self.host_of(port)?;
        let network = self.model.get::<Network>(&port.network_id)?;
        let row = PortRow {
            number,
            uuid: port.id.0.into_bytes(),
            network: network.number.0,
            mac: port.mac_address.0,
            addresses: port
                .fixed_ips
                .iter()
                .filter_map(|fixed| {
                    let subnet = self.model.get::<Subnet>(&fixed.subnet_id)?.number.0;
                    Some(PortAddress { address: row::address(fixed.ip_address), subnet })
                })
                .collect(),
            interface_name: port.interface_name(),
            admin_up: port.admin_state_up,
            port_security_disabled: !port.port_security_enabled,
            revision: port.modified.max(host.created).0,
            policy: port.policy.map(|policy| policy.0),
            allowed_pairs: security::allowed_pairs(port),
            log: packet_log::of_port(self.model, port),
            dhcp_options: port.details.extra_dhcp_opts.iter().map(dhcp_option).collect(),
            dns_name: port.details.dns_name.clone(),
        };
        Some((Interest::Host(host.number.0), Row::Port(row)))
    }

    fn subnet_row(self, network: u32, subnet: &Subnet) -> row::SubnetRow {
        row::SubnetRow {
            number: subnet.number.0,
            network,
            uuid: subnet.id.0.into_bytes(),
            cidr: Prefix::of(subnet.cidr.network(), subnet.cidr.prefix_len()),
            gateway: subnet.gateway_ip.map(row::address),
            dns: subnet.dns_nameservers.iter().copied().map(row::address).collect(),
            host_routes: subnet.host_routes.iter().map(host_route).collect(),
            enable_dhcp: subnet.enable_dhcp,
            dhcp: self.dhcp_server(subnet.id),
            lease_seconds: self.settings.lease_seconds,
            ra_mode: subnet.ipv6_ra_mode.map(ipv6_mode),
            address_mode: subnet.ipv6_address_mode.map(ipv6_mode),
        }
    }

    /// The address and MAC of the subnet's DHCP port; of several the oldest, so that every host says the same.
    fn dhcp_server(self, subnet: SubnetId) -> Option<row::DhcpServer> {
        let (_, port) = self.dhcp_ports.of(subnet).next()?;
        let port = self.model.get::<Port>(&port)?;
        let fixed = port.fixed_ips.iter().find(|fixed| fixed.subnet_id == subnet)?;
        Some(row::DhcpServer { address: row::address(fixed.ip_address), mac: port.mac_address.0 })
    }
}

fn network_row(model: &Snapshot, network: &Network) -> row::NetworkRow {
    let physical = network.segment.physical().map(|physical| row::PhysicalSegment {
        network: physical.network.clone(),
        vlan: physical.vlan.map(VlanId::get),
    });
    row::NetworkRow {
        number: network.number.0,
        uuid: network.id.0.into_bytes(),
        vni: vni(model, network),
        mtu: network.mtu,
        admin_up: network.admin_state_up,
        privacy_addresses: network.privacy_addresses,
        unlisted_addresses: network.privacy_addresses
            || physical.is_some()
            || model.has_unlisted_addresses(network.id),
        physical,
    }
}

fn dhcp_option(option: &ExtraDhcpOpt) -> row::DhcpOption {
    row::DhcpOption { name: option.name.clone(), value: option.value.clone(), is_ipv6: option.is_ipv6 }
}

fn host_route(route: &HostRoute) -> row::HostRoute {
    row::HostRoute {
        destination: Prefix::of(route.destination.network(), route.destination.prefix_len()),
        nexthop: row::address(route.nexthop),
    }
}

fn ipv6_mode(mode: Ipv6Mode) -> row::Ipv6Mode {
    match mode {
        Ipv6Mode::Slaac => row::Ipv6Mode::Slaac,
        Ipv6Mode::Dhcpv6Stateful => row::Ipv6Mode::Dhcpv6Stateful,
        Ipv6Mode::Dhcpv6Stateless => row::Ipv6Mode::Dhcpv6Stateless,
    }
}
