//! Address scopes: a router passes packets on as they are between networks of one scope. Between two it translates, or refuses.

use crate::env::Env;
use crate::packet::{Packet, ether};
use crate::table::{ScopeKey, family};

/// How the networks on the two sides of a router stand to each other.
pub(super) mod crossing {
    /// Neither is in a scope.
    pub(in crate::route) const UNSCOPED: u32 = 0;
    /// Both are in the same one.
    pub(in crate::route) const WITHIN: u32 = 1;
    /// They are in different ones, or one of them is in none.
    pub(in crate::route) const BETWEEN: u32 = 2;
}

/// A constant of [`crossing`], for a packet's way from a router's interface to the one in [`Packet::exit`].
#[inline(never)]
pub(super) fn crossing_from<E: Env>(env: &E, packet: &Packet, entry: u32) -> u32 {
    let family = if packet.ether_type == ether::IPV4 { family::IPV4 } else { family::IPV6 };
    let family = u32::from(family);
    let before = env.scope(&ScopeKey { interface: entry, family });
    let after = env.scope(&ScopeKey { interface: packet.exit, family });
    match (before, after) {
        (None, None) => crossing::UNSCOPED,
        (Some(before), Some(after)) if before == after => crossing::WITHIN,
        _ => crossing::BETWEEN,
    }
}
