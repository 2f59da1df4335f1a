//! ARP for IPv4 over Ethernet (RFC 826).

use crate::address::{Address, Mac};
use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{Packet, ether};

#[inline(never)]
pub(super) fn parse<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let Some(arp) = env.load::<28>(ether::HEADER) else { return Err(DropReason::ArpMalformed) };
    // Hardware type 1, protocol IPv4, address lengths 6 and 4.
    if arp[..6] != [0, 1, 8, 0, 6, 4] {
        return Err(DropReason::ArpMalformed);
    }
    packet.operation = u16::from_be_bytes([arp[6], arp[7]]);
    packet.link = Mac([arp[8], arp[9], arp[10], arp[11], arp[12], arp[13]]);
    packet.source_address = Address::v4([arp[14], arp[15], arp[16], arp[17]]);
    packet.destination_address = Address::v4([arp[24], arp[25], arp[26], arp[27]]);
    Ok(())
}
