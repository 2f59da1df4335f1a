//! What a port's instance reads about itself.

use hadron_model::instance::{Instance, InstanceKey};
use hadron_model::{Ipv6Mode, Mac};
use hadron_responders::metadata::{Link, LinkAddress, Subject};
use hadron_wire::held::Held;
use hadron_wire::row::{
    self, InstanceFacts, InstanceRow, NetworkRow, PortRow, Row, RowKey, SubnetRow, unmapped,
};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use uuid::Uuid;

/// A port as its instance's metadata know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// The port's `device_id`, by which Nova knows the instance.
    pub device: String,
    /// The port's project.
    pub project: String,
    /// What has been registered of the instance; `None` if Nova has it.
    pub instance: Option<Arc<Instance>>,
    /// A floating IP that leads to the port.
    pub public_v4: Option<Ipv4Addr>,
    /// The interface.
    pub link: Link,
}

/// `None` for a port of no instance.
pub(super) fn metadata(rows: &Held, network: &NetworkRow, port: &PortRow) -> Option<Metadata> {
    let Some(Row::Instance(row)) = rows.get(&RowKey::Instance(port.number)) else { return None };
    let public = row.public_addresses.iter().find_map(|address| match unmapped(*address) {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    Some(Metadata {
        device: row.device.clone(),
        project: row.project.clone(),
        instance: row.facts.as_ref().map(|facts| Arc::new(instance(row, facts))),
        public_v4: public,
        link: link(rows, network, port),
    })
}

/// The instance that has these ports, whose first one asks. `None` if nothing has been registered of it.
pub(crate) fn subject(asks: &Metadata, ports: &[Arc<Metadata>]) -> Option<Subject> {
    Some(Subject {
        instance: asks.instance.clone()?,
        project: asks.project.clone(),
        links: ports.iter().map(|port| port.link.clone()).collect(),
        public_v4: asks.public_v4.or_else(|| ports.iter().find_map(|port| port.public_v4)),
    })
}

fn instance(row: &InstanceRow, facts: &InstanceFacts) -> Instance {
    let InstanceFacts { name, hostname, user_data, meta, keys, .. } = facts.clone();
    let key = |row::InstanceKey { name, kind, data }| InstanceKey { name, kind, data };
    Instance {
        id: row.device.clone(),
        name,
        hostname,
        user_data,
        meta,
        keys: keys.into_iter().map(key).collect(),
        availability_zone: facts.availability_zone.clone(),
        launch_index: facts.launch_index,
        instance_type: facts.instance_type.clone(),
        image_id: facts.image_id.clone(),
        security_groups: facts.security_groups.clone(),
        vendor_data: facts.vendor_data.clone(),
        vendor_data2: facts.vendor_data2.clone(),
    }
}

fn link(rows: &Held, network: &NetworkRow, port: &PortRow) -> Link {
    let addresses = port.addresses.iter().filter_map(|own| {
        let subnet = rows.subnets(port.network).find(|subnet| subnet.number == own.subnet)?;
        Some(address(unmapped(own.address), subnet))
    });
    Link {
        name: port.interface_name.clone(),
        port: Uuid::from_bytes(port.uuid),
        mac: Mac(port.mac),
        mtu: network.mtu,
        network: Uuid::from_bytes(network.uuid),
        addresses: addresses.collect(),
    }
}

fn address(address: IpAddr, subnet: &SubnetRow) -> LinkAddress {
    let mode = subnet.address_mode.or(subnet.ra_mode).map(|mode| match mode {
        row::Ipv6Mode::Slaac => Ipv6Mode::Slaac,
        row::Ipv6Mode::Dhcpv6Stateful => Ipv6Mode::Dhcpv6Stateful,
        row::Ipv6Mode::Dhcpv6Stateless => Ipv6Mode::Dhcpv6Stateless,
    });
    let routes = subnet.host_routes.iter().map(|route| {
        let (destination, length) = route.destination.unmapped();
        (destination, length, unmapped(route.nexthop))
    });
    LinkAddress {
        address,
        prefix_len: subnet.cidr.unmapped().1,
        gateway: subnet.gateway.map(unmapped),
        dns: subnet.dns.iter().copied().map(unmapped).collect(),
        routes: routes.collect(),
        is_dynamic: if address.is_ipv4() { subnet.enable_dhcp } else { mode.is_some() },
        mode: mode.filter(|_| address.is_ipv6()),
    }
}
