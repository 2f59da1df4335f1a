//! `/v2.0/auto-allocated-topology/PROJECT`: the project's automatic network, made when it is asked for. `None` is the caller's project.
//!
//! ```text
//! GET    auto-allocated-topology/PROJECT                  makes it, if it is not there
//! GET    auto-allocated-topology/PROJECT?fields=dry-run   tells whether it could be made
//! DELETE auto-allocated-topology/PROJECT
//! ```

use super::endpoint::{Answer, Endpoint};
use crate::ApiError;
use crate::description::{Description, OperationKind, operations};
use crate::error::json_response;
use crate::policy::{Policy, RuleId, Target};
use crate::request::Call;
use crate::state::ApiState;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use hadron_control::{TopologyError, steps, topology};
use serde_json::json;
use std::borrow::Cow;

const MEMBER: &str = "auto_allocated_topology";
/// What `fields` names to ask whether a topology could be made.
const DRY_RUN: &str = "dry-run";

/// Projects' automatic topologies.
pub(super) struct AutoTopologies {
    get: Option<RuleId>,
    delete: Option<RuleId>,
}

impl AutoTopologies {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            get: policy.deciding("get_auto_allocated_topology"),
            delete: policy.deciding("delete_auto_allocated_topology"),
        }
    }

    async fn get(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        let project = project(state, call, id)?;
        if !state.policy.check(self.get, &call.caller, &OfProject(project)) {
            return Err(ApiError::not_found());
        }
        let fields: Vec<&str> = call.query.all("fields").collect();
        let snapshot = state.view().await;
        if fields.contains(&DRY_RUN) {
            topology::check(&snapshot, project).map_err(hadron_control::Error::from)?;
            return Ok(answer("dry-run=pass", project));
        }
        if !fields.is_empty() {
            let message = format!("the only value of fields is {DRY_RUN}");
            return Err(ApiError::bad_resource("auto_allocate", message));
        }
        if let Some(network) = topology::find(&snapshot, project) {
            return Ok(answer(&network.to_string(), project));
        }
        let config = &state.config.control;
        let made = state.store.write(call.commit_info(), |tx| topology::provide(tx, config, project)).await?;
        Ok(answer(&made.value.to_string(), project))
    }

    async fn delete(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        let project = project(state, call, id)?.to_owned();
        if !state.policy.check(self.delete, &call.caller, &OfProject(&project)) {
            return Err(ApiError::forbidden(&["rule:delete_auto_allocated_topology".to_owned()]));
        }
        let (store, config, info) = (state.store.clone(), state.config.clone(), call.commit_info());
        // To the end, whether or not the caller waits for it.
        let task = tokio::spawn(async move {
            let delete = |tx: &mut _| topology::delete(tx, &config.control, &project);
            steps::run(&store, &info, delete).await.map(|_| ())
        });
        task.await.map_err(|_| ApiError::internal())??;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }
}

/// Whose topology is asked for: the caller's own, unless an administrator asks.
fn project<'a>(state: &ApiState, call: &'a Call, id: &'a str) -> Result<&'a str, ApiError> {
    let own = call.caller.project();
    let asked = if id == "None" { own } else { id };
    if asked.is_empty() || (asked != own && !state.policy.is_admin(&call.caller)) {
        return Err(hadron_control::Error::from(TopologyError::NotAuthorized(asked.to_owned())).into());
    }
    Ok(asked)
}

fn answer(id: &str, project: &str) -> Response<Body> {
    let body = json!({ MEMBER: {"id": id, "tenant_id": project, "project_id": project} });
    json_response(StatusCode::OK, body.to_string())
}

impl Endpoint for AutoTopologies {
    fn member(&self) -> &'static str {
        MEMBER
    }

    fn collection(&self) -> &'static str {
        // As its address has it: there is no name for many.
        MEMBER
    }

    fn describe(&self) -> Description {
        Description {
            member: MEMBER,
            collection: MEMBER,
            operations: operations(
                "auto-allocated-topology",
                &[("GET", "/{id}", OperationKind::Show), ("DELETE", "/{id}", OperationKind::Delete)],
            ),
            attributes: None,
            is_bulk: false,
        }
    }

    fn answer<'a>(&'a self, state: &'a ApiState, call: Call) -> Answer<'a> {
        Box::pin(async move {
            match (&call.method, call.id.as_deref(), call.below.is_empty()) {
                (&Method::GET, Some(id), true) => self.get(state, &call, id).await,
                (&Method::DELETE, Some(id), true) => self.delete(state, &call, id).await,
                (_, Some(_), true) => Err(ApiError::method_not_allowed()),
                _ => Err(ApiError::not_found()),
            }
        })
    }
}

/// Something of a project.
struct OfProject<'a>(&'a str);

impl Target for OfProject<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        matches!(name, "project_id" | "tenant_id").then_some(Cow::Borrowed(self.0))
    }
}
