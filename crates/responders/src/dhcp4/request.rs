//! A client's message, taken apart and held against what a client may send.

use super::Silence;
use super::options::{Options, code};
use hadron_model::Mac;
use std::net::Ipv4Addr;

const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// Octets before the options: the fixed fields and the magic cookie.
pub(super) const FIXED_LENGTH: usize = 240;
const BOOTREQUEST: u8 = 1;
const ETHERNET: u8 = 1;
const BROADCAST_FLAG: u16 = 0x8000;

/// What a client wants (option 53, RFC 2132 §9.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    Discover,
    Request,
    Decline,
    Release,
    Inform,
}

/// A message of the port's client.
pub(super) struct Request {
    pub(super) wish: Wish,
    pub(super) xid: [u8; 4],
    pub(super) flags: u16,
    pub(super) ciaddr: Ipv4Addr,
    pub(super) giaddr: Ipv4Addr,
    pub(super) chaddr: [u8; 16],
    /// Option 50.
    pub(super) requested: Option<Ipv4Addr>,
    /// Option 54.
    pub(super) server: Option<Ipv4Addr>,
    /// Option 80: the client takes an acknowledgement for its discovery (RFC 4039).
    pub(super) wants_rapid_commit: bool,
    /// Option 51.
    pub(super) lease_seconds: Option<u32>,
    /// Option 57, octets of the IP packet; no less than 576, which is also the default.
    pub(super) maximum_size: u16,
    options: Options,
}

impl Request {
    /// Reads a message to a server from the hardware address of the port.
    pub(super) fn read(message: &[u8], mac: Mac) -> Result<Self, Silence> {
        let (fixed, options) = message.split_first_chunk::<FIXED_LENGTH>().ok_or(Silence::Malformed)?;
        if fixed[0] != BOOTREQUEST || fixed[236..] != MAGIC {
            return Err(Silence::NotDhcp);
        }
        if fixed[1] != ETHERNET || fixed[2] != 6 || fixed[28..34] != mac.0 {
            return Err(Silence::OtherClient);
        }
        let options = Options::read(options, &fixed[108..236], &fixed[44..108])?;
        let [kind] = options.fixed(code::MESSAGE_TYPE)?.ok_or(Silence::NotDhcp)?;
        let wish = match kind {
            1 => Wish::Discover,
            3 => Wish::Request,
            4 => Wish::Decline,
            7 => Wish::Release,
            8 => Wish::Inform,
            _ => return Err(Silence::NotDhcp),
        };
        if options.get(code::CLIENT_IDENTIFIER).is_some_and(|id| id.len() > 255) {
            return Err(Silence::Malformed);
        }
        Ok(Self {
            wish,
            xid: part(fixed, 4),
            flags: u16::from_be_bytes(part(fixed, 10)),
            ciaddr: Ipv4Addr::from(part::<4>(fixed, 12)),
            giaddr: Ipv4Addr::from(part::<4>(fixed, 24)),
            chaddr: part(fixed, 28),
            requested: options.fixed::<4>(code::REQUESTED_ADDRESS)?.map(Ipv4Addr::from),
            server: options.fixed::<4>(code::SERVER_IDENTIFIER)?.map(Ipv4Addr::from),
            wants_rapid_commit: options.get(code::RAPID_COMMIT).is_some(),
            lease_seconds: options.fixed(code::LEASE_TIME)?.map(u32::from_be_bytes),
            maximum_size: options.fixed(code::MAXIMUM_SIZE)?.map_or(576, u16::from_be_bytes).max(576),
            options,
        })
    }

    /// Whether the client can't take in unicast before it has an address (RFC 2131 §4.1).
    pub(super) fn wants_broadcast(&self) -> bool {
        self.flags & BROADCAST_FLAG != 0
    }

    /// The flags of a refusal to a relay: the client has no address that it could be reached at (RFC 2131 §4.3.2).
    pub(super) fn flags_of_refusal(&self) -> u16 {
        if self.giaddr.is_unspecified() { self.flags } else { self.flags | BROADCAST_FLAG }
    }

    /// Whether the message came through a relay.
    pub(super) fn is_relayed(&self) -> bool {
        !self.giaddr.is_unspecified()
    }

    /// Options that the client asks for, in its order of preference; `None` if it leaves that to the server.
    pub(super) fn parameters(&self) -> Option<&[u8]> {
        self.options.get(code::PARAMETER_REQUEST_LIST)
    }

    /// Whether it is iPXE that asks, which may be told to load another file than the firmware that loaded it.
    pub(super) fn is_ipxe(&self) -> bool {
        let class = self.options.get(code::USER_CLASS).unwrap_or_default();
        self.options.get(code::IPXE).is_some() || class.windows(4).any(|part| part == b"iPXE")
    }

    /// What the reply repeats (RFC 6842).
    pub(super) fn client_identifier(&self) -> Option<&[u8]> {
        self.options.get(code::CLIENT_IDENTIFIER).filter(|id| !id.is_empty())
    }

    /// What the reply repeats to a relay (RFC 3046 §2.2).
    pub(super) fn relay_information(&self) -> Option<&[u8]> {
        self.options.get(code::RELAY_INFORMATION).filter(|_| self.is_relayed())
    }
}

fn part<const N: usize>(fixed: &[u8; FIXED_LENGTH], at: usize) -> [u8; N] {
    std::array::from_fn(|i| fixed[at + i])
}
