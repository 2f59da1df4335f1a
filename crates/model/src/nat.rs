//! What routers need outside: the hosts that stand for them there, and who may use which ports of their addresses.

use crate::{HostNumber, PortId};

/// Ports of a block. Hosts have whole blocks, so that a gateway finds the host of a port by one look-up.
pub const PORT_BLOCK: u16 = 64;
/// The blocks of an address that are leased: those from port 1024 on (RFC 6335 §6).
pub const PORT_BLOCKS: std::ops::Range<u16> = 1024 / PORT_BLOCK..1024;
/// Most blocks of one address that a host has.
pub const MOST_BLOCKS: usize = 64;

/// What a host leases of an address for protocols whose packets have no ports that could be exchanged: a number that protocol and remote end
/// make. They begin behind the blocks of ports.
pub const SLOTS: std::ops::RangeInclusive<u16> = 1024..=u16::MAX;
/// Most slots of one address that a host has.
pub const MOST_SLOTS: usize = 256;

/// The hosts that stand for a router on an external network: the first that is there answers for its address, and brings packets to the
/// others and, of those that have no way there, out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatewayHosts {
    /// The router's port on the external network.
    pub port_id: PortId,
    /// The hosts in the order in which they do so.
    pub hosts: Vec<HostNumber>,
    /// Rises with each other order.
    pub epoch: u64,
}

/// The ports of a router's address that a host may give to its instances' connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortLease {
    /// The router's port on the external network.
    pub port_id: PortId,
    /// The host.
    pub host: HostNumber,
    /// The blocks, each of [`PORT_BLOCK`] ports, that it has: at most [`MOST_BLOCKS`] of [`PORT_BLOCKS`], in the order in which they came.
    pub blocks: Vec<u16>,
    /// Its slots, of [`SLOTS`], in the order in which they came: at most [`MOST_SLOTS`] beside those that end.
    pub slots: Vec<u16>,
    /// Blocks and slots of these that end: no row gives them to the host any more, and no other host has them before this one has
    /// acknowledged that.
    pub ending: Vec<u16>,
}

impl PortLease {
    /// The blocks that the host may use.
    pub fn blocks_in_force(&self) -> Vec<u16> {
        self.in_force(&self.blocks)
    }

    /// The slots that it may use.
    pub fn slots_in_force(&self) -> Vec<u16> {
        self.in_force(&self.slots)
    }

    fn in_force(&self, numbers: &[u16]) -> Vec<u16> {
        numbers.iter().copied().filter(|number| !self.ending.contains(number)).collect()
    }
}
