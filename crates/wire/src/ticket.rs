//! The join ticket: one line of text with all that a machine needs to become a node.
//!
//! ```text
//! hadron-join- base64url( protobuf(server, CA certificates, token id, token secret) ‖ CRC-32, big-endian )
//! ```
//!
//! The certificates of the authority travel in the ticket, so the machine verifies the server *before* it shows the secret
//! or its signing request. Whoever copies the line is the trusted channel; the checksum only finds a line cut short or
//! mistyped. Blanks and line breaks in a pasted ticket are ignored.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use prost::Message as _;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::fmt;
use std::str::FromStr;

/// What every ticket begins with.
pub const PREFIX: &str = "hadron-join-";

/// The longest text that is looked at, in bytes: some ten certificates.
const MAX_LENGTH: usize = 16 * 1024;

/// The contents of a join ticket. [`fmt::Display`] writes the line, [`FromStr`] reads it; `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinTicket {
    /// Addresses of the servers' node listeners, `host:port` with commas between them; IPv6 addresses in brackets.
    pub server: String,
    /// The certificates of the authorities to trust, PEM, at least one.
    pub ca_pem: String,
    /// Public part of the one-time token, the key of its record in the store.
    pub id: String,
    /// Secret part of the one-time token; the store has only its hash.
    pub secret: String,
}

/// Why a line is not a join ticket.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TicketError {
    /// It doesn't begin as one.
    #[error("this is not a join ticket: one begins with \"{PREFIX}\"; make one on the server")]
    NotATicket,
    /// It begins as one, but a part is missing or changed.
    #[error("the join ticket is damaged ({0}); copy the whole line again")]
    Damaged(&'static str),
}

/// The ticket on the wire. Field numbers are never reused.
#[derive(Clone, PartialEq, prost::Message)]
struct Contents {
    #[prost(string, tag = "1")]
    server: String,
    #[prost(bytes = "vec", repeated, tag = "2")]
    authorities: Vec<Vec<u8>>,
    #[prost(string, tag = "3")]
    id: String,
    #[prost(string, tag = "4")]
    secret: String,
}

/// The addresses in [`JoinTicket::server`].
pub fn servers(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|server| !server.is_empty()).collect()
}

impl JoinTicket {
    /// The authorities' certificates, DER. Those that can't be read are left out.
    pub fn authorities(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.ca_pem.as_bytes()).filter_map(Result::ok).collect()
    }
}

impl fmt::Display for JoinTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contents = Contents {
            server: self.server.clone(),
            authorities: self.authorities().iter().map(|der| der.to_vec()).collect(),
            id: self.id.clone(),
            secret: self.secret.clone(),
        };
        let mut bytes = contents.encode_to_vec();
        bytes.extend_from_slice(&crc32(&bytes).to_be_bytes());
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl fmt::Debug for JoinTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinTicket(server {}, token {})", self.server, self.id)
    }
}

impl FromStr for JoinTicket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        if text.len() > MAX_LENGTH {
            return Err(TicketError::Damaged("too long"));
        }
        let text: String = text.split_whitespace().collect();
        let encoded = text.strip_prefix(PREFIX).ok_or(TicketError::NotATicket)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TicketError::Damaged("not base64url"))?;
        let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(TicketError::Damaged("too short"))?;
        if crc32(body) != u32::from_be_bytes(*checksum) {
            return Err(TicketError::Damaged("checksum"));
        }
        let contents = Contents::decode(body).map_err(|_| TicketError::Damaged("not a message"))?;
        if [&contents.server, &contents.id, &contents.secret].iter().any(|part| part.is_empty()) {
            return Err(TicketError::Damaged("a part is missing"));
        }
        if contents.authorities.is_empty() {
            return Err(TicketError::Damaged("no certificate"));
        }
        let ca_pem = contents.authorities.iter().map(|der| pem(der)).collect();
        Ok(Self { server: contents.server, ca_pem, id: contents.id, secret: contents.secret })
    }
}

/// A certificate as PEM (RFC 7468 §5).
pub fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

/// CRC-32 as in IEEE 802.3 (reflected, polynomial 0x04C11DB7).
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticket() -> JoinTicket {
        JoinTicket {
            server: "[2001:db8::1]:9797".into(),
            ca_pem: pem(&[7; 400]) + &pem(&[9; 401]),
            id: "0123456789abcdef".into(),
            secret: "s3cret".into(),
        }
    }

    #[test]
    fn crc_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn there_and_back_is_the_same() {
        let text = ticket().to_string();
        assert_eq!(text.parse(), Ok(ticket()));
        assert_eq!(ticket().authorities().len(), 2);
        let wrapped = format!("  {}\n  {}\n", &text[..40], &text[40..]);
        assert_eq!(wrapped.parse(), Ok(ticket()));
    }

    #[test]
    fn debug_hides_the_secret() {
        assert!(!format!("{:?}", ticket()).contains("s3cret"));
    }

    #[test]
    fn other_text_is_refused() {
        assert_eq!("".parse::<JoinTicket>(), Err(TicketError::NotATicket));
        assert_eq!("hadron-join-".parse::<JoinTicket>(), Err(TicketError::Damaged("too short")));
        let no_secret = JoinTicket { secret: String::new(), ..ticket() };
        assert_eq!(
            no_secret.to_string().parse::<JoinTicket>(),
            Err(TicketError::Damaged("a part is missing"))
        );
        let no_ca = JoinTicket { ca_pem: String::new(), ..ticket() };
        assert_eq!(no_ca.to_string().parse::<JoinTicket>(), Err(TicketError::Damaged("no certificate")));
    }

    proptest! {
        #[test]
        fn one_changed_character_is_found(at in PREFIX.len()..600usize, to in "[A-Za-z0-9_-]") {
            let mut text = ticket().to_string();
            prop_assume!(&text[at..=at] != to.as_str());
            text.replace_range(at..=at, &to);
            prop_assert!(text.parse::<JoinTicket>().is_err());
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<JoinTicket>();
            let _ = format!("{PREFIX}{text}").parse::<JoinTicket>();
        }
    }
}
