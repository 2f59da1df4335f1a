//! What the pipeline needs around it: the packet, the tables, the clock, counters, and the ways out.

use crate::address::Address;
use crate::deliver::copy_to_slot;
use crate::drop::DropReason;
use crate::follow::find_follow;
use crate::nat::{Translation, nat_enter, nat_knows, nat_leave, nat_try};
use crate::packet::Packet;
use crate::policy::{Judgement, Query, find_rule, policy_verdict};
use crate::route::{complain, hop};
use crate::stage::Stage;
use crate::table::{
    AllowedKey, AllowedPrefixKey, Class, ClassKey, Config, Connection, ConnectionCount, ConnectionKey,
    FdbEntry, FdbKey, FloatingIp, FloatingIpKey, FloatingSource, FloatingSourceKey, FloodKey, FloodTarget,
    Follow, Followed, Forwarding, ForwardingKey, Fragment, FragmentKey, HeardKey, Host, Interface,
    LearnedMac, LearnedNeighbour, LogEvent, MAX_FLOOD, MemberKey, MemberPrefixKey, NatBlock, NatCount,
    NatFragment, NatFragmentKey, NatOwner, NatOwnerKey, NatPool, NatPoolKey, NatReturn, NatReturnKey,
    NatSession, NatSessionKey, Neighbour, NeighbourKey, Network, Path, Policy, PolicyKey, PolicySet,
    PolicySetKey, Port, PrivacyAddress, PrivacyPrefixKey, PuntHeader, Route, RouteKey, RouterInterface, Rule,
    RuleKey, Scope, ScopeKey, Segment, SegmentKey, ServiceLink, ServiceSession, ServiceSessionKey, Vni, Vtep,
    VtepKey,
};

/// Where a tunnelled packet comes from, or goes to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Tunnel {
    /// VNI, 24 bits.
    pub vni: u32,
    /// The other host's VTEP address.
    pub remote: Address,
    /// This host's VTEP address; unused for what came in.
    pub local: Address,
}

/// Where the bytes are that a checksum is corrected for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// In the message itself.
    Message,
    /// In the message itself, of UDP, where zero says that there is no checksum (RFC 768).
    MessageOfUdp,
    /// In the pseudo-header.
    PseudoHeader,
    /// In the pseudo-header of UDP, where zero says that there is no checksum (RFC 768).
    PseudoHeaderOfUdp,
}

/// A rate limit's state in [`crate::table::Meters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meter {
    /// [`Port::punt_limit`]
    Punt,
    /// [`Port::miss_limit`]
    Miss,
    /// [`Port::flood_limit`]
    Flood,
    /// [`Port::log_limit`]
    Log,
    /// [`Port::error_limit`]
    Error,
    /// [`ServiceLink::limit`]
    Service,
    /// Packets that are followed, of the whole host.
    Follow,
}

/// A count of a row of [`crate::table::FOLLOWS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowCount {
    /// [`Follow::told`]
    Told,
    /// [`Follow::lost`]
    Lost,
}

/// A pair of fields, or one, of [`crate::table::PortCounters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortCounter {
    /// `tx_packets` and `tx_bytes`
    Sent,
    /// `rx_packets` and `rx_bytes`
    Received,
    /// `tx_dropped`
    SentDropped,
    /// `rx_dropped`
    ReceivedDropped,
    /// `punted`
    Punted,
    /// `untracked`
    Untracked,
}

/// The surroundings of one packet. In the kernel a tc context and maps, on the host bytes and hash maps.
///
/// Implementations are leaves: they decide nothing. A method that returns `bool` returns false when the kernel refused.
/// A row that a look-up lends may change or turn into another row's while it is held, since writers don't wait for readers:
/// copy what is needed at once, and check what must not be mixed up.
pub trait Env: Sized {
    /// Bytes of the frame, from the Ethernet header on; of a GSO frame, all of them.
    fn length(&self) -> u32;
    /// Payload bytes of each segment of a GSO frame; 0 for an ordinary frame.
    fn gso_size(&self) -> u32;
    /// True when a VLAN tag is kept beside the bytes, as the kernel does on receive.
    fn has_vlan_tag(&self) -> bool;
    /// The VLAN of the tag that stands beside the bytes; 0 when there is none, or one without a VLAN (IEEE 802.1Q §9.6).
    fn vlan(&self) -> u32;
    /// Takes the tag away.
    fn pop_vlan(&mut self) -> bool;
    /// Puts a tag beside the bytes, where there is none.
    fn push_vlan(&mut self, vlan: u32) -> bool;
    /// `N` bytes at `offset`; none when the frame is shorter.
    fn load<const N: usize>(&self, offset: u32) -> Option<[u8; N]>;
    /// Overwrites `N` bytes at `offset`, without touching any checksum.
    fn store<const N: usize>(&mut self, offset: u32, bytes: &[u8; N]) -> bool;
    /// Makes the frame `length` bytes long; what is added at the end is zero.
    fn resize(&mut self, length: u32) -> bool;
    /// Makes room for `bytes` behind the Ethernet header; what is there is undefined.
    fn insert(&mut self, bytes: u32) -> bool;
    /// The ones' complement sum of `length` bytes at `offset`, as big-endian words, folded to 16 bits (RFC 1071). `length` is a
    /// multiple of 4, at most 512.
    fn sum(&self, offset: u32, length: u32) -> Option<u32>;
    /// Corrects the transport checksum at `offset` for `from` becoming `to`, in complete and in partial form. `N` is a multiple of 4.
    fn replace_checksum<const N: usize>(
        &mut self,
        offset: u32,
        from: &[u8; N],
        to: &[u8; N],
        changed: Changed,
    ) -> bool;

    /// Interface that the packet came in by.
    fn ifindex(&self) -> u32;
    /// VNI and outer source of a packet that the overlay brought.
    fn tunnel_source(&self, into: &mut Tunnel) -> bool;
    /// Monotonic clock in nanoseconds.
    fn now(&self) -> u64;

    /// `CONFIG`
    fn config(&self) -> Option<&Config>;
    /// A place of [`Config::timeouts`].
    fn timeout(&self, slot: usize) -> u32;
    /// `INTERFACES`
    fn interface(&self, ifindex: u32) -> Option<&Interface>;
    /// `PORTS`
    fn port(&self, port: u32) -> Option<&Port>;
    /// `ALLOWED`
    fn is_allowed(&self, key: &AllowedKey) -> bool;
    /// `NETWORKS`
    fn network(&self, network: u32) -> Option<&Network>;
    /// `FDB`
    fn fdb(&self, key: &FdbKey) -> Option<&FdbEntry>;
    /// `NEIGHBOURS`
    fn neighbour(&self, key: &NeighbourKey) -> Option<&Neighbour>;
    /// `FLOOD`
    fn flood_target(&self, key: &FloodKey) -> Option<&FloodTarget>;
    /// `HOSTS`
    fn host(&self, host: u32) -> Option<&Host>;
    /// `VNIS`
    fn vni(&self, vni: u32) -> Option<&Vni>;
    /// `SEGMENTS`
    fn segment(&self, key: &SegmentKey) -> Option<&Segment>;
    /// `VTEPS`
    fn vtep(&self, key: &VtepKey) -> Option<&Vtep>;

    /// `ALLOWED_PREFIXES`
    fn is_allowed_prefix(&self, key: &AllowedPrefixKey) -> bool;
    /// `POLICIES`
    fn policy(&self, key: &PolicyKey) -> Option<&Policy>;
    /// `POLICY_SETS`
    fn policy_set(&self, key: &PolicySetKey) -> Option<&PolicySet>;
    /// `CLASSES`, the longest prefix
    fn class(&self, key: &ClassKey) -> Option<&Class>;
    /// `MEMBERS`
    fn is_member(&self, key: &MemberKey) -> bool;
    /// `MEMBER_PREFIXES`
    fn is_member_prefix(&self, key: &MemberPrefixKey) -> bool;
    /// `RULES`, the longest prefix
    fn rule(&self, key: &RuleKey) -> Option<&Rule>;
    /// `CONNECTIONS`
    fn connection(&self, key: &ConnectionKey) -> Option<&Connection>;
    /// Writes over a row of `CONNECTIONS`, if it is there.
    fn set_connection(&mut self, key: &ConnectionKey, connection: &Connection);
    /// Adds or replaces a row of `CONNECTIONS`.
    fn insert_connection(&mut self, key: &ConnectionKey, connection: &Connection) -> bool;
    /// Deletes a row of `CONNECTIONS`; false when there was none.
    fn remove_connection(&mut self, key: &ConnectionKey) -> bool;
    /// `CONNECTION_COUNTS`
    fn connection_count(&self, port: u32) -> Option<&ConnectionCount>;
    /// Writes a row's count.
    fn set_connection_count(&mut self, port: u32, count: u32);
    /// Writes a row's count as one that begins now.
    fn restart_connection_count(&mut self, port: u32, count: u32);
    /// Counts a refused connection in `CONNECTION_COUNTS`.
    fn count_refused(&mut self, port: u32);
    /// `FRAGMENTS`
    fn fragment(&self, key: &FragmentKey) -> Option<&Fragment>;
    /// Adds or replaces a row of `FRAGMENTS`.
    fn insert_fragment(&mut self, key: &FragmentKey, fragment: &Fragment);
    /// Counts in `RULE_COUNTERS`.
    fn count_rule(&mut self, rule: u32);
    /// Calls [`find_rule`].
    #[inline(always)]
    fn find_rule(&mut self, query: &Query) -> u64 {
        find_rule(self, query)
    }
    /// Calls [`policy_verdict`].
    #[inline(always)]
    fn policy_verdict(&mut self, packet: &mut Packet, port: u32, way: u32) -> u32 {
        policy_verdict(self, packet, &mut Judgement::default(), port, way)
    }

    /// `ROUTER_INTERFACES`
    fn router_interface(&self, interface: u32) -> Option<&RouterInterface>;
    /// `SCOPES`
    fn scope(&self, key: &ScopeKey) -> Option<&Scope>;
    /// `ROUTES`, the longest prefix
    fn route(&self, key: &RouteKey) -> Option<&Route>;
    /// `FLOATING_IPS`
    fn floating_ip(&self, key: &FloatingIpKey) -> Option<&FloatingIp>;
    /// `FLOATING_SOURCES`
    fn floating_source(&self, key: &FloatingSourceKey) -> Option<&FloatingSource>;
    /// `NAT_POOLS`
    fn nat_pool(&self, key: &NatPoolKey) -> Option<&NatPool>;
    /// A place of [`NatPool::blocks`], any number but for its lowest bits ignored.
    fn nat_block(&self, interface: u32, slot: u32) -> Option<NatBlock>;
    /// `NAT_OWNERS`
    fn nat_owner(&self, key: &NatOwnerKey) -> Option<&NatOwner>;
    /// `FORWARDINGS`, the longest prefix
    fn forwarding(&self, key: &ForwardingKey) -> Option<&Forwarding>;
    /// `NAT_SESSIONS`
    fn nat_session(&self, key: &NatSessionKey) -> Option<&NatSession>;
    /// Writes over a row of `NAT_SESSIONS`, if it is there.
    fn set_nat_session(&mut self, key: &NatSessionKey, session: &NatSession);
    /// Adds or replaces a row of `NAT_SESSIONS`.
    fn insert_nat_session(&mut self, key: &NatSessionKey, session: &NatSession) -> bool;
    /// Deletes a row of `NAT_SESSIONS`; false when there was none.
    fn remove_nat_session(&mut self, key: &NatSessionKey) -> bool;
    /// `NAT_RETURNS`
    fn nat_return(&self, key: &NatReturnKey) -> Option<&NatReturn>;
    /// Adds a row of `NAT_RETURNS`; false when there is one already. Of all that try at once one succeeds.
    fn claim_nat_return(&mut self, key: &NatReturnKey, row: &NatReturn) -> bool;
    /// Writes over a row of `NAT_RETURNS`, if it is there.
    fn set_nat_return(&mut self, key: &NatReturnKey, row: &NatReturn);
    /// `NAT_COUNTS`
    fn nat_count(&self, port: u32) -> Option<&NatCount>;
    /// Writes a row's count.
    fn set_nat_count(&mut self, port: u32, count: u32);
    /// Makes a row's count zero, and begin now.
    fn restart_nat_count(&mut self, port: u32);
    /// `NAT_FRAGMENTS`
    fn nat_fragment(&self, key: &NatFragmentKey) -> Option<&NatFragment>;
    /// Adds or replaces a row of `NAT_FRAGMENTS`.
    fn insert_nat_fragment(&mut self, key: &NatFragmentKey, row: &NatFragment);
    /// Calls [`nat_leave`].
    #[inline(always)]
    fn nat_leave(&mut self, packet: &mut Packet, may_begin: u32) -> u32 {
        nat_leave(self, packet, &mut Translation::default(), may_begin)
    }
    /// Calls [`nat_knows`].
    #[inline(always)]
    fn nat_knows(&mut self, packet: &mut Packet) -> u32 {
        nat_knows(self, packet, &mut Translation::default())
    }
    /// Calls [`nat_enter`].
    #[inline(always)]
    fn nat_enter(&mut self, packet: &mut Packet) -> u32 {
        nat_enter(self, packet, &mut Translation::default())
    }
    /// Calls [`nat_try`].
    #[inline(always)]
    fn nat_try(&mut self, scratch: &mut Translation, place: u32) -> u32 {
        nat_try(self, scratch, place)
    }
    /// A place of [`Route::paths`], any number but for its lowest bits ignored.
    fn path(&self, route: &Route, slot: u32) -> Path;
    /// Calls [`hop`].
    #[inline(always)]
    fn hop(&mut self, packet: &mut Packet) -> u32 {
        hop(self, packet)
    }
    /// Calls [`complain`].
    #[inline(always)]
    fn complain(&mut self, packet: &mut Packet, reason: u32) -> u32 {
        complain(self, packet, reason)
    }

    /// `LEARNED_MACS`
    fn learned_mac(&self, key: &FdbKey) -> Option<&LearnedMac>;
    /// Adds or replaces a row of `LEARNED_MACS`.
    fn learn_mac(&mut self, key: &FdbKey, place: &LearnedMac);
    /// `LEARNED_NEIGHBOURS`
    fn learned_neighbour(&self, key: &NeighbourKey) -> Option<&LearnedNeighbour>;
    /// Adds or replaces a row of `LEARNED_NEIGHBOURS`.
    fn learn_neighbour(&mut self, key: &NeighbourKey, row: &LearnedNeighbour);
    /// `PRIVACY_PREFIXES`
    fn is_privacy_prefix(&self, key: &PrivacyPrefixKey) -> bool;
    /// `PRIVACY_ADDRESSES`
    fn privacy_address(&self, key: &NeighbourKey) -> Option<&PrivacyAddress>;
    /// Adds or replaces a row of `PRIVACY_ADDRESSES`.
    fn insert_privacy_address(&mut self, key: &NeighbourKey, row: &PrivacyAddress);
    /// Deletes a row of `PRIVACY_ADDRESSES`.
    fn remove_privacy_address(&mut self, key: &NeighbourKey);
    /// Puts an address into the next place of a row of `PRIVACY_RINGS`; it becomes the one that was there. False without a row.
    fn choose_address(&mut self, port: u32, address: &mut Address) -> bool;

    /// Writes the present time into a row of `HEARD`, if it is there.
    fn note_heard(&mut self, key: &HeardKey);

    /// `SERVICE_LINK`
    fn service_link(&self) -> Option<&ServiceLink>;
    /// `SERVICE_SESSIONS`
    fn service_session(&self, key: &ServiceSessionKey) -> Option<&ServiceSession>;
    /// Adds or replaces a row of `SERVICE_SESSIONS`.
    fn insert_service_session(&mut self, key: &ServiceSessionKey, row: &ServiceSession) -> bool;

    /// A field of `METERS`.
    fn meter(&self, port: u32, meter: Meter) -> Option<u64>;
    /// Writes a field of `METERS`.
    fn set_meter(&mut self, port: u32, meter: Meter, at: u64);
    /// Counts a packet into a stage.
    fn enter(&mut self, stage: Stage);
    /// Counts a drop.
    fn count_drop(&mut self, reason: DropReason);
    /// Counts a frame of `bytes` at a port.
    fn count_port(&mut self, port: u32, counter: PortCounter, bytes: u32);

    /// Writes an event into `LOGS`. What is there before is an earlier event.
    fn log(&mut self, fill: impl FnOnce(&mut LogEvent));

    /// A row of `FOLLOWS`.
    fn follow_row(&self, slot: u32) -> Option<&Follow>;
    /// Adds one to a count of a row of `FOLLOWS`. What it was before. Two CPUs at the same instant may add one together.
    fn count_follow(&mut self, slot: u32, count: FollowCount) -> u64;
    /// Keeps the frame as it is, until the packet's end, with what is known of it.
    fn keep(&mut self, fill: impl FnOnce(&mut Followed)) -> bool;
    /// Writes what was kept into `FOLLOWED`, with what has become known since.
    fn tell_followed(&mut self, fill: impl FnOnce(&mut Followed)) -> bool;
    /// Calls [`find_follow`].
    #[inline(always)]
    fn follow(&mut self, packet: &Packet) -> u32 {
        find_follow(self, packet)
    }

    /// Sends the packet out of an interface. Nothing more may be done with it.
    fn redirect(&mut self, ifindex: u32);
    /// As [`Env::redirect`], for one end of a pair whose other end is in another network namespace: the packet comes in there as if it had
    /// been received, without having been queued on the way.
    fn redirect_into_pair(&mut self, ifindex: u32);
    /// Sends a copy out of an interface.
    fn clone_redirect(&mut self, ifindex: u32) -> bool;
    /// Gives the packet, and the next copy of it, the tunnel key for leaving by the overlay's interface.
    fn set_tunnel(&mut self, tunnel: &Tunnel) -> bool;
    /// Calls [`copy_to_slot`] for the places 0 to `length` of the flood list, at most [`MAX_FLOOD`].
    #[inline(always)]
    fn flood_slots(&mut self, packet: &mut Packet, length: u32) {
        let mut slot = 0;
        while slot < MAX_FLOOD && slot < length {
            copy_to_slot(self, packet, slot);
            slot += 1;
        }
    }
    /// Hands a copy to the host's responders.
    fn punt(&mut self, header: &PuntHeader) -> bool;
}
