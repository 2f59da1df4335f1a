//! A whole node, but for the kernel, in conversation with a server over the real wire.

mod server;

use bytes::Bytes;
use hadron_node::applied::{Applied, Observer};
use hadron_node::apply::{Key, Value};
use hadron_node::cache::{Cache, Position};
use hadron_node::links::simulated::Paper;
use hadron_node::plane::memory::Memory;
use hadron_node::plane::{Plane, Punt};
use hadron_node::{Error, Identity, Node, Settings, join};
use hadron_pipeline::table::{FdbKey, InterfaceKey, NatOwner, NatOwnerKey, PortKey};
use hadron_pipeline::{Mac, PuntReason, table};
use hadron_wire::held::Held;
use hadron_wire::proto::server_message::Message;
use hadron_wire::proto::{Batch, Welcome, goodbye, welcome::Mode};
use hadron_wire::row::{
    DhcpServer, Direction, Family, LocationRow, MemberRow, NetworkRow, Place, PolicyRow, PortAddress,
    PortLeaseRow, PortRow, Prefix, Remote, Row, RowChange, RowKey, RuleRow, SubnetRow,
};
use server::{FakeServer, HISTORY, soon};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::sync::mpsc;

const LONG: (i64, i64) = (-60, 86_400);

/// A machine that outlives its nodes.
struct Machine {
    state: TempDir,
    memory: Memory,
    links: Paper,
    applied: Arc<Heard>,
}

/// Changes that nodes said they applied.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<Applied>>);

impl Observer for Heard {
    fn applied(&self, applied: &Applied) {
        self.0.lock().unwrap().push(applied.clone());
    }
}

impl Drop for Machine {
    /// A node that was not stopped may still be writing its rows: the directory goes when that is over.
    fn drop(&mut self) {
        for _ in 0..1_000_000 {
            if std::fs::remove_dir_all(self.path()).is_ok() || !self.path().exists() {
                break;
            }
            std::thread::yield_now();
        }
    }
}

struct Running {
    node: Node,
    punts: mpsc::Sender<Punt>,
}

impl Machine {
    fn new() -> Self {
        Self {
            state: tempfile::tempdir().unwrap(),
            memory: Memory::default(),
            links: Paper::default(),
            applied: Arc::default(),
        }
    }

    async fn joined(server: &FakeServer) -> Self {
        let machine = Self::new();
        join(&server.ticket, "compute1", underlay(), machine.path()).await.unwrap();
        machine
    }

    /// One whose server is nowhere, with rows on its disk.
    async fn with_rows(rows: impl IntoIterator<Item = Row>) -> Self {
        let machine = Self::new();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        let identity = Identity {
            server: "127.0.0.1:1".into(),
            host_name: "compute1".into(),
            host_number: 1,
            underlay: underlay(),
            key_pem: key.serialize_pem(),
            certificate_pem: certificate.clone(),
            ca_pem: certificate,
        };
        identity.save(machine.path()).unwrap();
        let changes = rows.into_iter().map(|row| RowChange::encode_set(&row)).collect();
        let mut held = Held::default();
        held.apply(Batch { complete_to: 20, changes, ..Batch::default() });
        let mut cache = Cache::new(machine.path(), 1);
        cache.store(Position { history: HISTORY, revision: 20 }, &held).await.unwrap();
        machine
    }

    fn path(&self) -> &Path {
        self.state.path()
    }

    fn start(&self) -> Running {
        let identity = Identity::load(self.path()).unwrap().unwrap();
        let (parts, punts) = self.memory.parts();
        let links = self.links.links();
        let settings = Settings { observer: Some(self.applied.clone()), ..Settings::default() };
        let node = Node::with(self.path().into(), settings, identity, parts, links).unwrap();
        Running { node, punts }
    }

    fn has(&self, key: Key) -> bool {
        self.memory.entries().contains_key(&key)
    }

    async fn until(&self, wanted: impl Fn(&Memory) -> bool) {
        soon(async {
            while !wanted(&self.memory) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

fn underlay() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))
}

fn v4(last: u8) -> Ipv6Addr {
    Ipv4Addr::new(10, 0, 0, last).to_ipv6_mapped()
}

/// Of no groups: nothing is allowed.
fn policy(number: u32) -> Row {
    Row::Policy(PolicyRow { number, groups: Vec::new() })
}

fn network() -> Row {
    Row::Network(NetworkRow {
        number: 5,
        uuid: [0; 16],
        vni: Some(500),
        mtu: 1450,
        admin_up: true,
        privacy_addresses: false,
        unlisted_addresses: false,
        physical: None,
    })
}

fn subnet() -> Row {
    Row::Subnet(SubnetRow {
        number: 1,
        network: 5,
        uuid: [0; 16],
        cidr: Prefix::of(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 24),
        gateway: Some(v4(1)),
        dns: Vec::new(),
        host_routes: Vec::new(),
        enable_dhcp: true,
        dhcp: Some(DhcpServer { address: v4(2), mac: [0xfa, 0x16, 0x3e, 0, 0, 2] }),
        lease_seconds: 86_400,
        ra_mode: None,
        address_mode: None,
    })
}

fn port(number: u32, revision: u64) -> Row {
    Row::Port(PortRow {
        number,
        uuid: [0; 16],
        network: 5,
        mac: mac(number),
        addresses: vec![PortAddress { address: v4(number as u8), subnet: 1 }],
        interface_name: format!("tap{number}"),
        admin_up: true,
        port_security_disabled: false,
        revision,
        policy: Some(1),
        allowed_pairs: Vec::new(),
        log: None,
        dhcp_options: Vec::new(),
        dns_name: String::new(),
    })
}

fn location(number: u32) -> Row {
    Row::Location(LocationRow {
        network: 5,
        port: number,
        mac: mac(number),
        addresses: vec![v4(number as u8)],
        place: Place::Host(1),
    })
}

fn mac(number: u32) -> [u8; 6] {
    [0xfa, 0x16, 0x3e, 0, 0, number as u8]
}

fn interface(ifindex: u32) -> Key {
    Key::Interface(InterfaceKey { ifindex })
}

fn fdb(number: u32) -> Key {
    Key::Fdb(FdbKey::new(5, Mac(mac(number))))
}

#[tokio::test]
async fn a_port_is_wired_whichever_comes_first_and_unwired_when_its_interface_goes() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let running = machine.start();
    machine.links.plug(109, "tap9");
    let mut talk = server.welcome(Mode::Snapshot).await;
    assert!(talk.hello.history_id.is_empty());
    talk.rows(
        20,
        true,
        [network(), policy(1), subnet(), location(9), location(10), port(9, 20), port(10, 20)],
    )
    .await;
    talk.reported(9, |report| report.wired && report.revision == 20).await;
    talk.reported(10, |report| !report.wired && report.error.is_empty()).await;
    talk.acknowledged(20).await;

    machine.links.plug(110, "tap10");
    talk.reported(10, |report| report.wired).await;
    assert!(machine.has(interface(110)));

    machine.links.plug(110, "renamed");
    talk.reported(10, |report| !report.wired).await;
    assert!(!machine.has(interface(110)));
    machine.links.plug(110, "tap10");
    talk.reported(10, |report| report.wired).await;

    machine.links.unplug(110);
    talk.reported(10, |report| !report.wired).await;
    assert!(!machine.has(interface(110)) && !machine.has(Key::Port(PortKey { port: 10 })));
    machine.links.plug(111, "tap10");
    talk.reported(10, |report| report.wired).await;
    assert!(machine.has(interface(111)));

    talk.remove(21, [RowKey::Port(10), RowKey::Location { network: 5, port: 10 }]).await;
    talk.acknowledged(21).await;
    assert!(!machine.has(interface(111)) && !machine.has(fdb(10)) && machine.has(interface(109)));
    assert!(!machine.links.link(111).unwrap().is_up, "the interface of a port that went is still up");
    assert!(machine.links.link(109).unwrap().is_up);
    let status = running.node.status();
    assert_eq!((status.ports.len(), status.leases, status.is_connected), (1, 1, true));
}

#[tokio::test]
async fn a_node_that_comes_back_gets_the_difference_and_says_everything_again() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let running = machine.start();
    machine.links.plug(109, "tap9");
    let mut talk = server.welcome(Mode::Snapshot).await;
    talk.rows(20, true, [network(), policy(1), subnet(), port(9, 20)]).await;
    talk.acknowledged(20).await;
    talk.goodbye(goodbye::Reason::Shutdown).await;
    drop(talk);

    let talk = server.welcome(Mode::Difference).await;
    assert_eq!((&talk.hello.history_id[..], talk.hello.revision), (&HISTORY[..], 20));
    talk.rows(0, false, [location(7)]).await;
    drop(talk);

    let mut half = server.welcome(Mode::Difference).await;
    assert_eq!(half.hello.revision, 20);
    half.rows(25, false, [port(9, 25)]).await;
    half.reported(9, |report| report.wired && report.revision == 25).await;
    half.acknowledged(25).await;
    assert!(!machine.has(fdb(7)), "half a difference was applied");
    assert_eq!(running.node.status().connections, 3);
}

#[tokio::test]
async fn a_node_killed_and_started_without_a_server_wires_new_interfaces_and_answers_dhcp() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let running = machine.start();
    machine.links.plug(109, "tap9");
    let mut talk = server.welcome(Mode::Snapshot).await;
    talk.rows(20, true, [network(), policy(1), subnet(), port(9, 20), port(10, 20)]).await;
    talk.acknowledged(20).await;
    running.node.stop().await;
    drop((talk, server));

    let before = machine.memory.writes();
    let running = machine.start();
    machine.links.plug(110, "tap10");
    machine.until(|memory| memory.entries().contains_key(&interface(110))).await;
    assert!(machine.has(interface(109)));
    let written = machine.memory.writes() - before;
    assert!(written <= 6, "{written} writes for one port: what was there was written again");

    running
        .punts
        .send(Punt { port: 10, ifindex: 110, reason: Some(PuntReason::Dhcp4), frame: discover(10) })
        .await
        .unwrap();
    machine.until(|memory| !memory.injected().is_empty()).await;
    assert_eq!(machine.memory.injected()[0].0, 110);
}

#[tokio::test]
async fn what_a_snapshot_does_not_name_goes_and_only_at_its_end() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let stale = (fdb(33), Value::Fdb(table::FdbEntry { kind: table::target::PORT, id: 33 }));
    machine.memory.clone().put(&stale.0, &stale.1).unwrap();
    let running = machine.start();
    let talk = server.welcome(Mode::Snapshot).await;
    talk.rows(0, false, [network(), policy(1), location(9)]).await;
    drop(talk);

    let mut talk = server.welcome(Mode::Snapshot).await;
    assert!(talk.hello.history_id.is_empty(), "half a snapshot counts as none");
    assert!(machine.has(stale.0), "a stale entry went before the rows were complete");
    talk.rows(0, false, [network(), policy(1)]).await;
    talk.rows(20, true, [location(10)]).await;
    talk.acknowledged(20).await;
    assert!(!machine.has(stale.0) && !machine.has(fdb(9)) && machine.has(fdb(10)));
    drop(running);
}

#[tokio::test]
async fn a_full_table_is_reported_on_its_port_and_tried_again() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let running = machine.start();
    machine.links.plug(109, "tap9");
    let mut talk = server.welcome(Mode::Snapshot).await;
    talk.rows(20, true, [network(), policy(1)]).await;
    talk.acknowledged(20).await;
    machine.memory.limit(Some(machine.memory.entries().len() + 1));
    talk.rows(21, false, [port(9, 21)]).await;
    talk.reported(9, |report| !report.wired && report.error.contains("full")).await;
    talk.acknowledged(21).await;
    assert!(running.node.status().summary.pending > 0);
    machine.memory.limit(None);
    talk.reported(9, |report| report.wired && report.error.is_empty()).await;
}

#[tokio::test]
async fn a_port_whose_policy_is_not_in_force_is_reported_until_it_is() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let _running = machine.start();
    machine.links.plug(109, "tap9");
    let mut talk = server.welcome(Mode::Snapshot).await;
    talk.rows(20, true, [network(), port(9, 20)]).await;
    talk.reported(9, |report| !report.wired && report.error.contains("nothing is allowed")).await;
    talk.rows(21, false, [Row::Policy(PolicyRow { number: 1, groups: vec![4] })]).await;
    talk.reported(9, |report| report.wired && report.error.is_empty()).await;

    let rule = |rule: u32| {
        Row::Rule(RuleRow {
            group: 4,
            rule,
            uuid: [0; 16],
            direction: Direction::Ingress,
            family: Family::Ipv4,
            protocol: None,
            port_min: None,
            port_max: None,
            remote: Remote::Set(rule),
            stateless: false,
        })
    };
    talk.rows(22, false, (1..=33).map(rule)).await;
    talk.reported(9, |report| !report.wired && report.error.contains("33 remote groups")).await;
    talk.remove(23, [RowKey::Rule { group: 4, rule: 1 }]).await;
    talk.reported(9, |report| report.wired && report.error.is_empty()).await;

    machine.memory.limit(Some(machine.memory.entries().len()));
    let prefixes = vec![Prefix::of(underlay(), 32)];
    talk.rows(24, false, [Row::Member(MemberRow { set: 2, member: 1, prefixes })]).await;
    talk.reported(9, |report| !report.wired && report.error.contains("full")).await;
    machine.memory.limit(None);
    talk.reported(9, |report| report.wired && report.error.is_empty()).await;
}

#[tokio::test]
async fn an_administratively_down_port_is_never_said_to_be_wired() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let _running = machine.start();
    machine.links.plug(109, "tap9");
    let Row::Port(row) = port(9, 20) else { unreachable!() };
    let mut talk = server.welcome(Mode::Snapshot).await;
    talk.rows(20, true, [network(), policy(1), Row::Port(PortRow { admin_up: false, ..row.clone() })]).await;
    talk.reported(9, |report| !report.wired && report.error.is_empty()).await;
    talk.rows(21, false, [Row::Port(PortRow { revision: 21, ..row })]).await;
    talk.reported(9, |report| report.wired && report.revision == 21).await;
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends_with_the_same_key() {
    let mut server = FakeServer::start((-3 * 86_400, 86_400)).await;
    let machine = Machine::joined(&server).await;
    let before = Identity::load(machine.path()).unwrap().unwrap();
    let running = machine.start();
    server.welcome(Mode::Snapshot).await;
    assert_eq!(*server.renewals.lock().unwrap(), 1);
    let after = Identity::load(machine.path()).unwrap().unwrap();
    assert_eq!(before.key_pem, after.key_pem);
    assert_ne!(before.certificate_pem, after.certificate_pem);
    drop(running);
}

#[tokio::test]
async fn a_bad_ticket_and_a_strange_server_are_told_clearly_and_leave_nothing() {
    let server = FakeServer::start(LONG).await;
    let other = FakeServer::start(LONG).await;
    let machine = Machine::new();
    let mut used = server.ticket.clone();
    used.secret = "another".into();
    let error = join(&used, "compute1", underlay(), machine.path()).await.unwrap_err();
    assert!(error.to_string().contains("the ticket was used already"), "{error}");

    let mut strange = server.ticket.clone();
    strange.ca_pem = other.ticket.ca_pem.clone();
    let error = join(&strange, "compute1", underlay(), machine.path()).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    assert_eq!(Identity::load(machine.path()).unwrap(), None);
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_told_clearly() {
    let server = FakeServer::start((-2 * 86_400, -86_400)).await;
    let machine = Machine::joined(&server).await;
    let running = machine.start();
    soon(async {
        while !running.node.status().last_error.contains("has ended; join again") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn another_protocol_version_is_told_clearly() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let running = machine.start();
    let talk = server.conversation().await;
    let versions = talk.hello.versions.unwrap();
    assert!(versions.min <= versions.max && versions.min > 0);
    let welcome = Welcome { version: 99, history_id: HISTORY.to_vec().into(), mode: 1, host_number: 1 };
    talk.say(Message::Welcome(welcome)).await;
    soon(async {
        while !running.node.status().last_error.contains("protocol version 99") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn rows_that_make_no_sense_are_left_out_and_the_others_are_not() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let _running = machine.start();
    machine.links.plug(109, "tap9");
    let mut talk = server.welcome(Mode::Snapshot).await;
    let rubbish = [b"rubbish".as_slice(), b"", &[0x0a, 0x02, 0x08, 0x05, 0x12, 0x02, 0x0a, 0x00]];
    let rows = [network(), policy(1), port(9, 20)].map(|row| RowChange::encode_set(&row));
    let changes = rubbish.into_iter().map(Bytes::from_static).chain(rows).collect();
    talk.say(Message::Batch(Batch {
        complete_to: 20,
        forget: vec![77],
        changes,
        end_of_snapshot: true,
        ..Batch::default()
    }))
    .await;
    talk.reported(9, |report| report.wired).await;
    talk.acknowledged(20).await;
}

#[tokio::test]
async fn the_request_of_what_was_applied_is_told() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let _running = machine.start();
    let mut talk = server.welcome(Mode::Snapshot).await;
    talk.rows(20, true, [network(), policy(1)]).await;
    talk.acknowledged(20).await;
    // A revision may come in several batches, and several requests in a row.
    let parts = [
        (0, vec![RowChange::encode_set(&port(9, 21))], "req-7"),
        (21, vec![], ""),
        (22, vec![RowChange::encode_set(&port(8, 22))], "req-8"),
    ];
    for (complete_to, changes, request) in parts {
        let request_id = request.to_owned();
        talk.say(Message::Batch(Batch { complete_to, changes, request_id, ..Batch::default() })).await;
    }
    talk.acknowledged(22).await;
    let told = machine.applied.0.lock().unwrap().clone();
    let requests: Vec<_> = told.iter().map(|applied| applied.request_id.as_str()).collect();
    assert_eq!(requests, ["req-7", "req-8"]);
    assert!(told[0].revision >= 21 && told[1].revision == 22, "{told:?}");
    assert!(
        told.iter().all(|applied| applied.since <= SystemTime::now() && applied.pending == 0),
        "{told:?}"
    );
}

#[tokio::test]
async fn programs_that_somebody_took_off_are_put_back() {
    tokio::time::pause();
    let machine = Machine::with_rows([network(), policy(1), port(9, 20)]).await;
    machine.links.plug(109, "tap9");
    let _running = machine.start();
    let program = Key::PortProgram(PortKey { port: 9 });
    for _ in 0..2 {
        while !machine.has(program) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        machine.memory.clone().remove(&program).unwrap();
    }
}

#[tokio::test]
async fn a_refusal_is_shown_and_ports_go_on() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let running = machine.start();
    machine.links.plug(109, "tap9");
    let mut talk = server.welcome(Mode::Snapshot).await;
    talk.rows(20, true, [network(), policy(1), port(9, 20)]).await;
    talk.acknowledged(20).await;
    talk.goodbye(goodbye::Reason::Removed).await;
    soon(async {
        while running.node.status().is_connected {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(running.node.status().last_error.contains("this host was removed"));
    assert!(machine.has(interface(109)));
    machine.links.plug(209, "tap9");
    machine.until(|memory| memory.entries().contains_key(&interface(209))).await;
}

fn discover(number: u32) -> Vec<u8> {
    let mut message = vec![1, 1, 6, 0, 1, 2, 3, 4];
    message.resize(28, 0);
    message.extend(mac(number));
    message.resize(236, 0);
    message.extend([99, 130, 83, 99, 53, 1, 1, 255]);
    message.resize(300, 0);
    let mut frame = Vec::new();
    let packet =
        etherparse::PacketBuilder::ethernet2(mac(number), [0xff; 6]).ipv4([0; 4], [255; 4], 64).udp(68, 67);
    packet.write(&mut frame, &message).unwrap();
    frame
}

/// The host's slot of a router's address, and another block.
fn lease(slots: &[u16]) -> Row {
    let address = Ipv4Addr::new(203, 0, 113, 1).to_ipv6_mapped();
    let slots = slots.to_vec();
    Row::PortLease(PortLeaseRow {
        router: 3,
        interface: 9,
        host: 1,
        network: 5,
        address,
        blocks: vec![16],
        slots,
    })
}

fn owner(slot: u16) -> (Key, Value) {
    let key = NatOwnerKey { network: 5, address: [203, 0, 113, 1], block: slot, pad: [0; 2] };
    (Key::NatOwner(key), Value::NatOwner(NatOwner { host: 0 }))
}

#[tokio::test]
async fn a_slot_that_goes_is_out_of_the_tables_before_that_is_acknowledged() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let running = machine.start();
    let mut talk = server.welcome(Mode::Snapshot).await;
    talk.rows(20, true, [network(), policy(1), lease(&[2000, 3000])]).await;
    talk.acknowledged(20).await;
    assert!(machine.has(owner(2000).0) && machine.has(owner(3000).0));
    machine.memory.hold(Some(owner(3000).0));
    talk.rows(21, false, [lease(&[2000])]).await;
    let acknowledged = tokio::time::timeout(Duration::from_millis(500), talk.acknowledged(21));
    assert!(acknowledged.await.is_err(), "another host may have it now, and this one has it too");
    machine.memory.hold(None);
    talk.acknowledged(21).await;
    assert!(machine.has(owner(2000).0) && !machine.has(owner(3000).0));
    drop(running);
}

#[tokio::test]
async fn a_slot_that_has_gone_is_not_back_after_a_restart_without_a_server() {
    let mut server = FakeServer::start(LONG).await;
    let machine = Machine::joined(&server).await;
    let (key, value) = owner(2000);
    machine.memory.clone().put(&key, &value).unwrap();
    let running = machine.start();
    let mut talk = server.welcome(Mode::Snapshot).await;
    // The first rows are not in the journal, and written whole some time.
    talk.rows(20, true, [network(), policy(1), lease(&[3000])]).await;
    talk.acknowledged(20).await;
    let on_disk = || Cache::new(machine.path(), 1).load().map(|loaded| loaded.position.revision);
    assert!(!machine.has(key) && on_disk() == Some(20));
    talk.rows(21, false, [lease(&[])]).await;
    talk.acknowledged(21).await;
    assert_eq!(on_disk(), Some(21));
    drop(running);
}
