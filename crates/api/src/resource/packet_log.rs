//! `/v2.0/log/logs`

use super::security_group_rule::may_use_group;
use super::{Object, Request, Resource, Scope, names};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::values::Values;
use hadron_control::packet_log::{self, NewPacketLog, PacketLogChange};
use hadron_control::{Config, Error, LogError, Step};
use hadron_model::packet_log::RESOURCE_TYPE;
use hadron_model::{LoggedEvents, Network, PacketLog, PacketLogId, Port, PortId, SecurityGroupId};
use hadron_store::{Logged, Snapshot, Stored, Tx};
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct PacketLogs;

type Column = Attribute<PacketLog>;

const BY: &[&str] = &["logging"];

const TABLE: &[Column] = &[
    Column::new("id", |log, _| Some(Field::Id(log.id.0)))
        .by(BY)
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("project_id", |log, _| Some(Field::Text(&log.project_id)))
        .by(BY)
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("tenant_id", |log, _| Some(Field::Text(&log.project_id)))
        .by(&["project-id"])
        .mirror_of("project_id")
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("name", |log, _| Some(Field::Text(&log.name)))
        .by(BY)
        .post_put()
        .filter_sort()
        .default(Default::Text(""))
        .validate(Validate::NameString(255)),
    Column::new("resource_type", |_, _| Some(Field::Text(RESOURCE_TYPE)))
        .by(BY)
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("resource_id", |log, _| {
        Some(log.security_group_id.map_or(Field::Null, |id| Field::Id(id.0)))
    })
    .by(BY)
    .post()
    .filter_sort()
    .default(Default::Null)
    .validate(Validate::UuidOrNone),
    Column::new("target_id", |log, _| Some(log.port_id.map_or(Field::Null, |id| Field::Id(id.0))))
        .by(BY)
        .post()
        .filter_sort()
        .default(Default::Null)
        .validate(Validate::UuidOrNone),
    Column::new("event", |log, _| Some(Field::Text(log.events.as_str())))
        .by(BY)
        .post()
        .filter()
        .default(Default::Text("ALL"))
        .validate(Validate::Words(&[Some("ACCEPT"), Some("DROP"), Some("ALL")])),
    Column::new("enabled", |log, _| Some(Field::Bool(log.enabled)))
        .by(BY)
        .post_put()
        .filter_sort()
        .default(Default::Bool(true))
        .convert(Convert::Boolean),
    Column::new("description", |log, _| Some(Field::Text(&log.description)))
        .by(&["standard-attr-description"])
        .post_put()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("revision_number", |log, _| Some(Field::Integer(log.stamp.revision_number)))
        .by(&["standard-attr-revisions"])
        .filter()
        .default(Default::Null),
    Column::new("created_at", |log, _| Some(Field::Time(log.stamp.created_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("updated_at", |log, _| Some(Field::Time(log.stamp.updated_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
];

impl Object for PacketLog {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> PacketLogId {
        PacketLogId(id)
    }
}

impl Resource for PacketLogs {
    type Record = PacketLog;
    type New = NewPacketLog;
    type Change = PacketLogChange;

    const MEMBER: &'static str = "log";
    const COLLECTION: &'static str = "logs";
    const NOT_FOUND: &'static str = "LogResourceNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<PacketLog, { TABLE.len() }>(TABLE);
    const IS_ON_HOSTS: bool = true;

    fn candidates(view: &Snapshot, scope: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<PacketLog>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get(&PacketLogId(*id)).cloned()).collect();
        }
        let groups =
            filters.ids("resource_id").map(|ids| naming(ids, |id| Logged::Group(SecurityGroupId(id))));
        let ports = || filters.ids("target_id").map(|ids| naming(ids, |id| Logged::Port(PortId(id))));
        if let Some(named) = groups.or_else(ports) {
            return named.into_iter().flat_map(|it| view.packet_logs_naming(it)).cloned().collect();
        }
        match scope {
            Scope::All => view.iter::<PacketLog>().cloned().collect(),
            Scope::Project(project) => view.packet_logs_of_project(project).cloned().collect(),
        }
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewPacketLog, ApiError> {
        let resource_type = values.text("resource_type").unwrap_or_default();
        packet_log::check_resource_type(&resource_type).map_err(refused)?;
        let project_id = values.text("project_id").unwrap_or_default();
        let security_group_id = values.uuid("resource_id").map(SecurityGroupId);
        if let Some(id) = security_group_id.filter(|id| !may_use_group(request, *id, &project_id)) {
            return Err(refused(LogError::GroupNotFound(id)));
        }
        let port_id = values.uuid("target_id").map(PortId);
        if let Some(id) = port_id.filter(|id| !may_log(request, *id, &project_id)) {
            return Err(refused(LogError::PortNotFound(id)));
        }
        let event = values.text("event").unwrap_or_default();
        Ok(NewPacketLog {
            project_id,
            name: values.text("name").unwrap_or_default(),
            description: values.text("description").unwrap_or_default(),
            enabled: values.boolean("enabled").unwrap_or(true),
            events: LoggedEvents::ALL
                .into_iter()
                .find(|events| events.as_str() == event)
                .unwrap_or(LoggedEvents::All),
            security_group_id,
            port_id,
            of_every_project: request.is_admin,
        })
    }

    fn prepare_change(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &PacketLog,
        values: &Values,
    ) -> Result<PacketLogChange, ApiError> {
        Ok(PacketLogChange {
            name: values.text("name"),
            description: values.text("description"),
            enabled: values.boolean("enabled"),
        })
    }

    fn create(tx: &mut Tx, _: &Config, new: &NewPacketLog) -> Result<PacketLog, Error> {
        packet_log::create(tx, new)
    }

    fn update(
        tx: &mut Tx,
        _: &Config,
        id: Uuid,
        change: &PacketLogChange,
        revision: Option<u64>,
    ) -> Result<PacketLog, Error> {
        packet_log::update(tx, PacketLogId(id), change, revision)
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, revision: Option<u64>) -> Result<Step<()>, Error> {
        packet_log::delete(tx, PacketLogId(id), revision).map(Step::Done)
    }
}

fn refused(error: LogError) -> ApiError {
    Error::from(error).into()
}

fn naming(ids: Vec<Uuid>, of: impl Fn(Uuid) -> Logged) -> Vec<Logged> {
    ids.into_iter().map(of).collect()
}

/// Whether the owner of a log may name the port in it: its own, or one of its network; an administrator may name any.
fn may_log(request: Request<'_>, id: PortId, project: &str) -> bool {
    let Some(port) = request.view.get::<Port>(&id) else { return false };
    let network = || request.view.get::<Network>(&port.network_id);
    request.is_admin || port.project_id == project || network().is_some_and(|it| it.project_id == project)
}
