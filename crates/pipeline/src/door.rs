//! The doors by which packets enter, and the walk of stages behind each.

use crate::classify::classify;
use crate::deliver;
use crate::drop::DropReason;
use crate::env::{Env, PortCounter};
use crate::follow;
use crate::log;
use crate::origin;
use crate::packet::Packet;
use crate::policy;
use crate::port_security::port_security;
use crate::probe;
use crate::route::route;
use crate::services::{self, services};
use crate::switch::{self, switch};
use crate::verdict::{Verdict, VerdictKind};

/// Why a walk ends before its last stage. One byte, as the kernel's verifier wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The packet has left; [`Packet::verdict`] says how.
    Done,
    /// The packet is dropped.
    Drop(DropReason),
}

impl From<DropReason> for Exit {
    #[inline(always)]
    fn from(reason: DropReason) -> Self {
        Exit::Drop(reason)
    }
}

/// A packet from an instance: classify, origin, port security, services, egress policy, switch, route, and deliver with the ingress
/// policy of each port that it is delivered to.
#[inline(always)]
pub fn from_port<E: Env>(env: &mut E, packet: &mut Packet) -> Verdict {
    *packet = Packet::EMPTY;
    let walk = walk_from_port(env, packet);
    finish(env, packet, walk)
}

/// A packet from the tunnel device: classify, origin, deliver.
#[inline(always)]
pub fn from_overlay<E: Env>(env: &mut E, packet: &mut Packet) -> Verdict {
    *packet = Packet::EMPTY;
    packet.from_overlay = 1;
    let walk = walk_from_overlay(env, packet);
    finish(env, packet, walk)
}

/// A packet from a physical network: origin, classify, route what is for a floating IP of an instance here, deliver to ports here. What
/// is not for them is the host's own.
#[inline(always)]
pub fn from_provider<E: Env>(env: &mut E, packet: &mut Packet) -> Verdict {
    *packet = Packet::EMPTY;
    packet.from_provider = 1;
    let walk = walk_from_provider(env, packet);
    finish(env, packet, walk)
}

/// An answer of the sockets of services: classify, and back to the port that asked.
#[inline(always)]
pub fn from_services<E: Env>(env: &mut E, packet: &mut Packet) -> Verdict {
    *packet = Packet::EMPTY;
    if let Err(Exit::Drop(reason)) = walk_from_services(env, packet) {
        env.count_drop(reason);
        packet.verdict = Verdict::new(VerdictKind::Drop, reason as u32, packet.network);
    }
    packet.verdict
}

#[inline(always)]
fn walk_from_port<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    classify(env, packet)?;
    let origin = origin::from_port(env, packet);
    follow::begin(env, packet);
    origin?;
    port_security(env, packet)?;
    services(env, packet)?;
    policy::egress(env, packet)?;
    switch(env, packet)?;
    route(env, packet)?;
    deliver::deliver(env, packet)
}

#[inline(always)]
fn walk_from_overlay<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    classify(env, packet)?;
    let origin = origin::from_overlay(env, packet);
    follow::begin(env, packet);
    origin?;
    probe::between_hosts(env, packet)?;
    deliver::from_overlay(env, packet)
}

#[inline(always)]
fn walk_from_provider<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    origin::from_provider(env, packet)?;
    let classified = classify(env, packet);
    follow::begin(env, packet);
    classified?;
    if origin::is_own(env, packet) {
        return Err(DropReason::OwnReturned.into());
    }
    switch::from_provider(env, packet)?;
    route(env, packet)?;
    deliver::from_provider(env, packet)
}

#[inline(always)]
fn walk_from_services<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    classify(env, packet)?;
    origin::layout(env, packet)?;
    services::answered(env, packet)
}

#[inline(always)]
fn finish<E: Env>(env: &mut E, packet: &mut Packet, walk: Result<(), Exit>) -> Verdict {
    if let Err(Exit::Drop(reason)) = walk {
        env.count_drop(reason);
        if is_of_port_security(reason) {
            log::tell_of_spoof(env, packet, reason as u32);
        }
        if packet.from_overlay == 0 && packet.from_provider == 0 {
            count_sender_drop(env, packet);
        }
        packet.verdict = Verdict::new(VerdictKind::Drop, reason as u32, packet.network);
    }
    follow::end(env, packet);
    packet.verdict
}

/// Its reasons stand in a row.
#[inline(always)]
fn is_of_port_security(reason: DropReason) -> bool {
    matches!(reason as u8, FIRST_OF_PORT_SECURITY..=LAST_OF_PORT_SECURITY)
}

const FIRST_OF_PORT_SECURITY: u8 = DropReason::SourceMac as u8;
const LAST_OF_PORT_SECURITY: u8 = DropReason::EtherType as u8;

/// Counts a drop at the sending port. A packet that `classify` refuses has not met `origin` yet, but has a sender too.
#[inline(never)]
fn count_sender_drop<E: Env>(env: &mut E, packet: &mut Packet) {
    if packet.port == 0 {
        let Some(interface) = env.interface(env.ifindex()) else { return };
        packet.port = interface.port;
        env.count_port(packet.port, PortCounter::Sent, packet.length);
    }
    env.count_port(packet.port, PortCounter::SentDropped, packet.length);
}
