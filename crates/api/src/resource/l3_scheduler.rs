//! Which hosts serve which routers, for administrators.
//!
//! ```text
//! GET    routers/ROUTER/l3-agents
//! GET    agents/AGENT/l3-routers
//! POST   agents/AGENT/l3-routers              {"router_id": …}
//! DELETE agents/AGENT/l3-routers/ROUTER
//! ```

use super::agent::Agents;
use super::dhcp_scheduler::{Rule, agent_id, no_agent, visible};
use super::endpoint::{Answer, Endpoint};
use super::router::Routers;
use super::{Resource, answer};
use crate::ApiError;
use crate::description::{Description, OperationKind, operations};
use crate::error::json_response;
use crate::policy::Policy;
use crate::request::Call;
use crate::state::ApiState;
use crate::validate::parse_uuid;
use crate::view::View;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use hadron_control::agent;
use hadron_model::{Agent, Router, RouterId};
use serde_json::Value;

/// `agents/AGENT/l3-routers`
pub(crate) struct RoutersOfAgent {
    get: Rule,
    create: Rule,
    delete: Rule,
}

impl RoutersOfAgent {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self {
            get: Rule::new(policy, "get_l3-routers"),
            create: Rule::new(policy, "create_l3-router"),
            delete: Rule::new(policy, "delete_l3-router"),
        }
    }

    async fn list(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        self.get.check(state, &call.caller)?;
        let view = state.view().await;
        let agent = view.get::<Agent>(&agent_id(id)?).ok_or_else(|| no_agent(id))?;
        let routers = agent::routers_of(&view, agent);
        let routers = routers.iter().filter_map(|id| view.get::<Router>(id)).map(|stored| &stored.value);
        let seen = View::new(&view, call.caller.project());
        Ok(json_response(StatusCode::OK, answer::many::<Routers>(visible::<Routers>(), routers, &seen)))
    }

    async fn add(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        self.create.check(state, &call.caller)?;
        let body: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
        let router = body.get("router_id").and_then(Value::as_str);
        let router = router.ok_or_else(|| ApiError::bad_request("the body has no 'router_id'"))?;
        let (agent, router) = (agent_id(id)?, router_id(router)?);
        state.store.write(call.commit_info(), |tx| agent::add_router(tx, agent, router)).await?;
        Ok(json_response(StatusCode::CREATED, "null"))
    }

    async fn remove(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        router: &str,
    ) -> Result<Response<Body>, ApiError> {
        self.delete.check(state, &call.caller)?;
        let (agent, router) = (agent_id(id)?, router_id(router)?);
        state.store.write(call.commit_info(), |tx| agent::remove_router(tx, agent, router)).await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }
}

impl Endpoint for RoutersOfAgent {
    fn member(&self) -> &'static str {
        Agents::MEMBER
    }

    fn collection(&self) -> &'static str {
        Agents::COLLECTION
    }

    fn below(&self) -> Option<&'static str> {
        Some("l3-routers")
    }

    fn describe(&self) -> Description {
        Description {
            member: Agents::MEMBER,
            collection: Agents::COLLECTION,
            operations: operations(
                "agents/{parent}/l3-routers",
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
                (&Method::DELETE, Some(id), [_, router]) => self.remove(state, &call, id, router).await,
                (_, _, [_] | [_, _]) => Err(ApiError::method_not_allowed()),
                _ => Err(ApiError::not_found()),
            }
        })
    }
}

/// `routers/ROUTER/l3-agents`
pub(crate) struct AgentsOfRouter {
    get: Rule,
}

impl AgentsOfRouter {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self { get: Rule::new(policy, "get_l3-agents") }
    }
}

impl Endpoint for AgentsOfRouter {
    fn member(&self) -> &'static str {
        Routers::MEMBER
    }

    fn collection(&self) -> &'static str {
        Routers::COLLECTION
    }

    fn below(&self) -> Option<&'static str> {
        Some("l3-agents")
    }

    fn describe(&self) -> Description {
        Description {
            member: Routers::MEMBER,
            collection: Routers::COLLECTION,
            operations: operations("routers", &[("GET", "/{id}/l3-agents", OperationKind::Other)]),
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
            // Neutron has no error for a router that there is none of.
            let agents = parse_uuid(id).map(|id| agent::of_router(&view, RouterId(id))).unwrap_or_default();
            let seen = View::new(&view, call.caller.project());
            Ok(json_response(StatusCode::OK, answer::many::<Agents>(visible::<Agents>(), agents, &seen)))
        })
    }
}

fn router_id(id: &str) -> Result<RouterId, ApiError> {
    let found = parse_uuid(id).map(RouterId);
    found.ok_or_else(|| {
        let message = format!("router {id} could not be found");
        ApiError::new(StatusCode::NOT_FOUND, "RouterNotFound", message)
    })
}
