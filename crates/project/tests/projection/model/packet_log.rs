//! Packet logs of the small cloud.

use super::security::group_id;
use super::{GROUPS, LOGS, Model, Op, PORTS, id, port_id, project};
use hadron_model::*;
use hadron_store::Tx;
use proptest::prelude::*;

pub fn any_op() -> impl Strategy<Value = Op> {
    let events = prop::sample::select(&LoggedEvents::ALL[..]);
    let (group, port) = (prop::option::of(0..GROUPS), prop::option::weighted(0.3, 0..PORTS));
    let put = (0..LOGS, prop::bool::weighted(0.8), events, group, port, any::<bool>());
    let put = put.prop_map(|(log, enabled, events, group, port, of_every_project)| Op::PutLog {
        log,
        enabled,
        events,
        group,
        port,
        of_every_project,
    });
    prop_oneof![3 => put, 1 => (0..LOGS).prop_map(|log| Op::DropLog { log })]
}

impl Model {
    /// Logs may name what is not there.
    pub(super) fn apply_log(&mut self, op: &Op, tx: &mut Tx) -> bool {
        match *op {
            Op::PutLog { log, enabled, events, group, port, of_every_project } => {
                let record = PacketLog {
                    id: PacketLogId(id(7, log)),
                    project_id: project(log),
                    name: String::new(),
                    description: String::new(),
                    enabled,
                    events,
                    security_group_id: group.map(group_id),
                    port_id: port.map(port_id),
                    of_every_project,
                    stamp: Stamp::default(),
                };
                self.logs.insert(log, record.clone());
                tx.put(record);
            }
            Op::DropLog { log } => match self.logs.remove(&log) {
                Some(record) => tx.delete::<PacketLog>(&record.id),
                None => return false,
            },
            _ => unreachable!("only for logs"),
        }
        true
    }
}
