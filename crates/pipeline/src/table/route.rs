//! The tables of routers.

use super::family;
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
    RouterInterface: 56 {
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
        /// Bits of [`router_interface_flag`].
        40 => flags: u32,
        /// The host that brings to the external network what leaves by the interface, where this host has no way there; else 0.
        44 => relay: u32,
        /// The MAC of the router's own port, by which hosts bring each other packets of an external network.
        48 => own_mac: Mac,
        /// Zero.
        54 => reserved: [u8; 2],
    }
}

/// Bits of [`RouterInterface::flags`].
pub mod router_interface_flag {
    /// The interface leads to an external network: sources become their floating IPs.
    pub const EXTERNAL: u32 = 1;
    /// No IPv4 packet leaves by it with a source that has no address outside: sources without a floating IP share the router's address.
    pub const TRANSLATED_ONLY: u32 = 1 << 1;
    /// This host stands for the router on the external network: what comes there for its own MAC goes through it here.
    pub const STANDS: u32 = 1 << 2;
    /// The network is in an address scope, of one family or of both: `SCOPES` says in which.
    pub const SCOPED: u32 = 1 << 3;
    /// The router has other interfaces on external networks too: who has an address or a session by one of them leaves by that.
    pub const ONE_OF_SEVERAL: u32 = 1 << 4;
}

layout! {
    /// Key of `SCOPES`.
    ScopeKey: 8 {
        /// An interface of a router.
        0 => interface: u32,
        /// A constant of [`super::family`].
        4 => family: u32,
    }
}

layout! {
    /// Value of `SCOPES`: the address scope of the interface's network, which is in none without a row.
    Scope: 16 {
        /// UUID.
        0 => scope: [u8; 16],
    }
}

/// In place of an interface's id: that of the router whose floating IP is the packet's destination.
pub const OUTSIDE: u32 = 0;

layout! {
    /// Key of `ROUTES`.
    RouteKey: 28 {
        /// 64 and the prefix's own length in the 128 bits of an address.
        0 => prefix_len: u32,
        /// Router id.
        4 => router: u32,
        /// A constant of [`super::family`]: no route of IPv6 is one for mapped addresses.
        8 => family: u32,
        /// Destination, bits behind the prefix zero.
        12 => address: Address,
    }
}

impl RouteKey {
    /// Bits before the address.
    const BEFORE: u32 = 64;

    /// A row: the first `length` bits of `address`, 96 to 128 of an IPv4 one, else 0 to 128.
    #[inline(always)]
    pub const fn new(router: u32, address: Address, length: u8) -> Self {
        let family = if address.is_v4() { family::IPV4 } else { family::IPV6 };
        RouteKey { prefix_len: Self::BEFORE + length as u32, router, family: family as u32, address }
    }

    /// The row of a router's default route, and no longer prefix.
    #[inline(always)]
    pub const fn everywhere(router: u32, is_v4: bool) -> Self {
        if is_v4 {
            RouteKey::new(router, Address::UNSPECIFIED_V4, 96)
        } else {
            RouteKey::new(router, Address::UNSPECIFIED, 0)
        }
    }
}

layout! {
    /// One way on from a router.
    Path: 20 {
        /// The router's interface by which the packet leaves.
        0 => interface: u32,
        /// The next hop; [`Address::UNSPECIFIED`] when the destination itself is in the interface's network.
        4 => gateway: Address,
    }
}

/// Most paths of a route; a power of two.
pub const MAX_PATHS: usize = 8;

layout! {
    /// Value of `ROUTES`. Of several paths, which have equal cost (RFC 2991), a flow keeps to one.
    Route: 168 {
        /// A constant of [`route_kind`].
        0 => kind: u32,
        /// How many paths there are, up to [`MAX_PATHS`].
        4 => count: u32,
        /// The paths; of a default route then those by which only what is known there leaves, up to one without an interface.
        8 => paths: [Path; MAX_PATHS],
    }
}

impl Route {
    /// A route of these paths; none beyond the first [`MAX_PATHS`].
    pub fn forward(paths: &[Path]) -> Self {
        let mut route = Route { kind: route_kind::FORWARD, ..Route::default() };
        for (place, path) in route.paths.iter_mut().zip(paths) {
            *place = *path;
            route.count += 1;
        }
        route
    }

    /// With further paths, for what is known by their interfaces alone.
    pub fn or_by(mut self, others: &[Path]) -> Self {
        let free = self.paths.iter_mut().skip(self.count as usize);
        free.zip(others).for_each(|(place, path)| *place = *path);
        self
    }

    /// The route to an address of the router's own.
    pub fn local() -> Self {
        Route { kind: route_kind::LOCAL, ..Route::default() }
    }
}

/// Values of [`Route::kind`].
pub mod route_kind {
    /// By an interface, directly or over a gateway.
    pub const FORWARD: u32 = 1;
    /// An address of the router's own.
    pub const LOCAL: u32 = 2;
}
