//! The IPv4 header, its options and fragments (RFC 791).

use super::transport;
use crate::address::Address;
use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{FIRST, LATER, Packet, ether, proto};

const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

#[inline(never)]
pub(super) fn parse<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let Some(header) = env.load::<20>(ether::HEADER) else { return Err(DropReason::Ipv4Malformed) };
    let header_length = u32::from(header[0] & 0xf) * 4;
    let total_length = u32::from(u16::from_be_bytes([header[2], header[3]]));
    let end = ether::HEADER + total_length;
    if header[0] >> 4 != 4 || header_length < 20 || total_length < header_length || end > packet.length {
        return Err(DropReason::Ipv4Malformed);
    }
    packet.end = end;
    packet.hop_limit = header[8];
    packet.protocol = header[9];
    packet.source_address = Address::v4([header[12], header[13], header[14], header[15]]);
    packet.destination_address = Address::v4([header[16], header[17], header[18], header[19]]);
    packet.l4_offset = ether::HEADER + header_length;
    packet.identification = u32::from(u16::from_be_bytes([header[4], header[5]]));
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    if fragment & OFFSET != 0 {
        packet.fragment = LATER;
        packet.payload_offset = packet.l4_offset;
        // At offset 1 (8 bytes) it would overwrite the flags of a TCP header (RFC 3128).
        if fragment & OFFSET == 1 && packet.protocol == proto::TCP {
            return Err(DropReason::FragmentTiny);
        }
        return Ok(());
    }
    if fragment & MORE_FRAGMENTS != 0 {
        packet.fragment = FIRST;
    }
    transport::parse(env, packet)
}
