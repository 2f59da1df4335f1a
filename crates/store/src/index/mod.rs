//! Indexes over the tables, kept with every change. Each is persistent, so a snapshot's clone shares them.
//!
//! Sets that tend to be small (the ports of a device or of a network) are one flat ordered set of pairs: a tree per group would cost half
//! a kilobyte each. Groups that are few and large (projects, hosts) have a tree of their own, which also counts them.

mod address;
mod identity;
mod network;
mod packet_log;
mod port;
mod rbac;
mod router;
mod security;
mod subnet;
mod subnet_pool;
#[cfg(test)]
mod tests;

pub use packet_log::Logged;
pub(crate) use port::device_hash;
pub use security::SetId;
pub(crate) use subnet_pool::size as prefix_size;

use crate::interval::IntervalSet;
use crate::record::Tables;
use crate::{BulkIntent, CounterRecord, Duty, Milestone, Turn};
use address::FreeAddresses;
use hadron_model::identity::Secret;
use hadron_model::{
    AddressGroupId, AddressScopeId, FloatingIpId, Host, HostNumber, JoinToken, NetworkId, NetworkNumber,
    PacketLogId, PolicyNumber, PortId, PortNumber, RbacPolicyId, RouterId, SecurityGroupId,
    SecurityGroupRuleId, SegmentId, SubnetId, SubnetPoolId, Vni,
};
use hadron_model::{Agent, AgentId};
use imbl::{OrdMap, OrdSet};
use rbac::Sharing;
use router::Routing;
use security::Security;
use std::sync::Arc;
use subnet_pool::Pools;

/// What [`crate::Snapshot`] finds things by.
#[derive(Clone, PartialEq, Debug)]
pub struct Indexes {
    pub(crate) network_numbers: OrdMap<NetworkNumber, NetworkId>,
    pub(crate) port_numbers: OrdMap<PortNumber, PortId>,
    pub(crate) host_numbers: OrdMap<HostNumber, String>,
    pub(crate) network_subnets: OrdSet<(NetworkId, SubnetId)>,
    pub(crate) network_ports: OrdSet<(NetworkId, PortId)>,
    /// With the segments' places, which gives their order.
    pub(crate) network_segments: OrdSet<(NetworkId, u32, SegmentId)>,
    /// How many ports of a network may have addresses beside their own.
    pub(crate) unlisted_ports: OrdMap<NetworkId, usize>,
    pub(crate) subnet_ports: OrdSet<(SubnetId, PortId)>,
    /// By a hash of the device's id; readers compare the id itself.
    pub(crate) device_ports: OrdSet<(u64, PortId)>,
    pub(crate) projects: OrdMap<Arc<str>, Owned>,
    pub(crate) host_agents: OrdSet<(String, AgentId)>,
    pub(crate) hosts: OrdMap<Arc<str>, Bound>,
    pub(crate) network_hosts: OrdMap<(NetworkId, Arc<str>), usize>,
    pub(crate) project_names: OrdMap<(String, String), String>,
    pub(crate) user_names: OrdMap<(String, String), String>,
    pub(crate) role_names: OrdMap<String, String>,
    pub(crate) domain_names: OrdMap<String, String>,
    pub(crate) group_names: OrdMap<(String, String), String>,
    /// Group, then user.
    pub(crate) group_members: OrdSet<(String, String)>,
    /// User, then application credential.
    pub(crate) user_credentials: OrdSet<(String, String)>,
    pub(crate) free_addresses: OrdMap<SubnetId, FreeAddresses>,
    pub(crate) free_vnis: IntervalSet,
    pub(crate) security: Security,
    pub(crate) routing: Routing,
    /// Packet logs by each thing that they name.
    pub(crate) logs: OrdSet<(Logged, PacketLogId)>,
    pub(crate) sharing: Sharing,
    pub(crate) pools: Pools,
}

impl Default for Indexes {
    fn default() -> Self {
        let mut free_vnis = IntervalSet::default();
        free_vnis.insert_range(1, u128::from(Vni::MAX));
        Self {
            network_numbers: OrdMap::new(),
            port_numbers: OrdMap::new(),
            host_numbers: OrdMap::new(),
            network_subnets: OrdSet::new(),
            network_ports: OrdSet::new(),
            network_segments: OrdSet::new(),
            unlisted_ports: OrdMap::new(),
            subnet_ports: OrdSet::new(),
            device_ports: OrdSet::new(),
            projects: OrdMap::new(),
            host_agents: OrdSet::new(),
            hosts: OrdMap::new(),
            network_hosts: OrdMap::new(),
            project_names: OrdMap::new(),
            user_names: OrdMap::new(),
            role_names: OrdMap::new(),
            domain_names: OrdMap::new(),
            group_names: OrdMap::new(),
            group_members: OrdSet::new(),
            user_credentials: OrdSet::new(),
            free_addresses: OrdMap::new(),
            free_vnis,
            security: Security::default(),
            routing: Routing::default(),
            logs: OrdSet::new(),
            sharing: Sharing::default(),
            pools: Pools::default(),
        }
    }
}

/// What a project owns.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Owned {
    pub(crate) networks: OrdSet<NetworkId>,
    pub(crate) subnets: OrdSet<SubnetId>,
    pub(crate) ports: OrdSet<PortId>,
    pub(crate) security_groups: OrdSet<SecurityGroupId>,
    pub(crate) security_group_rules: OrdSet<SecurityGroupRuleId>,
    pub(crate) address_groups: OrdSet<AddressGroupId>,
    pub(crate) routers: OrdSet<RouterId>,
    pub(crate) floating_ips: OrdSet<FloatingIpId>,
    pub(crate) packet_logs: OrdSet<PacketLogId>,
    pub(crate) rbac_policies: OrdSet<RbacPolicyId>,
    pub(crate) address_scopes: OrdSet<AddressScopeId>,
    pub(crate) subnet_pools: OrdSet<SubnetPoolId>,
}

impl Owned {
    fn is_empty(&self) -> bool {
        self.networks.is_empty()
            && self.subnets.is_empty()
            && self.ports.is_empty()
            && self.security_groups.is_empty()
            && self.security_group_rules.is_empty()
            && self.address_groups.is_empty()
            && self.routers.is_empty()
            && self.floating_ips.is_empty()
            && self.packet_logs.is_empty()
            && self.rbac_policies.is_empty()
            && self.address_scopes.is_empty()
            && self.subnet_pools.is_empty()
    }
}

/// What is bound to a host: its ports, and how many of them each network and each policy has.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Bound {
    pub(crate) ports: OrdSet<PortId>,
    pub(crate) networks: OrdMap<NetworkId, usize>,
    pub(crate) policies: OrdMap<PolicyNumber, usize>,
}

/// A record that indexes follow.
pub(crate) trait Indexed: Sized {
    /// Brings the indexes from `old` to `new`. The tables hold `new` already.
    fn index(indexes: &mut Indexes, tables: &Tables, old: Option<&Self>, new: Option<&Self>);
}

/// Brings an index entry from `old` to `new`, if they differ.
fn replace<K: PartialEq, A, B>(
    indexes: &mut Indexes,
    old: Option<K>,
    new: Option<K>,
    remove: impl FnOnce(&mut Indexes, K) -> A,
    insert: impl FnOnce(&mut Indexes, K) -> B,
) {
    if old != new {
        if let Some(key) = old {
            remove(indexes, key);
        }
        if let Some(key) = new {
            insert(indexes, key);
        }
    }
}

impl Indexes {
    /// Changes what `project` owns; a project that owns nothing has no entry.
    fn owned<A>(&mut self, project: &str, change: impl FnOnce(&mut Owned) -> A) {
        edit_group(&mut self.projects, project, change, Owned::is_empty);
    }
}

/// Changes the group of `name`, which exists only while it is not empty.
fn edit_group<G: Clone + Default, A>(
    groups: &mut OrdMap<Arc<str>, G>,
    name: &str,
    change: impl FnOnce(&mut G) -> A,
    is_empty: impl FnOnce(&G) -> bool,
) {
    if let Some(group) = groups.get_mut(name) {
        change(group);
        if is_empty(group) {
            groups.remove(name);
        }
        return;
    }
    let mut group = G::default();
    change(&mut group);
    if !is_empty(&group) {
        groups.insert(name.into(), group);
    }
}

macro_rules! not_indexed {
    ($($name:ty),+) => {$(
        impl Indexed for $name {
            fn index(_: &mut Indexes, _: &Tables, _: Option<&Self>, _: Option<&Self>) {}
        }
    )+};
}
not_indexed!(
    crate::MacClaim,
    crate::FloatingClaim,
    crate::SegmentClaim,
    crate::TunnelClaim,
    JoinToken,
    hadron_model::identity::Assignment,
    hadron_model::identity::GroupAssignment,
    Secret,
    BulkIntent,
    CounterRecord,
    Milestone,
    Turn,
    Duty,
    hadron_model::PublishedName,
    hadron_model::ProjectQuota,
    hadron_model::AutoTopology,
    hadron_model::GatewayHosts,
    hadron_model::PortLease,
    hadron_model::SegmentRange,
    hadron_model::Instance,
    hadron_model::DefaultNetwork,
    hadron_model::DefaultRule,
    hadron_model::DefaultGroup
);

impl Indexed for Agent {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        let entry = |agent: &Agent| (agent.host.clone(), agent.id);
        replace(
            indexes,
            old.map(entry),
            new.map(entry),
            |indexes, entry| indexes.host_agents.remove(&entry),
            |indexes, entry| indexes.host_agents.insert(entry),
        );
    }
}

impl Indexed for Host {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        let entry = |host: &Host| (host.number, host.name.clone());
        replace(
            indexes,
            old.map(entry),
            new.map(entry),
            |indexes, (number, _)| indexes.host_numbers.remove(&number),
            |indexes, (number, name)| indexes.host_numbers.insert(number, name),
        );
    }
}
