//! Why Keystone could not tell.

use std::path::PathBuf;

/// A fault between Keystone and us. The texts are shown to clients, so they hold no addresses or names.
#[derive(Debug, thiserror::Error)]
pub enum KeystoneError {
    /// The address is none.
    #[error("the address of Keystone {url:?} can't be used; it is http:// or https:// with a host")]
    Url {
        /// The address.
        url: String,
    },
    /// The file of certificate authorities can't be used.
    #[error("the certificate authorities for Keystone in {path} can't be read")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing can be trusted.
    #[error("no certificate authority for Keystone is known; name a file of them")]
    NoAuthority,
    /// TLS can't be set up.
    #[error("TLS to Keystone can't be set up")]
    Tls(#[from] rustls::Error),
    /// No connection, or one that broke.
    #[error("the identity service can't be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("the identity service does not answer in time")]
    Slow,
    /// Too many requests wait for it already.
    #[error("the identity service is asked more than it can answer")]
    Overloaded,
    /// An answer of an unexpected status.
    #[error("the identity service answered {what} with status {status}")]
    Status {
        /// Its status.
        status: u16,
        /// What was asked.
        what: &'static str,
    },
    /// An answer that is not of the Identity API v3.
    #[error("the identity service's answer to {what} is not of the Identity API v3")]
    Garbage {
        /// What was asked.
        what: &'static str,
    },
    /// There is no version 3.
    #[error("the identity service does not offer version 3 of its API")]
    NoVersion,
    /// The service user's name or password are wrong.
    #[error("the identity service refuses the network service's user; its name or password is wrong")]
    Credentials,
    /// The service user has no role that may validate tokens.
    #[error("the network service's user may not validate tokens; it needs the role service or admin")]
    NotAllowed,
    /// A token that was just made is refused.
    #[error("the identity service refuses the token that it gave to the network service")]
    ServiceToken,
}
