//! Stage `route`: next hops that no table lists, and how routers come to know them.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::Node;
use hadron_pipeline::table::*;
use hadron_pipeline::{Address, VerdictKind};

use crate::cloud::{Instance, delivered, tunnelled, vtep};
use crate::frames::*;
use crate::routers::{self, instance, mac, own_v4, own_v6};
use crate::routing::{assert_refused, through};

/// One asks from network 1; two, of network 2 and on another host, may have a further address. A third is beside two.
struct Scene {
    hosts: [Node; 2],
    one: Instance,
    two: Instance,
    third: Instance,
}

const VIRTUAL_V4: [u8; 4] = [10, 0, 2, 200];

fn virtual_v6() -> Address {
    routers::v6(2, 200).into()
}

impl Scene {
    fn new() -> Scene {
        let (one, two, third) = (instance(1, 1, 1), instance(2, 2, 2), instance(2, 3, 2));
        let all = [one.clone(), two.clone(), third.clone()];
        let mut hosts = [1, 2].map(|host| routers::node(host, &all, &[(1, 1), (1, 2)]));
        for host in &mut hosts {
            let row = host.tables.networks.get_mut(&NetworkKey { network: 2 }).expect("the network");
            row.flags |= network_flag::UNLISTED;
        }
        for address in [Address::v4(VIRTUAL_V4), virtual_v6()] {
            let key = AllowedKey::new(two.port, two.mac, address);
            hosts[1].tables.allowed.insert(key, Allowed::default());
        }
        Scene { hosts, one, two, third }
    }

    /// As it is when it has the further address.
    fn holder(&self) -> Instance {
        Instance { v4: VIRTUAL_V4.into(), v6: routers::v6(2, 200), ..self.two.clone() }
    }

    /// What one's packet to the further address becomes on its host.
    fn send(&mut self, is_v6: bool) -> hadron_pipeline::host::Outcome {
        let frame = through(1, &self.one, &self.holder())[usize::from(is_v6)].clone();
        self.hosts[0].from_port(self.one.ifindex(), frame)
    }

    /// What two says, on its host and wherever that sends it.
    fn say(&mut self, frame: Vec<u8>) {
        let outcome = self.hosts[1].from_port(self.two.ifindex(), frame);
        for (_, vni, frame) in tunnelled(&outcome) {
            let outcome = self.hosts[0].from_overlay(vni, vtep(2), frame);
            assert_eq!(outcome.verdict.reason(), None, "{outcome:?}");
        }
    }
}

/// What two answers to a router.
fn answers(scene: &Scene) -> [Vec<u8>; 2] {
    let holder = scene.holder();
    let mut arp = Arp::request(&holder, own_v4(1, 2));
    (arp.to, arp.operation, arp.target) = (mac(1, 2), 2, (mac(1, 2), own_v4(1, 2)));
    let mut na = Nd::advertisement(&holder, virtual_v6());
    (na.to, na.destination, na.flags) = (mac(1, 2), own_v6(1, 2).into(), 0x60);
    [arp.bytes(), na.bytes()]
}

#[test]
fn a_router_asks_everyone_for_a_next_hop_that_is_not_listed() {
    let mut scene = Scene::new();
    let question = scene.send(false);
    let expected = Arp {
        to: BROADCAST,
        from: mac(1, 2),
        operation: 1,
        sender: (mac(1, 2), own_v4(1, 2)),
        target: (Default::default(), VIRTUAL_V4.into()),
    };
    let [(remote, vni, frame)] = &tunnelled(&question)[..] else { panic!("{question:?}") };
    assert_eq!((*remote, *vni, frame), (vtep(2), crate::cloud::vni(2), &expected.padded()));
    // It reaches the instances there.
    let there = scene.hosts[1].from_overlay(*vni, vtep(1), frame.clone());
    assert_eq!(delivered(&there).len(), 2);
    let question = scene.send(true);
    let [(.., frame)] = &tunnelled(&question)[..] else { panic!("{question:?}") };
    assert_eq!(frame[..6], multicast_mac(virtual_v6().solicited_node()).0);
    assert_eq!(frame[21], 255);
    assert_eq!(icmpv6_checksum(own_v6(1, 2).into(), virtual_v6().solicited_node(), &frame[54..86]), 0);
    assert_eq!((frame[54], &frame[62..78]), (NS, &virtual_v6().0[..]));
    assert_eq!(frame[78..86], link_layer(1, mac(1, 2))[..]);
    assert_eq!(frame[86..], [0; 20], "something of the packet leaves with the question");
}

#[test]
fn every_host_learns_from_an_answer_to_the_router() {
    for is_v6 in [false, true] {
        let mut scene = Scene::new();
        let answer = answers(&scene)[usize::from(is_v6)].clone();
        scene.say(answer);
        let outcome = scene.send(is_v6);
        assert_eq!(outcome.verdict.kind, VerdictKind::Tunnel as u32, "{outcome:?}");
        assert_eq!(outcome.bytes[..6], scene.two.mac.0);
    }
}

#[test]
fn an_address_that_an_instance_chooses_is_known_from_when_it_asks_for_it() {
    let mut scene = Scene::new();
    let holder = scene.holder();
    scene.say(Nd::dad(&holder, virtual_v6()).bytes());
    assert_eq!(scene.send(true).verdict.kind, VerdictKind::Tunnel as u32);
}

#[test]
fn a_listed_address_is_nobody_else_s() {
    let mut scene = Scene::new();
    let third = Instance { mac: scene.two.mac, ..scene.third.clone() };
    let key = AllowedKey::new(scene.two.port, scene.two.mac, third.v4.into());
    scene.hosts[1].tables.allowed.insert(key, Allowed::default());
    scene.say(Arp::request(&third, third.v4).bytes());
    assert!(scene.hosts.iter().all(|host| host.tables.learned_neighbours.is_empty()));
}

#[test]
fn questions_are_limited_and_then_the_sender_is_told() {
    let mut scene = Scene::new();
    let node = &mut scene.hosts[0];
    node.now = 1_000_000_000;
    let row = node.tables.ports.get_mut(&PortKey { port: scene.one.port }).expect("the port");
    row.miss_limit = Limit { interval: 1_000_000, burst: 1 };
    assert_eq!(scene.send(false).verdict.kind, VerdictKind::Flood as u32);
    let frame = through(1, &scene.one, &scene.holder())[0].clone();
    let told = assert_refused(&mut scene.hosts[0], DropReason::NextHopUnknown, &scene.one, frame);
    assert_eq!((told.bytes[34], told.bytes[35]), (3, 1));
}
