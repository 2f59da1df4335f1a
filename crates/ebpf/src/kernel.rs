//! The pipeline's surroundings in the kernel: a tc context, the maps, and the helpers that send packets.

use aya_ebpf::bindings::bpf_adj_room_mode::BPF_ADJ_ROOM_MAC;
use aya_ebpf::bindings::{
    __sk_buff, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR, BPF_F_RECOMPUTE_CSUM, BPF_NOEXIST,
};
use aya_ebpf::helpers::{
    bpf_clone_redirect, bpf_ktime_get_ns, bpf_l4_csum_replace, bpf_redirect, bpf_redirect_peer,
    bpf_ringbuf_output, bpf_skb_adjust_room, bpf_skb_change_tail, bpf_skb_load_bytes, bpf_skb_store_bytes,
    bpf_skb_vlan_pop, bpf_skb_vlan_push,
};
use hadron_pipeline::drop::{DROP_SLOTS, DropReason};
use hadron_pipeline::stage::{STAGE_SLOTS, Stage};
use hadron_pipeline::table::*;
use hadron_pipeline::{
    Address, Changed, Env, FollowCount, Meter, Packet, PortCounter, Query, Translation, Tunnel,
};

use crate::bytes::{difference, load_any, load_linear, sum};
use crate::rows::{add, count_port, longest, masked, meter_word, row};
use crate::subprograms::{
    ask_rules, find_sharer, flood_slot, judge, knows_sender, look_for_follow, pass_router, share_address,
    tell_sender, try_port,
};
use crate::{maps, tunnel};

/// One run of a program. With `TEST` the tunnel key is read from `skb->cb`, since `BPF_PROG_TEST_RUN` can't give one.
pub struct Kernel<const TEST: bool> {
    skb: *mut __sk_buff,
    counters: *mut Counters,
}

impl<const TEST: bool> Kernel<TEST> {
    /// Binds a context. None only if the one row of a per-CPU array were missing.
    #[inline(always)]
    pub fn new(skb: *mut __sk_buff) -> Option<Self> {
        Some(Kernel { skb, counters: maps::COUNTERS.get_ptr_mut(0)? })
    }

    /// For functions that ask nothing but tables. A context that they would not use can't be an argument of theirs: the compiler passes
    /// nothing for it then.
    #[inline(always)]
    pub fn without_packet() -> Self {
        Kernel { skb: core::ptr::null_mut(), counters: core::ptr::null_mut() }
    }
}

impl<const TEST: bool> Env for Kernel<TEST> {
    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: `skb` is the program's context, whose fields the verifier checks.
        unsafe { (*self.skb).len }
    }

    #[inline(always)]
    fn gso_size(&self) -> u32 {
        // SAFETY: as in `length`.
        unsafe { (*self.skb).gso_size }
    }

    #[inline(always)]
    fn has_vlan_tag(&self) -> bool {
        // SAFETY: as in `length`.
        unsafe { (*self.skb).vlan_present != 0 }
    }

    #[inline(always)]
    fn vlan(&self) -> u32 {
        // SAFETY: as in `length`.
        unsafe {
            if TEST {
                (&raw const (*self.skb).cb[0]).read_volatile()
            } else if (*self.skb).vlan_present != 0 {
                (*self.skb).vlan_tci & VLAN_ID
            } else {
                0
            }
        }
    }

    #[inline(always)]
    fn pop_vlan(&mut self) -> bool {
        // SAFETY: the helper works on the context alone; no pointer into the packet is kept anywhere.
        unsafe { bpf_skb_vlan_pop(self.skb) == 0 }
    }

    #[inline(always)]
    fn push_vlan(&mut self, vlan: u32) -> bool {
        // SAFETY: as in `pop_vlan`.
        unsafe { bpf_skb_vlan_push(self.skb, VLAN_PROTOCOL.to_be(), vlan as u16) == 0 }
    }

    #[inline(always)]
    fn load<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        load_linear(self.skb, offset).or_else(|| load_any(self.skb, offset))
    }

    #[inline(always)]
    fn store<const N: usize>(&mut self, offset: u32, bytes: &[u8; N]) -> bool {
        let flags = u64::from(BPF_F_RECOMPUTE_CSUM);
        // SAFETY: `bytes` has N bytes; the helper checks the offset and makes the packet writable.
        unsafe { bpf_skb_store_bytes(self.skb.cast(), offset, bytes.as_ptr().cast(), N as u32, flags) == 0 }
    }

    #[inline(always)]
    fn resize(&mut self, length: u32) -> bool {
        // SAFETY: the helper works on the context alone; no pointer into the packet is kept anywhere.
        unsafe { bpf_skb_change_tail(self.skb, length, 0) == 0 }
    }

    #[inline(always)]
    fn insert(&mut self, bytes: u32) -> bool {
        // SAFETY: as in `resize`.
        unsafe { bpf_skb_adjust_room(self.skb, bytes as i32, BPF_ADJ_ROOM_MAC, 0) == 0 }
    }

    #[inline(always)]
    fn sum(&self, offset: u32, length: u32) -> Option<u32> {
        sum(self.skb, offset, length)
    }

    #[inline(always)]
    fn replace_checksum<const N: usize>(
        &mut self,
        offset: u32,
        from: &[u8; N],
        to: &[u8; N],
        changed: Changed,
    ) -> bool {
        let flags = u64::from(match changed {
            Changed::Message => 0,
            Changed::MessageOfUdp => BPF_F_MARK_MANGLED_0,
            Changed::PseudoHeader => BPF_F_PSEUDO_HDR,
            Changed::PseudoHeaderOfUdp => BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0,
        });
        // SAFETY: the helper checks the offset and makes the packet writable.
        unsafe { bpf_l4_csum_replace(self.skb, offset, 0, difference(from, to), flags) == 0 }
    }

    #[inline(always)]
    fn ifindex(&self) -> u32 {
        // SAFETY: as in `length`.
        unsafe { (*self.skb).ifindex }
    }

    #[inline(always)]
    fn tunnel_source(&self, into: &mut Tunnel) -> bool {
        if TEST { tunnel::from_control_buffer(self.skb, into) } else { tunnel::from_metadata(self.skb, into) }
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        // SAFETY: the helper takes nothing.
        unsafe { bpf_ktime_get_ns() }
    }

    #[inline(always)]
    fn config(&self) -> Option<&Config> {
        maps::CONFIG.get(0)
    }

    #[inline(always)]
    fn timeout(&self, slot: usize) -> u32 {
        let Some(config) = maps::CONFIG.get(0) else { return 0 };
        config.timeouts[masked(slot, timeout::SLOTS)]
    }

    #[inline(always)]
    fn interface(&self, ifindex: u32) -> Option<&Interface> {
        row(maps::INTERFACES.get_ptr(InterfaceKey { ifindex }))
    }

    #[inline(always)]
    fn port(&self, port: u32) -> Option<&Port> {
        row(maps::PORTS.get_ptr(PortKey { port }))
    }

    #[inline(always)]
    fn is_allowed(&self, key: &AllowedKey) -> bool {
        maps::ALLOWED.get_ptr(key).is_some()
    }

    #[inline(always)]
    fn network(&self, network: u32) -> Option<&Network> {
        row(maps::NETWORKS.get_ptr(NetworkKey { network }))
    }

    #[inline(always)]
    fn fdb(&self, key: &FdbKey) -> Option<&FdbEntry> {
        row(maps::FDB.get_ptr(key))
    }

    #[inline(always)]
    fn neighbour(&self, key: &NeighbourKey) -> Option<&Neighbour> {
        row(maps::NEIGHBOURS.get_ptr(key))
    }

    #[inline(always)]
    fn flood_target(&self, key: &FloodKey) -> Option<&FloodTarget> {
        row(maps::FLOOD.get_ptr(key))
    }

    #[inline(always)]
    fn host(&self, host: u32) -> Option<&Host> {
        row(maps::HOSTS.get_ptr(HostKey { host }))
    }

    #[inline(always)]
    fn vni(&self, vni: u32) -> Option<&Vni> {
        row(maps::VNIS.get_ptr(VniKey { vni }))
    }

    #[inline(always)]
    fn segment(&self, key: &SegmentKey) -> Option<&Segment> {
        row(maps::SEGMENTS.get_ptr(key))
    }

    #[inline(always)]
    fn vtep(&self, key: &VtepKey) -> Option<&Vtep> {
        row(maps::VTEPS.get_ptr(key))
    }

    #[inline(always)]
    fn is_allowed_prefix(&self, key: &AllowedPrefixKey) -> bool {
        longest::<_, Allowed>((&raw const maps::ALLOWED_PREFIXES).cast(), key).is_some()
    }

    #[inline(always)]
    fn policy(&self, key: &PolicyKey) -> Option<&Policy> {
        row(maps::POLICIES.get_ptr(key))
    }

    #[inline(always)]
    fn policy_set(&self, key: &PolicySetKey) -> Option<&PolicySet> {
        row(maps::POLICY_SETS.get_ptr(key))
    }

    #[inline(always)]
    fn class(&self, key: &ClassKey) -> Option<&Class> {
        longest((&raw const maps::CLASSES).cast(), key)
    }

    #[inline(always)]
    fn is_member(&self, key: &MemberKey) -> bool {
        maps::MEMBERS.get_ptr(key).is_some()
    }

    #[inline(always)]
    fn is_member_prefix(&self, key: &MemberPrefixKey) -> bool {
        longest::<_, Member>((&raw const maps::MEMBER_PREFIXES).cast(), key).is_some()
    }

    #[inline(always)]
    fn rule(&self, key: &RuleKey) -> Option<&Rule> {
        longest((&raw const maps::RULES).cast(), key)
    }

    #[inline(always)]
    fn connection(&self, key: &ConnectionKey) -> Option<&Connection> {
        row(maps::CONNECTIONS.get_ptr(key))
    }

    #[inline(always)]
    fn set_connection(&mut self, key: &ConnectionKey, connection: &Connection) {
        if let Some(row) = maps::CONNECTIONS.get_ptr_mut(key) {
            // SAFETY: `row` points to a row of CONNECTIONS. Other CPUs may write it at once, as `Connection` says.
            unsafe { row.write(*connection) }
        }
    }

    #[inline(always)]
    fn insert_connection(&mut self, key: &ConnectionKey, connection: &Connection) -> bool {
        maps::CONNECTIONS.insert(key, connection, 0).is_ok()
    }

    #[inline(always)]
    fn remove_connection(&mut self, key: &ConnectionKey) -> bool {
        maps::CONNECTIONS.remove(key).is_ok()
    }

    #[inline(always)]
    fn connection_count(&self, port: u32) -> Option<&ConnectionCount> {
        row(maps::CONNECTION_COUNTS.get_ptr(PortKey { port }))
    }

    #[inline(always)]
    fn set_connection_count(&mut self, port: u32, count: u32) {
        if let Some(row) = maps::CONNECTION_COUNTS.get_ptr_mut(PortKey { port }) {
            // SAFETY: `row` points to a row of CONNECTION_COUNTS; the word is aligned, so it is never torn.
            unsafe { (&raw mut (*row).count).write_volatile(count) }
        }
    }

    #[inline(always)]
    fn restart_connection_count(&mut self, port: u32, count: u32) {
        let now = self.now();
        if let Some(row) = maps::CONNECTION_COUNTS.get_ptr_mut(PortKey { port }) {
            // SAFETY: as in `set_connection_count`.
            unsafe {
                (&raw mut (*row).since).write_volatile(now);
                (&raw mut (*row).count).write_volatile(count);
            }
        }
    }

    #[inline(always)]
    fn count_refused(&mut self, port: u32) {
        if let Some(row) = maps::CONNECTION_COUNTS.get_ptr_mut(PortKey { port }) {
            // SAFETY: as in `set_connection_count`.
            unsafe {
                let refused = &raw mut (*row).refused;
                refused.write_volatile(refused.read_volatile().wrapping_add(1));
            }
        }
    }

    #[inline(always)]
    fn fragment(&self, key: &FragmentKey) -> Option<&Fragment> {
        row(maps::FRAGMENTS.get_ptr(key))
    }

    #[inline(always)]
    fn insert_fragment(&mut self, key: &FragmentKey, fragment: &Fragment) {
        // What can't be remembered makes later fragments drop, which are counted.
        let _ = maps::FRAGMENTS.insert(key, fragment, 0);
    }

    #[inline(always)]
    fn count_rule(&mut self, rule: u32) {
        if let Some(row) = maps::RULE_COUNTERS.get_ptr_mut(RuleCounterKey { rule }) {
            // SAFETY: `row` is this CPU's copy of a row of RULE_COUNTERS.
            unsafe { add(&raw mut (*row).allowed, 1) }
        }
    }

    #[inline(always)]
    fn find_rule(&mut self, query: &Query) -> u64 {
        ask_rules(query)
    }

    #[inline(always)]
    fn policy_verdict(&mut self, packet: &mut Packet, port: u32, way: u32) -> u32 {
        // A table of reasons is read by it.
        masked(judge(self.skb, packet, port, way) as usize, DROP_SLOTS) as u32
    }

    #[inline(always)]
    fn router_interface(&self, interface: u32) -> Option<&RouterInterface> {
        row(maps::ROUTER_INTERFACES.get_ptr(RouterInterfaceKey { interface }))
    }

    #[inline(always)]
    fn floating_ip(&self, key: &FloatingIpKey) -> Option<&FloatingIp> {
        row(maps::FLOATING_IPS.get_ptr(key))
    }

    #[inline(always)]
    fn floating_source(&self, key: &FloatingSourceKey) -> Option<&FloatingSource> {
        row(maps::FLOATING_SOURCES.get_ptr(key))
    }

    #[inline(always)]
    fn nat_pool(&self, key: &NatPoolKey) -> Option<&NatPool> {
        row(maps::NAT_POOLS.get_ptr(key))
    }

    #[inline(always)]
    fn nat_block(&self, interface: u32, slot: u32) -> Option<NatBlock> {
        let pool = self.nat_pool(&NatPoolKey { interface })?;
        Some(pool.blocks[masked(slot as usize, NAT_POOL)])
    }

    #[inline(always)]
    fn nat_owner(&self, key: &NatOwnerKey) -> Option<&NatOwner> {
        row(maps::NAT_OWNERS.get_ptr(key))
    }

    #[inline(always)]
    fn forwarding(&self, key: &ForwardingKey) -> Option<&Forwarding> {
        longest((&raw const maps::FORWARDINGS).cast(), key)
    }

    #[inline(always)]
    fn nat_session(&self, key: &NatSessionKey) -> Option<&NatSession> {
        row(maps::NAT_SESSIONS.get_ptr(key))
    }

    #[inline(always)]
    fn set_nat_session(&mut self, key: &NatSessionKey, session: &NatSession) {
        if let Some(row) = maps::NAT_SESSIONS.get_ptr_mut(key) {
            // SAFETY: `row` points to a row of NAT_SESSIONS. Other CPUs may write it at once, as `NatSession` says.
            unsafe { row.write(*session) }
        }
    }

    #[inline(always)]
    fn insert_nat_session(&mut self, key: &NatSessionKey, session: &NatSession) -> bool {
        maps::NAT_SESSIONS.insert(key, session, 0).is_ok()
    }

    #[inline(always)]
    fn remove_nat_session(&mut self, key: &NatSessionKey) -> bool {
        maps::NAT_SESSIONS.remove(key).is_ok()
    }

    #[inline(always)]
    fn nat_return(&self, key: &NatReturnKey) -> Option<&NatReturn> {
        row(maps::NAT_RETURNS.get_ptr(key))
    }

    #[inline(always)]
    fn claim_nat_return(&mut self, key: &NatReturnKey, row: &NatReturn) -> bool {
        maps::NAT_RETURNS.insert(key, row, BPF_NOEXIST.into()).is_ok()
    }

    #[inline(always)]
    fn set_nat_return(&mut self, key: &NatReturnKey, value: &NatReturn) {
        if let Some(row) = maps::NAT_RETURNS.get_ptr_mut(key) {
            // SAFETY: `row` points to a row of NAT_RETURNS, which is written whole or not at all but for two CPUs that write at once:
            // what is torn leads to no session, and is written again with the next refresh.
            unsafe { row.write(*value) }
        }
    }

    #[inline(always)]
    fn nat_count(&self, port: u32) -> Option<&NatCount> {
        row(maps::NAT_COUNTS.get_ptr(PortKey { port }))
    }

    #[inline(always)]
    fn set_nat_count(&mut self, port: u32, count: u32) {
        if let Some(row) = maps::NAT_COUNTS.get_ptr_mut(PortKey { port }) {
            // SAFETY: as in `set_connection_count`.
            unsafe { (&raw mut (*row).count).write_volatile(count) }
        }
    }

    #[inline(always)]
    fn restart_nat_count(&mut self, port: u32) {
        let now = self.now();
        if let Some(row) = maps::NAT_COUNTS.get_ptr_mut(PortKey { port }) {
            // SAFETY: as in `set_connection_count`.
            unsafe {
                (&raw mut (*row).since).write_volatile(now);
                (&raw mut (*row).count).write_volatile(0);
            }
        }
    }

    #[inline(always)]
    fn nat_fragment(&self, key: &NatFragmentKey) -> Option<&NatFragment> {
        row(maps::NAT_FRAGMENTS.get_ptr(key))
    }

    #[inline(always)]
    fn insert_nat_fragment(&mut self, key: &NatFragmentKey, fragment: &NatFragment) {
        // As in `insert_fragment`.
        let _ = maps::NAT_FRAGMENTS.insert(key, fragment, 0);
    }

    #[inline(always)]
    fn nat_leave(&mut self, packet: &mut Packet, may_begin: u32) -> u32 {
        share_address(self.skb, packet, may_begin)
    }

    #[inline(always)]
    fn nat_knows(&mut self, packet: &mut Packet) -> u32 {
        knows_sender(self.skb, packet)
    }

    #[inline(always)]
    fn nat_enter(&mut self, packet: &mut Packet) -> u32 {
        find_sharer(self.skb, packet)
    }

    #[inline(always)]
    fn nat_try(&mut self, scratch: &mut Translation, place: u32) -> u32 {
        try_port(scratch, place)
    }

    #[inline(always)]
    fn scope(&self, key: &ScopeKey) -> Option<&Scope> {
        row(maps::SCOPES.get_ptr(key))
    }

    #[inline(always)]
    fn route(&self, key: &RouteKey) -> Option<&Route> {
        longest((&raw const maps::ROUTES).cast(), key)
    }

    #[inline(always)]
    fn path(&self, route: &Route, slot: u32) -> Path {
        route.paths[masked(slot as usize, MAX_PATHS)]
    }

    #[inline(always)]
    fn hop(&mut self, packet: &mut Packet) -> u32 {
        pass_router(self.skb, packet)
    }

    #[inline(always)]
    fn complain(&mut self, packet: &mut Packet, reason: u32) -> u32 {
        tell_sender(self.skb, packet, reason)
    }

    #[inline(always)]
    fn learned_mac(&self, key: &FdbKey) -> Option<&LearnedMac> {
        row(maps::LEARNED_MACS.get_ptr(key))
    }

    #[inline(always)]
    fn learn_mac(&mut self, key: &FdbKey, place: &LearnedMac) {
        // What can't be learned stays unknown, until it is announced again.
        let _ = maps::LEARNED_MACS.insert(key, place, 0);
    }

    #[inline(always)]
    fn learned_neighbour(&self, key: &NeighbourKey) -> Option<&LearnedNeighbour> {
        row(maps::LEARNED_NEIGHBOURS.get_ptr(key))
    }

    #[inline(always)]
    fn learn_neighbour(&mut self, key: &NeighbourKey, row: &LearnedNeighbour) {
        // As in `learn_mac`.
        let _ = maps::LEARNED_NEIGHBOURS.insert(key, row, 0);
    }

    #[inline(always)]
    fn note_heard(&mut self, key: &HeardKey) {
        let now = self.now();
        if let Some(row) = maps::HEARD.get_ptr_mut(key) {
            // SAFETY: `row` points to a row of HEARD; the word is aligned, so it is never torn.
            unsafe { (&raw mut (*row).at).write_volatile(now) }
        }
    }

    #[inline(always)]
    fn is_privacy_prefix(&self, key: &PrivacyPrefixKey) -> bool {
        longest::<_, PrivacyPrefix>((&raw const maps::PRIVACY_PREFIXES).cast(), key).is_some()
    }

    #[inline(always)]
    fn privacy_address(&self, key: &NeighbourKey) -> Option<&PrivacyAddress> {
        row(maps::PRIVACY_ADDRESSES.get_ptr(key))
    }

    #[inline(always)]
    fn insert_privacy_address(&mut self, key: &NeighbourKey, row: &PrivacyAddress) {
        // As in `learn_mac`: the instance has no use of the address, and asks for another.
        let _ = maps::PRIVACY_ADDRESSES.insert(key, row, 0);
    }

    #[inline(always)]
    fn remove_privacy_address(&mut self, key: &NeighbourKey) {
        // That it has gone already is what is wanted.
        let _ = maps::PRIVACY_ADDRESSES.remove(key);
    }

    #[inline(always)]
    fn choose_address(&mut self, port: u32, address: &mut Address) -> bool {
        let Some(ring) = maps::PRIVACY_RINGS.get_ptr_mut(PortKey { port }) else { return false };
        // SAFETY: `ring` points to a row of PRIVACY_RINGS, the place is in bounds. Two CPUs that choose for one port at once may
        // take the same place; one of the addresses is then in no ring, and goes by its age.
        unsafe {
            let chosen = (*ring).chosen;
            let place = &raw mut (*ring).addresses[masked(chosen as usize, PRIVACY_SLOTS)];
            core::mem::swap(&mut *place, address);
            (*ring).chosen = chosen.wrapping_add(1);
        }
        true
    }

    #[inline(always)]
    fn service_link(&self) -> Option<&ServiceLink> {
        maps::SERVICE_LINK.get(0)
    }

    #[inline(always)]
    fn service_session(&self, key: &ServiceSessionKey) -> Option<&ServiceSession> {
        row(maps::SERVICE_SESSIONS.get_ptr(key))
    }

    #[inline(always)]
    fn insert_service_session(&mut self, key: &ServiceSessionKey, row: &ServiceSession) -> bool {
        maps::SERVICE_SESSIONS.insert(key, row, 0).is_ok()
    }

    #[inline(always)]
    fn meter(&self, port: u32, meter: Meter) -> Option<u64> {
        let word = meter_word(port, meter)?;
        // SAFETY: the word lies in a row of METERS. Other CPUs may write it at once; it is aligned, so it is never torn.
        Some(unsafe { word.read_volatile() })
    }

    #[inline(always)]
    fn set_meter(&mut self, port: u32, meter: Meter, at: u64) {
        if let Some(word) = meter_word(port, meter) {
            // SAFETY: as in `meter`.
            unsafe { word.write_volatile(at) }
        }
    }

    #[inline(always)]
    fn enter(&mut self, stage: Stage) {
        // SAFETY: `counters` is this CPU's row of COUNTERS, the index is in bounds.
        unsafe { add(&raw mut (*self.counters).stages[stage as usize & (STAGE_SLOTS - 1)], 1) }
    }

    #[inline(always)]
    fn count_drop(&mut self, reason: DropReason) {
        // SAFETY: as in `enter`.
        unsafe { add(&raw mut (*self.counters).drops[masked(reason as usize, DROP_SLOTS)], 1) }
    }

    #[inline(always)]
    fn count_port(&mut self, port: u32, counter: PortCounter, bytes: u32) {
        count_port(port, counter, bytes);
    }

    #[inline(always)]
    fn log(&mut self, fill: impl FnOnce(&mut LogEvent)) {
        let Some(event) = maps::LOG_SCRATCH.get_ptr_mut(0) else { return };
        // SAFETY: this CPU's scratch is in no other use, as `SCRATCH` isn't.
        fill(unsafe { &mut *event });
        // SAFETY: the event has its size. A full ring buffer loses it.
        let _ = unsafe {
            let map = (&raw const maps::LOGS).cast_mut().cast();
            bpf_ringbuf_output(map, event.cast(), size_of::<LogEvent>() as u64, 0)
        };
    }

    #[inline(always)]
    fn follow_row(&self, slot: u32) -> Option<&Follow> {
        maps::FOLLOWS.get(slot)
    }

    #[inline(always)]
    fn count_follow(&mut self, slot: u32, count: FollowCount) -> u64 {
        let Some(row) = maps::FOLLOWS.get_ptr_mut(slot) else { return 0 };
        // SAFETY: `row` points to a row of FOLLOWS. Other CPUs may write it at once; its words are aligned, so they are never torn.
        unsafe {
            let word = match count {
                FollowCount::Told => &raw mut (*row).told,
                FollowCount::Lost => &raw mut (*row).lost,
            };
            let before = word.read_volatile();
            word.write_volatile(before.wrapping_add(1));
            before
        }
    }

    #[inline(always)]
    fn keep(&mut self, fill: impl FnOnce(&mut Followed)) -> bool {
        let Some(record) = maps::FOLLOW_SCRATCH.get_ptr_mut(0) else { return false };
        // SAFETY: this CPU's scratch is in no other use, as `SCRATCH` isn't; at most FOLLOWED_SNAPLEN bytes are written to as many.
        unsafe {
            fill(&mut (*record).header);
            let length = followed_length(&(*record).header);
            bpf_skb_load_bytes(self.skb.cast(), 0, (&raw mut (*record).frame).cast(), length as u32) == 0
        }
    }

    #[inline(always)]
    fn tell_followed(&mut self, fill: impl FnOnce(&mut Followed)) -> bool {
        let Some(record) = maps::FOLLOW_SCRATCH.get_ptr_mut(0) else { return false };
        // SAFETY: as in `keep`, which has filled it for this packet.
        unsafe {
            fill(&mut (*record).header);
            let size = followed_length(&(*record).header) + size_of::<Followed>() as u64;
            bpf_ringbuf_output((&raw const maps::FOLLOWED).cast_mut().cast(), record.cast(), size, 0) == 0
        }
    }

    #[inline(always)]
    fn follow(&mut self, packet: &Packet) -> u32 {
        look_for_follow(self.skb, packet)
    }

    #[inline(always)]
    fn redirect(&mut self, ifindex: u32) {
        // SAFETY: the helper only notes the interface. Its return value is always TC_ACT_REDIRECT with flags 0.
        unsafe { bpf_redirect(ifindex, 0) };
    }

    #[inline(always)]
    fn redirect_into_pair(&mut self, ifindex: u32) {
        // SAFETY: as in `redirect`.
        unsafe { bpf_redirect_peer(ifindex, 0) };
    }

    #[inline(always)]
    fn clone_redirect(&mut self, ifindex: u32) -> bool {
        // SAFETY: no pointer into the packet is kept anywhere.
        unsafe { bpf_clone_redirect(self.skb, ifindex, 0) == 0 }
    }

    #[inline(always)]
    fn set_tunnel(&mut self, tunnel: &Tunnel) -> bool {
        tunnel::set(self.skb, tunnel)
    }

    #[inline(always)]
    fn flood_slots(&mut self, packet: &mut Packet, length: u32) {
        let mut slot = 0;
        while slot < MAX_FLOOD && slot < length {
            flood_slot(self.skb, packet, slot);
            slot += 1;
        }
    }

    #[inline(always)]
    fn punt(&mut self, header: &PuntHeader) -> bool {
        punt(self.skb, header)
    }
}

/// EtherType of a VLAN tag (IEEE 802.1Q §9.6), and the part of it that names the VLAN.
const VLAN_PROTOCOL: u16 = 0x8100;
const VLAN_ID: u32 = 0xfff;

/// Bytes of a followed frame that are kept.
#[inline(always)]
fn followed_length(header: &Followed) -> u64 {
    u64::from(header.length).clamp(1, FOLLOWED_SNAPLEN as u64)
}

/// Copies header and frame into `PUNTS`, by way of scratch memory, since a record of variable size can't be reserved.
#[inline(never)]
fn punt(skb: *mut __sk_buff, header: &PuntHeader) -> bool {
    let Some(record) = maps::PUNT_SCRATCH.get_ptr_mut(0) else { return false };
    let length = (header.length as u64).clamp(1, PUNT_SNAPLEN as u64);
    let size = length + size_of::<PuntHeader>() as u64;
    // SAFETY: `record` is this CPU's scratch; header and at most PUNT_SNAPLEN bytes fit; the helpers check the rest.
    unsafe {
        (*record).header = *header;
        let frame = (&raw mut (*record).frame).cast();
        bpf_skb_load_bytes(skb.cast(), 0, frame, length as u32) == 0
            && bpf_ringbuf_output((&raw const maps::PUNTS).cast_mut().cast(), record.cast(), size, 0) == 0
    }
}
