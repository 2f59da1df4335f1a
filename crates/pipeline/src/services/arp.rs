//! ARP requests (RFC 826, probes RFC 5227), rewritten in place into their replies.

use super::{Known, answer, ethernet, known, miss};
use crate::address::Mac;
use crate::door::Exit;
use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{Packet, arp_op, ether};

#[inline(never)]
pub(super) fn solicited<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    // A gratuitous request tells the others; nobody is asked.
    if packet.source_address == packet.destination_address {
        return Ok(());
    }
    let sender = packet.link;
    match known(env, packet, packet.destination_address) {
        Known::Own => return Ok(()),
        Known::Nobody => return miss(env, packet),
        Known::Other => {}
    }
    if reply(env, packet, sender) { answer(env, packet) } else { Err(DropReason::OutputFailed.into()) }
}

/// Rewrites the question of `asker` into the answer that [`Packet::link`] has the address.
#[inline(never)]
pub(crate) fn reply<E: Env>(env: &mut E, packet: &Packet, asker: Mac) -> bool {
    let header = ethernet(packet.source, packet.link, ether::ARP);
    let mut arp = [0u8; 28];
    arp[..6].copy_from_slice(&[0, 1, 8, 0, 6, 4]);
    arp[6..8].copy_from_slice(&arp_op::REPLY.to_be_bytes());
    arp[8..14].copy_from_slice(&packet.link.0);
    arp[14..18].copy_from_slice(&packet.destination_address.tail());
    arp[18..24].copy_from_slice(&asker.0);
    arp[24..].copy_from_slice(&packet.source_address.tail());
    env.store(0, &header) && env.store(ether::HEADER, &arp)
}
