//! The table of whom the node watches: other hosts that stand for routers, and the next hops outside of its own routers.

use crate::address::Address;

layout! {
    /// Key of `HEARD`.
    HeardKey: 20 {
        /// External network's id.
        0 => network: u32,
        /// VTEP address of a host that is probed about the network, or the address of a next hop there.
        4 => address: Address,
    }
}

layout! {
    /// Value of `HEARD`. Made by the node with 0, written by the programs.
    Heard: 8 {
        /// Nanoseconds of the monotonic clock at which something was last heard; 0 for never.
        0 => at: u64,
    }
}

/// The first octet behind the Ethernet header of a frame of type 0x88b5 between two hosts.
pub mod probe {
    /// Whether the other host is a way to the external network.
    pub const REQUEST: u8 = 1;
    /// It is.
    pub const REPLY: u8 = 2;
}
