//! A certificate authority of the test's own.

use hadron_server::nodes::{Authority, Issued, ServerIdentity, SigningRefused};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PublicKeyData,
};
use ring::digest::{SHA256, digest};
use rustls::pki_types::{CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use std::sync::Arc;
use tonic::transport::{Certificate, Identity};

pub struct TestAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A node's key and certificate.
#[derive(Clone)]
pub struct Credentials {
    pub key: String,
    pub chain: String,
}

impl Credentials {
    pub fn identity(&self) -> Identity {
        Identity::from_pem(&self.chain, &self.key)
    }
}

impl TestAuthority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = named("test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub fn root(&self) -> Certificate {
        Certificate::from_pem(self.certificate.pem())
    }

    pub fn server_tls(&self) -> Arc<rustls::ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            .allow_unauthenticated()
            .build()
            .unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        Arc::new(config)
    }

    /// Credentials of `host` that a server of this authority accepts at the TLS layer until they end.
    pub fn credentials(&self, host: &str, year_of_end: i32) -> (Credentials, [u8; 32]) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = named(host);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = rcgen::date_time_ymd(year_of_end, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (Credentials { key: key.serialize_pem(), chain: certificate.pem() }, fingerprint(&key))
    }
}

impl Authority for TestAuthority {
    fn issue(&self, csr: &[u8], host: &str) -> Result<Issued, SigningRefused> {
        let mut request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr))
            .map_err(|error| SigningRefused(error.to_string()))?;
        request.params = CertificateParams::new(vec![]).unwrap();
        request.params.distinguished_name = named(host);
        request.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = request.signed_by(&self.issuer).unwrap();
        Ok(Issued {
            chain: vec![certificate.der().to_vec()],
            ca: self.certificate.der().to_vec(),
            key_fingerprint: fingerprint(&request.public_key),
        })
    }

    fn server_identity(&self) -> Result<ServerIdentity, SigningRefused> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.distinguished_name = named("a server");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Ok(ServerIdentity { certificate, key: key.serialize_pem(), roots: self.certificate.pem() })
    }
}

/// A key and its PKCS #10 request, DER.
pub fn request() -> (KeyPair, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::new(vec![]).unwrap().serialize_request(&key).unwrap();
    (key, csr.der().to_vec())
}

/// What a reply's chain and the node's key make together.
pub fn from_reply(key: &KeyPair, chain: &[bytes::Bytes]) -> Credentials {
    use base64::Engine as _;
    let pem = |der: &bytes::Bytes| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    Credentials { key: key.serialize_pem(), chain: chain.iter().map(pem).collect() }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn fingerprint(key: &impl PublicKeyData) -> [u8; 32] {
    digest(&SHA256, &key.subject_public_key_info()).as_ref().try_into().unwrap()
}
