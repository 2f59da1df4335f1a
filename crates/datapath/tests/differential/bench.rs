//! The two builds side by side: a host in the kernel, and one in memory that believes what the kernel holds.

use super::capture::{Capture, Left};
use super::case::Interfaces;
use super::questions;
use super::random::Random;
use crate::support;
use crate::support::program::{self as test_run, Input};
use hadron_datapath::drop::DropReason;
use hadron_datapath::table::*;
use hadron_datapath::{Address, Datapath, FollowedPacket, Punt, Records, Totals};
use hadron_pipeline::host::trace::{Door, Snapshot};
use hadron_pipeline::host::{Frame, Node, Outcome, Output};
use hadron_pipeline::{VerdictKind, program};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

const REDIRECT: u32 = 7;
const SHOT: u32 = 2;
const NEXT: u32 = u32::MAX;
/// Verdicts of packets that are redirected.
const LEAVES: [VerdictKind; 5] = [
    VerdictKind::Deliver,
    VerdictKind::Answer,
    VerdictKind::Tunnel,
    VerdictKind::Provider,
    VerdictKind::Serve,
];
/// One of so many packets is traced before it is sent.
const TRACED_EVERY: u64 = 7;
/// How far the model's clock may be behind, nanoseconds.
const MOMENT: u64 = 1_000_000;
/// Instances' interfaces, one of which is down.
const PORTS: usize = 6;

/// A host in the kernel and its model.
pub struct Bench {
    pub(super) datapath: Datapath,
    pub(super) from_port: OwnedFd,
    pub(super) from_overlay: OwnedFd,
    pub(super) from_provider: OwnedFd,
    pub(super) from_services: OwnedFd,
    pub(super) interfaces: Interfaces,
    pub(super) node: Node,
    pub(super) capture: Capture,
    pub(super) punts: Records<Punt>,
    pub(super) logs: Records<LogEvent>,
    pub(super) followed: Records<FollowedPacket>,
    pub(super) runtime: tokio::runtime::Runtime,
    pub(super) output: test_run::Output,
    /// When the case began, by the programs' clock.
    pub(super) began: u64,
    pub(super) was_held_up: bool,
    pub(super) before: Totals,
    pub(super) verdicts: BTreeMap<u32, u64>,
    pub(super) drops: BTreeMap<DropReason, u64>,
    pub(super) connections: BTreeMap<u8, u64>,
    pub(super) events: [u64; 2],
    pub(super) learned: [u64; 3],
    /// Who was heard, and probes that were answered.
    pub(super) heard: [u64; 2],
    pub(super) untracked: u64,
    pub(super) sessions: u64,
    /// Packets that were followed, by door, and that should have been.
    pub(super) told: [u64; 3],
    pub(super) lost: u64,
    pub(super) routed: Routed,
    sent: u64,
    traced: u64,
}

/// What routers did.
#[derive(Default, Debug)]
pub(super) struct Routed {
    forwarded: u64,
    answered: u64,
    refused: u64,
    /// Source, destination, both: of the packets that went on.
    translated: [u64; 3],
}

impl Bench {
    pub fn new() -> Bench {
        let underlay = support::interface("under");
        support::ip("addr add 192.0.2.1/24 dev under");
        support::ip("addr add 2001:db8:ff::1/64 dev under nodad");
        support::ip("link add over type vxlan external dstport 4789 nolearning");
        support::ip("link set over addrgenmode none arp off mtu 9000 up");
        let ports: Vec<u32> = (1..=PORTS).map(|port| support::interface(&format!("port{port}"))).collect();
        support::ip(&format!("link set port{PORTS} down"));
        let interfaces = Interfaces { ports, overlay: support::ifindex("over") };
        let datapath = support::open("differential");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let rings = async {
            Ok::<_, hadron_datapath::Error>((datapath.punts()?, datapath.logs()?, datapath.followed()?))
        };
        let (punts, logs, followed) = runtime.block_on(rings).expect("ring buffers");
        Bench {
            from_port: datapath.load_program("from_port").expect("from_port"),
            from_overlay: datapath.load_program("from_overlay_test").expect("from_overlay_test"),
            from_provider: datapath.load_program("from_provider_test").expect("from_provider_test"),
            from_services: datapath.load_program("from_services").expect("from_services"),
            before: datapath.tables().totals().expect("counters"),
            datapath,
            node: Node::new(Default::default()),
            capture: Capture::new(underlay, interfaces.overlay),
            interfaces,
            punts,
            logs,
            followed,
            runtime,
            output: test_run::Output::new(),
            began: 0,
            was_held_up: false,
            verdicts: BTreeMap::new(),
            drops: BTreeMap::new(),
            connections: BTreeMap::new(),
            events: [0; 2],
            learned: [0; 3],
            heard: [0; 2],
            untracked: 0,
            sessions: 0,
            told: [0; 3],
            lost: 0,
            routed: Routed::default(),
            sent: 0,
            traced: 0,
        }
    }

    pub fn interfaces(&self) -> &Interfaces {
        &self.interfaces
    }

    /// Whether there was so much time between a packet's ways through model and kernel that their clocks may have told different things.
    pub fn was_held_up(&self) -> bool {
        self.was_held_up
    }

    /// What a case that was given up has left.
    pub fn forget_outputs(&mut self) {
        while self.capture.next().is_some() {}
        let Bench { punts, logs, followed, runtime, .. } = self;
        let soon = Duration::from_secs(1);
        runtime.block_on(async {
            while tokio::time::timeout(soon, punts.next()).await.is_ok() {}
            while tokio::time::timeout(soon, logs.next()).await.is_ok() {}
            while tokio::time::timeout(soon, followed.next()).await.is_ok() {}
        });
    }

    /// The model's clock says what the kernel's will say in a moment.
    fn keep_time(&mut self) {
        self.node.now = test_run::monotonic();
    }

    /// After a longer moment the model takes over where the kernel's rate limits stand.
    fn catch_up(&mut self) {
        if test_run::monotonic() - self.node.now < MOMENT {
            return;
        }
        self.was_held_up = true;
        for (key, meters) in &mut self.node.tables.meters {
            *meters = self.datapath.tables().meters(key.port).expect("meters").expect("meters");
        }
    }

    /// An instance's packet through both.
    pub fn port_sends(&mut self, ifindex: u32, bytes: &[u8], gso_size: u32) {
        self.keep_time();
        let frame = |gso_size| Frame { bytes: bytes.to_vec(), gso_size, ..Frame::default() };
        // What is only said to be a GSO frame can't be segmented, so it isn't copied.
        let would_copy = gso_size != 0 && {
            let outcome = self.node.clone().from_port(ifindex, frame(gso_size));
            outcome.verdict.kind == VerdictKind::Flood as u32
        };
        let gso_size = if would_copy { 0 } else { gso_size };
        self.compare_trace(Door::Port { ifindex }, &frame(gso_size));
        let expected = self.node.from_port(ifindex, frame(gso_size));
        let input = Input { frame: bytes, ifindex, cb: [0; 5], gso_size };
        self.compare(program::FROM_PORT, &input, &expected);
        self.hold_addresses();
    }

    /// A packet from the overlay through both.
    pub fn overlay_brings(&mut self, vni: u32, source: Address, bytes: &[u8]) {
        self.keep_time();
        self.compare_trace(Door::Overlay { vni, source }, &bytes.to_vec().into());
        let expected = self.node.from_overlay(vni, source, bytes.to_vec());
        let mut cb = [vni, 0, 0, 0, 0];
        for (word, bytes) in cb[1..].iter_mut().zip(source.0.chunks_exact(4)) {
            *word = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let input = Input { frame: bytes, ifindex: self.interfaces.overlay, cb, gso_size: 0 };
        self.compare(program::FROM_OVERLAY_TEST, &input, &expected);
    }

    /// A packet from a physical network through both.
    pub fn provider_brings(&mut self, ifindex: u32, vlan: u32, bytes: &[u8]) {
        self.keep_time();
        let tag = (vlan != 0).then_some(vlan as u16);
        let frame = Frame { bytes: bytes.to_vec(), vlan: tag, ..Frame::default() };
        self.compare_trace(Door::Provider { ifindex }, &frame);
        let expected = self.node.from_provider(ifindex, frame);
        let input = Input { frame: bytes, ifindex, cb: [vlan, 0, 0, 0, 0], gso_size: 0 };
        self.compare(program::FROM_PROVIDER_TEST, &input, &expected);
    }

    /// An answer of the sockets of services through both.
    pub fn services_answer(&mut self, random: &mut Random) {
        let mut sessions: Vec<_> = self.node.tables.service_sessions.keys().copied().collect();
        sessions.sort_unstable();
        let bytes = questions::answer(random, &sessions);
        self.keep_time();
        let ifindex = self.interfaces.ports[0];
        let expected = self.node.from_services(ifindex, bytes.clone());
        let input = Input { frame: &bytes, ifindex, cb: [0; 5], gso_size: 0 };
        self.compare(program::FROM_SERVICES, &input, &expected);
    }

    /// Of some packets it is told beforehand, by the kernel's own tables, what then becomes of them. Had it changed anything there, the
    /// kernel would not agree with the model from then on.
    fn compare_trace(&mut self, door: Door, frame: &Frame) {
        self.sent += 1;
        if !self.sent.is_multiple_of(TRACED_EVERY) {
            return;
        }
        let tables = self.datapath.tables();
        let (config, link) = (tables.config().expect("config"), tables.service_link().expect("link"));
        let mut snapshot = Snapshot::new(config, link, self.node.now);
        let told = snapshot.walk(tables, door, frame).expect("a walk");
        let mut model = self.node.clone();
        // No table says which interfaces are down.
        model.down.clear();
        // Nobody follows a packet that is none.
        model.tables.config.following = 0;
        let expected = match door {
            Door::Port { ifindex } => model.from_port(ifindex, frame.clone()),
            Door::Overlay { vni, source } => model.from_overlay(vni, source, frame.clone()),
            Door::Provider { ifindex } => model.from_provider(ifindex, frame.clone()),
        };
        if told.outcome != expected {
            // The kernel's rate limits stand a moment later than the model's.
            let rates = [DropReason::MissRate, DropReason::FloodRate, DropReason::PuntRate];
            let is_rate = |outcome: &Outcome| outcome.verdict.reason().is_some_and(|it| rates.contains(&it));
            let is_held_up = is_rate(&told.outcome) || is_rate(&expected);
            assert!(is_held_up, "{door:?} of {:02x?}: {:?}, not {expected:?}", frame.bytes, told.outcome);
        }
        self.traced += 1;
    }

    fn compare(&mut self, name: &str, input: &Input<'_>, expected: &Outcome) {
        let fd = match name {
            program::FROM_PORT => &self.from_port,
            program::FROM_OVERLAY_TEST => &self.from_overlay,
            program::FROM_SERVICES => &self.from_services,
            _ => &self.from_provider,
        };
        test_run::run(fd.as_fd(), input, &mut self.output).expect("test run");
        self.catch_up();
        let verdict = expected.verdict;
        let cb = &self.output.cb;
        let context = || format!("{:02x?}\nby {} to {name}, {:?}", input.frame, input.ifindex, input.cb);
        assert_eq!([cb[0], cb[1], cb[2]], [verdict.kind, verdict.a, verdict.b], "verdict of {}", context());
        let is_heard = name == program::FROM_PROVIDER_TEST && input.cb[0] == 0;
        let is = |kinds: &[VerdictKind]| kinds.iter().any(|kind| *kind as u32 == verdict.kind);
        let code = match () {
            () if is(&LEAVES) => REDIRECT,
            () if is(&[VerdictKind::Pass]) || is_heard && is(&[VerdictKind::Flood]) => NEXT,
            () => SHOT,
        };
        assert_eq!(self.output.code, code, "code of {}", context());
        assert_eq!(self.output.frame(), expected.bytes, "bytes of {}", context());
        *self.verdicts.entry(verdict.kind).or_default() += 1;
        if let Some(reason) = verdict.reason() {
            *self.drops.entry(reason).or_default() += 1;
        }
        self.note_routed(input.frame, expected);
        self.compare_outputs(expected, &context());
        self.compare_events(expected, &context());
        self.compare_followed(expected, &context());
    }

    /// Switching changes no byte, and an answer in place has a verdict of its own.
    fn note_routed(&mut self, sent: &[u8], outcome: &Outcome) {
        let leaves =
            [VerdictKind::Deliver, VerdictKind::Tunnel, VerdictKind::Provider].map(|kind| kind as u32);
        if outcome.bytes == sent || !leaves.contains(&outcome.verdict.kind) {
            return;
        }
        if sent[12..14] == [0x88, 0xb5] {
            self.heard[1] += 1;
        } else if outcome.bytes.len() != sent.len() {
            self.routed.refused += 1;
        } else if outcome.bytes[..6] == sent[6..12] {
            self.routed.answered += 1;
        } else {
            self.routed.forwarded += 1;
            let changed = [26..30, 30..34].map(|place| outcome.bytes[place.clone()] != sent[place]);
            let is_v4 = sent[12..14] == [8, 0];
            match changed {
                [true, false] if is_v4 => self.routed.translated[0] += 1,
                [false, true] if is_v4 => self.routed.translated[1] += 1,
                [true, true] if is_v4 => self.routed.translated[2] += 1,
                _ => {}
            }
        }
    }

    /// A redirect is not carried out in a test run; its target is in the verdict. Copies and punts are.
    fn compare_outputs(&mut self, expected: &Outcome, context: &str) {
        let is_flood = expected.verdict.kind == VerdictKind::Flood as u32;
        for output in &expected.outputs {
            match output {
                Output::Punt { header, bytes } => {
                    let punts = &mut self.punts;
                    let next = async { tokio::time::timeout(Duration::from_secs(5), punts.next()).await };
                    let punt = self.runtime.block_on(next).expect("a punt").expect("a punt");
                    let reason = punt.reason.map_or(0, |reason| reason as u32);
                    let found = (punt.port, punt.length, punt.ifindex, reason);
                    assert_eq!(
                        found,
                        (header.port, header.length, header.ifindex, header.reason),
                        "{context}"
                    );
                    assert_eq!(punt.frame, *bytes, "punt of {context}");
                }
                Output::Deliver { ifindex, frame } if is_flood => {
                    let copy = Left::Interface { ifindex: *ifindex, frame: frame.bytes.clone() };
                    assert_eq!(self.capture.next(), Some(copy), "copy of {context}");
                }
                Output::Tunnel { tunnel, frame } if is_flood => {
                    let copy = Left::Tunnel {
                        vni: tunnel.vni,
                        local: tunnel.local,
                        remote: tunnel.remote,
                        frame: frame.bytes.clone(),
                    };
                    assert_eq!(self.capture.next(), Some(copy), "copy of {context}");
                }
                _ => {}
            }
        }
    }

    pub fn report(&self) {
        println!("connections by state: {:?}", self.connections);
        println!("events of accepted and dropped packets: {:?}", self.events);
        println!("followed by door: {:?}, and lost: {}", self.told, self.lost);
        println!("sessions by shared addresses: {}", self.sessions);
        println!("packets without a connection at ports with little room: {}", self.untracked);
        println!("MACs, addresses and neighbours learned: {:?}", self.learned);
        println!("heard, and probes answered: {:?}", self.heard);
        println!("routers: {:?}", self.routed);
        println!("verdicts by kind: {:?}", self.verdicts);
        println!("drops: {:?}", self.drops);
    }

    /// The packets were of use: every kind of verdict was met, and every reason that a test run can meet.
    pub fn assert_covered(&self) {
        for kind in (1..=8).chain([VerdictKind::Serve as u32]) {
            assert!(self.verdicts.contains_key(&kind), "no packet had a verdict of kind {kind}");
        }
        // Frames under 14 bytes, VLAN tags beside the frame and packets without a tunnel key can't be given to a test run;
        // the ring buffer is read at once, so it is never full; a full copy is a counter and no verdict; a block of ports is not used
        // up towards one address by a case's few packets.
        let out_of_reach = [
            DropReason::FrameTooShort,
            DropReason::NoTunnelKey,
            DropReason::PuntFull,
            DropReason::OutputFailed,
            DropReason::NoOutsidePort,
        ];
        let missed: Vec<_> = DropReason::ALL
            .iter()
            .filter(|reason| !out_of_reach.contains(reason) && !self.drops.contains_key(reason))
            .collect();
        assert!(missed.is_empty(), "no packet was dropped for {missed:?}");
        assert!(self.told.iter().all(|count| *count > 0) && self.lost > 0, "{:?}, {}", self.told, self.lost);
        assert!(self.untracked > 0 && self.sessions > 0 && self.traced > 0);
        let Routed { forwarded, answered, refused, translated: [source, destination, both] } = self.routed;
        assert!(
            [forwarded, answered, refused, source, destination, both].iter().all(|count| *count > 0),
            "{:?}",
            self.routed
        );
        assert!(self.events.iter().chain(&self.learned).chain(&self.heard).all(|count| *count > 0));
        for state in connection_state::OPENING..=connection_state::DENIED {
            assert!(self.connections.contains_key(&state), "no connection ended in state {state}");
        }
    }
}
