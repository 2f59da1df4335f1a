//! Frames as an instance that means harm would send them, built octet by octet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A MAC.
pub type Mac = [u8; 6];

/// Every station of a segment.
pub const BROADCAST: Mac = [0xff; 6];
/// All nodes of a segment by IPv6 (RFC 2464 §7 of ff02::1).
pub const ALL_NODES: Mac = [0x33, 0x33, 0, 0, 0, 1];

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const VRRP: u8 = 112;

/// From `aa:bb:cc:dd:ee:ff`.
pub fn mac(text: &str) -> Mac {
    let mut mac = [0; 6];
    for (octet, digits) in mac.iter_mut().zip(text.split(':')) {
        *octet = u8::from_str_radix(digits, 16).unwrap_or_default();
    }
    mac
}

/// The link-local address that a host forms of its MAC (RFC 4291 appendix A).
pub fn link_local(of: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = of;
    let word = |high: u8, low: u8| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, word(a ^ 2, b), word(c, 0xff), word(0xfe, d), word(e, f))
}

fn ethernet(to: Mac, from: Mac, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes(), payload].concat()
}

/// An ARP reply (RFC 826): `sender` claims to have `address`.
pub fn arp_reply(from: Mac, to: Mac, (sender, address): (Mac, Ipv4Addr), target: Ipv4Addr) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, 2];
    let body = [&head[..], &sender, &address.octets(), &to, &target.octets()].concat();
    ethernet(to, from, ETHERTYPE_ARP, &body)
}

/// An ARP request (RFC 826) of `sender`, who has `address`, for `target`.
pub fn arp_request(sender: Mac, address: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, 1];
    let body = [&head[..], &sender, &address.octets(), &[0; 6], &target.octets()].concat();
    ethernet(BROADCAST, sender, ETHERTYPE_ARP, &body)
}

/// An echo request (RFC 792).
pub fn echo_request(from: Mac, to: Mac, source: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    const ICMP: u8 = 1;
    let mut message = vec![8, 0, 0, 0, 0, 7, 0, 1];
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    packet((from, source), (to, target), ICMP, &message)
}

/// A packet of a protocol that nothing here knows more of.
pub fn packet(
    (from, source): (Mac, Ipv4Addr),
    (to, target): (Mac, Ipv4Addr),
    protocol: u8,
    payload: &[u8],
) -> Vec<u8> {
    let addresses = [source.octets(), target.octets()].concat();
    ethernet(to, from, ETHERTYPE_IPV4, &ipv4(protocol, &addresses, payload))
}

/// A frame in a VLAN (IEEE 802.1Q).
pub fn tagged(mut frame: Vec<u8>, vlan: u16) -> Vec<u8> {
    let [high, low] = vlan.to_be_bytes();
    frame.splice(12..12, [0x81, 0x00, high, low]);
    frame
}

/// A datagram by UDP, of either family.
pub fn udp(from: Mac, to: Mac, (source, sport): (IpAddr, u16), (target, port): (IpAddr, u16)) -> Vec<u8> {
    let data = b"forged";
    let length = (8 + data.len()) as u16;
    let mut segment = [sport.to_be_bytes(), port.to_be_bytes(), length.to_be_bytes(), [0; 2]].concat();
    segment.extend_from_slice(data);
    ip(from, to, source, target, 17, segment, 6)
}

/// A neighbour advertisement (RFC 4861 §4.4): `claimed` is at `link`.
pub fn neighbour_advertisement(
    from: Mac,
    to: Mac,
    source: Ipv6Addr,
    (claimed, link): (Ipv6Addr, Mac),
) -> Vec<u8> {
    let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend_from_slice(&claimed.octets());
    message.extend_from_slice(&[2, 1]);
    message.extend_from_slice(&link);
    let all: Ipv6Addr = "ff02::1".parse().unwrap_or(Ipv6Addr::UNSPECIFIED);
    ip(from, to, source.into(), all.into(), 58, message, 2)
}

/// A neighbour solicitation (RFC 4861 §4.3) for `target` whose sender claims to be at `link`.
pub fn neighbour_solicitation(
    from: Mac,
    to: Mac,
    source: Ipv6Addr,
    (target, link): (Ipv6Addr, Mac),
) -> Vec<u8> {
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(&target.octets());
    message.extend_from_slice(&[1, 1]);
    message.extend_from_slice(&link);
    ip(from, to, source.into(), target.into(), 58, message, 2)
}

/// A router advertisement (RFC 4861 §4.2) that offers itself as default router.
pub fn router_advertisement(from: Mac, source: Ipv6Addr) -> Vec<u8> {
    let message = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    let all: Ipv6Addr = "ff02::1".parse().unwrap_or(Ipv6Addr::UNSPECIFIED);
    ip(from, ALL_NODES, source.into(), all.into(), 58, message, 2)
}

/// A VRRP advertisement, version 3 (RFC 9568 §5), of a virtual router with one address.
pub fn vrrp_advertisement(from: Mac, source: Ipv4Addr, router: u8, address: Ipv4Addr) -> Vec<u8> {
    let mut message = vec![0x31, router, 100, 1, 0, 100, 0, 0];
    message.extend_from_slice(&address.octets());
    let (to, all) = ([0x01, 0, 0x5e, 0, 0, 18], Ipv4Addr::new(224, 0, 0, 18));
    let mut frame = ip(from, to, source.into(), all.into(), VRRP, message, 6);
    // RFC 9568 §5.1.1.3: the TTL is 255.
    let header = &mut frame[14..34];
    (header[8], header[10], header[11]) = (255, 0, 0);
    let sum = checksum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    frame
}

/// An IP packet with its checksums; `checksum_at` is where the payload's stands.
fn ip(
    from: Mac,
    to: Mac,
    source: IpAddr,
    target: IpAddr,
    protocol: u8,
    mut payload: Vec<u8>,
    checksum_at: usize,
) -> Vec<u8> {
    let pseudo = match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => [&source.octets()[..], &target.octets()].concat(),
        (IpAddr::V6(source), IpAddr::V6(target)) => [&source.octets()[..], &target.octets()].concat(),
        _ => vec![],
    };
    let length = (payload.len() as u32).to_be_bytes();
    let checksum = checksum(&[&pseudo, &length[..], &[0, 0, 0, protocol], &payload].concat());
    payload[checksum_at..checksum_at + 2].copy_from_slice(&checksum.to_be_bytes());
    match (source, target) {
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            // Neighbour discovery asks for a hop limit of 255 (RFC 4861 §7.1).
            let mut packet = vec![0x60, 0, 0, 0, 0, 0, protocol, 255];
            packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
            packet.extend([&source.octets()[..], &target.octets(), &payload].concat());
            ethernet(to, from, ETHERTYPE_IPV6, &packet)
        }
        _ => ethernet(to, from, ETHERTYPE_IPV4, &ipv4(protocol, &pseudo, &payload)),
    }
}

fn ipv4(protocol: u8, addresses: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0];
    header[2..4].copy_from_slice(&((20 + payload.len()) as u16).to_be_bytes());
    header.extend_from_slice(addresses);
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [header, payload.to_vec()].concat()
}

/// The Internet checksum (RFC 1071): 0 of octets that their own checksum is among.
pub fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
