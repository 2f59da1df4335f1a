//! Hosts as network namespaces, joined by an underlay, with instances behind their ports. All in network 1.

use super::{chain, config, ifindex, ip};
use hadron_datapath::table::*;
use hadron_datapath::{Address, Config, Datapath, HostConfig, Mac, NetworkState, Tables, table};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::net::IpAddr;
use std::process::Command;
use std::thread;

pub const NETWORK: u32 = 1;
const VNI: u32 = 5000;

/// Runs a piece of a test in a network namespace.
pub fn within<T: Send>(namespace: &str, piece: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let file = File::open(format!("/run/netns/{namespace}")).expect(namespace);
            setns(file, CloneFlags::CLONE_NEWNET).expect("setns");
            piece()
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A host with its agent's packet path.
pub struct Host {
    pub namespace: String,
    pub number: u32,
    underlay: IpAddr,
    pub config: Config,
    /// None while no agent runs.
    pub datapath: Option<Datapath>,
}

/// An instance: a namespace, behind interface `tap<port>` of its host.
#[derive(Clone, Copy)]
pub struct Instance {
    pub port: u32,
    pub host: u32,
    pub ifindex: u32,
}

impl Instance {
    pub fn mac(self) -> Mac {
        Mac([2, 0, 0, 0, 0, self.port as u8])
    }

    pub fn v4(self) -> String {
        format!("10.0.0.{}", self.port)
    }

    pub fn v6(self) -> String {
        format!("2001:db8::{:x}", self.port)
    }

    fn addresses(self) -> [Address; 3] {
        let mut v6 = [0; 16];
        v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        v6[15] = self.port as u8;
        [Address::v4([10, 0, 0, self.port as u8]), Address(v6), self.mac().link_local()]
    }
}

fn address(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(ip) => Address::v4(ip.octets()),
        IpAddr::V6(ip) => Address(ip.octets()),
    }
}

/// The policy of every instance: it allows everything both ways.
const POLICY: u32 = 1;

fn allow_all(tables: &Tables, policy: u32) {
    for direction in [direction::EGRESS, direction::INGRESS] {
        let families = [(family::IPV4, Address::UNSPECIFIED_V4, 96), (family::IPV6, Address::UNSPECIFIED, 0)];
        for (family, address, length) in families {
            let class = 1 << 31 | u32::from(family);
            let key = RuleKey {
                prefix_len: RuleKey::FAMILY,
                policy,
                direction,
                source: class,
                family,
                protocol: 0,
                port: [0; 2],
            };
            tables.rules.put(&key, &Rule { rule: 1, flags: 0 }).expect("rule");
            let key = ClassKey::new(policy, direction, address, length);
            tables.classes.put(&key, &Class { class }).expect("class");
        }
        let row = Policy { generation: 1, set_count: 0 };
        tables.policies.put(&PolicyKey { policy, direction }, &row).expect("policy");
    }
}

impl Host {
    fn new(test: &str, number: u32, underlay: IpAddr) -> Host {
        let namespace = format!("{test}{number}");
        let prefix = if underlay.is_ipv6() { "64 nodad" } else { "24" };
        ip(&format!("-n {namespace} addr add dev under {underlay}/{prefix}"));
        ip(&format!("-n {namespace} link set under addrgenmode none up"));
        ip(&format!("-n {namespace} link add over type vxlan external dstport 4789 nolearning"));
        ip(&format!("-n {namespace} link set over addrgenmode none up"));
        let overlay_ifindex = within(&namespace, || ifindex("over"));
        let overlay_mtu = if underlay.is_ipv6() { 1430 } else { 1450 };
        let timeouts = timeout::DEFAULTS;
        let host = HostConfig { host: number, underlay, overlay_ifindex, overlay_mtu, timeouts };
        let config = Config { host, ..config(&namespace) };
        let mut host = Host { namespace, number, underlay, config, datapath: None };
        host.start_agent();
        host
    }

    /// Opens the packet path, as an agent does that starts.
    pub fn start_agent(&mut self) {
        let open = || {
            let datapath =
                Datapath::open(self.config.clone()).unwrap_or_else(|error| panic!("{}", chain(&error)));
            datapath.attach_overlay(self.config.host.overlay_ifindex).expect("overlay");
            datapath
        };
        self.datapath = Some(within(&self.namespace, open));
    }

    pub fn datapath(&self) -> &Datapath {
        self.datapath.as_ref().expect("the agent runs")
    }

    /// The rows of the network, and of those who are in it.
    pub fn write_rows(&self, hosts: &[Host], instances: &[Instance]) {
        let tables = self.datapath().tables();
        allow_all(tables, POLICY);
        let state = NetworkState { vni: VNI, flags: network_flag::DHCP4, ..NetworkState::default() };
        tables.networks.put(NETWORK, state).expect("network");
        tables.vnis.put(&VniKey { vni: VNI }, &Vni { network: NETWORK }).expect("VNI");
        for host in hosts.iter().filter(|host| host.number != self.number) {
            let vtep = address(host.underlay);
            tables.hosts.put(&HostKey { host: host.number }, &table::Host { vtep }).expect("host");
            let key = VtepKey { vni: VNI, address: vtep };
            tables.vteps.put(&key, &Vtep { host: host.number }).expect("VTEP");
            let target = FloodTarget { kind: target::HOST, id: host.number };
            tables.networks.add_target(NETWORK, target).expect("flood list");
        }
        instances.iter().for_each(|instance| self.write_instance(*instance));
    }

    fn write_instance(&self, instance: Instance) {
        let tables = self.datapath().tables();
        let Instance { port, ifindex, .. } = instance;
        let is_here = instance.host == self.number;
        let (kind, id) = if is_here { (target::PORT, port) } else { (target::HOST, instance.host) };
        if is_here {
            tables.ensure_port_state(port).expect("state");
            for address in instance.addresses() {
                let key = AllowedKey::new(port, instance.mac(), address);
                tables.allowed.put(&key, &Allowed { reserved: 0 }).expect("allowed");
            }
            let none = Limit::default();
            let row = Port {
                network: NETWORK,
                ifindex,
                mac: instance.mac(),
                flags: port_flag::PORT_SECURITY | if port.is_multiple_of(2) { port_flag::PAIR } else { 0 },
                punt_limit: none,
                miss_limit: none,
                flood_limit: none,
                policy: POLICY,
                connection_limit: 1000,
                log_limit: none,
                error_limit: none,
            };
            tables.ports.put(&PortKey { port }, &row).expect("port");
            let target = FloodTarget { kind: target::PORT, id: port };
            tables.networks.add_target(NETWORK, target).expect("flood list");
            tables.interfaces.put(&InterfaceKey { ifindex }, &Interface { port }).expect("interface");
        }
        tables.fdb.put(&FdbKey::new(NETWORK, instance.mac()), &FdbEntry { kind, id }).expect("FDB");
        for address in instance.addresses() {
            let row = Neighbour { mac: instance.mac(), kind: neighbour_kind::INSTANCE };
            tables.neighbours.put(&NeighbourKey { network: NETWORK, address }, &row).expect("neighbour");
        }
    }
}

/// Two hosts.
pub struct Cloud {
    pub hosts: [Host; 2],
    pub instances: Vec<Instance>,
    test: String,
}

impl Cloud {
    /// Two hosts without instances. `test` sets the names of one test apart from those of another.
    pub fn new(test: &str, is_v6: bool) -> Cloud {
        for number in [1, 2] {
            ip(&format!("netns add {test}{number}"));
            ip(&format!("-n {test}{number} link set lo up"));
        }
        ip(&format!("-n {test}1 link add under type veth peer name under netns {test}2"));
        let underlay = |number: u8| -> IpAddr {
            if is_v6 { [0xfd00, 0, 0, 0, 0, 0, 0, number.into()].into() } else { [192, 0, 2, number].into() }
        };
        let hosts = [1, 2].map(|number| Host::new(test, number.into(), underlay(number)));
        Cloud { hosts, instances: Vec::new(), test: test.into() }
    }

    /// Adds an instance, wires it, and tells every host.
    pub fn add(&mut self, port: u32, host: u32) -> Instance {
        let home = &self.hosts[host as usize - 1];
        let namespace = home.namespace.clone();
        let inside = format!("{}i{port}", self.test);
        ip(&format!("netns add {inside}"));
        ip(&format!("-n {namespace} link add tap{port} type veth peer name eth0 netns {inside}"));
        ip(&format!("-n {namespace} link set tap{port} addrgenmode none up"));
        let ifindex = within(&namespace, || ifindex(&format!("tap{port}")));
        let instance = Instance { port, host, ifindex };
        let mtu = home.config.host.overlay_mtu;
        ip(&format!("-n {inside} link set eth0 address {} mtu {mtu} up", instance.mac()));
        ip(&format!("-n {inside} addr add {}/24 dev eth0", instance.v4()));
        ip(&format!("-n {inside} addr add {}/64 dev eth0 nodad", instance.v6()));
        within(&namespace, || home.datapath().attach_port(ifindex, port)).expect("attached");
        self.instances.push(instance);
        self.write_rows();
        instance
    }

    /// Writes all rows on all hosts whose agent runs.
    pub fn write_rows(&self) {
        for host in self.hosts.iter().filter(|host| host.datapath.is_some()) {
            host.write_rows(&self.hosts, &self.instances);
        }
    }

    /// The namespace of an instance.
    pub fn inside(&self, instance: Instance) -> String {
        format!("{}i{}", self.test, instance.port)
    }

    /// Pings at a short interval; returns how many of `count` were not answered.
    pub fn lost(&self, from: Instance, to: &str, count: u32) -> u32 {
        let arguments = format!("netns exec {} ping -n -q -W 2 -i 0.01 -c {count} {to}", self.inside(from));
        let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("ping");
        let text = String::from_utf8_lossy(&output.stdout);
        let received = text.split(", ").find_map(|part| part.strip_suffix(" received"));
        let received: u32 =
            received.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"));
        count - received
    }
}
