//! MACs of address pairs, which move with what their holders announce.

use hadron_pipeline::Mac;
use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::Node;
use hadron_pipeline::table::*;

use crate::cloud::*;
use crate::frames::*;

/// The MAC of a virtual router (RFC 5798 §7.3), and its address.
const VIRTUAL_MAC: Mac = Mac([0, 0, 0x5e, 0, 1, 51]);
const VIRTUAL_V4: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 0, 0, 200);
const VIRTUAL_V6: &str = "fd00::200";

/// An instance as it is while it is the master.
fn as_master(instance: &Instance) -> Instance {
    let v6 = VIRTUAL_V6.parse().expect("an address");
    Instance { mac: VIRTUAL_MAC, v4: VIRTUAL_V4, v6, ..instance.clone() }
}

fn allow_pair(node: &mut Node, port: u32) {
    let tables = &mut node.tables;
    for address in [VIRTUAL_V4.into(), v6(VIRTUAL_V6)] {
        tables.allowed.insert(AllowedKey::new(port, VIRTUAL_MAC, address), Allowed::default());
    }
    tables.ports.get_mut(&PortKey { port }).expect("port").flags |= port_flag::ACCEPT_UNKNOWN;
}

/// One and two may hold the virtual address; three talks to it. One and three are on host 1, two on host 2.
struct Pair {
    hosts: [Node; 2],
    one: Instance,
    two: Instance,
    three: Instance,
}

impl Pair {
    fn new() -> Pair {
        let (one, two, three) = (Instance::new(1, 1, 1), Instance::new(1, 2, 2), Instance::new(1, 3, 1));
        let mut hosts = [1, 2].map(|host| node(host, &[one.clone(), two.clone(), three.clone()]));
        allow_pair(&mut hosts[0], one.port);
        allow_pair(&mut hosts[1], two.port);
        Pair { hosts, one, two, three }
    }

    /// Sends a frame, and what is tunnelled on to the other host.
    fn send(&mut self, from: &Instance, frame: &[u8]) {
        let (here, there) = (from.host as usize - 1, 2 - from.host as usize);
        let outcome = self.hosts[here].from_port(from.ifindex(), frame.to_vec());
        for (_, vni, frame) in tunnelled(&outcome) {
            self.hosts[there].from_overlay(vni, vtep(from.host), frame);
        }
    }

    /// Where a frame of three's goes that is for the virtual MAC.
    fn target(&mut self) -> Option<(u32, u32)> {
        let frame = udp_v4(&self.three, &as_master(&self.one), 1, 2);
        let verdict = self.hosts[0].from_port(self.three.ifindex(), frame).verdict;
        verdict.reason().is_none().then_some((verdict.kind, verdict.a))
    }
}

const HERE: u32 = hadron_pipeline::VerdictKind::Deliver as u32;
const THERE: u32 = hadron_pipeline::VerdictKind::Tunnel as u32;

fn gratuitous(master: &Instance) -> Vec<u8> {
    Arp::request(&as_master(master), VIRTUAL_V4).bytes()
}

#[test]
fn a_virtual_mac_moves_with_a_gratuitous_arp_on_every_host() {
    let mut pair = Pair::new();
    let (one, two) = (pair.one.clone(), pair.two.clone());
    assert_eq!(pair.target(), None, "nobody has said anything");
    pair.send(&one, &gratuitous(&one));
    assert_eq!(pair.target(), Some((HERE, one.port)));
    let key = FdbKey::new(1, VIRTUAL_MAC);
    assert_eq!(pair.hosts[1].tables.learned_macs[&key], LearnedMac { kind: target::HOST, id: 1 });
    pair.send(&two, &gratuitous(&two));
    assert_eq!(pair.target(), Some((THERE, 2)));
    assert_eq!(pair.hosts[1].tables.learned_macs[&key], LearnedMac { kind: target::PORT, id: two.port });
    pair.send(&one, &gratuitous(&one));
    assert_eq!(pair.target(), Some((HERE, one.port)), "and back");
}

#[test]
fn an_unsolicited_advertisement_moves_it_too() {
    let mut pair = Pair::new();
    let two = pair.two.clone();
    pair.send(&two, &Nd::advertisement(&as_master(&two), v6(VIRTUAL_V6)).bytes());
    assert_eq!(pair.target(), Some((THERE, 2)));
}

/// A host that came later knows nothing; who asks for the address gets the MAC, and his host with it.
#[test]
fn an_answer_tells_the_asker_s_host() {
    let mut pair = Pair::new();
    let (two, three) = (pair.two.clone(), pair.three.clone());
    let master = as_master(&two);
    let answer = Arp {
        to: three.mac,
        from: VIRTUAL_MAC,
        operation: 2,
        sender: (VIRTUAL_MAC, VIRTUAL_V4),
        target: (three.mac, three.v4),
    };
    pair.send(&two, &answer.bytes());
    assert_eq!(pair.target(), Some((THERE, 2)));
    pair.hosts[0].tables.learned_macs.clear();
    let answer =
        Nd { to: three.mac, destination: three.v6.into(), ..Nd::advertisement(&master, v6(VIRTUAL_V6)) };
    pair.send(&two, &answer.bytes());
    assert_eq!(pair.target(), Some((THERE, 2)));
}

#[test]
fn only_who_may_use_it_moves_it() {
    let mut pair = Pair::new();
    let (one, three) = (pair.one.clone(), pair.three.clone());
    pair.send(&one, &gratuitous(&one));
    let frame = gratuitous(&three);
    assert_drop(&mut pair.hosts[0], DropReason::SourceMac, |node| node.from_port(three.ifindex(), frame));
    assert_eq!(pair.target(), Some((HERE, one.port)));
}

#[test]
fn a_port_s_own_mac_moves_with_nobody() {
    let mut pair = Pair::new();
    let (one, three) = (pair.one.clone(), pair.three.clone());
    // Without port security, one may say what it likes.
    pair.hosts[0].tables.ports.get_mut(&PortKey { port: one.port }).expect("port").flags =
        port_flag::ACCEPT_UNKNOWN;
    let liar = Instance { mac: three.mac, ..one.clone() };
    pair.send(&one, &Arp::request(&liar, liar.v4).bytes());
    assert!(pair.hosts.iter().all(|host| host.tables.learned_macs.is_empty()));
    let liar = Instance { mac: pair.two.mac, ..one };
    let frame = Arp::request(&liar, liar.v4).bytes();
    pair.hosts[0].from_overlay(vni(1), vtep(2), frame);
    assert!(pair.hosts[0].tables.learned_macs.is_empty());
}

#[test]
fn ordinary_packets_and_other_hosts_routers_teach_nothing() {
    let mut pair = Pair::new();
    let two = pair.two.clone();
    let (master, three) = (as_master(&two), pair.three.clone());
    pair.send(&two, &udp_v4(&master, &three, 1, 2));
    let other_link = Arp { sender: (two.mac, VIRTUAL_V4), ..Arp::request(&master, VIRTUAL_V4) };
    pair.hosts[0].from_overlay(vni(1), vtep(2), other_link.bytes());
    pair.hosts[0].from_overlay(vni(1), vtep(9), gratuitous(&two));
    assert!(pair.hosts.iter().all(|host| host.tables.learned_macs.is_empty()));
}

#[test]
fn news_are_limited_and_repetitions_are_not() {
    let mut pair = Pair::new();
    let one = pair.one.clone();
    let host = &mut pair.hosts[0];
    let row = host.tables.ports.get_mut(&PortKey { port: one.port }).expect("port");
    row.flags = port_flag::ACCEPT_UNKNOWN;
    row.miss_limit = Limit { interval: 1_000_000, burst: 2 };
    host.now = 1_000_000_000;
    let announcement = |n: u8| {
        let own = Instance { mac: Mac([2, 0, 0, 0, 7, n]), ..one.clone() };
        Arp::request(&own, own.v4).bytes()
    };
    let mut dropped = |n| host.from_port(one.ifindex(), announcement(n)).verdict.reason();
    assert_eq!([dropped(1), dropped(2)], [None, None]);
    assert_eq!(dropped(3), Some(DropReason::AnnounceRate));
    assert_eq!([dropped(1), dropped(2)], [None, None]);
}
