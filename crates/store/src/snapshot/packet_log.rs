//! Packet logs. Each answer takes logarithmic time to find and is then linear in what it lists.

use super::{Record1, Snapshot};
use crate::Logged;
use hadron_model::{PacketLog, PacketLogId, Port};
use std::collections::BTreeMap;
use uuid::Uuid;

impl Snapshot {
    /// A project's packet logs, by id.
    pub fn packet_logs_of_project(&self, project: &str) -> impl Iterator<Item = &Record1<PacketLog>> {
        let owned = self.indexes.projects.get(project).into_iter();
        owned.flat_map(|owned| owned.packet_logs.iter()).filter_map(|id| self.find::<PacketLog>(id))
    }

    /// The packet logs that name it, by id.
    pub fn packet_logs_naming(&self, it: Logged) -> impl Iterator<Item = &Record1<PacketLog>> {
        let pairs = self.indexes.logs.range((it.clone(), PacketLogId(Uuid::nil()))..);
        pairs.take_while(move |pair| pair.0 == it).filter_map(|pair| self.find::<PacketLog>(&pair.1))
    }

    /// The packet logs that are in force for a port, by id.
    pub fn packet_logs_of_port(&self, port: &Port) -> impl Iterator<Item = &Record1<PacketLog>> {
        let groups = port.security_groups.iter().copied().map(Logged::Group);
        let others = [Logged::Port(port.id), Logged::Project(port.project_id.as_str().into())];
        let logs = groups.chain(others).flat_map(|it| self.packet_logs_naming(it));
        let covering: BTreeMap<_, _> = logs.filter(|log| log.covers(port)).map(|log| (log.id, log)).collect();
        covering.into_values()
    }
}
