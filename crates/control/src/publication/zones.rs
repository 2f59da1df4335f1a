//! The zones that an operator lets us write.

use hadron_model::{IpNet, Ipv4Net, Ipv6Net};
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses, and how large the zones of their reverse names are: `203.0.113.0/24`, or `10.0.0.0/8=24` for many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReverseZones {
    within: IpNet,
    /// Bits of a zone's prefix; a multiple of 8 for IPv4 and of 4 for IPv6, where labels end (RFC 1035 §3.5, RFC 3596 §2.5).
    length: u8,
}

impl FromStr for ReverseZones {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (prefix, length) =
            text.split_once('=').map_or((text, None), |(prefix, rest)| (prefix, Some(rest)));
        let within: IpNet = prefix.parse().map_err(|_| format!("{prefix:?} is no prefix"))?;
        let length = match length {
            Some(length) => length.parse().map_err(|_| format!("{length:?} is no prefix length"))?,
            None => within.prefix_len(),
        };
        let unit = if within.addr().is_ipv4() { 8 } else { 4 };
        if length == 0 || length < within.prefix_len() || length > within.max_prefix_len() {
            return Err(format!("zones of /{length} are not within {within}"));
        }
        if length % unit != 0 {
            return Err(format!("reverse zones end every {unit} bits, not at /{length}"));
        }
        Ok(Self { within: within.trunc(), length })
    }
}

/// The zones that are ours to write.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Zones {
    /// In lower case with a dot at their ends.
    forward: Vec<String>,
    reverse: Vec<ReverseZones>,
}

impl Zones {
    /// Zones of names, as `example.org`, and of addresses.
    pub fn new(forward: &[String], reverse: &[ReverseZones]) -> Self {
        Self { forward: forward.iter().map(|zone| absolute(zone)).collect(), reverse: reverse.to_vec() }
    }

    /// The zone that a name is in: the one with most labels, if there is one. The zone's own name is in none: it is the operator's.
    pub fn of_name(&self, name: &str) -> Option<String> {
        let is_below = |zone: &str| name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'));
        if let Some(zone) = self.forward.iter().filter(|zone| is_below(zone)).max_by_key(|zone| zone.len()) {
            return Some(zone.clone());
        }
        let address = address_of(name)?;
        self.of_address(address).map(|(zone, _)| zone)
    }

    /// The zone of an address's reverse name, and that name.
    pub fn of_address(&self, address: IpAddr) -> Option<(String, String)> {
        let fitting = self.reverse.iter().filter(|zones| zones.within.contains(&address));
        let zones = fitting.max_by_key(|zones| zones.length)?;
        let name = reverse_name(address);
        let (bits, unit) = if address.is_ipv4() { (32, 8) } else { (128, 4) };
        let skipped = usize::from((bits - zones.length) / unit);
        let zone = name.splitn(skipped + 1, '.').last().unwrap_or_default().to_owned();
        Some((zone, name))
    }
}

/// The name in lower case with a dot at its end.
pub(super) fn absolute(name: &str) -> String {
    let mut name = name.to_ascii_lowercase();
    if !name.ends_with('.') {
        name.push('.');
    }
    name
}

/// The name of an address in the reverse tree (RFC 1035 §3.5, RFC 3596 §2.5).
pub(super) fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(address) => {
            let digits = format!("{:032x}", u128::from(address));
            let mut name: String = digits.chars().rev().flat_map(|digit| [digit, '.']).collect();
            name.push_str("ip6.arpa.");
            name
        }
    }
}

/// The inverse of [`reverse_name`].
fn address_of(name: &str) -> Option<IpAddr> {
    if let Some(labels) = name.strip_suffix(".in-addr.arpa.") {
        let mut octets: Vec<u8> = labels.split('.').map(|label| label.parse().ok()).collect::<Option<_>>()?;
        octets.reverse();
        return <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    }
    let labels = name.strip_suffix(".ip6.arpa.")?;
    let digits: String = labels.split('.').rev().collect();
    (digits.len() == 32)
        .then(|| u128::from_str_radix(&digits, 16).ok())
        .flatten()
        .map(|bits| IpAddr::V6(bits.into()))
}

impl std::fmt::Display for ReverseZones {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (net, length) = (self.within, self.length);
        let zone = match net {
            IpNet::V4(net) => Ipv4Net::new(net.addr(), length).map(IpNet::from),
            IpNet::V6(net) => Ipv6Net::new(net.addr(), length).map(IpNet::from),
        };
        match zone {
            Ok(zone) if zone == net => net.fmt(f),
            _ => write!(f, "{net}={length}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones() -> Zones {
        let reverse =
            ["203.0.113.0/24", "10.0.0.0/8=16", "2001:db8::/32=64"].map(|text| text.parse().unwrap());
        Zones::new(&["Example.org".to_owned(), "dev.example.org.".to_owned()], &reverse)
    }

    #[test]
    fn a_name_is_in_the_zone_with_most_labels_and_a_zone_s_own_name_in_none() {
        let zone = |name: &str| zones().of_name(name);
        assert_eq!(zone("www.example.org.").as_deref(), Some("example.org."));
        assert_eq!(zone("a.dev.example.org.").as_deref(), Some("dev.example.org."));
        assert_eq!(zone("dev.example.org.").as_deref(), Some("example.org."));
        for other in ["example.org.", "wwwexample.org.", "example.com.", "org."] {
            assert_eq!(zone(other), None, "{other}");
        }
    }

    #[test]
    fn reverse_names_are_in_zones_of_the_size_that_was_said() {
        let of = |address: &str| zones().of_address(address.parse().unwrap());
        let text = |zone: &str, name: &str| Some((zone.to_owned(), name.to_owned()));
        assert_eq!(of("203.0.113.9"), text("113.0.203.in-addr.arpa.", "9.113.0.203.in-addr.arpa."));
        assert_eq!(of("10.1.2.3"), text("1.10.in-addr.arpa.", "3.2.1.10.in-addr.arpa."));
        let name = "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
        assert_eq!(of("2001:db8:0:7::9"), text("7.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", name));
        assert_eq!(of("192.0.2.1"), None);
        for address in ["203.0.113.9", "10.1.2.3", "2001:db8:0:7::9"] {
            let (zone, name) = of(address).unwrap();
            assert_eq!(zones().of_name(&name), Some(zone));
        }
    }

    #[test]
    fn zones_that_no_label_ends_are_refused() {
        for text in [
            "203.0.113.0/25",
            "10.0.0.0/8=20",
            "2001:db8::/33",
            "10.0.0.0/16=8",
            "10.0.0.0/8=40",
            "x",
            "::/0",
        ] {
            assert!(text.parse::<ReverseZones>().is_err(), "{text}");
        }
        for text in ["203.0.113.0/24", "10.0.0.0/8=24", "2001:db8::/32=64"] {
            assert_eq!(text.parse::<ReverseZones>().unwrap().to_string(), text);
        }
    }
}
