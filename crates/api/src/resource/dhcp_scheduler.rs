//! Which hosts answer DHCP for which networks, for administrators.
//!
//! ```text
//! GET    networks/NETWORK/dhcp-agents
//! GET    agents/AGENT/dhcp-networks
//! POST   agents/AGENT/dhcp-networks              {"network_id": …}
//! DELETE agents/AGENT/dhcp-networks/NETWORK
//! ```

use super::agent::Agents;
use super::endpoint::{Answer, Endpoint};
use super::network::Networks;
use super::{Resource, answer};
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
use hadron_control::agent;
use hadron_model::{Agent, AgentId, Network, NetworkId};
use serde_json::Value;

/// A rule and its name, for the refusal.
pub(super) struct Rule(&'static str, Option<RuleId>);

impl Rule {
    pub(super) fn new(policy: &Policy, name: &'static str) -> Self {
        Self(name, policy.deciding(name))
    }

    pub(super) fn check(&self, state: &ApiState, caller: &Caller) -> Result<(), ApiError> {
        if state.policy.check(self.1, caller, &Nothing) {
            return Ok(());
        }
        Err(ApiError::forbidden(&[format!("rule:{}", self.0)]))
    }
}

/// `agents/AGENT/dhcp-networks`
pub(crate) struct NetworksOfAgent {
    get: Rule,
    create: Rule,
    delete: Rule,
}

impl NetworksOfAgent {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self {
            get: Rule::new(policy, "get_dhcp-networks"),
            create: Rule::new(policy, "create_dhcp-network"),
            delete: Rule::new(policy, "delete_dhcp-network"),
        }
    }

    async fn list(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        self.get.check(state, &call.caller)?;
        let view = state.view().await;
        let agent = view.get::<Agent>(&agent_id(id)?).ok_or_else(|| no_agent(id))?;
        let networks = agent::networks_of(&view, agent);
        let networks = networks.iter().filter_map(|id| view.get::<Network>(id)).map(|stored| &stored.value);
        let seen = View::new(&view, call.caller.project());
        Ok(json_response(StatusCode::OK, answer::many::<Networks>(visible::<Networks>(), networks, &seen)))
    }

    async fn add(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        self.create.check(state, &call.caller)?;
        let body: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
        let network = body.get("network_id").and_then(Value::as_str);
        let network = network.ok_or_else(|| ApiError::bad_request("the body has no 'network_id'"))?;
        let (agent, network) = (agent_id(id)?, network_id(network)?);
        state.store.write(call.commit_info(), |tx| agent::add_network(tx, agent, network)).await?;
        Ok(json_response(StatusCode::CREATED, "null"))
    }

    async fn remove(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        network: &str,
    ) -> Result<Response<Body>, ApiError> {
        self.delete.check(state, &call.caller)?;
        let (agent, network) = (agent_id(id)?, network_id(network)?);
        state.store.write(call.commit_info(), |tx| agent::remove_network(tx, agent, network)).await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }
}

impl Endpoint for NetworksOfAgent {
    fn member(&self) -> &'static str {
        Agents::MEMBER
    }

    fn collection(&self) -> &'static str {
        Agents::COLLECTION
    }

    fn below(&self) -> Option<&'static str> {
        Some("dhcp-networks")
    }

    fn describe(&self) -> Description {
        Description {
            member: Agents::MEMBER,
            collection: Agents::COLLECTION,
            operations: operations(
                "agents/{parent}/dhcp-networks",
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
                (&Method::DELETE, Some(id), [_, network]) => self.remove(state, &call, id, network).await,
                (_, _, [_] | [_, _]) => Err(ApiError::method_not_allowed()),
                _ => Err(ApiError::not_found()),
            }
        })
    }
}

/// `networks/NETWORK/dhcp-agents`
pub(crate) struct AgentsOfNetwork {
    get: Rule,
}

impl AgentsOfNetwork {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self { get: Rule::new(policy, "get_dhcp-agents") }
    }
}

impl Endpoint for AgentsOfNetwork {
    fn member(&self) -> &'static str {
        Networks::MEMBER
    }

    fn collection(&self) -> &'static str {
        Networks::COLLECTION
    }

    fn below(&self) -> Option<&'static str> {
        Some("dhcp-agents")
    }

    fn describe(&self) -> Description {
        Description {
            member: Networks::MEMBER,
            collection: Networks::COLLECTION,
            operations: operations("networks", &[("GET", "/{id}/dhcp-agents", OperationKind::Other)]),
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
            // Neutron has no error for a network that there is none of.
            let agents = parse_uuid(id).map(|id| agent::of_network(&view, NetworkId(id))).unwrap_or_default();
            let seen = View::new(&view, call.caller.project());
            Ok(json_response(StatusCode::OK, answer::many::<Agents>(visible::<Agents>(), agents, &seen)))
        })
    }
}

pub(super) fn visible<R: Resource>() -> Mask {
    Mask::of(R::ATTRIBUTES, |_, attribute| attribute.visible)
}

pub(super) fn no_agent(id: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "AgentNotFound", format!("agent {id} could not be found"))
}

pub(super) fn agent_id(id: &str) -> Result<AgentId, ApiError> {
    parse_uuid(id).map(AgentId).ok_or_else(|| no_agent(id))
}

fn network_id(id: &str) -> Result<NetworkId, ApiError> {
    let found = parse_uuid(id).map(NetworkId);
    found.ok_or_else(|| {
        let message = format!("network {id} could not be found");
        ApiError::new(StatusCode::NOT_FOUND, "NetworkNotFound", message)
    })
}
