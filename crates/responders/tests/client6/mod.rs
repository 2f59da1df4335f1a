//! A DHCPv6 client's side, written apart from the server's code: messages to send, replies to read, and what holds for every reply.
//! Shared by the tests and the fuzz target.
#![allow(dead_code, missing_docs)]

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use hadron_model::Mac;
use hadron_responders::dhcp6::{Binding, Extra, MessageKind, Reply, Silence, answer, server_identity};
use std::net::Ipv6Addr;

pub const MAC: Mac = Mac([0xfa, 0x16, 0x3e, 1, 2, 3]);
pub const NETWORK: [u8; 16] = [7; 16];
pub const DUID: &[u8] = &[0, 3, 0, 1, 0xfa, 0x16, 0x3e, 1, 2, 3];
pub const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 5);
pub const SECOND: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 5);
pub const STRANGER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 99);
pub const ELSEWHERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 5);
pub const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

pub const SOLICIT: u8 = 1;
pub const REQUEST: u8 = 3;
pub const CONFIRM: u8 = 4;
pub const RENEW: u8 = 5;
pub const REBIND: u8 = 6;
pub const RELEASE: u8 = 8;
pub const DECLINE: u8 = 9;
pub const INFORMATION: u8 = 11;

pub const IA_NA: u16 = 3;
pub const IA_TA: u16 = 4;
pub const IA_PD: u16 = 25;

pub fn binding() -> Binding {
    let (server, server_mac) = server_identity(NETWORK);
    Binding {
        server,
        server_mac,
        addresses: vec![ADDRESS],
        prefixes: vec!["2001:db8:1::/64".parse().unwrap(), "2001:db8:2::/64".parse().unwrap()],
        delegated: Vec::new(),
        lease_seconds: 86_400,
        dns: vec!["2001:db8::53".parse().unwrap()],
        domain: "cloud.example".into(),
        mtu: 1450,
        extra: Extra::default(),
    }
}

/// The server's DUID.
pub fn server() -> Vec<u8> {
    binding().server
}

pub fn option(code: u16, value: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat()
}

/// A client's message; `to_frame` makes it a packet.
#[derive(Clone, Debug)]
pub struct Message {
    pub kind: u8,
    pub options: Vec<u8>,
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
}

impl Message {
    pub fn new(kind: u8) -> Self {
        let named = [REQUEST, RENEW, RELEASE, DECLINE].contains(&kind);
        let message = Self { kind, options: Vec::new(), source: MAC.link_local(), destination: SERVERS };
        let message = message.option(1, DUID);
        if named { message.option(2, &server()) } else { message }
    }

    /// Without client and server identifier.
    pub fn bare(kind: u8) -> Self {
        Self { options: Vec::new(), ..Self::new(kind) }
    }

    pub fn option(mut self, code: u16, value: &[u8]) -> Self {
        self.options.extend(option(code, value));
        self
    }

    /// An association with addresses.
    pub fn association(self, code: u16, id: u32, addresses: &[Ipv6Addr]) -> Self {
        let mut value = id.to_be_bytes().to_vec();
        if code != IA_TA {
            value.extend([0; 8]);
        }
        for address in addresses {
            value.extend(option(5, &[&address.octets()[..], &[0; 8]].concat()));
        }
        self.option(code, &value)
    }

    pub fn asking(self, codes: &[u16]) -> Self {
        let value: Vec<u8> = codes.iter().flat_map(|code| code.to_be_bytes()).collect();
        self.option(6, &value)
    }

    pub fn to_payload(&self) -> Vec<u8> {
        [&[self.kind, 1, 2, 3], &self.options[..]].concat()
    }

    pub fn to_frame(&self) -> Vec<u8> {
        frame(self.source, self.destination, &self.to_payload())
    }

    pub fn answer(&self, binding: &Binding) -> Result<Seen, Silence> {
        answer(&self.to_frame(), Some(binding)).map(|reply| Seen::read(&reply, binding))
    }
}

pub fn frame(source: Ipv6Addr, destination: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(MAC.0, [0x33, 0x33, 0, 1, 0, 2])
        .ipv6(source.octets(), destination.octets(), 1)
        .udp(546, 547)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

pub type Options = Vec<(u16, Vec<u8>)>;

/// An association of a reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Association {
    pub code: u16,
    pub id: u32,
    /// T1 and T2; none of IA_TA.
    pub times: Option<(u32, u32)>,
    /// With their valid lifetime.
    pub addresses: Vec<(Ipv6Addr, u32)>,
    /// Address, length, valid lifetime.
    pub prefixes: Vec<(Ipv6Addr, u8, u32)>,
    pub status: Option<u16>,
}

/// A reply as a client sees it.
#[derive(Debug)]
pub struct Seen {
    pub kind: MessageKind,
    pub is_declined: bool,
    pub options: Options,
    pub associations: Vec<Association>,
}

impl Seen {
    /// Reads a reply and checks what holds for all: lengths, checksums, addresses, where options end.
    pub fn read(reply: &Reply, binding: &Binding) -> Self {
        let packet = SlicedPacket::from_ethernet(&reply.frame).expect("a packet");
        let Some(NetSlice::Ipv6(ip)) = &packet.net else { panic!("no IPv6") };
        let Some(TransportSlice::Udp(udp)) = &packet.transport else { panic!("no UDP") };
        let header = ip.header().to_header();
        assert_eq!(usize::from(header.payload_length) + 54, reply.frame.len());
        assert_eq!(udp.checksum(), udp.to_header().calc_checksum_ipv6(&header, udp.payload()).unwrap());
        assert_eq!((udp.source_port(), udp.destination_port()), (547, 546));
        assert_eq!((&reply.frame[..6], &reply.frame[6..12]), (&MAC.0[..], &binding.server_mac.0[..]));
        assert_eq!(ip.header().source_addr(), binding.server_mac.link_local());
        assert!(reply.frame.len() <= 14 + usize::try_from(binding.mtu).unwrap().clamp(1280, 65_535));
        let payload = udp.payload();
        assert_eq!(payload[0], [2, 7][reply.kind as usize]);
        let options = options(&payload[4..]);
        assert_eq!(
            options.iter().filter(|(code, _)| *code == 2).map(|(_, duid)| duid).collect::<Vec<_>>(),
            [&binding.server]
        );
        let associations = options.iter().filter(|(code, _)| [IA_NA, IA_TA, IA_PD].contains(code));
        let associations: Vec<_> = associations.map(|(code, value)| association(*code, value)).collect();
        for (address, seconds) in associations.iter().flat_map(|one| &one.addresses) {
            let is_own = binding.addresses.contains(address);
            assert!(*seconds == 0 || is_own, "{address} is given, which is not the port's");
        }
        Self { kind: reply.kind, is_declined: reply.is_declined, options, associations }
    }

    pub fn option(&self, code: u16) -> Option<&[u8]> {
        self.options.iter().find(|(known, _)| *known == code).map(|(_, value)| &value[..])
    }

    pub fn status(&self) -> Option<u16> {
        self.option(13).map(|value| u16::from_be_bytes([value[0], value[1]]))
    }

    /// The addresses of all associations.
    pub fn addresses(&self) -> Vec<(Ipv6Addr, u32)> {
        self.associations.iter().flat_map(|one| one.addresses.clone()).collect()
    }
}

fn association(code: u16, value: &[u8]) -> Association {
    let word = |at: usize| u32::from_be_bytes(value[at..at + 4].try_into().unwrap());
    let fixed = if code == IA_TA { 4 } else { 12 };
    let inner = options(&value[fixed..]);
    let address = |value: &[u8]| {
        let lifetimes = [16, 20].map(|at| u32::from_be_bytes(value[at..at + 4].try_into().unwrap()));
        assert!(lifetimes[0] <= lifetimes[1] && value.len() == 24);
        (Ipv6Addr::from(<[u8; 16]>::try_from(&value[..16]).unwrap()), lifetimes[1])
    };
    Association {
        code,
        id: word(0),
        times: (code != IA_TA).then(|| (word(4), word(8))),
        addresses: inner.iter().filter(|(code, _)| *code == 5).map(|(_, value)| address(value)).collect(),
        prefixes: inner.iter().filter(|(code, _)| *code == 26).map(|(_, value)| prefix(value)).collect(),
        status: inner
            .iter()
            .find(|(code, _)| *code == 13)
            .map(|(_, value)| u16::from_be_bytes([value[0], value[1]])),
    }
}

fn prefix(value: &[u8]) -> (Ipv6Addr, u8, u32) {
    let address: [u8; 16] = value[9..25].try_into().unwrap();
    let lifetime = u32::from_be_bytes(value[4..8].try_into().unwrap());
    (address.into(), value[8], lifetime)
}

fn options(mut field: &[u8]) -> Options {
    let mut options = Vec::new();
    while !field.is_empty() {
        let [code, length] = [0, 2].map(|at| u16::from_be_bytes([field[at], field[at + 1]]));
        let end = 4 + usize::from(length);
        options.push((code, field[4..end].to_vec()));
        field = &field[end..];
    }
    options
}

/// What holds for every frame whatsoever: no panic, the same answer twice, and a reply that is right in itself and of the asker's
/// transaction.
pub fn check(frame: &[u8], binding: &Binding) -> Result<Reply, Silence> {
    let result = answer(frame, Some(binding));
    assert_eq!(result, answer(frame, Some(binding)));
    if let Ok(reply) = &result {
        let asked = SlicedPacket::from_ethernet(frame).expect("a reply to what is no packet");
        let Some(TransportSlice::Udp(udp)) = &asked.transport else { panic!("a reply to what is no UDP") };
        assert_eq!(reply.frame[63..66], udp.payload()[1..4], "another transaction's id");
        if frame[6..12] == MAC.0 {
            Seen::read(reply, binding);
        }
    }
    result
}
