//! Who is at the other end of a connection, by its certificate.

use hadron_model::Timestamp;
use ring::digest::{SHA256, digest};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The holder of a certificate that the TLS layer has verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The common name: the host's.
    pub host: String,
    /// Whether it is no node but another server of the cloud: its certificate is good for TLS servers too.
    pub is_server: bool,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub key_fingerprint: [u8; 32],
    /// When the certificate ends.
    pub not_after: Timestamp,
}

/// A certificate that is none, or names nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the certificate is not X.509 with one common name; join again to get one from this cloud")]
pub struct BadCertificate;

impl Peer {
    /// Reads a verified certificate (DER).
    pub fn of(certificate: &[u8]) -> Result<Self, BadCertificate> {
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| BadCertificate)?;
        let mut names = certificate.subject().iter_common_name();
        let (Some(name), None) = (names.next(), names.next()) else { return Err(BadCertificate) };
        let usage = certificate.extended_key_usage().map_err(|_| BadCertificate)?;
        let is_server = usage.is_some_and(|usage| usage.value.server_auth);
        let key_fingerprint = digest(&SHA256, certificate.public_key().raw).as_ref().try_into();
        Ok(Self {
            host: name.as_str().map_err(|_| BadCertificate)?.to_owned(),
            is_server,
            key_fingerprint: key_fingerprint.map_err(|_| BadCertificate)?,
            not_after: Timestamp(certificate.validity().not_after.timestamp().saturating_mul(1000)),
        })
    }

    /// Whether the certificate has ended.
    pub fn has_expired(&self) -> bool {
        self.not_after < Timestamp::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_names_nobody() {
        for bytes in [&b""[..], b"not a certificate", &[0x30, 0x82, 0xff, 0xff]] {
            assert_eq!(Peer::of(bytes), Err(BadCertificate));
        }
    }
}
