//! Questions that end in a socket of the node, through the attached programs: real TCP and UDP of both families, with offloads, from two
//! instances that have one address each to one socket, which knows them apart.

mod support;

use hadron_datapath::table::*;
use hadron_datapath::{Address, Mac};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;
use support::cloud::{Cloud, Instance, NETWORK, within};
use support::{ifindex, ip};

const BYTES: usize = 8 << 20;
const TIMEOUT: Duration = Duration::from_secs(60);

const SOCKET_MAC: Mac = Mac([2, 0, 0, 0, 0, 77]);

fn main() -> std::process::ExitCode {
    support::run(&[(
        "questions_reach_a_socket_that_knows_who_asks",
        questions_reach_a_socket_that_knows_who_asks,
    )])
}

/// The namespace of the sockets, with its end of the pair of interfaces.
fn connect_sockets(cloud: &Cloud) -> String {
    let host = &cloud.hosts[0];
    let (namespace, sockets) = (&host.namespace, "sockets".to_owned());
    ip(&format!("netns add {sockets}"));
    ip(&format!("-n {namespace} link add near type veth peer name far netns {sockets}"));
    ip(&format!("-n {namespace} link set near addrgenmode none arp off up"));
    ip(&format!("-n {sockets} link set far address {SOCKET_MAC} addrgenmode none arp off up"));
    for address in ["169.254.169.254/32", "fd01::a9fe:a9fe/128 nodad"] {
        ip(&format!("-n {sockets} addr add {address} dev far"));
    }
    ip(&format!("-n {sockets} route add default dev far"));
    ip(&format!("-n {sockets} -6 route add default dev far"));
    let link = ServiceLink {
        ifindex: within(namespace, || ifindex("near")),
        flags: service_flag::METADATA | service_flag::DNS,
        mac: SOCKET_MAC,
        ..ServiceLink::default()
    };
    let tables = host.datapath().tables();
    tables.put_service_link(&link).expect("link");
    within(namespace, || host.datapath().attach_services(link.ifindex)).expect("attached");
    for address in [METADATA_V4, METADATA_V6] {
        let row = Neighbour { mac: METADATA_MAC, kind: neighbour_kind::SERVICE };
        tables.neighbours.put(&NeighbourKey { network: NETWORK, address }, &row).expect("neighbour");
    }
    sockets
}

fn questions_reach_a_socket_that_knows_who_asks() {
    let mut cloud = Cloud::new("ask", false);
    let (a, b) = (cloud.add(1, 1), cloud.add(2, 1));
    let sockets = connect_sockets(&cloud);
    for instance in [a, b] {
        ip(&format!("-n {} route add 169.254.169.254 dev eth0", cloud.inside(instance)));
    }
    for instance in [a, b] {
        let inside = cloud.inside(instance);
        let scope = within(&inside, || ifindex("eth0"));
        let v6 = SocketAddr::from((Ipv6Addr::from(METADATA_V6.0), 80));
        let SocketAddr::V6(mut v6) = v6 else { unreachable!() };
        v6.set_scope_id(scope);
        let v4 = SocketAddr::from((Ipv4Addr::new(169, 254, 169, 254), 80));
        transfer(&sockets, &inside, v4, SOCKET_V4, stand_in(instance, true));
        transfer(&sockets, &inside, v6.into(), SOCKET_V6, stand_in(instance, false));
        datagram(&sockets, &inside, instance);
    }
    let tables = cloud.hosts[0].datapath().tables();
    let sessions = tables.service_sessions.dump().expect("sessions");
    assert_eq!(sessions.len(), 6, "{sessions:?}");
    assert!(
        sessions
            .iter()
            .all(|(key, row)| stands_for(key.address.tail()) == [a, b][row.port as usize - 1].ifindex)
    );
}

fn stand_in(instance: Instance, is_v4: bool) -> IpAddr {
    let v4 = Address::v4(stand_in_v4(instance.ifindex));
    if is_v4 { v4.ip() } else { stand_in_v6(instance.ifindex).ip() }
}

/// Megabytes both ways, which offloads cut and sum up.
fn transfer(sockets: &str, inside: &str, server: SocketAddr, bound: Address, asker: IpAddr) {
    let pattern = |length: usize| (0..length).map(|at| (at / 3) as u8).collect::<Vec<u8>>();
    let listener = within(sockets, || TcpListener::bind((bound.ip(), 80))).expect("listener");
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, peer) = listener.accept().expect("a connection");
            assert_eq!(peer.ip(), asker);
            stream.set_read_timeout(Some(TIMEOUT)).expect("timeout");
            let mut received = vec![0; BYTES];
            stream.read_exact(&mut received).expect("all bytes");
            assert!(received == pattern(BYTES), "the bytes that were sent");
            stream.write_all(&received).expect("answer");
        });
        let mut stream = within(inside, || TcpStream::connect_timeout(&server, TIMEOUT)).expect("connection");
        stream.set_read_timeout(Some(TIMEOUT)).expect("timeout");
        stream.write_all(&pattern(BYTES)).expect("sent");
        let mut answer = vec![0; BYTES];
        stream.read_exact(&mut answer).expect("answer");
        assert!(answer == pattern(BYTES), "the bytes that came back");
    });
}

fn datagram(sockets: &str, inside: &str, asker: Instance) {
    let server = within(sockets, || UdpSocket::bind("169.254.169.254:53")).expect("server");
    let client = within(inside, || UdpSocket::bind("0.0.0.0:0")).expect("client");
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(TIMEOUT)).expect("timeout");
    }
    client.send_to(&[7; 1000], "169.254.169.254:53").expect("sent");
    let mut bytes = [0; 2000];
    let (length, peer) = server.recv_from(&mut bytes).expect("a question");
    assert_eq!((length, peer.ip()), (1000, stand_in(asker, true)));
    server.send_to(&[8; 1200], peer).expect("answered");
    let (length, peer) = client.recv_from(&mut bytes).expect("an answer");
    assert_eq!((length, peer.to_string().as_str()), (1200, "169.254.169.254:53"));
}
