use crate::connection::monotonic;
use crate::counter::{Totals, sum_port};
use crate::error::{Error, Result};
use crate::map::{Map, MapStatus};
use crate::network::Networks;
use crate::row::{bytes_of, row_of};
use crate::sys::{RawMap, Write};
use hadron_pipeline::table::{self, *};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The tables of this node. A row that names another is written after it and removed before it; the order is in the head of
/// `hadron_pipeline`. Any other order is safe too, and drops a little more.
#[derive(Debug)]
pub struct Tables {
    /// Interface → port. Written last when a port is added, removed first.
    pub interfaces: Map<InterfaceKey, Interface>,
    /// Ports on this host.
    pub ports: Map<PortKey, Port>,
    /// Sources that ports with port security may use.
    pub allowed: Map<AllowedKey, Allowed>,
    /// (network, MAC) → port, host or service.
    pub fdb: Map<FdbKey, FdbEntry>,
    /// (network, address) → MAC.
    pub neighbours: Map<NeighbourKey, Neighbour>,
    /// Other hosts' VTEP addresses.
    pub hosts: Map<HostKey, Host>,
    /// VNI → network.
    pub vnis: Map<VniKey, Vni>,
    /// Who may send into a VNI.
    pub vteps: Map<VtepKey, Vtep>,
    /// (interface to a physical network, VLAN) → network.
    pub segments: Map<SegmentKey, Segment>,
    /// Networks and their flood lists.
    pub networks: Networks,
    /// Sources of address pairs with a prefix.
    pub allowed_prefixes: Map<AllowedPrefixKey, Allowed>,
    /// Policies by direction.
    pub policies: Map<PolicyKey, Policy>,
    /// The sets that a policy's rules name.
    pub policy_sets: Map<PolicySetKey, PolicySet>,
    /// Remote address → class within a policy.
    pub classes: Map<ClassKey, Class>,
    /// Addresses in a set.
    pub members: Map<MemberKey, Member>,
    /// Prefixes in a set.
    pub member_prefixes: Map<MemberPrefixKey, Member>,
    /// What a policy allows.
    pub rules: Map<RuleKey, Rule>,
    /// Connections that were allowed; the programs write them.
    pub connections: Map<ConnectionKey, Connection>,
    /// Packets whose first fragment was allowed; the programs write them.
    pub fragments: Map<FragmentKey, Fragment>,
    /// Announced MACs; the programs write them.
    pub learned_macs: Map<LearnedMacKey, LearnedMac>,
    /// Announced addresses; the programs write them.
    pub learned_neighbours: Map<LearnedNeighbourKey, LearnedNeighbour>,
    /// Prefixes in which instances choose their own addresses.
    pub privacy_prefixes: Map<PrivacyPrefixKey, PrivacyPrefix>,
    /// Addresses that ports here have chosen; the programs write them.
    pub privacy_addresses: Map<PrivacyAddressKey, PrivacyAddress>,
    /// Routers' ports.
    pub router_interfaces: Map<RouterInterfaceKey, RouterInterface>,
    /// Instances' floating IPs, by router's interface.
    pub floating_sources: Map<FloatingSourceKey, FloatingSource>,
    /// Where floating IPs lead.
    pub floating_ips: Map<FloatingIpKey, FloatingIp>,
    /// Ports of shared addresses that this host may use.
    pub nat_pools: Map<NatPoolKey, NatPool>,
    /// Which other host has a block of ports of a shared address.
    pub nat_owners: Map<NatOwnerKey, NatOwner>,
    /// Where forwarded ports lead.
    pub forwardings: Map<ForwardingKey, Forwarding>,
    /// Sessions by shared addresses; the programs write them.
    pub nat_sessions: Map<NatSessionKey, NatSession>,
    /// The same from outside; the programs write them.
    pub nat_returns: Map<NatReturnKey, NatReturn>,
    /// Translated packets in pieces; the programs write them.
    pub nat_fragments: Map<NatFragmentKey, NatFragment>,
    /// Address scopes of routers' interfaces.
    pub scopes: Map<ScopeKey, Scope>,
    /// (router, destination) → the way on.
    pub routes: Map<RouteKey, Route>,
    /// When something was last heard of whom the node watches; the programs write the time.
    pub heard: Map<HeardKey, Heard>,
    /// Who asks services from where; the programs write them.
    pub service_sessions: Map<ServiceSessionKey, ServiceSession>,
    pub(crate) privacy_rings: Map<PrivacyRingKey, PrivacyRing>,
    pub(crate) nat_counts: Map<PortKey, NatCount>,
    pub(crate) connection_counts: Map<PortKey, ConnectionCount>,
    rule_counters: Map<RuleCounterKey, RuleCounters>,
    pub(crate) meters: Map<PortKey, Meters>,
    port_counters: Map<PortKey, PortCounters>,
    config: RawMap,
    service_link: RawMap,
    counters: RawMap,
    punts: RawMap,
    logs: RawMap,
    follows: RawMap,
    followed: RawMap,
    /// Rows of `FOLLOWS` that count.
    following: AtomicU32,
    /// The latest generation of a policy that was given.
    generation: AtomicU32,
}

impl Tables {
    pub(crate) fn open(set: &std::path::Path) -> Result<Tables> {
        Ok(Tables {
            interfaces: hash(set, &table::INTERFACES)?,
            ports: hash(set, &table::PORTS)?,
            allowed: hash(set, &table::ALLOWED)?,
            fdb: hash(set, &table::FDB)?,
            neighbours: hash(set, &table::NEIGHBOURS)?,
            hosts: hash(set, &table::HOSTS)?,
            vnis: hash(set, &table::VNIS)?,
            vteps: hash(set, &table::VTEPS)?,
            segments: hash(set, &table::SEGMENTS)?,
            networks: Networks::new(hash(set, &table::NETWORKS)?, hash(set, &table::FLOOD)?)?,
            allowed_prefixes: hash(set, &table::ALLOWED_PREFIXES)?,
            policies: hash(set, &table::POLICIES)?,
            policy_sets: hash(set, &table::POLICY_SETS)?,
            classes: hash(set, &table::CLASSES)?,
            members: hash(set, &table::MEMBERS)?,
            member_prefixes: hash(set, &table::MEMBER_PREFIXES)?,
            rules: hash(set, &table::RULES)?,
            connections: hash(set, &table::CONNECTIONS)?,
            fragments: hash(set, &table::FRAGMENTS)?,
            learned_macs: hash(set, &table::LEARNED_MACS)?,
            learned_neighbours: hash(set, &table::LEARNED_NEIGHBOURS)?,
            privacy_prefixes: hash(set, &table::PRIVACY_PREFIXES)?,
            privacy_addresses: hash(set, &table::PRIVACY_ADDRESSES)?,
            router_interfaces: hash(set, &table::ROUTER_INTERFACES)?,
            floating_sources: hash(set, &table::FLOATING_SOURCES)?,
            floating_ips: hash(set, &table::FLOATING_IPS)?,
            nat_pools: hash(set, &table::NAT_POOLS)?,
            nat_owners: hash(set, &table::NAT_OWNERS)?,
            forwardings: hash(set, &table::FORWARDINGS)?,
            nat_sessions: hash(set, &table::NAT_SESSIONS)?,
            nat_returns: hash(set, &table::NAT_RETURNS)?,
            nat_fragments: hash(set, &table::NAT_FRAGMENTS)?,
            nat_counts: hash(set, &table::NAT_COUNTS)?,
            scopes: hash(set, &table::SCOPES)?,
            routes: hash(set, &table::ROUTES)?,
            heard: hash(set, &table::HEARD)?,
            service_sessions: hash(set, &table::SERVICE_SESSIONS)?,
            privacy_rings: hash(set, &table::PRIVACY_RINGS)?,
            connection_counts: hash(set, &table::CONNECTION_COUNTS)?,
            rule_counters: hash(set, &table::RULE_COUNTERS)?,
            meters: hash(set, &table::METERS)?,
            port_counters: hash(set, &table::PORT_COUNTERS)?,
            config: raw(set, &table::CONFIG)?,
            service_link: raw(set, &table::SERVICE_LINK)?,
            counters: raw(set, &table::COUNTERS)?,
            punts: raw(set, &table::PUNTS)?,
            logs: raw(set, &table::LOGS)?,
            follows: raw(set, &table::FOLLOWS)?,
            followed: raw(set, &table::FOLLOWED)?,
            following: AtomicU32::new(0),
            generation: AtomicU32::new(0),
        })
    }

    /// Makes the rows in which programs keep a port's rate limits and counters, unless they are there. Before the port's row.
    pub fn ensure_port_state(&self, port: u32) -> Result<()> {
        self.meters.ensure(&PortKey { port })?;
        self.connection_counts.ensure(&PortKey { port })?;
        self.nat_counts.ensure(&PortKey { port })?;
        self.privacy_rings.ensure(&PortKey { port })?;
        self.port_counters.ensure(&PortKey { port })
    }

    /// Writes a direction of a policy, after its sets and rules. Its generation stays; a new one's is later than any before.
    pub fn put_policy(&self, key: &PolicyKey, set_count: u32) -> Result<()> {
        let generation = match self.policies.get(key)? {
            Some(row) => row.generation,
            None => self.later_than(0)?,
        };
        self.policies.put(key, &Policy { generation, set_count })
    }

    /// Has the policy's connections of this direction judged again, each with its next packet. To be called once the tables
    /// no longer allow what they shouldn't. Does nothing for a policy that isn't there.
    pub fn renew_policy(&self, key: &PolicyKey) -> Result<()> {
        let Some(row) = self.policies.get(key)? else { return Ok(()) };
        self.policies.put(key, &Policy { generation: self.later_than(row.generation)?, ..row })
    }

    /// A generation after `before`, and after every one that was given, also by a process before this one: that of a policy which
    /// was gone in between must not be met again. It counts hundredths of seconds since the machine's start, and wraps after 497
    /// days.
    fn later_than(&self, before: u32) -> Result<u32> {
        let now = (monotonic()? / 10_000_000) as u32;
        let next = |last: u32| now.max(last.wrapping_add(1)).max(before.wrapping_add(1));
        let last = self.generation.fetch_update(Relaxed, Relaxed, |last| Some(next(last))).unwrap_or(before);
        Ok(next(last))
    }

    /// Makes the row in which programs count what a rule allowed, unless it is there.
    pub fn ensure_rule_state(&self, rule: u32) -> Result<()> {
        self.rule_counters.ensure(&RuleCounterKey { rule })
    }

    /// Removes it.
    pub fn remove_rule_state(&self, rule: u32) -> Result<()> {
        self.rule_counters.remove(&RuleCounterKey { rule }).map(drop)
    }

    /// The rules that have such rows.
    pub fn rule_states(&self) -> Result<Vec<u32>> {
        Ok(self.rule_counters.dump()?.into_iter().map(|(key, _)| key.rule).collect())
    }

    /// Connections that a rule allowed, and packets that it allowed without one; none without [`Tables::ensure_rule_state`].
    pub fn rule_allowed(&self, rule: u32) -> Result<Option<u64>> {
        let rows = self.rule_counters.get_all(&RuleCounterKey { rule })?;
        Ok(rows.map(|rows| rows.iter().map(|row| row.allowed).sum()))
    }

    /// Removes them. After the port's row.
    pub fn remove_port_state(&self, port: u32) -> Result<()> {
        self.meters.remove(&PortKey { port })?;
        self.connection_counts.remove(&PortKey { port })?;
        self.nat_counts.remove(&PortKey { port })?;
        self.privacy_rings.remove(&PortKey { port })?;
        self.port_counters.remove(&PortKey { port }).map(drop)
    }

    /// The ports that have such rows.
    pub fn port_states(&self) -> Result<Vec<u32>> {
        let mut ports: Vec<u32> = self.meters.dump()?.into_iter().map(|(key, _)| key.port).collect();
        ports.extend(self.connection_counts.dump()?.into_iter().map(|(key, _)| key.port));
        ports.extend(self.nat_counts.dump()?.into_iter().map(|(key, _)| key.port));
        ports.extend(self.privacy_rings.dump()?.into_iter().map(|(key, _)| key.port));
        ports.extend(self.port_counters.dump()?.into_iter().map(|(key, _)| key.port));
        ports.sort_unstable();
        ports.dedup();
        Ok(ports)
    }

    /// Where a port's rate limits stand; none without [`Tables::ensure_port_state`].
    pub fn meters(&self, port: u32) -> Result<Option<Meters>> {
        self.meters.get(&PortKey { port })
    }

    /// A port's counters, summed over CPUs; none without [`Tables::ensure_port_state`].
    pub fn port_counters(&self, port: u32) -> Result<Option<PortCounters>> {
        Ok(self.port_counters.get_all(&PortKey { port })?.map(sum_port))
    }

    /// Packets by stage and drops by reason, summed over CPUs.
    pub fn totals(&self) -> Result<Totals> {
        let mut bytes = vec![0; self.counters.value_bytes()];
        self.counters.lookup(&0u32.to_ne_bytes(), &mut bytes).map_err(failed("read", &table::COUNTERS))?;
        Ok(Totals::sum(bytes.chunks_exact(size_of::<Counters>()).map(row_of)))
    }

    /// How full every table is.
    pub fn status(&self) -> Vec<MapStatus> {
        let (networks, flood) = self.networks.tables();
        vec![
            self.interfaces.status(),
            self.ports.status(),
            self.allowed.status(),
            self.fdb.status(),
            self.neighbours.status(),
            self.hosts.status(),
            self.vnis.status(),
            self.vteps.status(),
            self.segments.status(),
            networks.status(),
            flood.status(),
            self.allowed_prefixes.status(),
            self.policies.status(),
            self.policy_sets.status(),
            self.classes.status(),
            self.members.status(),
            self.member_prefixes.status(),
            self.rules.status(),
            self.connections.status(),
            self.connection_counts.status(),
            self.nat_pools.status(),
            self.nat_owners.status(),
            self.scopes.status(),
            self.forwardings.status(),
            self.nat_sessions.status(),
            self.nat_returns.status(),
            self.privacy_prefixes.status(),
            self.privacy_rings.status(),
            self.rule_counters.status(),
            self.meters.status(),
            self.port_counters.status(),
        ]
    }

    /// The one row of `CONFIG`.
    pub fn config(&self) -> Result<Config> {
        let mut bytes = vec![0; self.config.value_bytes()];
        self.config.lookup(&0u32.to_ne_bytes(), &mut bytes).map_err(failed("read", &table::CONFIG))?;
        Ok(row_of(&bytes))
    }

    /// The one row of `SERVICE_LINK`: the way to the sockets of services.
    pub fn service_link(&self) -> Result<ServiceLink> {
        let mut bytes = vec![0; self.service_link.value_bytes()];
        self.service_link
            .lookup(&0u32.to_ne_bytes(), &mut bytes)
            .map_err(failed("read", &table::SERVICE_LINK))?;
        Ok(row_of(&bytes))
    }

    /// Sets the way to the sockets of services; all zero for none.
    pub fn put_service_link(&self, link: &ServiceLink) -> Result<()> {
        self.service_link
            .update(&0u32.to_ne_bytes(), bytes_of(link), Write::Always)
            .map_err(failed("write to", &table::SERVICE_LINK))
    }

    /// Writes the one row of `CONFIG`; what is followed goes on.
    pub(crate) fn put_config(&self, config: &Config) -> Result<()> {
        let config = Config { following: self.following.load(Relaxed), ..*config };
        self.config
            .update(&0u32.to_ne_bytes(), bytes_of(&config), Write::Always)
            .map_err(failed("write to", &table::CONFIG))
    }

    /// Follows what these rows say, at most [`MAX_FOLLOWS`] of them, and nothing else. A row that goes on keeps its counts where it keeps
    /// its place; one that says `None` is free.
    pub fn follow(&self, rows: &[Option<Follow>]) -> Result<()> {
        let following = rows.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        for slot in 0..MAX_FOLLOWS {
            let wanted = rows.get(slot).copied().flatten().unwrap_or_default();
            let there = self.followed_by(slot)?;
            if wanted != (Follow { told: 0, lost: 0, ..there }) {
                self.follows
                    .update(&(slot as u32).to_ne_bytes(), bytes_of(&wanted), Write::Always)
                    .map_err(failed("write to", &table::FOLLOWS))?;
            }
        }
        self.following.store(following as u32, Relaxed);
        self.put_config(&self.config()?)
    }

    /// A row of what is followed, with its counts.
    pub fn followed_by(&self, slot: usize) -> Result<Follow> {
        let mut bytes = vec![0; self.follows.value_bytes()];
        self.follows
            .lookup(&(slot as u32).to_ne_bytes(), &mut bytes)
            .map_err(failed("read", &table::FOLLOWS))?;
        Ok(row_of(&bytes))
    }

    pub(crate) fn followed(&self) -> &RawMap {
        &self.followed
    }

    pub(crate) fn punts(&self) -> &RawMap {
        &self.punts
    }

    pub(crate) fn logs(&self) -> &RawMap {
        &self.logs
    }
}

fn raw(set: &std::path::Path, table: &'static Table) -> Result<RawMap> {
    RawMap::open(&set.join(table.name)).map_err(failed("open", table))
}

fn hash<K: Row, V: Row>(set: &std::path::Path, table: &'static Table) -> Result<Map<K, V>> {
    Map::new(raw(set, table)?, table)
}

fn failed(action: &'static str, table: &'static Table) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Table { action, table: table.name, source }
}
