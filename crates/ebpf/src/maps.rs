//! The maps of the object. Names, kinds and sizes are those of `hadron_pipeline::table::TABLES`.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use hadron_pipeline::Packet;
use hadron_pipeline::table::{self, *};

macro_rules! hashes {
    ($($name:ident: $map:ident<$key:ty, $value:ty>;)*) => {
        $(#[map]
        pub static $name: $map<$key, $value> = $map::with_max_entries(table::$name.size, BPF_F_NO_PREALLOC);)*
    };
}

#[map]
pub static CONFIG: Array<Config> = Array::with_max_entries(table::CONFIG.size, 0);

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
    METERS: HashMap<PortKey, Meters>;
    PORT_COUNTERS: PerCpuHashMap<PortKey, PortCounters>;
}

#[map]
pub static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(table::COUNTERS.size, 0);

#[map]
pub static PUNTS: RingBuf = RingBuf::with_byte_size(table::PUNTS.size, 0);

/// The packet under way on each CPU.
#[map]
pub static SCRATCH: PerCpuArray<Packet> = PerCpuArray::with_max_entries(1, 0);

/// A record on its way into `PUNTS`.
#[repr(C)]
pub struct Punt {
    pub header: PuntHeader,
    pub frame: [u8; PUNT_SNAPLEN],
}

#[map]
pub static PUNT_SCRATCH: PerCpuArray<Punt> = PerCpuArray::with_max_entries(1, 0);
