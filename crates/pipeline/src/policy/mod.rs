//! Stages 4 and 7: what a port's security groups allow, first out of the sender's port, then into the receiver's.
//!
//! ```text
//! later fragment ──► as its first one
//! ICMP error ──────► the connection that it quotes ──┐ none
//! anything else ───► its connection ─────────────────┤ none
//!                                                    ▼
//!                                   the policy's rules ──► a connection is kept
//! ```
//! Rules only allow. What they allowed is kept in `CONNECTIONS`, and goes on both ways without asking them again, until the
//! policy's generation says that something may be allowed no more: then the rules are asked once, in the connection's original
//! direction.

mod connection;
mod fragment;
mod key;
mod quoted;
mod rules;
mod tcp;

use crate::drop::DropReason;
use crate::env::Env;
use crate::log;
use crate::packet::{LATER, Packet, ether, icmpv6, proto};
use crate::stage::Stage;
use crate::table::{Connection, direction, port_flag};
pub(crate) use connection::lifetime;
pub(crate) use fragment::LIFETIME as FRAGMENT_LIFETIME;
use key::{Kind, Subject};
pub(crate) use key::{NO_QUERY, is_error, query_of};
pub use rules::{Query, find_rule};
pub(crate) use tcp::{Progress, advance, is_opening, may_begin};

/// Why a packet doesn't pass; each has a [`DropReason`] for either direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Denial {
    Rules,
    Fragment,
    Connections,
}

impl Denial {
    #[inline(always)]
    fn reason(self, way: u32) -> DropReason {
        match (self, way) {
            (Denial::Rules, direction::EGRESS) => DropReason::EgressDenied,
            (Denial::Fragment, direction::EGRESS) => DropReason::EgressFragment,
            (Denial::Connections, direction::EGRESS) => DropReason::EgressConnections,
            (Denial::Rules, _) => DropReason::IngressDenied,
            (Denial::Fragment, _) => DropReason::IngressFragment,
            (Denial::Connections, _) => DropReason::IngressConnections,
        }
    }
}

/// The sender's port, whose policy is in [`Packet::policy`].
#[inline(always)]
pub(crate) fn egress<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    env.enter(Stage::EgressPolicy);
    packet.judged_flags = packet.port_flags;
    if packet.port_flags & port_flag::PORT_SECURITY == 0 || packet.ether_type == ether::ARP {
        return Ok(());
    }
    let port = packet.port;
    ask(env, packet, port, direction::EGRESS)
}

/// A receiver's port, whose policy is in [`Packet::policy`].
#[inline(always)]
pub(crate) fn ingress<E: Env>(
    env: &mut E,
    packet: &mut Packet,
    port: u32,
    flags: u16,
) -> Result<(), DropReason> {
    env.enter(Stage::IngressPolicy);
    packet.judged_flags = flags;
    if flags & port_flag::PORT_SECURITY == 0 || packet.ether_type == ether::ARP {
        return Ok(());
    }
    ask(env, packet, port, direction::INGRESS)
}

#[inline(always)]
fn ask<E: Env>(env: &mut E, packet: &mut Packet, port: u32, way: u32) -> Result<(), DropReason> {
    match env.policy_verdict(packet, port, way) {
        0 => Ok(()),
        number => Err(DropReason::from_number(number).unwrap_or(DropReason::EgressDenied)),
    }
}

/// What a judgement needs room for: scratch that the caller provides, since the kernel's stack is small.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Judgement {
    connection: Connection,
    subject: Subject,
    quoted: Subject,
    query: Query,
}

/// 0 if the packet passes at the port, else the number of a [`DropReason`].
#[inline(always)]
pub fn policy_verdict<E: Env>(
    env: &mut E,
    packet: &mut Packet,
    scratch: &mut Judgement,
    port: u32,
    way: u32,
) -> u32 {
    packet.rule = 0;
    let reason = match judge(env, packet, scratch, port, way) {
        Ok(()) => 0,
        Err(denial) => denial.reason(way) as u32,
    };
    log::tell(env, packet, port, way, reason);
    reason
}

#[inline(always)]
fn judge<E: Env>(
    env: &mut E,
    packet: &mut Packet,
    scratch: &mut Judgement,
    port: u32,
    way: u32,
) -> Result<(), Denial> {
    if is_exempt(packet, way) {
        fragment::note(env, packet, port, way);
        return Ok(());
    }
    if !matches!(packet.ether_type, ether::IPV4 | ether::IPV6) {
        return Err(Denial::Rules);
    }
    if packet.fragment == LATER {
        return fragment::follows(env, packet, port, way);
    }
    scratch.subject = Subject::default();
    scratch.subject.fill(packet, port, way);
    let follows = match scratch.subject.kind {
        Kind::CONNECTION => connection::follow(env, packet, scratch),
        Kind::ERROR => quoted::follow(env, packet, scratch),
        _ => connection::UNKNOWN,
    };
    match follows {
        connection::PASSES => {}
        connection::DENIED => return Err(Denial::Rules),
        _ => begin(env, packet, scratch)?,
    }
    fragment::note(env, packet, port, way);
    Ok(())
}

/// Asks the rules, and keeps a connection that they allow.
#[inline(always)]
fn begin<E: Env>(env: &mut E, packet: &mut Packet, scratch: &mut Judgement) -> Result<(), Denial> {
    scratch.subject.query(packet, &mut scratch.query);
    let found = rules::find(env, &mut scratch.query, &mut scratch.connection.generation);
    if found.rule == 0 {
        return Err(Denial::Rules);
    }
    env.count_rule(found.rule);
    packet.rule = found.rule;
    let begins = scratch.subject.kind == Kind::CONNECTION && !scratch.subject.is_answer();
    if begins && !found.is_stateless() && tcp::may_begin(packet) {
        return connection::keep(env, packet, scratch, found.rule);
    }
    Ok(())
}

/// What instances need before they have an address and neighbours, whatever their rules: DHCP, neighbour and router discovery,
/// and multicast listener discovery. Port security has seen to it that they say nothing wrong with these.
#[inline(always)]
fn is_exempt(packet: &Packet, way: u32) -> bool {
    match packet.ether_type {
        ether::IPV4 => is_dhcp(packet, way, 67, 68),
        ether::IPV6 if packet.is_icmpv6() => is_discovery(packet, way),
        ether::IPV6 => is_dhcp(packet, way, 547, 546),
        _ => false,
    }
}

#[inline(always)]
fn is_dhcp(packet: &Packet, way: u32, server: u16, client: u16) -> bool {
    let ports = if way == direction::EGRESS { (client, server) } else { (server, client) };
    packet.protocol == proto::UDP
        && packet.fragment != LATER
        && (packet.source_port, packet.destination_port) == ports
}

#[inline(always)]
fn is_discovery(packet: &Packet, way: u32) -> bool {
    match packet.icmp_type {
        icmpv6::MLD_REPORT | icmpv6::MLD_DONE | icmpv6::MLDV2_REPORT => true,
        icmpv6::MLD_QUERY => way == direction::INGRESS,
        icmpv6::ROUTER_SOLICITATION => packet.hop_limit == 255 && way == direction::EGRESS,
        icmpv6::ROUTER_ADVERTISEMENT => packet.hop_limit == 255 && way == direction::INGRESS,
        icmpv6::NEIGHBOUR_SOLICITATION | icmpv6::NEIGHBOUR_ADVERTISEMENT => packet.hop_limit == 255,
        _ => false,
    }
}
