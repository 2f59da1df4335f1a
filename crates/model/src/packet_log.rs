//! Logs of what security groups allow and drop (the API's `log`, `resource_type` `security_group`).

use crate::{PacketLogId, Port, PortId, SecurityGroupId, Stamp};

/// The API's `resource_type` of every log.
pub const RESOURCE_TYPE: &str = "security_group";

/// What is logged (`event`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LoggedEvents {
    /// Both.
    All,
    /// What rules allow.
    Accept,
    /// What is dropped.
    Drop,
}

impl LoggedEvents {
    /// All values.
    pub const ALL: [LoggedEvents; 3] = [LoggedEvents::All, LoggedEvents::Accept, LoggedEvents::Drop];

    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            LoggedEvents::All => "ALL",
            LoggedEvents::Accept => "ACCEPT",
            LoggedEvents::Drop => "DROP",
        }
    }

    /// Whether what rules allow is logged.
    pub fn has_accepted(self) -> bool {
        self != LoggedEvents::Drop
    }

    /// Whether what is dropped is logged.
    pub fn has_dropped(self) -> bool {
        self != LoggedEvents::Accept
    }
}

/// A wish to have the packets of some ports logged: of one port, of those with a security group, or of a project's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PacketLog {
    /// UUID.
    pub id: PacketLogId,
    /// Owner's project id.
    pub project_id: String,
    /// Name, at most 255 characters, not unique.
    pub name: String,
    /// Description, at most 255 characters.
    pub description: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// What is logged.
    pub events: LoggedEvents,
    /// Ports with this group only, and of what is allowed what its rules allow (`resource_id`).
    pub security_group_id: Option<SecurityGroupId>,
    /// This port only (`target_id`).
    pub port_id: Option<PortId>,
    /// Whether the ports with the group are logged whosever they are; otherwise the project's own.
    pub of_every_project: bool,
    /// Times and revision.
    pub stamp: Stamp,
}

impl PacketLog {
    /// Whether the packets of a port are logged. What is not filtered never is.
    pub fn covers(&self, port: &Port) -> bool {
        let has = |group: &SecurityGroupId| port.security_groups.contains(group);
        let is_its_own = self.project_id == port.project_id;
        let is_meant = match (self.port_id, &self.security_group_id) {
            (Some(id), group) => id == port.id && group.as_ref().is_none_or(has),
            (None, Some(group)) => has(group) && (self.of_every_project || is_its_own),
            (None, None) => is_its_own,
        };
        self.enabled && port.port_security_enabled && is_meant
    }
}
