//! Who signs the certificates of nodes, and those by which servers know each other.

/// Signs certificates. Nothing here waits.
pub trait Authority: Send + Sync + 'static {
    /// A certificate for the public key of the request `csr` (PKCS #10, DER), whose own signature is verified, with `host`
    /// as common name, good for TLS clients only. Everything else in the request is ignored.
    fn issue(&self, csr: &[u8], host: &str) -> Result<Issued, SigningRefused>;

    /// A key and a certificate with which this server shows itself to the others: good for TLS clients and servers.
    fn server_identity(&self) -> Result<ServerIdentity, SigningRefused>;
}

/// What a server needs to ask another one; all PEM.
pub struct ServerIdentity {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// The authorities that servers' certificates come from.
    pub roots: String,
}

/// A certificate.
#[derive(Clone, Debug)]
pub struct Issued {
    /// DER, the leaf first.
    pub chain: Vec<Vec<u8>>,
    /// DER: what the node verifies servers with.
    pub ca: Vec<u8>,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub key_fingerprint: [u8; 32],
}

/// The request is not one, or its key is none that is accepted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the certificate request can't be signed: {0}")]
pub struct SigningRefused(pub String);
