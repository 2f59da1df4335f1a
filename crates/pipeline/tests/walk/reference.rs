//! Whole clouds against a plain reference: a list of instances, and a few sentences on who hears whom.

use std::collections::BTreeMap;

use hadron_pipeline::host::{Node, Output};
use proptest::prelude::*;

use crate::cloud::{Instance, SERVICE_V4, node};
use crate::frames::*;

/// What an instance may want to do.
#[derive(Clone, Debug)]
enum Act {
    /// A datagram to another instance's MAC, by IPv4 or IPv6.
    Send { v6: bool },
    /// The same, under the address of a third instance.
    Spoof { v6: bool },
    /// The same, from a MAC that nobody has.
    Masquerade,
    /// Asking for the address of another instance.
    Ask { v6: bool },
    /// Asking for an address that nobody has.
    AskNobody { v6: bool },
    /// A datagram to everyone.
    Broadcast,
    /// Looking for a lease.
    Discover,
    /// Answering somebody's search for a lease.
    Serve,
    /// Telling everyone that one has another instance's address.
    Claim { v6: bool },
}

/// What comes of it: answered, punted, or heard by these ports.
#[derive(Debug, PartialEq, Eq, Default)]
struct Effect {
    is_answered: bool,
    is_punted: bool,
    heard_by: Vec<u32>,
}

/// The reference.
fn expected(cloud: &[Instance], from: &Instance, to: &Instance, act: &Act) -> Effect {
    let others = || cloud.iter().filter(|i| i.network == from.network && i.port != from.port);
    // Who is reached in one's own network by another's MAC: MACs repeat between networks.
    let reached = || others().filter(|i| i.mac == to.mac).map(|i| i.port).collect::<Vec<_>>();
    let everyone = || others().map(|i| i.port).collect::<Vec<_>>();
    let heard = |heard_by: Vec<u32>| Effect { heard_by, ..Effect::default() };
    let if_open = |effect: Effect| if from.is_secure { Effect::default() } else { effect };
    // The address of the other, asked for: known when somebody else in the network has it; one's own reaches everyone.
    let is_known = others().any(|i| i.v4 == to.v4);
    match act {
        Act::Send { .. } => heard(reached()),
        Act::Spoof { .. } | Act::Masquerade | Act::Serve => if_open(heard(reached())),
        Act::Ask { .. } if is_known => Effect { is_answered: true, ..Effect::default() },
        Act::Ask { .. } | Act::AskNobody { .. } | Act::Broadcast => heard(everyone()),
        Act::Discover => Effect { is_punted: true, ..Effect::default() },
        // A claim of an address that is one's own number in another network is no false claim.
        Act::Claim { .. } if to.v4 == from.v4 => heard(everyone()),
        Act::Claim { .. } => if_open(heard(everyone())),
    }
}

fn frame(from: &Instance, to: &Instance, act: &Act) -> Vec<u8> {
    let liar =
        Instance { v4: [10, 0, 9, 9].into(), v6: "fd00::9:9".parse().expect("an address"), ..from.clone() };
    let stranger = Instance { mac: hadron_pipeline::Mac([2, 0, 0, 0, 0, 7]), ..from.clone() };
    match act {
        Act::Send { v6: false } => udp_v4(from, to, 40_000, 53),
        Act::Send { v6: true } => udp_v6(from, to, 40_000, 53),
        Act::Spoof { v6: false } => udp_v4(&liar, to, 40_000, 53),
        Act::Spoof { v6: true } => udp_v6(&liar, to, 40_000, 53),
        Act::Masquerade => udp_v4(&stranger, to, 40_000, 53),
        Act::Ask { v6: false } => Arp::request(from, to.v4).bytes(),
        Act::Ask { v6: true } => Nd::solicitation(from, to.v6.into()).bytes(),
        Act::AskNobody { v6: false } => Arp::request(from, [10, 0, 7, 7].into()).bytes(),
        Act::AskNobody { v6: true } => Nd::solicitation(from, v6("fd00::7:7")).bytes(),
        Act::Broadcast => {
            let packet = ipv4(from.v4, [10, 0, 0, 255].into(), UDP, &udp(1, 2, b"hello"));
            ethernet(BROADCAST, from.mac, 0x0800, &packet)
        }
        Act::Discover => dhcp_discover(from),
        Act::Serve => udp_v4(from, to, 67, 68),
        Act::Claim { v6: false } => Arp::request(&Instance { v4: to.v4, ..from.clone() }, to.v4).bytes(),
        Act::Claim { v6: true } => Nd::advertisement(from, to.v6.into()).bytes(),
    }
}

/// Sends the frame through the sender's host and every host that it is tunnelled to.
fn actual(cloud: &[Instance], nodes: &mut BTreeMap<u32, Node>, from: &Instance, bytes: &[u8]) -> Effect {
    let mut effect = Effect::default();
    let outcome = nodes.get_mut(&from.host).expect("the host").from_port(from.ifindex(), bytes.to_vec());
    let mut hear = |host: u32, ifindex: u32, frame: &[u8]| {
        let port = cloud.iter().find(|i| i.host == host && i.ifindex() == ifindex).expect("a port").port;
        if port == from.port {
            assert_ne!(frame, bytes, "the sender got its own frame back");
            effect.is_answered = true;
        } else {
            assert_eq!(frame, bytes, "what is switched is not changed");
            effect.heard_by.push(port);
        }
    };
    let mut is_punted = false;
    for output in outcome.outputs {
        match output {
            Output::Deliver { ifindex, frame } => hear(from.host, ifindex, &frame.bytes),
            Output::Punt { .. } => is_punted = true,
            Output::Tunnel { tunnel, frame } => {
                let host = u32::from(tunnel.remote.tail()[3]);
                let there = nodes.get_mut(&host).expect("a host of the cloud");
                for output in there.from_overlay(tunnel.vni, tunnel.local, frame).outputs {
                    let Output::Deliver { ifindex, frame } = output else {
                        panic!("left host {host}: {output:?}")
                    };
                    hear(host, ifindex, &frame.bytes);
                }
            }
        }
    }
    effect.is_punted = is_punted;
    effect.heard_by.sort_unstable();
    effect
}

fn clouds() -> impl Strategy<Value = Vec<Instance>> {
    let instance = (1u32..4, 1u8..6, 1u32..4, prop::bool::weighted(0.8));
    prop::collection::vec(instance, 2..14).prop_map(|list| {
        let instances = list.into_iter().map(|(network, n, host, is_secure)| {
            let instance = Instance { is_secure, ..Instance::new(network, n, host) };
            (instance.port, instance)
        });
        instances.collect::<BTreeMap<_, _>>().into_values().collect()
    })
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any::<bool>().prop_map(|v6| Act::Send { v6 }),
        1 => any::<bool>().prop_map(|v6| Act::Spoof { v6 }),
        1 => Just(Act::Masquerade),
        2 => any::<bool>().prop_map(|v6| Act::Ask { v6 }),
        1 => any::<bool>().prop_map(|v6| Act::AskNobody { v6 }),
        1 => Just(Act::Broadcast),
        1 => Just(Act::Discover),
        1 => Just(Act::Serve),
        1 => any::<bool>().prop_map(|v6| Act::Claim { v6 }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, fork: false, ..ProptestConfig::default() })]

    #[test]
    fn a_cloud_behaves_as_the_reference(
        cloud in clouds(),
        acts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), acts()), 1..20),
    ) {
        let mut nodes: BTreeMap<u32, Node> = (1..4).map(|host| (host, node(host, &cloud))).collect();
        for (from, to, act) in acts {
            let (from, to) = (from.get(&cloud), to.get(&cloud));
            let bytes = frame(from, to, &act);
            let effect = actual(&cloud, &mut nodes, from, &bytes);
            prop_assert_eq!(effect, expected(&cloud, from, to, &act), "{:?} → {:?}: {:?}", from, to, act);
        }
    }
}

#[test]
fn the_service_is_known_on_every_host() {
    let cloud = [Instance::new(1, 1, 1), Instance::new(1, 2, 2)];
    for instance in &cloud {
        let outcome = node(instance.host, &cloud)
            .from_port(instance.ifindex(), Arp::request(instance, SERVICE_V4).bytes());
        assert_eq!(outcome.verdict.kind, hadron_pipeline::VerdictKind::Answer as u32);
    }
}
