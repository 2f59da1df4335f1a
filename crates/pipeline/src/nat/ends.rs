//! The two ends of the connection that a packet is of, or that an ICMP error quotes (RFC 5508 §4).

use crate::env::Env;
use crate::packet::{Packet, Renumbered, proto, translated};
use crate::policy::{NO_QUERY, is_error, query_of};
use crate::table::direction;

/// Where an ICMP error has what it quotes.
const QUOTE: u32 = 8;

/// Addresses and ports in the packet's direction, 0 for protocols without; those of a quoted packet, which went the other way, are exchanged.
/// The ports of an ICMP query are its identifier, on the side of who asks, and the type of the request.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    pub(super) source: [u8; 4],
    pub(super) destination: [u8; 4],
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) protocol: u8,
    /// A constant of [`Ends`].
    pub(super) kind: u8,
    pub(super) pad: [u8; 2],
}

impl Ends {
    /// A packet of a connection, with ports or without.
    pub(super) const CONNECTION: u8 = 1;
    /// An ICMP query or its answer.
    pub(super) const QUERY: u8 = 2;
    /// An ICMP error.
    pub(super) const ERROR: u8 = 3;

    /// False for what is neither a query nor an answer.
    #[inline(always)]
    fn fill_query(&mut self, icmp_type: u8, id: u16) -> bool {
        let request = query_of(proto::ICMP, icmp_type);
        let asks = icmp_type == request;
        let ports = (id, u16::from(request));
        (self.source_port, self.destination_port) = if asks { ports } else { (ports.1, ports.0) };
        request != NO_QUERY
    }

    /// Notes what becomes of the port that is on the instance's side. False where it can't become another. Where an instance is asked, its side has the type of the query, which stays.
    #[inline(always)]
    pub(super) fn renumber(&self, packet: &mut Packet, number: Renumbered, way: u32) -> bool {
        let (place, flag) = match way {
            direction::EGRESS => (0, translated::SOURCE_PORT),
            _ => (1, translated::DESTINATION_PORT),
        };
        let is_same = number.from == number.to;
        if is_same && self.kind != Ends::ERROR {
            return true;
        }
        packet.translated |= flag;
        packet.ports_protocol = self.protocol;
        packet.ports[place] = number;
        if self.kind == Ends::QUERY {
            packet.icmp_id = number.to;
        }
        is_same || self.protocol != proto::SCTP
    }
}

/// False for a packet of which no session can be.
#[inline(always)]
pub(super) fn fill<E: Env>(env: &E, packet: &Packet, ends: &mut Ends) -> bool {
    *ends = Ends {
        source: packet.source_address.tail(),
        destination: packet.destination_address.tail(),
        source_port: packet.source_port,
        destination_port: packet.destination_port,
        protocol: packet.protocol,
        kind: Ends::CONNECTION,
        pad: [0; 2],
    };
    match packet.protocol {
        proto::ICMP if is_error(proto::ICMP, packet.icmp_type) => {
            ends.kind = Ends::ERROR;
            quoted(env, packet, ends)
        }
        proto::ICMP => {
            ends.kind = Ends::QUERY;
            ends.fill_query(packet.icmp_type, packet.icmp_id)
        }
        _ => true,
    }
}

#[inline(never)]
fn quoted<E: Env>(env: &E, packet: &Packet, ends: &mut Ends) -> bool {
    let start = packet.l4_offset + QUOTE;
    let Some([version, ..]) = env.load::<4>(start) else { return false };
    let Some([fragment, offset, _, protocol]) = env.load(start + 6) else { return false };
    let length = u32::from(version & 0xf) * 4;
    let is_later = u16::from_be_bytes([fragment, offset]) & 0x1fff != 0;
    if version >> 4 != 4 || length < 20 || is_later {
        return false;
    }
    ends.protocol = protocol;
    // It went the other way.
    let Some(source) = env.load(start + 12) else { return false };
    ends.destination = source;
    let Some(destination) = env.load(start + 16) else { return false };
    ends.source = destination;
    quoted_ports(env, start + length, ends)
}

#[inline(always)]
fn quoted_ports<E: Env>(env: &E, message: u32, ends: &mut Ends) -> bool {
    let Some([a, b, c, d]) = env.load::<4>(message) else { return false };
    match ends.protocol {
        proto::TCP | proto::UDP | proto::UDP_LITE | proto::DCCP | proto::SCTP => {
            ends.destination_port = u16::from_be_bytes([a, b]);
            ends.source_port = u16::from_be_bytes([c, d]);
            true
        }
        proto::ICMP => match env.load::<4>(message + 4) {
            Some([high, low, ..]) => {
                let is_known = ends.fill_query(a, u16::from_be_bytes([high, low]));
                core::mem::swap(&mut ends.source_port, &mut ends.destination_port);
                is_known
            }
            None => false,
        },
        _ => {
            (ends.source_port, ends.destination_port) = (0, 0);
            true
        }
    }
}
