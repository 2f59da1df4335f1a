//! A DHCP client's side, written apart from the server's code: messages to send, replies to read, and what holds for every reply.
//! Shared by the tests and the fuzz target.
#![allow(dead_code, missing_docs)]

use etherparse::{Ethernet2Slice, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use hadron_model::Mac;
use hadron_responders::dhcp4::{self, Extra, Lease, MessageKind, Reply, Silence};
use std::net::Ipv4Addr;

pub const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 1, 2, 3];
pub const SERVER_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0xd, 0xd, 0xd];
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

pub fn lease() -> Lease {
    Lease {
        mac: Mac(MAC),
        address: ADDRESS,
        prefix_len: 24,
        server_id: SERVER,
        server_mac: Mac(SERVER_MAC),
        router: Some(ROUTER),
        dns: vec![Ipv4Addr::new(192, 0, 2, 53), Ipv4Addr::new(192, 0, 2, 54)],
        mtu: 1450,
        lease_seconds: 86_400,
        domain: "cloud.example".into(),
        static_routes: Vec::new(),
        hostname: "vm-1".into(),
        extra: Extra::default(),
    }
}

/// The answer to a port with a single address.
pub fn answer(frame: &[u8], lease: &Lease) -> Result<Reply, Silence> {
    dhcp4::answer(frame, std::slice::from_ref(lease))
}

pub const DISCOVER: u8 = 1;
pub const REQUEST: u8 = 3;
pub const DECLINE: u8 = 4;
pub const RELEASE: u8 = 7;
pub const INFORM: u8 = 8;

/// A client's message; `to_frame` makes it a packet.
#[derive(Clone, Debug)]
pub struct Message {
    pub op: u8,
    pub hlen: u8,
    pub flags: u16,
    pub ciaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub chaddr: [u8; 6],
    pub sname: [u8; 64],
    pub file: [u8; 128],
    pub options: Vec<u8>,
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
}

impl Message {
    pub fn new(kind: u8) -> Self {
        Self {
            op: 1,
            hlen: 6,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr: MAC,
            sname: [0; 64],
            file: [0; 128],
            options: vec![53, 1, kind],
            source: Ipv4Addr::UNSPECIFIED,
            destination: Ipv4Addr::BROADCAST,
        }
    }

    pub fn option(mut self, code: u8, value: &[u8]) -> Self {
        for part in value.chunks(255) {
            self.options.extend([code, part.len() as u8]);
            self.options.extend(part);
        }
        self
    }

    pub fn empty_option(mut self, code: u8) -> Self {
        self.options.extend([code, 0]);
        self
    }

    pub fn requested(self, address: Ipv4Addr) -> Self {
        self.option(50, &address.octets())
    }

    pub fn server(self, address: Ipv4Addr) -> Self {
        self.option(54, &address.octets())
    }

    pub fn parameters(self, codes: &[u8]) -> Self {
        self.option(55, codes)
    }

    pub fn ciaddr(self, ciaddr: Ipv4Addr) -> Self {
        Self { ciaddr, source: ciaddr, ..self }
    }

    pub fn unicast(self) -> Self {
        Self { destination: SERVER, ..self }
    }

    pub fn broadcast_flag(self) -> Self {
        Self { flags: 0x8000, ..self }
    }

    pub fn to_payload(&self) -> Vec<u8> {
        let mut out = vec![self.op, 1, self.hlen, 0, 1, 2, 3, 4, 0, 7];
        out.extend(self.flags.to_be_bytes());
        out.extend(self.ciaddr.octets());
        out.extend([0; 8]);
        out.extend(self.giaddr.octets());
        out.extend(self.chaddr);
        out.extend([0; 10]);
        out.extend(self.sname);
        out.extend(self.file);
        out.extend([99, 130, 83, 99]);
        out.extend(&self.options);
        out.push(255);
        out
    }

    pub fn to_frame(&self) -> Vec<u8> {
        frame(self.source, self.destination, &self.to_payload())
    }

    pub fn answer(&self, lease: &Lease) -> Result<Seen, Silence> {
        answer(&self.to_frame(), lease).map(|reply| Seen::read(&reply))
    }
}

pub fn frame(source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let builder =
        PacketBuilder::ethernet2(MAC, [0xff; 6]).ipv4(source.octets(), destination.octets(), 64).udp(68, 67);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

/// A reply as a client sees it.
#[derive(Debug)]
pub struct Seen {
    pub kind: MessageKind,
    pub mac: [u8; 6],
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub port: u16,
    pub ip_length: usize,
    pub payload: Vec<u8>,
    /// In the order of the message; options field, `file`, `sname`.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Seen {
    /// Reads a reply and checks what holds for all: lengths, checksums, addresses, the fixed fields, where options end.
    pub fn read(reply: &Reply) -> Self {
        let packet = SlicedPacket::from_ethernet(&reply.frame).expect("a packet");
        let Some(NetSlice::Ipv4(ip)) = &packet.net else { panic!("no IPv4") };
        let Some(TransportSlice::Udp(udp)) = &packet.transport else { panic!("no UDP") };
        let ethernet = Ethernet2Slice::from_slice_without_fcs(&reply.frame).expect("Ethernet");
        let header = ip.header().to_header();
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        assert_eq!(usize::from(header.total_len) + 14, reply.frame.len());
        let checksum = udp.to_header().calc_checksum_ipv4(&header, udp.payload()).unwrap();
        assert_eq!(udp.checksum(), checksum);
        assert_eq!(udp.source_port(), 67);
        assert_eq!(ethernet.source(), SERVER_MAC);
        let payload = udp.payload().to_vec();
        assert!(payload.len() >= 300 && payload[..4] == [2, 1, 6, 0] && payload[28..34] == MAC);
        let seen = Self {
            kind: reply.kind,
            mac: ethernet.destination(),
            source: ip.header().source_addr(),
            destination: ip.header().destination_addr(),
            port: udp.destination_port(),
            ip_length: header.total_len.into(),
            options: all_options(&payload),
            payload,
        };
        assert_eq!(seen.options[0], (53, vec![[2, 5, 6][reply.kind as usize]]));
        assert_eq!(seen.address(54), seen.source);
        seen
    }

    pub fn field(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::from(<[u8; 4]>::try_from(&self.payload[at..at + 4]).unwrap())
    }

    pub fn ciaddr(&self) -> Ipv4Addr {
        self.field(12)
    }

    pub fn yiaddr(&self) -> Ipv4Addr {
        self.field(16)
    }

    pub fn codes(&self) -> Vec<u8> {
        self.options.iter().map(|(code, _)| *code).collect()
    }

    pub fn option(&self, code: u8) -> Option<Vec<u8>> {
        let parts: Vec<&(u8, Vec<u8>)> = self.options.iter().filter(|(c, _)| *c == code).collect();
        (!parts.is_empty()).then(|| parts.iter().flat_map(|(_, value)| value.clone()).collect())
    }

    pub fn address(&self, code: u8) -> Ipv4Addr {
        Ipv4Addr::from(<[u8; 4]>::try_from(self.option(code).expect("the option")).unwrap())
    }

    pub fn seconds(&self, code: u8) -> Option<u32> {
        self.option(code).map(|value| u32::from_be_bytes(value.try_into().unwrap()))
    }
}

fn all_options(payload: &[u8]) -> Vec<(u8, Vec<u8>)> {
    assert_eq!(payload[236..240], [99, 130, 83, 99]);
    let mut options = field_options(&payload[240..]);
    // An option in several parts is one (RFC 3396), and a part may be empty.
    let overload =
        options.iter().filter(|(code, _)| *code == 52).find_map(|(_, value)| value.first().copied());
    let overload = overload.unwrap_or(0);
    if overload & 1 != 0 {
        options.extend(field_options(&payload[108..236]));
    }
    if overload & 2 != 0 {
        options.extend(field_options(&payload[44..108]));
    }
    options
}

fn field_options(field: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut options = Vec::new();
    let mut at = 0;
    while field[at] != 255 {
        if field[at] == 0 {
            at += 1;
            continue;
        }
        let length = usize::from(field[at + 1]);
        options.push((field[at], field[at + 2..at + 2 + length].to_vec()));
        at += 2 + length;
    }
    options
}

/// What holds for every frame whatsoever: no panic, the same answer twice, and a reply only to a client's message of this port,
/// right in itself and no longer than the client takes.
pub fn check(frame: &[u8], lease: &Lease) -> Result<Reply, Silence> {
    let result = answer(frame, lease);
    assert_eq!(result, answer(frame, lease));
    if let Ok(reply) = &result {
        let packet = SlicedPacket::from_ethernet(frame).expect("a reply to what is no packet");
        let Some(TransportSlice::Udp(udp)) = &packet.transport else { panic!("a reply to what is no UDP") };
        let asked = udp.payload();
        assert!(udp.destination_port() == 67 && asked[0] == 1 && asked[28..34] == MAC);
        let seen = Seen::read(reply);
        assert_eq!(seen.payload[4..8], asked[4..8], "another transaction's id");
        assert!(seen.ip_length <= maximum_size(asked).min(usize::from(lease.mtu)).max(328));
    }
    result
}

/// Option 57 of a message that was found to be well-formed.
fn maximum_size(asked: &[u8]) -> usize {
    let mut options = asked_options(&asked[240..]);
    // An option in several parts is one (RFC 3396), and a part may be empty.
    let overload =
        options.iter().filter(|(code, _)| *code == 52).find_map(|(_, value)| value.first().copied());
    let overload = overload.unwrap_or(0);
    if overload & 1 != 0 {
        options.extend(asked_options(&asked[108..236]));
    }
    if overload & 2 != 0 {
        options.extend(asked_options(&asked[44..108]));
    }
    let value: Vec<u8> =
        options.iter().filter(|(code, _)| *code == 57).flat_map(|(_, v)| v.to_vec()).collect();
    value.try_into().map_or(576, |size| usize::from(u16::from_be_bytes(size)).max(576))
}

fn asked_options(mut field: &[u8]) -> Vec<(u8, &[u8])> {
    let mut options = Vec::new();
    loop {
        match field {
            [] | [255, ..] => return options,
            [0, rest @ ..] => field = rest,
            [code, length, rest @ ..] => {
                let (value, rest) = rest.split_at(usize::from(*length));
                options.push((*code, value));
                field = rest;
            }
            [_] => panic!("an option without length"),
        }
    }
}
