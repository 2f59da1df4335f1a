//! TLS of the listeners. What is presented and whom is trusted is decided at each handshake, so that certificates renew and
//! authorities rotate in a running process.

use super::certificate::{self, SERVER_LIFETIME_MS};
use super::ring::Ring;
use super::{Authority, TrustError};
use arc_swap::ArcSwapOption;
use hadron_model::Timestamp;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use std::sync::Arc;

impl Authority {
    /// For clients of the API and the identity service, who show a token and no certificate. `names` are the DNS names and
    /// addresses under which the server is reached.
    pub fn https_config(self: &Arc<Self>, names: &[String]) -> Result<Arc<ServerConfig>, TrustError> {
        let presenter = Presenter::new(self.clone(), names)?;
        let builder =
            ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(presenter));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// For nodes: a certificate is verified if one is shown; a client without one may only join. TLS 1.3, and every
    /// connection shakes hands in full: a resumed session would skip the verification.
    pub fn node_listener_config(self: &Arc<Self>, names: &[String]) -> Result<Arc<ServerConfig>, TrustError> {
        let presenter = Presenter::new(self.clone(), names)?;
        let verifier = NodeVerifier::new(self.clone())?;
        let versions = [&rustls::version::TLS13];
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&versions)?;
        let mut config =
            builder.with_client_cert_verifier(Arc::new(verifier)).with_cert_resolver(Arc::new(presenter));
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Presents a certificate of the server, and makes another one in time.
struct Presenter {
    authority: Arc<Authority>,
    names: Vec<String>,
    presented: ArcSwapOption<Presented>,
}

struct Presented {
    certificate: Arc<CertifiedKey>,
    signed_by: Arc<Ring>,
    renew_at: Timestamp,
}

impl Presenter {
    fn new(authority: Arc<Authority>, names: &[String]) -> Result<Self, TrustError> {
        let presenter = Self { authority, names: names.to_owned(), presented: ArcSwapOption::empty() };
        presenter.certificate(Timestamp::now())?;
        Ok(presenter)
    }

    /// The certificate in force: a new one after two thirds of its lifetime and when another authority signs.
    fn certificate(&self, now: Timestamp) -> Result<Arc<CertifiedKey>, TrustError> {
        let ring = self.authority.ring();
        let presented = self.presented.load_full();
        let is_good =
            |presented: &Presented| now < presented.renew_at && Arc::ptr_eq(&presented.signed_by, &ring);
        if let Some(presented) = presented.filter(|presented| is_good(presented)) {
            return Ok(presented.certificate.clone());
        }
        let certificate = Arc::new(self.make(&ring, now)?);
        let renew_at = Timestamp(now.0 + SERVER_LIFETIME_MS * 2 / 3);
        let presented = Presented { certificate: certificate.clone(), signed_by: ring, renew_at };
        self.presented.store(Some(Arc::new(presented)));
        Ok(certificate)
    }

    fn make(&self, ring: &Ring, now: Timestamp) -> Result<CertifiedKey, TrustError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let leaf = ring.sign(&certificate::server(&self.names, now)?, &key)?;
        let chain = std::iter::once(leaf).chain(ring.links()).collect();
        let key = any_ecdsa_type(&PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
        Ok(CertifiedKey::new(chain, key))
    }
}

impl ResolvesServerCert for Presenter {
    fn resolve(&self, _: ClientHello) -> Option<Arc<CertifiedKey>> {
        self.certificate(Timestamp::now())
            .inspect_err(
                |error| tracing::error!(%error, "no certificate for the server; the last one stays in use"),
            )
            .ok()
            .or_else(|| Some(self.presented.load_full()?.certificate.clone()))
    }
}

impl std::fmt::Debug for Presenter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Presenter({:?})", self.names)
    }
}

/// Verifies certificates of nodes against the authorities of the moment.
struct NodeVerifier {
    authority: Arc<Authority>,
    /// The verifier made last, and from what.
    last: ArcSwapOption<(Arc<Ring>, Arc<dyn ClientCertVerifier>)>,
}

impl NodeVerifier {
    fn new(authority: Arc<Authority>) -> Result<Self, TrustError> {
        let verifier = Self { authority, last: ArcSwapOption::empty() };
        verifier.current()?;
        Ok(verifier)
    }

    fn current(&self) -> Result<Arc<dyn ClientCertVerifier>, TrustError> {
        let ring = self.authority.ring();
        let last = self.last.load_full();
        if let Some((_, verifier)) = last.as_deref().filter(|last| Arc::ptr_eq(&last.0, &ring)) {
            return Ok(verifier.clone());
        }
        let mut roots = RootCertStore::empty();
        for root in ring.roots() {
            roots.add(root)?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let verifier = verifier.allow_unauthenticated().build()?;
        self.last.store(Some(Arc::new((ring, verifier.clone()))));
        Ok(verifier)
    }

    fn for_handshake(&self) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
        self.current().map_err(|error| rustls::Error::General(error.to_string()))
    }
}

impl ClientCertVerifier for NodeVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.for_handshake()?.verify_client_cert(certificate, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.for_handshake()?.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

impl std::fmt::Debug for NodeVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeVerifier")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadron_store::Store;

    #[tokio::test]
    async fn a_servers_certificate_is_renewed_in_time_and_after_a_rotation() {
        let store = Store::in_memory().await;
        let authority = Arc::new(Authority::open(&store).await.unwrap());
        let presenter = Presenter::new(authority.clone(), &["cloud.test".to_owned()]).unwrap();
        let now = Timestamp::now();
        let first = presenter.certificate(now).unwrap();
        assert!(Arc::ptr_eq(&first, &presenter.certificate(now).unwrap()));
        let later = Timestamp(now.0 + SERVER_LIFETIME_MS * 3 / 4);
        let second = presenter.certificate(later).unwrap();
        assert_ne!(first.cert[0], second.cert[0]);
        authority.rotate().await.unwrap();
        let third = presenter.certificate(later).unwrap();
        assert_ne!(second.cert[0], third.cert[0]);
        assert_eq!(
            (second.cert.len(), third.cert.len()),
            (1, 2),
            "the link to the old authority comes along"
        );
    }
}
