//! TCP, UDP, SCTP, ICMP and ICMPv6: ports or type, and where the payload begins.

use crate::drop::DropReason;
use crate::env::Env;
use crate::packet::{FIRST, Packet, ether, proto};

#[inline(never)]
pub(super) fn parse<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let v4 = packet.ether_type == ether::IPV4;
    match packet.protocol {
        proto::TCP => tcp(env, packet),
        proto::UDP => udp(env, packet),
        proto::SCTP => sctp(env, packet),
        proto::UDP_LITE | proto::DCCP => ports_alone(env, packet),
        proto::ICMP if v4 => icmp(env, packet),
        proto::ICMPV6 if !v4 => icmp(env, packet),
        _ => {
            packet.payload_offset = packet.l4_offset;
            Ok(())
        }
    }
}

/// Loads the transport header, which lies within the IP packet whole.
#[inline(always)]
fn load<E: Env, const N: usize>(env: &mut E, packet: &mut Packet) -> Result<[u8; N], DropReason> {
    packet.payload_offset = packet.l4_offset + N as u32;
    match env.load(packet.l4_offset) {
        Some(header) if packet.payload_offset <= packet.end => Ok(header),
        _ if packet.fragment == FIRST => Err(DropReason::FragmentTiny),
        _ => Err(DropReason::TransportMalformed),
    }
}

#[inline(always)]
fn ports(packet: &mut Packet, [s0, s1, d0, d1]: [u8; 4]) {
    packet.source_port = u16::from_be_bytes([s0, s1]);
    packet.destination_port = u16::from_be_bytes([d0, d1]);
}

#[inline(always)]
fn tcp<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let header: [u8; 20] = load(env, packet)?;
    ports(packet, [header[0], header[1], header[2], header[3]]);
    packet.tcp_flags = header[13];
    let length = u32::from(header[12] >> 4) * 4;
    packet.payload_offset = packet.l4_offset + length;
    if length < 20 || packet.payload_offset > packet.end {
        return Err(DropReason::TransportMalformed);
    }
    Ok(())
}

#[inline(always)]
fn udp<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let header: [u8; 8] = load(env, packet)?;
    ports(packet, [header[0], header[1], header[2], header[3]]);
    if u16::from_be_bytes([header[4], header[5]]) < 8 {
        return Err(DropReason::TransportMalformed);
    }
    Ok(())
}

#[inline(always)]
fn sctp<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let header: [u8; 12] = load(env, packet)?;
    ports(packet, [header[0], header[1], header[2], header[3]]);
    Ok(())
}

/// UDP-Lite (RFC 3828 §3.1) and DCCP (RFC 4340 §5.1), of which nothing else is looked at.
#[inline(always)]
fn ports_alone<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let header: [u8; 8] = load(env, packet)?;
    ports(packet, [header[0], header[1], header[2], header[3]]);
    Ok(())
}

#[inline(always)]
fn icmp<E: Env>(env: &mut E, packet: &mut Packet) -> Result<(), DropReason> {
    let header: [u8; 8] = load(env, packet)?;
    packet.icmp_type = header[0];
    packet.icmp_code = header[1];
    packet.icmp_id = u16::from_be_bytes([header[4], header[5]]);
    Ok(())
}
