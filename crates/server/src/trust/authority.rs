//! The certificate authority.

use super::certificate;
use super::ring::{Ring, SECRET_NAME};
use crate::nodes::{Issued, Peer, ServerIdentity, SigningRefused};
use arc_swap::ArcSwap;
use hadron_model::Timestamp;
use hadron_model::identity::Secret;
use hadron_store::{CommitInfo, Store, Stored};
use hadron_wire::ticket::pem;
use rcgen::{
    CertificateSigningRequestParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    PublicKeyData,
};
use rustls_pki_types::CertificateSigningRequestDer;
use std::sync::Arc;

/// Longest request for a certificate that is looked at, bytes.
const MAX_REQUEST: usize = 8 * 1024;

/// Keys or certificates that can't be made or read.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A key or certificate can't be made.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refuses a certificate or key.
    #[error("TLS could not be set up")]
    Tls(#[from] rustls::Error),
    /// The verifier of client certificates can't be built.
    #[error("the verifier of nodes' certificates could not be set up")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// The store's record is not an authority.
    #[error("the store's certificate authority can't be read; restore a backup")]
    Damaged,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// A node's request is none, or is too large, or its key is of another kind.
    #[error("{0}")]
    Request(&'static str),
    /// The store refuses a write.
    #[error("the store")]
    Store(#[from] hadron_store::StoreError),
    /// A ticket can't be kept.
    #[error("the ticket could not be kept")]
    Ticket(#[from] hadron_control::Error),
}

/// The cloud's certificate authority: P-256, made by the first server that starts, the same on all servers. What the store
/// says of it is looked at before each use, so that a rotation is in force everywhere at once.
pub struct Authority {
    store: Store,
    current: ArcSwap<(Arc<Stored<Secret>>, Arc<Ring>)>,
}

impl Authority {
    /// The store's authority; a new one if it has none. Two servers that start at once on one store agree on one.
    pub async fn open(store: &Store) -> Result<Self, TrustError> {
        let fresh = Ring::first(Timestamp::now())?.to_secret();
        let kept = store.write(CommitInfo::system(), |tx| {
            if tx.get::<Secret>(&SECRET_NAME.to_owned()).is_none() {
                tx.put(fresh.clone());
            }
            Ok::<_, TrustError>(())
        });
        kept.await?;
        let secret = record(store).ok_or(TrustError::Damaged)?;
        let ring = Arc::new(Ring::read(&secret)?);
        Ok(Self { store: store.clone(), current: ArcSwap::from_pointee((secret, ring)) })
    }

    /// A new authority signs from now on. The one before stays trusted, and the certificates that it has signed stay good.
    /// Clients of the API need the new `ca.pem` within 30 days, when the last server certificate of the old one has ended;
    /// nodes get the new one with their next certificate.
    pub async fn rotate(&self) -> Result<(), TrustError> {
        let rotate = |tx: &mut hadron_store::Tx| {
            let secret = tx.get::<Secret>(&SECRET_NAME.to_owned()).ok_or(TrustError::Damaged)?;
            let ring = Ring::read(&secret)?.rotated(tx.info().time)?;
            tx.put(ring.to_secret());
            Ok::<_, TrustError>(())
        };
        self.store.write(CommitInfo::system(), rotate).await?;
        tracing::warn!("a new certificate authority signs from now on");
        Ok(())
    }

    /// The certificates of the authorities to trust, PEM, the one that signs first.
    pub fn ca_pem(&self) -> String {
        self.ring().roots_pem()
    }

    /// When the authority that signs ends; rotate it well before.
    pub fn ends_at(&self) -> Timestamp {
        self.ring().ends_at()
    }

    /// The authorities as the store has them now. A record that can't be read leaves the last ones in force.
    pub(super) fn ring(&self) -> Arc<Ring> {
        let (seen, ring) = &**self.current.load();
        let Some(secret) = record(&self.store).filter(|secret| !Arc::ptr_eq(secret, seen)) else {
            return ring.clone();
        };
        match Ring::read(&secret) {
            Ok(newer) => {
                let newer = Arc::new(newer);
                self.current.store(Arc::new((secret, newer.clone())));
                newer
            }
            Err(error) => {
                tracing::error!(%error, "the certificate authority in the store can't be used");
                ring.clone()
            }
        }
    }

    fn asking_server(&self, now: Timestamp) -> Result<ServerIdentity, TrustError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let ring = self.ring();
        let certificate = ring.sign(&certificate::asking_server(now)?, &key)?;
        let (certificate, key) = (pem(&certificate), key.serialize_pem());
        Ok(ServerIdentity { certificate, key, roots: ring.roots_pem() })
    }

    fn sign_node(&self, csr: &[u8], host: &str, now: Timestamp) -> Result<Issued, TrustError> {
        if csr.len() > MAX_REQUEST {
            return Err(TrustError::Request("the certificate request is too large"));
        }
        // Reading it also verifies its signature: whoever asks has the private key.
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr))?;
        let key = &request.public_key;
        let accepted = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519];
        if !accepted.contains(&PublicKeyData::algorithm(key)) {
            return Err(TrustError::Request("the key is neither ECDSA P-256, P-384 nor Ed25519"));
        }
        let ring = self.ring();
        let certificate = ring.sign(&certificate::node(host, now)?, key)?;
        let peer =
            Peer::of(&certificate).map_err(|_| TrustError::Request("the host name can't be certified"))?;
        Ok(Issued {
            chain: vec![certificate.to_vec()],
            ca: ring.signing_root().to_vec(),
            key_fingerprint: peer.key_fingerprint,
        })
    }
}

/// Why nothing is signed, in a sentence.
fn refused(error: TrustError) -> SigningRefused {
    match error {
        TrustError::Certificate(cause) => SigningRefused(cause.to_string()),
        other => SigningRefused(other.to_string()),
    }
}

fn record(store: &Store) -> Option<Arc<Stored<Secret>>> {
    store.snapshot().get::<Secret>(&SECRET_NAME.to_owned()).cloned()
}

impl crate::nodes::Authority for Authority {
    fn issue(&self, csr: &[u8], host: &str) -> Result<Issued, SigningRefused> {
        self.sign_node(csr, host, Timestamp::now()).map_err(refused)
    }

    fn server_identity(&self) -> Result<ServerIdentity, SigningRefused> {
        self.asking_server(Timestamp::now()).map_err(refused)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(…)")
    }
}
