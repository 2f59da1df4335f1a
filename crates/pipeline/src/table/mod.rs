//! The tables: keys, values, names, kinds and sizes. One list, read by the kernel's programs, the loader and the host build.
//!
//! Every id (port, network, host) is a 32-bit integer in the machine's order. Addresses are [`Mac`] and [`Address`]: bytes in
//! network order, IPv4 mapped. Padding is explicit and must be zero in keys; the constructors see to it.
//! A change of any layout raises [`LAYOUT_VERSION`].

use crate::address::{Address, Mac};
use crate::drop::DROP_SLOTS;
use crate::stage::STAGE_SLOTS;

/// Version of all layouts together; [`Config::layout_version`] carries it. A pinned set of another version is not reused.
pub const LAYOUT_VERSION: u32 = 7;

mod sealed {
    pub trait Sealed {}
}

/// A key or value of a table: `repr(C)`, without implicit padding, any bit pattern valid. Sealed, so that a loader may copy
/// any `Row` to and from the kernel as bytes.
pub trait Row: sealed::Sealed + Copy + 'static {}

macro_rules! rows {
    ($($ty:ty),*) => { $(impl $crate::table::sealed::Sealed for $ty {} impl $crate::table::Row for $ty {})* };
}

rows!(u32, u64);

macro_rules! layout {
    ($(#[$doc:meta])* $name:ident: $size:literal {
        $($(#[$field_doc:meta])* $offset:literal => $field:ident: $ty:ty,)*
    }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name { $($(#[$field_doc])* pub $field: $ty,)* }
        const _: () = {
            assert!(size_of::<$name>() == $size);
            assert!(0 $(+ size_of::<$ty>())* == $size, "implicit padding");
            $(assert!(core::mem::offset_of!($name, $field) == $offset);)*
        };
        rows!($name);
        #[cfg(feature = "host")]
        impl $crate::table::Describe for $name {
            fn cells(&self) -> $crate::table::Cells {
                $crate::table::cells(&[$((stringify!($field), &self.$field)),*])
            }
        }
    };
}

#[cfg(feature = "host")]
mod cell;
mod floating;
mod follow;
mod heard;
mod learned;
mod log;
mod nat;
mod policy;
mod route;
mod service;

#[cfg(feature = "host")]
pub use cell::*;
pub use floating::*;
pub use follow::*;
pub use heard::*;
pub use learned::*;
pub use log::*;
pub use nat::*;
pub use policy::*;
pub use route::*;
pub use service::*;

layout! {
    /// The one row of `CONFIG`: this host.
    Config: 68 {
        /// [`LAYOUT_VERSION`] of who wrote the tables. Programs drop everything while it is another one.
        0 => layout_version: u32,
        /// This host's id, as other hosts know it in `HOSTS`.
        4 => host: u32,
        /// Interface of the collect-metadata VXLAN device; 0 while there is none.
        8 => overlay_ifindex: u32,
        /// Largest inner IP packet that the overlay carries, in bytes (1450 on a 1500-byte IPv4 underlay, 1430 on IPv6).
        12 => overlay_mtu: u32,
        /// This host's VTEP address; its family is the family of the outer packets.
        16 => underlay: Address,
        /// Seconds without a packet after which a connection is forgotten, by [`timeout`].
        32 => timeouts: [u32; timeout::SLOTS],
        /// So many rows of `FOLLOWS`, the first ones, are looked at; 0 while nothing is followed.
        64 => following: u32,
    }
}

layout! {
    /// Key of `INTERFACES`.
    InterfaceKey: 4 {
        /// Interface index in the namespace of the node.
        0 => ifindex: u32,
    }
}

layout! {
    /// Value of `INTERFACES`: who sits behind an interface.
    Interface: 4 {
        /// Port id.
        0 => port: u32,
    }
}

layout! {
    /// Key of `PORTS`, `METERS`, `PORT_COUNTERS`, `CONNECTION_COUNTS` and `NAT_COUNTS`.
    PortKey: 4 {
        /// Port id.
        0 => port: u32,
    }
}

layout! {
    /// At most so many frames per second, and so many at once. A zero `interval` means no limit.
    Limit: 8 {
        /// Nanoseconds that one frame costs: 10⁹ / rate.
        0 => interval: u32,
        /// Frames that may pass at once after a pause; 0 counts as 1.
        4 => burst: u32,
    }
}

layout! {
    /// Value of `PORTS`: a port that is on this host.
    Port: 64 {
        /// Network id.
        0 => network: u32,
        /// Interface that leads to the instance.
        4 => ifindex: u32,
        /// The port's own MAC.
        8 => mac: Mac,
        /// Bits of [`port_flag`].
        14 => flags: u16,
        /// Frames handed to the host's responders.
        16 => punt_limit: Limit,
        /// ARP requests and neighbour solicitations for addresses that nobody is known to have.
        24 => miss_limit: Limit,
        /// Broadcast and multicast frames, misses included.
        32 => flood_limit: Limit,
        /// Policy by which its packets are judged, when [`port_flag::PORT_SECURITY`] is set; 0 allows nothing.
        40 => policy: u32,
        /// Most connections that are kept for it. From three quarters on, one whose answers rules allow is not kept; a further
        /// one whose answers need it is dropped.
        44 => connection_limit: u32,
        /// Events in `LOGS`; what is beyond is counted by nobody.
        48 => log_limit: Limit,
        /// ICMP errors that routers send to it.
        56 => error_limit: Limit,
    }
}

/// Bits of [`Port::flags`].
pub mod port_flag {
    /// Source addresses are checked, and instances may be no DHCP server and no router.
    pub const PORT_SECURITY: u16 = 1;
    /// The port may announce MACs that are no port's own, which are then learned.
    pub const ACCEPT_UNKNOWN: u16 = 1 << 1;
    /// `admin_state_up` is false: nothing in, nothing out.
    pub const DISABLED: u16 = 1 << 2;
    /// The port has rows in `ALLOWED_PREFIXES`.
    pub const ALLOWED_PREFIXES: u16 = 1 << 3;
    /// The port may choose addresses of its own in the prefixes of `PRIVACY_PREFIXES`.
    pub const PRIVACY: u16 = 1 << 4;
    /// What its rules allow is logged: each new connection, and each packet that is allowed without one.
    pub const LOG_ACCEPTED: u16 = 1 << 5;
    /// What port security or its rules drop is logged.
    pub const LOG_DROPPED: u16 = 1 << 6;
    /// Its interface is one end of a pair, whose other end is in another network namespace: what is delivered goes there at once.
    pub const PAIR: u16 = 1 << 7;
}

layout! {
    /// Key of `ALLOWED`: a source that a port with port security may use. Fixed addresses stand beside the port's own MAC,
    /// allowed address pairs beside theirs. The EUI-64 link-local address of the port's MAC needs no row.
    AllowedKey: 28 {
        /// Port id.
        0 => port: u32,
        /// Source MAC, ARP sender MAC, or link-layer address of an ND option.
        4 => mac: Mac,
        /// Zero.
        10 => pad: [u8; 2],
        /// Source address, ARP sender, or ND target of an advertisement.
        12 => address: Address,
    }
}

impl AllowedKey {
    /// A key with its padding zeroed.
    #[inline(always)]
    pub const fn new(port: u32, mac: Mac, address: Address) -> Self {
        AllowedKey { port, mac, pad: [0; 2], address }
    }
}

layout! {
    /// Value of `ALLOWED`: being there is the permission.
    Allowed: 4 {
        /// Zero.
        0 => reserved: u32,
    }
}

layout! {
    /// Key of `NETWORKS`.
    NetworkKey: 4 {
        /// Network id.
        0 => network: u32,
    }
}

layout! {
    /// Value of `NETWORKS`.
    Network: 20 {
        /// VNI of the network in the overlay, 24 bits; 0 for a network that stays on its host.
        0 => vni: u32,
        /// Length of the flood list: its members are `FLOOD[(network, 0..flood_length)]`, at most [`MAX_FLOOD`].
        4 => flood_length: u32,
        /// Bits of [`network_flag`].
        8 => flags: u32,
        /// Interface to the network's physical network; 0 for a network that is in none.
        12 => provider: u32,
        /// VLAN there; 0 for untagged frames.
        16 => vlan: u32,
    }
}

layout! {
    /// Key of `SEGMENTS`: frames of a VLAN that come in by an interface to a physical network.
    SegmentKey: 8 {
        /// Interface index.
        0 => ifindex: u32,
        /// VLAN; 0 for untagged frames.
        4 => vlan: u32,
    }
}

layout! {
    /// Value of `SEGMENTS`.
    Segment: 4 {
        /// Network id.
        0 => network: u32,
    }
}

/// Bits of [`Network::flags`].
pub mod network_flag {
    /// DHCPv4 is answered by every host itself: requests are punted and never flooded.
    pub const DHCP4: u32 = 1;
    /// There may be addresses that `NEIGHBOURS` does not list; routers ask for them.
    pub const UNLISTED: u32 = 1 << 1;
    /// DHCPv6 is answered by every host itself: messages to all servers are punted and never flooded.
    pub const DHCP6: u32 = 1 << 4;
    /// Routers advertise themselves by every host: solicitations are punted and never flooded.
    pub const ADVERTISED: u32 = 1 << 5;
    /// Nothing is heard of what the routers of this host send to by the interface to the physical network.
    pub const NO_UPSTREAM: u32 = 1 << 6;
    /// The VNI brings what hosts relay each other of a physical network, and no instance's frames.
    pub const TRANSIT: u32 = 1 << 7;
}

/// Longest flood list; the rest of a longer one is not reached, so a loader reports an error for the row.
pub const MAX_FLOOD: u32 = 1024;

layout! {
    /// Key of `FLOOD`: a place in the flood list of a network.
    /// To take a member out, the last one is written over it, the length lowered, and the last one deleted.
    FloodKey: 8 {
        /// Network id.
        0 => network: u32,
        /// Place, from 0.
        4 => slot: u32,
    }
}

layout! {
    /// Value of `FLOOD`: a port here, a host elsewhere or the physical network that gets broadcast and multicast of the network.
    FloodTarget: 8 {
        /// [`target::PORT`], [`target::HOST`] or [`target::PROVIDER`].
        0 => kind: u32,
        /// Port id, host id, or 0.
        4 => id: u32,
    }
}

/// What an FDB entry or a flood target leads to.
pub mod target {
    /// A port on this host; the id is the port's.
    pub const PORT: u32 = 1;
    /// Another host; the id is the host's.
    pub const HOST: u32 = 2;
    /// A service that every host answers itself, such as DHCP; the id is unused and 0.
    pub const SERVICE: u32 = 3;
    /// A router, which every host is; the id is its interface's in `ROUTER_INTERFACES`, or [`super::OUTSIDE`].
    pub const ROUTER: u32 = 4;
    /// The physical network that the network is in; the id is unused and 0.
    pub const PROVIDER: u32 = 5;
}

layout! {
    /// Key of `FDB`.
    FdbKey: 12 {
        /// Network id.
        0 => network: u32,
        /// Destination MAC.
        4 => mac: Mac,
        /// Zero.
        10 => pad: [u8; 2],
    }
}

impl FdbKey {
    /// A key with its padding zeroed.
    #[inline(always)]
    pub const fn new(network: u32, mac: Mac) -> Self {
        FdbKey { network, mac, pad: [0; 2] }
    }
}

layout! {
    /// Value of `FDB`: where a MAC of a network is.
    FdbEntry: 8 {
        /// A constant of [`target`].
        0 => kind: u32,
        /// Port id, host id, router interface id, or 0.
        4 => id: u32,
    }
}

layout! {
    /// Key of `NEIGHBOURS`.
    NeighbourKey: 20 {
        /// Network id.
        0 => network: u32,
        /// The address that is asked for, of either family.
        4 => address: Address,
    }
}

layout! {
    /// Value of `NEIGHBOURS`: who has an address, for answering ARP and ND.
    Neighbour: 8 {
        /// The MAC that is told.
        0 => mac: Mac,
        /// A constant of [`neighbour_kind`].
        6 => kind: u16,
    }
}

/// Values of [`Neighbour::kind`].
pub mod neighbour_kind {
    /// An instance's port, here or elsewhere.
    pub const INSTANCE: u16 = 1;
    /// The address of a service that every host answers itself.
    pub const SERVICE: u16 = 2;
    /// A router's address, answered by every host for itself.
    pub const ROUTER: u16 = 3;
}

layout! {
    /// Key of `HOSTS`.
    HostKey: 4 {
        /// Host id.
        0 => host: u32,
    }
}

layout! {
    /// Value of `HOSTS`: another host of the overlay.
    Host: 16 {
        /// Its VTEP address, of the same family as [`Config::underlay`].
        0 => vtep: Address,
    }
}

layout! {
    /// Key of `VNIS`.
    VniKey: 4 {
        /// VNI, 24 bits.
        0 => vni: u32,
    }
}

layout! {
    /// Value of `VNIS`: the network behind a VNI.
    Vni: 4 {
        /// Network id.
        0 => network: u32,
    }
}

layout! {
    /// Key of `VTEPS`: a host that may send into a VNI.
    VtepKey: 20 {
        /// VNI, 24 bits.
        0 => vni: u32,
        /// Outer source address.
        4 => address: Address,
    }
}

layout! {
    /// Value of `VTEPS`.
    Vtep: 4 {
        /// Host id.
        0 => host: u32,
    }
}

layout! {
    /// Value of `METERS`: when the next frame of a kind conforms, in nanoseconds of the monotonic clock (generic cell rate
    /// algorithm). The loader writes zeroes when it adds a port; without a row nothing that is metered passes.
    Meters: 56 {
        /// For [`Port::punt_limit`].
        0 => punt: u64,
        /// For [`Port::miss_limit`].
        8 => miss: u64,
        /// For [`Port::flood_limit`].
        16 => flood: u64,
        /// For [`Port::log_limit`].
        24 => log: u64,
        /// For [`Port::error_limit`].
        32 => error: u64,
        /// For [`ServiceLink::limit`].
        40 => service: u64,
        /// For packets that are followed, of the whole host: port 0 has it.
        48 => follow: u64,
    }
}

layout! {
    /// Value of `PORT_COUNTERS`, seen from the instance. Bytes are of whole Ethernet frames; a GSO frame counts as one.
    PortCounters: 64 {
        /// Frames that the instance sent, dropped ones included.
        0 => tx_packets: u64,
        /// Bytes of these.
        8 => tx_bytes: u64,
        /// Frames delivered to the instance; answers to ARP and ND included.
        16 => rx_packets: u64,
        /// Bytes of these.
        24 => rx_bytes: u64,
        /// Frames from the instance that were dropped.
        32 => tx_dropped: u64,
        /// Frames for the instance that were dropped at its port.
        40 => rx_dropped: u64,
        /// Frames handed to the host's responders.
        48 => punted: u64,
        /// Packets that rules allowed and for which no connection was kept, since the port has nearly as many as it may have.
        56 => untracked: u64,
    }
}

/// The one row of `COUNTERS`, per CPU: frames that entered each stage, and drops by reason.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// By stage number, see [`crate::stage::Stage`].
    pub stages: [u64; STAGE_SLOTS],
    /// By the number of the reason, see [`crate::drop::DropReason`].
    pub drops: [u64; DROP_SLOTS],
}

const _: () = assert!(size_of::<Counters>() == 8 * (STAGE_SLOTS + DROP_SLOTS));
rows!(Counters);

impl Counters {
    /// All zero.
    pub const ZERO: Counters = Counters { stages: [0; STAGE_SLOTS], drops: [0; DROP_SLOTS] };
}

layout! {
    /// What precedes a frame in the ring buffer `PUNTS`. The frame follows at once, at most [`PUNT_SNAPLEN`] bytes of it;
    /// its checksums may be partial.
    PuntHeader: 16 {
        /// Port that sent the frame.
        0 => port: u32,
        /// Length of the whole frame in bytes, which may exceed what follows.
        4 => length: u32,
        /// Interface that the frame came from, for the answer.
        8 => ifindex: u32,
        /// A number of [`crate::PuntReason`].
        12 => reason: u32,
    }
}

/// Most bytes of a frame that a record of `PUNTS` carries.
pub const PUNT_SNAPLEN: usize = 2032;

/// Kind of a table in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `BPF_MAP_TYPE_ARRAY`
    Array,
    /// `BPF_MAP_TYPE_PERCPU_ARRAY`
    PerCpuArray,
    /// `BPF_MAP_TYPE_HASH` with `BPF_F_NO_PREALLOC`
    Hash,
    /// `BPF_MAP_TYPE_PERCPU_HASH` with `BPF_F_NO_PREALLOC`
    PerCpuHash,
    /// `BPF_MAP_TYPE_LPM_TRIE` with `BPF_F_NO_PREALLOC`: a key begins with its length in bits, those of the length excluded
    LpmTrie,
    /// `BPF_MAP_TYPE_LRU_HASH`: a new row takes the place of the one that was not used for longest
    LruHash,
    /// `BPF_MAP_TYPE_RINGBUF`; its size is in bytes
    RingBuffer,
}

/// A table as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Name of the map in the object, also its pin.
    pub name: &'static str,
    /// Kind of map.
    pub kind: Kind,
    /// Bytes of a key; 0 for a ring buffer.
    pub key_size: u32,
    /// Bytes of a value (of one CPU); 0 for a ring buffer.
    pub value_size: u32,
    /// Size in the object, for a host of 1,000 ports: rows, or bytes of a ring buffer. The loader may set another.
    pub size: u32,
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident: $kind:ident<$key:ty, $value:ty> = $size:expr;)*) => {
        $($(#[$doc])*
        pub const $name: Table = Table {
            name: stringify!($name),
            kind: Kind::$kind,
            key_size: size_of::<$key>() as u32,
            value_size: size_of::<$value>() as u32,
            size: $size,
        };)*
        /// Every table that is shared with the loader.
        pub const TABLES: &[Table] = &[$($name),*];
    };
}

tables! {
    /// This host.
    CONFIG: Array<u32, Config> = 1;
    /// Interface → port. Written last when a port is added and deleted first: without it nothing of the port passes.
    INTERFACES: Hash<InterfaceKey, Interface> = 4096;
    /// Ports on this host.
    PORTS: Hash<PortKey, Port> = 4096;
    /// Sources that ports with port security may use.
    ALLOWED: Hash<AllowedKey, Allowed> = 65_536;
    /// Networks that are on this host.
    NETWORKS: Hash<NetworkKey, Network> = 16_384;
    /// (network, MAC) → port, host or service.
    FDB: Hash<FdbKey, FdbEntry> = 262_144;
    /// (network, address) → MAC.
    NEIGHBOURS: Hash<NeighbourKey, Neighbour> = 262_144;
    /// Flood lists.
    FLOOD: Hash<FloodKey, FloodTarget> = 131_072;
    /// Other hosts' VTEP addresses.
    HOSTS: Hash<HostKey, Host> = 16_384;
    /// VNI → network.
    VNIS: Hash<VniKey, Vni> = 16_384;
    /// Who may send into a VNI.
    VTEPS: Hash<VtepKey, Vtep> = 262_144;
    /// (interface to a physical network, VLAN) → network.
    SEGMENTS: Hash<SegmentKey, Segment> = 4096;
    /// Rate limits' state; written by the programs.
    METERS: Hash<PortKey, Meters> = 4096;
    /// Counters per port; rows are made by the loader, without a row nothing is counted.
    PORT_COUNTERS: PerCpuHash<PortKey, PortCounters> = 4096;
    /// Counters of stages and drops.
    COUNTERS: PerCpuArray<u32, Counters> = 1;
    /// Sources of address pairs with a prefix, asked when `ALLOWED` has no row and the port's flag says that there are any.
    ALLOWED_PREFIXES: LpmTrie<AllowedPrefixKey, Allowed> = 16_384;
    /// Policies by direction.
    POLICIES: Hash<PolicyKey, Policy> = 8192;
    /// The sets of addresses that a policy's rules name.
    POLICY_SETS: Hash<PolicySetKey, PolicySet> = 65_536;
    /// Remote address → class within a policy.
    CLASSES: LpmTrie<ClassKey, Class> = 262_144;
    /// Addresses in a set.
    MEMBERS: Hash<MemberKey, Member> = 524_288;
    /// Prefixes in a set.
    MEMBER_PREFIXES: LpmTrie<MemberPrefixKey, Member> = 65_536;
    /// (policy, class or set, protocol, port) → the rule that allows it.
    RULES: LpmTrie<RuleKey, Rule> = 524_288;
    /// Connections that were allowed; written by the programs.
    CONNECTIONS: LruHash<ConnectionKey, Connection> = 524_288;
    /// How many a port has; rows are made by the loader, without a row no connection is kept.
    CONNECTION_COUNTS: Hash<PortKey, ConnectionCount> = 4096;
    /// Packets whose first fragment was allowed; written by the programs.
    FRAGMENTS: LruHash<FragmentKey, Fragment> = 16_384;
    /// Counters per rule; rows are made by the loader, without a row nothing is counted.
    RULE_COUNTERS: PerCpuHash<RuleCounterKey, RuleCounters> = 65_536;
    /// Announced MACs; written by the programs.
    LEARNED_MACS: LruHash<LearnedMacKey, LearnedMac> = 16_384;
    /// Announced addresses; written by the programs.
    LEARNED_NEIGHBOURS: LruHash<LearnedNeighbourKey, LearnedNeighbour> = 16_384;
    /// Prefixes in which instances choose their own addresses.
    PRIVACY_PREFIXES: LpmTrie<PrivacyPrefixKey, PrivacyPrefix> = 16_384;
    /// Addresses that ports here have chosen; written by the programs.
    PRIVACY_ADDRESSES: LruHash<PrivacyAddressKey, PrivacyAddress> = 32_768;
    /// The same by port; rows are made by the loader.
    PRIVACY_RINGS: Hash<PrivacyRingKey, PrivacyRing> = 4096;
    /// Routers' ports.
    ROUTER_INTERFACES: Hash<RouterInterfaceKey, RouterInterface> = 16_384;
    /// (router's interface, family) → the address scope.
    SCOPES: Hash<ScopeKey, Scope> = 16_384;
    /// (router, destination) → the way on.
    ROUTES: LpmTrie<RouteKey, Route> = 65_536;
    /// (external network, address) → the instance here that a floating IP leads to.
    FLOATING_IPS: Hash<FloatingIpKey, FloatingIp> = 16_384;
    /// (router's interface to an external network, an instance's address) → its floating IP.
    FLOATING_SOURCES: Hash<FloatingSourceKey, FloatingSource> = 16_384;
    /// Ports of shared addresses that this host may use.
    NAT_POOLS: Hash<NatPoolKey, NatPool> = 4096;
    /// Which other host has a block of ports of a shared address.
    NAT_OWNERS: Hash<NatOwnerKey, NatOwner> = 65_536;
    /// (external network, floating IP, protocol, port) → the instance.
    FORWARDINGS: LpmTrie<ForwardingKey, Forwarding> = 16_384;
    /// Sessions of instances here by a shared address; written by the programs.
    NAT_SESSIONS: Hash<NatSessionKey, NatSession> = 262_144;
    /// The same from outside; written by the programs.
    NAT_RETURNS: Hash<NatReturnKey, NatReturn> = 262_144;
    /// How many sessions a port has; rows are made by the loader, without a row none begins.
    NAT_COUNTS: Hash<PortKey, NatCount> = 4096;
    /// Translated packets in pieces; written by the programs.
    NAT_FRAGMENTS: LruHash<NatFragmentKey, NatFragment> = 16_384;
    /// When something was last heard of whom the node watches; rows are made by the node.
    HEARD: Hash<HeardKey, Heard> = 4096;
    /// The way to the sockets of services.
    SERVICE_LINK: Array<u32, ServiceLink> = 1;
    /// Who asks services from where; written by the programs.
    SERVICE_SESSIONS: LruHash<ServiceSessionKey, ServiceSession> = 65_536;
    /// What ports' logs say: [`LogEvent`].
    LOGS: RingBuffer<(), ()> = 1 << 20;
    /// Which packets are followed; the first [`Config::following`] rows count.
    FOLLOWS: Array<u32, Follow> = MAX_FOLLOWS as u32;
    /// Those packets: [`Followed`] and frame.
    FOLLOWED: RingBuffer<(), ()> = 1 << 18;
    /// Frames for the host's responders: [`PuntHeader`] and frame.
    PUNTS: RingBuffer<(), ()> = 1 << 20;
}
