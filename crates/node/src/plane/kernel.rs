//! The packet path in the kernel, by way of `hadron-datapath`.

use super::expedite::Expedited;
use super::{
    Counted, FollowedPacket, Heard, Inject, PathCounters, Plane, PlaneError, PlaneParts, Punt, Punts,
    Sessions, TableStatus,
};
use crate::apply::entry::{FloodMember, NetworkFacts, PolicyFacts};
use crate::apply::{Key, Value};
use crate::backoff::Backoff;
use crate::connections::{Connections, Sweep};
use crate::error::Error;
use futures_util::{Stream, StreamExt, stream};
use hadron_datapath::Slot;
use hadron_datapath::{
    Address, Attachment, Config, Datapath, Door, HostConfig, Mac, NetworkState, Records, table,
};
use hadron_pipeline::host::Frame;
use hadron_pipeline::host::trace::{Door as TraceDoor, Snapshot, Walk};
use hadron_pipeline::table::{Follow, HeardKey, PolicyKey, SegmentKey};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

type Result<T, E = PlaneError> = std::result::Result<T, E>;

/// The kernel's tables and programs of this node.
#[derive(Clone)]
pub struct Kernel {
    datapath: Arc<Datapath>,
    expedites: bool,
}

impl Kernel {
    /// Takes over what is pinned, or begins anew. Within a tokio runtime, in the node's network namespace. `expedites` says
    /// whether grace periods may be expedited while a program is attached.
    ///
    /// # Errors
    /// [`Error::Plane`]; the source says why, as a kernel that is too old.
    pub fn open(
        config: Config,
        expedites: bool,
    ) -> Result<PlaneParts<Kernel, Reader<hadron_datapath::Punt>>, Error> {
        let datapath = Arc::new(Datapath::open(config).map_err(|error| Error::Plane(from(error)))?);
        let punts = datapath.punts().map_err(|error| Error::Plane(from(error)))?;
        let logs = datapath.logs().map_err(|error| Error::Plane(from(error)))?;
        let followed = datapath.followed().map_err(|error| Error::Plane(from(error)))?;
        let plane = Kernel { datapath, expedites };
        Ok(PlaneParts {
            inject: Arc::new(plane.clone()),
            connections: Arc::new(plane.clone()),
            sessions: Arc::new(plane.clone()),
            heard: Some(Arc::new(plane.clone())),
            counted: Some(Arc::new(plane.clone())),
            logs: Reader::new(logs, "the ports' logs can't be read").all().boxed(),
            followed: Reader::new(followed, "packets that are followed can't be read")
                .all()
                .map(told)
                .boxed(),
            plane,
            punts: Reader::new(punts, "what instances ask can't be read; DHCP and router solicitations wait"),
        })
    }
}

impl Kernel {
    /// Programs are attached and detached with expedited grace periods.
    fn expedited(&self, key: &Key) -> Option<Expedited> {
        let waits = matches!(
            key,
            Key::PortProgram(_) | Key::OverlayProgram(()) | Key::ServiceProgram(()) | Key::ProviderProgram(_)
        );
        (self.expedites && waits).then(Expedited::begin).flatten()
    }
}

/// Takes away what a node's packet path left on this host: programs, tables, pins. If nothing is there, that is no error.
///
/// # Errors
/// [`Error::Plane`]; the source says why, as an agent that still runs.
pub fn remove(pins: &Path) -> Result<(), Error> {
    hadron_datapath::remove(pins).map_err(|error| Error::Plane(from(error)))
}

fn from(error: hadron_datapath::Error) -> PlaneError {
    if error.is_interface_gone() { PlaneError::waiting(error) } else { PlaneError::new(error) }
}

/// Rows of a table as entries.
fn rows<K, V>(
    into: &mut Vec<(Key, Value)>,
    rows: hadron_datapath::Result<Vec<(K, V)>>,
    entry: impl Fn(K, V) -> (Key, Value),
) -> Result<()> {
    into.extend(rows.map_err(from)?.into_iter().map(|(key, value)| entry(key, value)));
    Ok(())
}

impl Plane for Kernel {
    fn dump(&mut self) -> Result<Vec<(Key, Value)>> {
        let tables = self.datapath.tables();
        // What is followed is no row of the server's.
        let config = table::Config { following: 0, ..tables.config().map_err(from)? };
        let mut all = vec![(Key::Config(()), Value::Config(config))];
        let link = tables.service_link().map_err(from)?;
        if link != table::ServiceLink::default() {
            all.push((Key::ServiceLink(()), Value::ServiceLink(link)));
        }
        rows(&mut all, tables.hosts.dump(), |k, v| (Key::Host(k), Value::Host(v)))?;
        rows(&mut all, tables.privacy_prefixes.dump(), |k, _| {
            (Key::PrivacyPrefix(k), Value::PrivacyPrefix(()))
        })?;
        rows(&mut all, tables.allowed.dump(), |k, _| (Key::Allowed(k), Value::Allowed(())))?;
        rows(&mut all, tables.allowed_prefixes.dump(), |k, _| {
            (Key::AllowedPrefix(k), Value::AllowedPrefix(()))
        })?;
        rows(&mut all, tables.members.dump(), |k, _| (Key::Member(k), Value::Member(())))?;
        rows(&mut all, tables.member_prefixes.dump(), |k, _| {
            (Key::MemberPrefix(k), Value::MemberPrefix(()))
        })?;
        rows(&mut all, tables.rules.dump(), |k, v| (Key::Rule(k), Value::Rule(v)))?;
        rows(&mut all, tables.classes.dump(), |k, v| (Key::Class(Reverse(k)), Value::Class(v)))?;
        rows(&mut all, tables.policy_sets.dump(), |k, v| (Key::PolicySet(k), Value::PolicySet(v)))?;
        rows(&mut all, tables.policies.dump(), |k, v| {
            (Key::Policy(k), Value::Policy(PolicyFacts { set_count: v.set_count }))
        })?;
        all.extend(
            tables
                .rule_states()
                .map_err(from)?
                .into_iter()
                .map(|rule| (Key::RuleCounter(table::RuleCounterKey { rule }), Value::RuleCounter(()))),
        );
        rows(&mut all, tables.ports.dump(), |k, v| (Key::Port(k), Value::Port(v)))?;
        rows(&mut all, tables.router_interfaces.dump(), |k, v| {
            (Key::RouterInterface(k), Value::RouterInterface(v))
        })?;
        rows(&mut all, tables.nat_pools.dump(), |k, v| (Key::NatPool(k), Value::NatPool(v)))?;
        rows(&mut all, tables.scopes.dump(), |k, v| (Key::Scope(k), Value::Scope(v)))?;
        rows(&mut all, tables.nat_owners.dump(), |k, v| (Key::NatOwner(k), Value::NatOwner(v)))?;
        rows(&mut all, tables.forwardings.dump(), |k, v| (Key::Forwarding(k), Value::Forwarding(v)))?;
        rows(&mut all, tables.floating_sources.dump(), |k, v| {
            (Key::FloatingSource(k), Value::FloatingSource(v))
        })?;
        rows(&mut all, tables.floating_ips.dump(), |k, v| (Key::FloatingIp(k), Value::FloatingIp(v)))?;
        rows(&mut all, tables.routes.dump(), |k, v| (Key::Route(k), Value::Route(v)))?;
        rows(&mut all, tables.fdb.dump(), |k, v| (Key::Fdb(k), Value::Fdb(v)))?;
        rows(&mut all, tables.neighbours.dump(), |k, v| (Key::Neighbour(k), Value::Neighbour(v)))?;
        rows(&mut all, tables.vteps.dump(), |k, v| (Key::Vtep(k), Value::Vtep(v)))?;
        rows(&mut all, tables.vnis.dump(), |k, v| (Key::Vni(k), Value::Vni(v)))?;
        rows(&mut all, tables.interfaces.dump(), |k, v| (Key::Interface(k), Value::Interface(v)))?;
        all.extend(
            tables
                .port_states()
                .map_err(from)?
                .into_iter()
                .map(|port| (Key::PortState(table::PortKey { port }), Value::PortState(()))),
        );
        all.extend(tables.networks.dump().into_iter().map(|(network, state)| {
            let NetworkState { vni, flags, provider, vlan } = state;
            let facts = NetworkFacts { vni, flags, provider, vlan };
            (Key::Network(table::NetworkKey { network }), Value::Network(facts))
        }));
        rows(&mut all, tables.segments.dump(), |k, v| (Key::Segment(k), Value::Segment(v)))?;
        all.extend(
            tables
                .networks
                .dump_targets()
                .into_iter()
                .map(|(network, target)| (Key::Flood(FloodMember { network, target }), Value::Flood(()))),
        );
        all.extend(self.attached()?);
        Ok(all)
    }

    fn attached(&mut self) -> Result<Vec<(Key, Value)>> {
        let attachments = self.datapath.attachments().map_err(from)?;
        let entry = |attachment: Attachment| match attachment.door {
            Door::Port(port) => {
                (Key::PortProgram(table::PortKey { port }), Value::PortProgram(attachment.ifindex))
            }
            Door::Overlay => (Key::OverlayProgram(()), Value::OverlayProgram(attachment.ifindex)),
            Door::Provider(ifindex) => (Key::ProviderProgram(ifindex), Value::ProviderProgram(())),
            Door::Services => (Key::ServiceProgram(()), Value::ServiceProgram(attachment.ifindex)),
        };
        Ok(attachments.into_iter().map(entry).collect())
    }

    fn put(&mut self, key: &Key, value: &Value) -> Result<()> {
        let datapath = &self.datapath;
        let tables = datapath.tables();
        let _expedited = self.expedited(key);
        match (key, value) {
            (Key::Config(()), Value::Config(row)) => datapath.configure(&host_config(row)),
            (Key::ServiceLink(()), Value::ServiceLink(row)) => tables.put_service_link(row),
            (Key::Host(key), Value::Host(row)) => tables.hosts.put(key, row),
            (Key::Network(key), Value::Network(NetworkFacts { vni, flags, provider, vlan })) => {
                let state = NetworkState { vni: *vni, flags: *flags, provider: *provider, vlan: *vlan };
                tables.networks.put(key.network, state)
            }
            (Key::Segment(key), Value::Segment(row)) => tables.segments.put(key, row),
            (Key::PrivacyPrefix(key), Value::PrivacyPrefix(())) => {
                tables.privacy_prefixes.put(key, &table::PrivacyPrefix::default())
            }
            (Key::PortState(key), Value::PortState(())) => tables.ensure_port_state(key.port),
            (Key::Member(key), Value::Member(())) => tables.members.put(key, &table::Member::default()),
            (Key::MemberPrefix(key), Value::MemberPrefix(())) => {
                tables.member_prefixes.put(key, &table::Member::default())
            }
            (Key::RuleCounter(key), Value::RuleCounter(())) => tables.ensure_rule_state(key.rule),
            (Key::Rule(key), Value::Rule(row)) => tables.rules.put(key, row),
            (Key::Class(Reverse(key)), Value::Class(row)) => tables.classes.put(key, row),
            (Key::PolicySet(key), Value::PolicySet(row)) => tables.policy_sets.put(key, row),
            (Key::Policy(key), Value::Policy(facts)) => tables.put_policy(key, facts.set_count),
            (Key::AllowedPrefix(key), Value::AllowedPrefix(())) => {
                tables.allowed_prefixes.put(key, &table::Allowed::default())
            }
            (Key::Allowed(key), Value::Allowed(())) => tables.allowed.put(key, &table::Allowed::default()),
            (Key::Port(key), Value::Port(row)) => tables.ports.put(key, row),
            (Key::RouterInterface(key), Value::RouterInterface(row)) => {
                tables.router_interfaces.put(key, row)
            }
            (Key::NatPool(key), Value::NatPool(row)) => tables.nat_pools.put(key, row),
            (Key::Scope(key), Value::Scope(row)) => tables.scopes.put(key, row),
            (Key::NatOwner(key), Value::NatOwner(row)) => tables.nat_owners.put(key, row),
            (Key::Forwarding(key), Value::Forwarding(row)) => tables.forwardings.put(key, row),
            (Key::FloatingSource(key), Value::FloatingSource(row)) => tables.floating_sources.put(key, row),
            (Key::FloatingIp(key), Value::FloatingIp(row)) => tables.floating_ips.put(key, row),
            (Key::Route(key), Value::Route(row)) => tables.routes.put(key, row),
            (Key::Fdb(key), Value::Fdb(row)) => tables.fdb.put(key, row),
            (Key::Neighbour(key), Value::Neighbour(row)) => tables.neighbours.put(key, row),
            (Key::Flood(member), Value::Flood(())) => {
                tables.networks.add_target(member.network, member.target)
            }
            (Key::Vtep(key), Value::Vtep(row)) => tables.vteps.put(key, row),
            (Key::Vni(key), Value::Vni(row)) => tables.vnis.put(key, row),
            (Key::OverlayProgram(()), Value::OverlayProgram(ifindex)) => datapath.attach_overlay(*ifindex),
            (Key::ServiceProgram(()), Value::ServiceProgram(ifindex)) => datapath.attach_services(*ifindex),
            (Key::ProviderProgram(ifindex), Value::ProviderProgram(())) => datapath.attach_provider(*ifindex),
            (Key::PortProgram(key), Value::PortProgram(ifindex)) => datapath.attach_port(*ifindex, key.port),
            (Key::Interface(key), Value::Interface(row)) => tables.interfaces.put(key, row),
            _ => {
                return Err(PlaneError::new(format!(
                    "no entry of {:?} has such a value: {value:?}",
                    key.kind()
                )));
            }
        }
        .map_err(from)
    }

    fn remove(&mut self, key: &Key) -> Result<()> {
        let tables = self.datapath.tables();
        let _expedited = self.expedited(key);
        match key {
            // There is always a host; its row goes with the table.
            Key::Config(()) => Ok(()),
            Key::ServiceLink(()) => tables.put_service_link(&table::ServiceLink::default()),
            Key::Host(key) => tables.hosts.remove(key).map(drop),
            Key::Network(key) => tables.networks.remove(key.network).map(drop),
            Key::Segment(key) => tables.segments.remove(key).map(drop),
            Key::PrivacyPrefix(key) => tables.privacy_prefixes.remove(key).map(drop),
            Key::PortState(key) => tables.remove_port_state(key.port),
            Key::Member(key) => tables.members.remove(key).map(drop),
            Key::MemberPrefix(key) => tables.member_prefixes.remove(key).map(drop),
            Key::RuleCounter(key) => tables.remove_rule_state(key.rule),
            Key::Rule(key) => tables.rules.remove(key).map(drop),
            Key::Class(Reverse(key)) => tables.classes.remove(key).map(drop),
            Key::PolicySet(key) => tables.policy_sets.remove(key).map(drop),
            Key::Policy(key) => tables.policies.remove(key).map(drop),
            Key::AllowedPrefix(key) => tables.allowed_prefixes.remove(key).map(drop),
            Key::Allowed(key) => tables.allowed.remove(key).map(drop),
            Key::Port(key) => tables.ports.remove(key).map(drop),
            Key::RouterInterface(key) => tables.router_interfaces.remove(key).map(drop),
            Key::NatPool(key) => tables.nat_pools.remove(key).map(drop),
            Key::Scope(key) => tables.scopes.remove(key).map(drop),
            Key::NatOwner(key) => tables.nat_owners.remove(key).map(drop),
            Key::Forwarding(key) => tables.forwardings.remove(key).map(drop),
            Key::FloatingSource(key) => tables.floating_sources.remove(key).map(drop),
            Key::FloatingIp(key) => tables.floating_ips.remove(key).map(drop),
            Key::Route(key) => tables.routes.remove(key).map(drop),
            Key::Fdb(key) => tables.fdb.remove(key).map(drop),
            Key::Neighbour(key) => tables.neighbours.remove(key).map(drop),
            Key::Flood(member) => tables.networks.remove_target(member.network, member.target).map(drop),
            Key::Vtep(key) => tables.vteps.remove(key).map(drop),
            Key::Vni(key) => tables.vnis.remove(key).map(drop),
            // The device is gone, and with it the program; looking at the list removes the pin.
            Key::OverlayProgram(()) | Key::ServiceProgram(()) => self.datapath.attachments().map(drop),
            Key::ProviderProgram(ifindex) => self.datapath.detach_provider(*ifindex).map(drop),
            Key::PortProgram(key) => self.datapath.detach_port(key.port).map(drop),
            Key::Interface(key) => tables.interfaces.remove(key).map(drop),
        }
        .map_err(from)
    }

    fn renew(&mut self, policy: &PolicyKey) -> Result<()> {
        self.datapath.tables().renew_policy(policy).map_err(from)
    }

    fn forget_announced(&mut self, sources: &BTreeSet<(u32, Mac)>) -> Result<()> {
        let learned = &self.datapath.tables().learned_macs;
        for (key, row) in learned.dump().map_err(from)? {
            if row.kind == table::target::PORT && sources.contains(&(row.id, key.mac)) {
                learned.remove(&key).map_err(from)?;
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        self.datapath.commit().map_err(from)
    }

    fn snapshot(&self) -> Result<Snapshot> {
        self.datapath.tables().snapshot().map_err(from)
    }

    fn interface_of(&self, snapshot: &mut Snapshot, port: u32) -> Result<Option<u32>> {
        snapshot.interface_of(self.datapath.tables(), port).map_err(from)
    }

    fn port_of(&self, snapshot: &mut Snapshot, ifindex: u32) -> Result<Option<u32>> {
        snapshot.port_of(self.datapath.tables(), ifindex).map_err(from)
    }

    fn walk(&self, snapshot: &mut Snapshot, door: TraceDoor, frame: &Frame) -> Result<Walk> {
        snapshot.walk(self.datapath.tables(), door, frame).map_err(from)
    }

    fn network_of_vni(&self, snapshot: &mut Snapshot, vni: u32) -> Result<Option<u32>> {
        snapshot.network_of_vni(self.datapath.tables(), vni).map_err(from)
    }

    fn network_of_vlan(&self, snapshot: &mut Snapshot, place: SegmentKey) -> Result<Option<u32>> {
        snapshot.network_of_vlan(self.datapath.tables(), place).map_err(from)
    }

    fn tunnel_of(&self, snapshot: &mut Snapshot, network: u32, host: u32) -> Result<Option<(u32, Address)>> {
        snapshot.tunnel_of(self.datapath.tables(), network, host).map_err(from)
    }

    fn follow(&self, rows: &[Option<Follow>]) -> Result<()> {
        self.datapath.tables().follow(rows).map_err(from)
    }

    fn followed_by(&self, slot: usize) -> Result<Follow> {
        self.datapath.tables().followed_by(slot).map_err(from)
    }

    fn status(&self) -> Vec<TableStatus> {
        let tables = self.datapath.tables().status();
        tables
            .into_iter()
            .map(|table| TableStatus {
                name: table.table,
                rows: table.rows,
                capacity: table.capacity,
                refused: table.full,
            })
            .collect()
    }
}

fn host_config(row: &table::Config) -> HostConfig {
    HostConfig {
        host: row.host,
        underlay: row.underlay.ip(),
        overlay_ifindex: row.overlay_ifindex,
        overlay_mtu: row.overlay_mtu,
        timeouts: row.timeouts,
    }
}

impl Connections for Kernel {
    fn sweep(&self) -> Result<(Sweep, Vec<Slot>)> {
        let hadron_datapath::Sweep { live, expired, capacity, refused, untracked, lost, sessions, slots } =
            self.datapath.tables().sweep().map_err(from)?;
        Ok((Sweep { live, expired, capacity, refused, untracked, lost, sessions }, slots))
    }
}

impl Counted for Kernel {
    fn counters(&self) -> Result<PathCounters> {
        let tables = self.datapath.tables();
        let totals = tables.totals().map_err(from)?;
        let mut counters = PathCounters {
            stages: totals.stages().collect(),
            drops: totals.drops().collect(),
            ..PathCounters::default()
        };
        for port in tables.port_states().map_err(from)? {
            let of_port = tables.port_counters(port).map_err(from)?;
            counters.ports.extend(of_port.map(|of_port| (port, of_port)));
        }
        for rule in tables.rule_states().map_err(from)? {
            let allowed = tables.rule_allowed(rule).map_err(from)?;
            counters.rules.extend(allowed.map(|allowed| (rule, allowed)));
        }
        Ok(counters)
    }
}

impl Sessions for Kernel {
    fn guest(&self, address: IpAddr, port: u16, protocol: u8) -> Option<IpAddr> {
        let key = table::ServiceSessionKey::new(address.into(), port, protocol);
        let row = self.datapath.tables().service_sessions.get(&key).ok()??;
        Some(row.guest.ip())
    }
}

impl Heard for Kernel {
    fn watch(&self, keys: &BTreeSet<HeardKey>) -> Result<()> {
        let heard = &self.datapath.tables().heard;
        let present: BTreeSet<HeardKey> =
            heard.dump().map_err(from)?.into_iter().map(|(key, _)| key).collect();
        for key in present.difference(keys) {
            heard.remove(key).map_err(from)?;
        }
        for key in keys.difference(&present) {
            heard.put(key, &table::Heard::default()).map_err(from)?;
        }
        Ok(())
    }

    fn at(&self, key: &HeardKey) -> u64 {
        self.datapath.tables().heard.get(key).ok().flatten().map_or(0, |row| row.at)
    }

    fn mac(&self, key: &HeardKey) -> Option<Mac> {
        let key = table::NeighbourKey { network: key.network, address: key.address };
        self.datapath.tables().learned_neighbours.get(&key).ok().flatten().map(|row| row.mac)
    }
}

impl Inject for Kernel {
    fn inject(&self, ifindex: u32, frame: &[u8]) -> std::io::Result<()> {
        self.datapath.inject(ifindex, frame).map_err(std::io::Error::other)
    }
}

/// Records of the kernel's. While they can't be read they are tried again, after pauses.
pub struct Reader<T> {
    records: Records<T>,
    /// What is said then.
    complaint: &'static str,
    backoff: Backoff,
}

impl<T> Reader<T> {
    fn new(records: Records<T>, complaint: &'static str) -> Self {
        Self { records, complaint, backoff: Backoff::default() }
    }

    async fn read(&mut self) -> T {
        loop {
            match self.records.next().await {
                Ok(record) => {
                    self.backoff.reset();
                    return record;
                }
                Err(error) => {
                    tracing::error!(error = crate::error::chain(&error), "{}", self.complaint);
                    tokio::time::sleep(self.backoff.next()).await;
                }
            }
        }
    }

    /// All of them, without an end.
    fn all(self) -> impl Stream<Item = T> {
        stream::unfold(self, async |mut reader| Some((reader.read().await, reader)))
    }
}

impl Punts for Reader<hadron_datapath::Punt> {
    async fn next(&mut self) -> Option<Punt> {
        let hadron_datapath::Punt { port, ifindex, reason, frame, .. } = self.read().await;
        Some(Punt { port, ifindex, reason, frame })
    }
}

fn told(packet: hadron_datapath::FollowedPacket) -> FollowedPacket {
    let hadron_datapath::FollowedPacket { header, frame } = packet;
    FollowedPacket { header, frame }
}
