//! Packets, built byte by byte from the RFCs, with right checksums.

use std::net::{Ipv4Addr, Ipv6Addr};

use hadron_pipeline::{Address, Mac};

use crate::cloud::Instance;

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMPV6: u8 = 58;
pub const FRAGMENT: u8 = 44;

pub const BROADCAST: Mac = Mac::BROADCAST;
pub const NS: u8 = 135;
pub const NA: u8 = 136;

pub fn ethernet(to: Mac, from: Mac, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&to.0[..], &from.0, &ether_type.to_be_bytes(), payload].concat()
}

pub fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_fragment(source, destination, protocol, 0, payload)
}

/// `flags_and_offset` is the header's field: 0x2000 for more fragments, offset in units of 8 bytes.
pub fn ipv4_fragment(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    flags_and_offset: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut header = [0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    header[6..8].copy_from_slice(&flags_and_offset.to_be_bytes());
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    let checksum = !sum(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    [&header[..], payload].concat()
}

pub fn ipv6(source: Address, destination: Address, protocol: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    let head = [0x60, 0, 0, 0, length[0], length[1], protocol, hop_limit];
    [&head[..], &source.0, &destination.0, payload].concat()
}

/// A fragment header of IPv6; `offset_and_more` is its field.
pub fn fragment_header(next: u8, offset_and_more: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = offset_and_more.to_be_bytes();
    [&[next, 0, high, low, 0, 0, 0, 9], payload].concat()
}

pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    let head = [source, destination, length, 0].map(u16::to_be_bytes).concat();
    [&head[..], payload].concat()
}

pub fn tcp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let ports = [source, destination].map(u16::to_be_bytes).concat();
    [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0], payload].concat()
}

pub fn icmpv6(source: Address, destination: Address, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, 0, 0, 0][..], body].concat();
    let checksum = icmpv6_checksum(source, destination, &message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    ipv6(source, destination, ICMPV6, 255, &message)
}

/// RFC 8200 §8.1; over a message that holds its checksum already, the result is 0.
pub fn icmpv6_checksum(source: Address, destination: Address, message: &[u8]) -> u16 {
    let length = (message.len() as u32).to_be_bytes();
    let mut padded = [&source.0[..], &destination.0, &length, &[0, 0, 0, ICMPV6], message].concat();
    padded.resize(padded.len().next_multiple_of(2), 0);
    !sum(&padded)
}

/// One's complement sum of 16-bit words (RFC 1071).
pub fn sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// An ARP packet with its Ethernet header.
#[derive(Clone)]
pub struct Arp {
    pub to: Mac,
    pub from: Mac,
    pub operation: u16,
    pub sender: (Mac, Ipv4Addr),
    pub target: (Mac, Ipv4Addr),
}

impl Arp {
    pub fn request(from: &Instance, target: Ipv4Addr) -> Self {
        Arp {
            to: BROADCAST,
            from: from.mac,
            operation: 1,
            sender: (from.mac, from.v4),
            target: (Mac::default(), target),
        }
    }

    /// Padded as routers ask.
    pub fn padded(&self) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes.resize(106, 0);
        bytes
    }

    pub fn bytes(&self) -> Vec<u8> {
        let Arp { sender, target, .. } = self;
        let head = [0, 1, 8, 0, 6, 4];
        let operation = self.operation.to_be_bytes();
        let arp = [&head[..], &operation, &sender.0.0, &sender.1.octets(), &target.0.0, &target.1.octets()]
            .concat();
        ethernet(self.to, self.from, 0x0806, &arp)
    }
}

/// A neighbour solicitation or advertisement with its Ethernet header.
#[derive(Clone)]
pub struct Nd {
    pub to: Mac,
    pub from: Mac,
    pub source: Address,
    pub destination: Address,
    pub kind: u8,
    pub flags: u8,
    pub target: Address,
    pub options: Vec<u8>,
}

impl Nd {
    /// To the solicited-node group of the target, with the asker's link-layer address.
    pub fn solicitation(from: &Instance, target: Address) -> Self {
        let destination = target.solicited_node();
        Nd {
            to: multicast_mac(destination),
            from: from.mac,
            source: from.v6.into(),
            destination,
            kind: NS,
            flags: 0,
            target,
            options: link_layer(1, from.mac),
        }
    }

    /// Duplicate address detection: from `::`, without options.
    pub fn dad(from: &Instance, target: Address) -> Self {
        Nd { source: Address::UNSPECIFIED, options: vec![], ..Nd::solicitation(from, target) }
    }

    /// An unsolicited advertisement of an address of one's own.
    pub fn advertisement(from: &Instance, target: Address) -> Self {
        Nd {
            to: multicast_mac(Address::ALL_NODES),
            destination: Address::ALL_NODES,
            kind: NA,
            flags: 0x20,
            options: link_layer(2, from.mac),
            ..Nd::solicitation(from, target)
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let body = [&[self.flags, 0, 0, 0], &self.target.0[..], &self.options].concat();
        ethernet(self.to, self.from, 0x86dd, &icmpv6(self.source, self.destination, self.kind, &body))
    }
}

/// Option 1 (source) or 2 (target link-layer address).
pub fn link_layer(kind: u8, mac: Mac) -> Vec<u8> {
    [&[kind, 1], &mac.0[..]].concat()
}

/// RFC 2464 §7.
pub fn multicast_mac(group: Address) -> Mac {
    let tail = group.tail();
    Mac([0x33, 0x33, tail[0], tail[1], tail[2], tail[3]])
}

/// A UDP packet between two instances over IPv4.
pub fn udp_v4(from: &Instance, to: &Instance, source: u16, destination: u16) -> Vec<u8> {
    let payload = ipv4(from.v4, to.v4, UDP, &udp(source, destination, b"payload"));
    ethernet(to.mac, from.mac, 0x0800, &payload)
}

/// A UDP packet between two instances over IPv6.
pub fn udp_v6(from: &Instance, to: &Instance, source: u16, destination: u16) -> Vec<u8> {
    let datagram = udp(source, destination, b"payload");
    ethernet(to.mac, from.mac, 0x86dd, &ipv6(from.v6.into(), to.v6.into(), UDP, 64, &datagram))
}

/// What a client broadcasts before it has an address.
pub fn dhcp_discover(from: &Instance) -> Vec<u8> {
    let datagram = udp(68, 67, &[1; 244]);
    ethernet(BROADCAST, from.mac, 0x0800, &ipv4(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, UDP, &datagram))
}

pub fn v6(text: &str) -> Address {
    text.parse::<Ipv6Addr>().expect("an IPv6 address").into()
}
