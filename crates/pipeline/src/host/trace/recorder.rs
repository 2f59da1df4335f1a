//! An environment that notes what the pipeline asks and does, and leaves the doing to the one that it wraps.

use std::cell::RefCell;
use std::vec::Vec;

use super::{Ends, Event, Hop, Noted, Question};
use crate::address::Address;
use crate::drop::DropReason;
use crate::env::{Changed, Env, FollowCount, Meter, PortCounter, Tunnel};
use crate::nat::{Translation, nat_enter, nat_knows, nat_leave, nat_try};
use crate::packet::Packet;
use crate::policy::{Judgement, policy_verdict};
use crate::route::{complain, hop};
use crate::stage::Stage;
use crate::table::{self, *};

/// Notes, and the environment that acts. The steps between stages (`policy_verdict`, `hop` and so on) begin here, so that what they ask
/// is noted too.
pub(super) struct Recorder<E> {
    env: E,
    noted: RefCell<Vec<Noted>>,
}

impl<E: Env> Recorder<E> {
    pub(super) fn new(env: E) -> Self {
        Recorder { env, noted: RefCell::default() }
    }

    pub(super) fn finish(self) -> (E, Vec<Noted>) {
        (self.env, self.noted.into_inner())
    }

    fn note(&self, event: Event) {
        self.noted.borrow_mut().push(Noted::Event(event));
    }

    fn asked(&self, question: Question, row: Option<Cells>) {
        self.noted.borrow_mut().push(Noted::Question(question, row));
    }

    fn wrote(&self, table: &'static Table, key: &impl Describe, row: Option<&dyn Describe>) {
        self.note(Event::Wrote { table, key: key.cells(), row: row.map(Describe::cells) });
    }
}

/// Look-ups by a key.
macro_rules! by_key {
    ($($method:ident: $question:ident($key:ty) -> $row:ty;)*) => {$(
        fn $method(&self, key: &$key) -> Option<&$row> {
            let row = self.env.$method(key);
            self.asked(Question::$question(*key), row.map(Describe::cells));
            row
        }
    )*};
}

/// Look-ups by a number.
macro_rules! by_number {
    ($($method:ident: $question:ident($key:ident { $field:ident }) -> $row:ty;)*) => {$(
        fn $method(&self, $field: u32) -> Option<&$row> {
            let row = self.env.$method($field);
            self.asked(Question::$question($key { $field }), row.map(Describe::cells));
            row
        }
    )*};
}

/// Look-ups of which only the answer counts.
macro_rules! whether {
    ($($method:ident: $question:ident($key:ty);)*) => {$(
        fn $method(&self, key: &$key) -> bool {
            let is_there = self.env.$method(key);
            self.asked(Question::$question(*key), is_there.then(Vec::new));
            is_there
        }
    )*};
}

/// Writes over rows, and new rows.
macro_rules! writes {
    ($($method:ident($key:ty, $row:ty) $(-> $answer:ty)? = $table:ident;)*) => {$(
        fn $method(&mut self, key: &$key, row: &$row) $(-> $answer)? {
            self.wrote(&table::$table, key, Some(row));
            self.env.$method(key, row)
        }
    )*};
}

impl<E: Env> Env for Recorder<E> {
    fn length(&self) -> u32 {
        self.env.length()
    }

    fn gso_size(&self) -> u32 {
        self.env.gso_size()
    }

    fn has_vlan_tag(&self) -> bool {
        self.env.has_vlan_tag()
    }

    fn vlan(&self) -> u32 {
        self.env.vlan()
    }

    fn pop_vlan(&mut self) -> bool {
        self.env.pop_vlan()
    }

    fn push_vlan(&mut self, vlan: u32) -> bool {
        self.env.push_vlan(vlan)
    }

    fn load<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        self.env.load(offset)
    }

    fn store<const N: usize>(&mut self, offset: u32, bytes: &[u8; N]) -> bool {
        self.env.store(offset, bytes)
    }

    fn resize(&mut self, length: u32) -> bool {
        self.env.resize(length)
    }

    fn insert(&mut self, bytes: u32) -> bool {
        self.env.insert(bytes)
    }

    fn sum(&self, offset: u32, length: u32) -> Option<u32> {
        self.env.sum(offset, length)
    }

    fn replace_checksum<const N: usize>(
        &mut self,
        offset: u32,
        from: &[u8; N],
        to: &[u8; N],
        changed: Changed,
    ) -> bool {
        self.env.replace_checksum(offset, from, to, changed)
    }

    fn ifindex(&self) -> u32 {
        self.env.ifindex()
    }

    fn tunnel_source(&self, into: &mut Tunnel) -> bool {
        self.env.tunnel_source(into)
    }

    fn now(&self) -> u64 {
        self.env.now()
    }

    fn config(&self) -> Option<&Config> {
        self.env.config()
    }

    fn timeout(&self, slot: usize) -> u32 {
        self.env.timeout(slot)
    }

    by_number! {
        interface: Interface(InterfaceKey { ifindex }) -> Interface;
        port: Port(PortKey { port }) -> Port;
        network: Network(NetworkKey { network }) -> Network;
        host: Host(HostKey { host }) -> Host;
        vni: Vni(VniKey { vni }) -> Vni;
        connection_count: ConnectionCount(PortKey { port }) -> ConnectionCount;
        router_interface: RouterInterface(RouterInterfaceKey { interface }) -> RouterInterface;
        nat_count: NatCount(PortKey { port }) -> NatCount;
    }

    by_key! {
        fdb: Fdb(FdbKey) -> FdbEntry;
        neighbour: Neighbour(NeighbourKey) -> Neighbour;
        flood_target: Flood(FloodKey) -> FloodTarget;
        segment: Segment(SegmentKey) -> Segment;
        vtep: Vtep(VtepKey) -> Vtep;
        policy: Policy(PolicyKey) -> Policy;
        policy_set: PolicySet(PolicySetKey) -> PolicySet;
        class: Class(ClassKey) -> Class;
        rule: Rule(RuleKey) -> Rule;
        connection: Connection(ConnectionKey) -> Connection;
        fragment: Fragment(FragmentKey) -> Fragment;
        route: Route(RouteKey) -> Route;
        scope: Scope(ScopeKey) -> Scope;
        floating_ip: FloatingIp(FloatingIpKey) -> FloatingIp;
        floating_source: FloatingSource(FloatingSourceKey) -> FloatingSource;
        nat_pool: NatPool(NatPoolKey) -> NatPool;
        nat_owner: NatOwner(NatOwnerKey) -> NatOwner;
        forwarding: Forwarding(ForwardingKey) -> Forwarding;
        nat_session: NatSession(NatSessionKey) -> NatSession;
        nat_return: NatReturn(NatReturnKey) -> NatReturn;
        nat_fragment: NatFragment(NatFragmentKey) -> NatFragment;
        learned_mac: LearnedMac(FdbKey) -> LearnedMac;
        learned_neighbour: LearnedNeighbour(NeighbourKey) -> LearnedNeighbour;
        privacy_address: PrivacyAddress(NeighbourKey) -> PrivacyAddress;
        service_session: ServiceSession(ServiceSessionKey) -> ServiceSession;
    }

    whether! {
        is_allowed: Allowed(AllowedKey);
        is_allowed_prefix: AllowedPrefix(AllowedPrefixKey);
        is_member: Member(MemberKey);
        is_member_prefix: MemberPrefix(MemberPrefixKey);
        is_privacy_prefix: PrivacyPrefix(PrivacyPrefixKey);
    }

    writes! {
        set_connection(ConnectionKey, Connection) = CONNECTIONS;
        insert_connection(ConnectionKey, Connection) -> bool = CONNECTIONS;
        insert_fragment(FragmentKey, Fragment) = FRAGMENTS;
        set_nat_session(NatSessionKey, NatSession) = NAT_SESSIONS;
        insert_nat_session(NatSessionKey, NatSession) -> bool = NAT_SESSIONS;
        set_nat_return(NatReturnKey, NatReturn) = NAT_RETURNS;
        insert_nat_fragment(NatFragmentKey, NatFragment) = NAT_FRAGMENTS;
        learn_mac(FdbKey, LearnedMac) = LEARNED_MACS;
        learn_neighbour(NeighbourKey, LearnedNeighbour) = LEARNED_NEIGHBOURS;
        insert_privacy_address(NeighbourKey, PrivacyAddress) = PRIVACY_ADDRESSES;
        insert_service_session(ServiceSessionKey, ServiceSession) -> bool = SERVICE_SESSIONS;
    }

    fn remove_connection(&mut self, key: &ConnectionKey) -> bool {
        self.wrote(&table::CONNECTIONS, key, None);
        self.env.remove_connection(key)
    }

    fn set_connection_count(&mut self, port: u32, count: u32) {
        self.env.set_connection_count(port, count);
    }

    fn restart_connection_count(&mut self, port: u32, count: u32) {
        self.env.restart_connection_count(port, count);
    }

    fn count_refused(&mut self, port: u32) {
        self.env.count_refused(port);
    }

    fn count_rule(&mut self, rule: u32) {
        self.env.count_rule(rule);
    }

    fn policy_verdict(&mut self, packet: &mut Packet, port: u32, way: u32) -> u32 {
        let number = policy_verdict(self, packet, &mut Judgement::default(), port, way);
        let reason = DropReason::from_number(number);
        self.note(Event::Judged { port, way, reason, rule: packet.rule });
        number
    }

    fn nat_block(&self, interface: u32, slot: u32) -> Option<NatBlock> {
        self.env.nat_block(interface, slot)
    }

    fn remove_nat_session(&mut self, key: &NatSessionKey) -> bool {
        self.wrote(&table::NAT_SESSIONS, key, None);
        self.env.remove_nat_session(key)
    }

    fn claim_nat_return(&mut self, key: &NatReturnKey, row: &NatReturn) -> bool {
        let is_claimed = self.env.claim_nat_return(key, row);
        self.asked(Question::NatReturn(*key), (!is_claimed).then(Vec::new));
        if is_claimed {
            self.wrote(&table::NAT_RETURNS, key, Some(row));
        }
        is_claimed
    }

    fn set_nat_count(&mut self, port: u32, count: u32) {
        self.env.set_nat_count(port, count);
    }

    fn restart_nat_count(&mut self, port: u32) {
        self.env.restart_nat_count(port);
    }

    fn nat_leave(&mut self, packet: &mut Packet, may_begin: u32) -> u32 {
        nat_leave(self, packet, &mut Translation::default(), may_begin)
    }

    fn nat_knows(&mut self, packet: &mut Packet) -> u32 {
        nat_knows(self, packet, &mut Translation::default())
    }

    fn nat_enter(&mut self, packet: &mut Packet) -> u32 {
        nat_enter(self, packet, &mut Translation::default())
    }

    fn nat_try(&mut self, scratch: &mut Translation, place: u32) -> u32 {
        nat_try(self, scratch, place)
    }

    fn path(&self, route: &Route, slot: u32) -> Path {
        let path = self.env.path(route, slot);
        self.note(Event::Took(path.cells()));
        path
    }

    fn hop(&mut self, packet: &mut Packet) -> u32 {
        let (before, start) = (Ends::of(packet), self.noted.borrow().len());
        let answer = hop(self, packet);
        let took = |noted: &Noted| matches!(noted, Noted::Event(Event::Took(_)));
        let has_left = self.noted.borrow()[start..].iter().any(took);
        self.note(Event::Routed(Hop {
            entered: packet.router_interface,
            exit: if has_left { packet.exit } else { 0 },
            next_hop: packet.next_hop,
            before,
            after: Ends::of(packet),
            hop_limit: packet.hop_limit,
        }));
        answer
    }

    fn complain(&mut self, packet: &mut Packet, reason: u32) -> u32 {
        let told = complain(self, packet, reason);
        if let (1, Some(reason)) = (told, DropReason::from_number(reason)) {
            self.note(Event::Complained(reason));
        }
        told
    }

    fn remove_privacy_address(&mut self, key: &NeighbourKey) {
        self.wrote(&table::PRIVACY_ADDRESSES, key, None);
        self.env.remove_privacy_address(key);
    }

    fn choose_address(&mut self, port: u32, address: &mut Address) -> bool {
        let has_ring = self.env.choose_address(port, address);
        self.asked(Question::PrivacyRing(PortKey { port }), has_ring.then(Vec::new));
        has_ring
    }

    fn note_heard(&mut self, key: &HeardKey) {
        self.env.note_heard(key);
    }

    fn service_link(&self) -> Option<&ServiceLink> {
        self.env.service_link()
    }

    fn meter(&self, port: u32, meter: Meter) -> Option<u64> {
        let at = self.env.meter(port, meter);
        self.asked(Question::Meters(PortKey { port }), at.map(|_| Vec::new()));
        at
    }

    fn set_meter(&mut self, port: u32, meter: Meter, at: u64) {
        self.env.set_meter(port, meter, at);
    }

    fn enter(&mut self, stage: Stage) {
        self.note(Event::Entered(stage));
        self.env.enter(stage);
    }

    fn count_drop(&mut self, reason: DropReason) {
        self.note(Event::Dropped(reason));
        self.env.count_drop(reason);
    }

    fn count_port(&mut self, port: u32, counter: PortCounter, bytes: u32) {
        self.env.count_port(port, counter, bytes);
    }

    fn log(&mut self, fill: impl FnOnce(&mut LogEvent)) {
        self.env.log(fill);
    }

    fn follow_row(&self, slot: u32) -> Option<&Follow> {
        self.env.follow_row(slot)
    }

    fn count_follow(&mut self, slot: u32, count: FollowCount) -> u64 {
        self.env.count_follow(slot, count)
    }

    fn keep(&mut self, fill: impl FnOnce(&mut Followed)) -> bool {
        self.env.keep(fill)
    }

    fn tell_followed(&mut self, fill: impl FnOnce(&mut Followed)) -> bool {
        self.env.tell_followed(fill)
    }

    fn redirect(&mut self, ifindex: u32) {
        self.env.redirect(ifindex);
    }

    fn redirect_into_pair(&mut self, ifindex: u32) {
        self.env.redirect_into_pair(ifindex);
    }

    fn clone_redirect(&mut self, ifindex: u32) -> bool {
        self.env.clone_redirect(ifindex)
    }

    fn set_tunnel(&mut self, tunnel: &Tunnel) -> bool {
        self.env.set_tunnel(tunnel)
    }

    fn punt(&mut self, header: &PuntHeader) -> bool {
        self.env.punt(header)
    }
}
