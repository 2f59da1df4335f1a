//! Stage `classify`: what is malformed is dropped, and what is unusual but right passes.

use hadron_pipeline::drop::DropReason;
use hadron_pipeline::host::Frame;

use crate::cloud::{Instance, assert_delivered, assert_drop, node, pair};
use crate::frames::*;

/// Asserts that open and secure ports alike may not send the frame.
#[track_caller]
fn assert_malformed(reason: DropReason, frame: impl Fn(&Instance, &Instance) -> Vec<u8>) {
    for is_secure in [true, false] {
        let a = Instance { is_secure, ..Instance::new(1, 1, 1) };
        let b = Instance::new(1, 2, 1);
        let bytes = frame(&a, &b);
        assert_drop(&mut node(1, &[a.clone(), b]), reason, |n| n.from_port(a.ifindex(), bytes));
    }
}

/// Asserts that a secure port may send the frame.
#[track_caller]
fn assert_well_formed(frame: impl Fn(&Instance, &Instance) -> Vec<u8>) {
    let (_, a, b) = pair();
    let bytes = frame(&a, &b);
    let mut node = node(1, &[a.clone().open(), b.clone().open()]);
    assert_delivered(&node.from_port(a.ifindex(), bytes.clone()), &b, &bytes);
}

fn patched(mut bytes: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
    bytes[at] = value;
    bytes
}

#[test]
fn frames_too_short_for_ethernet() {
    for length in 0..14 {
        assert_malformed(DropReason::FrameTooShort, |a, b| udp_v4(a, b, 1, 2)[..length].to_vec());
    }
}

#[test]
fn a_multicast_source() {
    assert_malformed(DropReason::SourceMulticast, |a, b| patched(udp_v4(a, b, 1, 2), 6, 0x01));
}

#[test]
fn vlan_tags_in_the_frame_and_beside_it() {
    for kind in [0x8100_u16, 0x88a8] {
        assert_malformed(DropReason::VlanTagged, |a, b| {
            let inner = udp_v4(a, b, 1, 2)[12..].to_vec();
            ethernet(b.mac, a.mac, kind, &[&[0, 5], &inner[..]].concat())
        });
    }
    let (mut node, a, b) = pair();
    let frame = Frame { bytes: udp_v4(&a, &b, 1, 2), vlan: Some(7), ..Frame::default() };
    assert_drop(&mut node, DropReason::VlanTagged, |n| n.from_port(a.ifindex(), frame));
}

#[test]
fn arp_cut_short_or_of_other_kinds() {
    let request = |a: &Instance, b: &Instance| Arp::request(a, b.v4).bytes();
    assert_malformed(DropReason::ArpMalformed, |a, b| request(a, b)[..41].to_vec());
    for (at, value) in [(15, 6), (16, 0x86), (18, 8), (19, 16)] {
        assert_malformed(DropReason::ArpMalformed, |a, b| patched(request(a, b), at, value));
    }
}

#[test]
fn ipv4_headers_that_contradict_themselves() {
    let packet = |a: &Instance, b: &Instance| udp_v4(a, b, 1, 2);
    for (at, value) in [(14, 0x55), (14, 0x44), (14, 0x4f), (16, 0xff), (17, 19)] {
        assert_malformed(DropReason::Ipv4Malformed, |a, b| patched(packet(a, b), at, value));
    }
    assert_malformed(DropReason::Ipv4Malformed, |a, b| packet(a, b)[..33].to_vec());
}

#[test]
fn ipv6_headers_that_contradict_themselves() {
    let packet = |a: &Instance, b: &Instance| udp_v6(a, b, 1, 2);
    for (at, value) in [(14, 0x40), (18, 1)] {
        assert_malformed(DropReason::Ipv6Malformed, |a, b| patched(packet(a, b), at, value));
    }
    assert_malformed(DropReason::Ipv6Malformed, |a, b| packet(a, b)[..53].to_vec());
}

#[test]
fn mapped_ipv4_addresses_in_ipv6() {
    for destination in [false, true] {
        assert_malformed(DropReason::Ipv6Malformed, |a, b| {
            let (source, to) =
                if destination { (a.v6.into(), b.v4.into()) } else { (a.v4.into(), b.v6.into()) };
            ethernet(b.mac, a.mac, 0x86dd, &ipv6(source, to, UDP, 64, &udp(1, 2, b"")))
        });
    }
}

#[test]
fn transport_headers_cut_short() {
    let header = |protocol, length: usize| {
        move |a: &Instance, b: &Instance| {
            ethernet(b.mac, a.mac, 0x0800, &ipv4(a.v4, b.v4, protocol, &vec![0x55; length]))
        }
    };
    for (protocol, length) in [(TCP, 19), (UDP, 7), (132, 11), (1, 7)] {
        assert_malformed(DropReason::TransportMalformed, header(protocol, length));
    }
    assert_malformed(DropReason::TransportMalformed, |a, b| {
        ethernet(b.mac, a.mac, 0x86dd, &ipv6(a.v6.into(), b.v6.into(), ICMPV6, 64, &[128, 0, 0, 0, 0, 0, 0]))
    });
}

#[test]
fn transport_headers_that_contradict_themselves() {
    let packet = |offset: u8| {
        move |a: &Instance, b: &Instance| {
            let segment = patched(tcp(1, 2, b""), 12, offset << 4);
            ethernet(b.mac, a.mac, 0x0800, &ipv4(a.v4, b.v4, TCP, &segment))
        }
    };
    assert_malformed(DropReason::TransportMalformed, packet(4));
    assert_malformed(DropReason::TransportMalformed, packet(6));
    assert_malformed(DropReason::TransportMalformed, |a, b| patched(udp_v4(a, b, 1, 2), 39, 7));
}

#[test]
fn a_transport_header_that_lies_in_the_padding() {
    assert_malformed(DropReason::TransportMalformed, |a, b| {
        [ethernet(b.mac, a.mac, 0x0800, &ipv4(a.v4, b.v4, UDP, &[0; 4])), vec![0; 22]].concat()
    });
}

#[test]
fn fragments_that_hide_the_transport_header() {
    let fragment = |field, payload: &'static [u8]| {
        move |a: &Instance, b: &Instance| {
            ethernet(b.mac, a.mac, 0x0800, &ipv4_fragment(a.v4, b.v4, TCP, field, payload))
        }
    };
    assert_malformed(DropReason::FragmentTiny, fragment(0x2000, &[0; 16]));
    assert_malformed(DropReason::FragmentTiny, fragment(0x2001, &[0; 24]));
    assert_malformed(DropReason::FragmentTiny, |a, b| {
        let payload = fragment_header(UDP, 1, &[0; 4]);
        ethernet(b.mac, a.mac, 0x86dd, &ipv6(a.v6.into(), b.v6.into(), FRAGMENT, 64, &payload))
    });
}

#[test]
fn fragments_that_are_right() {
    assert_well_formed(|a, b| {
        ethernet(b.mac, a.mac, 0x0800, &ipv4_fragment(a.v4, b.v4, UDP, 0x2000, &udp(1, 2, &[0; 8])))
    });
    assert_well_formed(|a, b| ethernet(b.mac, a.mac, 0x0800, &ipv4_fragment(a.v4, b.v4, UDP, 2, &[0; 3])));
    for field in [0, 1, 0x11] {
        assert_well_formed(|a, b| {
            let payload = fragment_header(UDP, field, &udp(1, 2, b""));
            ethernet(b.mac, a.mac, 0x86dd, &ipv6(a.v6.into(), b.v6.into(), FRAGMENT, 64, &payload))
        });
    }
}

#[test]
fn ipv4_options_and_padding() {
    assert_well_formed(|a, b| {
        let mut packet = ipv4(a.v4, b.v4, UDP, &[&[1, 1, 1, 0], &udp(1, 2, b"")[..]].concat());
        packet[0] = 0x46;
        [ethernet(b.mac, a.mac, 0x0800, &packet), vec![0; 18]].concat()
    });
}

#[test]
fn ipv6_extension_headers_up_to_the_bound() {
    let chain = |kinds: &'static [u8]| {
        move |a: &Instance, b: &Instance| {
            let mut payload = udp(1, 2, b"");
            let mut next = UDP;
            for kind in kinds.iter().rev() {
                // All 8 bytes long: a length of 0, and of authentication headers too (units of 4 bytes, less 2).
                payload = [&[next, 0, 0, 0, 0, 0, 0, 0], &payload[..]].concat();
                next = *kind;
            }
            ethernet(b.mac, a.mac, 0x86dd, &ipv6(a.v6.into(), b.v6.into(), next, 64, &payload))
        }
    };
    assert_well_formed(chain(&[0, 60, 43, 51, 135, 60]));
    assert_malformed(DropReason::ExtensionHeaders, chain(&[0, 60, 43, 51, 135, 60, 60]));
    assert_malformed(DropReason::ExtensionHeaders, chain(&[60, 0]));
}

#[test]
fn an_ipv6_extension_header_longer_than_the_packet() {
    assert_malformed(DropReason::ExtensionHeaders, |a, b| {
        let payload = [&[UDP, 9, 0, 0, 0, 0, 0, 0], &udp(1, 2, b"")[..]].concat();
        ethernet(b.mac, a.mac, 0x86dd, &ipv6(a.v6.into(), b.v6.into(), 60, 64, &payload))
    });
}

#[test]
fn neighbour_discovery_that_is_malformed() {
    let with = |options: Vec<u8>| {
        move |a: &Instance, b: &Instance| {
            Nd { options: options.clone(), ..Nd::solicitation(a, b.v6.into()) }.bytes()
        }
    };
    let other = link_layer(1, hadron_pipeline::Mac([2; 6]));
    let mine = link_layer(1, Instance::new(1, 1, 1).mac);
    for options in [
        vec![1, 0, 0, 0, 0, 0, 0, 0],
        vec![1, 2, 0, 0, 0, 0, 0, 0],
        vec![1, 1, 0, 0],
        [mine.clone(), other].concat(),
        mine.repeat(9),
    ] {
        assert_malformed(DropReason::NdMalformed, with(options));
    }
    assert_malformed(DropReason::NdMalformed, |a, b| {
        let body = [&[0; 4], &hadron_pipeline::Address::from(b.v6).0[..12]].concat();
        ethernet(b.mac, a.mac, 0x86dd, &icmpv6(a.v6.into(), b.v6.into(), NS, &body))
    });
    assert_malformed(DropReason::NdMalformed, |a, b| Nd::solicitation(a, b.v4.into()).bytes());
}

#[test]
fn an_unknown_transport_passes() {
    assert_well_formed(|a, b| ethernet(b.mac, a.mac, 0x0800, &ipv4(a.v4, b.v4, 47, &[0; 4])));
    assert_well_formed(|a, b| {
        ethernet(b.mac, a.mac, 0x86dd, &ipv6(a.v6.into(), b.v6.into(), 50, 64, &[0; 4]))
    });
}
