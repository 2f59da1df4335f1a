//! Hosts (machines that run a node) and the tokens with which they join.

use crate::{HostNumber, Segment, Timestamp};
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
    /// The physical networks that it has an interface to, as its node says; sorted.
    pub physical_networks: Vec<String>,
    /// When it joined.
    pub joined_at: Timestamp,
}

impl Host {
    /// Whether frames of the segment can come to it: not those of a physical network that it has no interface to, nor those of tunnels
    /// that hosts don't speak.
    pub fn reaches(&self, segment: &Segment) -> bool {
        *segment != Segment::None
            && segment.tunnel().is_none()
            && segment.physical().is_none_or(|physical| self.physical_networks.contains(&physical.network))
    }
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
