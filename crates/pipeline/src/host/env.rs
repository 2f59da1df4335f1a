//! The environment of one packet on the host.

use std::vec::Vec;

use super::{Frame, Node, Outcome, Output};
use crate::address::Address;
use crate::drop::DropReason;
use crate::env::{Changed, Env, FollowCount, Meter, PortCounter, Tunnel};
use crate::stage::Stage;
use crate::table::*;
use crate::verdict::Verdict;

/// One packet under way through a [`Node`].
pub(super) struct Run<'a> {
    node: &'a mut Node,
    frame: Frame,
    ifindex: u32,
    source: Option<Tunnel>,
    tunnel: Option<Tunnel>,
    outputs: Vec<Output>,
    events: Vec<LogEvent>,
    kept: Option<(Followed, Vec<u8>)>,
    followed: Option<(Followed, Vec<u8>)>,
}

impl<'a> Run<'a> {
    pub(super) fn new(node: &'a mut Node, frame: Frame, ifindex: u32, source: Option<Tunnel>) -> Self {
        let (outputs, events) = (Vec::new(), Vec::new());
        Run { node, frame, ifindex, source, tunnel: None, outputs, events, kept: None, followed: None }
    }

    pub(super) fn finish(self, verdict: Verdict) -> Outcome {
        let Run { frame, outputs, events, followed, .. } = self;
        Outcome { verdict, outputs, events, followed, bytes: frame.bytes }
    }

    fn range(&self, offset: u32, length: usize) -> Option<core::ops::Range<usize>> {
        let start = offset as usize;
        let end = start.checked_add(length)?;
        (end <= self.frame.bytes.len()).then_some(start..end)
    }

    /// A frame leaves by an interface; by the overlay's, with the tunnel key that it has.
    fn leave(&mut self, ifindex: u32) {
        let frame = self.frame.clone();
        self.outputs.push(match self.tunnel {
            Some(tunnel) if ifindex == self.node.tables.config.overlay_ifindex => {
                Output::Tunnel { tunnel, frame }
            }
            _ => Output::Deliver { ifindex, frame },
        });
    }
}

impl Env for Run<'_> {
    fn length(&self) -> u32 {
        self.frame.bytes.len() as u32
    }

    fn gso_size(&self) -> u32 {
        self.frame.gso_size
    }

    fn has_vlan_tag(&self) -> bool {
        self.frame.vlan.is_some()
    }

    fn vlan(&self) -> u32 {
        self.frame.vlan.unwrap_or(0).into()
    }

    fn pop_vlan(&mut self) -> bool {
        self.frame.vlan = None;
        true
    }

    fn push_vlan(&mut self, vlan: u32) -> bool {
        self.frame.vlan = Some(vlan as u16);
        true
    }

    fn load<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        self.frame.bytes[self.range(offset, N)?].try_into().ok()
    }

    fn store<const N: usize>(&mut self, offset: u32, bytes: &[u8; N]) -> bool {
        let Some(range) = self.range(offset, N) else { return false };
        self.frame.bytes[range].copy_from_slice(bytes);
        true
    }

    fn resize(&mut self, length: u32) -> bool {
        // The kernel makes an ordinary packet of a GSO one whose length changes.
        self.frame.gso_size = 0;
        self.frame.bytes.resize(length as usize, 0);
        true
    }

    fn insert(&mut self, bytes: u32) -> bool {
        let header = self.frame.bytes.len().min(14);
        self.frame.bytes.splice(header..header, std::iter::repeat_n(0, bytes as usize));
        true
    }

    fn sum(&self, offset: u32, length: u32) -> Option<u32> {
        Some(fold(sum(&self.frame.bytes[self.range(offset, length as usize)?])).into())
    }

    fn replace_checksum<const N: usize>(
        &mut self,
        offset: u32,
        from: &[u8; N],
        to: &[u8; N],
        changed: Changed,
    ) -> bool {
        let Some(field) = self.load(offset) else { return false };
        let old = u16::from_be_bytes(field);
        let may_be_none = matches!(changed, Changed::PseudoHeaderOfUdp | Changed::MessageOfUdp);
        let is_pseudo_header = matches!(changed, Changed::PseudoHeader | Changed::PseudoHeaderOfUdp);
        if may_be_none && old == 0 {
            return true;
        }
        // RFC 1624 §3: HC' = ~(~HC + ~m + m'). A partial checksum is the sum itself, of the pseudo-header alone.
        let difference = fold(sum(to) + sum_of_complements(from));
        let new = match (self.frame.has_partial_checksum, is_pseudo_header) {
            (false, _) => !fold(u64::from(!old) + u64::from(difference)),
            (true, true) => fold(u64::from(old) + u64::from(difference)),
            (true, false) => old,
        };
        let new = if may_be_none && new == 0 { 0xffff } else { new };
        self.store(offset, &new.to_be_bytes())
    }

    fn ifindex(&self) -> u32 {
        self.ifindex
    }

    fn tunnel_source(&self, into: &mut Tunnel) -> bool {
        if let Some(source) = self.source {
            *into = source;
        }
        self.source.is_some()
    }

    fn now(&self) -> u64 {
        self.node.now
    }

    fn config(&self) -> Option<&Config> {
        Some(&self.node.tables.config)
    }

    fn timeout(&self, slot: usize) -> u32 {
        self.node.tables.config.timeouts[slot]
    }

    fn interface(&self, ifindex: u32) -> Option<&Interface> {
        self.node.tables.interfaces.get(&InterfaceKey { ifindex })
    }

    fn port(&self, port: u32) -> Option<&Port> {
        self.node.tables.ports.get(&PortKey { port })
    }

    fn is_allowed(&self, key: &AllowedKey) -> bool {
        self.node.tables.allowed.contains_key(key)
    }

    fn network(&self, network: u32) -> Option<&Network> {
        self.node.tables.networks.get(&NetworkKey { network })
    }

    fn fdb(&self, key: &FdbKey) -> Option<&FdbEntry> {
        self.node.tables.fdb.get(key)
    }

    fn neighbour(&self, key: &NeighbourKey) -> Option<&Neighbour> {
        self.node.tables.neighbours.get(key)
    }

    fn flood_target(&self, key: &FloodKey) -> Option<&FloodTarget> {
        self.node.tables.flood.get(key)
    }

    fn host(&self, host: u32) -> Option<&Host> {
        self.node.tables.hosts.get(&HostKey { host })
    }

    fn vni(&self, vni: u32) -> Option<&Vni> {
        self.node.tables.vnis.get(&VniKey { vni })
    }

    fn segment(&self, key: &SegmentKey) -> Option<&Segment> {
        self.node.tables.segments.get(key)
    }

    fn vtep(&self, key: &VtepKey) -> Option<&Vtep> {
        self.node.tables.vteps.get(key)
    }

    fn is_allowed_prefix(&self, key: &AllowedPrefixKey) -> bool {
        self.node.tables.allowed_prefixes.find(key.prefix_len, key).is_some()
    }

    fn policy(&self, key: &PolicyKey) -> Option<&Policy> {
        self.node.tables.policies.get(key)
    }

    fn policy_set(&self, key: &PolicySetKey) -> Option<&PolicySet> {
        self.node.tables.policy_sets.get(key)
    }

    fn class(&self, key: &ClassKey) -> Option<&Class> {
        self.node.tables.classes.find(key.prefix_len, key)
    }

    fn is_member(&self, key: &MemberKey) -> bool {
        self.node.tables.members.contains_key(key)
    }

    fn is_member_prefix(&self, key: &MemberPrefixKey) -> bool {
        self.node.tables.member_prefixes.find(key.prefix_len, key).is_some()
    }

    fn rule(&self, key: &RuleKey) -> Option<&Rule> {
        self.node.tables.rules.find(key.prefix_len, key)
    }

    fn connection(&self, key: &ConnectionKey) -> Option<&Connection> {
        self.node.tables.connections.get(key)
    }

    fn set_connection(&mut self, key: &ConnectionKey, connection: &Connection) {
        if let Some(row) = self.node.tables.connections.get_mut(key) {
            *row = *connection;
        }
    }

    fn insert_connection(&mut self, key: &ConnectionKey, connection: &Connection) -> bool {
        self.node.tables.connections.insert(*key, *connection);
        true
    }

    fn remove_connection(&mut self, key: &ConnectionKey) -> bool {
        self.node.tables.connections.remove(key).is_some()
    }

    fn connection_count(&self, port: u32) -> Option<&ConnectionCount> {
        self.node.tables.connection_counts.get(&PortKey { port })
    }

    fn set_connection_count(&mut self, port: u32, count: u32) {
        if let Some(row) = self.node.tables.connection_counts.get_mut(&PortKey { port }) {
            row.count = count;
        }
    }

    fn restart_connection_count(&mut self, port: u32, count: u32) {
        let since = self.node.now;
        if let Some(row) = self.node.tables.connection_counts.get_mut(&PortKey { port }) {
            (row.count, row.since) = (count, since);
        }
    }

    fn count_refused(&mut self, port: u32) {
        if let Some(row) = self.node.tables.connection_counts.get_mut(&PortKey { port }) {
            row.refused += 1;
        }
    }

    fn fragment(&self, key: &FragmentKey) -> Option<&Fragment> {
        self.node.tables.fragments.get(key)
    }

    fn insert_fragment(&mut self, key: &FragmentKey, fragment: &Fragment) {
        self.node.tables.fragments.insert(*key, *fragment);
    }

    fn count_rule(&mut self, rule: u32) {
        if let Some(row) = self.node.tables.rule_counters.get_mut(&RuleCounterKey { rule }) {
            row.allowed += 1;
        }
    }

    fn router_interface(&self, interface: u32) -> Option<&RouterInterface> {
        self.node.tables.router_interfaces.get(&RouterInterfaceKey { interface })
    }

    fn floating_ip(&self, key: &FloatingIpKey) -> Option<&FloatingIp> {
        self.node.tables.floating_ips.get(key)
    }

    fn floating_source(&self, key: &FloatingSourceKey) -> Option<&FloatingSource> {
        self.node.tables.floating_sources.get(key)
    }

    fn nat_pool(&self, key: &NatPoolKey) -> Option<&NatPool> {
        self.node.tables.nat_pools.get(key)
    }

    fn nat_block(&self, interface: u32, slot: u32) -> Option<NatBlock> {
        Some(self.node.tables.nat_pools.get(&NatPoolKey { interface })?.blocks[slot as usize % NAT_POOL])
    }

    fn nat_owner(&self, key: &NatOwnerKey) -> Option<&NatOwner> {
        self.node.tables.nat_owners.get(key)
    }

    fn forwarding(&self, key: &ForwardingKey) -> Option<&Forwarding> {
        self.node.tables.forwardings.find(key.prefix_len, key)
    }

    fn nat_session(&self, key: &NatSessionKey) -> Option<&NatSession> {
        self.node.tables.nat_sessions.get(key)
    }

    fn set_nat_session(&mut self, key: &NatSessionKey, session: &NatSession) {
        if let Some(row) = self.node.tables.nat_sessions.get_mut(key) {
            *row = *session;
        }
    }

    fn insert_nat_session(&mut self, key: &NatSessionKey, session: &NatSession) -> bool {
        self.node.tables.nat_sessions.insert(*key, *session);
        true
    }

    fn remove_nat_session(&mut self, key: &NatSessionKey) -> bool {
        self.node.tables.nat_sessions.remove(key).is_some()
    }

    fn nat_return(&self, key: &NatReturnKey) -> Option<&NatReturn> {
        self.node.tables.nat_returns.get(key)
    }

    fn claim_nat_return(&mut self, key: &NatReturnKey, row: &NatReturn) -> bool {
        let is_free = !self.node.tables.nat_returns.contains_key(key);
        if is_free {
            self.node.tables.nat_returns.insert(*key, *row);
        }
        is_free
    }

    fn set_nat_return(&mut self, key: &NatReturnKey, row: &NatReturn) {
        if let Some(held) = self.node.tables.nat_returns.get_mut(key) {
            *held = *row;
        }
    }

    fn nat_count(&self, port: u32) -> Option<&NatCount> {
        self.node.tables.nat_counts.get(&PortKey { port })
    }

    fn set_nat_count(&mut self, port: u32, count: u32) {
        if let Some(row) = self.node.tables.nat_counts.get_mut(&PortKey { port }) {
            row.count = count;
        }
    }

    fn restart_nat_count(&mut self, port: u32) {
        let since = self.node.now;
        if let Some(row) = self.node.tables.nat_counts.get_mut(&PortKey { port }) {
            (row.count, row.since) = (0, since);
        }
    }

    fn nat_fragment(&self, key: &NatFragmentKey) -> Option<&NatFragment> {
        self.node.tables.nat_fragments.get(key)
    }

    fn insert_nat_fragment(&mut self, key: &NatFragmentKey, row: &NatFragment) {
        self.node.tables.nat_fragments.insert(*key, *row);
    }

    fn scope(&self, key: &ScopeKey) -> Option<&Scope> {
        self.node.tables.scopes.get(key)
    }

    fn route(&self, key: &RouteKey) -> Option<&Route> {
        self.node.tables.routes.find(key.prefix_len, key)
    }

    fn path(&self, route: &Route, slot: u32) -> Path {
        route.paths[slot as usize % MAX_PATHS]
    }

    fn learned_mac(&self, key: &FdbKey) -> Option<&LearnedMac> {
        self.node.tables.learned_macs.get(key)
    }

    fn learn_mac(&mut self, key: &FdbKey, place: &LearnedMac) {
        self.node.tables.learned_macs.insert(*key, *place);
    }

    fn learned_neighbour(&self, key: &NeighbourKey) -> Option<&LearnedNeighbour> {
        self.node.tables.learned_neighbours.get(key)
    }

    fn learn_neighbour(&mut self, key: &NeighbourKey, row: &LearnedNeighbour) {
        self.node.tables.learned_neighbours.insert(*key, *row);
    }

    fn note_heard(&mut self, key: &HeardKey) {
        let now = self.now();
        if let Some(row) = self.node.tables.heard.get_mut(key) {
            row.at = now;
        }
    }

    fn is_privacy_prefix(&self, key: &PrivacyPrefixKey) -> bool {
        self.node.tables.privacy_prefixes.find(key.prefix_len, key).is_some()
    }

    fn privacy_address(&self, key: &NeighbourKey) -> Option<&PrivacyAddress> {
        self.node.tables.privacy_addresses.get(key)
    }

    fn insert_privacy_address(&mut self, key: &NeighbourKey, row: &PrivacyAddress) {
        self.node.tables.privacy_addresses.insert(*key, *row);
    }

    fn remove_privacy_address(&mut self, key: &NeighbourKey) {
        self.node.tables.privacy_addresses.remove(key);
    }

    fn choose_address(&mut self, port: u32, address: &mut Address) -> bool {
        let Some(ring) = self.node.tables.privacy_rings.get_mut(&PortKey { port }) else { return false };
        let place = ring.chosen as usize % PRIVACY_SLOTS;
        core::mem::swap(&mut ring.addresses[place], address);
        ring.chosen = ring.chosen.wrapping_add(1);
        true
    }

    fn service_link(&self) -> Option<&ServiceLink> {
        Some(&self.node.tables.service_link)
    }

    fn service_session(&self, key: &ServiceSessionKey) -> Option<&ServiceSession> {
        self.node.tables.service_sessions.get(key)
    }

    fn insert_service_session(&mut self, key: &ServiceSessionKey, row: &ServiceSession) -> bool {
        self.node.tables.service_sessions.insert(*key, *row);
        true
    }

    fn meter(&self, port: u32, meter: Meter) -> Option<u64> {
        let meters = self.node.tables.meters.get(&PortKey { port })?;
        Some(match meter {
            Meter::Punt => meters.punt,
            Meter::Miss => meters.miss,
            Meter::Flood => meters.flood,
            Meter::Log => meters.log,
            Meter::Error => meters.error,
            Meter::Service => meters.service,
            Meter::Follow => meters.follow,
        })
    }

    fn set_meter(&mut self, port: u32, meter: Meter, at: u64) {
        let Some(meters) = self.node.tables.meters.get_mut(&PortKey { port }) else { return };
        match meter {
            Meter::Punt => meters.punt = at,
            Meter::Miss => meters.miss = at,
            Meter::Flood => meters.flood = at,
            Meter::Log => meters.log = at,
            Meter::Error => meters.error = at,
            Meter::Service => meters.service = at,
            Meter::Follow => meters.follow = at,
        }
    }

    fn enter(&mut self, stage: Stage) {
        self.node.counters.stages[stage as usize] += 1;
    }

    fn count_drop(&mut self, reason: DropReason) {
        self.node.counters.drops[reason as usize] += 1;
    }

    fn count_port(&mut self, port: u32, counter: PortCounter, bytes: u32) {
        let Some(counters) = self.node.tables.port_counters.get_mut(&PortKey { port }) else { return };
        match counter {
            PortCounter::Sent => {
                counters.tx_packets += 1;
                counters.tx_bytes += u64::from(bytes);
            }
            PortCounter::Received => {
                counters.rx_packets += 1;
                counters.rx_bytes += u64::from(bytes);
            }
            PortCounter::SentDropped => counters.tx_dropped += 1,
            PortCounter::ReceivedDropped => counters.rx_dropped += 1,
            PortCounter::Punted => counters.punted += 1,
            PortCounter::Untracked => counters.untracked += 1,
        }
    }

    fn log(&mut self, fill: impl FnOnce(&mut LogEvent)) {
        let mut event = LogEvent::default();
        fill(&mut event);
        self.events.push(event);
    }

    fn follow_row(&self, slot: u32) -> Option<&Follow> {
        self.node.tables.follows.get(slot as usize)
    }

    fn count_follow(&mut self, slot: u32, count: FollowCount) -> u64 {
        let Some(row) = self.node.tables.follows.get_mut(slot as usize) else { return 0 };
        let count = match count {
            FollowCount::Told => &mut row.told,
            FollowCount::Lost => &mut row.lost,
        };
        *count += 1;
        *count - 1
    }

    fn keep(&mut self, fill: impl FnOnce(&mut Followed)) -> bool {
        let mut kept = Followed::default();
        fill(&mut kept);
        let bytes = self.frame.bytes.iter().copied().take(FOLLOWED_SNAPLEN).collect();
        self.kept = Some((kept, bytes));
        true
    }

    fn tell_followed(&mut self, fill: impl FnOnce(&mut Followed)) -> bool {
        let Some((kept, _)) = self.kept.as_mut().filter(|_| !self.node.followed_full) else { return false };
        fill(kept);
        self.followed = self.kept.take();
        true
    }

    fn redirect(&mut self, ifindex: u32) {
        self.leave(ifindex);
    }

    fn redirect_into_pair(&mut self, ifindex: u32) {
        self.leave(ifindex);
    }

    fn clone_redirect(&mut self, ifindex: u32) -> bool {
        let is_up = !self.node.down.contains(&ifindex);
        if is_up {
            self.leave(ifindex);
        }
        is_up
    }

    fn set_tunnel(&mut self, tunnel: &Tunnel) -> bool {
        self.tunnel = Some(*tunnel);
        true
    }

    fn punt(&mut self, header: &PuntHeader) -> bool {
        if self.node.punts_full {
            return false;
        }
        let bytes = self.frame.bytes.iter().copied().take(PUNT_SNAPLEN).collect();
        self.outputs.push(Output::Punt { header: *header, bytes });
        true
    }
}

/// Sum of 16-bit words in network order; the length is even.
fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks_exact(2).map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum()
}

fn sum_of_complements(bytes: &[u8]) -> u64 {
    bytes.chunks_exact(2).map(|word| u64::from(!u16::from_be_bytes([word[0], word[1]]))).sum()
}

/// Folds carries into 16 bits (RFC 1071 §1).
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
