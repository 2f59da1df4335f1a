//! An immutable state of the whole model, with its indexes.

mod identity;
mod packet_log;
mod rbac;
mod router;
mod security;
mod subnet_pool;

use crate::Position;
use crate::index::{Indexes, device_hash};
use crate::record::{AnyRecord, Record, RecordKey, Stored, Tables};
use hadron_model::{Agent, AgentId};
use hadron_model::{
    Host, HostNumber, Network, NetworkId, NetworkNumber, NetworkSegment, Port, PortId, PortNumber, SegmentId,
    Subnet, SubnetId, Vni,
};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use uuid::Uuid;

/// The state of the model at one position. A clone copies a few pointers and shares the rest.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    pub(crate) position: Position,
    pub(crate) tables: Tables,
    pub(crate) indexes: Indexes,
}

type Record1<T> = Arc<Stored<T>>;

impl Snapshot {
    /// Where in the history it is.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The record under `key`.
    pub fn get<T: Record>(&self, key: &T::Key) -> Option<&Record1<T>> {
        T::table(&self.tables).get(key)
    }

    /// The record under `key`, of whichever kind.
    pub fn record(&self, key: &RecordKey) -> Option<AnyRecord> {
        self.tables.record(key)
    }

    /// Whether there is a record under `key`.
    pub fn has<T: Record>(&self, key: &T::Key) -> bool {
        T::table(&self.tables).contains_key(key)
    }

    /// The records of a kind, in the order of their keys.
    pub fn iter<T: Record>(&self) -> impl Iterator<Item = &Record1<T>> {
        T::table(&self.tables).values()
    }

    /// The records of a kind whose keys are `first` or above, in order.
    pub fn iter_from<T: Record>(&self, first: T::Key) -> impl Iterator<Item = &Record1<T>> {
        T::table(&self.tables).range(first..).map(|(_, stored)| stored)
    }

    /// Every record, by kind and key.
    pub fn records(&self) -> impl Iterator<Item = AnyRecord> + '_ {
        self.tables.records()
    }

    /// How many records of a kind there are.
    pub fn len<T: Record>(&self) -> usize {
        T::table(&self.tables).len()
    }

    /// Whether there is no record of a kind.
    pub fn is_empty<T: Record>(&self) -> bool {
        T::table(&self.tables).is_empty()
    }

    /// Changes a record and the indexes.
    pub(crate) fn set<T: Record>(&mut self, key: &T::Key, new: Option<Record1<T>>) {
        self.tables.set_record::<T>(&mut self.indexes, key, new);
    }

    /// Changes a record of whichever kind and the indexes.
    pub(crate) fn set_any(&mut self, key: &RecordKey, new: Option<AnyRecord>) {
        self.tables.set(&mut self.indexes, key, new);
    }

    fn find<'a, T: Record>(&'a self, key: &T::Key) -> Option<&'a Record1<T>> {
        let found = self.get::<T>(key);
        debug_assert!(found.is_some(), "an index names {key:?}, which the table has not");
        found
    }
}

/// Networks, subnets and ports.
impl Snapshot {
    /// The subnets of a network, by id.
    pub fn subnets_of(&self, network: NetworkId) -> impl Iterator<Item = &Record1<Subnet>> {
        let first = (network, SubnetId(Uuid::nil()));
        let pairs = self.indexes.network_subnets.range(first..).take_while(move |pair| pair.0 == network);
        pairs.filter_map(|pair| self.find::<Subnet>(&pair.1))
    }

    /// The segments of a network, in their order.
    pub fn segments_of(&self, network: NetworkId) -> impl Iterator<Item = &Record1<NetworkSegment>> {
        let first = (network, 0, SegmentId(Uuid::nil()));
        let entries =
            self.indexes.network_segments.range(first..).take_while(move |entry| entry.0 == network);
        entries.filter_map(|entry| self.find::<NetworkSegment>(&entry.2))
    }

    /// The ports of a network, by id.
    pub fn ports_of_network(&self, network: NetworkId) -> impl Iterator<Item = &Record1<Port>> {
        let first = (network, PortId(Uuid::nil()));
        let pairs = self.indexes.network_ports.range(first..).take_while(move |pair| pair.0 == network);
        pairs.filter_map(|pair| self.find::<Port>(&pair.1))
    }

    /// The ports with an address of a subnet, by id.
    pub fn ports_of_subnet(&self, subnet: SubnetId) -> impl Iterator<Item = &Record1<Port>> {
        let first = (subnet, PortId(Uuid::nil()));
        let pairs = self.indexes.subnet_ports.range(first..).take_while(move |pair| pair.0 == subnet);
        pairs.filter_map(|pair| self.find::<Port>(&pair.1))
    }

    /// The ports bound to a host, by id.
    pub fn ports_of_host(&self, host: &str) -> impl Iterator<Item = &Record1<Port>> {
        let ids = self.indexes.hosts.get(host).into_iter().flat_map(|bound| bound.ports.iter());
        ids.filter_map(|id| self.find::<Port>(id))
    }

    /// The ports with this `device_id`, by id; none for the empty one.
    pub fn ports_of_device<'a>(&'a self, device: &'a str) -> impl Iterator<Item = &'a Record1<Port>> {
        let hash = device_hash(device);
        let first = (hash, PortId(Uuid::nil()));
        let pairs = self.indexes.device_ports.range(first..).take_while(move |pair| pair.0 == hash);
        pairs.filter_map(|pair| self.find::<Port>(&pair.1)).filter(move |port| port.device_id == device)
    }

    /// The agents of a host, by id.
    pub fn agents_of_host<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Record1<Agent>> {
        let first = (host.to_owned(), AgentId(Uuid::nil()));
        let pairs = self.indexes.host_agents.range(first..).take_while(move |pair| pair.0 == host);
        pairs.filter_map(|pair| self.find::<Agent>(&pair.1))
    }

    /// The networks with a port bound to `host`, and how many such ports each has.
    pub fn host_networks(&self, host: &str) -> impl Iterator<Item = (NetworkId, usize)> {
        let networks = self.indexes.hosts.get(host).into_iter().flat_map(|bound| bound.networks.iter());
        networks.map(|(network, count)| (*network, *count))
    }

    /// How many ports of `network` are bound to `host`.
    pub fn host_network_ports(&self, host: &str, network: NetworkId) -> usize {
        self.indexes.hosts.get(host).and_then(|bound| bound.networks.get(&network)).copied().unwrap_or(0)
    }

    /// Whether a port of the network may have addresses beside its own: those of allowed pairs, or any without port security.
    pub fn has_unlisted_addresses(&self, network: NetworkId) -> bool {
        self.indexes.unlisted_ports.contains_key(&network)
    }

    /// The hosts with a port of `network` bound to them, and how many such ports each has.
    pub fn network_hosts(&self, network: NetworkId) -> impl Iterator<Item = (&str, usize)> {
        let first = (network, Arc::<str>::from(""));
        let hosts = self.indexes.network_hosts.range(first..).take_while(move |(key, _)| key.0 == network);
        hosts.map(|(key, count)| (&*key.1, *count))
    }

    /// The network with this number.
    pub fn network_by_number(&self, number: NetworkNumber) -> Option<&Record1<Network>> {
        self.find::<Network>(self.indexes.network_numbers.get(&number)?)
    }

    /// The port with this number.
    pub fn port_by_number(&self, number: PortNumber) -> Option<&Record1<Port>> {
        self.find::<Port>(self.indexes.port_numbers.get(&number)?)
    }

    /// The host with this number.
    pub fn host_by_number(&self, number: HostNumber) -> Option<&Record1<Host>> {
        self.find::<Host>(self.indexes.host_numbers.get(&number)?)
    }
}

/// What projects own.
impl Snapshot {
    /// A project's networks, by id.
    pub fn networks_of_project(&self, project: &str) -> impl Iterator<Item = &Record1<Network>> {
        let ids = self.indexes.projects.get(project).into_iter().flat_map(|owned| owned.networks.iter());
        ids.filter_map(|id| self.find::<Network>(id))
    }

    /// A project's subnets, by id.
    pub fn subnets_of_project(&self, project: &str) -> impl Iterator<Item = &Record1<Subnet>> {
        let ids = self.indexes.projects.get(project).into_iter().flat_map(|owned| owned.subnets.iter());
        ids.filter_map(|id| self.find::<Subnet>(id))
    }

    /// A project's ports, by id.
    pub fn ports_of_project(&self, project: &str) -> impl Iterator<Item = &Record1<Port>> {
        let ids = self.indexes.projects.get(project).into_iter().flat_map(|owned| owned.ports.iter());
        ids.filter_map(|id| self.find::<Port>(id))
    }

    /// How many networks a project has.
    pub fn count_networks_of_project(&self, project: &str) -> usize {
        self.indexes.projects.get(project).map_or(0, |owned| owned.networks.len())
    }

    /// How many subnets a project has.
    pub fn count_subnets_of_project(&self, project: &str) -> usize {
        self.indexes.projects.get(project).map_or(0, |owned| owned.subnets.len())
    }

    /// How many ports a project has.
    pub fn count_ports_of_project(&self, project: &str) -> usize {
        self.indexes.projects.get(project).map_or(0, |owned| owned.ports.len())
    }
}

/// Allocation. Each answer takes logarithmic time whatever the size and fill of the pool.
impl Snapshot {
    /// The lowest address of the subnet's pools that is neither claimed nor its gateway; `None` if there is none or no
    /// such subnet.
    pub fn first_free_address(&self, subnet: SubnetId) -> Option<IpAddr> {
        self.indexes.free_addresses.get(&subnet)?.first()
    }

    /// How many addresses of the subnet's pools are neither claimed nor its gateway.
    pub fn free_address_count(&self, subnet: SubnetId) -> u128 {
        self.indexes.free_addresses.get(&subnet).map_or(0, |free| free.count())
    }

    /// How many addresses of the subnet are claimed, of its pools or not.
    pub fn claimed_address_count(&self, subnet: SubnetId) -> u64 {
        self.indexes.free_addresses.get(&subnet).map_or(0, |free| free.claimed())
    }

    /// Whether a port has claimed the address.
    pub fn is_address_claimed(&self, subnet: SubnetId, address: IpAddr) -> bool {
        self.tables.address_claims.contains_key(&(subnet, address))
    }

    /// The lowest VXLAN identifier in `range` that no network has claimed.
    pub fn first_free_vni(&self, range: RangeInclusive<u32>) -> Option<Vni> {
        let first = self.indexes.free_vnis.first_from(u128::from(*range.start()))?;
        u32::try_from(first).ok().filter(|vni| range.contains(vni)).and_then(Vni::new)
    }
}
