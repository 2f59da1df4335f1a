//! The tables of floating IPs, of which a host has those of its own instances.

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
    /// Value of `FLOATING_IPS`: where a floating IP leads.
    FloatingIp: 24 {
        /// The router's interface to the external network, an id of `ROUTER_INTERFACES`.
        0 => interface: u32,
        /// The instance's port.
        4 => port: u32,
        /// The instance's address.
        8 => inside: Address,
    }
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
        /// The floating IP.
        0 => address: Address,
    }
}
