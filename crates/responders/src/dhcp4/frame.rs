//! Ethernet, IPv4 and UDP around a DHCP message.

use super::Silence;
use etherparse::{
    EtherType, Ethernet2Slice, IpDscp, IpNumber, Ipv4Header, Ipv4Slice, PacketBuilder, UdpSlice, checksum,
};
use hadron_model::Mac;
use std::net::Ipv4Addr;

/// The server's UDP port.
pub(super) const SERVER_PORT: u16 = 67;
/// The client's UDP port.
pub(super) const CLIENT_PORT: u16 = 68;
/// Octets of the IPv4 header without options and of the UDP header.
pub(super) const IP_UDP_LENGTH: usize = 28;

/// A DHCP message to a server, with the addresses that it came with.
pub(super) struct Incoming<'a> {
    pub(super) source_mac: Mac,
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    pub(super) message: &'a [u8],
}

impl<'a> Incoming<'a> {
    /// Takes an untagged, unfragmented frame to UDP port 67 apart. Octets after the IP packet are padding of the link.
    pub(super) fn read(frame: &'a [u8]) -> Result<Self, Silence> {
        let ethernet = Ethernet2Slice::from_slice_without_fcs(frame).map_err(|_| Silence::NotDhcp)?;
        if ethernet.ether_type() != EtherType::IPV4 {
            return Err(Silence::NotDhcp);
        }
        let ip = Ipv4Slice::from_slice(ethernet.payload_slice()).map_err(|_| Silence::NotDhcp)?;
        let header = ip.header();
        if ip.payload().ip_number != IpNumber::UDP || ip.payload().fragmented {
            return Err(Silence::NotDhcp);
        }
        let udp = UdpSlice::from_slice(ip.payload().payload).map_err(|_| Silence::NotDhcp)?;
        if udp.destination_port() != SERVER_PORT {
            return Err(Silence::NotDhcp);
        }
        if !is_checksum_right(&udp, header.source(), header.destination()) {
            return Err(Silence::Checksum);
        }
        Ok(Self {
            source_mac: Mac(ethernet.source()),
            source: header.source_addr(),
            destination: header.destination_addr(),
            message: udp.payload(),
        })
    }
}

/// A client's own socket leaves the checksum to the device: then the field holds the sum of the pseudo-header alone, which is right
/// too, because nothing came between. Zero means none (RFC 768).
fn is_checksum_right(udp: &UdpSlice<'_>, source: [u8; 4], destination: [u8; 4]) -> bool {
    let pseudo_header = checksum::Sum16BitWords::new()
        .add_4bytes(source)
        .add_4bytes(destination)
        .add_2bytes([0, IpNumber::UDP.0])
        .add_2bytes(udp.length().to_be_bytes());
    let partial = !pseudo_header.ones_complement().to_be();
    let whole = pseudo_header.add_slice(udp.slice()).ones_complement();
    udp.checksum() == 0 || udp.checksum() == partial || whole == 0
}

/// Where a reply goes.
pub(super) struct Outgoing {
    pub(super) server_mac: Mac,
    pub(super) mac: Mac,
    pub(super) server: Ipv4Addr,
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
}

impl Outgoing {
    /// The frame that carries `message` there. Class selector 6 (network control), as routers and DHCP servers mark it; never
    /// fragmented, so the identification is of no use (RFC 6864 §4.1).
    pub(super) fn frame(&self, message: &[u8]) -> Vec<u8> {
        let mut ip = Ipv4Header {
            time_to_live: 64,
            protocol: IpNumber::UDP,
            source: self.server.octets(),
            destination: self.address.octets(),
            dont_fragment: true,
            dscp: IpDscp::CS6,
            ..Ipv4Header::default()
        };
        ip.header_checksum = ip.calc_header_checksum();
        let builder = PacketBuilder::ethernet2(self.server_mac.0, self.mac.0)
            .ip(etherparse::IpHeaders::Ipv4(ip, Default::default()))
            .udp(SERVER_PORT, self.port);
        let mut frame = Vec::with_capacity(builder.size(message.len()));
        builder.write_to_vec(&mut frame, message).expect("a message far below 64 KiB into memory");
        frame
    }
}
