//! `/v2.0/agents`: the roles of hosts' nodes. They come by being heard, so they can't be created.

use super::{Object, Request, Resource, Scope, names};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::values::Values;
use hadron_control::agent::{self, AgentChange};
use hadron_control::{Config, Error, Step};
use hadron_model::{Agent, AgentId, AgentRole, Host, Timestamp};
use hadron_store::{Snapshot, Stored, Tx};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct Agents;

type Column = Attribute<Agent>;

const BY: &[&str] = &["agent", "agent_sort_key"];

const TABLE: &[Column] = &[
    Column::new("id", |agent, _| Some(Field::Id(agent.id.0))).by(BY).filter_sort().validate(Validate::Uuid),
    Column::new("agent_type", |agent, _| Some(Field::Text(agent.role.agent_type())))
        .by(BY)
        .filter_sort()
        .fold_case(),
    Column::new("binary", |_, _| Some(Field::Text("hadron"))).by(BY).filter_sort(),
    Column::new("topic", |agent, _| Some(Field::Text(agent.role.topic()))).by(BY).filter_sort(),
    Column::new("host", |agent, _| Some(Field::Text(&agent.host))).by(BY).filter_sort(),
    Column::new("admin_state_up", |agent, _| Some(Field::Bool(agent.admin_state_up)))
        .by(BY)
        .put()
        .filter_sort()
        .convert(Convert::Boolean),
    Column::new("created_at", |agent, _| Some(time(agent.created_at))).by(BY).sort(),
    Column::new("started_at", |agent, _| Some(time(agent.started_at))).by(BY).sort(),
    Column::new("heartbeat_timestamp", |agent, _| Some(time(agent.heartbeat_at))).by(BY).sort(),
    Column::new("alive", |agent, _| Some(Field::Bool(agent.is_alive(Timestamp::now())))).by(BY).filter_sort(),
    Column::new("configurations", |agent, view| {
        Some(Field::OwnedJson(configurations(agent, view.snapshot()).to_string()))
    })
    .by(&["agent"]),
    Column::new("description", |agent, _| Some(Field::text(agent.description.as_deref())))
        .by(BY)
        .put()
        .filter_sort()
        .validate(Validate::StringOrNone(255)),
    Column::new("resources_synced", |_, _| Some(Field::Null))
        .by(&["agent-resources-synced"])
        .default(crate::attribute::Default::Unspecified),
    Column::new("availability_zone", |agent, _| {
        Some(match agent.role.zone_resource() {
            Some(_) => Field::Text(&agent.availability_zone),
            None => Field::Null,
        })
    })
    .by(&["availability_zone"])
    .filter(),
];

/// `2026-01-31 12:00:00`, as agents' times are.
fn time(time: Timestamp) -> Field<'static> {
    Field::OwnedText(time.to_string().replace('T', " ").replace('Z', ""))
}

/// What the node does now.
fn configurations(agent: &Agent, view: &Snapshot) -> Value {
    let ports = view.ports_of_host(&agent.host).count();
    match agent.role {
        AgentRole::Switching => {
            let host = view.get::<Host>(&agent.host);
            let physical = host.map(|host| host.physical_networks.clone()).unwrap_or_default();
            json!({"devices": ports, "tunnel_types": ["vxlan"], "physical_networks": physical})
        }
        AgentRole::Routing => {
            json!({"routers": agent::routers_of(view, agent).len(), "agent_mode": "dvr_snat"})
        }
        AgentRole::Dhcp => json!({"networks": agent::busy_networks_of(view, agent).len(), "ports": ports}),
    }
}

impl Object for Agent {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> AgentId {
        AgentId(id)
    }
}

impl Resource for Agents {
    type Record = Agent;
    type New = ();
    type Change = AgentChange;

    const MEMBER: &'static str = "agent";
    const COLLECTION: &'static str = "agents";
    const NOT_FOUND: &'static str = "AgentNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<Agent, { TABLE.len() }>(TABLE);
    const IS_CREATED: bool = false;

    fn candidates(view: &Snapshot, _: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<Agent>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get::<Agent>(&AgentId(*id)).cloned()).collect();
        }
        if let Some(hosts) = filters.texts("host") {
            return hosts.iter().flat_map(|host| view.agents_of_host(host)).cloned().collect();
        }
        view.iter::<Agent>().cloned().collect()
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Err(ApiError::method_not_allowed())
    }

    fn prepare_change(
        _: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &Agent,
        values: &Values,
    ) -> Result<AgentChange, ApiError> {
        Ok(AgentChange {
            admin_state_up: values.boolean("admin_state_up"),
            description: values.get("description").map(|text| text.as_str().map(str::to_owned)),
        })
    }

    fn create(_: &mut Tx, _: &Config, (): &()) -> Result<Agent, Error> {
        Err(Error::InvalidInput("agents come by being heard".to_owned()))
    }

    fn update(
        tx: &mut Tx,
        _: &Config,
        id: Uuid,
        change: &AgentChange,
        _: Option<u64>,
    ) -> Result<Agent, Error> {
        agent::update(tx, AgentId(id), change)
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, _: Option<u64>) -> Result<Step<()>, Error> {
        agent::delete(tx, AgentId(id)).map(Step::Done)
    }
}
