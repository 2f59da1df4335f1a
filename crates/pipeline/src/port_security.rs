//! Stage 2: a port sends from its own addresses only, and is no DHCP server and no router.

use crate::address::Address;
use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{Packet, WHOLE, arp_op, ether, icmpv6, proto};
use crate::privacy;
use crate::stage::Stage;
use crate::table::{AllowedKey, AllowedPrefixKey, port_flag};

const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;
const DHCPV6_CLIENT: u16 = 546;
const DHCPV6_SERVER: u16 = 547;

/// Lets pass what the port may send.
#[inline(never)]
pub(crate) fn port_security<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    env.enter(Stage::PortSecurity);
    if packet.port_flags & port_flag::PORT_SECURITY == 0 {
        return Ok(());
    }
    match packet.ether_type {
        ether::IPV4 => ipv4(env, packet),
        ether::IPV6 => ipv6(env, packet),
        ether::ARP => arp(env, packet),
        _ => Err(DropReason::EtherType),
    }
}

#[inline(always)]
fn arp<E: Env>(env: &mut E, packet: &Packet) -> Result<(), DropReason> {
    if packet.link != packet.source {
        return Err(DropReason::ArpSender);
    }
    if packet.source_address == Address::UNSPECIFIED_V4 {
        // A probe claims nothing (RFC 5227 §1.1).
        return match packet.operation {
            arp_op::REQUEST => own_mac(packet),
            _ => Err(DropReason::ArpSender),
        };
    }
    owns(env, packet, packet.source_address, DropReason::ArpSender)
}

#[inline(always)]
fn ipv4<E: Env>(env: &mut E, packet: &Packet) -> Result<(), DropReason> {
    if packet.is_udp() && (packet.source_port == DHCP_SERVER || packet.destination_port == DHCP_CLIENT) {
        return Err(DropReason::DhcpServer);
    }
    if packet.source_address == Address::UNSPECIFIED_V4 {
        own_mac(packet)?;
        return if is_dhcp_discovery(packet) { Ok(()) } else { Err(DropReason::SourceAddress) };
    }
    owns(env, packet, packet.source_address, DropReason::SourceAddress)
}

/// 0.0.0.0:68 → 255.255.255.255:67 (RFC 2131 §4.1).
#[inline(always)]
fn is_dhcp_discovery(packet: &Packet) -> bool {
    packet.protocol == proto::UDP
        && packet.fragment == WHOLE
        && packet.source_port == DHCP_CLIENT
        && packet.destination_port == DHCP_SERVER
        && packet.destination_address == Address::BROADCAST_V4
}

#[inline(always)]
fn ipv6<E: Env>(env: &mut E, packet: &Packet) -> Result<(), DropReason> {
    if packet.is_udp() && (packet.source_port == DHCPV6_SERVER || packet.destination_port == DHCPV6_CLIENT) {
        return Err(DropReason::DhcpServer);
    }
    if packet.source_address == Address::UNSPECIFIED {
        own_mac(packet)?;
        if !may_be_unspecified(packet) {
            return Err(DropReason::SourceAddress);
        }
    } else {
        owns(env, packet, packet.source_address, DropReason::SourceAddress)?;
    }
    if packet.is_icmpv6() { nd(env, packet) } else { Ok(()) }
}

/// Duplicate address detection, a first router solicitation (RFC 4861 §4.1, §4.3), and MLD reports before there is a
/// link-local address (RFC 3590).
#[inline(always)]
fn may_be_unspecified(packet: &Packet) -> bool {
    packet.protocol == proto::ICMPV6
        && packet.fragment == WHOLE
        && matches!(
            packet.icmp_type,
            icmpv6::NEIGHBOUR_SOLICITATION
                | icmpv6::ROUTER_SOLICITATION
                | icmpv6::MLD_REPORT
                | icmpv6::MLD_DONE
                | icmpv6::MLDV2_REPORT
        )
}

#[inline(never)]
fn nd<E: Env>(env: &mut E, packet: &Packet) -> Result<(), DropReason> {
    match packet.icmp_type {
        icmpv6::ROUTER_ADVERTISEMENT => return Err(DropReason::RouterAdvertisement),
        icmpv6::ROUTER_SOLICITATION | icmpv6::NEIGHBOUR_SOLICITATION | icmpv6::NEIGHBOUR_ADVERTISEMENT => {}
        _ => return Ok(()),
    }
    if !is_valid(packet) {
        return Err(DropReason::NdInvalid);
    }
    if packet.has_link == 1 && packet.link != packet.source {
        return Err(DropReason::NdLinkLayer);
    }
    if packet.icmp_type == icmpv6::NEIGHBOUR_ADVERTISEMENT {
        return owns(env, packet, packet.nd_target, DropReason::NdTarget);
    }
    if packet.source_address == Address::UNSPECIFIED {
        privacy::choose(env, packet);
    }
    Ok(())
}

/// RFC 4861 §6.1.1, §7.1.1 and §7.1.2; never in fragments (RFC 6980 §5).
#[inline(always)]
fn is_valid(packet: &Packet) -> bool {
    if packet.fragment != WHOLE || packet.hop_limit != 255 || packet.icmp_code != 0 {
        return false;
    }
    let unspecified = packet.source_address == Address::UNSPECIFIED;
    if unspecified && packet.has_link == 1 {
        return false;
    }
    match packet.icmp_type {
        icmpv6::NEIGHBOUR_SOLICITATION => {
            !packet.nd_target.is_multicast()
                && (!unspecified || packet.destination_address == packet.nd_target.solicited_node())
        }
        _ => true,
    }
}

/// True when the address is the port's with the frame's source MAC; else the MAC is at fault or what `reason` says.
#[inline(always)]
fn owns<E: Env>(
    env: &mut E,
    packet: &Packet,
    address: Address,
    reason: DropReason,
) -> Result<(), DropReason> {
    let own = packet.source == packet.port_mac;
    if own && address == packet.port_mac.link_local() {
        return Ok(());
    }
    if env.is_allowed(&AllowedKey::new(packet.port, packet.source, address)) {
        return Ok(());
    }
    if packet.port_flags & port_flag::ALLOWED_PREFIXES != 0
        && env.is_allowed_prefix(&AllowedPrefixKey::new(packet.port, packet.source, address, 128))
    {
        return Ok(());
    }
    if own && packet.port_flags & port_flag::PRIVACY != 0 && privacy::owns(env, packet, &address) {
        return Ok(());
    }
    Err(if own { reason } else { DropReason::SourceMac })
}

#[inline(always)]
fn own_mac(packet: &Packet) -> Result<(), DropReason> {
    if packet.source == packet.port_mac { Ok(()) } else { Err(DropReason::SourceMac) }
}
