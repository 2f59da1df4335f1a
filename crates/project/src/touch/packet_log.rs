//! What a change of packet logs touches.

use super::Touched;
use hadron_model::{PacketLog, PacketLogId, Port};
use hadron_store::{Snapshot, Stored};
use hadron_wire::RowKey;
use std::sync::Arc;

impl Touched {
    /// A log that came, went, or is in force for others or for other events. A port's groups are a matter of the port.
    pub(super) fn packet_log(&mut self, id: PacketLogId, sides: [&Snapshot; 2]) {
        let [before, after] = sides.map(|side| side.get::<PacketLog>(&id));
        if before.map(|log| meaning(log)) == after.map(|log| meaning(log)) {
            return;
        }
        for log in [before, after].into_iter().flatten().filter(|log| log.enabled) {
            for side in sides {
                self.rows.extend(ports(side, log).map(|port| RowKey::Port(port.number.0)));
            }
        }
    }
}

fn meaning(log: &PacketLog) -> impl PartialEq + use<> {
    (log.enabled, log.events, log.security_group_id, log.port_id, log.of_every_project)
}

/// The ports that a log may cover.
fn ports<'a>(side: &'a Snapshot, log: &'a PacketLog) -> Box<dyn Iterator<Item = &'a Arc<Stored<Port>>> + 'a> {
    match (log.port_id, log.security_group_id) {
        (Some(port), _) => Box::new(side.get::<Port>(&port).into_iter()),
        (None, Some(group)) => Box::new(side.ports_of_group(group)),
        (None, None) => Box::new(side.ports_of_project(&log.project_id)),
    }
}
