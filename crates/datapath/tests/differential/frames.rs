//! Random frames: mostly what instances send, often bent, sometimes noise.

use super::case::{SERVICE_MAC, World};
use super::payload;
use super::random::Random;
use hadron_datapath::{Address, Mac};

/// A frame from a MAC, such as `BPF_PROG_TEST_RUN` takes: at least the header that its EtherType promises.
pub fn any(random: &mut Random, world: &World, from: Mac) -> Vec<u8> {
    let mut frame = ethernet(random, world, from);
    match random.below(20) {
        0 if random.one_in(3) => duplicate_detection(random, world, &mut frame),
        0..=8 => ip(random, world, &mut frame, true),
        9..=13 => ip(random, world, &mut frame, false),
        14..=17 => arp(random, world, &mut frame),
        18 => {
            let kind = random.pick(&[[0x81, 0x00], [0x88, 0xa8], [0x88, 0xcc], [0x86, 0xdd], [0x08, 0x06]]);
            frame.extend(kind);
            noise(random, &mut frame);
        }
        19 if random.one_in(2) => {
            frame.extend([0x88, 0xb5, random.below(4) as u8]);
            noise(random, &mut frame);
        }
        _ => {
            frame.extend(random.bytes::<2>());
            noise(random, &mut frame);
        }
    }
    bend(random, &mut frame);
    let least = match frame[12..14] {
        [0x08, 0x00] => 34,
        [0x86, 0xdd] => 54,
        _ => 14,
    };
    if frame.len() < least {
        frame.resize(least, 0);
    }
    frame
}

/// What the receiver of a plain TCP, UDP or ICMP packet without options would answer.
pub fn answer(random: &mut Random, frame: &[u8]) -> Option<Vec<u8>> {
    let (addresses, length, transport) = match (frame.get(12..15)?, frame.get(20)?) {
        ([0x08, 0x00, 0x45], _) => (26, 4, 34),
        ([0x86, 0xdd, 0x60], 6 | 17 | 58) => (22, 16, 54),
        _ => return None,
    };
    let protocol = if length == 4 { frame[23] } else { frame[20] };
    let mut answer = frame.to_vec();
    if answer.len() < transport + 8 || answer[0] & 1 == 1 {
        return None;
    }
    swap(&mut answer, 0, 6);
    swap(&mut answer, addresses, length);
    match protocol {
        6 => {
            swap(&mut answer, transport, 2);
            *answer.get_mut(transport + 13)? = random.pick(&[0x12, 0x12, 0x10, 0x10, 0x11, 0x14]);
        }
        17 => swap(&mut answer, transport, 2),
        1 | 58 => {
            answer[transport] = match answer[transport] {
                8 => 0,
                128 => 129,
                kind => kind,
            }
        }
        _ => return None,
    }
    Some(answer)
}

/// Two neighbouring fields of `length` bytes change places.
fn swap(bytes: &mut [u8], at: usize, length: usize) {
    let (first, second) = bytes[at..at + 2 * length].split_at_mut(length);
    first.swap_with_slice(second);
}

fn noise(random: &mut Random, frame: &mut Vec<u8>) {
    let length = random.below(200);
    frame.extend((0..length).map(|_| random.byte()));
}

/// Flips, cuts and pads.
fn bend(random: &mut Random, frame: &mut Vec<u8>) {
    if random.one_in(12) {
        for _ in 0..=random.below(3) {
            let at = 12 + random.below(frame.len() - 12);
            frame[at] = if random.one_in(2) { random.byte() } else { frame[at] ^ (1 << random.below(8)) };
        }
    }
    if random.one_in(24) {
        let length = 14 + random.below(frame.len() - 13);
        frame.truncate(length);
    }
    if random.one_in(6) {
        let length = frame.len() + random.below(60);
        frame.resize(length, 0);
    }
}

/// Destination and source.
fn ethernet(random: &mut Random, world: &World, from: Mac) -> Vec<u8> {
    let destination = match random.below(16) {
        0..=1 => Mac::BROADCAST,
        2 => Mac([1, 0x80, 0xc2, 0, 0, random.byte() & 0x1f]),
        3 => Mac([0x33, 0x33, 0, 0, 0, 1]),
        4 => Mac([1, 0, 0x5e, 0, 0, 0xfb]),
        5 => SERVICE_MAC,
        6 => Mac(random.bytes()),
        7..=10 => world.router_beside(random, from),
        _ => random.pick(&world.macs),
    };
    let source = match random.below(40) {
        0 => Mac(random.bytes()),
        1 => random.pick(&world.macs),
        _ => from,
    };
    [destination.0, source.0].concat()
}

fn source_mac(frame: &[u8]) -> Mac {
    Mac(std::array::from_fn(|byte| frame[6 + byte]))
}

/// The address that goes with the frame's source, or another.
fn source(random: &mut Random, world: &World, frame: &[u8], is_v4: bool) -> Address {
    let own = usize::from(frame[11].clamp(1, 14)) - 1;
    let pool = if is_v4 { &world.addresses_v4 } else { &world.addresses_v6 };
    match random.below(16) {
        0 => random.pick(pool),
        1 if is_v4 => Address::UNSPECIFIED_V4,
        6..=7 if !is_v4 => random.pick(&world.free_v6),
        1 => Address::UNSPECIFIED,
        2..=5 if !is_v4 => source_mac(frame).link_local(),
        _ => pool[own],
    }
}

fn destination(random: &mut Random, world: &World, frame: &[u8], is_v4: bool) -> Address {
    let pool = if is_v4 { &world.addresses_v4 } else { &world.addresses_v6 };
    // Mostly that of the MAC, so that there is somebody to answer.
    if random.one_in(2) && frame[0] & 1 == 0 {
        return pool[usize::from(frame[5].clamp(1, 14)) - 1];
    }
    match (random.below(10), is_v4) {
        (0, true) => Address::BROADCAST_V4,
        (0, false) => Address::ALL_NODES,
        (1, true) => Address::v4([224, 0, 0, 251]),
        (1..=3, false) => random.pick(&world.macs).link_local(),
        _ => random.pick(pool),
    }
}

/// IPv4 bytes of a mapped address.
fn four(address: Address) -> [u8; 4] {
    std::array::from_fn(|byte| address.0[12 + byte])
}

fn arp(random: &mut Random, world: &World, frame: &mut Vec<u8>) {
    let sender = if random.one_in(12) { random.pick(&world.macs) } else { source_mac(frame) };
    let address =
        if random.one_in(12) { Address::UNSPECIFIED_V4 } else { source(random, world, frame, true) };
    let target = if random.one_in(8) { address } else { random.pick(&world.addresses_v4) };
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0]);
    frame.push(random.pick(&[1, 1, 1, 2, 3]));
    frame.extend(sender.0);
    frame.extend(four(address));
    frame.extend([0; 6]);
    frame.extend(four(target));
    if random.one_in(3) {
        frame.resize(60, 0);
    }
}

/// Asks whether anybody has an address (RFC 4862 §5.4).
fn duplicate_detection(random: &mut Random, world: &World, frame: &mut Vec<u8>) {
    let target =
        if random.one_in(4) { random.pick(&world.addresses_v6) } else { random.pick(&world.free_v6) };
    let group = target.solicited_node();
    let body = payload::solicitation(target, group);
    frame[..6].copy_from_slice(&[&[0x33, 0x33], &group.0[12..]].concat());
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, body.len() as u8, 58, 255]);
    frame.extend(Address::UNSPECIFIED.0);
    frame.extend(group.0);
    frame.extend(body);
}

/// An IP packet of either family, with its payload and the length that its header states.
fn ip(random: &mut Random, world: &World, frame: &mut Vec<u8>, is_v4: bool) {
    let (from, to) = (source(random, world, frame, is_v4), destination(random, world, frame, is_v4));
    let (protocol, body) = payload::any(random, world, source_mac(frame), from, to, is_v4);
    if is_v4 {
        ipv4(random, frame, from, to, protocol, &body)
    } else {
        ipv6(random, frame, from, to, protocol, &body)
    }
}

fn ipv4(random: &mut Random, frame: &mut Vec<u8>, from: Address, to: Address, protocol: u8, body: &[u8]) {
    let words = if random.one_in(12) { 5 + random.below(11) } else { 5 };
    let length = if random.one_in(60) { random.below(2000) } else { 4 * words + body.len() };
    let fragment = match random.below(16) {
        0 => 0x2000,
        1 => random.below(0x2000) as u16,
        2 => 0x4000,
        _ => 0,
    };
    frame.extend([8, 0, 0x40 | words as u8, 0]);
    frame.extend((length as u16).to_be_bytes());
    frame.extend([0, random.below(3) as u8]);
    frame.extend(fragment.to_be_bytes());
    frame.extend([random.pick(&[64, 64, 255, 1, 0]), protocol, 0, 0]);
    frame.extend(four(from));
    frame.extend(four(to));
    frame.resize(14 + 4 * words, 1);
    frame.extend(body);
}

fn ipv6(random: &mut Random, frame: &mut Vec<u8>, from: Address, to: Address, protocol: u8, body: &[u8]) {
    let (first, extensions) = extensions(random, protocol);
    let length = extensions.len() + body.len();
    let length = if random.one_in(60) { random.below(2000) } else { length };
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend((length as u16).to_be_bytes());
    frame.extend([first, random.pick(&[255, 255, 64, 1, 0])]);
    frame.extend(from.0);
    frame.extend(to.0);
    frame.extend(extensions);
    frame.extend(body);
}

/// Extension headers (RFC 8200 §4) before a protocol; returns the first one's number.
fn extensions(random: &mut Random, protocol: u8) -> (u8, Vec<u8>) {
    let mut bytes = Vec::new();
    let count = if random.one_in(5) { 1 + random.below(5) } else { 0 };
    let kinds: Vec<u8> = (0..count).map(|_| random.pick(&[0, 43, 44, 44, 60, 60, 51, 135])).collect();
    for (index, kind) in kinds.iter().enumerate() {
        let next = kinds.get(index + 1).copied().unwrap_or(protocol);
        match kind {
            44 => {
                let offset = if random.one_in(2) { 0 } else { random.below(0x1000) as u16 & !7 };
                bytes.extend([next, 0]);
                bytes.extend((offset | random.below(2) as u16).to_be_bytes());
                bytes.extend([0, 0, 0, random.below(3) as u8]);
            }
            _ => {
                let units = random.below(3);
                bytes.extend([next, units as u8]);
                // An authentication header counts in 4 bytes (RFC 4302 §2.2).
                let length = if *kind == 51 { 4 * units + 8 } else { 8 * units + 8 };
                bytes.extend((2..length).map(|_| 0));
            }
        }
    }
    (kinds.first().copied().unwrap_or(protocol), bytes)
}
