//! What the server says to which message (RFC 8415 §18.3).

use super::Binding;
use super::association::{self, status};
use super::options::{self, code};
use super::request::{CLIENT_PORT, Request, SERVER_PORT, Wish};
use crate::name;
use etherparse::PacketBuilder;
use std::net::Ipv6Addr;

/// Octets of the IPv6 and UDP headers.
const IP_UDP_LENGTH: usize = 48;
/// What a network carries at least (RFC 8200 §5).
const LEAST_MTU: u32 = 1280;

/// What a reply is (RFC 8415 §7.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageKind {
    /// The answer to SOLICIT.
    Advertise,
    /// The answer to everything else, and to SOLICIT with rapid commit.
    Reply,
}

impl MessageKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 2] = [Self::Advertise, Self::Reply];

    /// Lower case, made to be a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Advertise => "advertise",
            Self::Reply => "reply",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Advertise => 2,
            Self::Reply => 7,
        }
    }
}

/// Why there is no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Silence {
    /// Not a DHCPv6 message of a client in an untagged, whole UDP packet to port 547; from a relay.
    NotDhcp,
    /// Sent to a single server, which none has allowed.
    NotMulticast,
    /// The UDP checksum is wrong.
    Checksum,
    /// Fields or options that contradict RFC 8415.
    Malformed,
    /// Meant for another server.
    OtherServer,
    /// A CONFIRM of no address.
    NoAddress,
    /// What must be in the reply doesn't fit into the network's largest packet.
    NoRoom,
    /// The port has nothing that DHCPv6 gives.
    WithoutLease,
}

impl Silence {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::NotDhcp,
        Self::NotMulticast,
        Self::Checksum,
        Self::Malformed,
        Self::OtherServer,
        Self::NoAddress,
        Self::NoRoom,
        Self::WithoutLease,
    ];

    /// Lower case with underscores, made to be a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotDhcp => "not_dhcp",
            Self::NotMulticast => "not_multicast",
            Self::Checksum => "checksum",
            Self::Malformed => "malformed",
            Self::OtherServer => "other_server",
            Self::NoAddress => "no_address",
            Self::NoRoom => "no_room",
            Self::WithoutLease => "without_lease",
        }
    }
}

/// A frame for the port that asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// What it says.
    pub kind: MessageKind,
    /// The client found somebody else using an address of the port: an operator wants to know.
    pub is_declined: bool,
    /// From the Ethernet header on, untagged, checksums complete.
    pub frame: Vec<u8>,
}

/// Answers `frame`, which the port of `binding` sent; `None` for a port that DHCPv6 has nothing for. `frame` begins with the Ethernet
/// header; its UDP checksum may be left to the device.
pub fn answer(frame: &[u8], binding: Option<&Binding>) -> Result<Reply, Silence> {
    let binding = binding.ok_or(Silence::WithoutLease)?;
    let request = Request::read(frame, &binding.server)?;
    let is_rapid = request.wish == Wish::Solicit && request.wants_rapid_commit;
    let kind = match request.wish {
        Wish::Solicit if !is_rapid => MessageKind::Advertise,
        _ => MessageKind::Reply,
    };
    let [a, b, c] = request.transaction;
    let mut message = vec![kind.number(), a, b, c];
    options::write(&mut message, code::SERVER_ID, &binding.server);
    if let Some(client) = request.client {
        options::write(&mut message, code::CLIENT_ID, client);
    }
    if is_rapid {
        options::write(&mut message, code::RAPID_COMMIT, &[]);
    }
    if kind == MessageKind::Advertise {
        // There is no other server to wait for (RFC 8415 §18.2.1).
        options::write(&mut message, code::PREFERENCE, &[255]);
    }
    if let Some(status) = overall(&request, binding)? {
        options::write_status(&mut message, status);
    }
    association::write(&mut message, &request, binding);
    let room = (binding.mtu.clamp(LEAST_MTU, u16::MAX.into()) as usize) - IP_UDP_LENGTH;
    if message.len() > room {
        return Err(Silence::NoRoom);
    }
    if !matches!(request.wish, Wish::Confirm | Wish::Release | Wish::Decline) {
        write_parameters(&mut message, room, &request, binding);
    }
    Ok(Reply { kind, is_declined: request.wish == Wish::Decline, frame: framed(&message, &request, binding) })
}

/// The status of the whole message. An address that the port no longer has would pass as one of the link, but no packet from it would
/// pass port security: a client that confirms it starts over at once.
fn overall(request: &Request<'_>, binding: &Binding) -> Result<Option<u16>, Silence> {
    let mut addresses = request.associations.iter().flat_map(|association| &association.addresses).peekable();
    match request.wish {
        Wish::Release | Wish::Decline => Ok(Some(status::SUCCESS)),
        Wish::Confirm if addresses.peek().is_none() => Err(Silence::NoAddress),
        Wish::Confirm => {
            let is_right = addresses.all(|address| binding.addresses.contains(address));
            Ok(Some(if is_right { status::SUCCESS } else { status::NOT_ON_LINK }))
        }
        _ => Ok(None),
    }
}

/// What a client gets that leaves the choice to the server.
const DEFAULT: &[u16] = &[code::DNS, code::DOMAIN];

/// What configures the client: in the order in which it asks, then what the port's owner set, each as long as there is room.
fn write_parameters(message: &mut Vec<u8>, room: usize, request: &Request<'_>, binding: &Binding) {
    let asked = request.requested.as_deref().unwrap_or(DEFAULT);
    let extra = binding.extra.codes(request.is_ipxe);
    let mut told: Vec<u16> = Vec::new();
    for &code in asked.iter().chain(&extra) {
        if told.contains(&code) {
            continue;
        }
        told.push(code);
        let value = match binding.extra.value(code, request.is_ipxe) {
            Some(value) => value.to_vec(),
            None => value(code, binding),
        };
        if !value.is_empty() && message.len() + 4 + value.len() <= room {
            options::write(message, code, &value);
        }
    }
}

/// RFC 3646.
fn value(code: u16, binding: &Binding) -> Vec<u8> {
    match code {
        code::DNS => binding.dns.iter().flat_map(Ipv6Addr::octets).collect(),
        code::DOMAIN => name::encode(&binding.domain).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn framed(message: &[u8], request: &Request<'_>, binding: &Binding) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(binding.server_mac.0, request.mac.0)
        .ipv6(binding.server_mac.link_local().octets(), request.source.octets(), 64)
        .udp(SERVER_PORT, CLIENT_PORT);
    let mut frame = Vec::with_capacity(builder.size(message.len()));
    builder.write_to_vec(&mut frame, message).expect("a message below 64 KiB into memory");
    frame
}
