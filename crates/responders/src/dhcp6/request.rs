//! A client's message, taken apart and held against what a client may send (RFC 8415 §16).

use super::Silence;
use super::options::{Options, code};
use crate::frame6::Incoming;
use etherparse::{IpNumber, UdpSlice};
use hadron_model::Mac;
use ipnet::Ipv6Net;
use std::net::Ipv6Addr;

/// The server's UDP port.
pub(super) const SERVER_PORT: u16 = 547;
/// The client's UDP port.
pub(super) const CLIENT_PORT: u16 = 546;

/// All DHCP relay agents and servers of the link, and all servers of the site (RFC 8415 §7.1).
const SERVERS: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2), Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3)];

/// A DUID is a type of two octets and no more than 128 others (RFC 8415 §11.1).
const DUID_LENGTH: std::ops::RangeInclusive<usize> = 3..=130;
/// Associations in a message. A client has one or two for an interface.
const ASSOCIATIONS: usize = 16;

/// What a client wants (RFC 8415 §7.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    Solicit,
    Request,
    Confirm,
    Renew,
    Rebind,
    Release,
    Decline,
    Information,
}

impl Wish {
    fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Solicit,
            3 => Self::Request,
            4 => Self::Confirm,
            5 => Self::Renew,
            6 => Self::Rebind,
            8 => Self::Release,
            9 => Self::Decline,
            11 => Self::Information,
            _ => return None,
        })
    }

    /// Whether it goes to a server that the client has chosen.
    fn is_for_one_server(self) -> bool {
        matches!(self, Self::Request | Self::Renew | Self::Release | Self::Decline)
    }
}

/// Addresses or prefixes that belong together for the client (RFC 8415 §12).
pub(super) struct Association {
    /// Number of the option: IA_NA, IA_TA or IA_PD.
    pub(super) code: u16,
    pub(super) id: [u8; 4],
    /// The addresses that the client has or would like; of IA_NA and IA_TA alone.
    pub(super) addresses: Vec<Ipv6Addr>,
    /// The prefixes that it has or would like; of IA_PD alone. One without an address wishes for a length.
    pub(super) prefixes: Vec<Ipv6Net>,
}

/// A message of the port's client.
pub(super) struct Request<'a> {
    pub(super) wish: Wish,
    pub(super) mac: Mac,
    pub(super) source: Ipv6Addr,
    pub(super) transaction: [u8; 3],
    /// The client's DUID, which the reply repeats.
    pub(super) client: Option<&'a [u8]>,
    pub(super) associations: Vec<Association>,
    /// Whether the client takes a reply for its solicitation (RFC 8415 §21.14).
    pub(super) wants_rapid_commit: bool,
    /// Options that it asks for, in its order; `None` if it leaves that to the server.
    pub(super) requested: Option<Vec<u16>>,
    /// Whether it is iPXE that asks.
    pub(super) is_ipxe: bool,
}

impl<'a> Request<'a> {
    /// Reads a frame to the server with this DUID.
    pub(super) fn read(frame: &'a [u8], server: &[u8]) -> Result<Self, Silence> {
        let packet = Incoming::read(frame).ok_or(Silence::NotDhcp)?;
        if packet.protocol != IpNumber::UDP {
            return Err(Silence::NotDhcp);
        }
        let udp = UdpSlice::from_slice(packet.payload).map_err(|_| Silence::NotDhcp)?;
        if udp.destination_port() != SERVER_PORT {
            return Err(Silence::NotDhcp);
        }
        if !SERVERS.contains(&packet.destination) {
            return Err(Silence::NotMulticast);
        }
        if !packet.is_checksum_right(udp.slice(), 6) {
            return Err(Silence::Checksum);
        }
        if packet.source.is_unspecified() || packet.source.is_multicast() {
            return Err(Silence::Malformed);
        }
        let (&[kind, a, b, c], field) = udp.payload().split_first_chunk().ok_or(Silence::Malformed)?;
        let wish = Wish::of(kind).ok_or(Silence::NotDhcp)?;
        let options = Options::read(field)?;
        let client = options.one(code::CLIENT_ID)?;
        check_ids(wish, client, options.one(code::SERVER_ID)?, server)?;
        Ok(Self {
            wish,
            mac: packet.source_mac,
            source: packet.source,
            transaction: [a, b, c],
            client,
            associations: associations(wish, &options)?,
            wants_rapid_commit: options.one(code::RAPID_COMMIT)?.is_some(),
            requested: options.one(code::REQUESTED)?.map(numbers).transpose()?,
            is_ipxe: options.all(code::USER_CLASS).any(|class| class.windows(4).any(|part| part == b"iPXE")),
        })
    }
}

/// Which messages must and may say who they are from and for (RFC 8415 §16.2 to §16.12).
fn check_ids(wish: Wish, client: Option<&[u8]>, named: Option<&[u8]>, server: &[u8]) -> Result<(), Silence> {
    if client.is_some_and(|duid| !DUID_LENGTH.contains(&duid.len())) {
        return Err(Silence::Malformed);
    }
    let is_anonymous = wish == Wish::Information;
    match (client, named) {
        (None, _) if !is_anonymous => Err(Silence::Malformed),
        (_, Some(named)) if (wish.is_for_one_server() || is_anonymous) && named != server => {
            Err(Silence::OtherServer)
        }
        (_, Some(_)) if !wish.is_for_one_server() && !is_anonymous => Err(Silence::Malformed),
        (_, None) if wish.is_for_one_server() => Err(Silence::Malformed),
        _ => Ok(()),
    }
}

fn associations(wish: Wish, options: &Options<'_>) -> Result<Vec<Association>, Silence> {
    let is_one = |code: u16| matches!(code, code::IA_NA | code::IA_TA | code::IA_PD);
    let all: Result<Vec<Association>, Silence> = options
        .iter()
        .filter(|(code, _)| is_one(*code))
        .map(|(code, value)| association(code, value))
        .collect();
    match all? {
        // RFC 8415 §16.12.
        all if !all.is_empty() && wish == Wish::Information => Err(Silence::Malformed),
        all if all.len() > ASSOCIATIONS => Err(Silence::Malformed),
        all => Ok(all),
    }
}

fn association(code: u16, value: &[u8]) -> Result<Association, Silence> {
    // An IA_TA has no times (RFC 8415 §21.5).
    let fixed = if code == code::IA_TA { 4 } else { 12 };
    let (head, rest) = value.split_at_checked(fixed).ok_or(Silence::Malformed)?;
    let options = Options::read(rest)?;
    let address = |value: &[u8]| {
        // The address, its preferred and its valid lifetime, perhaps further options (RFC 8415 §21.6).
        let bytes = value.first_chunk::<16>().filter(|_| value.len() >= 24);
        bytes.map(|bytes| Ipv6Addr::from(*bytes)).ok_or(Silence::Malformed)
    };
    Ok(Association {
        code,
        id: std::array::from_fn(|at| head[at]),
        addresses: options.all(code::ADDRESS).map(address).collect::<Result<_, _>>()?,
        prefixes: options.all(code::PREFIX).map(prefix).collect::<Result<_, _>>()?,
    })
}

/// The preferred and the valid lifetime, the length, the address, perhaps further options (RFC 8415 §21.22).
fn prefix(value: &[u8]) -> Result<Ipv6Net, Silence> {
    let (head, rest) = value.split_first_chunk::<9>().ok_or(Silence::Malformed)?;
    let address = rest.first_chunk::<16>().ok_or(Silence::Malformed)?;
    let net = Ipv6Net::new((*address).into(), head[8]).map_err(|_| Silence::Malformed)?;
    Ok(net.trunc())
}

fn numbers(value: &[u8]) -> Result<Vec<u16>, Silence> {
    let (pairs, rest) = value.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
    } else {
        Err(Silence::Malformed)
    }
}
