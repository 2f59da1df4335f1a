//! The rows of the whole cloud and who is to have them.

use crate::Interest;
use crate::delta::{Delta, RowDelta};
use crate::derive::{AddressEntries, Source};
use crate::tombstone::{Gone, Tombstones};
use crate::touch::{DhcpPorts, Touched};
use bytes::Bytes;
use hadron_model::{AddressGroup, Port};
use hadron_store::{Commit, Position, RecordKey, Revision, Snapshot};
use hadron_wire::{Row, RowChange, RowKey};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What the rows contain beside the model, and how much is remembered.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Lease time of DHCP in seconds (Neutron's `dhcp_lease_duration`).
    pub lease_seconds: u32,
    /// How many departed rows and interests are remembered for nodes that come back.
    pub tombstones: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lease_seconds: 86_400, tombstones: 100_000 }
    }
}

/// All rows, encoded, at one position of the store.
///
/// It holds some 250 bytes for each row. [`Projection::apply`] costs what the commit touches, whatever the size of the
/// cloud; [`Projection::new`] costs the whole model.
#[derive(Debug)]
pub struct Projection {
    settings: Settings,
    position: Position,
    rows: HashMap<RowKey, Entry>,
    by_interest: HashMap<Interest, BTreeSet<RowKey>>,
    hosts: BTreeMap<u32, HostEntry>,
    /// Who has each interest but that of a host in itself.
    subscribers: HashMap<Interest, BTreeSet<u32>>,
    dhcp_ports: DhcpPorts,
    entries: AddressEntries,
    pub(crate) tombstones: Tombstones,
}

/// A row.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) interest: Interest,
    /// The last commit that changed it; at most the position at which the projection began for older ones.
    pub(crate) revision: Revision,
    /// A `RowChange`.
    pub(crate) encoded: Bytes,
}

/// What a host is interested in beside itself.
#[derive(Debug)]
pub(crate) struct HostEntry {
    pub(crate) since: Revision,
    /// Since when it has each.
    pub(crate) interests: BTreeMap<Interest, Revision>,
}

impl Projection {
    /// The projection of `model`.
    pub fn new(model: &Snapshot, settings: Settings) -> Self {
        let position = model.position();
        let mut projection = Self {
            tombstones: Tombstones::new(position.revision, settings.tombstones),
            settings,
            position,
            rows: HashMap::new(),
            by_interest: HashMap::new(),
            hosts: BTreeMap::new(),
            subscribers: HashMap::new(),
            dhcp_ports: DhcpPorts::default(),
            entries: AddressEntries::default(),
        };
        model.iter::<Port>().for_each(|port| projection.dhcp_ports.add(port));
        model.iter::<AddressGroup>().for_each(|group| projection.entries.replace(None, Some(group)));
        projection.update(Touched::everything(model), model, false);
        projection
    }

    /// Where in the store's history it is.
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Follows a commit. One that is already contained changes nothing.
    pub fn apply(&mut self, commit: &Commit) -> Delta {
        let same_history = commit.position.history == self.position.history;
        if same_history && commit.position.revision <= self.position.revision {
            return Delta { revision: self.position.revision, ..Delta::default() };
        }
        let mut touched = Touched::default();
        for change in &commit.changes {
            touched.add(&change.key, &commit.before, &commit.after);
            let sides = [&commit.before, &commit.after];
            match &change.key {
                RecordKey::Port(id) => {
                    let [old, new] = sides.map(|side| side.get::<Port>(id).map(|port| &port.value));
                    self.dhcp_ports.replace(old, new);
                }
                RecordKey::AddressGroup(id) => {
                    let [old, new] = sides.map(|side| side.get::<AddressGroup>(id).map(|group| &group.value));
                    self.entries.replace(old, new);
                }
                _ => {}
            }
        }
        self.position = commit.position;
        self.update(touched, &commit.after, true)
    }

    /// The revision of a port's row; `None` when no host is to have one.
    pub fn port_revision(&self, number: u32) -> Option<Revision> {
        self.rows.get(&RowKey::Port(number)).map(|entry| entry.revision)
    }

    /// Every row as an element of `Batch.changes`, with who is to have it. In no order.
    pub fn rows(&self) -> impl Iterator<Item = (RowKey, Interest, &Bytes)> {
        self.rows.iter().map(|(key, entry)| (*key, entry.interest, &entry.encoded))
    }

    /// The numbers of the hosts with this interest.
    pub fn interested(&self, interest: Interest) -> impl Iterator<Item = u32> {
        let (host, others) = match interest {
            Interest::Host(host) => (self.hosts.contains_key(&host).then_some(host), None),
            shared => (None, self.subscribers.get(&shared)),
        };
        host.into_iter().chain(others.into_iter().flatten().copied())
    }

    /// Whether `host` is to have the rows of `interest`.
    pub fn is_interested(&self, host: u32, interest: Interest) -> bool {
        match interest {
            Interest::Host(of) => of == host,
            shared => self.hosts.get(&host).is_some_and(|host| host.interests.contains_key(&shared)),
        }
    }

    pub(crate) fn entry(&self, key: &RowKey) -> Option<&Entry> {
        self.rows.get(key)
    }

    pub(crate) fn host(&self, host: u32) -> Option<&HostEntry> {
        self.hosts.get(&host)
    }

    pub(crate) fn keys(&self, interest: Interest) -> impl Iterator<Item = RowKey> {
        self.by_interest.get(&interest).into_iter().flatten().copied()
    }

    /// Brings what was touched to the state of `model`. Departures are remembered if `remember` (there are none yet for
    /// anybody to have missed while the projection is first built).
    fn update(&mut self, touched: Touched, model: &Snapshot, remember: bool) -> Delta {
        let mut delta = Delta { revision: self.position.revision, ..Delta::default() };
        for key in touched.rows {
            delta.rows.extend(self.update_row(key, model, remember));
        }
        for host in touched.hosts {
            if model.host_by_number(hadron_model::HostNumber(host)).is_some() {
                let since = self.position.revision;
                self.hosts.entry(host).or_insert_with(|| HostEntry { since, interests: BTreeMap::new() });
            } else if let Some(entry) = self.hosts.remove(&host) {
                entry.interests.keys().for_each(|interest| self.leave(host, *interest));
                delta.removed_hosts.push(host);
            }
        }
        for (host, interest) in touched.interests {
            // What is touched while the projection is first built is what hosts need.
            let is = !remember || self.source(model).is_interested(host, interest);
            self.update_interest(host, interest, is, &mut delta);
        }
        for (group, set) in touched.namings {
            let interest = Interest::Members(set);
            for host in self.interested(Interest::Rules(group)).collect::<Vec<_>>() {
                let is = self.source(model).is_interested(host, interest);
                self.update_interest(host, interest, is, &mut delta);
            }
        }
        delta
    }

    fn source<'a>(&'a self, model: &'a Snapshot) -> Source<'a> {
        Source { model, dhcp_ports: &self.dhcp_ports, entries: &self.entries, settings: &self.settings }
    }

    fn update_row(&mut self, key: RowKey, model: &Snapshot, following: bool) -> Option<RowDelta> {
        let source = self.source(model);
        let revision = self.position.revision;
        let old = self.rows.get(&key);
        let before = old.map(|old| old.interest);
        let Some((interest, mut row)) = source.row(key) else {
            let before = before?;
            self.rows.remove(&key);
            self.depart(before, key);
            return Some(RowDelta { key, before: Some(before), after: None });
        };
        if let Some(old) = old
            && old.interest == interest
            && old.encoded == encode_as_of(&mut row, old.revision)
        {
            return None;
        }
        let (revision, encoded) = match &row {
            // Found, not seen changing: the record says when, and what a node reports is measured by that.
            Row::Port(port) if !following => (Revision(port.revision), RowChange::encode_set(&row)),
            _ => (revision, encode_as_of(&mut row, revision)),
        };
        self.rows.insert(key, Entry { interest, revision, encoded });
        if before != Some(interest) {
            if let Some(before) = before {
                self.depart(before, key);
            }
            self.by_interest.entry(interest).or_default().insert(key);
        }
        Some(RowDelta { key, before, after: Some(interest) })
    }

    /// A row leaves an interest.
    fn depart(&mut self, interest: Interest, key: RowKey) {
        if let Some(keys) = self.by_interest.get_mut(&interest) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_interest.remove(&interest);
            }
        }
        self.tombstones.push(self.position.revision, Gone::Row { interest, key });
    }

    fn update_interest(&mut self, host: u32, interest: Interest, is: bool, delta: &mut Delta) {
        let Some(entry) = self.hosts.get_mut(&host) else { return };
        let was = entry.interests.contains_key(&interest);
        if is && !was {
            entry.interests.insert(interest, self.position.revision);
            self.subscribers.entry(interest).or_default().insert(host);
            delta.gained.push((host, interest));
        } else if was && !is {
            entry.interests.remove(&interest);
            self.leave(host, interest);
            delta.lost.push((host, interest));
            self.tombstones.push(self.position.revision, Gone::Interest { host, interest });
        }
    }

    fn leave(&mut self, host: u32, interest: Interest) {
        if let Some(hosts) = self.subscribers.get_mut(&interest) {
            hosts.remove(&host);
            if hosts.is_empty() {
                self.subscribers.remove(&interest);
            }
        }
    }
}

/// The encoding of a row that last changed at `revision`.
fn encode_as_of(row: &mut Row, revision: Revision) -> Bytes {
    if let Row::Port(port) = row {
        port.revision = revision.0;
    }
    RowChange::encode_set(row)
}
