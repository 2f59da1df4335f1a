//! Questions that end in a socket of the node: metadata, and DNS at the addresses of services.
//!
//! The sockets live in a namespace of their own, behind a pair of interfaces. On the way there the source becomes an address that
//! stands for the interface of the asking port, so that nothing in a packet can say another one; on the way back the session that the
//! question left says what the instance is to see. No rule of a port is asked: a host answers its own ports.

use super::{Meter, meter};
use crate::address::{Address, Mac};
use crate::door::Exit;
use crate::drop::DropReason;
use crate::env::{Changed, Env, PortCounter};
use crate::packet::{Packet, WHOLE, ether, proto, tcp_flag};
use crate::route::corrected;
use crate::stage::Stage;
use crate::table::{
    METADATA_V4, METADATA_V6, NeighbourKey, SESSION_HOLD, SESSION_REFRESH, SOCKET_V4, SOCKET_V6,
    ServiceSession, ServiceSessionKey, neighbour_kind, port_flag, service_flag, stand_in_v4, stand_in_v6,
    stands_for,
};
use crate::verdict::{Verdict, VerdictKind};

const HTTP: u16 = 80;
const DNS: u16 = 53;

/// What both metadata addresses end with.
const METADATA_TAIL: [u8; 4] = METADATA_V4.tail();

/// Where the transport header is without IP options and extension headers.
const PLAIN_V4: u32 = ether::HEADER + 20;
const PLAIN_V6: u32 = ether::HEADER + 40;
/// Where IPv4 has the header's checksum, with the addresses behind it, and IPv6 its addresses.
const CHECKSUM_V4: u32 = ether::HEADER + 10;
const ADDRESSES_V6: u32 = ether::HEADER + 8;

/// Whether [`asked`] has to look at the packet.
#[inline(always)]
pub(super) fn may_be_asked(packet: &Packet) -> bool {
    packet.destination_address.tail() == METADATA_TAIL || is_dns(packet)
}

#[inline(always)]
fn is_dns(packet: &Packet) -> bool {
    packet.destination_port == DNS && matches!(packet.protocol, proto::TCP | proto::UDP)
}

/// Hands a question to the sockets. What is sent to a metadata address and asks nothing goes nowhere.
#[inline(never)]
pub(super) fn asked<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    let is_metadata = is_metadata(packet);
    if !is_metadata && !is_at_service(env, packet) {
        return Ok(());
    }
    let (out, flags, mac) = match env.service_link() {
        Some(link) => (link.ifindex, link.flags, link.mac),
        None => (0, 0, Mac([0; 6])),
    };
    let is_http = is_metadata && packet.protocol == proto::TCP && packet.destination_port == HTTP;
    let wanted = if is_http { service_flag::METADATA } else { service_flag::DNS };
    if !is_http && !is_dns(packet) || !is_plain(packet) {
        return Err(DropReason::ServiceQuestion.into());
    }
    if out == 0 || flags & wanted == 0 {
        return Err(DropReason::ServiceAbsent.into());
    }
    let ifindex = env.ifindex();
    packet.header_source = packet.source_address;
    packet.header_destination = packet.destination_address;
    if packet.ether_type == ether::IPV4 {
        packet.source_address = Address::v4(stand_in_v4(ifindex));
        packet.destination_address = SOCKET_V4;
    } else {
        packet.source_address = stand_in_v6(ifindex);
        packet.destination_address = SOCKET_V6;
    }
    remember(env, packet)?;
    if !rewrite(env, packet, mac, packet.source) {
        return Err(DropReason::OutputFailed.into());
    }
    env.count_port(packet.port, PortCounter::Punted, packet.length);
    env.redirect(out);
    packet.verdict = Verdict::new(VerdictKind::Serve, packet.port, out);
    Err(Exit::Done)
}

#[inline(always)]
fn is_metadata(packet: &Packet) -> bool {
    match packet.ether_type {
        ether::IPV4 => packet.destination_address == METADATA_V4,
        _ => packet.destination_address == METADATA_V6,
    }
}

#[inline(never)]
fn is_at_service<E: Env>(env: &E, packet: &Packet) -> bool {
    let key = NeighbourKey { network: packet.network, address: packet.destination_address };
    is_dns(packet) && env.neighbour(&key).is_some_and(|row| row.kind == neighbour_kind::SERVICE)
}

/// True without fragments, IP options, extension headers and a group for a neighbour.
#[inline(always)]
fn is_plain(packet: &Packet) -> bool {
    let start = if packet.ether_type == ether::IPV4 { PLAIN_V4 } else { PLAIN_V6 };
    packet.fragment == WHOLE && packet.l4_offset == start && !packet.destination.is_multicast()
}

/// Sees to it that the session has a row. Each connection and each datagram is charged to the port.
#[inline(never)]
fn remember<E: Env>(env: &mut E, packet: &Packet) -> Result<(), DropReason> {
    let key = ServiceSessionKey::new(packet.source_address, packet.source_port, packet.protocol);
    let now = env.now();
    let (is_same, age) = match env.service_session(&key) {
        Some(row) => (is_same(row, packet), now.saturating_sub(row.seen)),
        None => (false, u64::MAX),
    };
    if !is_same && age < SESSION_HOLD {
        return Err(DropReason::SessionTaken);
    }
    let is_first = packet.tcp_flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN;
    let is_charged = !is_same || is_first || packet.protocol == proto::UDP;
    if is_charged && !meter::admits(env, packet.port, Meter::Service) {
        return Err(DropReason::ServiceRate);
    }
    if is_same && age < SESSION_REFRESH {
        return Ok(());
    }
    let row = ServiceSession {
        seen: now,
        guest: packet.header_source,
        server: packet.header_destination,
        port: packet.port,
        guest_mac: packet.source,
        server_mac: packet.destination,
    };
    if env.insert_service_session(&key, &row) { Ok(()) } else { Err(DropReason::OutputFailed) }
}

#[inline(always)]
fn is_same(row: &ServiceSession, packet: &Packet) -> bool {
    row.port == packet.port
        && row.guest == packet.header_source
        && row.server == packet.header_destination
        && row.guest_mac == packet.source
        && row.server_mac == packet.destination
}

/// Leads an answer of the sockets back to the port that asked, from where it asked.
#[inline(never)]
pub(crate) fn answered<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    env.enter(Stage::Services);
    let key = ServiceSessionKey::new(packet.destination_address, packet.destination_port, packet.protocol);
    let Some(row) = env.service_session(&key) else { return Err(DropReason::SessionUnknown.into()) };
    packet.header_source = packet.source_address;
    packet.header_destination = packet.destination_address;
    packet.source_address = row.server;
    packet.destination_address = row.guest;
    (packet.port, packet.destination, packet.source) = (row.port, row.guest_mac, row.server_mac);
    let out = stands_for(packet.header_destination.tail());
    if packet.source_address.is_v4() != packet.header_source.is_v4()
        || packet.destination_address.is_v4() != packet.header_source.is_v4()
        || !is_plain(packet)
    {
        return Err(DropReason::SessionUnknown.into());
    }
    aim(env, packet, out)?;
    if !rewrite(env, packet, packet.destination, packet.source) {
        return Err(DropReason::OutputFailed.into());
    }
    env.count_port(packet.port, PortCounter::Received, packet.length);
    env.redirect(out);
    packet.verdict = Verdict::new(VerdictKind::Answer, packet.port, out);
    Err(Exit::Done)
}

/// The port must still be at the interface.
#[inline(always)]
fn aim<E: Env>(env: &mut E, packet: &mut Packet, out: u32) -> Result<(), DropReason> {
    let Some(port) = env.port(packet.port) else { return Err(DropReason::SessionUnknown) };
    let (ifindex, network, flags) = (port.ifindex, port.network, port.flags);
    packet.network = network;
    if ifindex != out || flags & port_flag::DISABLED != 0 {
        return Err(DropReason::SessionUnknown);
    }
    Ok(())
}

/// Writes MACs, and the packet's addresses in place of those of the header, and corrects the checksums.
#[inline(never)]
fn rewrite<E: Env>(env: &mut E, packet: &Packet, destination: Mac, source: Mac) -> bool {
    let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (destination.0, source.0);
    env.store(0, &[a, b, c, d, e, f, g, h, i, j, k, l])
        && if packet.ether_type == ether::IPV4 { rewrite_v4(env, packet) } else { rewrite_v6(env, packet) }
}

#[inline(never)]
fn rewrite_v4<E: Env>(env: &mut E, packet: &Packet) -> bool {
    let old = pair(packet.header_source.tail(), packet.header_destination.tail());
    let new = pair(packet.source_address.tail(), packet.destination_address.tail());
    let Some(checksum) = env.load(CHECKSUM_V4) else { return false };
    let checksum = corrected(checksum, packet.header_source.tail(), packet.source_address.tail());
    let [high, low] =
        corrected(checksum, packet.header_destination.tail(), packet.destination_address.tail());
    let [a, b, c, d, e, f, g, h] = new;
    let (at, changed) = checksum_of(packet);
    env.store(CHECKSUM_V4, &[high, low, a, b, c, d, e, f, g, h])
        && env.replace_checksum(PLAIN_V4 + at, &old, &new, changed)
}

#[inline(never)]
fn rewrite_v6<E: Env>(env: &mut E, packet: &Packet) -> bool {
    let (at, changed) = checksum_of(packet);
    let (old, new) = (packet.header_source.0, packet.source_address.0);
    if !env.store(ADDRESSES_V6, &new) || !env.replace_checksum(PLAIN_V6 + at, &old, &new, changed) {
        return false;
    }
    let (old, new) = (packet.header_destination.0, packet.destination_address.0);
    env.store(ADDRESSES_V6 + 16, &new) && env.replace_checksum(PLAIN_V6 + at, &old, &new, changed)
}

/// Where the transport header has its checksum, of TCP and UDP.
#[inline(always)]
fn checksum_of(packet: &Packet) -> (u32, Changed) {
    if packet.protocol == proto::TCP { (16, Changed::PseudoHeader) } else { (6, Changed::PseudoHeaderOfUdp) }
}

#[inline(always)]
fn pair([a, b, c, d]: [u8; 4], [e, f, g, h]: [u8; 4]) -> [u8; 8] {
    [a, b, c, d, e, f, g, h]
}
