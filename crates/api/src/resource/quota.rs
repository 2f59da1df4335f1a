//! `/v2.0/quotas`: how much each project may have, and has.
//!
//! ```text
//! GET    quotas                       the projects with limits of their own
//! GET    quotas/project, quotas/tenant    the project of the token
//! GET    quotas/PROJECT[/default|/details]
//! PUT    quotas/PROJECT
//! DELETE quotas/PROJECT               the deployment's limits again
//! ```

use super::endpoint::{Answer, Endpoint};
use crate::attribute::Convert;
use crate::body::{self, Envelope};
use crate::description::{Description, OperationKind, operations};
use crate::error::json_response;
use crate::json::Writer;
use crate::policy::{Policy, RuleId, Target};
use crate::request::Call;
use crate::state::ApiState;
use crate::validate::{show, to_boolean, to_integer};
use crate::{ApiError, Caller};
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use hadron_control::quota::{self, Counted};
use hadron_control::{Config, Error, ObjectError};
use hadron_model::ProjectQuota;
use hadron_store::Snapshot;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

const MEMBER: &str = "quota";
const COLLECTION: &str = "quotas";
/// Longest id of a project.
const MAX_PROJECT: usize = 255;
/// Highest limit: databases keep them in 32 bits with sign.
const MAX_LIMIT: i64 = i32::MAX as i64;

/// The endpoint.
pub(crate) struct Quotas {
    get: Option<RuleId>,
    update: Option<RuleId>,
    delete: Option<RuleId>,
}

/// The quota of a project, to policy.
struct Of<'a>(&'a str);

impl Target for Of<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        matches!(name, "project_id" | "tenant_id").then_some(Cow::Borrowed(self.0))
    }
}

impl Quotas {
    pub(crate) fn new(policy: &Policy) -> Self {
        let rule = |verb: &str| policy.deciding(&format!("{verb}_{MEMBER}"));
        Self { get: rule("get"), update: rule("update"), delete: rule("delete") }
    }

    async fn list(&self, state: &ApiState, caller: &Caller) -> Result<Response<Body>, ApiError> {
        authorise(state, caller, "get", self.get, caller.project())?;
        let view = state.view().await;
        let mut out = b"{\"quotas\":[".to_vec();
        let mut json = Writer::new(&mut out);
        let may_see = |quota: &&_| {
            let quota: &ProjectQuota = quota;
            state.policy.check(self.get, caller, &Of(&quota.project_id))
        };
        let quotas = view.iter::<ProjectQuota>().map(|stored| &stored.value);
        for (index, quota) in quotas.filter(may_see).enumerate() {
            json.raw(if index == 0 { b"{" } else { b",{" });
            write_limits(&mut json, &state.config.control, Some(quota));
            for name in ["project_id", "tenant_id"] {
                json.raw(b",");
                json.text(name);
                json.raw(b":");
                json.text(&quota.project_id);
            }
            json.raw(b"}");
        }
        json.raw(b"]}");
        Ok(json_response(StatusCode::OK, out))
    }

    async fn show(
        &self,
        state: &ApiState,
        caller: &Caller,
        project: &str,
    ) -> Result<Response<Body>, ApiError> {
        self.may_see(state, caller, project)?;
        let view = state.view().await;
        Ok(limits(&state.config.control, own(&view, project)))
    }

    fn defaults(&self, state: &ApiState, caller: &Caller, project: &str) -> Result<Response<Body>, ApiError> {
        self.may_see(state, caller, project)?;
        Ok(limits(&state.config.control, None))
    }

    async fn details(
        &self,
        state: &ApiState,
        caller: &Caller,
        project: &str,
    ) -> Result<Response<Body>, ApiError> {
        if caller.project_id.as_deref() != Some(project) && !state.policy.is_admin(caller) {
            let message = "only an administrator may see another project's usage";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "AdminRequired", message));
        }
        let view = state.view().await;
        let own = own(&view, project);
        let mut out = b"{\"quota\":{".to_vec();
        let mut json = Writer::new(&mut out);
        for (index, what) in Counted::SHOWN.into_iter().enumerate() {
            if index > 0 {
                json.raw(b",");
            }
            json.text(what.name());
            json.raw(b":{\"limit\":");
            json.signed(shown(what.limit(&state.config.control, own)));
            json.raw(b",\"used\":");
            json.integer(what.used(&view, project) as u64);
            json.raw(b",\"reserved\":0}");
        }
        json.raw(b"}}");
        Ok(json_response(StatusCode::OK, out))
    }

    async fn update(&self, state: &ApiState, call: &Call, project: &str) -> Result<Response<Body>, ApiError> {
        authorise(state, &call.caller, "update", self.update, project)?;
        if project.chars().count() > MAX_PROJECT {
            return Err(ApiError::invalid_input(format!(
                "a project's id has at most {MAX_PROJECT} characters"
            )));
        }
        let asked = match body::open(&call.body, MEMBER, COLLECTION)? {
            Envelope::One(object) => Asked::read(object)?,
            Envelope::Nothing | Envelope::Many(_) => return Err(body::missing(MEMBER)),
        };
        let write = |tx: &mut _| quota::update(tx, project, &asked.limits, asked.force);
        let committed = state.store.write(call.commit_info(), write).await?;
        Ok(limits(&state.config.control, Some(&committed.value)))
    }

    async fn delete(&self, state: &ApiState, call: &Call, project: &str) -> Result<Response<Body>, ApiError> {
        authorise(state, &call.caller, "delete", self.delete, project)?;
        state.store.write(call.commit_info(), |tx| quota::delete(tx, project)).await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    /// A project's members see its limits, whatever the rule says.
    fn may_see(&self, state: &ApiState, caller: &Caller, project: &str) -> Result<(), ApiError> {
        if caller.project_id.as_deref() == Some(project) {
            return Ok(());
        }
        authorise(state, caller, "get", self.get, project)
    }
}

impl Endpoint for Quotas {
    fn member(&self) -> &'static str {
        MEMBER
    }

    fn collection(&self) -> &'static str {
        COLLECTION
    }

    fn describe(&self) -> Description {
        Description {
            member: MEMBER,
            collection: COLLECTION,
            operations: operations(
                &COLLECTION.replace('_', "-"),
                &[
                    ("GET", "", OperationKind::List),
                    ("GET", "/{id}", OperationKind::Show),
                    ("PUT", "/{id}", OperationKind::Update),
                    ("DELETE", "/{id}", OperationKind::Delete),
                    ("GET", "/{id}/default", OperationKind::Other),
                    ("GET", "/{id}/details", OperationKind::Other),
                ],
            ),
            attributes: None,
            is_bulk: false,
        }
    }

    fn answer<'a>(&'a self, state: &'a ApiState, call: Call) -> Answer<'a> {
        Box::pin(async move {
            let caller = &*call.caller;
            let below: Vec<&str> = call.below.iter().map(String::as_str).collect();
            match (&call.method, call.id.as_deref(), below.as_slice()) {
                (&Method::GET, None, []) => self.list(state, caller).await,
                (&Method::POST, None, []) => Err(not_implemented()),
                (&Method::GET, Some(name @ ("project" | "tenant")), []) => whose(caller, name),
                (&Method::GET, Some(project), []) => self.show(state, caller, project).await,
                (&Method::GET, Some(project), ["default"]) => self.defaults(state, caller, project),
                (&Method::GET, Some(project), ["details"]) => self.details(state, caller, project).await,
                (&Method::PUT, Some(project), []) => self.update(state, &call, project).await,
                (&Method::DELETE, Some(project), []) => self.delete(state, &call, project).await,
                (_, _, []) => Err(ApiError::method_not_allowed()),
                _ => Err(ApiError::not_found()),
            }
        })
    }
}

/// What a PUT asks for.
struct Asked {
    limits: BTreeMap<Counted, Option<u32>>,
    force: bool,
}

impl Asked {
    fn read(mut object: Map<String, Value>) -> Result<Self, ApiError> {
        let force = object.remove("force").as_ref().and_then(to_boolean).unwrap_or(false);
        // Usage is checked unless it is forced; older clients ask for it.
        object.remove("check_limit");
        let known = |name: &str| Counted::SHOWN.into_iter().find(|what| what.name() == name);
        let unknown: Vec<&str> =
            object.keys().map(String::as_str).filter(|name| known(name).is_none()).collect();
        if !unknown.is_empty() {
            return Err(ApiError::bad_request(format!("unrecognized attribute(s): {}", unknown.join(", "))));
        }
        let limits = object.iter().filter_map(|(name, value)| Some((known(name)?, value)));
        let limits = limits.map(|(what, value)| Ok((what, limit(what, value)?)));
        Ok(Self { limits: limits.collect::<Result<_, ApiError>>()?, force })
    }
}

/// -1 is no limit.
fn limit(what: Counted, value: &Value) -> Result<Option<u32>, ApiError> {
    let number = if value.as_f64().is_some_and(|number| number > MAX_LIMIT as f64) {
        i64::MAX
    } else {
        let converted = Convert::Integer.apply(value.clone())?;
        to_integer(&converted)
            .ok_or_else(|| ApiError::invalid_input(format!("'{}' is no integer", show(value))))?
    };
    match number {
        -1 => Ok(None),
        0..=MAX_LIMIT => Ok(u32::try_from(number).ok()),
        _ => Err(ApiError::bad_request(format!(
            "invalid value for {}: {} is not from -1 to {MAX_LIMIT}",
            what.name(),
            show(value)
        ))),
    }
}

fn authorise(
    state: &ApiState,
    caller: &Caller,
    verb: &str,
    rule: Option<RuleId>,
    project: &str,
) -> Result<(), ApiError> {
    if state.policy.check(rule, caller, &Of(project)) {
        return Ok(());
    }
    Err(ApiError::forbidden(&[format!("rule:{verb}_{MEMBER}")]))
}

fn own<'a>(view: &'a Snapshot, project: &str) -> Option<&'a ProjectQuota> {
    view.get::<ProjectQuota>(&project.to_owned()).map(|stored| &stored.value)
}

fn limits(config: &Config, own: Option<&ProjectQuota>) -> Response<Body> {
    let mut out = b"{\"quota\":{".to_vec();
    let mut json = Writer::new(&mut out);
    write_limits(&mut json, config, own);
    json.raw(b"}}");
    json_response(StatusCode::OK, out)
}

fn write_limits(json: &mut Writer<'_>, config: &Config, own: Option<&ProjectQuota>) {
    for (index, what) in Counted::SHOWN.into_iter().enumerate() {
        if index > 0 {
            json.raw(b",");
        }
        json.text(what.name());
        json.raw(b":");
        json.signed(shown(what.limit(config, own)));
    }
}

/// No limit is -1.
fn shown(limit: Option<usize>) -> i64 {
    limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
}

/// `{"project": {"project_id": …}}`, or so with `tenant`.
fn whose(caller: &Caller, name: &str) -> Result<Response<Body>, ApiError> {
    let project = caller.project_id.as_ref().ok_or(Error::Object(ObjectError::QuotaMissingProject))?;
    let body = serde_json::json!({ name: { format!("{name}_id"): project } });
    Ok(json_response(StatusCode::OK, body.to_string()))
}

fn not_implemented() -> ApiError {
    let message = "limits are not created; change them with PUT";
    ApiError::new(StatusCode::NOT_IMPLEMENTED, "HTTPNotImplemented", message)
}
