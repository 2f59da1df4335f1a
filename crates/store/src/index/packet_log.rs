//! Packet logs: by project, and by what they name.

use super::{Indexed, Indexes, replace};
use crate::record::Tables;
use hadron_model::{PacketLog, PortId, SecurityGroupId};
use std::sync::Arc;

/// What a packet log names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Logged {
    /// A port.
    Port(PortId),
    /// A security group.
    Group(SecurityGroupId),
    /// Neither: it is for all ports of its project.
    Project(Arc<str>),
}

fn named(log: &PacketLog) -> Vec<Logged> {
    let port = log.port_id.map(Logged::Port);
    let named: Vec<Logged> = port.into_iter().chain(log.security_group_id.map(Logged::Group)).collect();
    if named.is_empty() { vec![Logged::Project(log.project_id.as_str().into())] } else { named }
}

impl Indexed for PacketLog {
    fn index(indexes: &mut Indexes, _: &Tables, old: Option<&Self>, new: Option<&Self>) {
        replace(
            indexes,
            old.map(|log| (log.project_id.as_str(), log.id)),
            new.map(|log| (log.project_id.as_str(), log.id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.packet_logs.remove(&id)),
            |indexes, (project, id)| indexes.owned(project, |owned| owned.packet_logs.insert(id)),
        );
        replace(
            indexes,
            old.map(|log| (named(log), log.id)),
            new.map(|log| (named(log), log.id)),
            |indexes, (named, id)| {
                for it in named {
                    indexes.logs.remove(&(it, id));
                }
            },
            |indexes, (named, id)| indexes.logs.extend(named.into_iter().map(|it| (it, id))),
        );
    }
}
