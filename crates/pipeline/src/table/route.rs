//! The tables of routers.

use crate::address::{Address, Mac};

layout! {
    /// Key of `ROUTER_INTERFACES`.
    RouterInterfaceKey: 4 {
        /// Interface id: the number of the router's port.
        0 => interface: u32,
    }
}

layout! {
    /// Value of `ROUTER_INTERFACES`: a router's port in a network.
    RouterInterface: 40 {
        /// Router id.
        0 => router: u32,
        /// Network id.
        4 => network: u32,
        /// The MAC by which the router is known in the network.
        8 => mac: Mac,
        /// Zero.
        14 => pad: [u8; 2],
        /// Largest IP packet that the network carries, in bytes.
        16 => mtu: u32,
        /// The IPv4 address from which it speaks; zero for none.
        20 => address_v4: [u8; 4],
        /// The IPv6 address from which it speaks; its link-local address when it has no other.
        24 => address_v6: Address,
    }
}

layout! {
    /// Key of `ROUTES`.
    RouteKey: 24 {
        /// 32 and the prefix's own length, 0 to 128; an IPv4 prefix counts from bit 96 of the mapped address.
        0 => prefix_len: u32,
        /// Router id.
        4 => router: u32,
        /// Destination, bits behind the prefix zero.
        8 => address: Address,
    }
}

impl RouteKey {
    /// Bits before the address.
    const BEFORE: u32 = 32;

    /// A row: the first `length` bits (0 to 128) of `address`.
    #[inline(always)]
    pub const fn new(router: u32, address: Address, length: u8) -> Self {
        RouteKey { prefix_len: Self::BEFORE + length as u32, router, address }
    }
}

layout! {
    /// Value of `ROUTES`. One with several paths is followed by the packet's flow: `PATHS[(group, 0..paths)]`.
    Route: 32 {
        /// A constant of [`route_kind`].
        0 => kind: u32,
        /// How many paths there are; up to 1 the path is `interface` and `gateway`.
        4 => paths: u32,
        /// Path group, when there are several.
        8 => group: u32,
        /// The router's interface by which the packet leaves.
        12 => interface: u32,
        /// The next hop; [`Address::UNSPECIFIED`] when the destination itself is in the interface's network.
        16 => gateway: Address,
    }
}

/// Values of [`Route::kind`].
pub mod route_kind {
    /// By an interface, directly or over a gateway.
    pub const FORWARD: u32 = 1;
    /// An address of the router's own.
    pub const LOCAL: u32 = 2;
}

layout! {
    /// Key of `PATHS`.
    PathKey: 8 {
        /// Path group.
        0 => group: u32,
        /// Place, from 0.
        4 => slot: u32,
    }
}

layout! {
    /// Value of `PATHS`: one of several ways of equal cost (RFC 2991).
    Path: 20 {
        /// As [`Route::interface`].
        0 => interface: u32,
        /// As [`Route::gateway`].
        4 => gateway: Address,
    }
}
