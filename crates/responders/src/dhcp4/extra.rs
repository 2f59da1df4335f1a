//! Options that a port's owner sets (`extra_dhcp_opts`), as names and texts, and what they are in a message.
//!
//! Names are those of dnsmasq, numbers those of IANA, and both mean the same. What a name's value looks like is in [`KNOWN`]; an
//! option that is not there is read as what its text looks like.

use super::options::code;
use super::request::Request;
use crate::value::{self, domains, number, octets, parts};
use std::net::Ipv4Addr;

/// The name and the number that Neutron's drivers have for `siaddr`, which is no option.
const NEXT_SERVER: (&str, u8) = ("server-ip-address", 255);
/// The boot file of clients that don't run iPXE, where `bootfile-name` is that of those that do.
const NOT_IPXE_BOOT_FILE: &str = "bootfile-name-alt";

/// Options that a port's owner sets. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    code: u8,
    /// Empty for an option that is not to be sent.
    value: Vec<u8>,
    /// Whether it is for clients that run iPXE, or for all others.
    is_for_ipxe: Option<bool>,
}

/// Why an option is not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Neither a known name nor a number from 1 to 254.
    Name,
    /// It is a part of the protocol itself, which the server sets.
    Protocol,
    /// A `tag:` that no client has; `tag:ipxe` and `tag:!ipxe` are known.
    Tag,
    /// The text is no value of the option's kind.
    Value,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Name => "it is no DHCPv4 option that is known by name, nor a number from 1 to 254",
            Self::Protocol => "the server sets it itself",
            Self::Tag => "no client has its tag; tag:ipxe and tag:!ipxe are known",
            Self::Value => "its value is not of the option's kind",
        })
    }
}

impl Extra {
    /// Adds an option by name or number, perhaps behind a tag (`tag:ipxe,67`), with its value as text.
    ///
    /// # Errors
    /// It can't be sent; the others are.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let (is_for_ipxe, name) = match name.strip_prefix("tag:").and_then(|rest| rest.split_once(',')) {
            None if name.starts_with("tag:") => return Err(Refusal::Tag),
            None if name == NOT_IPXE_BOOT_FILE => (Some(false), name),
            None => (None, name),
            Some(("ipxe", name)) => (Some(true), name),
            Some(("!ipxe", name)) => (Some(false), name),
            Some(_) => return Err(Refusal::Tag),
        };
        let (code, kind) = option(name)?;
        let value =
            if value.trim().is_empty() { Vec::new() } else { encode(kind, value).ok_or(Refusal::Value)? };
        self.0.push(Entry { code, value, is_for_ipxe });
        Ok(())
    }

    /// Numbers of the options for the client that asks, rising, each once.
    pub(super) fn codes(&self, request: &Request) -> Vec<u8> {
        let options = self.of(request).filter(|entry| entry.code != NEXT_SERVER.1);
        let mut codes: Vec<u8> = options.map(|entry| entry.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    /// The value of an option for the client that asks; empty when the option is not to be sent, `None` when it was not set.
    pub(super) fn value(&self, code: u8, request: &Request) -> Option<&[u8]> {
        // What is said for such clients beats what is said for all.
        let entries = self.of(request).filter(|entry| entry.code == code);
        entries.max_by_key(|entry| entry.is_for_ipxe.is_some()).map(|entry| &entry.value[..])
    }

    /// A number of 32 bits that was set.
    pub(super) fn number(&self, code: u8, request: &Request) -> Option<u32> {
        self.value(code, request)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// `siaddr`, from where a client loads its boot file: as set, or the first TFTP server.
    pub(super) fn next_server(&self, request: &Request) -> Option<Ipv4Addr> {
        let first = |code| Some(Ipv4Addr::from(*self.value(code, request)?.first_chunk::<4>()?));
        let named = || std::str::from_utf8(self.value(code::TFTP_SERVER, request)?).ok()?.parse().ok();
        first(NEXT_SERVER.1).or_else(|| first(code::TFTP_SERVER_ADDRESS)).or_else(named)
    }

    fn of(&self, request: &Request) -> impl Iterator<Item = &Entry> {
        let is_ipxe = request.is_ipxe();
        self.0.iter().filter(move |entry| entry.is_for_ipxe.is_none_or(|wanted| wanted == is_ipxe))
    }
}

/// What an option's value looks like as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// IPv4 addresses between commas.
    Addresses,
    /// 0 or 1, or `false` or `true`.
    Flag,
    /// A number of 1, 2 or 4 octets. Of seconds, `infinite` is the largest.
    Number(u8),
    /// As it stands.
    Text,
    /// Domain names between commas (RFC 3397, RFC 1035 §3.1).
    Domains,
    /// Prefix, next hop, prefix, next hop, … between commas (RFC 3442).
    Routes,
    /// Octets as hexadecimal digits, perhaps between colons.
    Octets,
    /// Addresses or domain names, by a first octet (RFC 3361 §3).
    SipServers,
    /// Whatever the text looks like.
    Any,
}

use Kind::{Addresses, Domains, Flag, Number, Octets, Routes, SipServers, Text};

/// Number, names, kind. IANA's registry says more; these are dnsmasq's names and Neutron's.
const KNOWN: &[(u8, &[&str], Kind)] = &[
    (1, &["netmask"], Addresses),
    (2, &["time-offset"], Number(4)),
    (3, &["router"], Addresses),
    (4, &["time-server"], Addresses),
    (6, &["dns-server"], Addresses),
    (7, &["log-server"], Addresses),
    (9, &["lpr-server"], Addresses),
    (12, &["hostname"], Text),
    (13, &["boot-file-size"], Number(2)),
    (15, &["domain-name"], Text),
    (16, &["swap-server"], Addresses),
    (17, &["root-path"], Text),
    (18, &["extension-path"], Text),
    (19, &["ip-forward-enable"], Flag),
    (20, &["non-local-source-routing"], Flag),
    (21, &["policy-filter"], Addresses),
    (22, &["max-datagram-reassembly"], Number(2)),
    (23, &["default-ttl"], Number(1)),
    (26, &["mtu"], Number(2)),
    (27, &["all-subnets-local"], Flag),
    (28, &["broadcast"], Addresses),
    (31, &["router-discovery"], Flag),
    (32, &["router-solicitation"], Addresses),
    (33, &["static-route"], Addresses),
    (34, &["trailer-encapsulation"], Flag),
    (35, &["arp-timeout"], Number(4)),
    (36, &["ethernet-encap"], Flag),
    (37, &["tcp-ttl"], Number(1)),
    (38, &["tcp-keepalive"], Number(4)),
    (40, &["nis-domain"], Text),
    (41, &["nis-server"], Addresses),
    (42, &["ntp-server"], Addresses),
    (43, &["vendor-encap"], Octets),
    (44, &["netbios-ns"], Addresses),
    (45, &["netbios-dd"], Addresses),
    (46, &["netbios-nodetype"], Number(1)),
    (47, &["netbios-scope"], Text),
    (48, &["x-windows-fs"], Addresses),
    (49, &["x-windows-dm"], Addresses),
    (code::LEASE_TIME, &["lease-time"], Number(4)),
    (code::RENEWAL_TIME, &["t1"], Number(4)),
    (code::REBINDING_TIME, &["t2"], Number(4)),
    (60, &["vendor-class"], Text),
    (64, &["nis+-domain"], Text),
    (65, &["nis+-server"], Addresses),
    (code::TFTP_SERVER, &["tftp-server"], Text),
    (code::BOOT_FILE, &["bootfile-name", NOT_IPXE_BOOT_FILE], Text),
    (68, &["mobile-ip-home"], Addresses),
    (69, &["smtp-server"], Addresses),
    (70, &["pop3-server"], Addresses),
    (71, &["nntp-server"], Addresses),
    (74, &["irc-server"], Addresses),
    (code::USER_CLASS, &["user-class"], Text),
    (93, &["client-arch"], Number(2)),
    (94, &["client-interface-id"], Octets),
    (97, &["client-machine-id"], Octets),
    (100, &["posix-timezone"], Text),
    (101, &["tzdb-timezone"], Text),
    (108, &["ipv6-only"], Number(4)),
    (114, &["captive-portal"], Text),
    (119, &["domain-search"], Domains),
    (120, &["sip-server"], SipServers),
    (code::CLASSLESS_ROUTES, &["classless-static-route"], Routes),
    (125, &["vendor-id-encap"], Octets),
    (code::TFTP_SERVER_ADDRESS, &["tftp-server-address"], Addresses),
    (209, &["configuration-file"], Text),
    (210, &["path-prefix"], Text),
    (211, &["reboot-time"], Number(4)),
    (code::MICROSOFT_ROUTES, &["ms-classless-static-route"], Routes),
    (252, &["wpad"], Text),
    (NEXT_SERVER.1, &[NEXT_SERVER.0], Addresses),
];

/// Names of options that carry the protocol.
const PROTOCOL_NAMES: &[&str] = &["server-id", "client-id", "rapid-commit", "requested-address"];

/// Whether an option carries the protocol: what it says follows from the message and the port.
fn is_protocol(code: u8) -> bool {
    matches!(code, code::REQUESTED_ADDRESS | code::OVERLOAD..=code::MAXIMUM_SIZE)
        || matches!(code, code::CLIENT_IDENTIFIER | code::RAPID_COMMIT | code::RELAY_INFORMATION)
}

fn option(name: &str) -> Result<(u8, Kind), Refusal> {
    let name = name.trim().to_ascii_lowercase().replace('_', "-");
    if let Ok(code) = name.parse::<u8>() {
        let known = KNOWN.iter().find(|(known, ..)| *known == code);
        return match known {
            _ if is_protocol(code) => Err(Refusal::Protocol),
            None if code == code::PAD => Err(Refusal::Name),
            known => Ok((code, known.map_or(Kind::Any, |(_, _, kind)| *kind))),
        };
    }
    if PROTOCOL_NAMES.contains(&&name[..]) {
        return Err(Refusal::Protocol);
    }
    let known = KNOWN.iter().find(|(_, names, _)| names.contains(&&name[..]));
    known.map(|(code, _, kind)| (*code, *kind)).ok_or(Refusal::Name)
}

fn encode(kind: Kind, text: &str) -> Option<Vec<u8>> {
    let bare = value::bare(text);
    match kind {
        Kind::Text => Some(bare.as_bytes().to_vec()),
        Kind::Addresses => addresses(bare),
        Kind::Flag => match bare {
            "0" | "false" => Some(vec![0]),
            "1" | "true" => Some(vec![1]),
            _ => None,
        },
        Kind::Number(width) => number(bare, width),
        Kind::Domains => domains(bare),
        Kind::Routes => routes(bare),
        Kind::Octets => octets(bare),
        Kind::SipServers => match addresses(bare) {
            Some(addresses) => Some([vec![1], addresses].concat()),
            None => Some([vec![0], domains(bare)?].concat()),
        },
        Kind::Any => Some(value::any(bare, addresses(bare))),
    }
}

fn addresses(text: &str) -> Option<Vec<u8>> {
    let all: Option<Vec<Ipv4Addr>> = parts(text).map(|part| part.parse().ok()).collect();
    Some(all?.into_iter().flat_map(|address| address.octets()).collect())
}

fn routes(text: &str) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    let mut parts = parts(text);
    while let Some(destination) = parts.next() {
        let next_hop: Ipv4Addr = parts.next()?.parse().ok()?;
        let destination = destination
            .parse::<ipnet::Ipv4Net>()
            .or_else(|_| destination.parse::<Ipv4Addr>().map(ipnet::Ipv4Net::from))
            .ok()?;
        super::parameters::push_route(&mut value, destination.network(), destination.prefix_len(), next_hop);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, text: &str) -> Result<(u8, Vec<u8>), Refusal> {
        let mut extra = Extra::default();
        extra.add(name, text).map(|()| (extra.0[0].code, extra.0[0].value.clone()))
    }

    /// The names in `spec/dhcp_options.json`, which both of Neutron's drivers have.
    #[test]
    fn every_name_of_the_field_is_known_by_its_number() {
        let file =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/dhcp_options.json"));
        let spec: serde_json::Value = serde_json::from_str(&file.unwrap()).unwrap();
        let mut count = 0;
        for (name, number) in spec["dnsmasq_names_v4"].as_object().unwrap() {
            let code = number.as_u64().unwrap() as u8;
            let by_name = option(name).map(|(code, _)| code);
            let expected = if is_protocol(code) { Err(Refusal::Protocol) } else { Ok(code) };
            assert_eq!(
                (by_name, option(&code.to_string()).map(|(code, _)| code)),
                (expected, expected),
                "{name}"
            );
            count += 1;
        }
        for name in spec["ovn_supported_v4"].as_array().unwrap() {
            let name = name.as_str().unwrap();
            let found = option(name);
            assert!(
                found.is_ok_and(|(_, kind)| kind != Kind::Any) || found == Err(Refusal::Protocol),
                "{name}: {found:?}"
            );
            count += 1;
        }
        assert!(count > 100, "{count} names");
    }

    #[test]
    fn no_number_and_no_name_is_there_twice() {
        for (at, (code, names, _)) in KNOWN.iter().enumerate() {
            assert!(KNOWN[..at].iter().all(|(other, known, _)| other != code && known != names), "{code}");
            assert!(!is_protocol(*code), "{code}");
        }
    }

    #[test]
    fn values_are_written_as_their_kind_wants() {
        for (name, text, expected) in [
            ("ntp-server", "192.0.2.1, 192.0.2.2", (42, vec![192, 0, 2, 1, 192, 0, 2, 2])),
            ("42", "{192.0.2.1}", (42, vec![192, 0, 2, 1])),
            ("mtu", "9000", (26, vec![0x23, 0x28])),
            ("lease-time", "infinite", (51, vec![255; 4])),
            ("time-offset", "-3600", (2, vec![0xff, 0xff, 0xf1, 0xf0])),
            ("ip_forward_enable", "true", (19, vec![1])),
            ("T1", "60", (58, vec![0, 0, 0, 60])),
            ("bootfile-name", "\"pxelinux.0\"", (67, b"pxelinux.0".to_vec())),
            ("domain-search", "a.example,b", (119, b"\x01a\x07example\0\x01b\0".to_vec())),
            ("sip-server", "192.0.2.9", (120, vec![1, 192, 0, 2, 9])),
            (
                "classless-static-route",
                "10.0.0.0/8,192.0.2.1,192.0.2.7,0.0.0.0",
                (121, vec![8, 10, 192, 0, 2, 1, 32, 192, 0, 2, 7, 0, 0, 0, 0]),
            ),
            ("vendor-encap", "01:04:c0:00:02:01", (43, vec![1, 4, 192, 0, 2, 1])),
            ("224", "192.0.2.1", (224, vec![192, 0, 2, 1])),
            ("224", "0xdead", (224, vec![0xde, 0xad])),
            ("224", "300", (224, vec![1, 44])),
            ("224", "cafe", (224, b"cafe".to_vec())),
            ("router", "", (3, vec![])),
        ] {
            assert_eq!(value(name, text), Ok(expected), "{name} {text}");
        }
    }

    #[test]
    fn what_can_not_be_sent_is_refused_with_its_reason() {
        for (name, text, refusal) in [
            ("no-such-option", "1", Refusal::Name),
            ("0", "1", Refusal::Name),
            ("256", "1", Refusal::Name),
            ("server-id", "192.0.2.1", Refusal::Protocol),
            ("53", "1", Refusal::Protocol),
            ("tag:blue,67", "x", Refusal::Tag),
            ("tag:ipxe", "x", Refusal::Tag),
            ("ntp-server", "time.example", Refusal::Value),
            ("mtu", "65536", Refusal::Value),
            ("default-ttl", "-200", Refusal::Value),
            ("domain-search", "a..b", Refusal::Value),
            ("classless-static-route", "10.0.0.0/8", Refusal::Value),
            ("vendor-encap", "012", Refusal::Value),
            ("vendor-encap", "öx", Refusal::Value),
        ] {
            assert_eq!(value(name, text), Err(refusal), "{name} {text}");
        }
    }
}
