//! MAC addresses.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// An IEEE 802 MAC-48 address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The broadcast address, `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// Whether the group bit is set (multicast or broadcast).
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether every bit is zero.
    pub fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }

    /// The modified EUI-64 interface identifier under `prefix`'s upper 64 bits (RFC 4291 appendix A).
    pub fn eui64(self, prefix: Ipv6Addr) -> Ipv6Addr {
        let m = self.0;
        let mut octets = prefix.octets();
        octets[8..].copy_from_slice(&[m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]]);
        Ipv6Addr::from(octets)
    }

    /// The link-local address that a host forms from this MAC (RFC 4862 §5.3).
    pub fn link_local(self) -> Ipv6Addr {
        self.eui64(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mac({self})")
    }
}

/// The text is not a MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a MAC address; expected six octets in hexadecimal, as in fa:16:3e:00:00:01")]
pub struct MacParseError;

impl FromStr for Mac {
    type Err = MacParseError;

    /// Reads the forms `aa:bb:cc:dd:ee:ff`, `aa-bb-cc-dd-ee-ff` and `aabb.ccdd.eeff`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (separator, width) = match text.len() {
            17 if text.as_bytes()[2] == b'-' => ('-', 2),
            17 => (':', 2),
            14 => ('.', 4),
            _ => return Err(MacParseError),
        };
        let mut digits = String::with_capacity(12);
        for group in text.split(separator) {
            if group.len() != width || !group.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(MacParseError);
            }
            digits.push_str(group);
        }
        if digits.len() != 12 {
            return Err(MacParseError);
        }
        let mut octets = [0; 6];
        for (i, octet) in octets.iter_mut().enumerate() {
            *octet = u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).map_err(|_| MacParseError)?;
        }
        Ok(Mac(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_common_forms() {
        let mac = Mac([0xfa, 0x16, 0x3e, 0, 0xab, 1]);
        for text in ["fa:16:3e:00:ab:01", "FA-16-3E-00-AB-01", "fa16.3e00.ab01"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
        for text in [
            "",
            "fa:16:3e:00:ab",
            "fa:16:3e:00:ab:0g",
            "fa:16-3e:00:ab:01",
            "+a:16:3e:00:ab:01",
            "é:16:3e:00:ab:01",
        ] {
            assert_eq!(text.parse::<Mac>(), Err(MacParseError), "{text}");
        }
    }

    #[test]
    fn forms_the_link_local_address_of_rfc_4291() {
        let mac: Mac = "34:56:78:9a:bc:de".parse().unwrap();
        assert_eq!(mac.link_local().to_string(), "fe80::3656:78ff:fe9a:bcde");
    }
}
