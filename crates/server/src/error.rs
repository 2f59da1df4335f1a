//! Why a server could not start or go on.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A failure of the process as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The state directory can't be made or used.
    #[error("the state directory {path} can't be used")]
    StateDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another server works in the state directory.
    #[error("another server uses the state directory {path}; give each its own")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A listener's address is taken or not this machine's.
    #[error("can't listen for {what} on {address}; is another server running?")]
    Listen {
        /// The service.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A listener ended.
    #[error("the listener for {what} ended")]
    Ended {
        /// The service.
        what: &'static str,
    },
    /// The store can't be opened or written.
    #[error("the store")]
    Store(#[from] hadron_store::StoreError),
    /// The embedded identity can't be prepared.
    #[error("the identity service")]
    Identity(#[from] hadron_cloud::identity::IdentityError),
    /// An operation that a starting server completes has failed.
    #[error("recovery of interrupted operations")]
    Recovery(#[from] hadron_control::Error),
    /// The Keystone's configuration can't be used.
    #[error("Keystone")]
    Keystone(#[from] hadron_cloud::keystone::KeystoneError),
    /// A signal can't be waited for.
    #[error("signals")]
    Signal(#[source] std::io::Error),
    /// An operator's policy.
    #[error("the policy")]
    Policy(#[from] hadron_api::policy::PolicyError),
    /// The audit log can't be opened.
    #[error("the audit log {path} can't be opened")]
    Audit {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Keys or certificates.
    #[error("certificates")]
    Trust(#[from] crate::trust::TrustError),
}
