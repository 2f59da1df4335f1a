//! Fragments: the first decides, the others follow it.

use hadron_pipeline::drop::DropReason;

use crate::frames::*;
use crate::policies::*;

const MORE: u16 = 0x2000;

/// A fragment of IPv4 with an identification of its own. `place` is flags and offset.
fn fragment(scene: &Scene, inbound: bool, id: u16, place: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let (from, to) = if inbound { (&scene.peer, &scene.guarded) } else { (&scene.guarded, &scene.peer) };
    let mut packet = ipv4_fragment(from.v4, to.v4, protocol, place, payload);
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    ethernet(to.mac, from.mac, 0x0800, &packet)
}

fn first(scene: &Scene, id: u16, port: u16) -> Vec<u8> {
    fragment(scene, true, id, MORE, UDP, &udp(1000, port, &[1; 24]))
}

fn later(scene: &Scene, id: u16) -> Vec<u8> {
    fragment(scene, true, id, 4, UDP, &[2; 16])
}

fn open() -> Scene {
    Scene::from_anybody(&[Allow::udp(1, IN, 53)])
}

const NO_FIRST: Option<DropReason> = Some(DropReason::IngressFragment);

#[test]
fn later_fragments_follow_their_first_one() {
    let mut scene = open();
    let (one, two) = (first(&scene, 9, 53), later(&scene, 9));
    assert_eq!(scene.comes(&two), NO_FIRST, "it has overtaken its first one");
    assert_eq!((scene.comes(&one), scene.comes(&two), scene.comes(&two)), (None, None, None));
    let others = [
        later(&scene, 10),
        fragment(&scene, true, 9, 4, TCP, &[2; 16]),
        fragment(&scene, true, 9, 4, 47, &[2; 16]),
    ];
    for other in others {
        assert_eq!(scene.comes(&other), NO_FIRST);
    }
    let out = fragment(&scene, false, 9, 4, UDP, &[2; 16]);
    assert_eq!(scene.goes(&out), Some(DropReason::EgressFragment), "each direction by itself");
    scene.pass(30);
    assert_eq!(scene.comes(&two), NO_FIRST, "nobody waits that long");
}

#[test]
fn a_first_fragment_that_is_denied_is_followed_by_none() {
    let mut scene = open();
    let (one, two) = (first(&scene, 9, 22), later(&scene, 9));
    assert_eq!((scene.comes(&one), scene.comes(&two)), (DENIED_IN, NO_FIRST));
}

/// A second beginning with other ports must not be written over the first one (RFC 1858 §4).
#[test]
fn each_fragment_with_ports_is_judged_by_them() {
    let mut scene = open();
    let (allowed, over_it) = (first(&scene, 9, 53), first(&scene, 9, 22));
    assert_eq!((scene.comes(&allowed), scene.comes(&over_it)), (None, DENIED_IN));
    let over_flags = fragment(&scene, true, 9, 1, TCP, &[2; 16]);
    assert_eq!(scene.comes(&over_flags), Some(DropReason::FragmentTiny));
}

#[test]
fn fragments_of_an_answer_and_of_what_is_sent() {
    let mut scene = Scene::from_anybody(&[Allow::udp(1, OUT, 53)]);
    let ask = fragment(&scene, false, 3, MORE, UDP, &udp(1000, 53, &[1; 24]));
    let rest = fragment(&scene, false, 3, 4, UDP, &[2; 16]);
    assert_eq!((scene.goes(&ask), scene.goes(&rest)), (None, None));
    let answer = fragment(&scene, true, 4, MORE, UDP, &udp(53, 1000, &[1; 24]));
    let its_rest = fragment(&scene, true, 4, 4, UDP, &[2; 16]);
    assert_eq!(
        (scene.comes(&its_rest), scene.comes(&answer), scene.comes(&its_rest)),
        (NO_FIRST, None, None)
    );
}

/// A fragment of IPv6: `next` is what the fragment header names.
fn fragment_v6(scene: &Scene, next: u8, offset_and_more: u16, payload: &[u8]) -> Vec<u8> {
    let (from, to) = (&scene.peer, &scene.guarded);
    let packet = fragment_header(next, offset_and_more, payload);
    ethernet(to.mac, from.mac, 0x86dd, &ipv6(from.v6.into(), to.v6.into(), FRAGMENT, 64, &packet))
}

#[test]
fn fragments_of_ipv6() {
    let mut scene = Scene::from_anybody(&[Allow { family: 6, ..Allow::udp(1, IN, 53) }]);
    let one = fragment_v6(&scene, UDP, 1, &udp(1000, 53, &[1; 24]));
    let two = fragment_v6(&scene, UDP, 32, &[2; 16]);
    assert_eq!((scene.comes(&two), scene.comes(&one), scene.comes(&two)), (NO_FIRST, None, None));
}

/// Only the first fragment's header must be right about what follows it (RFC 8200 §4.5): there it is an extension header.
#[test]
fn an_extension_header_behind_the_fragment_header() {
    let mut scene = Scene::from_anybody(&[Allow { family: 6, ..Allow::udp(1, IN, 53) }]);
    let options = [&[UDP, 0, 1, 4, 0, 0, 0, 0][..], &udp(1000, 53, &[1; 24])].concat();
    let one = fragment_v6(&scene, 60, 1, &options);
    let two = fragment_v6(&scene, 60, 40, &[2; 16]);
    assert_eq!((scene.comes(&one), scene.comes(&two)), (None, None));
}

#[test]
fn a_lease_in_fragments_needs_no_rule() {
    let mut scene = Scene::from_anybody(&[]);
    let lease = fragment(&scene, true, 5, MORE, UDP, &udp(67, 68, &[1; 24]));
    let rest = fragment(&scene, true, 5, 4, UDP, &[2; 16]);
    assert_eq!((scene.comes(&lease), scene.comes(&rest)), (None, None));
}

#[test]
fn what_is_complete_is_remembered_by_nobody() {
    let mut scene = open();
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    assert_eq!(scene.comes(&udp_v4(&a, &b, 1000, 53)), None);
    assert!(scene.node.tables.fragments.is_empty());
}
