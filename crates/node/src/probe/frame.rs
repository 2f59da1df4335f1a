//! The bytes of probes.

use crate::announce::tagged;
use hadron_pipeline::table::probe;
use hadron_pipeline::{Address, Mac};

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

/// The question for an IPv4 address that nobody learns anything from (RFC 5227 §2.1.1): its answer says that somebody has it.
pub(super) fn to_next_hop(source: Mac, destination: Mac, address: Address, vlan: u32) -> Vec<u8> {
    let head = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    let mut bytes =
        [&destination.0[..], &source.0, &head, &source.0, &[0; 4], &[0; 6], &address.tail()].concat();
    bytes.resize(SMALLEST, 0);
    tagged(bytes, vlan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

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
        let plain = to_next_hop(own, hop, address, 0);
        assert_eq!((&plain[..6], &plain[6..12], plain.len()), (&hop.0[..], &own.0[..], 60));
        assert_eq!((&plain[28..32], &plain[38..42]), (&[0; 4][..], &[203, 0, 113, 1][..]));
        assert_eq!(to_next_hop(own, hop, address, 9)[12..18], [0x81, 0, 0, 9, 8, 6]);
    }
}
