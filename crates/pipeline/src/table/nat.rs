//! The tables of addresses that instances share outside, told apart by their ports (NAPT, RFC 3022 §2.2).
//!
//! A session is two rows: `NAT_SESSIONS` leads out, `NAT_RETURNS` leads back to it. The first has the state; the second says which
//! session has the port, and nobody takes it while that session is in force.

use super::ConnectionCount;
use crate::packet::proto;
use crate::route::mix;

/// Ports of a block. A host has whole blocks of an address, so that a gateway finds the host by one look-up.
pub const NAT_BLOCK: u16 = 64;
/// The first block that is leased: ports below 1024 are for what listens (RFC 6335 §6).
pub const NAT_FIRST_BLOCK: u16 = 1024 / NAT_BLOCK;
/// The block behind the last one.
pub const NAT_BLOCKS: u16 = (65_536 / NAT_BLOCK as u32) as u16;
/// Most blocks of one address that a host has; a power of two.
pub const NAT_POOL: usize = 64;

/// Whether packets of a protocol have a number on the instance's side that can become another one: a port, or the identifier of an ICMP query.
/// SCTP's can't: its checksum is of the whole packet.
#[inline(always)]
pub const fn is_renumbered(protocol: u8) -> bool {
    matches!(protocol, proto::TCP | proto::UDP | proto::UDP_LITE | proto::DCCP | proto::ICMP)
}

/// The slot of a shared address that a protocol that is not renumbered has towards a remote end: the number of a block behind those of ports. Who has
/// it translates all that falls into it; that two of these fall into one is seldom, and does no harm on one host.
#[inline(always)]
pub fn nat_slot(protocol: u8, remote: [u8; 4]) -> u16 {
    const SLOTS: u32 = 65_536 - NAT_BLOCKS as u32;
    let hash = mix(protocol.into(), u32::from_be_bytes(remote));
    // The high half of a product spreads a hash over any number (Lemire 2019).
    NAT_BLOCKS + ((u64::from(hash) * u64::from(SLOTS)) >> 32) as u16
}

layout! {
    /// Key of `NAT_POOLS`.
    NatPoolKey: 4 {
        /// The router's interface to the external network.
        0 => interface: u32,
    }
}

/// Value of `NAT_POOLS`: the ports of the router's address that this host may use.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NatPool {
    /// The router's address outside.
    pub address: [u8; 4],
    /// How many blocks there are, up to [`NAT_POOL`].
    pub count: u32,
    /// The blocks: a port divided by [`NAT_BLOCK`].
    pub blocks: [NatBlock; NAT_POOL],
}

const _: () = assert!(size_of::<NatPool>() == 8 + 2 * NAT_POOL && NAT_POOL.is_power_of_two());
rows!(NatPool);

impl NatPool {
    /// A pool of these blocks; none beyond the first [`NAT_POOL`].
    pub fn new(address: [u8; 4], blocks: &[NatBlock]) -> Self {
        let mut pool = NatPool { address, count: 0, blocks: [0; NAT_POOL] };
        for (place, block) in pool.blocks.iter_mut().zip(blocks) {
            *place = *block;
            pool.count += 1;
        }
        pool
    }
}

/// A block of ports.
pub type NatBlock = u16;

layout! {
    /// Key of `NAT_OWNERS`.
    NatOwnerKey: 12 {
        /// The external network's id.
        0 => network: u32,
        /// The shared address.
        4 => address: [u8; 4],
        /// A block of its ports, or a slot: see [`nat_slot`].
        8 => block: u16,
        /// Zero.
        10 => pad: [u8; 2],
    }
}

layout! {
    /// Value of `NAT_OWNERS`: the other host that has a block, or the host that has a slot.
    NatOwner: 4 {
        /// Host id; 0 for this host, of slots alone.
        0 => host: u32,
    }
}

layout! {
    /// Key of `FORWARDINGS`: a protocol of a floating IP, and the first bits of a port number.
    ForwardingKey: 16 {
        /// 80 and how many bits of the port number count.
        0 => prefix_len: u32,
        /// The external network's id.
        4 => network: u32,
        /// The floating IP.
        8 => address: [u8; 4],
        /// IP protocol.
        12 => protocol: u8,
        /// Zero.
        13 => pad: u8,
        /// The port number in the order of the wire, bits behind the prefix zero.
        14 => port: [u8; 2],
    }
}

impl ForwardingKey {
    /// Bits before the port number.
    pub(crate) const BEFORE: u32 = 80;

    /// The row of the port numbers whose first `bits` bits are those of `port`.
    #[inline(always)]
    pub const fn new(network: u32, address: [u8; 4], protocol: u8, port: u16, bits: u8) -> Self {
        let prefix_len = Self::BEFORE + bits as u32;
        ForwardingKey { prefix_len, network, address, protocol, pad: 0, port: port.to_be_bytes() }
    }

    /// Whether the port number is one of the row's.
    pub const fn covers(&self, port: u16) -> bool {
        let ignored = (Self::BEFORE + 16).saturating_sub(self.prefix_len);
        (port ^ u16::from_be_bytes(self.port)) as u32 >> ignored == 0
    }
}

layout! {
    /// Value of `FORWARDINGS`: the instance that a range of a floating IP's ports leads to.
    Forwarding: 20 {
        /// The other host that has the instance; 0 for this one.
        0 => host: u32,
        /// The instance's port; 0 on another host.
        4 => port: u32,
        /// The instance's address.
        8 => inside: [u8; 4],
        /// The first port outside.
        12 => outside_port: u16,
        /// The instance's port that it leads to.
        14 => inside_port: u16,
        /// 1 if all ports outside lead to that one, 0 if each leads to one of its own.
        16 => is_one: u32,
    }
}

impl Forwarding {
    /// The instance's port that a port outside leads to.
    #[inline(always)]
    pub const fn inside_port(&self, outside_port: u16) -> u16 {
        if self.is_one != 0 {
            return self.inside_port;
        }
        self.inside_port.wrapping_add(outside_port.wrapping_sub(self.outside_port))
    }
}

layout! {
    /// Key of `NAT_SESSIONS`: a connection as the instance sees it.
    NatSessionKey: 20 {
        /// The router's interface to the external network.
        0 => interface: u32,
        /// The instance's address.
        4 => inside: [u8; 4],
        /// The other side's.
        8 => remote: [u8; 4],
        /// The instance's port; the identifier of an ICMP query.
        12 => inside_port: u16,
        /// The other side's; the type of an ICMP query.
        14 => remote_port: u16,
        /// IP protocol.
        16 => protocol: u8,
        /// Zero.
        17 => pad: [u8; 3],
    }
}

layout! {
    /// Value of `NAT_SESSIONS`. Two CPUs may write it at once as they may a [`super::Connection`], and it is as harmless: address and port
    /// never change.
    NatSession: 24 {
        /// Nanoseconds of the monotonic clock from which on it isn't there.
        0 => expires: u64,
        /// The instance's port, which is charged for it.
        8 => port: u32,
        /// The address outside.
        12 => outside: [u8; 4],
        /// The port there, or the identifier.
        16 => outside_port: u16,
        /// A constant of [`super::connection_state`].
        18 => state: u8,
        /// As [`super::Connection::finished`].
        19 => finished: u8,
        /// A constant of [`super::direction`]: the way of the packet that began it, as the instance sees it.
        20 => direction: u8,
        /// Zero.
        21 => pad: [u8; 3],
    }
}

layout! {
    /// Key of `NAT_RETURNS`: the same connection as the other side sees it.
    NatReturnKey: 20 {
        /// The external network's id.
        0 => network: u32,
        /// The address outside.
        4 => outside: [u8; 4],
        /// The other side's.
        8 => remote: [u8; 4],
        /// The port outside, or the identifier.
        12 => outside_port: u16,
        /// The other side's; the type of an ICMP query.
        14 => remote_port: u16,
        /// IP protocol.
        16 => protocol: u8,
        /// Zero.
        17 => pad: [u8; 3],
    }
}

layout! {
    /// Value of `NAT_RETURNS`: what its session's key has that its own has not.
    NatReturn: 12 {
        /// The router's interface to the external network.
        0 => interface: u32,
        /// The instance's address.
        4 => inside: [u8; 4],
        /// The instance's port, or the identifier.
        8 => inside_port: u16,
        /// Zero.
        10 => pad: [u8; 2],
    }
}

impl NatReturn {
    /// The key of the session that the row of `key` leads to.
    #[inline(always)]
    pub const fn session(&self, key: &NatReturnKey) -> NatSessionKey {
        NatSessionKey {
            interface: self.interface,
            inside: self.inside,
            remote: key.remote,
            inside_port: self.inside_port,
            remote_port: key.remote_port,
            protocol: key.protocol,
            pad: [0; 3],
        }
    }
}

layout! {
    /// Key of `NAT_FRAGMENTS`: a translated packet in pieces, on one way.
    NatFragmentKey: 20 {
        /// On the way out the router's interface to the external network, on the way in that network's id.
        0 => scope: u32,
        /// IP source.
        4 => source: [u8; 4],
        /// IP destination.
        8 => destination: [u8; 4],
        /// Identification.
        12 => identification: u16,
        /// IP protocol.
        14 => protocol: u8,
        /// A constant of [`super::direction`], as the instance sees it.
        15 => direction: u8,
        /// Zero.
        16 => reserved: u32,
    }
}

layout! {
    /// Value of `NAT_FRAGMENTS`: what its first fragment has become.
    NatFragment: 24 {
        /// Nanoseconds of the monotonic clock from which on later fragments don't follow.
        0 => expires: u64,
        /// The address that takes the place of the source on the way out, of the destination on the way in.
        8 => address: [u8; 4],
        /// On the way in the router's interface by which it entered.
        12 => interface: u32,
        /// On the way in the instance's port.
        16 => port: u32,
        /// The host that it was relayed to; 0 for none.
        20 => host: u32,
    }
}

/// The value of `NAT_COUNTS`, keyed by port: rows of the port in `NAT_SESSIONS`.
pub type NatCount = ConnectionCount;
