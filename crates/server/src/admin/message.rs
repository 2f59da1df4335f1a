//! What is said on the administration socket.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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

/// `hadron status`: hosts, ports, and what is not in force.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StatusView {
    /// Revision of the store.
    pub revision: u64,
    /// Every host.
    pub hosts: Vec<HostStatus>,
    /// How many ports have which status.
    pub ports: BTreeMap<String, usize>,
    /// Ports that are bound to a host and not active.
    pub not_in_force: Vec<PortTrouble>,
    /// How many more there are.
    pub left_out: usize,
    /// The server's audit log, if it keeps one.
    #[serde(default)]
    pub audit_log: Option<AuditStatus>,
}

/// An audit log in it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AuditStatus {
    /// Its file.
    pub path: PathBuf,
    /// Lines written since the server started.
    pub written: u64,
    /// Lines of requests that were left out since then, because too many waited.
    pub lost: u64,
    /// Why nothing can be written now; null if it can.
    pub trouble: Option<String>,
}

/// A host in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostStatus {
    /// Name.
    pub name: String,
    /// Whether its node is connected to this server.
    pub connected: bool,
    /// What its node says that it runs; empty if it was never connected to this server.
    pub version: String,
    /// When it was last heard, RFC 3339.
    pub last_heard: String,
    /// The revision up to which its rows are in force; of a host that is away, when it went.
    pub revision: u64,
    /// By how much that is behind the store.
    pub behind: u64,
    /// Rows that wait to be sent to it.
    pub waiting: usize,
    /// Ports bound to it.
    pub ports: usize,
    /// Those of them that are active.
    pub active: usize,
}

/// A port that is not in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PortTrouble {
    /// UUID.
    pub id: String,
    /// Name.
    pub name: String,
    /// Host that it is bound to.
    pub host: String,
    /// As the API shows it.
    pub status: String,
    /// Why, and what to do.
    pub why: String,
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

/// What an instance is to be told of itself. Every field may be left out.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstanceRequest {
    /// Its display name.
    pub name: String,
    /// Its host name; by default its display name.
    pub hostname: String,
    /// User data in Base64, at most 65,535 octets before.
    pub user_data: String,
    /// Its owner's own pairs.
    pub meta: BTreeMap<String, String>,
    /// The keys that may log in.
    pub keys: Vec<InstanceKeyRequest>,
    /// Its availability zone.
    pub availability_zone: String,
    /// Its place among those made by one request, from 0.
    pub launch_index: u32,
    /// Name of its flavor.
    pub instance_type: String,
    /// Id of its image.
    pub image_id: String,
    /// Names of its security groups.
    pub security_groups: Vec<String>,
    /// What the operator has for every instance.
    pub vendor_data: serde_json::Map<String, serde_json::Value>,
    /// What the operator's services have for it, by their names.
    pub vendor_data2: serde_json::Map<String, serde_json::Value>,
}

/// A key pair's public part.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceKeyRequest {
    /// Its name.
    pub name: String,
    /// `ssh` or `x509`.
    #[serde(rename = "type", default = "ssh")]
    pub kind: String,
    /// The key as text.
    pub data: String,
}

fn ssh() -> String {
    "ssh".to_owned()
}

/// What went wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) error: String,
}
