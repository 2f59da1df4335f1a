//! The tables of questions that end in a socket of the node: the way to its namespace, and who has asked from where.

use super::Limit;
use crate::address::{Address, Mac};

layout! {
    /// The one row of `SERVICE_LINK`: the near end of the pair of interfaces whose far end is in the namespace with the sockets.
    ServiceLink: 24 {
        /// Index of the near end; 0 while there is none.
        0 => ifindex: u32,
        /// Bits of [`service_flag`].
        4 => flags: u32,
        /// Connections and datagrams of each port.
        8 => limit: Limit,
        /// MAC of the far end.
        16 => mac: Mac,
        /// Zero.
        22 => pad: [u8; 2],
    }
}

/// Bits of [`ServiceLink::flags`].
pub mod service_flag {
    /// TCP port 80 of the metadata addresses is answered.
    pub const METADATA: u32 = 1;
    /// Port 53 of the addresses of services is answered, by TCP and UDP.
    pub const DNS: u32 = 1 << 1;
}

layout! {
    /// Key of `SERVICE_SESSIONS`: the asking end as the sockets see it.
    ServiceSessionKey: 20 {
        /// What stands for the port's interface, [`stand_in_v4`] or [`stand_in_v6`].
        0 => address: Address,
        /// Source port of the question.
        16 => port: u16,
        /// TCP or UDP.
        18 => protocol: u8,
        /// Zero.
        19 => pad: u8,
    }
}

impl ServiceSessionKey {
    /// A key with its padding zeroed.
    #[inline(always)]
    pub const fn new(address: Address, port: u16, protocol: u8) -> Self {
        ServiceSessionKey { address, port, protocol, pad: 0 }
    }
}

layout! {
    /// Value of `SERVICE_SESSIONS`: both ends as the instance sees them.
    ServiceSession: 56 {
        /// When the instance sent last, in nanoseconds of the monotonic clock; up to [`SESSION_REFRESH`] late.
        0 => seen: u64,
        /// The instance's address.
        8 => guest: Address,
        /// The address that it asked.
        24 => server: Address,
        /// The asking port.
        40 => port: u32,
        /// The instance's MAC.
        44 => guest_mac: Mac,
        /// The MAC that it asked.
        50 => server_mac: Mac,
    }
}

/// How long a session keeps its source port from another address of the same port, nanoseconds.
pub const SESSION_HOLD: u64 = 10_000_000_000;
/// How late [`ServiceSession::seen`] may be, nanoseconds.
pub const SESSION_REFRESH: u64 = 1_000_000_000;

/// 169.254.169.254, where instances ask for their metadata.
pub const METADATA_V4: Address = Address::v4([169, 254, 169, 254]);
/// fe80::a9fe:a9fe, likewise.
pub const METADATA_V6: Address = Address([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa9, 0xfe, 0xa9, 0xfe]);
/// The MAC that is told of both.
pub const METADATA_MAC: Mac = Mac([0x02, 0, 0xa9, 0xfe, 0xa9, 0xfe]);

/// The address of the sockets in their namespace.
pub const SOCKET_V4: Address = METADATA_V4;
/// Likewise; a link-local one would need a scope.
pub const SOCKET_V6: Address = Address([0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa9, 0xfe, 0xa9, 0xfe]);

/// The first address that stands for an interface, and the network that has no ordinary addresses.
const FIRST: u32 = 0x0100_0000;
const LOOPBACK: u32 = 0x7f00_0000;
const NETWORK: u32 = 0x0100_0000;

/// The address that stands for the interface of a port: 1.0.0.0 and its index, past 127.0.0.0/8. The kernel gives an index to one
/// interface after the other, up to 2³¹, and none again before that.
#[inline(always)]
pub const fn stand_in_v4(ifindex: u32) -> [u8; 4] {
    let address = (ifindex & (u32::MAX >> 1)) + FIRST;
    let address = if address >= LOOPBACK { address + NETWORK } else { address };
    address.to_be_bytes()
}

/// The same in fd00::/96.
#[inline(always)]
pub const fn stand_in_v6(ifindex: u32) -> Address {
    let [a, b, c, d] = stand_in_v4(ifindex);
    Address([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d])
}

/// The interface that an address stands for, which is its last four bytes.
#[inline(always)]
pub const fn stands_for(tail: [u8; 4]) -> u32 {
    let address = u32::from_be_bytes(tail);
    let address = if address >= LOOPBACK + NETWORK { address - NETWORK } else { address };
    address.wrapping_sub(FIRST)
}
