//! Stage 3: what the instance's own host answers: ARP and neighbour solicitations by the tables, DHCP and router solicitations by its
//! responders, metadata and DNS by sockets.

mod arp;
mod dhcp;
mod nd;
mod punt;
mod socket;

pub(crate) use arp::reply;
pub(crate) use nd::reply as advertise;
pub(crate) use socket::answered;

use crate::address::{Address, Mac};
use crate::door::Exit;
use crate::drop::DropReason;
use crate::env::{Env, Meter, PortCounter};
use crate::meter;
use crate::packet::{Packet, WHOLE, arp_op, ether, icmpv6};
use crate::stage::Stage;
use crate::table::{NeighbourKey, neighbour_kind, network_flag};
use crate::verdict::{PuntReason, Verdict, VerdictKind};

/// UDP port of DHCPv6 servers.
const DHCPV6_SERVER: u16 = 547;

/// Answers, hands over, or lets go on to `switch`.
#[inline(always)]
pub(crate) fn services<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    env.enter(Stage::Services);
    match packet.ether_type {
        ether::ARP if packet.operation == arp_op::REQUEST => arp::solicited(env, packet),
        ether::IPV4 if packet.is_udp() && packet.destination_port == dhcp::SERVER => {
            dhcp::request(env, packet)
        }
        ether::IPV6 if packet.is_icmpv6() && packet.icmp_type == icmpv6::NEIGHBOUR_SOLICITATION => {
            nd::solicited(env, packet)
        }
        ether::IPV6 if packet.destination.is_multicast() => multicast(env, packet),
        ether::IPV4 | ether::IPV6 if socket::may_be_asked(packet) => socket::asked(env, packet),
        _ => Ok(()),
    }
}

/// Questions to all routers and to all DHCPv6 servers (RFC 4861 §6.3.7, RFC 8415 §7.1).
#[inline(never)]
fn multicast<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    let (flag, reason) = if packet.is_udp() && packet.destination_port == DHCPV6_SERVER {
        (network_flag::DHCP6, PuntReason::Dhcp6)
    } else if packet.is_icmpv6() && packet.icmp_type == icmpv6::ROUTER_SOLICITATION {
        (network_flag::ADVERTISED, PuntReason::RouterSolicitation)
    } else {
        return Ok(());
    };
    if packet.fragment != WHOLE || !punt::is_flagged(env, packet, flag) {
        return Ok(());
    }
    punt::punt(env, packet, reason)
}

/// Who is told to an asker.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Somebody else has the address; their MAC is in [`Packet::link`].
    Other,
    /// The asker has it, who then looks for others that claim it.
    Own,
    /// Nobody is known to have it.
    Nobody,
}

/// Looks up who has an address of the packet's network.
#[inline(always)]
fn known<E: Env>(env: &E, packet: &mut Packet, address: Address) -> Known {
    let key = NeighbourKey { network: packet.network, address };
    let Some(neighbour) = env.neighbour(&key) else { return Known::Nobody };
    let (mac, kind) = (neighbour.mac, neighbour.kind);
    if mac == packet.source {
        return Known::Own;
    }
    packet.link = mac;
    packet.is_router = u8::from(kind == neighbour_kind::ROUTER);
    Known::Other
}

/// Charges a question that will be flooded.
#[inline(always)]
fn miss<E: Env>(env: &mut E, packet: &Packet) -> Result<(), Exit> {
    if meter::admits(env, packet.port, Meter::Miss) { Ok(()) } else { Err(DropReason::MissRate.into()) }
}

/// Sends the packet, rewritten into an answer, back to the port that asked.
#[inline(always)]
fn answer<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), Exit> {
    let ifindex = env.ifindex();
    env.count_port(packet.port, PortCounter::Received, packet.length);
    env.redirect(ifindex);
    packet.verdict = Verdict::new(VerdictKind::Answer, packet.port, ifindex);
    Err(Exit::Done)
}

/// An Ethernet header from a neighbour to the asker.
#[inline(always)]
fn ethernet(to: Mac, from: Mac, ether_type: u16) -> [u8; 14] {
    let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (to.0, from.0);
    let [m, n] = ether_type.to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n]
}
