//! Stage 0: parses the packet once, into [`Packet`]. What contradicts itself is dropped here, so that no later stage and no
//! other host has to doubt it.

mod arp;
mod ipv4;
mod ipv6;
mod nd;
mod transport;

use crate::address::Mac;
use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{Packet, ether};
use crate::stage::Stage;

/// Parses Ethernet and what is in it.
#[inline(always)]
pub(crate) fn classify<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    env.enter(Stage::Classify);
    packet.length = env.length();
    ethernet(env, packet)?;
    match packet.ether_type {
        ether::IPV4 => ipv4::parse(env, packet),
        ether::IPV6 => {
            ipv6::parse(env, packet)?;
            if packet.is_icmpv6() { nd::parse(env, packet) } else { Ok(()) }
        }
        ether::ARP => arp::parse(env, packet),
        _ => Ok(()),
    }
}

#[inline(always)]
fn ethernet<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let Some(header) = env.load(0) else { return Err(DropReason::FrameTooShort) };
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, e0, e1] = header;
    packet.destination = Mac([d0, d1, d2, d3, d4, d5]);
    packet.source = Mac([s0, s1, s2, s3, s4, s5]);
    packet.ether_type = u16::from_be_bytes([e0, e1]);
    if packet.source.is_multicast() {
        return Err(DropReason::SourceMulticast);
    }
    if env.has_vlan_tag() || matches!(packet.ether_type, ether::VLAN | ether::QINQ) {
        return Err(DropReason::VlanTagged);
    }
    Ok(())
}
