//! Random transport headers with what matters to the packet path: DHCP, neighbour discovery, MLD, and the ordinary.

use super::case::World;
use super::policies::PORTS;
use super::random::Random;
use hadron_datapath::{Address, Mac};

/// Protocol and bytes.
pub fn any(
    random: &mut Random,
    world: &World,
    mac: Mac,
    from: Address,
    to: Address,
    is_v4: bool,
) -> (u8, Vec<u8>) {
    let (protocol, mut bytes) = match (random.below(10), is_v4) {
        (0, true) => (17, udp(random, &[(68, 67), (68, 67), (67, 68), (67, 67)], 300)),
        (1..=2, true) => (1, icmp(random, world, to)),
        (0, false) => (17, udp(random, &[(546, 547), (547, 546)], 60)),
        (1..=5, false) => (58, icmpv6(random, world, mac, to)),
        (6, _) => (132, some(random, 12)),
        (7, _) => (if random.one_in(2) { 47 } else { random.byte() }, some(random, 20)),
        (8, _) => (17, udp(random, &[(22, 80), (80, 22), (1000, 2000), (2000, 1000)], 40)),
        _ => (6, tcp(random)),
    };
    if protocol == 58 && !random.one_in(10) {
        let sum = checksum(from, to, &bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    (protocol, bytes)
}

fn some(random: &mut Random, least: usize) -> Vec<u8> {
    let length = least + random.below(30);
    (0..length).map(|_| random.byte()).collect()
}

fn udp(random: &mut Random, ports: &[(u16, u16)], body: usize) -> Vec<u8> {
    let (from, to) = random.pick(ports);
    let body = if random.one_in(10) { random.below(1800) } else { random.below(body + 1) };
    let length = if random.one_in(20) { random.below(2000) } else { 8 + body };
    let mut bytes = [from, to, length as u16, 0].map(u16::to_be_bytes).concat();
    bytes.resize(8 + body, 0x5a);
    bytes
}

fn tcp(random: &mut Random) -> Vec<u8> {
    let words = if random.one_in(10) { random.below(16) } else { 5 };
    let mut bytes = random.bytes::<20>().to_vec();
    bytes[..4].copy_from_slice(&[random.pick(&PORTS), random.pick(&PORTS)].map(u16::to_be_bytes).concat());
    bytes[12] = (words << 4) as u8;
    // FIN, SYN, RST and ACK as they come, and as they shouldn't.
    bytes[13] = random.pick(&[0x02, 0x12, 0x10, 0x10, 0x18, 0x11, 0x04, 0x14, 0x00, 0xff]);
    let length = 4 * words.max(5) + random.below(50);
    bytes.resize(length, 0);
    bytes
}

fn icmp(random: &mut Random, world: &World, to: Address) -> Vec<u8> {
    let mut bytes = some(random, 8);
    bytes[0] = random.pick(&[8, 8, 0, 0, 3, 3, 3, 11, 13, 14, 5]);
    bytes[1] = 0;
    bytes[4..6].copy_from_slice(&[0, random.below(2) as u8]);
    if matches!(bytes[0], 3 | 11) {
        bytes.truncate(8);
        let from = random.pick(&world.addresses_v4);
        bytes.extend([if random.one_in(10) { 0x46 } else { 0x45 }, 0, 0, 60, 0, 0, 0, 0, 64]);
        let (protocol, transport) = quoted(random, &[1, 6, 17, 47, 132]);
        bytes.extend([protocol, 0, 0]);
        bytes.extend(&to.0[12..]);
        bytes.extend(&from.0[12..]);
        bytes.extend(transport);
    }
    bytes
}

/// Protocol and first bytes of what an ICMP error quotes.
fn quoted(random: &mut Random, protocols: &[u8]) -> (u8, Vec<u8>) {
    let protocol = random.pick(protocols);
    let mut bytes = [random.pick(&PORTS), random.pick(&PORTS)].map(u16::to_be_bytes).concat();
    if matches!(protocol, 1 | 58) {
        bytes = vec![if protocol == 1 { 8 } else { 128 }, 0, 0, 0];
    }
    bytes.extend([0, random.below(2) as u8, 0, 0]);
    bytes.truncate(if random.one_in(20) { 6 } else { 8 });
    (protocol, bytes)
}

/// A neighbour solicitation from the unspecified address, without options.
pub fn solicitation(target: Address, group: Address) -> Vec<u8> {
    let mut bytes = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &target.0].concat();
    let sum = checksum(Address::UNSPECIFIED, group, &bytes);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Echo, MLD, router and neighbour discovery (RFC 4861 §4).
fn icmpv6(random: &mut Random, world: &World, mac: Mac, to: Address) -> Vec<u8> {
    let kind = random
        .pick(&[1, 2, 3, 128, 128, 129, 130, 131, 132, 133, 134, 135, 135, 135, 135, 136, 136, 137, 143]);
    let mut bytes = vec![kind, if random.one_in(20) { 1 } else { 0 }, 0, 0];
    match kind {
        133 => bytes.extend([0; 4]),
        134 => bytes.extend([0; 12]),
        135 | 136 => {
            bytes.extend([random.pick(&[0, 0x20, 0x60, 0xe0]), 0, 0, 0]);
            let target = match random.below(4) {
                0 => random.pick(&world.macs).link_local(),
                1 => random.pick(&world.free_v6),
                _ => random.pick(&world.addresses_v6),
            };
            bytes.extend(target.0);
        }
        128 | 129 => bytes.extend([0, random.below(2) as u8, 0, 0]),
        1..=3 => {
            let from = random.pick(&world.addresses_v6);
            let (protocol, transport) = quoted(random, &[6, 17, 58, 132]);
            bytes.extend([0; 4]);
            bytes.extend([0x60, 0, 0, 0, 0, 60, protocol, 64]);
            bytes.extend(to.0);
            bytes.extend(from.0);
            bytes.extend(transport);
        }
        _ => bytes.extend(random.bytes::<20>()),
    }
    if (133..=136).contains(&kind) {
        options(random, world, mac, &mut bytes);
    }
    bytes
}

fn options(random: &mut Random, world: &World, mac: Mac, bytes: &mut Vec<u8>) {
    for _ in 0..random.pick(&[0, 1, 1, 1, 1, 2, 3]) {
        let kind = random.pick(&[1, 1, 2, 2, 3, 14]);
        let link = if random.one_in(10) { random.pick(&world.macs) } else { mac };
        let units = if random.one_in(12) { random.below(4) } else { 1 };
        bytes.extend([kind, units as u8]);
        bytes.extend(link.0);
        bytes.resize(bytes.len() + 8 * units.saturating_sub(1), 0);
    }
}

/// RFC 8200 §8.1, of bytes whose checksum field is zero.
fn checksum(from: Address, to: Address, bytes: &[u8]) -> u16 {
    let mut pseudo = [from.0, to.0].concat();
    pseudo.extend((bytes.len() as u32).to_be_bytes());
    pseudo.extend([0, 0, 0, 58]);
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = pseudo.chunks(2).chain(bytes.chunks(2)).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
