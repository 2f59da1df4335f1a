//! The maps of the object. Names, kinds and sizes are those of `hadron_pipeline::table::TABLES`.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use hadron_pipeline::table::{self, *};
use hadron_pipeline::{Judgement, Packet, Translation};

macro_rules! hashes {
    ($($name:ident: $map:ident<$key:ty, $value:ty>;)*) => {
        $(#[map]
        pub static $name: $map<$key, $value> = $map::with_max_entries(table::$name.size, BPF_F_NO_PREALLOC);)*
    };
}

#[map]
pub static CONFIG: Array<Config> = Array::with_max_entries(table::CONFIG.size, 0);

#[map]
pub static SERVICE_LINK: Array<ServiceLink> = Array::with_max_entries(table::SERVICE_LINK.size, 0);

hashes! {
    INTERFACES: HashMap<InterfaceKey, Interface>;
    PORTS: HashMap<PortKey, Port>;
    ALLOWED: HashMap<AllowedKey, Allowed>;
    NETWORKS: HashMap<NetworkKey, Network>;
    FDB: HashMap<FdbKey, FdbEntry>;
    NEIGHBOURS: HashMap<NeighbourKey, Neighbour>;
    FLOOD: HashMap<FloodKey, FloodTarget>;
    HOSTS: HashMap<HostKey, Host>;
    VNIS: HashMap<VniKey, Vni>;
    VTEPS: HashMap<VtepKey, Vtep>;
    SEGMENTS: HashMap<SegmentKey, Segment>;
    METERS: HashMap<PortKey, Meters>;
    PORT_COUNTERS: PerCpuHashMap<PortKey, PortCounters>;
    POLICIES: HashMap<PolicyKey, Policy>;
    POLICY_SETS: HashMap<PolicySetKey, PolicySet>;
    MEMBERS: HashMap<MemberKey, Member>;
    CONNECTION_COUNTS: HashMap<PortKey, ConnectionCount>;
    PRIVACY_RINGS: HashMap<PrivacyRingKey, PrivacyRing>;
    FLOATING_IPS: HashMap<FloatingIpKey, FloatingIp>;
    FLOATING_SOURCES: HashMap<FloatingSourceKey, FloatingSource>;
    ROUTER_INTERFACES: HashMap<RouterInterfaceKey, RouterInterface>;
    SCOPES: HashMap<ScopeKey, Scope>;
    NAT_POOLS: HashMap<NatPoolKey, NatPool>;
    NAT_OWNERS: HashMap<NatOwnerKey, NatOwner>;
    NAT_SESSIONS: HashMap<NatSessionKey, NatSession>;
    NAT_RETURNS: HashMap<NatReturnKey, NatReturn>;
    NAT_COUNTS: HashMap<PortKey, NatCount>;
    HEARD: HashMap<HeardKey, Heard>;
    RULE_COUNTERS: PerCpuHashMap<RuleCounterKey, RuleCounters>;
}

macro_rules! tries {
    ($($name:ident<$key:ty, $value:ty>;)*) => {
        // The library wants to know of a key what stands behind its length.
        $(#[map]
        pub static $name: LpmTrie<[u8; size_of::<$key>() - 4], $value> =
            LpmTrie::with_max_entries(table::$name.size, BPF_F_NO_PREALLOC);)*
    };
}

tries! {
    ALLOWED_PREFIXES<AllowedPrefixKey, Allowed>;
    CLASSES<ClassKey, Class>;
    MEMBER_PREFIXES<MemberPrefixKey, Member>;
    RULES<RuleKey, Rule>;
    PRIVACY_PREFIXES<PrivacyPrefixKey, PrivacyPrefix>;
    ROUTES<RouteKey, Route>;
    FORWARDINGS<ForwardingKey, Forwarding>;
}

macro_rules! caches {
    ($($name:ident<$key:ty, $value:ty>;)*) => {
        $(#[map]
        pub static $name: LruHashMap<$key, $value> = LruHashMap::with_max_entries(table::$name.size, 0);)*
    };
}

caches! {
    CONNECTIONS<ConnectionKey, Connection>;
    FRAGMENTS<FragmentKey, Fragment>;
    NAT_FRAGMENTS<NatFragmentKey, NatFragment>;
    LEARNED_MACS<LearnedMacKey, LearnedMac>;
    LEARNED_NEIGHBOURS<LearnedNeighbourKey, LearnedNeighbour>;
    PRIVACY_ADDRESSES<PrivacyAddressKey, PrivacyAddress>;
    SERVICE_SESSIONS<ServiceSessionKey, ServiceSession>;
}

#[map]
pub static FOLLOWS: Array<Follow> = Array::with_max_entries(table::FOLLOWS.size, 0);

#[map]
pub static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(table::COUNTERS.size, 0);

#[map]
pub static LOGS: RingBuf = RingBuf::with_byte_size(table::LOGS.size, 0);

#[map]
pub static FOLLOWED: RingBuf = RingBuf::with_byte_size(table::FOLLOWED.size, 0);

#[map]
pub static PUNTS: RingBuf = RingBuf::with_byte_size(table::PUNTS.size, 0);

/// The packet under way on each CPU.
#[map]
pub static SCRATCH: PerCpuArray<Packet> = PerCpuArray::with_max_entries(1, 0);

/// What a judgement of a port's policy has under its hands on each CPU.
#[map]
pub static JUDGEMENT: PerCpuArray<Judgement> = PerCpuArray::with_max_entries(1, 0);

/// What a translation has under its hands on each CPU.
#[map]
pub static TRANSLATION: PerCpuArray<Translation> = PerCpuArray::with_max_entries(1, 0);

/// An event on its way into `LOGS`.
#[map]
pub static LOG_SCRATCH: PerCpuArray<LogEvent> = PerCpuArray::with_max_entries(1, 0);

/// Most bytes that are summed up at once.
pub const QUOTE: usize = 512;

/// Bytes to be summed up.
#[map]
pub static QUOTE_SCRATCH: PerCpuArray<[u8; QUOTE]> = PerCpuArray::with_max_entries(1, 0);

/// A record on its way into `PUNTS`.
#[repr(C)]
pub struct Punt {
    pub header: PuntHeader,
    pub frame: [u8; PUNT_SNAPLEN],
}

#[map]
pub static PUNT_SCRATCH: PerCpuArray<Punt> = PerCpuArray::with_max_entries(1, 0);

/// A record on its way into `FOLLOWED`.
#[repr(C)]
pub struct FollowedFrame {
    pub header: Followed,
    pub frame: [u8; FOLLOWED_SNAPLEN],
}

#[map]
pub static FOLLOW_SCRATCH: PerCpuArray<FollowedFrame> = PerCpuArray::with_max_entries(1, 0);
