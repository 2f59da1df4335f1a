//! ICMP errors go with the connection whose packet they quote (RFC 792, RFC 4443 §2.4): they pass while it is in force by the
//! policy as it is, and do not prolong it. Any other error is judged by the rules, by its type and code.

use super::Judgement;
use super::connection::{PASSES, UNKNOWN, find, is_current};
use super::key::{Kind, NO_QUERY, Subject, query_of};
use crate::address::Address;
use crate::env::Env;
use crate::packet::{Packet, ether, proto};
use crate::table::{ConnectionKey, direction};

/// Bytes before the quoted packet.
const HEADER: u32 = 8;

#[inline(never)]
pub(super) fn follow<E: Env>(env: &E, packet: &Packet, scratch: &mut Judgement) -> u32 {
    let Judgement { connection, subject, quoted, .. } = scratch;
    *quoted = Subject::default();
    quoted.key.port = subject.key.port;
    // What is quoted went the other way.
    quoted.way = if subject.way == direction::EGRESS { direction::INGRESS } else { direction::EGRESS };
    if !fill(env, packet, quoted) {
        return UNKNOWN;
    }
    let is_in_force = find(env, packet, quoted, connection) && is_current(env, packet.policy, connection);
    if is_in_force { PASSES } else { UNKNOWN }
}

/// The key of the quoted packet; false for one that belongs to no connection, or that somebody else has sent than the error's
/// receiver.
#[inline(always)]
fn fill<E: Env>(env: &E, packet: &Packet, quoted: &mut Subject) -> bool {
    let start = packet.l4_offset + HEADER;
    let transport = if packet.ether_type == ether::IPV4 {
        ipv4(env, start, &mut quoted.key)
    } else {
        ipv6(env, start, &mut quoted.key)
    };
    // Source and destination, so far.
    if transport == 0 || quoted.key.local != packet.destination_address {
        return false;
    }
    if quoted.way == direction::INGRESS {
        quoted.key.local = quoted.key.remote;
        quoted.key.remote = packet.destination_address;
    }
    ports(env, transport, quoted)
}

/// Where the quoted transport header begins, 0 if there is none. Source and destination become local and remote.
#[inline(never)]
fn ipv4<E: Env>(env: &E, start: u32, key: &mut ConnectionKey) -> u32 {
    let Some(header) = env.load::<20>(start) else { return 0 };
    let length = u32::from(header[0] & 0xf) * 4;
    let is_later = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
    if header[0] >> 4 != 4 || length < 20 || is_later {
        return 0;
    }
    key.protocol = header[9];
    key.local = Address::v4([header[12], header[13], header[14], header[15]]);
    key.remote = Address::v4([header[16], header[17], header[18], header[19]]);
    start + length
}

/// As [`ipv4`].
#[inline(never)]
fn ipv6<E: Env>(env: &E, start: u32, key: &mut ConnectionKey) -> u32 {
    let Some([version, _, _, _, _, _, protocol, _]) = env.load(start) else { return 0 };
    if version >> 4 != 6 {
        return 0;
    }
    key.protocol = protocol;
    let Some(bytes) = env.load(start + 8) else { return 0 };
    key.local.0 = bytes;
    let Some(bytes) = env.load(start + 24) else { return 0 };
    key.remote.0 = bytes;
    start + 40
}

#[inline(never)]
fn ports<E: Env>(env: &E, transport: u32, quoted: &mut Subject) -> bool {
    let Some([a, b, c, d, e, f, _, _]) = env.load(transport) else { return false };
    quoted.kind = Kind::CONNECTION;
    match quoted.key.protocol {
        proto::ICMP | proto::ICMPV6 => {
            let request = query_of(quoted.key.protocol, a);
            if request == NO_QUERY {
                return false;
            }
            let way = quoted.way;
            quoted.fill_query(request, a, b, u16::from_be_bytes([e, f]), way);
        }
        proto::TCP | proto::UDP | proto::SCTP | proto::UDP_LITE | proto::DCCP => {
            let way = quoted.way;
            quoted.fill_ports(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), way);
        }
        _ => {}
    }
    true
}
