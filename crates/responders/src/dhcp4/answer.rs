//! What a server says to which message (RFC 2131 §4.3).

use super::frame::{CLIENT_PORT, IP_UDP_LENGTH, Incoming, Outgoing, SERVER_PORT};
use super::options::code;
use super::packing::{Entry, Packed, pack};
use super::request::{FIXED_LENGTH, Request, Wish};
use super::{Lease, parameters};
use hadron_model::Mac;
use std::net::Ipv4Addr;

/// A BOOTP client drops what is shorter (RFC 1542 §2.1).
const SHORTEST: usize = 300;

/// Seconds; a client that wants a lease for less gets this, or what the server gives if that is less.
const SHORTEST_LEASE: u32 = 120;

/// What a reply is (option 53, RFC 2132 §9.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageKind {
    /// The answer to DISCOVER.
    Offer,
    /// The answer to REQUEST and INFORM, and to DISCOVER of a client that takes it (RFC 4039).
    Ack,
    /// The refusal of a REQUEST for another address than the port's; the client starts over.
    Nak,
}

impl MessageKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 3] = [Self::Offer, Self::Ack, Self::Nak];

    /// Lower case, made to be a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Ack => "ack",
            Self::Nak => "nak",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Offer => 2,
            Self::Ack => 5,
            Self::Nak => 6,
        }
    }
}

/// Why there is no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Silence {
    /// Not a DHCP message of a client in an untagged, whole UDP packet to port 67.
    NotDhcp,
    /// The UDP checksum is wrong.
    Checksum,
    /// Fields or options that contradict RFC 2131 or 2132.
    Malformed,
    /// Asked for another hardware address than the port's.
    OtherClient,
    /// Meant for another server: its identifier or its address.
    OtherServer,
    /// From a relay of another subnet.
    OtherSubnet,
    /// A REQUEST or INFORM that says no address.
    NoAddress,
    /// What must be in the reply doesn't fit into the client's or the network's largest message.
    NoRoom,
    /// The port has no address that DHCP gives.
    WithoutLease,
    /// RELEASE, taken note of: the address stays with the port.
    Released,
    /// DECLINE: the client found somebody else using the port's address. An operator wants to know.
    Declined,
}

impl Silence {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 11] = [
        Self::NotDhcp,
        Self::Checksum,
        Self::Malformed,
        Self::OtherClient,
        Self::OtherServer,
        Self::OtherSubnet,
        Self::NoAddress,
        Self::NoRoom,
        Self::WithoutLease,
        Self::Released,
        Self::Declined,
    ];

    /// Lower case with underscores, made to be a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotDhcp => "not_dhcp",
            Self::Checksum => "checksum",
            Self::Malformed => "malformed",
            Self::OtherClient => "other_client",
            Self::OtherServer => "other_server",
            Self::OtherSubnet => "other_subnet",
            Self::NoAddress => "no_address",
            Self::NoRoom => "no_room",
            Self::WithoutLease => "without_lease",
            Self::Released => "released",
            Self::Declined => "declined",
        }
    }
}

/// A frame for the port that asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// What it says.
    pub kind: MessageKind,
    /// From the Ethernet header on, untagged, checksums complete.
    pub frame: Vec<u8>,
}

/// Answers `frame`, which the port of `leases` sent: of several the one that the client means, or the first. `frame` begins with the Ethernet header; a UDP checksum may be missing or be left to
/// the device (partial), as packets from taps and veths are.
pub fn answer(frame: &[u8], leases: &[Lease]) -> Result<Reply, Silence> {
    let first = leases.first().ok_or(Silence::WithoutLease)?;
    let incoming = Incoming::read(frame)?;
    let request = Request::read(incoming.message, first.mac)?;
    let lease = chosen(&request, &incoming, leases).unwrap_or(first);
    if !is_addressed_to_us(incoming.destination, lease) {
        return Err(Silence::OtherServer);
    }
    if request.is_relayed() && !lease.subnet().contains(&request.giaddr) {
        return Err(Silence::OtherSubnet);
    }
    let kind = decide(&request, &incoming, lease)?;
    let message = message(kind, &request, lease)?;
    Ok(Reply { kind, frame: destination(kind, &request, &incoming, lease).frame(&message) })
}

/// The lease that the client speaks of: by the server that it chose, by its own address, by where it sends to.
fn chosen<'a>(request: &Request, incoming: &Incoming<'_>, leases: &'a [Lease]) -> Option<&'a Lease> {
    let by = |is_it: &dyn Fn(&Lease) -> bool| leases.iter().find(|lease| is_it(lease));
    let wanted = wanted_address(request).or_else(|| inform_address(request, incoming));
    by(&|lease| request.server == Some(lease.server_id))
        .or_else(|| by(&|lease| wanted == Some(lease.address)))
        .or_else(|| by(&|lease| incoming.destination == lease.server_id))
        .or_else(|| by(&|lease| request.is_relayed() && lease.subnet().contains(&request.giaddr)))
}

fn is_addressed_to_us(destination: Ipv4Addr, lease: &Lease) -> bool {
    destination.is_broadcast() || destination == lease.server_id || destination == lease.subnet().broadcast()
}

fn decide(request: &Request, incoming: &Incoming<'_>, lease: &Lease) -> Result<MessageKind, Silence> {
    let is_other_server = request.server.is_some_and(|server| server != lease.server_id);
    match request.wish {
        Wish::Discover if request.wants_rapid_commit => Ok(MessageKind::Ack),
        Wish::Discover => Ok(MessageKind::Offer),
        Wish::Request | Wish::Decline | Wish::Release if is_other_server => Err(Silence::OtherServer),
        Wish::Request => {
            let address = wanted_address(request).ok_or(Silence::NoAddress)?;
            Ok(if address == lease.address { MessageKind::Ack } else { MessageKind::Nak })
        }
        Wish::Decline => Err(Silence::Declined),
        Wish::Release => Err(Silence::Released),
        Wish::Inform => inform_address(request, incoming).map(|_| MessageKind::Ack).ok_or(Silence::NoAddress),
    }
}

/// Option 50 of a client that selects or reboots, `ciaddr` of one that renews or rebinds (RFC 2131 §4.3.2, table 4).
fn wanted_address(request: &Request) -> Option<Ipv4Addr> {
    request.requested.or((!request.ciaddr.is_unspecified()).then_some(request.ciaddr))
}

/// The address that a client gave itself: `ciaddr`, or the packet's source from clients that leave it empty.
fn inform_address(request: &Request, incoming: &Incoming<'_>) -> Option<Ipv4Addr> {
    [request.ciaddr, incoming.source].into_iter().find(|&address| is_unicast(address))
}

fn is_unicast(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast() || address.is_loopback())
}

/// RFC 2131 §4.1, the paragraphs on `giaddr`, `ciaddr` and the broadcast bit.
fn destination(kind: MessageKind, request: &Request, incoming: &Incoming<'_>, lease: &Lease) -> Outgoing {
    let (mac, address, port) = if request.is_relayed() {
        (incoming.source_mac, request.giaddr, SERVER_PORT)
    } else if kind == MessageKind::Nak {
        (Mac::BROADCAST, Ipv4Addr::BROADCAST, CLIENT_PORT)
    } else if let Some(address) = client_address(request, incoming) {
        (lease.mac, address, CLIENT_PORT)
    } else if request.wants_broadcast() {
        (Mac::BROADCAST, Ipv4Addr::BROADCAST, CLIENT_PORT)
    } else {
        (lease.mac, lease.address, CLIENT_PORT)
    };
    Outgoing { server_mac: lease.server_mac, mac, server: lease.server_id, address, port }
}

/// An address at which the client can be reached already.
fn client_address(request: &Request, incoming: &Incoming<'_>) -> Option<Ipv4Addr> {
    match request.wish {
        Wish::Inform => inform_address(request, incoming),
        _ => Some(request.ciaddr).filter(|&address| is_unicast(address)),
    }
}

fn message(kind: MessageKind, request: &Request, lease: &Lease) -> Result<Vec<u8>, Silence> {
    let size = usize::from(request.maximum_size.min(lease.mtu)).max(SHORTEST + IP_UDP_LENGTH) - IP_UDP_LENGTH;
    let entries = entries(kind, request, lease);
    let mut packed =
        pack(&entries, request.relay_information(), size - FIXED_LENGTH).ok_or(Silence::NoRoom)?;
    if kind != MessageKind::Nak {
        let extra = |code| lease.extra.value(code, request).unwrap_or_default();
        packed.name_boot_file(extra(code::TFTP_SERVER), extra(code::BOOT_FILE));
    }
    let mut message = fixed_fields(kind, request, lease, &packed);
    message.extend(&packed.options);
    message.resize(message.len().max(SHORTEST), code::PAD);
    Ok(message)
}

/// RFC 2131 §4.3.1, table 3.
fn entries(kind: MessageKind, request: &Request, lease: &Lease) -> Vec<Entry> {
    let required = |code, value: &[u8]| Entry { code, value: value.to_vec(), is_required: true };
    let mut entries = vec![
        required(code::MESSAGE_TYPE, &[kind.number()]),
        required(code::SERVER_IDENTIFIER, &lease.server_id.octets()),
    ];
    if kind != MessageKind::Nak && request.wish != Wish::Inform {
        entries.extend(times(request, lease).map(|(code, seconds)| required(code, &seconds.to_be_bytes())));
    }
    if request.wish == Wish::Discover && kind == MessageKind::Ack {
        entries.push(required(code::RAPID_COMMIT, &[]));
    }
    entries.extend(request.client_identifier().map(|id| required(code::CLIENT_IDENTIFIER, id)));
    let optional = |(code, value)| Entry { code, value, is_required: false };
    if kind == MessageKind::Nak {
        entries.push(optional((code::MESSAGE, b"the port has another address".to_vec())));
    } else {
        entries.extend(parameters::of(request, lease).into_iter().map(optional));
    }
    entries
}

/// The lease's time, T1 = 0.5 and T2 = 0.875 of it unless the port's owner set others (RFC 2131 §4.4.5); a lease for ever is never
/// renewed. A client that wants a shorter one gets it.
fn times(request: &Request, lease: &Lease) -> impl Iterator<Item = (u8, u32)> {
    let set = |code| lease.extra.number(code, request);
    let longest = set(code::LEASE_TIME).unwrap_or(lease.lease_seconds);
    let all = request.lease_seconds.map_or(longest, |wanted| wanted.max(SHORTEST_LEASE).min(longest));
    let part = |eighths: u64| (u64::from(all) * eighths / 8) as u32;
    let renewal = set(code::RENEWAL_TIME).filter(|seconds| *seconds < all).unwrap_or(part(4));
    let rebinding = set(code::REBINDING_TIME).filter(|seconds| (renewal..all).contains(seconds));
    let rebinding = rebinding.unwrap_or(part(7).max(renewal));
    let times = [(code::LEASE_TIME, all), (code::RENEWAL_TIME, renewal), (code::REBINDING_TIME, rebinding)];
    times.into_iter().take(if all == u32::MAX { 1 } else { 3 })
}

fn fixed_fields(kind: MessageKind, request: &Request, lease: &Lease, packed: &Packed) -> Vec<u8> {
    let is_nak = kind == MessageKind::Nak;
    let has_lease = !is_nak && request.wish != Wish::Inform;
    let yiaddr = if has_lease { lease.address } else { Ipv4Addr::UNSPECIFIED };
    let ciaddr = if kind == MessageKind::Ack { request.ciaddr } else { Ipv4Addr::UNSPECIFIED };
    let siaddr = lease.extra.next_server(request).filter(|_| !is_nak).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let flags = if is_nak { request.flags_of_refusal() } else { request.flags };
    let mut fixed = Vec::with_capacity(576);
    fixed.extend([2, 1, 6, 0]);
    fixed.extend(request.xid);
    fixed.extend([0, 0]);
    fixed.extend(flags.to_be_bytes());
    for address in [ciaddr, yiaddr, siaddr, request.giaddr] {
        fixed.extend(address.octets());
    }
    fixed.extend(request.chaddr);
    fixed.extend(packed.sname);
    fixed.extend(packed.file);
    fixed.extend([99, 130, 83, 99]);
    fixed
}
