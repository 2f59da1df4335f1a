//! Addresses outside that instances share (RFC 3022 §2.2): a router's own, for those without a floating IP, and floating IPs whose ports
//! are forwarded. On the way out the source's port becomes one of those that this host has of the router's address; on the way in the port
//! says which instance is meant, or which other host has it.
//!
//! ```text
//! out ── session? ──────────────► source: shared address, port
//!          ├─ none: a free port of this host's blocks
//!          └─ of a protocol without: as it is, if this host has the slot, which is looked for with every packet
//! in, router's address
//!     ── session? ──────────────► destination: instance
//!          ├─ none, block or slot of another host ──► relayed there as it is
//!          └─ none ─────────────► for the router itself
//! in, floating IP
//!     ── forwarded? ────────────► destination: instance, by a session
//!          ├─ to another host ──► relayed there as it is
//!          └─ not ──────────────► for the router itself
//! ```
//! Mappings depend on address and port of the other side, so one port serves many of them at once. Packets whose ports can't be exchanged are
//! told apart by the other side alone: what one instance sends there nobody else may, see [`crate::table::nat_slot`]. As with floating IPs only [`Packet`]
//! changes here; the header follows when the packet leaves the last router.

mod ends;
mod forward;
mod fragment;
mod session;

use crate::address::Address;
use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{LATER, Packet, Renumbered, translated};
use crate::route::answer;
use crate::table::{
    FloatingIpKey, FloatingSourceKey, NAT_BLOCK, NatOwnerKey, NatReturn, NatReturnKey, NatSession,
    NatSessionKey, direction, floating_flag, is_renumbered, nat_slot, target,
};
use ends::Ends;
pub use session::nat_try;

/// What a translation needs room for: scratch that the caller provides, since the kernel's stack is small.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Translation {
    session: NatSession,
    key: NatSessionKey,
    back_key: NatReturnKey,
    back: NatReturn,
    ends: Ends,
}

/// Gives a packet that leaves by the router's interface in [`Packet::exit`] a shared address as its source: by a session that is there, or, with
/// `may_begin`, by a new one. 0, or the number of a [`DropReason`].
#[inline(always)]
pub fn nat_leave<E: Env>(env: &mut E, packet: &mut Packet, scratch: &mut Translation, may_begin: u32) -> u32 {
    let Some(exit) = env.router_interface(packet.exit) else { return DropReason::RouterGone as u32 };
    let network = exit.network;
    if packet.fragment == LATER {
        return if fragment::leave(env, packet) { 0 } else { DropReason::NoSession as u32 };
    }
    if !ends::fill(env, packet, &mut scratch.ends) {
        return DropReason::NotTranslated as u32;
    }
    scratch.leave(packet.exit, network);
    let reason = session::of_leaving(env, packet, scratch, may_begin != 0);
    if reason != 0 {
        return reason;
    }
    let Translation { session, ends, .. } = scratch;
    fragment::note(env, packet, direction::EGRESS, session.outside, session.port);
    packet.source_address = Address::v4(session.outside);
    packet.translated |= translated::SOURCE;
    let number = Renumbered { from: ends.source_port, to: session.outside_port };
    if !ends.renumber(packet, number, direction::EGRESS) {
        return DropReason::NotTranslated as u32;
    }
    if ends.kind == Ends::CONNECTION {
        packet.source_port = number.to;
    }
    0
}

/// Whether who sends the packet has an address by the router's interface in [`Packet::exit`]: one of its own, or that of a session. 1 or 0.
#[inline(always)]
pub fn nat_knows<E: Env>(env: &mut E, packet: &mut Packet, scratch: &mut Translation) -> u32 {
    let key = FloatingSourceKey { interface: packet.exit, inside: packet.source_address };
    if env.floating_source(&key).is_some_and(|source| source.address != Address::UNSPECIFIED) {
        return 1;
    }
    if packet.fragment == LATER {
        return fragment::is_known(env, packet).into();
    }
    if !ends::fill(env, packet, &mut scratch.ends) {
        return 0;
    }
    scratch.leave(packet.exit, 0);
    session::find(env, packet, scratch).into()
}

/// Leads a packet for a shared address on: to the instance, whose router's interface is then in [`Packet::target_id`]; to the host that has
/// the port; or to the router itself. 0 when it has entered, else what [`answer`] says.
#[inline(always)]
pub fn nat_enter<E: Env>(env: &mut E, packet: &mut Packet, scratch: &mut Translation) -> u32 {
    let key = FloatingIpKey { network: packet.network, address: packet.destination_address };
    let Some(row) = env.floating_ip(&key) else { return DropReason::RouterGone as u32 };
    packet.target_id = row.interface;
    let is_forwarding = row.flags & floating_flag::FORWARDS != 0;
    if packet.fragment == LATER {
        return fragment::enter(env, packet);
    }
    if !ends::fill(env, packet, &mut scratch.ends) {
        return answer::LOCAL;
    }
    scratch.enter(packet.network);
    let found = if is_forwarding {
        forward::enter(env, packet, scratch)
    } else if session::of_entering(env, packet, scratch) {
        0
    } else {
        relay(env, packet, scratch)
    };
    if found != 0 {
        return found;
    }
    let Translation { session, key, ends, .. } = scratch;
    fragment::note(env, packet, direction::INGRESS, key.inside, session.port);
    packet.port = session.port;
    packet.target_id = key.interface;
    packet.destination_address = Address::v4(key.inside);
    packet.translated |= translated::DESTINATION;
    let number = Renumbered { from: ends.destination_port, to: key.inside_port };
    if !ends.renumber(packet, number, direction::INGRESS) {
        return DropReason::NotTranslated as u32;
    }
    if ends.kind == Ends::CONNECTION {
        packet.destination_port = number.to;
    }
    0
}

/// To the other host that has the port, if one has.
#[inline(always)]
fn relay<E: Env>(env: &mut E, packet: &mut Packet, scratch: &Translation) -> u32 {
    let Some(owner) = env.nat_owner(&scratch.owner(scratch.back_key.outside)) else { return answer::LOCAL };
    let host = owner.host;
    if host == 0 {
        return answer::LOCAL;
    }
    fragment::note_relayed(env, packet, host);
    to_host(env, packet, host)
}

/// The largest IP packet that hosts bring each other.
#[inline(never)]
pub(crate) fn overlay_mtu<E: Env>(env: &E) -> u32 {
    env.config().map_or(0, |config| config.overlay_mtu)
}

/// Aims the packet at a host, in the external network, at the router's MAC there, if the overlay carries it.
#[inline(always)]
pub(crate) fn to_host<E: Env>(env: &E, packet: &mut Packet, host: u32) -> u32 {
    let mtu = overlay_mtu(env);
    if packet.ip_length(env.gso_size()) > mtu {
        packet.error_mtu = mtu;
        return DropReason::RouteTooBig as u32;
    }
    let Some(interface) = env.router_interface(packet.target_id) else {
        return DropReason::RouterGone as u32;
    };
    (packet.source, packet.destination) = (interface.own_mac, interface.own_mac);
    (packet.target_kind, packet.target_id) = (target::HOST, host);
    answer::ARRIVED
}

impl Translation {
    /// The keys of a packet's session on the way out.
    #[inline(always)]
    fn leave(&mut self, interface: u32, network: u32) {
        let Translation { key, back_key, back, ends, .. } = self;
        *key = NatSessionKey {
            interface,
            inside: ends.source,
            remote: ends.destination,
            inside_port: ends.source_port,
            remote_port: ends.destination_port,
            protocol: ends.protocol,
            pad: [0; 3],
        };
        *back_key = NatReturnKey {
            network,
            outside: [0; 4],
            remote: ends.destination,
            outside_port: 0,
            remote_port: ends.destination_port,
            protocol: ends.protocol,
            pad: [0; 3],
        };
        *back = NatReturn { interface, inside: ends.source, inside_port: ends.source_port, pad: [0; 2] };
    }

    /// The key of who has what the session has of an address outside: a block of ports, or a slot.
    #[inline(always)]
    fn owner(&self, address: [u8; 4]) -> NatOwnerKey {
        let NatReturnKey { network, remote, outside_port, protocol, .. } = self.back_key;
        let block =
            if is_renumbered(protocol) { outside_port / NAT_BLOCK } else { nat_slot(protocol, remote) };
        NatOwnerKey { network, address, block, pad: [0; 2] }
    }

    /// The key of a packet's session on the way in.
    #[inline(always)]
    fn enter(&mut self, network: u32) {
        let Translation { back_key, ends, .. } = self;
        *back_key = NatReturnKey {
            network,
            outside: ends.destination,
            remote: ends.source,
            outside_port: ends.destination_port,
            remote_port: ends.source_port,
            protocol: ends.protocol,
            pad: [0; 3],
        };
    }
}
