//! Packet logs: which ports' packets are to be written down.

use crate::binding::{VNIC_NORMAL, VifType, vif_type};
use crate::network::set;
use crate::steps::BATCH;
use crate::{Error, LogError, stamp};
use hadron_model::packet_log::RESOURCE_TYPE;
use hadron_model::{LoggedEvents, PacketLog, PacketLogId, Port, PortId, SecurityGroup, SecurityGroupId};
use hadron_store::{Logged, Snapshot, Tx};

/// A log to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPacketLog {
    /// Owner's project id.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// What is logged.
    pub events: LoggedEvents,
    /// Of which group's ports and rules.
    pub security_group_id: Option<SecurityGroupId>,
    /// Of which port.
    pub port_id: Option<PortId>,
    /// Whether the group's ports are meant whosever they are.
    pub of_every_project: bool,
}

/// Changes to a log; `None` leaves as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PacketLogChange {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Whether it is in force.
    pub enabled: Option<bool>,
}

/// Refuses a `resource_type` of which nothing is logged.
pub fn check_resource_type(text: &str) -> Result<(), LogError> {
    if text == RESOURCE_TYPE { Ok(()) } else { Err(LogError::InvalidResourceType(text.to_owned())) }
}

/// Creates a log.
pub fn create(tx: &mut Tx, new: &NewPacketLog) -> Result<PacketLog, Error> {
    check_named(tx, new)?;
    let log = PacketLog {
        id: PacketLogId::random(),
        project_id: new.project_id.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        enabled: new.enabled,
        events: new.events,
        security_group_id: new.security_group_id,
        port_id: new.port_id,
        of_every_project: new.of_every_project,
        stamp: stamp::born(tx, 0),
    };
    tx.put(log.clone());
    Ok(log)
}

/// Changes a log; `revision` is the one that the caller demands, if any. What it names may be gone, as in Neutron.
pub fn update(
    tx: &mut Tx,
    id: PacketLogId,
    change: &PacketLogChange,
    revision: Option<u64>,
) -> Result<PacketLog, Error> {
    let old = tx.get::<PacketLog>(&id).ok_or(LogError::NotFound(id))?;
    stamp::check_revision(&old.stamp, revision)?;
    let mut log = old.value.clone();
    set(&mut log.name, &change.name);
    set(&mut log.description, &change.description);
    set(&mut log.enabled, &change.enabled);
    if log != old.value {
        stamp::touch(tx, &mut log);
        tx.put(log.clone());
    }
    Ok(log)
}

/// Deletes a log.
pub fn delete(tx: &mut Tx, id: PacketLogId, revision: Option<u64>) -> Result<(), Error> {
    let log = tx.get::<PacketLog>(&id).ok_or(LogError::NotFound(id))?;
    stamp::check_revision(&log.stamp, revision)?;
    tx.delete::<PacketLog>(&id);
    Ok(())
}

/// Deletes logs in force that name what is going; those that aren't stay, as in Neutron. Answers whether there are more than
/// one transaction takes.
pub(crate) fn delete_naming(tx: &mut Tx, it: Logged) -> bool {
    let ids: Vec<PacketLogId> = naming(tx.view(), it).take(BATCH + 1).collect();
    for id in ids.iter().take(BATCH) {
        tx.delete::<PacketLog>(id);
    }
    ids.len() > BATCH
}

/// The logs in force that go with what they name.
pub(crate) fn naming(view: &Snapshot, it: Logged) -> impl Iterator<Item = PacketLogId> + '_ {
    view.packet_logs_naming(it).filter(|log| log.enabled).map(|log| log.id)
}

fn check_named(tx: &mut Tx, new: &NewPacketLog) -> Result<(), LogError> {
    if let Some(group) = new.security_group_id {
        tx.get::<SecurityGroup>(&group).ok_or(LogError::GroupNotFound(group))?;
    }
    let Some(id) = new.port_id else { return Ok(()) };
    let port = tx.get::<Port>(&id).ok_or(LogError::PortNotFound(id))?;
    if !is_filtered(tx.view(), &port) {
        return Err(LogError::TypeNotSupported(id));
    }
    match new.security_group_id {
        Some(group) if !port.security_groups.contains(&group) => {
            Err(LogError::GroupNotOnPort { group, port: id })
        }
        _ => Ok(()),
    }
}

/// Whether a host filters the port's packets once it is wired there.
fn is_filtered(view: &Snapshot, port: &Port) -> bool {
    matches!(port.binding.vnic_type.as_str(), "" | VNIC_NORMAL)
        && vif_type(view, port) != VifType::Distributed
}
