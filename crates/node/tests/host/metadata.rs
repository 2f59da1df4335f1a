//! Metadata on a host: instances ask over the real packet path, of hadron's own and of a Nova that the test plays.

use crate::machine::{Host, Instance};
use crate::server::FakeServer;
use crate::whole::{LONG, config, until};
use crate::{Test, in_namespace};
use hadron_node::sockets::NEAR;
use hadron_node::sockets::http::PER_PORT;
use hadron_node::sockets::nova::NovaConfig;
use hadron_node::{Config, Node, Settings, join};
use hadron_wire::proto::welcome::Mode;
use hadron_wire::row::{
    InstanceFacts, InstanceRow, LocationRow, NetworkRow, Place, PolicyRow, PortAddress, PortRow, Prefix, Row,
    SubnetRow,
};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

/// The tests of this file.
pub const TESTS: &[Test] = &[
    (
        "metadata::instances_with_the_same_address_read_their_own",
        instances_with_the_same_address_read_their_own,
    ),
    ("metadata::what_nova_has_comes_from_nova", what_nova_has_comes_from_nova),
    ("metadata::a_port_has_so_many_connections", a_port_has_so_many_connections),
];

const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0, 9];
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const V4: &str = "169.254.169.254";
const V6: &str = "fe80::a9fe:a9fe%guest";

/// A network with one port, the same in each but for the numbers.
pub fn network(network: u32, port: u32) -> Vec<Row> {
    let address = ADDRESS.to_ipv6_mapped();
    vec![
        Row::Network(NetworkRow {
            number: network,
            uuid: [network as u8; 16],
            vni: Some(500 + network),
            mtu: 1450,
            admin_up: true,
            privacy_addresses: false,
            unlisted_addresses: false,
            physical: None,
        }),
        Row::Subnet(SubnetRow {
            number: network,
            network,
            uuid: [0; 16],
            cidr: Prefix::of(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 24),
            gateway: None,
            dns: Vec::new(),
            host_routes: Vec::new(),
            enable_dhcp: false,
            dhcp: None,
            lease_seconds: 86_400,
            ra_mode: None,
            address_mode: None,
        }),
        Row::Location(LocationRow {
            network,
            port,
            mac: MAC,
            addresses: vec![address],
            place: Place::Host(1),
        }),
        Row::Policy(PolicyRow { number: 1, groups: Vec::new() }),
        Row::Port(PortRow {
            number: port,
            uuid: [port as u8; 16],
            network,
            mac: MAC,
            addresses: vec![PortAddress { address, subnet: network }],
            interface_name: format!("tap{port}"),
            admin_up: true,
            port_security_disabled: false,
            revision: 20,
            policy: Some(1),
            allowed_pairs: Vec::new(),
            log: None,
            dhcp_options: Vec::new(),
            dns_name: String::new(),
        }),
    ]
}

fn instance(port: u32, hostname: Option<&str>) -> Row {
    let facts = hostname.map(|name| InstanceFacts { hostname: name.into(), ..InstanceFacts::default() });
    let device = format!("device-{port}");
    Row::Instance(InstanceRow { port, device, project: "p1".into(), public_addresses: vec![], facts })
}

pub async fn plug(host: &Host, port: u32) -> Instance {
    let mut instance = Instance::new();
    host.plug(&format!("tap{port}"), MAC, &mut instance).await;
    instance
        .act(|| {
            for command in ["addr add 10.0.0.9/24 dev guest", "route add 169.254.169.254 dev guest"] {
                assert!(Command::new("ip").args(command.split(' ')).status().unwrap().success(), "{command}");
            }
            Vec::new()
        })
        .await;
    instance
}

/// A request as a guest writes it; the whole answer, or nothing if there is no connection.
fn exchange(server: &str, request: &str) -> Vec<u8> {
    let Ok(mut stream) = connect(server) else { return Vec::new() };
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn connect(server: &str) -> std::io::Result<TcpStream> {
    match server.split_once('%') {
        Some((address, interface)) => {
            let scope = nix::net::if_::if_nametoindex(interface)?;
            let address: Ipv6Addr = address.parse().unwrap();
            TcpStream::connect(std::net::SocketAddrV6::new(address, 80, 0, scope))
        }
        None => TcpStream::connect((server, 80)),
    }
}

async fn get(instance: &mut Instance, server: &'static str, path: &str, headers: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {V4}\r\nConnection: close\r\n{headers}\r\n");
    String::from_utf8(instance.act(move || exchange(server, &request)).await).unwrap()
}

/// Asks until the sockets are there.
async fn patiently(instance: &mut Instance, server: &'static str, path: &str) -> String {
    loop {
        let answer = get(instance, server, path, "").await;
        if !answer.is_empty() {
            return answer;
        }
    }
}

pub fn instances_with_the_same_address_read_their_own() {
    in_namespace(|| async {
        let host = Host::new().await;
        let mut server = FakeServer::start(LONG).await;
        let state = tempfile::tempdir().unwrap();
        join(&server.ticket, "compute1", Ipv4Addr::LOCALHOST.into(), state.path()).await.unwrap();
        let node = Node::start(config(state.path())).await.unwrap();
        let mut talk = server.welcome(Mode::Snapshot).await;
        let rows =
            [network(5, 9), network(6, 10), vec![instance(9, Some("nine")), instance(10, Some("ten"))]];
        talk.rows(20, true, rows.concat()).await;
        let (mut nine, mut ten) = (plug(&host, 9).await, plug(&host, 10).await);
        talk.reported(9, |report| report.wired).await;
        talk.reported(10, |report| report.wired).await;

        let path = "/latest/meta-data/hostname";
        assert!(patiently(&mut nine, V4, path).await.ends_with("\r\n\r\nnine"));
        let forged = "X-Forwarded-For: 10.0.0.9\r\nX-Instance-ID: device-9\r\nX-Tenant-ID: p1\r\nForwarded: for=1.1.1.1\r\n";
        for server in [V4, V6] {
            // A link-local address is looked for on the link before it is used.
            patiently(&mut nine, server, path).await;
            patiently(&mut ten, server, path).await;
            assert!(get(&mut nine, server, path, forged).await.ends_with("\r\n\r\nnine"), "{server}");
            assert!(get(&mut ten, server, path, forged).await.ends_with("\r\n\r\nten"), "{server}");
        }
        talk.rows(21, false, [instance(9, Some("other"))]).await;
        talk.acknowledged(21).await;
        assert!(get(&mut nine, V4, path, "").await.ends_with("\r\n\r\nother"));
        assert!(get(&mut nine, V4, "/nothing", "").await.starts_with("HTTP/1.1 404"));

        // Somebody takes the way away.
        let old = host.index(NEAR).await.unwrap();
        host.delete(NEAR).await;
        until(|| async { host.index(NEAR).await.is_some_and(|index| index != old) }).await;
        assert!(patiently(&mut nine, V4, path).await.ends_with("\r\n\r\nother"));
        node.stop().await;
    });
}

/// A Nova that tells what it was asked, and answers once and then never again.
fn nova() -> (String, mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            if kept.is_empty() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnova");
            }
            kept.push(stream);
            if sender.send(String::from_utf8(head).unwrap()).is_err() {
                return;
            }
        }
    });
    (url, asked)
}

pub fn what_nova_has_comes_from_nova() {
    in_namespace(|| async {
        let host = Host::new().await;
        let mut server = FakeServer::start(LONG).await;
        let state = tempfile::tempdir().unwrap();
        join(&server.ticket, "compute1", Ipv4Addr::LOCALHOST.into(), state.path()).await.unwrap();
        let (url, asked) = nova();
        let timeout = Duration::from_millis(300);
        let nova = NovaConfig { url, secret: "s3cret".into(), ca_file: None, timeout };
        let config = config(state.path());
        let config = Config { settings: Settings { nova: Some(nova), ..config.settings.clone() }, ..config };
        let node = Node::start(config).await.unwrap();
        let mut talk = server.welcome(Mode::Snapshot).await;
        talk.rows(20, true, [network(5, 9), vec![instance(9, None)]].concat()).await;
        let mut guest = plug(&host, 9).await;
        talk.reported(9, |report| report.wired).await;

        let path = "/openstack/latest/meta_data.json?x=1";
        let answer = patiently(&mut guest, V4, path).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("nova"), "{answer}");
        assert!(answer.contains("content-type: application/json"), "{answer}");
        let head = asked.recv().unwrap().to_ascii_lowercase();
        // printf device-9 | openssl dgst -sha256 -hmac s3cret
        let signature = "041c860289e758f530bbb72b88e19a285663197c368526cf0b604f735802d2ff";
        for line in [
            "get /openstack/latest/meta_data.json?x=1 http/1.1",
            "x-forwarded-for: 10.0.0.9",
            "x-instance-id: device-9",
            "x-tenant-id: p1",
            &format!("x-instance-id-signature: {signature}"),
        ] {
            assert!(head.lines().any(|found| found == line), "{line} in {head}");
        }

        let forged =
            "X-Instance-ID: device-10\r\nX-Forwarded-For: 10.0.0.7\r\nX-Tenant-ID: p2\r\nX-Other: 1\r\n";
        let slow = get(&mut guest, V4, path, forged).await;
        assert!(slow.starts_with("HTTP/1.1 503"), "{slow}");
        let head = asked.recv().unwrap().to_ascii_lowercase();
        assert!(head.contains("x-instance-id: device-9\r\n") && !head.contains("x-other"), "{head}");
        assert!(!head.contains("device-10") && !head.contains("10.0.0.7") && !head.contains("p2"), "{head}");
        let at_once = get(&mut guest, V4, path, "").await;
        assert!(at_once.starts_with("HTTP/1.1 503"), "{at_once}");
        let counts = node.status().services;
        let count = |name| counts.iter().find(|(kind, it, _)| (*kind, *it) == ("metadata", name)).unwrap().2;
        assert_eq!((count("proxied"), count("unavailable")), (1, 2));
        node.stop().await;
    });
}

pub fn a_port_has_so_many_connections() {
    in_namespace(|| async {
        let host = Host::new().await;
        let mut server = FakeServer::start(LONG).await;
        let state = tempfile::tempdir().unwrap();
        join(&server.ticket, "compute1", Ipv4Addr::LOCALHOST.into(), state.path()).await.unwrap();
        let node = Node::start(config(state.path())).await.unwrap();
        let mut talk = server.welcome(Mode::Snapshot).await;
        let rows =
            [network(5, 9), network(6, 10), vec![instance(9, Some("nine")), instance(10, Some("ten"))]];
        talk.rows(20, true, rows.concat()).await;
        let (mut nine, mut ten) = (plug(&host, 9).await, plug(&host, 10).await);
        talk.reported(9, |report| report.wired).await;
        talk.reported(10, |report| report.wired).await;
        patiently(&mut nine, V4, "/").await;
        let closed = nine
            .act(|| {
                // Each says a part of a request, and no more.
                let streams = (0..PER_PORT + 3).map(|_| {
                    let mut stream = connect(V4).unwrap();
                    stream.write_all(b"GET / HT").unwrap();
                    stream
                });
                let streams: Vec<TcpStream> = streams.collect();
                let closed = streams.into_iter().filter(|mut stream| {
                    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                    // Data that was not read make the end a reset.
                    match stream.read(&mut [0]) {
                        Ok(read) => read == 0,
                        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
                    }
                });
                vec![closed.count() as u8]
            })
            .await;
        assert_eq!(closed, [3]);
        assert!(get(&mut ten, V4, "/latest/meta-data/hostname", "").await.ends_with("\r\n\r\nten"));
        node.stop().await;
    });
}
