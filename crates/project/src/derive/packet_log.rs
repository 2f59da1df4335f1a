//! What of a port's packets is logged, as a function of the model.

use super::security::number;
use hadron_model::{PacketLog, Port};
use hadron_store::Snapshot;
use hadron_wire::row::{LogObject, PortLog};

/// `None` if no log covers the port.
pub(super) fn of_port(model: &Snapshot, port: &Port) -> Option<PortLog> {
    let logs: Vec<LogObject> = model.packet_logs_of_port(port).map(|log| object(model, log)).collect();
    (!logs.is_empty()).then(|| PortLog { project: port.project_id.clone(), logs })
}

fn object(model: &Snapshot, log: &PacketLog) -> LogObject {
    LogObject {
        uuid: log.id.0.into_bytes(),
        accepted: log.events.has_accepted(),
        dropped: log.events.has_dropped(),
        group: log.security_group_id.and_then(|group| number(model, group)),
    }
}
