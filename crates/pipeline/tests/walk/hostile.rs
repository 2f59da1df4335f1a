//! Input that nobody likes: random bytes, valid frames with bytes changed, cut or added. Nothing panics, nothing leaves its
//! network, and nothing reaches another host's rows. Cases that once failed stand below by name.

use hadron_pipeline::host::{Frame, Output};
use proptest::prelude::*;

use crate::cloud::{Instance, assert_contained, node, vni, vtep};
use crate::frames::*;

pub fn instances() -> Vec<Instance> {
    let secure = [(1, 1, 1), (1, 2, 1), (1, 3, 2), (2, 1, 1), (2, 4, 1), (2, 5, 2)];
    let mut all: Vec<_> = secure.map(|(network, n, host)| Instance::new(network, n, host)).into();
    all[1].is_secure = false;
    all
}

/// Frames of every kind that instances send.
fn valid() -> Vec<Vec<u8>> {
    let all = instances();
    let (a, b) = (&all[0], &all[1]);
    let group = v6("ff02::16");
    vec![
        udp_v4(a, b, 1, 2),
        udp_v6(a, b, 1, 2),
        ethernet(b.mac, a.mac, 0x0800, &ipv4(a.v4, b.v4, TCP, &tcp(1, 2, b"data"))),
        Arp::request(a, b.v4).bytes(),
        Arp::request(a, [10, 0, 0, 77].into()).bytes(),
        Nd::solicitation(a, b.v6.into()).bytes(),
        Nd::dad(a, b.v6.into()).bytes(),
        Nd::advertisement(a, a.v6.into()).bytes(),
        dhcp_discover(a),
        ethernet(multicast_mac(group), a.mac, 0x86dd, &icmpv6(a.link_local(), group, 143, &[0; 4])),
        ethernet(b.mac, a.mac, 0x86dd, &{
            let payload = fragment_header(UDP, 1, &udp(1, 2, &[0; 8]));
            ipv6(a.v6.into(), b.v6.into(), FRAGMENT, 64, &payload)
        }),
    ]
}

/// A valid frame, mutated: bytes set, and the tail cut or lengthened.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (prop::sample::select(valid()), edits, 0usize..40, any::<bool>()).prop_map(
        |(mut bytes, edits, tail, cut)| {
            for (at, value) in edits {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let length = if cut { bytes.len().saturating_sub(tail) } else { bytes.len() + tail / 8 };
            bytes.resize(length, 0);
            bytes
        },
    )
}

pub fn any_frame() -> impl Strategy<Value = Frame> {
    let bytes = prop_oneof![4 => mutated(), 1 => prop::collection::vec(any::<u8>(), 0..120)];
    (bytes, prop_oneof![3 => Just(0u32), 1 => any::<u32>()], prop::bool::weighted(0.05), any::<bool>())
        .prop_map(|(bytes, gso_size, has_tag, has_partial_checksum)| Frame {
            bytes,
            gso_size,
            vlan: has_tag.then_some(7),
            has_partial_checksum,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50_000, fork: false, ..ProptestConfig::default() })]

    #[test]
    fn from_a_port(frame in any_frame(), sender in 0usize..4) {
        let all = instances();
        let sender = [&all[0], &all[1], &all[3], &all[4]][sender];
        let mut node = node(1, &all);
        let outcome = node.from_port(sender.ifindex(), frame);
        assert_contained(&node, sender.network, &outcome);
    }

    #[test]
    fn from_the_overlay(frame in any_frame(), network in 1u32..3) {
        let mut node = node(1, &instances());
        let outcome = node.from_overlay(vni(network), vtep(2), frame);
        assert_contained(&node, network, &outcome);
        let tunnelled = outcome.outputs.iter().any(|output| matches!(output, Output::Tunnel { .. }));
        prop_assert!(!tunnelled, "the overlay's packet went back into it");
    }
}
