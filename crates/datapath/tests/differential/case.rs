//! A random host: a few ports in a few networks, known and unknown neighbours, and now and then a row that leads nowhere.

use super::follows;
use super::policies::Policies;
use super::questions;
use super::random::Random;
use super::routers::Routers;
use hadron_datapath::table::*;
use hadron_datapath::{Address, Mac, NetworkState};
use std::collections::{BTreeMap, BTreeSet};

/// The interfaces of the bench.
#[derive(Clone)]
pub struct Interfaces {
    /// Of instances; the last one is down.
    pub ports: Vec<u32>,
    pub overlay: u32,
}

/// The tables, and what packets are made of.
pub struct World {
    pub config: Config,
    pub interfaces: BTreeMap<InterfaceKey, Interface>,
    pub ports: BTreeMap<PortKey, Port>,
    pub states: BTreeSet<u32>,
    pub allowed: BTreeSet<AllowedKey>,
    pub networks: BTreeMap<u32, NetworkState>,
    pub segments: BTreeMap<SegmentKey, Segment>,
    pub flood: BTreeSet<(u32, FloodTarget)>,
    pub fdb: BTreeMap<FdbKey, FdbEntry>,
    pub privacy_prefixes: BTreeSet<PrivacyPrefixKey>,
    pub allowed_prefixes: BTreeSet<AllowedPrefixKey>,
    pub policies: Policies,
    pub neighbours: BTreeMap<NeighbourKey, Neighbour>,
    pub hosts: BTreeMap<HostKey, Host>,
    pub vnis: BTreeMap<VniKey, Vni>,
    pub vteps: BTreeMap<VtepKey, Vtep>,
    pub routers: Routers,
    pub service_link: ServiceLink,
    /// The interface to physical networks.
    pub provider: u32,
    pub all_interfaces: Vec<u32>,
    pub macs: Vec<Mac>,
    pub addresses_v4: Vec<Address>,
    pub addresses_v6: Vec<Address>,
    /// Addresses that ports may choose.
    pub free_v6: Vec<Address>,
    is_underlay_v6: bool,
    /// Rows of `FOLLOWS`.
    pub follows: Vec<Option<Follow>>,
}

impl World {
    /// All hosts and addresses, in every other network.
    pub fn watched(&self) -> BTreeMap<HeardKey, Heard> {
        let addresses = self.hosts.values().map(|host| host.vtep).chain(self.addresses_v4.iter().copied());
        let keys = addresses
            .flat_map(|address| (1..=NETWORKS).step_by(2).map(move |network| HeardKey { network, address }));
        keys.map(|key| (key, Heard::default())).collect()
    }
}

const NETWORKS: u32 = 3;
const HOSTS: u32 = 3;
/// No time passes for such a limit while a case runs.
const SLOW: u32 = u32::MAX;

pub const SERVICE_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xfe]);

fn port_mac(port: u32) -> Mac {
    Mac([2, 0, 0, 0, 0, port as u8])
}

/// The MAC of an instance on another host.
pub fn elsewhere(random: &mut Random) -> Mac {
    port_mac(8 + random.below(HOSTS as usize) as u32)
}

pub fn v4(last: u8) -> Address {
    Address::v4([10, 0, 0, last])
}

pub fn v6(last: u8) -> Address {
    Address([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
}

fn vtep(host: u32, is_v6: bool) -> Address {
    if is_v6 {
        Address([0x20, 1, 0xd, 0xb8, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, host as u8])
    } else {
        Address::v4([192, 0, 2, host as u8])
    }
}

fn vni_of(network: u32) -> u32 {
    if network == NETWORKS { 0 } else { 0x00ab_cd00 + network }
}

/// Which of the instances' interfaces leads to physical networks too.
const PROVIDER: usize = 4;

/// The first network's frames are untagged.
fn vlan_of(network: u32) -> u32 {
    network - 1
}

/// A host with the interfaces of the bench.
pub fn world(random: &mut Random, interfaces: &Interfaces) -> World {
    let is_underlay_v6 = random.one_in(3);
    let mut world = World {
        config: Config {
            layout_version: if random.one_in(100) { LAYOUT_VERSION + 1 } else { LAYOUT_VERSION },
            host: 1,
            overlay_ifindex: if random.one_in(10) { 0 } else { interfaces.overlay },
            overlay_mtu: random.pick(&[1450, 1430, 100]),
            underlay: vtep(1, is_underlay_v6),
            // Longer than any case.
            timeouts: timeout::DEFAULTS.map(|seconds| 100 * seconds),
            following: 0,
        },
        interfaces: BTreeMap::new(),
        ports: BTreeMap::new(),
        states: BTreeSet::new(),
        allowed: BTreeSet::new(),
        networks: BTreeMap::new(),
        segments: BTreeMap::new(),
        flood: BTreeSet::new(),
        fdb: BTreeMap::new(),
        allowed_prefixes: BTreeSet::new(),
        privacy_prefixes: BTreeSet::new(),
        policies: Policies::default(),
        neighbours: BTreeMap::new(),
        hosts: BTreeMap::new(),
        vnis: BTreeMap::new(),
        vteps: BTreeMap::new(),
        routers: Routers::default(),
        service_link: questions::link(random, &interfaces.ports),
        provider: interfaces.ports[PROVIDER],
        all_interfaces: interfaces.ports.iter().copied().chain([interfaces.overlay]).collect(),
        macs: (1..=12).map(port_mac).chain([SERVICE_MAC]).collect(),
        addresses_v4: (1..=14).map(v4).collect(),
        addresses_v6: (1..=14).map(v6).collect(),
        free_v6: (0xc1..=0xc4).map(v6).collect(),
        is_underlay_v6,
        follows: follows::any(random, &interfaces.ports),
    };
    world.config.following = if random.one_in(10) { 0 } else { world.follows.len() as u32 };
    world.policies = Policies::any(random, &world.addresses_v4, &world.addresses_v6);
    world.add_networks(random);
    for (index, ifindex) in interfaces.ports.iter().enumerate() {
        world.add_port(random, index as u32 + 1, *ifindex);
    }
    world.add_elsewhere(random);
    world.add_routers(random);
    world.lose_rows(random);
    world
}

impl World {
    fn add_networks(&mut self, random: &mut Random) {
        // What is charged to no port.
        self.states.insert(0);
        for network in 1..=NETWORKS {
            let dhcp = if random.one_in(4) { 0 } else { network_flag::DHCP4 };
            let asked = if network % 2 == 0 { network_flag::DHCP6 | network_flag::ADVERTISED } else { 0 };
            let flags = dhcp | asked | if random.one_in(2) { 0 } else { network_flag::UNLISTED };
            let flags = flags
                | random.pick(&[
                    0,
                    0,
                    network_flag::NO_UPSTREAM,
                    network_flag::TRANSIT,
                    network_flag::TRANSIT,
                ]);
            let mut state = NetworkState { vni: vni_of(network), flags, ..NetworkState::default() };
            if random.one_in(3) {
                (state.provider, state.vlan) = (self.provider, vlan_of(network));
                let key = SegmentKey { ifindex: self.provider, vlan: state.vlan };
                self.segments.insert(key, Segment { network });
                self.flood.insert((network, FloodTarget { kind: target::PROVIDER, id: 0 }));
            }
            self.networks.insert(network, state);
            if vni_of(network) != 0 {
                self.vnis.insert(VniKey { vni: vni_of(network) }, Vni { network });
            }
            self.fdb.insert(FdbKey::new(network, SERVICE_MAC), FdbEntry { kind: target::SERVICE, id: 0 });
            if random.one_in(2) {
                self.privacy_prefixes.insert(PrivacyPrefixKey::new(network, v6(0), 64));
            }
            let kind = neighbour_kind::SERVICE;
            for address in [v4(14), v6(14)] {
                let key = NeighbourKey { network, address };
                self.neighbours.insert(key, Neighbour { mac: SERVICE_MAC, kind });
            }
        }
    }

    fn add_port(&mut self, random: &mut Random, port: u32, ifindex: u32) {
        // Most in one network, so that there is somebody to talk to.
        let network = random.pick(&[1, 1, 1, 1, 2, 3]);
        let mut flags = if random.one_in(3) { 0 } else { port_flag::PORT_SECURITY };
        flags |= if random.one_in(2) { port_flag::ALLOWED_PREFIXES } else { 0 };
        flags |= if random.one_in(20) { port_flag::DISABLED } else { 0 };
        for flag in
            [port_flag::ACCEPT_UNKNOWN, port_flag::PRIVACY, port_flag::LOG_ACCEPTED, port_flag::LOG_DROPPED]
        {
            flags |= if random.one_in(2) { flag } else { 0 };
        }
        let limit = |random: &mut Random| {
            let interval = if random.one_in(2) { 0 } else { SLOW };
            Limit { interval, burst: random.below(200) as u32 }
        };
        let row = Port {
            network,
            ifindex,
            mac: port_mac(port),
            flags,
            punt_limit: limit(random),
            miss_limit: limit(random),
            flood_limit: limit(random),
            policy: random.pick(&[1, 2, 3, 4]),
            connection_limit: random.pick(&[1000, 1000, 12, 4]),
            log_limit: limit(random),
            error_limit: limit(random),
        };
        self.ports.insert(PortKey { port }, row);
        self.states.insert(port);
        self.interfaces.insert(InterfaceKey { ifindex }, Interface { port });
        self.allowed.insert(AllowedKey::new(port, row.mac, v4(port as u8)));
        self.allowed.insert(AllowedKey::new(port, row.mac, v6(port as u8)));
        if random.one_in(4) {
            self.allowed.insert(AllowedKey::new(port, port_mac(12), v4(12)));
        }
        if random.one_in(3) {
            let key = AllowedPrefixKey::new(port, row.mac, v4(8), 125);
            self.allowed_prefixes.insert(key);
        }
        self.locate(network, port, FdbEntry { kind: target::PORT, id: port });
        self.flood.insert((network, FloodTarget { kind: target::PORT, id: port }));
    }

    /// A MAC with an address of each family, and where it is.
    fn locate(&mut self, network: u32, number: u32, at: FdbEntry) {
        let mac = port_mac(number);
        self.fdb.insert(FdbKey::new(network, mac), at);
        for address in [v4(number as u8), v6(number as u8), mac.link_local()] {
            let kind = neighbour_kind::INSTANCE;
            self.neighbours.insert(NeighbourKey { network, address }, Neighbour { mac, kind });
        }
    }

    fn add_elsewhere(&mut self, random: &mut Random) {
        for host in 2..2 + HOSTS {
            self.hosts.insert(HostKey { host }, Host { vtep: vtep(host, self.is_underlay_v6) });
            for network in 1..=NETWORKS {
                if random.one_in(5) {
                    continue;
                }
                self.flood.insert((network, FloodTarget { kind: target::HOST, id: host }));
                let key = VtepKey { vni: vni_of(network), address: vtep(host, self.is_underlay_v6) };
                self.vteps.insert(key, Vtep { host });
                self.locate(network, 6 + host, FdbEntry { kind: target::HOST, id: host });
            }
        }
        // Members and entries that lead to nobody, to a port in another network, or nowhere that a program knows.
        for _ in 0..random.below(4) {
            let entry = FdbEntry { kind: random.below(7) as u32, id: random.below(9) as u32 };
            self.fdb.insert(FdbKey::new(1, random.pick(&self.macs)), entry);
            self.flood.insert((1, FloodTarget { kind: random.below(6) as u32, id: random.below(9) as u32 }));
        }
    }

    /// Rows that have not come yet, or went first.
    fn lose_rows(&mut self, random: &mut Random) {
        fn lose<K, V>(rows: &mut BTreeMap<K, V>, random: &mut Random, times: usize)
        where
            K: Copy + Ord,
        {
            rows.retain(|_, _| !random.one_in(times));
        }
        lose(&mut self.interfaces, random, 30);
        lose(&mut self.ports, random, 30);
        lose(&mut self.networks, random, 30);
        lose(&mut self.fdb, random, 20);
        lose(&mut self.neighbours, random, 10);
        lose(&mut self.hosts, random, 20);
        lose(&mut self.vnis, random, 20);
        lose(&mut self.vteps, random, 20);
        lose(&mut self.segments, random, 20);
        lose(&mut self.routers.interfaces, random, 30);
        lose(&mut self.routers.routes, random, 30);
        lose(&mut self.routers.floating_ips, random, 30);
        lose(&mut self.routers.floating_sources, random, 30);
        self.states.retain(|_| !random.one_in(30));
        self.allowed.retain(|_| !random.one_in(20));
    }

    /// An interface that a packet comes in by, and the MAC behind it.
    pub fn interface(&self, random: &mut Random) -> (u32, Mac) {
        let index = if random.one_in(40) {
            self.all_interfaces.len() - 1
        } else {
            random.below(self.all_interfaces.len() - 1)
        };
        (self.all_interfaces[index], port_mac(index as u32 + 1))
    }

    /// The interface of the instance here that has the frame's source MAC.
    pub fn interface_of(&self, frame: &[u8]) -> Option<u32> {
        let instances = &self.all_interfaces[..self.all_interfaces.len() - 1];
        instances.get(usize::from(frame[11]).checked_sub(1)?).copied()
    }

    /// The VLAN of a packet from a physical network.
    pub fn vlan(&self, random: &mut Random) -> u32 {
        random.pick(&[0, 0, 0, 0, 1, 1, 2, 3])
    }

    /// VNI and outer source of a packet from the overlay.
    pub fn tunnel_source(&self, random: &mut Random) -> (u32, Address) {
        let network = random.pick(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4]);
        (vni_of(network), vtep(random.pick(&[2, 2, 2, 3, 3, 3, 4, 4, 4, 9]), self.is_underlay_v6))
    }
}
