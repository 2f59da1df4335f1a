//! The bytes of probes.

use crate::announce::tagged;
use etherparse::PacketBuilder;
use hadron_pipeline::table::probe;
use hadron_pipeline::{Address, Mac};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// MACs of the frame inside: of the range that is left to local administration (IEEE 802 §8.2). Nobody looks at them.
const INSIDE: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
/// Smallest Ethernet frame without its check sequence, octets.
const SMALLEST: usize = 60;

/// The question to a host whether it is a way to the external network of a VNI, as UDP payload (RFC 7348 §5).
pub(super) fn between_hosts(vni: u32) -> Vec<u8> {
    let [_, a, b, c] = vni.to_be_bytes();
    let mut bytes = [&[0x08, 0, 0, 0, a, b, c, 0][..], &INSIDE, &[0x88, 0xb5, probe::REQUEST]].concat();
    bytes.resize(8 + SMALLEST, 0);
    bytes
}

/// The question for an address whose answer says that somebody has it. To all, or to who should have it.
pub(super) fn to_next_hop(source: Mac, destination: Option<Mac>, address: Address, vlan: u32) -> Vec<u8> {
    let mut bytes = match address.ip() {
        IpAddr::V4(address) => probe_v4(source, destination.unwrap_or(Mac::BROADCAST), address),
        IpAddr::V6(address) => solicitation(source, destination, address),
    };
    bytes.resize(bytes.len().max(SMALLEST), 0);
    tagged(bytes, vlan)
}

/// From which nobody learns anything (RFC 5227 §2.1.1).
fn probe_v4(source: Mac, destination: Mac, address: Ipv4Addr) -> Vec<u8> {
    let head = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    [&destination.0[..], &source.0, &head, &source.0, &[0; 4], &[0; 6], &address.octets()].concat()
}

/// A neighbour solicitation (RFC 4861 §4.3) from the link-local address of the host's own MAC.
fn solicitation(source: Mac, destination: Option<Mac>, address: Ipv6Addr) -> Vec<u8> {
    const SOLICITATION: u8 = 135;
    const SOURCE_LINK_LAYER: [u8; 2] = [1, 1];
    let group = Address::from(address).solicited_node();
    let [.., a, b, c, d] = group.0;
    let (to, ip) = destination.map_or(([0x33, 0x33, a, b, c, d], group.0), |mac| (mac.0, address.octets()));
    let builder = PacketBuilder::ethernet2(source.0, to).ipv6(source.link_local().0, ip, 255).icmpv6_raw(
        SOLICITATION,
        0,
        [0; 4],
    );
    let body = [&address.octets()[..], &SOURCE_LINK_LAYER, &source.0].concat();
    let mut frame = Vec::with_capacity(builder.size(body.len()));
    builder.write_to_vec(&mut frame, &body).expect("a few octets into memory");
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_vxlan_of_its_vni() {
        let bytes = between_hosts(0x01_02_03);
        assert_eq!(bytes[..8], [8, 0, 0, 0, 1, 2, 3, 0]);
        assert_eq!((bytes.len(), &bytes[20..23]), (68, &[0x88, 0xb5, 1][..]));
    }

    #[test]
    fn a_next_hop_is_asked_in_nobody_s_name() {
        let (own, hop) = (Mac([2, 0, 0, 0, 0, 7]), Mac([2, 0, 0, 0, 0, 8]));
        let address = Address::from(Ipv4Addr::new(203, 0, 113, 1));
        let plain = to_next_hop(own, Some(hop), address, 0);
        assert_eq!((&plain[..6], &plain[6..12], plain.len()), (&hop.0[..], &own.0[..], 60));
        assert_eq!((&plain[28..32], &plain[38..42]), (&[0; 4][..], &[203, 0, 113, 1][..]));
        assert_eq!(to_next_hop(own, Some(hop), address, 9)[12..18], [0x81, 0, 0, 9, 8, 6]);
    }

    #[test]
    fn a_next_hop_of_ipv6_is_solicited() {
        let (own, hop) = (Mac([2, 0, 0, 0, 0, 7]), Mac([2, 0, 0, 0, 0, 8]));
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0xab, 0xcdef);
        let unicast = to_next_hop(own, Some(hop), address.into(), 0);
        assert_eq!((&unicast[..6], &unicast[6..12], unicast.len()), (&hop.0[..], &own.0[..], 86));
        assert_eq!((&unicast[22..38], &unicast[38..54]), (&own.link_local().0[..], &address.octets()[..]));
        assert_eq!(
            (unicast[54], &unicast[62..78], &unicast[78..]),
            (135, &address.octets()[..], &[1, 1, 2, 0, 0, 0, 0, 7][..])
        );
        let to_all = to_next_hop(own, None, address.into(), 0);
        assert_eq!(to_all[..6], [0x33, 0x33, 0xff, 0xab, 0xcd, 0xef]);
        assert_eq!(to_all[38..54], Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xffab, 0xcdef).octets());
    }
}
