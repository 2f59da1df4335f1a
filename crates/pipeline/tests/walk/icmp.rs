//! ICMP and ICMPv6: queries and their answers, and errors that go with what they quote.

use hadron_pipeline::Address;
use hadron_pipeline::drop::DropReason;

use crate::cloud::Instance;
use crate::frames::*;
use crate::policies::*;

/// A query or an answer of ICMP.
fn echo(from: &Instance, to: &Instance, kind: u8, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let message = [kind, 0, 0, 0, high, low, 0, 1];
    ethernet(to.mac, from.mac, 0x0800, &ipv4(from.v4, to.v4, ICMP, &message))
}

/// The same of ICMPv6.
fn echo_v6(from: &Instance, to: &Instance, kind: u8, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    ethernet(to.mac, from.mac, 0x86dd, &icmpv6(from.v6.into(), to.v6.into(), kind, &[high, low, 0, 1]))
}

#[test]
fn an_echo_reply_passes_for_the_request_of_its_identifier() {
    let mut scene = Scene::with(&[Allow::icmp(1, OUT, Some((8, 0))), Allow::icmpv6(2, OUT, Some((128, 0)))]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    assert_eq!(scene.comes(&echo(&a, &b, 0, 7)), DENIED_IN, "nobody asked");
    assert_eq!(scene.goes(&echo(&b, &a, 8, 7)), None);
    assert_eq!(scene.comes(&echo(&a, &b, 0, 7)), None);
    assert_eq!(scene.comes(&echo(&a, &b, 0, 8)), DENIED_IN, "another identifier");
    assert_eq!(scene.comes(&echo(&a, &b, 14, 7)), DENIED_IN, "an answer to another question");
    assert_eq!(scene.goes(&echo_v6(&b, &a, 128, 7)), None);
    assert_eq!(scene.comes(&echo_v6(&a, &b, 129, 7)), None);
    scene.pass(30);
    assert_eq!(scene.comes(&echo(&a, &b, 0, 7)), DENIED_IN);
    assert_eq!(scene.comes(&echo_v6(&a, &b, 129, 7)), DENIED_IN);
}

/// One ping out must not open the way for pings in.
#[test]
fn a_request_with_the_identifier_of_ones_own_is_not_its_reply() {
    let mut scene = Scene::with(&[Allow::icmp(1, OUT, None), Allow::icmpv6(2, OUT, None)]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    assert_eq!((scene.goes(&echo(&b, &a, 8, 7)), scene.goes(&echo_v6(&b, &a, 128, 7))), (None, None));
    assert_eq!(scene.comes(&echo(&a, &b, 8, 7)), DENIED_IN);
    assert_eq!(scene.comes(&echo_v6(&a, &b, 128, 7)), DENIED_IN);
}

#[test]
fn both_sides_may_ask_by_the_same_identifier() {
    let mut scene = Scene::with(&[Allow::icmp(1, OUT, None), Allow::icmp(2, IN, Some((8, 0)))]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    for frame in [echo(&b, &a, 8, 7), echo(&b, &a, 0, 7)] {
        assert_eq!(scene.goes(&frame), None);
    }
    for frame in [echo(&a, &b, 8, 7), echo(&a, &b, 0, 7)] {
        assert_eq!(scene.comes(&frame), None);
    }
    assert_eq!(scene.connections().len(), 2);
}

/// Where a rule lets any ICMP out, a reply that nobody asked for must not let requests in.
#[test]
fn an_answer_that_nobody_asked_for_opens_nothing() {
    let mut scene = Scene::with(&[Allow::icmp(1, OUT, None)]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    assert_eq!(scene.goes(&echo(&b, &a, 0, 7)), None);
    assert_eq!(scene.comes(&echo(&a, &b, 8, 7)), DENIED_IN);
    assert_eq!(scene.connections(), []);
}

#[test]
fn timestamps_are_a_question_of_their_own() {
    let mut scene = Scene::with(&[Allow::icmp(1, OUT, Some((13, 0)))]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    assert_eq!(scene.goes(&echo(&b, &a, 8, 7)), DENIED_OUT);
    assert_eq!(scene.goes(&echo(&b, &a, 13, 7)), None);
    assert_eq!((scene.comes(&echo(&a, &b, 0, 7)), scene.comes(&echo(&a, &b, 14, 7))), (DENIED_IN, None));
}

/// An ICMP error about a packet, of which its sender's neighbour sees IP header and 8 bytes.
fn error(from: &Instance, to: &Instance, kind: u8, about: &[u8]) -> Vec<u8> {
    let message = [&[kind, 1, 0, 0, 0, 0, 0, 0][..], &about[14..about.len().min(42)]].concat();
    ethernet(to.mac, from.mac, 0x0800, &ipv4(from.v4, to.v4, ICMP, &message))
}

/// The same of ICMPv6, which quotes as much as fits.
fn error_v6(from: &Instance, to: &Instance, kind: u8, about: &[u8]) -> Vec<u8> {
    let body = [&[0, 0, 5, 0][..], &about[14..]].concat();
    ethernet(to.mac, from.mac, 0x86dd, &icmpv6(from.v6.into(), to.v6.into(), kind, &body))
}

#[test]
fn errors_pass_to_who_sent_what_they_quote() {
    let mut scene = Scene::from_anybody(&[Allow::udp(1, OUT, 53)]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let sent = udp_v4(&b, &a, 40_000, 53);
    assert_eq!(scene.comes(&error(&a, &b, 3, &sent)), DENIED_IN, "before there is a connection");
    scene.goes(&sent);
    let passing: Vec<u8> =
        (0..=40).filter(|kind| scene.comes(&error(&a, &b, *kind, &sent)).is_none()).collect();
    assert_eq!(passing, [3, 4, 11, 12], "and no redirect");
    let router = Instance { v4: [198, 51, 100, 1].into(), ..a.clone() };
    assert_eq!(scene.comes(&error(&router, &b, 11, &sent)), None, "from any router on the way");
    let other = udp_v4(&b, &a, 40_001, 53);
    assert_eq!(scene.comes(&error(&a, &b, 3, &other)), DENIED_IN, "a packet that was not sent");
    assert_eq!(scene.comes(&error(&a, &b, 3, &udp_v4(&a, &b, 53, 40_000))), DENIED_IN, "one that came");
}

#[test]
fn errors_do_not_prolong_a_connection_and_end_with_its_permission() {
    let mut scene = Scene::with(&[Allow::udp(1, OUT, 53)]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let sent = udp_v4(&b, &a, 40_000, 53);
    let notice = error(&a, &b, 3, &sent);
    scene.goes(&sent);
    scene.pass(20);
    assert_eq!(scene.comes(&notice), None);
    scene.pass(10);
    assert_eq!(scene.comes(&notice), DENIED_IN);
    scene.goes(&sent);
    scene.revoke(1);
    assert_eq!(scene.comes(&notice), DENIED_IN);
}

#[test]
fn errors_about_tcp_echo_and_other_protocols() {
    let rules = [Allow::tcp(1, OUT, 80), Allow::icmp(2, OUT, Some((8, 0))), Allow::all(3, OUT, 4, 47)];
    let mut scene = Scene::with(&rules);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let packet =
        |protocol, payload: &[u8]| ethernet(a.mac, b.mac, 0x0800, &ipv4(b.v4, a.v4, protocol, payload));
    for sent in [packet(TCP, &tcp(40_000, 80, b"")), echo(&b, &a, 8, 7), packet(47, &[0; 8])] {
        assert_eq!(scene.comes(&error(&a, &b, 3, &sent)), DENIED_IN);
        assert_eq!(scene.goes(&sent), None);
        assert_eq!(scene.comes(&error(&a, &b, 3, &sent)), None);
    }
    assert_eq!(scene.comes(&error(&a, &b, 3, &echo(&b, &a, 0, 7))), DENIED_IN, "no reply was sent");
}

#[test]
fn errors_of_icmpv6_and_those_that_instances_send() {
    let mut scene = Scene::with(&[Allow { family: 6, ..Allow::udp(1, IN, 53) }]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let came = udp_v6(&a, &b, 40_000, 53);
    assert_eq!(scene.goes(&error_v6(&b, &a, 1, &came)), DENIED_OUT);
    scene.comes(&came);
    assert_eq!(scene.goes(&error_v6(&b, &a, 1, &came)), None, "port unreachable");
    let answer = udp_v6(&b, &a, 53, 40_000);
    let passing: Vec<u8> =
        (0..=10).filter(|kind| scene.comes(&error_v6(&a, &b, *kind, &answer)).is_none()).collect();
    assert_eq!(passing, [1, 2, 3, 4]);
}

#[test]
fn an_error_that_quotes_nothing_known_is_judged_by_its_type_and_code() {
    let mut scene = Scene::with(&[Allow::icmp(1, IN, Some((3, 1)))]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let about = udp_v4(&b, &a, 1, 2);
    assert_eq!(
        (scene.comes(&error(&a, &b, 3, &about)), scene.comes(&error(&a, &b, 11, &about))),
        (None, DENIED_IN)
    );
    assert_eq!(scene.connections(), []);
}

#[test]
fn quotations_that_are_cut_short_or_bent_belong_to_nothing() {
    let mut scene = Scene::with(&[Allow::udp(1, OUT, 53)]);
    let (a, b) = (scene.peer.clone(), scene.guarded.clone());
    let sent = udp_v4(&b, &a, 40_000, 53);
    scene.goes(&sent);
    let whole = error(&a, &b, 3, &sent);
    for length in 42..whole.len() {
        let mut frame = whole[..length].to_vec();
        frame[16..18].copy_from_slice(&(length as u16 - 14).to_be_bytes());
        assert_eq!(scene.comes(&frame), DENIED_IN, "{length}");
    }
    for (at, byte) in
        [(42, 0x65), (42, 0x44), (42, 0x4f), (48, 0x00), (49, 0x01), (51, 6), (54, 11), (58, 11)]
    {
        let mut frame = whole.clone();
        if frame[at] == byte {
            continue;
        }
        frame[at] = byte;
        assert_eq!(scene.comes(&frame), if at == 48 { None } else { DENIED_IN }, "{at}");
    }
    let unspecified = Address::UNSPECIFIED;
    let quoted = ipv6(unspecified, unspecified, UDP, 1, &udp(40_000, 53, b""));
    let strange = [&[3, 1, 0, 0, 0, 0, 0, 0][..], &quoted].concat();
    let frame = ethernet(b.mac, a.mac, 0x0800, &ipv4(a.v4, b.v4, ICMP, &strange));
    assert_eq!(scene.comes(&frame), Some(DropReason::IngressDenied));
}
