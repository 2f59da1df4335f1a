//! What an operator wants to know of a node.

use crate::cache::Position;
use crate::connections::Sweep;
use crate::plane::TableStatus;
use crate::sync::outbox::PortState;
use std::collections::BTreeMap;

/// What the node's loop knows, as of its last pass.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Rows that are held.
    pub rows: usize,
    /// How far they are complete; `None` before the first snapshot.
    pub position: Option<Position>,
    /// Entries of the packet path that are not as they should be.
    pub pending: usize,
    /// Why there is no overlay, if there is none.
    pub overlay_error: Option<String>,
    /// Tables with less than a tenth of room.
    pub nearly_full: Vec<&'static str>,
    /// How full the tables were when it was last looked.
    pub tables: Vec<TableStatus>,
}

/// A node at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The host's name.
    pub host: String,
    /// Whether a stream to the server is up.
    pub is_connected: bool,
    /// Streams since the process began.
    pub connections: u64,
    /// Why the last stream ended or didn't begin; empty if none did.
    pub last_error: String,
    /// The loop.
    pub summary: Summary,
    /// Each port of the host, by number.
    pub ports: BTreeMap<u32, PortState>,
    /// Ports with a DHCP lease.
    pub leases: usize,
    /// Questions of instances: protocol, outcome and how often.
    pub services: Vec<(&'static str, &'static str, u64)>,
    /// Connections that the packet path keeps.
    pub tracked: Sweep,
}
