//! Real packets between namespaces, through the attached programs and a real VXLAN device: nothing is lost while agents
//! restart and programs are replaced, offloaded frames come out right, punts reach the process and answers the instance.

mod support;

use hadron_datapath::{Mac, PuntReason, Start};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;
use support::cloud::{Cloud, Instance, within};

fn main() -> std::process::ExitCode {
    support::run(&[
        ("on_one_host", on_one_host),
        ("across_hosts_over_ipv4", across_hosts_over_ipv4),
        ("across_hosts_over_ipv6", across_hosts_over_ipv6),
        ("nothing_is_lost_while_agents_restart", nothing_is_lost_while_agents_restart),
        ("nothing_is_lost_while_tables_are_rebuilt", nothing_is_lost_while_tables_are_rebuilt),
        ("an_unknown_sender_is_dropped", an_unknown_sender_is_dropped),
        (
            "punts_reach_the_process_and_answers_the_instance",
            punts_reach_the_process_and_answers_the_instance,
        ),
    ])
}

fn on_one_host() {
    let mut cloud = Cloud::new("one", false);
    let (a, b) = (cloud.add(1, 1), cloud.add(2, 1));
    assert_reach(&cloud, a, b);
    let counters = cloud.hosts[0].datapath().tables().port_counters(a.port).unwrap().unwrap();
    assert!(counters.tx_packets >= 20 && counters.rx_bytes > 20 * 98, "{counters:?}");
    assert_eq!(counters.rx_dropped, 0);
}

fn across_hosts_over_ipv4() {
    let mut cloud = Cloud::new("four", false);
    let (a, b) = (cloud.add(1, 1), cloud.add(2, 2));
    assert_reach(&cloud, a, b);
}

fn across_hosts_over_ipv6() {
    let mut cloud = Cloud::new("six", true);
    let (a, b) = (cloud.add(1, 1), cloud.add(2, 2));
    assert_reach(&cloud, a, b);
}

/// Ping and a bulk of TCP, over both families.
fn assert_reach(cloud: &Cloud, a: Instance, b: Instance) {
    for to in [b.v4(), b.v6()] {
        assert_eq!(cloud.lost(a, &to, 10), 0, "to {to}");
        transfer(cloud, a, b, &to);
    }
}

/// Sends a few MB that offloads cut and sum up, and has every byte back.
fn transfer(cloud: &Cloud, from: Instance, to: Instance, address: &str) {
    const BYTES: usize = 8 << 20;
    let pattern = |length: usize| (0..length).map(|at| (at / 3) as u8).collect::<Vec<u8>>();
    let listener = within(&cloud.inside(to), || TcpListener::bind((address, 0))).expect("listener");
    let port = listener.local_addr().expect("address").port();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut received = vec![0; BYTES];
            stream.read_exact(&mut received).expect("all bytes");
            assert!(received == pattern(BYTES), "the bytes that were sent");
            stream.write_all(b"whole").expect("answer");
        });
        let connect = || TcpStream::connect((address, port));
        let mut stream = within(&cloud.inside(from), connect).expect("connection");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("timeout");
        stream.write_all(&pattern(BYTES)).expect("sent");
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).expect("answer");
        assert_eq!(&answer, b"whole");
    });
}

fn nothing_is_lost_while_agents_restart() {
    let mut cloud = Cloud::new("restart", false);
    let (a, b) = (cloud.add(1, 1), cloud.add(2, 2));
    cloud.lost(a, &b.v4(), 1);
    undisturbed(&mut cloud, a, b, |cloud| {
        for number in [0, 1] {
            cloud.hosts[number].datapath = None;
            assert_eq!(cloud.lost(a, &b.v4(), 20), 0, "no agent runs");
            cloud.hosts[number].start_agent();
            assert_eq!(cloud.hosts[number].datapath().start(), Start::Reused);
        }
    });
}

fn nothing_is_lost_while_tables_are_rebuilt() {
    let mut cloud = Cloud::new("rebuild", false);
    let (a, b) = (cloud.add(1, 1), cloud.add(2, 2));
    cloud.lost(a, &b.v4(), 1);
    undisturbed(&mut cloud, a, b, |cloud| {
        for number in [0, 1] {
            let host = &mut cloud.hosts[number];
            host.datapath = None;
            let pins = &host.config.pins;
            std::fs::rename(pins.join(support::set(1)), pins.join("tables-999-1")).expect("another layout");
            host.start_agent();
            assert_eq!(host.datapath().start(), Start::Rebuilding);
            assert_eq!(cloud.lost(a, &b.v4(), 20), 0, "the old tables are in force");
            cloud.write_rows();
            cloud.hosts[number].datapath().commit().expect("commit");
        }
    });
}

/// Does something to the hosts under a running ping, of which no packet may be lost.
fn undisturbed(cloud: &mut Cloud, from: Instance, to: Instance, act: impl FnOnce(&mut Cloud)) {
    const COUNT: u32 = 400;
    let inside = cloud.inside(from);
    let arguments = format!("netns exec {inside} ping -n -q -W 2 -i 0.01 -c {COUNT} {}", to.v4());
    let ping = std::process::Command::new("ip")
        .args(arguments.split_whitespace())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("ping");
    assert_eq!(cloud.lost(from, &to.v4(), 20), 0);
    act(cloud);
    let output = ping.wait_with_output().expect("ping");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(&format!("{COUNT} packets transmitted, {COUNT} received")), "{text}");
}

fn an_unknown_sender_is_dropped() {
    use hadron_datapath::drop::DropReason::UnknownVtep;
    use hadron_datapath::table::VtepKey;
    let mut cloud = Cloud::new("unknown", false);
    let (a, b) = (cloud.add(1, 1), cloud.add(2, 2));
    assert_eq!(cloud.lost(a, &b.v4(), 1), 0);
    let tables = cloud.hosts[1].datapath().tables();
    for (key, _) in tables.vteps.dump().unwrap() {
        let VtepKey { vni, address } = key;
        assert!(tables.vteps.remove(&VtepKey { vni, address }).unwrap());
    }
    let before = tables.totals().unwrap().drop(UnknownVtep);
    assert_eq!(cloud.lost(a, &b.v4(), 3), 3);
    // The instance's own neighbour discovery may be among them.
    assert!(tables.totals().unwrap().drop(UnknownVtep) - before >= 3);
}

fn punts_reach_the_process_and_answers_the_instance() {
    let mut cloud = Cloud::new("punt", false);
    let a = cloud.add(1, 1);
    let host = &cloud.hosts[0];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut punts = runtime.block_on(async { host.datapath().punts() }).unwrap();
    let inside = cloud.inside(a);
    // A DHCP client has no address yet, and sends to everybody.
    support::ip(&format!("-n {inside} addr flush dev eth0 scope global"));
    let socket = within(&inside, || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:68").unwrap();
        socket.set_broadcast(true).unwrap();
        socket
    });
    support::ip(&format!("-n {inside} route add 255.255.255.255 dev eth0"));
    socket.send_to(&[7; 300], "255.255.255.255:67").unwrap();
    let next = async { tokio::time::timeout(Duration::from_secs(10), punts.next()).await };
    let punt = runtime.block_on(next).expect("a punt").unwrap();
    assert_eq!((punt.port, punt.ifindex, punt.reason), (a.port, a.ifindex, Some(PuntReason::Dhcp4)));
    assert_eq!((punt.length as usize, punt.frame.len()), (14 + 20 + 8 + 300, 14 + 20 + 8 + 300));
    assert_eq!(punt.frame[42..], [7; 300]);

    let answer = answer_to(&punt.frame, a.mac());
    // The socket for answers belongs to the host's namespace, as the agent does.
    host.datapath().inject(a.ifindex, &answer).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut buffer = [0; 400];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from.to_string().as_str()), (&[8; 50][..], "10.0.0.254:67"));
    let counters = host.datapath().tables().port_counters(a.port).unwrap().unwrap();
    assert_eq!(counters.punted, 1);
}

/// A UDP packet from port 67 to port 68 with 50 bytes.
fn answer_to(request: &[u8], to: Mac) -> Vec<u8> {
    let mut frame = [to.0, [2, 0, 0, 0, 0, 0xfe]].concat();
    frame.extend_from_slice(&request[12..14]);
    frame.extend([0x45, 0, 0, 78, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 254, 255, 255, 255, 255]);
    let sum: u32 = frame[14..34].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend([0, 67, 0, 68, 0, 58, 0, 0]);
    frame.extend([8; 50]);
    frame
}
