//! A router's address that instances share: the tables of two hosts, and what is sent by it.

use std::net::Ipv4Addr;

use hadron_pipeline::Mac;
use hadron_pipeline::host::{Frame, Node, Outcome, Output};
use hadron_pipeline::table::*;

use crate::cloud::{self, Instance, tunnelled};
use crate::floating::*;
use crate::frames::*;
use crate::routers::{id, instance, mac, own_v4};

/// The router's address outside.
pub const SHARED: Ipv4Addr = Ipv4Addr::new(10, 0, EXTERNAL as u8, 254);
/// Blocks of host 1 and of host 2.
pub const BLOCKS: [NatBlock; 2] = [100, 200];
pub const HERE: u32 = 1;
pub const THERE: u32 = 2;

/// [`scene`] where those without a floating IP share the router's address, of which host 1 has one block, and host 2 another.
pub fn shared() -> (Node, [Instance; 3]) {
    let (mut node, all) = scene(0);
    share(&mut node, BLOCKS[0], &[(BLOCKS[1], THERE)]);
    (node, all)
}

pub fn share(node: &mut Node, block: NatBlock, others: &[(NatBlock, u32)]) {
    assert_eq!(own_v4(1, EXTERNAL), SHARED);
    let interface = id(1, EXTERNAL);
    let tables = &mut node.tables;
    tables.nat_pools.insert(NatPoolKey { interface }, NatPool::new(SHARED.octets(), &[block]));
    for (block, host) in others {
        let key = NatOwnerKey { network: EXTERNAL, address: SHARED.octets(), block: *block, pad: [0; 2] };
        tables.nat_owners.insert(key, NatOwner { host: *host });
    }
    let flags = floating_flag::SHARED | floating_flag::ANSWERED;
    let key = FloatingIpKey { network: EXTERNAL, address: SHARED.into() };
    tables.floating_ips.insert(key, FloatingIp { interface, flags, ..FloatingIp::default() });
    let neighbour = Neighbour { mac: OWN, kind: neighbour_kind::ROUTER };
    tables.neighbours.insert(NeighbourKey { network: EXTERNAL, address: SHARED.into() }, neighbour);
    let to_router = FdbEntry { kind: target::ROUTER, id: interface };
    tables.fdb.insert(FdbKey::new(EXTERNAL, mac(1, EXTERNAL)), to_router);
    // What is for the address goes out and comes in again: it may be for a session.
    tables.routes.remove(&RouteKey::new(1, SHARED.into(), 128));
    let ports: Vec<u32> = tables.ports.keys().map(|key| key.port).collect();
    for port in ports {
        tables.ports.get_mut(&PortKey { port }).expect("a port").connection_limit = 1000;
        tables.nat_counts.insert(PortKey { port }, NatCount::default());
    }
}

/// One side of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    pub mac: Mac,
    pub address: Ipv4Addr,
    pub port: u16,
}

impl End {
    pub fn of(instance: &Instance, port: u16) -> Self {
        End { mac: instance.mac, address: instance.v4, port }
    }

    pub fn at(self, mac: Mac) -> Self {
        End { mac, ..self }
    }
}

pub fn world(port: u16) -> End {
    End { mac: UPSTREAM.0, address: WORLD, port }
}

pub fn outside(port: u16) -> End {
    End { mac: OWN, address: SHARED, port }
}

/// A datagram whose checksum is right. Of ICMP an echo request from whoever has a higher port than 0, or the answer to it.
pub fn datagram(protocol: u8, from: End, to: End) -> Vec<u8> {
    let (mut segment, at) = match protocol {
        TCP => (tcp(from.port, to.port, b"payload."), 16),
        UDP | UDP_LITE => (udp(from.port, to.port, b"payload"), 6),
        // Its checksum is of itself alone, and stays.
        SCTP => {
            let ports = [from.port, to.port].map(u16::to_be_bytes).concat();
            return ipv4(from.address, to.address, SCTP, &[&ports[..], &[9; 12]].concat());
        }
        _ if protocol != ICMP => return ipv4(from.address, to.address, protocol, &[7; 16]),
        _ if to.port == 0 => {
            let [a, b] = from.port.to_be_bytes();
            (vec![8, 0, 0, 0, a, b, 0, 1, 1, 2, 3, 4], 2)
        }
        _ => {
            let [a, b] = to.port.to_be_bytes();
            (vec![0, 0, 0, 0, a, b, 0, 1, 1, 2, 3, 4], 2)
        }
    };
    let length = (segment.len() as u16).to_be_bytes();
    let pseudo = [&from.address.octets()[..], &to.address.octets(), &[0, protocol], &length].concat();
    let head = if protocol == ICMP { &[][..] } else { &pseudo };
    let padded = [head, &segment, &vec![0; segment.len() % 2]].concat();
    segment[at..at + 2].copy_from_slice(&(!sum(&padded)).to_be_bytes());
    ipv4(from.address, to.address, protocol, &segment)
}

pub fn frame(protocol: u8, from: End, to: End, hop_limit: u8) -> Vec<u8> {
    with_hop_limit(ethernet(to.mac, from.mac, 0x0800, &datagram(protocol, from, to)), hop_limit)
}

/// The first piece of a datagram, for offset 0x2000, or a later one.
pub fn fragment(from: End, to: End, offset: u16, hop_limit: u8) -> Vec<u8> {
    let whole = datagram(UDP, from, to);
    let payload = if offset == 0x2000 { whole[20..].to_vec() } else { vec![7; 16] };
    let datagram = ipv4_fragment(from.address, to.address, UDP, offset, &payload);
    with_hop_limit(ethernet(to.mac, from.mac, 0x0800, &datagram), hop_limit)
}

/// What leaves into the overlay for a host, by the external network.
#[track_caller]
pub fn to_host(outcome: &Outcome, host: u32) -> Vec<u8> {
    let [(vtep, vni, frame)] = &tunnelled(outcome)[..] else { panic!("{outcome:?}") };
    assert_eq!((*vtep, *vni), (cloud::vtep(host), cloud::vni(EXTERNAL)));
    frame.clone()
}

/// What leaves for the world, and by which port; whether or not further ports are asked for.
#[track_caller]
pub fn left(outcome: &Outcome) -> (Frame, u16) {
    let outputs: Vec<_> =
        outcome.outputs.iter().filter(|output| !matches!(output, Output::Punt { .. })).collect();
    let [Output::Deliver { ifindex: PROVIDER, frame }] = outputs[..] else { panic!("{outcome:?}") };
    let at = if frame.bytes[23] == ICMP { 38 } else { 34 };
    (frame.clone(), u16::from_be_bytes([frame.bytes[at], frame.bytes[at + 1]]))
}

/// The far port that a protocol's conversations have.
pub fn far(protocol: u8) -> u16 {
    if protocol == ICMP { 0 } else { 443 }
}

/// Sends one to the world, and says by which port it left.
pub fn send(node: &mut Node, protocol: u8, from: &Instance, port: u16) -> u16 {
    let sent = frame(protocol, End::of(from, port), world(far(protocol)).at(router()), 64);
    left(&node.from_port(from.ifindex(), sent)).1
}

pub const SCTP: u8 = 132;
pub const WITH_PORTS: [u8; 4] = [TCP, UDP, UDP_LITE, ICMP];

/// The same cloud on host 2, which has an instance of its own.
pub fn there(provider: u32) -> (Node, Instance) {
    let (mut node, _) = scene(0);
    let d = instance(1, 4, THERE);
    node.tables.config.host = THERE;
    node.tables.config.underlay = cloud::vtep(THERE);
    cloud::add_instances(&mut node.tables, THERE, std::slice::from_ref(&d), |_| true);
    share(&mut node, BLOCKS[1], &[(BLOCKS[0], HERE)]);
    in_overlay(&mut node, provider, HERE);
    (node, d)
}

/// Gives the external network a VNI by which another host brings it packets.
pub fn in_overlay(node: &mut Node, provider: u32, other: u32) {
    let row = node.tables.networks.get_mut(&NetworkKey { network: EXTERNAL }).expect("the network");
    (row.vni, row.provider) = (cloud::vni(EXTERNAL), provider);
    row.flags |= network_flag::TRANSIT;
    let vni = cloud::vni(EXTERNAL);
    node.tables.vnis.insert(VniKey { vni }, Vni { network: EXTERNAL });
    node.tables.vteps.insert(VtepKey { vni, address: cloud::vtep(other) }, Vtep { host: other });
    node.tables.hosts.insert(HostKey { host: other }, Host { vtep: cloud::vtep(other) });
}
