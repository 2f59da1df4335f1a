//! Which hosts' agents serve which objects, for administrators.
//!
//! ```text
//!                                            networks, DHCP                routers
//! GET    the agents of an object             networks/NETWORK/dhcp-agents  routers/ROUTER/l3-agents
//! GET    the objects of an agent             agents/AGENT/dhcp-networks    agents/AGENT/l3-routers
//! POST   {"network_id": …} {"router_id": …}  agents/AGENT/dhcp-networks    agents/AGENT/l3-routers
//! DELETE …/OBJECT                            agents/AGENT/dhcp-networks    agents/AGENT/l3-routers
//! ```

use super::agent::Agents;
use super::endpoint::{Answer, Endpoint};
use super::network::Networks;
use super::router::Routers;
use super::{Object, Resource, answer};
use crate::attribute::Mask;
use crate::description::{Description, OperationKind, operations};
use crate::error::json_response;
use crate::policy::{Nothing, Policy, RuleId};
use crate::request::Call;
use crate::state::ApiState;
use crate::validate::parse_uuid;
use crate::view::View;
use crate::{ApiError, Caller};
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use hadron_control::{Error, agent};
use hadron_model::{Agent, AgentId, NetworkId, RouterId};
use hadron_store::{Record, Snapshot, Tx};
use serde_json::Value;
use std::collections::BTreeSet;
use std::marker::PhantomData;

type KeyOf<S> = <<<S as Scheduled>::Objects as Resource>::Record as Record>::Key;

/// What the agents of a role serve.
pub(crate) trait Scheduled: Send + Sync + 'static {
    /// The objects.
    type Objects: Resource;
    /// The member of a body that names one.
    const NAMED_BY: &'static str;
    /// The objects below an agent.
    const OBJECTS_OF_AGENT: &'static str;
    /// The agents below an object.
    const AGENTS_OF_OBJECT: &'static str;
    /// The rules about an agent's objects: to see them, to add one, to remove one.
    const RULES: [&'static str; 3];
    /// The rule to see an object's agents.
    const AGENTS_RULE: &'static str;

    /// The objects of an agent.
    fn of_agent(view: &Snapshot, agent: &Agent) -> BTreeSet<KeyOf<Self>>;
    /// The agents of an object.
    fn agents_of(view: &Snapshot, object: KeyOf<Self>) -> Vec<&Agent>;
    /// Puts an object on an agent.
    fn add(tx: &mut Tx, agent: AgentId, object: KeyOf<Self>) -> Result<(), Error>;
    /// Takes it off again.
    fn remove(tx: &mut Tx, agent: AgentId, object: KeyOf<Self>) -> Result<(), Error>;
}

/// Networks, for which DHCP is answered.
pub(crate) struct Dhcp;

impl Scheduled for Dhcp {
    type Objects = Networks;
    const NAMED_BY: &'static str = "network_id";
    const OBJECTS_OF_AGENT: &'static str = "dhcp-networks";
    const AGENTS_OF_OBJECT: &'static str = "dhcp-agents";
    const RULES: [&'static str; 3] = ["get_dhcp-networks", "create_dhcp-network", "delete_dhcp-network"];
    const AGENTS_RULE: &'static str = "get_dhcp-agents";

    fn of_agent(view: &Snapshot, agent: &Agent) -> BTreeSet<NetworkId> {
        agent::networks_of(view, agent)
    }

    fn agents_of(view: &Snapshot, network: NetworkId) -> Vec<&Agent> {
        agent::of_network(view, network)
    }

    fn add(tx: &mut Tx, agent: AgentId, network: NetworkId) -> Result<(), Error> {
        agent::add_network(tx, agent, network)
    }

    fn remove(tx: &mut Tx, agent: AgentId, network: NetworkId) -> Result<(), Error> {
        agent::remove_network(tx, agent, network)
    }
}

/// Routers.
pub(crate) struct Routing;

impl Scheduled for Routing {
    type Objects = Routers;
    const NAMED_BY: &'static str = "router_id";
    const OBJECTS_OF_AGENT: &'static str = "l3-routers";
    const AGENTS_OF_OBJECT: &'static str = "l3-agents";
    const RULES: [&'static str; 3] = ["get_l3-routers", "create_l3-router", "delete_l3-router"];
    const AGENTS_RULE: &'static str = "get_l3-agents";

    fn of_agent(view: &Snapshot, agent: &Agent) -> BTreeSet<RouterId> {
        agent::routers_of(view, agent)
    }

    fn agents_of(view: &Snapshot, router: RouterId) -> Vec<&Agent> {
        agent::of_router(view, router)
    }

    fn add(tx: &mut Tx, agent: AgentId, router: RouterId) -> Result<(), Error> {
        agent::add_router(tx, agent, router)
    }

    fn remove(tx: &mut Tx, agent: AgentId, router: RouterId) -> Result<(), Error> {
        agent::remove_router(tx, agent, router)
    }
}

/// A rule and its name, for the refusal.
struct Rule(&'static str, Option<RuleId>);

impl Rule {
    fn new(policy: &Policy, name: &'static str) -> Self {
        Self(name, policy.deciding(name))
    }

    fn check(&self, state: &ApiState, caller: &Caller) -> Result<(), ApiError> {
        if state.policy.check(self.1, caller, &Nothing) {
            return Ok(());
        }
        Err(ApiError::forbidden(&[format!("rule:{}", self.0)]))
    }
}

/// The objects of an agent.
pub(crate) struct ObjectsOfAgent<S> {
    get: Rule,
    create: Rule,
    delete: Rule,
    scheduled: PhantomData<S>,
}

impl<S: Scheduled> ObjectsOfAgent<S> {
    pub(crate) fn new(policy: &Policy) -> Self {
        let [get, create, delete] = S::RULES.map(|name| Rule::new(policy, name));
        Self { get, create, delete, scheduled: PhantomData }
    }

    async fn list(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        self.get.check(state, &call.caller)?;
        let view = state.view().await;
        let agent = view.get::<Agent>(&agent_id(id)?).ok_or_else(|| no_agent(id))?;
        let objects = S::of_agent(&view, agent);
        let objects = objects.iter().filter_map(|id| view.get(id)).map(|stored| &stored.value);
        let seen = View::new(&view, call.caller.project());
        let list = answer::many::<S::Objects>(visible::<S::Objects>(), objects, &seen);
        Ok(json_response(StatusCode::OK, list))
    }

    async fn add(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        self.create.check(state, &call.caller)?;
        let body: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
        let named = body.get(S::NAMED_BY).and_then(Value::as_str);
        let named =
            named.ok_or_else(|| ApiError::bad_request(format!("the body has no '{}'", S::NAMED_BY)))?;
        let (agent, object) = (agent_id(id)?, object_key::<S>(named)?);
        state.store.write(call.commit_info(), |tx| S::add(tx, agent, object.clone())).await?;
        Ok(json_response(StatusCode::CREATED, "null"))
    }

    async fn remove(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        named: &str,
    ) -> Result<Response<Body>, ApiError> {
        self.delete.check(state, &call.caller)?;
        let (agent, object) = (agent_id(id)?, object_key::<S>(named)?);
        state.store.write(call.commit_info(), |tx| S::remove(tx, agent, object.clone())).await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }
}

impl<S: Scheduled> Endpoint for ObjectsOfAgent<S> {
    fn member(&self) -> &'static str {
        Agents::MEMBER
    }

    fn collection(&self) -> &'static str {
        Agents::COLLECTION
    }

    fn below(&self) -> Option<&'static str> {
        Some(S::OBJECTS_OF_AGENT)
    }

    fn describe(&self) -> Description {
        Description {
            member: Agents::MEMBER,
            collection: Agents::COLLECTION,
            operations: operations(
                &format!("agents/{{parent}}/{}", S::OBJECTS_OF_AGENT),
                &[
                    ("GET", "", OperationKind::Other),
                    ("POST", "", OperationKind::Other),
                    ("DELETE", "/{id}", OperationKind::Other),
                ],
            ),
            attributes: None,
            is_bulk: false,
        }
    }

    fn answer<'a>(&'a self, state: &'a ApiState, call: Call) -> Answer<'a> {
        Box::pin(async move {
            match (&call.method, call.id.as_deref(), call.below.as_slice()) {
                (&Method::GET, Some(id), [_]) => self.list(state, &call, id).await,
                (&Method::POST, Some(id), [_]) => self.add(state, &call, id).await,
                (&Method::DELETE, Some(id), [_, object]) => self.remove(state, &call, id, object).await,
                (_, _, [_] | [_, _]) => Err(ApiError::method_not_allowed()),
                _ => Err(ApiError::not_found()),
            }
        })
    }
}

/// The agents of an object.
pub(crate) struct AgentsOfObject<S> {
    get: Rule,
    scheduled: PhantomData<S>,
}

impl<S: Scheduled> AgentsOfObject<S> {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self { get: Rule::new(policy, S::AGENTS_RULE), scheduled: PhantomData }
    }
}

impl<S: Scheduled> Endpoint for AgentsOfObject<S> {
    fn member(&self) -> &'static str {
        S::Objects::MEMBER
    }

    fn collection(&self) -> &'static str {
        S::Objects::COLLECTION
    }

    fn below(&self) -> Option<&'static str> {
        Some(S::AGENTS_OF_OBJECT)
    }

    fn describe(&self) -> Description {
        let part = format!("/{{id}}/{}", S::AGENTS_OF_OBJECT);
        Description {
            member: S::Objects::MEMBER,
            collection: S::Objects::COLLECTION,
            operations: operations(S::Objects::COLLECTION, &[("GET", &part, OperationKind::Other)]),
            attributes: None,
            is_bulk: false,
        }
    }

    fn answer<'a>(&'a self, state: &'a ApiState, call: Call) -> Answer<'a> {
        Box::pin(async move {
            let (&Method::GET, Some(id), [_]) = (&call.method, call.id.as_deref(), call.below.as_slice())
            else {
                return Err(ApiError::method_not_allowed());
            };
            self.get.check(state, &call.caller)?;
            let view = state.view().await;
            // Neutron has no error for an object that there is none of.
            let agents = object_key::<S>(id).map(|key| S::agents_of(&view, key)).unwrap_or_default();
            let seen = View::new(&view, call.caller.project());
            Ok(json_response(StatusCode::OK, answer::many::<Agents>(visible::<Agents>(), agents, &seen)))
        })
    }
}

fn visible<R: Resource>() -> Mask {
    Mask::of(R::ATTRIBUTES, |_, attribute| attribute.visible)
}

fn no_agent(id: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "AgentNotFound", format!("agent {id} could not be found"))
}

fn agent_id(id: &str) -> Result<AgentId, ApiError> {
    parse_uuid(id).map(AgentId).ok_or_else(|| no_agent(id))
}

fn object_key<S: Scheduled>(id: &str) -> Result<KeyOf<S>, ApiError> {
    parse_uuid(id).map(<S::Objects as Resource>::Record::key_of).ok_or_else(|| {
        let message = format!("{} {id} could not be found", S::Objects::MEMBER);
        ApiError::new(StatusCode::NOT_FOUND, S::Objects::NOT_FOUND, message)
    })
}
