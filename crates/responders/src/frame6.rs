//! Ethernet and IPv6 around what instances ask: packets taken apart and their checksums held against them.

use etherparse::{EtherType, Ethernet2Slice, IpNumber, Ipv6Slice, checksum};
use hadron_model::Mac;
use std::net::Ipv6Addr;

/// Every node of the link (RFC 4291 §2.7.1).
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// An untagged, unfragmented frame with IPv6.
pub(crate) struct Incoming<'a> {
    pub(crate) source_mac: Mac,
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
    pub(crate) hop_limit: u8,
    pub(crate) protocol: IpNumber,
    /// What is behind the IPv6 header and its extension headers; octets of the link's padding are not part of it.
    pub(crate) payload: &'a [u8],
}

impl<'a> Incoming<'a> {
    /// Takes a frame apart; `None` when it is not such a one.
    pub(crate) fn read(frame: &'a [u8]) -> Option<Self> {
        let ethernet = Ethernet2Slice::from_slice_without_fcs(frame).ok()?;
        if ethernet.ether_type() != EtherType::IPV6 {
            return None;
        }
        let ip = Ipv6Slice::from_slice(ethernet.payload_slice()).ok()?;
        if ip.payload().fragmented {
            return None;
        }
        let (header, payload) = (ip.header(), ip.payload());
        Some(Self {
            source_mac: Mac(ethernet.source()),
            source: header.source_addr(),
            destination: header.destination_addr(),
            hop_limit: header.hop_limit(),
            protocol: payload.ip_number,
            payload: payload.payload,
        })
    }

    /// Whether the checksum over the pseudo-header and `message`, the payload up to its end, is right: its own, or the sum of the
    /// pseudo-header alone, which a client's socket leaves for the device to complete. `at` is where it stands.
    pub(crate) fn is_checksum_right(&self, message: &[u8], at: usize) -> bool {
        let Some(&[high, low]) = message.get(at..at + 2) else { return false };
        let pseudo_header = checksum::Sum16BitWords::new()
            .add_16bytes(self.source.octets())
            .add_16bytes(self.destination.octets())
            .add_4bytes((message.len() as u32).to_be_bytes())
            .add_4bytes([0, 0, 0, self.protocol.0]);
        let partial = !pseudo_header.ones_complement().to_be();
        let whole = pseudo_header.add_slice(message).ones_complement();
        u16::from_be_bytes([high, low]) == partial || whole == 0
    }
}
