//! Packets as the plain reference sees them, and their bytes.

use hadron_pipeline::Mac;
use std::net::IpAddr;

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMP: u8 = 1;
pub const ICMPV6: u8 = 58;

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

/// What an IP packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    Tcp {
        source: u16,
        destination: u16,
        flags: u8,
    },
    Udp {
        source: u16,
        destination: u16,
    },
    /// ICMP or ICMPv6 by the packet's family.
    Icmp {
        kind: u8,
        code: u8,
        id: u16,
    },
    Other {
        protocol: u8,
    },
}

/// The packet that an ICMP error is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quote {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub body: Body,
}

/// Which part of a packet it is; fragments have an identification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Whole,
    First(u16),
    Later(u16),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    pub from: Mac,
    pub to: Mac,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub body: Body,
    /// Of an ICMP error.
    pub quote: Option<Quote>,
    pub part: Part,
}

impl Packet {
    pub fn protocol(&self) -> u8 {
        protocol(&self.body, self.source.is_ipv4())
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut payload = transport(&self.body);
        if let Some(quote) = &self.quote {
            payload.extend(ip(
                quote.source,
                quote.destination,
                &quote.body,
                &transport(&quote.body),
                Part::Whole,
            ));
        }
        let ether_type: u16 = if self.source.is_ipv4() { 0x0800 } else { 0x86dd };
        let ip = ip(self.source, self.destination, &self.body, &payload, self.part);
        [&self.to.0[..], &self.from.0, &ether_type.to_be_bytes(), &ip].concat()
    }
}

pub fn protocol(body: &Body, is_ipv4: bool) -> u8 {
    match body {
        Body::Tcp { .. } => TCP,
        Body::Udp { .. } => UDP,
        Body::Icmp { .. } => {
            if is_ipv4 {
                ICMP
            } else {
                ICMPV6
            }
        }
        Body::Other { protocol } => *protocol,
    }
}

fn ip(source: IpAddr, destination: IpAddr, body: &Body, payload: &[u8], part: Part) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let (id, field): (u16, u16) = match part {
                Part::Whole => (1, 0),
                Part::First(id) => (id, 0x2000),
                Part::Later(id) => (id, 100),
            };
            let length = (20 + payload.len() as u16).to_be_bytes();
            let mut header = vec![0x45, 0, length[0], length[1]];
            header.extend([id, field].map(u16::to_be_bytes).concat());
            header.extend([64, protocol(body, true), 0, 0]);
            [&header[..], &source.octets(), &destination.octets(), payload].concat()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let protocol = protocol(body, false);
            let (next, extension) = match part {
                Part::Whole => (protocol, vec![]),
                Part::First(id) => (44, fragment_header(protocol, 1, id)),
                Part::Later(id) => (44, fragment_header(protocol, 100 << 3, id)),
            };
            let length = ((extension.len() + payload.len()) as u16).to_be_bytes();
            let head = [0x60, 0, 0, 0, length[0], length[1], next, 64];
            [&head[..], &source.octets(), &destination.octets(), &extension, payload].concat()
        }
        _ => unreachable!("one family"),
    }
}

/// RFC 8200 §4.5.
fn fragment_header(protocol: u8, field: u16, id: u16) -> Vec<u8> {
    [&[protocol, 0][..], &field.to_be_bytes(), &u32::from(id).to_be_bytes()].concat()
}

fn transport(body: &Body) -> Vec<u8> {
    match *body {
        Body::Tcp { source, destination, flags } => {
            let ports = [source, destination].map(u16::to_be_bytes).concat();
            [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]].concat()
        }
        Body::Udp { source, destination } => {
            [&[source, destination, 16, 0].map(u16::to_be_bytes).concat()[..], &[7; 8]].concat()
        }
        Body::Icmp { kind, code, id } => [&[kind, code, 0, 0][..], &id.to_be_bytes(), &[0, 1]].concat(),
        Body::Other { .. } => vec![9; 16],
    }
}
