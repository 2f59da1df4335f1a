//! Ports: by number, network, subnet, device, project and host.

use super::{Indexed, Indexes, edit_group, replace};
use crate::record::Tables;
use hadron_model::{NetworkId, PolicyNumber, Port, PortId, SubnetId};
use imbl::OrdMap;
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

/// Where a port is bound, and what of it the host's counts depend on.
#[derive(PartialEq, Clone, Copy)]
struct Place<'a> {
    host: &'a str,
    network: NetworkId,
    policy: Option<PolicyNumber>,
    port: PortId,
}

fn place(port: &Port) -> Option<Place<'_>> {
    let host = port.binding.host_id.as_str();
    let place = Place { host, network: port.network_id, policy: port.policy, port: port.id };
    (!host.is_empty()).then_some(place)
}

/// The port's network, if it may have addresses beside its own.
fn unlisted(port: &Port) -> Option<NetworkId> {
    let is_instance = !port.is_distributed() && port.router().is_none();
    let has_others = !port.port_security_enabled || !port.allowed_address_pairs.is_empty();
    (is_instance && has_others).then_some(port.network_id)
}

fn unlist(indexes: &mut Indexes, network: NetworkId) {
    *indexes.unlisted_ports.entry(network).or_insert(0) += 1;
}

fn list(indexes: &mut Indexes, network: NetworkId) {
    release(&mut indexes.unlisted_ports, &network);
}

fn has_address_on(port: Option<&Port>, subnet: SubnetId) -> bool {
    port.is_some_and(|port| port.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet))
}

impl Indexed for Port {
    fn index(indexes: &mut Indexes, tables: &Tables, old: Option<&Self>, new: Option<&Self>) {
        super::subnet_pool::index_port(indexes, tables, old, new);
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
        replace(indexes, old.and_then(place), new.and_then(place), unbind, bind);
        replace(
            indexes,
            old.and_then(|port| Some((port.policy?, port.id))),
            new.and_then(|port| Some((port.policy?, port.id))),
            |indexes, pair| indexes.security.policy_ports.remove(&pair),
            |indexes, pair| indexes.security.policy_ports.insert(pair),
        );
        replace(indexes, old.and_then(unlisted), new.and_then(unlisted), list, unlist);
        super::router::index_port(indexes, old, new);
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

fn bind(indexes: &mut Indexes, place: Place<'_>) {
    edit_group(
        &mut indexes.hosts,
        place.host,
        |bound| {
            bound.ports.insert(place.port);
            *bound.networks.entry(place.network).or_insert(0) += 1;
            if let Some(policy) = place.policy {
                *bound.policies.entry(policy).or_insert(0) += 1;
            }
        },
        |_| false,
    );
    // The group's name is shared, so that a host's name is kept once.
    let name: Arc<str> =
        indexes.hosts.get_key_value(place.host).map_or_else(|| place.host.into(), |(name, _)| name.clone());
    *indexes.network_hosts.entry((place.network, name)).or_insert(0) += 1;
}

fn unbind(indexes: &mut Indexes, place: Place<'_>) {
    release(&mut indexes.network_hosts, &(place.network, Arc::from(place.host)));
    edit_group(
        &mut indexes.hosts,
        place.host,
        |bound| {
            bound.ports.remove(&place.port);
            release(&mut bound.networks, &place.network);
            if let Some(policy) = &place.policy {
                release(&mut bound.policies, policy);
            }
        },
        |bound| bound.ports.is_empty(),
    );
}

/// Counts one less; a count of none has no entry.
pub(super) fn release<K: Ord + Clone>(counts: &mut OrdMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
