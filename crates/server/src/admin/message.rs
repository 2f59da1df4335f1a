//! What is said on the administration socket.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// Asks for a ticket with which one node may join.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TicketRequest {
    /// The host name that it is limited to.
    pub name: Option<String>,
    /// Seconds until it ends.
    pub lifetime: u64,
}

/// A ticket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TicketReply {
    /// The text that `hadron agent --join` takes.
    pub ticket: String,
}

/// A host as an operator sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostView {
    /// Name.
    pub name: String,
    /// Underlay address.
    pub underlay: IpAddr,
    /// When it joined, RFC 3339.
    pub joined_at: String,
    /// Ports bound to it.
    pub ports: usize,
    /// Whether its node is connected to this server.
    pub connected: bool,
    /// The revision up to which its node holds everything, 0 while it is not connected.
    pub revision: u64,
}

/// Asks for a copy of the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackupRequest {
    /// File on the server's machine, absolute; must not exist.
    pub path: PathBuf,
}

/// A new certificate authority.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorityReply {
    /// File on the server's machine with the certificates that clients are to trust.
    pub ca_file: PathBuf,
    /// When it ends, RFC 3339.
    pub ends_at: String,
}

/// The administrator's new password. It has no `Debug`, which could reach a log.
#[derive(Clone, Serialize, Deserialize)]
pub struct PasswordReply {
    /// The password, kept nowhere else.
    pub password: String,
}

/// What went wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) error: String,
}
