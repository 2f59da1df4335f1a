//! Options of DHCPv6 that a port's owner sets (`extra_dhcp_opts` with `ip_version` 6), as [`crate::dhcp4::Extra`] is for DHCPv4.

use super::options::code;
use crate::value::{self, bare, domains, number, parts};
use std::net::Ipv6Addr;

pub use crate::dhcp4::Refusal;

/// Options that a port's owner sets. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    code: u16,
    /// Empty for an option that is not to be sent.
    value: Vec<u8>,
    /// Whether it is for clients that run iPXE, or for all others.
    is_for_ipxe: Option<bool>,
}

impl Extra {
    /// Adds an option by name or number, perhaps behind a tag (`tag:ipxe6,59`), with its value as text.
    ///
    /// # Errors
    /// It can't be sent; the others are.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let (is_for_ipxe, name) = match name.strip_prefix("tag:").and_then(|rest| rest.split_once(',')) {
            None if name.starts_with("tag:") => return Err(Refusal::Tag),
            None => (None, name),
            Some(("ipxe6" | "ipxe", name)) => (Some(true), name),
            Some(("!ipxe6" | "!ipxe", name)) => (Some(false), name),
            Some(_) => return Err(Refusal::Tag),
        };
        let (code, kind) = option(name)?;
        let value =
            if value.trim().is_empty() { Vec::new() } else { encode(kind, value).ok_or(Refusal::Value)? };
        self.0.push(Entry { code, value, is_for_ipxe });
        Ok(())
    }

    /// Numbers of the options for a client, rising, each once.
    pub(super) fn codes(&self, is_ipxe: bool) -> Vec<u16> {
        let mut codes: Vec<u16> = self.of(is_ipxe).map(|entry| entry.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    /// The value of an option for a client; empty when the option is not to be sent, `None` when it was not set.
    pub(super) fn value(&self, code: u16, is_ipxe: bool) -> Option<&[u8]> {
        // What is said for such clients beats what is said for all.
        let entries = self.of(is_ipxe).filter(|entry| entry.code == code);
        entries.max_by_key(|entry| entry.is_for_ipxe.is_some()).map(|entry| &entry.value[..])
    }

    fn of(&self, is_ipxe: bool) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(move |entry| entry.is_for_ipxe.is_none_or(|wanted| wanted == is_ipxe))
    }
}

/// What an option's value looks like as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// IPv6 addresses between commas.
    Addresses,
    /// Seconds, 4 octets.
    Seconds,
    /// As it stands.
    Text,
    /// Domain names between commas.
    Domains,
    /// Addresses or names, each as a suboption (RFC 5908 §4).
    TimeServers,
    /// Texts between commas, each behind its length (RFC 5970 §3.2).
    Parameters,
    /// Whatever the text looks like.
    Any,
}

/// Number, names, kind: dnsmasq's names and OVN's.
const KNOWN: &[(u16, &[&str], Kind)] = &[
    (21, &["sip-server-domain"], Kind::Domains),
    (22, &["sip-server"], Kind::Addresses),
    (code::DNS, &["dns-server"], Kind::Addresses),
    (code::DOMAIN, &["domain-search"], Kind::Domains),
    (27, &["nis-server"], Kind::Addresses),
    (28, &["nis+-server"], Kind::Addresses),
    (29, &["nis-domain"], Kind::Domains),
    (30, &["nis+-domain"], Kind::Domains),
    (31, &["sntp-server"], Kind::Addresses),
    (32, &["information-refresh-time"], Kind::Seconds),
    (41, &["posix-timezone"], Kind::Text),
    (42, &["tzdb-timezone"], Kind::Text),
    (code::NTP, &["ntp-server"], Kind::TimeServers),
    (code::BOOT_FILE, &["bootfile-url", "bootfile-name"], Kind::Text),
    (60, &["bootfile-param"], Kind::Parameters),
];

/// Names of options that carry the protocol.
const PROTOCOL_NAMES: &[&str] = &["server-id", "client-id", "ia-addr", "rapid-commit"];

/// Whether an option carries the protocol: what it says follows from the message and the port.
fn is_protocol(code: u16) -> bool {
    matches!(
        code,
        code::CLIENT_ID..=code::RELAY_MESSAGE
            | code::AUTHENTICATION..=code::RAPID_COMMIT
            | code::INTERFACE_ID..=code::RECONFIGURE_ACCEPT
            | code::IA_PD
            | code::PREFIX
    )
}

fn option(name: &str) -> Result<(u16, Kind), Refusal> {
    let name = name.trim().to_ascii_lowercase().replace('_', "-");
    if let Ok(code) = name.parse::<u16>() {
        let known = KNOWN.iter().find(|(known, ..)| *known == code);
        return match code {
            0 => Err(Refusal::Name),
            _ if is_protocol(code) => Err(Refusal::Protocol),
            _ => Ok((code, known.map_or(Kind::Any, |(_, _, kind)| *kind))),
        };
    }
    if PROTOCOL_NAMES.contains(&&name[..]) {
        return Err(Refusal::Protocol);
    }
    let known = KNOWN.iter().find(|(_, names, _)| names.contains(&&name[..]));
    known.map(|(code, _, kind)| (*code, *kind)).ok_or(Refusal::Name)
}

fn encode(kind: Kind, text: &str) -> Option<Vec<u8>> {
    let text = bare(text);
    match kind {
        Kind::Addresses => addresses(text),
        Kind::Seconds => number(text, 4),
        Kind::Text => Some(text.as_bytes().to_vec()),
        Kind::Domains => domains(text),
        Kind::TimeServers => {
            let mut value = Vec::new();
            for part in parts(text) {
                let (code, content) = match part.trim_matches(['[', ']']).parse::<Ipv6Addr>() {
                    Ok(address) => (if address.is_multicast() { 2 } else { 1 }, address.octets().to_vec()),
                    Err(_) => (3, crate::name::encode(part)?),
                };
                super::options::write(&mut value, code, &content);
            }
            Some(value)
        }
        Kind::Parameters => {
            let each = parts(text)
                .flat_map(|part| [&(part.len() as u16).to_be_bytes()[..], part.as_bytes()].concat());
            Some(each.collect())
        }
        Kind::Any => Some(value::any(text, addresses(text))),
    }
}

/// With or without brackets, as dnsmasq wants them.
fn addresses(text: &str) -> Option<Vec<u8>> {
    let all: Option<Vec<Ipv6Addr>> =
        parts(text).map(|part| part.trim_matches(['[', ']']).parse().ok()).collect();
    Some(all?.into_iter().flat_map(|address| address.octets()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_field_is_known_by_its_number() {
        let file =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/dhcp_options.json"));
        let spec: serde_json::Value = serde_json::from_str(&file.unwrap()).unwrap();
        for (name, number) in spec["dnsmasq_names_v6"].as_object().unwrap() {
            let code = number.as_u64().unwrap() as u16;
            assert_eq!(option(name).map(|(code, _)| code), Ok(code), "{name}");
            assert_eq!(option(name), option(&code.to_string()), "{name}");
        }
        for name in spec["ovn_supported_v6"].as_array().unwrap() {
            let found = option(name.as_str().unwrap());
            assert!(
                found.is_ok_and(|(_, kind)| kind != Kind::Any) || found == Err(Refusal::Protocol),
                "{name}"
            );
        }
    }

    #[test]
    fn values_are_written_as_their_kind_wants() {
        let address: [u8; 16] = "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets();
        for (name, text, expected) in [
            ("dns-server", "[2001:db8::1]", (23, address.to_vec())),
            ("bootfile-name", "tftp://[2001:db8::1]/x", (59, b"tftp://[2001:db8::1]/x".to_vec())),
            ("ntp-server", "2001:db8::1", (56, [&[0, 1, 0, 16], &address[..]].concat())),
            ("ntp-server", "a.b", (56, vec![0, 3, 0, 5, 1, b'a', 1, b'b', 0])),
            ("60", "a,bc", (60, vec![0, 1, b'a', 0, 2, b'b', b'c'])),
            ("32", "600", (32, vec![0, 0, 2, 88])),
            ("dns-server", "", (23, vec![])),
            ("900", "7", (900, vec![7])),
        ] {
            let mut extra = Extra::default();
            extra.add(name, text).unwrap();
            assert_eq!((extra.0[0].code, extra.0[0].value.clone()), expected, "{name} {text}");
        }
        for (name, text, refusal) in [
            ("dns-server", "192.0.2.1", Refusal::Value),
            ("mtu", "1500", Refusal::Name),
            ("5", "2001:db8::1", Refusal::Protocol),
            ("tag:red,59", "x", Refusal::Tag),
        ] {
            assert_eq!(Extra::default().add(name, text), Err(refusal), "{name}");
        }
    }
}
