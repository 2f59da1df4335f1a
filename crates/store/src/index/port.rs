//! Ports: by number, network, subnet, device, project and host.

use super::{Bound, Indexed, Indexes, edit_group, replace};
use crate::record::Tables;
use hadron_model::{NetworkId, Port, PortId, SubnetId};
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::sync::Arc;

/// What a device's ports are found by; readers compare the device's id itself.
pub(crate) fn device_hash(device: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(device.as_bytes());
    hasher.finish()
}

fn device(port: &Port) -> Option<(u64, PortId)> {
    (!port.device_id.is_empty()).then(|| (device_hash(&port.device_id), port.id))
}

fn binding(port: &Port) -> Option<(&str, NetworkId, PortId)> {
    (!port.binding.host_id.is_empty()).then_some((port.binding.host_id.as_str(), port.network_id, port.id))
}

fn has_address_on(port: Option<&Port>, subnet: SubnetId) -> bool {
    port.is_some_and(|port| port.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet))
}

impl Indexed for Port {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|port| (port.number, port.id)),
            new.map(|port| (port.number, port.id)),
            |indexes, (number, _)| indexes.port_numbers.remove(&number),
            |indexes, (number, id)| indexes.port_numbers.insert(number, id),
        );
        replace(
            indexes,
            old.map(|port| (port.network_id, port.id)),
            new.map(|port| (port.network_id, port.id)),
            |indexes, pair| indexes.network_ports.remove(&pair),
            |indexes, pair| indexes.network_ports.insert(pair),
        );
        replace(
            indexes,
            old.and_then(device),
            new.and_then(device),
            |indexes, pair| indexes.device_ports.remove(&pair),
            |indexes, pair| indexes.device_ports.insert(pair),
        );
        replace(
            indexes,
            old.map(|port| (port.project_id.as_str(), port.id)),
            new.map(|port| (port.project_id.as_str(), port.id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.ports.remove(&id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.ports.insert(id)),
        );
        replace(indexes, old.and_then(binding), new.and_then(binding), unbind, bind);
        index_subnets(indexes, old, new);
    }
}

fn index_subnets(indexes: &mut Indexes, old: Option<&Port>, new: Option<&Port>) {
    for (port, fixed) in old.iter().flat_map(|port| port.fixed_ips.iter().map(|fixed| (port.id, fixed))) {
        if !has_address_on(new, fixed.subnet_id) {
            indexes.subnet_ports.remove(&(fixed.subnet_id, port));
        }
    }
    for (port, fixed) in new.iter().flat_map(|port| port.fixed_ips.iter().map(|fixed| (port.id, fixed))) {
        if !has_address_on(old, fixed.subnet_id) {
            indexes.subnet_ports.insert((fixed.subnet_id, port));
        }
    }
}

fn bind(indexes: &mut Indexes, (host, network, port): (&str, NetworkId, PortId)) {
    edit_group(
        &mut indexes.hosts,
        host,
        |bound| {
            bound.ports.insert(port);
            *bound.networks.entry(network).or_insert(0) += 1;
        },
        |_| false,
    );
    // The group's name is shared, so that a host's name is kept once.
    let name: Arc<str> =
        indexes.hosts.get_key_value(host).map_or_else(|| host.into(), |(name, _)| name.clone());
    *indexes.network_hosts.entry((network, name)).or_insert(0) += 1;
}

fn unbind(indexes: &mut Indexes, (host, network, port): (&str, NetworkId, PortId)) {
    let key = (network, Arc::from(host));
    if let Some(count) = indexes.network_hosts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            indexes.network_hosts.remove(&key);
        }
    }
    edit_group(
        &mut indexes.hosts,
        host,
        |bound| release(bound, network, port),
        |bound| bound.ports.is_empty(),
    );
}

fn release(bound: &mut Bound, network: NetworkId, port: PortId) {
    bound.ports.remove(&port);
    if let Some(count) = bound.networks.get_mut(&network) {
        *count -= 1;
        if *count == 0 {
            bound.networks.remove(&network);
        }
    }
}
