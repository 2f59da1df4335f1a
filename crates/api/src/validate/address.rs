//! Addresses, prefixes and MACs from text.

use hadron_model::{IpNet, Mac};
use std::net::{IpAddr, Ipv4Addr};

/// An IPv4 address of four parts without leading zeros, or an IPv6 address without zone.
pub(crate) fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// A prefix: `address/length`, IPv4 also `address/mask`, or an address alone. Host bits are kept.
pub(crate) fn parse_prefix(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else {
        return parse_address(text).map(IpNet::from);
    };
    let address = parse_address(address)?;
    let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    match length.parse::<Ipv4Addr>() {
        Ok(mask) if address.is_ipv4() => IpNet::with_netmask(address, mask.into()).ok(),
        _ if is_number => IpNet::new(address, length.parse().ok()?).ok(),
        _ => None,
    }
}

/// A MAC in any of the usual notations: octets with `:` or `-`, of one or two digits; three words with `.`, `:` or `-`; two
/// halves with `:` or `-`; twelve digits.
pub(crate) fn parse_mac(text: &str) -> Option<Mac> {
    let separator = text.chars().find(|c| !c.is_ascii_hexdigit());
    let groups: Vec<&str> = match separator {
        None if text.len() == 12 => vec![text],
        Some(separator @ (':' | '-')) => text.split(separator).collect(),
        Some('.') => text.split('.').collect(),
        _ => return None,
    };
    let width = match (groups.len(), separator) {
        (1, _) => 12,
        (2, Some(':' | '-')) => 6,
        (3, _) => 4,
        (6, Some(':' | '-')) => 2,
        _ => return None,
    };
    let mut bits = 0u64;
    for group in groups {
        let is_hex = (1..=width).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex {
            return None;
        }
        bits = bits << (4 * width) | u64::from_str_radix(group, 16).ok()?;
    }
    let [_, _, octets @ ..] = bits.to_be_bytes();
    Some(Mac(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_macs_in_the_usual_notations() {
        let mac = Mac([0xfa, 0x16, 0x3e, 0x00, 0x0b, 0x01]);
        for text in [
            "fa:16:3e:00:0b:01",
            "FA-16-3E-00-0B-01",
            "fa16.3e00.0b01",
            "fa:16:3e:0:b:1",
            "fa163e000b01",
            "fa163e-000b01",
            "fa16:3e00:0b01",
        ] {
            assert_eq!(parse_mac(text), Some(mac), "{text}");
        }
        let bad =
            ["", "zz", "fa:16:3e:00:0b", "fa:16:3e:00:0b:001", "fa:16-3e:00:0b:01", " fa163e000b01", "é"];
        for text in bad {
            assert_eq!(parse_mac(text), None, "{text}");
        }
    }

    #[test]
    fn reads_prefixes() {
        let prefix = |text| parse_prefix(text).map(|prefix| prefix.to_string());
        assert_eq!(prefix("10.0.0.1/24").as_deref(), Some("10.0.0.1/24"));
        assert_eq!(prefix("10.0.0.0/255.255.255.0").as_deref(), Some("10.0.0.0/24"));
        assert_eq!(prefix("10.0.0.1").as_deref(), Some("10.0.0.1/32"));
        assert_eq!(prefix("FD00:0::/64").as_deref(), Some("fd00::/64"));
        for bad in
            ["10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "bad", "010.0.0.0/8", ""]
        {
            assert_eq!(parse_prefix(bad), None, "{bad}");
        }
    }
}
