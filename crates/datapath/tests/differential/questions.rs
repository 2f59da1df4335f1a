//! What instances ask services, and what the sockets of services answer.

use super::case::{SERVICE_MAC, World, v4, v6};
use super::random::Random;
use hadron_datapath::table::*;
use hadron_datapath::{Address, Mac};

/// A way to the sockets, or none.
pub fn link(random: &mut Random, interfaces: &[u32]) -> ServiceLink {
    let limit =
        Limit { interval: if random.one_in(2) { 0 } else { u32::MAX }, burst: random.below(20) as u32 };
    ServiceLink {
        ifindex: if random.one_in(10) { 0 } else { random.pick(interfaces) },
        flags: random.pick(&[3, 3, 3, 3, 1, 2, 0]),
        limit,
        mac: Mac([2, 0, 0, 0, 0, 0xfd]),
        ..ServiceLink::default()
    }
}

/// A question from the instance with this MAC, mostly one that can be answered.
pub fn any(random: &mut Random, world: &World, from: Mac) -> Vec<u8> {
    let is_v4 = random.one_in(2);
    let number = from.0[5];
    let own = match (is_v4, random.below(8)) {
        (true, 0) => v4(12),
        (true, _) => v4(number),
        (false, 0..=3) => from.link_local(),
        (false, _) => v6(number),
    };
    let metadata = if is_v4 { METADATA_V4 } else { METADATA_V6 };
    let server = if random.one_in(3) { if is_v4 { v4(14) } else { v6(14) } } else { metadata };
    let to = match random.below(8) {
        0 => random.pick(&world.macs),
        1 => Mac([0x33, 0x33, 0, 0, 0, 1]),
        2..=4 => METADATA_MAC,
        _ => SERVICE_MAC,
    };
    let ports = (random.pick(&[4000, 4001, 4002]), random.pick(&[80, 80, 80, 53, 53, 22]));
    let protocol = random.pick(&[6, 6, 6, 17, 17, 1]);
    let message = message(random, protocol, ports);
    packet(random, (to, from), (own, server), protocol, &message)
}

/// An answer to somebody who has asked, or to nobody.
pub fn answer(random: &mut Random, sessions: &[ServiceSessionKey]) -> Vec<u8> {
    let nobody = ServiceSessionKey::new(Address::v4([1, 0, 0, random.byte()]), 4000, 6);
    let key = if sessions.is_empty() || random.one_in(8) { nobody } else { random.pick(sessions) };
    let socket = if key.address.is_v4() { SOCKET_V4 } else { SOCKET_V6 };
    let from = if key.protocol == 6 { 80 } else { 53 };
    let protocol = if random.one_in(20) { 17 } else { key.protocol };
    let message = message(random, protocol, (from, key.port));
    let mac = Mac([2, 0, 0, 0, 0, 0xfd]);
    packet(random, (mac, mac), (socket, key.address), protocol, &message)
}

fn message(random: &mut Random, protocol: u8, (from, to): (u16, u16)) -> Vec<u8> {
    let mut bytes = [from, to].map(u16::to_be_bytes).concat();
    match protocol {
        6 => {
            bytes.extend(random.bytes::<8>());
            bytes.extend([0x50, random.pick(&[2, 2, 0x10, 0x18, 0x12, 0x11])]);
            bytes.extend(random.bytes::<6>());
        }
        _ => {
            bytes.extend([0, 8 + 20]);
            bytes.extend(if random.one_in(3) { [0; 2] } else { random.bytes::<2>() });
        }
    }
    bytes.extend(random.bytes::<20>());
    bytes
}

fn packet(
    random: &mut Random,
    (to, from): (Mac, Mac),
    (source, destination): (Address, Address),
    protocol: u8,
    message: &[u8],
) -> Vec<u8> {
    let mut frame = [to.0, from.0].concat();
    if source.is_v4() {
        let words = if random.one_in(20) { 6 } else { 5 };
        let fragment = if random.one_in(20) { 0x20 } else { 0 };
        let length = 4 * words + message.len();
        frame.extend([8, 0, 0x40 | words as u8, 0, 0, length as u8, 0, 1, fragment, 0, 64, protocol]);
        frame.extend(random.bytes::<2>());
        frame.extend([&source.0[12..], &destination.0[12..]].concat());
        frame.resize(14 + 4 * words, 1);
    } else {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, message.len() as u8, protocol, 64]);
        frame.extend([source.0, destination.0].concat());
    }
    frame.extend(message);
    frame
}
