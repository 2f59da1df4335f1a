//! IP protocols as rules name them.

use std::fmt;
use std::str::FromStr;

/// The names that the API knows (IANA "Protocol Numbers"), in the order of its error text.
const NAMES: [(&str, u8); 25] = [
    ("ah", 51),
    ("dccp", 33),
    ("egp", 8),
    ("esp", 50),
    ("gre", 47),
    ("hopopt", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ip", 0),
    ("ipip", 4),
    ("ipv6-encap", 41),
    ("ipv6-frag", 44),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("ipv6-route", 43),
    ("ospf", 89),
    ("pgm", 113),
    ("rsvp", 46),
    ("sctp", 132),
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("vrrp", 112),
];

/// ICMP's number.
pub const ICMP: u8 = 1;
/// ICMPv6's number.
pub const ICMPV6: u8 = 58;

/// An IP protocol as it was named: `tcp` and `6` are the same protocol, shown as given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Protocol {
    number: u8,
    /// `None` when it was given by number.
    name: Option<&'static str>,
}

impl Protocol {
    /// The protocol of this number, shown as the number.
    pub const fn numbered(number: u8) -> Self {
        Self { number, name: None }
    }

    /// ICMPv6 by its name, `ipv6-icmp`.
    pub const fn icmpv6() -> Self {
        Self { number: ICMPV6, name: Some("ipv6-icmp") }
    }

    /// The number in the IP header.
    pub fn number(self) -> u8 {
        self.number
    }

    /// The name, if it was given by name.
    pub fn name(self) -> Option<&'static str> {
        self.name
    }

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether its packets have ports: TCP, UDP, UDP-Lite, SCTP, DCCP.
    pub fn has_ports(self) -> bool {
        matches!(self.number, 6 | 17 | 33 | 132 | 136)
    }

    /// Whether its packets have a type and a code where others have ports.
    pub fn is_icmp(self) -> bool {
        matches!(self.number, ICMP | ICMPV6)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name),
            None => self.number.fmt(f),
        }
    }
}

/// The text names no IP protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an IP protocol; expected a name, as in tcp, or a number from 0 to 255")]
pub struct ProtocolParseError;

impl FromStr for Protocol {
    type Err = ProtocolParseError;

    /// Reads a name in any case, or a decimal number.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(number) = text.parse() {
            return Ok(Self::numbered(number));
        }
        NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|&(name, number)| Self { number, name: Some(name) })
            .ok_or(ProtocolParseError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_was_given() {
        for name in Protocol::names() {
            assert_eq!(name.parse::<Protocol>().unwrap().to_string(), name);
        }
        let by_number: Protocol = "6".parse().unwrap();
        let by_name: Protocol = "TCP".parse().unwrap();
        assert_eq!((by_number.to_string(), by_name.to_string()), ("6".into(), "tcp".into()));
        assert_eq!(by_number.number(), by_name.number());
        assert!(by_name.has_ports() && !by_name.is_icmp());
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "bogus", "256", "-1", "any", "tcp "] {
            assert_eq!(text.parse::<Protocol>(), Err(ProtocolParseError), "{text}");
        }
    }
}
