//! The tables of addresses outside: floating IPs, of which a host has those of its own instances, and the addresses of routers.

use crate::address::Address;

layout! {
    /// Key of `FLOATING_IPS`.
    FloatingIpKey: 20 {
        /// The external network's id.
        0 => network: u32,
        /// The floating IP.
        4 => address: Address,
    }
}

layout! {
    /// Value of `FLOATING_IPS`: where an address outside leads.
    FloatingIp: 28 {
        /// The router's interface to the external network, an id of `ROUTER_INTERFACES`.
        0 => interface: u32,
        /// The instance's port; 0 for a shared address.
        4 => port: u32,
        /// The instance's address; `::` for a shared address.
        8 => inside: Address,
        /// Bits of [`floating_flag`].
        24 => flags: u32,
    }
}

/// Bits of [`FloatingIp::flags`].
pub mod floating_flag {
    /// The host answers the physical network's questions for the address.
    pub const ANSWERED: u32 = 1;
    /// Instances share the address: sessions say where its ports lead.
    pub const SHARED: u32 = 1 << 1;
    /// The instance is on the host whose id stands in place of the port's.
    pub const RELAYED: u32 = 1 << 2;
    /// The router's own address, and no instance's: what is for it goes through the router.
    pub const OWN: u32 = 1 << 3;
    /// Some of the shared address's ports are forwarded: `FORWARDINGS` says where they lead.
    pub const FORWARDS: u32 = 1 << 4;
    /// The address is at the router's own MAC, not at that of the host's interface.
    pub const AT_OWN_MAC: u32 = SHARED | OWN;
}

layout! {
    /// Key of `FLOATING_SOURCES`.
    FloatingSourceKey: 20 {
        /// The router's interface to the external network.
        0 => interface: u32,
        /// The instance's address.
        4 => inside: Address,
    }
}

layout! {
    /// Value of `FLOATING_SOURCES`.
    FloatingSource: 16 {
        /// The floating IP; `::` for one whose ports are forwarded, of which sessions know.
        0 => address: Address,
    }
}
