//! What a packet costs in the packet path, by `BPF_PROG_TEST_RUN`: a UDP packet between two ports of one host, and one from the
//! overlay. `cargo bench -p hadron-datapath --bench cost`, as root. Caches are warm: read the differences.
//!
//! A new connection is one whose row has expired at once: it is looked for, judged by the rules, and written, each time.

#[path = "../tests/support/mod.rs"]
mod support;

use hadron_datapath::table::*;
use hadron_datapath::{Address, Datapath, Mac, NetworkState, Sizes};
use std::os::fd::{AsFd, OwnedFd};
use support::program::{self, Input, Output};

const ROUNDS: usize = 9;
const TIMES: u32 = 200_000;
const VNI: u32 = 5000;
const ELSEWHERE: Address = Address::v4([192, 0, 2, 2]);

fn main() {
    support::isolate();
    cost();
}

struct Bench {
    datapath: Datapath,
    from_port: OwnedFd,
    from_overlay: OwnedFd,
    ifindex: u32,
}

fn cost() {
    let bench = Bench::new();
    println!("\n| path | ns |\n|---|---|");
    let show = |what: &str, pair: [u32; 2]| {
        println!("| {what}, port to port | {} |\n| {what}, from the overlay | {} |", pair[0], pair[1]);
    };
    bench.load(10, 10, 0, timeout::DEFAULTS);
    show("port security off", bench.measure());
    bench.load(10, 10, port_flag::PORT_SECURITY, timeout::DEFAULTS);
    show("established connection", bench.measure());
    for (rules, members) in [(10, 10), (1000, 10), (10, 10_000), (1000, 10_000)] {
        bench.load(rules, members, port_flag::PORT_SECURITY, [0; timeout::SLOTS]);
        show(&format!("new connection, {rules} rules, {members} members"), bench.measure());
    }
    bench.load(10, 10, port_flag::PORT_SECURITY | port_flag::LOG_ACCEPTED, [0; timeout::SLOTS]);
    show("new connection, beyond its log's limit", bench.measure());
}

fn v4(port: u32) -> Address {
    Address::v4([10, 0, 0, port as u8])
}

fn mac(port: u32) -> Mac {
    Mac([2, 0, 0, 0, 0, port as u8])
}

impl Bench {
    fn new() -> Bench {
        let ifindex = support::interface("cost0");
        support::ip("link add over type vxlan external dstport 4789 nolearning");
        let sizes = Sizes::host().with(&CONNECTIONS, 65_536);
        let mut config = hadron_datapath::Config { sizes, ..support::config("cost") };
        config.host.overlay_ifindex = support::ifindex("over");
        let datapath = Datapath::open(config).expect("packet path");
        let program = |name| datapath.load_program(name).expect(name);
        let (from_port, from_overlay) = (program("from_port"), program("from_overlay_test"));
        Bench { datapath, from_port, from_overlay, ifindex }
    }

    /// Ports 1 and 2 here and 3 elsewhere, under one policy.
    fn load(&self, rules: u32, members: u32, flags: u16, timeouts: [u32; timeout::SLOTS]) {
        let tables = self.datapath.tables();
        let host = hadron_datapath::HostConfig { timeouts, ..support::config("cost").host };
        self.datapath.configure(&host).expect("host");
        tables.networks.put(1, NetworkState { vni: VNI, ..NetworkState::default() }).expect("network");
        tables.vnis.put(&VniKey { vni: VNI }, &Vni { network: 1 }).expect("VNI");
        tables.vteps.put(&VtepKey { vni: VNI, address: ELSEWHERE }, &Vtep { host: 2 }).expect("VTEP");
        for port in [1, 2] {
            tables.ensure_port_state(port).expect("state");
            let slow = Limit { interval: u32::MAX, burst: 1 };
            let ifindex = if port == 1 { self.ifindex } else { self.ifindex + 1000 };
            let row = Port {
                network: 1,
                ifindex,
                mac: mac(port),
                flags,
                policy: 1,
                connection_limit: 1000,
                log_limit: slow,
                ..Port::default()
            };
            tables.ports.put(&PortKey { port }, &row).expect("port");
            let key = AllowedKey::new(port, mac(port), v4(port));
            tables.allowed.put(&key, &Allowed { reserved: 0 }).expect("allowed");
            tables.interfaces.put(&InterfaceKey { ifindex }, &Interface { port }).expect("interface");
            let entry = FdbEntry { kind: target::PORT, id: port };
            tables.fdb.put(&FdbKey::new(1, mac(port)), &entry).expect("FDB");
        }
        for (key, _) in tables.connections.dump().expect("connections") {
            tables.connections.remove(&key).expect("connection");
        }
        self.load_policy(rules, members);
    }

    /// Half of the rules are for prefixes, half for a group that everybody is in; the one that allows the packet is of the group.
    fn load_policy(&self, rules: u32, members: u32) {
        let tables = self.datapath.tables();
        for (key, _) in tables.rules.dump().expect("rules") {
            tables.rules.remove(&key).expect("rule");
        }
        for (key, _) in tables.members.dump().expect("members") {
            tables.members.remove(&key).expect("member");
        }
        let set = 7;
        for direction in [direction::EGRESS, direction::INGRESS] {
            for number in 0..rules {
                let class = 1 << 31 | number;
                let prefix = Address::v4([172, 16, (number >> 8) as u8, number as u8]);
                let key = ClassKey::new(1, direction, prefix, 128);
                tables.classes.put(&key, &Class { class }).expect("class");
                let source = if number < rules / 2 { class } else { set };
                let port = if number == rules - 1 { 53 } else { 1000 + number as u16 };
                let key = RuleKey {
                    prefix_len: RuleKey::PORT,
                    policy: 1,
                    direction,
                    source,
                    family: family::IPV4,
                    protocol: 17,
                    port: port.to_be_bytes(),
                };
                tables.rules.put(&key, &Rule { rule: number + 1, flags: 0 }).expect("rule");
            }
            let key = PolicySetKey { policy: 1, direction, slot: 0 };
            let flags = set_flag::HAS_ADDRESSES;
            tables.policy_sets.put(&key, &PolicySet { set, flags }).expect("set");
            tables.put_policy(&PolicyKey { policy: 1, direction }, 1).expect("policy");
        }
        for number in 1..=members {
            let address = Address::v4([10, 0, (number >> 8) as u8, number as u8]);
            tables.members.put(&MemberKey { set, address }, &Member::default()).expect("member");
        }
    }

    /// Nanoseconds from port to port, and from the overlay: medians.
    fn measure(&self) -> [u32; 2] {
        let mut output = Output::new();
        let here = packet(1, 2);
        let input = Input { frame: &here, ifindex: self.ifindex, cb: [0; 5], gso_size: 0 };
        let local = median(|| {
            let ns = program::repeat(self.from_port.as_fd(), &input, &mut output, TIMES).expect("run");
            assert_eq!(output.cb[..2], [2, 2], "delivered to port 2");
            ns
        });
        let mut cb = [VNI, 0, 0, 0, 0];
        for (word, bytes) in cb[1..].iter_mut().zip(ELSEWHERE.0.chunks_exact(4)) {
            *word = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let there = packet(3, 2);
        let input = Input { frame: &there, ifindex: self.ifindex, cb, gso_size: 0 };
        let remote = median(|| self.run_from_overlay(&input, &mut output));
        [local, remote]
    }

    /// The verdict takes the place of the tunnel key, so that a packet runs only once.
    fn run_from_overlay(&self, input: &Input<'_>, output: &mut Output) -> u32 {
        let mut runs: Vec<u32> = (0..TIMES / 20)
            .map(|_| program::repeat(self.from_overlay.as_fd(), input, output, 1).expect("run"))
            .collect();
        assert_eq!(output.cb[..2], [2, 2], "delivered to port 2");
        let middle = runs.len() / 2;
        *runs.select_nth_unstable(middle).1
    }
}

fn median(mut measure: impl FnMut() -> u32) -> u32 {
    let mut rounds: Vec<u32> = (0..ROUNDS).map(|_| measure()).collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2]
}

/// A UDP packet to port 53 of an instance.
fn packet(from: u32, to: u32) -> Vec<u8> {
    let mut frame = [&mac(to).0[..], &mac(from).0, &[8, 0]].concat();
    frame.extend([0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, from as u8, 10, 0, 0, to as u8]);
    frame.extend([0x9c, 0x40, 0, 53, 0, 16, 0, 0]);
    frame.extend([0x5a; 8]);
    frame
}
