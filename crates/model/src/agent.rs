//! Agents: the roles that a host's node plays, as clients of the Networking API look for them.

use crate::{AgentId, NetworkId, RouterId, Timestamp};
use std::collections::BTreeSet;

/// The zone of a host that names none.
pub const DEFAULT_ZONE: &str = "nova";
/// An agent that was not heard for this long is taken for dead, milliseconds.
pub const DOWN_AFTER_MS: i64 = 75_000;

/// What a node does for a host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AgentRole {
    /// It wires ports and switches between them.
    Switching,
    /// It answers DHCP.
    Dhcp,
    /// It routes.
    Routing,
}

impl AgentRole {
    /// The roles of every node.
    pub const ALL: [AgentRole; 3] = [AgentRole::Switching, AgentRole::Dhcp, AgentRole::Routing];

    /// The API's `agent_type`.
    pub fn agent_type(self) -> &'static str {
        match self {
            AgentRole::Switching => "Hadron agent",
            AgentRole::Dhcp => "DHCP agent",
            AgentRole::Routing => "L3 agent",
        }
    }

    /// The API's `topic`.
    pub fn topic(self) -> &'static str {
        match self {
            AgentRole::Switching => "N/A",
            AgentRole::Dhcp => "dhcp_agent",
            AgentRole::Routing => "l3_agent",
        }
    }

    /// The kind of object whose availability zones the role's agents make, if any.
    pub fn zone_resource(self) -> Option<&'static str> {
        match self {
            AgentRole::Switching => None,
            AgentRole::Routing => Some("router"),
            AgentRole::Dhcp => Some("network"),
        }
    }
}

/// A role of a host's node. It exists from the node's first report until an administrator deletes it; the next report
/// brings it again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agent {
    /// UUID.
    pub id: AgentId,
    /// The host.
    pub host: String,
    /// What it does there.
    pub role: AgentRole,
    /// What an administrator set; shown, and without effect on what the host does.
    pub admin_state_up: bool,
    /// What an administrator wrote.
    pub description: Option<String>,
    /// The host's availability zone.
    pub availability_zone: String,
    /// Networks that an administrator has put on it, of the role [`AgentRole::Dhcp`]. Some may be gone.
    pub networks: BTreeSet<NetworkId>,
    /// Routers that an administrator has put on it, of the role [`AgentRole::Routing`]. Some may be gone.
    pub routers: BTreeSet<RouterId>,
    /// When it was first heard.
    pub created_at: Timestamp,
    /// When its node's connection began.
    pub started_at: Timestamp,
    /// When it was last heard, to some seconds.
    pub heartbeat_at: Timestamp,
}

impl Agent {
    /// Whether it was heard of late.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now.0 - self.heartbeat_at.0 < DOWN_AFTER_MS
    }
}
