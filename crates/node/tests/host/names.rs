//! Names on a host: instances ask over the real packet path, by UDP and TCP, of their network and of a server elsewhere.

use crate::machine::{Host, Instance};
use crate::metadata::{network, plug};
use crate::server::FakeServer;
use crate::whole::{LONG, config};
use crate::{Test, in_namespace};
use hadron_node::{Config, Node, Settings, join};
use hadron_wire::proto::welcome::Mode;
use hadron_wire::row::{LocationRow, NameRow, Place, Row};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::str::FromStr;
use std::time::Duration;

/// The tests of this file.
pub const TESTS: &[Test] = &[(
    "names::instances_ask_for_their_networks_names_and_for_others",
    instances_ask_for_their_networks_names_and_for_others,
)];

/// The metadata address is a service's too, and every network has it.
const SERVER: (&str, u16) = ("169.254.169.254", 53);

/// A neighbour on another host, of the same name and address in each network but for the last octet.
fn neighbour(network: u32, port: u32, last: u8) -> [Row; 2] {
    let address = Ipv4Addr::new(10, 0, 0, last).to_ipv6_mapped();
    let (mac, place) = ([0xfa, 0x16, 0x3e, 0, 1, last], Place::Host(2));
    [
        Row::Location(LocationRow { network, port, mac, addresses: vec![address], place }),
        Row::Name(NameRow { network, port, name: "db".into(), domain: "example.org".into() }),
    ]
}

fn question(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_str(name).unwrap(), kind));
    message.to_vec().unwrap()
}

async fn by_udp(instance: &mut Instance, name: &str, kind: RecordType) -> Message {
    let question = question(name, kind);
    let ask = move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut answer = vec![0; 1500];
        loop {
            socket.send_to(&question, SERVER).unwrap();
            if let Ok(length) = socket.recv(&mut answer) {
                answer.truncate(length);
                return answer;
            }
        }
    };
    Message::from_vec(&instance.act(ask).await).unwrap()
}

async fn by_tcp(instance: &mut Instance, name: &str, kind: RecordType) -> Message {
    let question = question(name, kind);
    let ask = move || {
        let mut stream = TcpStream::connect(SERVER).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let length = (question.len() as u16).to_be_bytes();
        stream.write_all(&[&length[..], &question].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut answer).unwrap();
        answer
    };
    Message::from_vec(&instance.act(ask).await).unwrap()
}

fn data(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| record.data.to_string()).collect()
}

/// A server that knows one answer to everything.
fn upstream() -> std::net::SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
            let mut reply = Message::response(query.metadata.id, OpCode::Query);
            reply.add_queries(query.queries.clone());
            let address = RData::A(Ipv4Addr::new(192, 0, 2, 80).into());
            reply.add_answer(Record::from_rdata(query.queries[0].name().clone(), 60, address));
            // First one that answers another question, which is nobody's.
            let mut forged = reply.clone();
            forged.metadata.id ^= 1;
            socket.send_to(&forged.to_vec().unwrap(), peer).unwrap();
            socket.send_to(&reply.to_vec().unwrap(), peer).unwrap();
        }
    });
    address
}

pub fn instances_ask_for_their_networks_names_and_for_others() {
    in_namespace(|| async {
        let host = Host::new().await;
        let mut server = FakeServer::start(LONG).await;
        let state = tempfile::tempdir().unwrap();
        join(&server.ticket, "compute1", Ipv4Addr::LOCALHOST.into(), state.path()).await.unwrap();
        let config = config(state.path());
        let settings = Settings { dns_servers: vec![upstream()], ..config.settings.clone() };
        let node = Node::start(Config { settings, ..config }).await.unwrap();
        let mut talk = server.welcome(Mode::Snapshot).await;
        let rows = [network(5, 9), network(6, 10), neighbour(5, 20, 50).into(), neighbour(6, 21, 60).into()];
        talk.rows(20, true, rows.concat()).await;
        let (mut nine, mut ten) = (plug(&host, 9).await, plug(&host, 10).await);
        talk.reported(9, |report| report.wired).await;
        talk.reported(10, |report| report.wired).await;

        for name in ["db.", "db.openstacklocal.", "DB.example.org."] {
            assert_eq!(data(&by_udp(&mut nine, name, RecordType::A).await), ["10.0.0.50"], "{name}");
            assert_eq!(data(&by_udp(&mut ten, name, RecordType::A).await), ["10.0.0.60"], "{name}");
            assert_eq!(data(&by_tcp(&mut ten, name, RecordType::A).await), ["10.0.0.60"], "{name}");
        }
        let own = by_udp(&mut nine, "host-10-0-0-9.openstacklocal.", RecordType::A).await;
        assert_eq!(data(&own), ["10.0.0.9"]);
        let reverse = by_udp(&mut nine, "50.0.0.10.in-addr.arpa.", RecordType::PTR).await;
        assert_eq!(data(&reverse), ["db.example.org."]);
        let nothing = by_udp(&mut nine, "nothing.openstacklocal.", RecordType::A).await;
        assert_eq!(nothing.metadata.response_code, ResponseCode::NXDomain);

        let other = by_udp(&mut nine, "www.example.com.", RecordType::A).await;
        assert_eq!((other.metadata.id, data(&other)), (7, vec!["192.0.2.80".to_owned()]));
        assert_eq!(data(&by_tcp(&mut nine, "www.example.com.", RecordType::A).await), ["192.0.2.80"]);
        // A name of another network is nobody's here.
        let foreign = by_udp(&mut nine, "60.0.0.10.in-addr.arpa.", RecordType::PTR).await;
        assert!(data(&foreign).iter().all(|name| !name.contains("db")), "{foreign}");

        let name = Row::Name(NameRow { network: 5, port: 20, name: "new".into(), domain: String::new() });
        talk.rows(21, false, [name]).await;
        talk.acknowledged(21).await;
        assert_eq!(data(&by_udp(&mut nine, "new.", RecordType::A).await), ["10.0.0.50"]);
        let old = by_udp(&mut nine, "db.", RecordType::A).await;
        assert_eq!(old.metadata.response_code, ResponseCode::NXDomain);
        node.stop().await;
    });
}
