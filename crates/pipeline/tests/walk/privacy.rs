//! Addresses that instances choose themselves.

use hadron_pipeline::Address;
use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::Node;
use hadron_pipeline::table::*;

use crate::cloud::*;
use crate::frames::*;
use crate::policies::SECOND;

const CHOSEN: &str = "fd00::5ad:c0de:1:2";

fn allow_choice(node: &mut Node, port: u32) {
    node.tables.privacy_prefixes.insert(PrivacyPrefixKey::new(1, v6("fd00::"), 64), PrivacyPrefix::default());
    node.tables.privacy_rings.insert(PortKey { port }, PrivacyRing::default());
    node.tables.ports.get_mut(&PortKey { port }).expect("port").flags |= port_flag::PRIVACY;
}

/// Two instances on one host that may both choose.
fn scene() -> (Node, Instance, Instance) {
    let (mut node, a, b) = pair();
    node.now = 1000 * SECOND;
    for port in [a.port, b.port] {
        allow_choice(&mut node, port);
    }
    (node, a, b)
}

/// With another address of its own.
fn with(instance: &Instance, address: Address) -> Instance {
    Instance { v6: address.0.into(), ..instance.clone() }
}

fn ask(node: &mut Node, instance: &Instance, address: Address) {
    node.from_port(instance.ifindex(), Nd::dad(instance, address).bytes());
}

/// Whether port security lets a packet from the address pass.
fn may_use(node: &mut Node, instance: &Instance, address: Address) -> bool {
    let to = Instance::new(1, if instance.port == 101 { 2 } else { 1 }, 1);
    let outcome = node.from_port(instance.ifindex(), udp_v6(&with(instance, address), &to, 1, 2));
    outcome.verdict.reason() != Some(DropReason::SourceAddress)
}

#[test]
fn an_address_that_was_asked_for_may_be_used() {
    let (mut node, a, b) = scene();
    let chosen = v6(CHOSEN);
    assert!(!may_use(&mut node, &a, chosen));
    ask(&mut node, &a, chosen);
    assert!(!may_use(&mut node, &a, chosen), "somebody may still say that it is theirs");
    node.now += SECOND;
    assert!(may_use(&mut node, &a, chosen));
    assert!(!may_use(&mut node, &b, chosen), "it is a's");
    let advertisement = Nd::advertisement(&with(&a, chosen), chosen).bytes();
    assert_eq!(node.from_port(a.ifindex(), advertisement).verdict.reason(), None, "and may be defended");
    let other_mac = Instance { mac: hadron_pipeline::Mac([2; 6]), ..with(&a, chosen) };
    let outcome = node.from_port(a.ifindex(), udp_v6(&other_mac, &b, 1, 2));
    assert_eq!(outcome.verdict.reason(), Some(DropReason::SourceMac));
}

#[test]
fn outside_the_prefixes_and_without_the_switch_nothing_is_learned() {
    let (mut node, a, b) = scene();
    for address in ["fd01::1", "2001:db8::1", "fe80::77"] {
        ask(&mut node, &a, v6(address));
    }
    node.tables.ports.get_mut(&PortKey { port: b.port }).expect("port").flags = port_flag::PORT_SECURITY;
    ask(&mut node, &b, v6(CHOSEN));
    assert!(node.tables.privacy_addresses.is_empty());
    node.tables.privacy_rings.remove(&PortKey { port: a.port });
    ask(&mut node, &a, v6(CHOSEN));
    assert!(node.tables.privacy_addresses.is_empty());
}

#[test]
fn questions_that_are_no_duplicate_address_detection_teach_nothing() {
    let (mut node, a, _) = scene();
    node.from_port(a.ifindex(), Nd::solicitation(&a, v6(CHOSEN)).bytes());
    let dad = Nd::dad(&a, v6(CHOSEN));
    let bent = [
        Nd { destination: Address::ALL_NODES, ..dad.clone() },
        Nd { options: link_layer(1, a.mac), ..dad.clone() },
        Nd { source: v6("fd00::99"), ..dad },
    ];
    for nd in bent {
        node.from_port(a.ifindex(), nd.bytes());
    }
    assert!(node.tables.privacy_addresses.is_empty());
}

#[test]
fn first_come_first_served() {
    let (mut node, a, b) = scene();
    let chosen = v6(CHOSEN);
    ask(&mut node, &a, b.v6.into());
    ask(&mut node, &a, chosen);
    node.now += SECOND;
    ask(&mut node, &b, chosen);
    node.now += SECOND;
    assert!(!may_use(&mut node, &a, b.v6.into()), "a port's own address is taken");
    assert!(may_use(&mut node, &a, chosen) && !may_use(&mut node, &b, chosen));
    node.tables.ports.remove(&PortKey { port: a.port });
    ask(&mut node, &b, chosen);
    node.now += SECOND;
    assert!(may_use(&mut node, &b, chosen), "who is gone has nothing");
}

#[test]
fn an_advertisement_from_another_host_defends_an_address() {
    let all = [Instance::new(1, 1, 1), Instance::new(1, 9, 2)];
    let mut node = node(1, &all);
    node.now = 1000 * SECOND;
    let (a, elsewhere) = (&all[0], &all[1]);
    allow_choice(&mut node, a.port);
    let chosen = v6(CHOSEN);
    let defence = Nd::advertisement(&with(elsewhere, chosen), chosen).bytes();
    ask(&mut node, a, chosen);
    node.from_overlay(vni(1), vtep(2), defence.clone());
    node.now += SECOND;
    let to = elsewhere.clone();
    let leaves = |node: &mut Node| {
        node.from_port(a.ifindex(), udp_v6(&with(a, chosen), &to, 1, 2)).verdict.reason().is_none()
    };
    assert!(!leaves(&mut node));
    ask(&mut node, a, chosen);
    node.now += SECOND;
    node.from_overlay(vni(1), vtep(2), defence);
    assert!(leaves(&mut node), "too late: else anybody could take it away");
}

#[test]
fn a_port_has_as_many_as_it_may_and_the_oldest_go_first() {
    let (mut node, a, _) = scene();
    let address = |n: usize| v6(&format!("fd00::5ad:0:0:{n:x}"));
    for n in 1..=PRIVACY_SLOTS + 3 {
        ask(&mut node, &a, address(n));
        ask(&mut node, &a, address(n));
    }
    node.now += SECOND;
    let used: Vec<_> = (1..=PRIVACY_SLOTS + 3).filter(|n| may_use(&mut node, &a, address(*n))).collect();
    assert_eq!(used, (4..=PRIVACY_SLOTS + 3).collect::<Vec<_>>());
    assert_eq!(node.tables.privacy_addresses.len(), PRIVACY_SLOTS);
}

#[test]
fn what_is_used_stays_and_what_is_idle_goes() {
    let (mut node, a, b) = scene();
    let (used, idle) = (v6(CHOSEN), v6("fd00::1d1e"));
    ask(&mut node, &a, used);
    ask(&mut node, &a, idle);
    for _ in 0..9 {
        node.now += 86_400 * SECOND;
        assert!(may_use(&mut node, &a, used));
    }
    assert!(!may_use(&mut node, &a, idle));
    ask(&mut node, &b, idle);
    node.now += SECOND;
    assert!(may_use(&mut node, &b, idle), "it is anybody's again");
}
