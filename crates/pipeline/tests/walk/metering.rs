//! Rate limits per port.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::Node;
use hadron_pipeline::table::{Limit, Meters, PortKey};

use crate::cloud::{Instance, assert_drop, pair};
use crate::frames::*;

const MILLISECOND: u64 = 1_000_000;

/// One frame a millisecond, three at once.
const LIMIT: Limit = Limit { interval: MILLISECOND as u32, burst: 3 };

fn limited(limit: impl Fn(&mut hadron_pipeline::table::Port, Limit)) -> (Node, Instance) {
    let (mut node, a, _) = pair();
    limit(node.tables.ports.get_mut(&PortKey { port: a.port }).expect("a"), LIMIT);
    node.now = 5_000 * MILLISECOND;
    (node, a)
}

/// Sends until the first drop for the reason, at one instant, and counts what passed.
fn passed(node: &mut Node, a: &Instance, frame: &[u8], reason: DropReason) -> u32 {
    let mut passed = 0;
    while passed < 100 {
        match node.from_port(a.ifindex(), frame.to_vec()).verdict.reason() {
            None => passed += 1,
            Some(found) => {
                assert_eq!(found, reason);
                break;
            }
        }
    }
    passed
}

#[track_caller]
fn assert_limited(node: &mut Node, a: &Instance, frame: &[u8], reason: DropReason) {
    assert_eq!(passed(node, a, frame, reason), 3, "the burst");
    node.now += 2 * MILLISECOND;
    assert_eq!(passed(node, a, frame, reason), 2, "one each millisecond");
    node.now += MILLISECOND - 1;
    assert_eq!(passed(node, a, frame, reason), 0, "not a nanosecond early");
    node.now += 1000 * MILLISECOND;
    assert_eq!(passed(node, a, frame, reason), 3, "credit does not grow beyond the burst");
}

#[test]
fn dhcp_is_limited() {
    let (mut node, a) = limited(|port, limit| port.punt_limit = limit);
    assert_limited(&mut node, &a, &dhcp_discover(&a), DropReason::PuntRate);
}

#[test]
fn questions_for_unknown_neighbours_are_limited() {
    let (mut node, a) = limited(|port, limit| port.miss_limit = limit);
    let arp = Arp::request(&a, [10, 0, 0, 99].into()).bytes();
    let solicitation = Nd::solicitation(&a, v6("fd00::99")).bytes();
    assert_limited(&mut node, &a, &arp, DropReason::MissRate);
    node.now += 1000 * MILLISECOND;
    assert_limited(&mut node, &a, &solicitation, DropReason::MissRate);
}

#[test]
fn broadcast_is_limited() {
    let (mut node, a) = limited(|port, limit| port.flood_limit = limit);
    let packet = ipv4(a.v4, [10, 0, 0, 255].into(), UDP, &udp(1, 2, b""));
    assert_limited(&mut node, &a, &ethernet(BROADCAST, a.mac, 0x0800, &packet), DropReason::FloodRate);
}

#[test]
fn known_neighbours_and_unicast_are_not_limited() {
    let (mut node, a, b) = pair();
    let port = node.tables.ports.get_mut(&PortKey { port: a.port }).expect("a");
    (port.punt_limit, port.miss_limit, port.flood_limit) = (LIMIT, LIMIT, LIMIT);
    for frame in
        [udp_v4(&a, &b, 1, 2), Arp::request(&a, b.v4).bytes(), Nd::solicitation(&a, b.v6.into()).bytes()]
    {
        assert_eq!(passed(&mut node, &a, &frame, DropReason::FloodRate), 100);
    }
}

#[test]
fn without_state_nothing_limited_passes() {
    let (mut node, a) = limited(|port, limit| port.punt_limit = limit);
    node.tables.meters.clear();
    assert_drop(&mut node, DropReason::PuntRate, |n| n.from_port(a.ifindex(), dhcp_discover(&a)));
}

#[test]
fn an_early_clock_gives_the_burst_once() {
    let (mut node, a) = limited(|port, limit| port.punt_limit = limit);
    node.now = 0;
    assert_eq!(passed(&mut node, &a, &dhcp_discover(&a), DropReason::PuntRate), 1);
    let meters = Meters { punt: u64::from(LIMIT.interval), ..Meters::default() };
    assert_eq!(node.tables.meters[&PortKey { port: a.port }], meters);
}
