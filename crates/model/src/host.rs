//! Hosts (machines that run a node) and the tokens with which they join.

use crate::{HostNumber, Timestamp};
use std::net::IpAddr;

/// A machine that runs the agent. It exists from its joining until an operator removes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// Name, unique; the value of a port's `binding:host_id` and the common name of its certificate.
    pub name: String,
    /// Number in the packet path.
    pub number: HostNumber,
    /// Underlay address (VTEP), IPv4 or IPv6; unique.
    pub underlay: IpAddr,
    /// SHA-256 of the SubjectPublicKeyInfo of the certificate in force; another key under the same name is refused.
    pub key_fingerprint: [u8; 32],
    /// When it joined.
    pub joined_at: Timestamp,
}

/// A one-time permission to join. It is deleted by its use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinToken {
    /// Public part, the key of the record.
    pub id: String,
    /// SHA-256 of the secret part.
    pub secret_sha256: [u8; 32],
    /// The host name that it is limited to, if any.
    pub host: Option<String>,
    /// When it ends.
    pub expires_at: Timestamp,
}
