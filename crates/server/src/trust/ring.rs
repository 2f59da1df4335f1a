//! The authorities of the store: the one that signs, and those before it that are still trusted.

use super::TrustError;
use super::certificate::{self, AUTHORITY_LIFETIME_MS, NODE_LIFETIME_MS};
use hadron_model::Timestamp;
use hadron_model::identity::Secret;
use hadron_wire::ticket::pem;
use prost::Message as _;
use rcgen::{CertificateParams, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// Name of the record.
pub(super) const SECRET_NAME: &str = "trust/authorities";

/// How long an authority outlives the last certificate that it has signed: clocks differ.
const MARGIN_MS: i64 = 24 * 3600 * 1000;

#[derive(Clone, PartialEq, prost::Message)]
struct RingMessage {
    /// The oldest first; the last one signs.
    #[prost(message, repeated, tag = "1")]
    authorities: Vec<AuthorityMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AuthorityMessage {
    /// DER, self-signed.
    #[prost(bytes = "vec", tag = "1")]
    certificate: Vec<u8>,
    /// PKCS #8.
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
    /// DER: the same name and key, signed by the predecessor. Empty if there was none.
    #[prost(bytes = "vec", tag = "3")]
    link: Vec<u8>,
    /// Milliseconds since the epoch.
    #[prost(int64, tag = "4")]
    created_at: i64,
}

/// The authorities, ready for use.
pub(super) struct Ring {
    message: RingMessage,
    issuer: Issuer<'static, KeyPair>,
}

impl Ring {
    /// A first authority.
    pub(super) fn first(now: Timestamp) -> Result<Self, TrustError> {
        let first = new_authority(None, now)?;
        Self::of(RingMessage { authorities: vec![first] })
    }

    pub(super) fn read(secret: &Secret) -> Result<Self, TrustError> {
        Self::of(RingMessage::decode(secret.value.as_slice()).map_err(|_| TrustError::Damaged)?)
    }

    fn of(message: RingMessage) -> Result<Self, TrustError> {
        let signing = message.authorities.last().ok_or(TrustError::Damaged)?;
        let key = PrivatePkcs8KeyDer::from(signing.key.as_slice());
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256)?;
        let issuer = Issuer::from_ca_cert_der(&signing.certificate.as_slice().into(), key)?;
        Ok(Self { message, issuer })
    }

    /// The ring with a new authority that signs from now on, linked to the one that signed so far. Those before go when no
    /// certificate of theirs can be in force.
    pub(super) fn rotated(&self, now: Timestamp) -> Result<Self, TrustError> {
        let next = new_authority(Some(&self.issuer), now)?;
        let mut authorities = self.message.authorities.clone();
        let successors = authorities.iter().skip(1).map(|next| next.created_at).chain([now.0]);
        let is_needed: Vec<_> =
            successors.map(|succeeded| succeeded + NODE_LIFETIME_MS + MARGIN_MS > now.0).collect();
        let mut is_needed = is_needed.into_iter();
        authorities.retain(|_| is_needed.next().unwrap_or(true));
        authorities.push(next);
        Self::of(RingMessage { authorities })
    }

    pub(super) fn to_secret(&self) -> Secret {
        Secret { name: SECRET_NAME.to_owned(), value: self.message.encode_to_vec() }
    }

    /// The certificates of all authorities, the one that signs first.
    pub(super) fn roots(&self) -> impl Iterator<Item = CertificateDer<'static>> {
        let newest_first = self.message.authorities.iter().rev();
        newest_first.map(|authority| authority.certificate.clone().into())
    }

    /// The same, PEM.
    pub(super) fn roots_pem(&self) -> String {
        self.roots().map(|root| pem(&root)).collect()
    }

    /// The certificate of the authority that signs, DER.
    pub(super) fn signing_root(&self) -> &[u8] {
        self.message.authorities.last().map(|authority| authority.certificate.as_slice()).unwrap_or_default()
    }

    /// What lets a peer that knows an older authority find the way to the one that signs, nearest first.
    pub(super) fn links(&self) -> impl Iterator<Item = CertificateDer<'static>> {
        let newest_first = self.message.authorities.iter().rev();
        let links = newest_first.map(|authority| authority.link.clone()).filter(|link| !link.is_empty());
        links.map(CertificateDer::from)
    }

    /// When the authority that signs ends.
    pub(super) fn ends_at(&self) -> Timestamp {
        let created = self.message.authorities.last().map_or(0, |authority| authority.created_at);
        Timestamp(created.saturating_add(AUTHORITY_LIFETIME_MS))
    }

    /// Signs.
    pub(super) fn sign(
        &self,
        params: &CertificateParams,
        key: &impl PublicKeyData,
    ) -> Result<CertificateDer<'static>, TrustError> {
        Ok(params.signed_by(key, &self.issuer)?.der().clone())
    }
}

/// A new authority, with a link from its `predecessor`.
fn new_authority(
    predecessor: Option<&Issuer<'static, KeyPair>>,
    now: Timestamp,
) -> Result<AuthorityMessage, TrustError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let params = certificate::authority(now)?;
    let link = predecessor.map(|predecessor| params.signed_by(&key, predecessor)).transpose()?;
    Ok(AuthorityMessage {
        certificate: params.self_signed(&key)?.der().to_vec(),
        key: key.serialize_der(),
        link: link.map(|link| link.der().to_vec()).unwrap_or_default(),
        created_at: now.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(ring: &Ring) -> Vec<i64> {
        ring.message.authorities.iter().map(|authority| authority.created_at).collect()
    }

    #[test]
    fn an_authority_goes_when_its_last_certificate_has_ended() {
        let start = 1_700_000_000_000;
        let lifetime = NODE_LIFETIME_MS;
        let ring = Ring::first(Timestamp(start)).unwrap().rotated(Timestamp(start + 1)).unwrap();
        assert_eq!(created(&ring), [start, start + 1]);
        let soon = ring.rotated(Timestamp(start + lifetime)).unwrap();
        assert_eq!(created(&soon), [start, start + 1, start + lifetime]);
        let late = start + 1 + lifetime + MARGIN_MS;
        assert_eq!(created(&ring.rotated(Timestamp(late)).unwrap()), [start + 1, late]);
    }

    #[test]
    fn what_is_stored_is_what_is_read() {
        let ring = Ring::first(Timestamp::now()).unwrap().rotated(Timestamp::now()).unwrap();
        let read = Ring::read(&ring.to_secret()).unwrap();
        assert_eq!(read.roots().collect::<Vec<_>>(), ring.roots().collect::<Vec<_>>());
        assert_eq!((read.roots().count(), read.links().count()), (2, 1));
        let damaged = Secret { name: SECRET_NAME.into(), value: vec![1, 2, 3] };
        assert!(matches!(Ring::read(&damaged), Err(TrustError::Damaged)));
    }
}
