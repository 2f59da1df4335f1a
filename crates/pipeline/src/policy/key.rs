//! What a packet is to a port's policy: its connection's key, seen from the port, and what the rules are asked.

use super::rules::Query;
use crate::packet::{Packet, proto};
use crate::table::{Connection, ConnectionKey, direction, family};

/// How a packet is judged.
pub(super) struct Kind;

impl Kind {
    /// By itself, each time: multicast, and ICMP messages that nobody answers.
    pub(super) const SINGLE: u32 = 0;
    /// It begins or belongs to a connection.
    pub(super) const CONNECTION: u32 = 1;
    /// An ICMP error, which belongs to what it quotes.
    pub(super) const ERROR: u32 = 2;
}

/// The packet in question.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Subject {
    pub(super) key: ConnectionKey,
    /// A constant of [`direction`].
    pub(super) way: u32,
    /// A constant of [`Kind`].
    pub(super) kind: u32,
    /// 1 when `CONNECTIONS` has a row of the key, in force or not.
    pub(super) has_row: u32,
}

impl Subject {
    #[inline(always)]
    pub(super) fn fill(&mut self, packet: &Packet, port: u32, way: u32) {
        self.way = way;
        self.key.port = port;
        self.key.protocol = packet.protocol;
        if way == direction::EGRESS {
            self.key.local = packet.source_address;
            self.key.remote = packet.destination_address;
        } else {
            self.key.local = packet.destination_address;
            self.key.remote = packet.source_address;
        }
        self.kind = if packet.is_icmp() {
            self.fill_icmp(packet.icmp_type, packet.icmp_code, packet.icmp_id)
        } else {
            self.fill_ports(packet.source_port, packet.destination_port, way);
            Kind::CONNECTION
        };
        if packet.destination.is_multicast() {
            self.kind = Kind::SINGLE;
        }
    }

    #[inline(always)]
    pub(super) fn fill_ports(&mut self, source: u16, destination: u16, way: u32) {
        (self.key.local_port, self.key.remote_port) =
            if way == direction::EGRESS { (source, destination) } else { (destination, source) };
    }

    /// An echo request and its reply have one key, which says who asked; a reply to nobody's request has a key without a row.
    #[inline(always)]
    fn fill_icmp(&mut self, icmp_type: u8, code: u8, id: u16) -> u32 {
        let request = query_of(self.key.protocol, icmp_type);
        if request == NO_QUERY {
            return if is_error(self.key.protocol, icmp_type) { Kind::ERROR } else { Kind::SINGLE };
        }
        self.fill_query(request, icmp_type, code, id, self.way);
        Kind::CONNECTION
    }

    #[inline(always)]
    pub(super) fn fill_query(&mut self, request: u8, icmp_type: u8, code: u8, id: u16, way: u32) {
        let asks = icmp_type == request;
        self.key.local_port = id;
        self.key.remote_port = u16::from_be_bytes([request, code]);
        self.key.asker = if asks == (way == direction::EGRESS) { 1 } else { 2 };
    }

    /// An answer to an ICMP query. One that nobody asked for begins no connection: else it would let queries in.
    #[inline(always)]
    pub(super) fn is_answer(&self) -> bool {
        self.key.asker != 0 && (self.key.asker == 1) != (self.way == direction::EGRESS)
    }

    /// What the rules are asked about this packet.
    #[inline(always)]
    pub(super) fn query(&self, packet: &Packet, into: &mut Query) {
        into.policy = packet.policy;
        into.way = self.way;
        into.port = if packet.is_icmp() {
            [packet.icmp_type, packet.icmp_code]
        } else {
            packet.destination_port.to_be_bytes()
        };
        self.query_remote(into);
    }

    /// What they would be asked about an answer to this packet.
    #[inline(always)]
    pub(super) fn answer_query(&self, packet: &Packet, into: &mut Query) {
        into.policy = packet.policy;
        into.way = self.way ^ 1;
        into.port = if packet.is_icmp() {
            [answer_to(packet.icmp_type), packet.icmp_code]
        } else {
            packet.source_port.to_be_bytes()
        };
        self.query_remote(into);
    }

    /// What they would have been asked about the packet that began this connection.
    #[inline(always)]
    pub(super) fn original_query(&self, connection: &Connection, into: &mut Query) {
        into.policy = connection.policy;
        into.way = u32::from(connection.direction);
        let port = match self.key.asker {
            0 if into.way == direction::INGRESS => self.key.local_port,
            _ => self.key.remote_port,
        };
        into.port = port.to_be_bytes();
        self.query_remote(into);
    }

    #[inline(always)]
    fn query_remote(&self, into: &mut Query) {
        into.remote = self.key.remote;
        into.family = if self.key.remote.is_v4() { family::IPV4 } else { family::IPV6 };
        into.protocol = self.key.protocol;
    }
}

/// [`query_of`]: none.
pub(crate) const NO_QUERY: u8 = 255;

/// The type of the request that a message is or answers: echo, timestamp, information, address mask (RFC 792, RFC 950), and echo
/// of ICMPv6 (RFC 4443 §4).
#[inline(always)]
pub(crate) fn query_of(protocol: u8, icmp_type: u8) -> u8 {
    if protocol == proto::ICMPV6 {
        return if matches!(icmp_type, 128 | 129) { 128 } else { NO_QUERY };
    }
    match icmp_type {
        0 | 8 => 8,
        13..=18 => (icmp_type - 1) & !1 | 1,
        _ => NO_QUERY,
    }
}

/// The type of the answer to a request that [`query_of`] knows.
#[inline(always)]
fn answer_to(request: u8) -> u8 {
    if request == 8 { 0 } else { request.wrapping_add(1) }
}

/// Destination unreachable, source quench, time exceeded, parameter problem (RFC 792); and of ICMPv6 all errors that are in use
/// (RFC 4443 §2.1).
#[inline(always)]
pub(crate) fn is_error(protocol: u8, icmp_type: u8) -> bool {
    if protocol == proto::ICMPV6 { matches!(icmp_type, 1..=4) } else { matches!(icmp_type, 3 | 4 | 11 | 12) }
}
