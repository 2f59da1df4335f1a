//! `/v2.0/log/loggable-resources`: of what there can be logs.

use super::answer;
use super::endpoint::{Answer, Endpoint};
use crate::ApiError;
use crate::attribute::Attribute;
use crate::description::{Description, OperationKind, operations};
use crate::error::json_response;
use crate::field::Field;
use crate::filter::{Filters, fields};
use crate::json::Writer;
use crate::page::Page;
use crate::policy::{Policy, RuleId, Target};
use crate::request::Call;
use crate::state::ApiState;
use crate::values::Table;
use crate::view::View;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use hadron_model::packet_log::RESOURCE_TYPE;
use std::borrow::Cow;

const COLLECTION: &str = "loggable_resources";

/// A `resource_type` of logs.
pub(super) struct Loggable(&'static str);

/// Those that there are.
const ALL: [Loggable; 1] = [Loggable(RESOURCE_TYPE)];

pub(super) const TABLE: &[Attribute<Loggable>] =
    &[Attribute::<Loggable>::new("type", |loggable, _| Some(Field::Text(loggable.0))).by(&["logging"])];

/// The list. It has no objects of its own: nothing else can be asked of it.
pub(super) struct LoggableResources {
    get: Option<RuleId>,
}

impl LoggableResources {
    pub(super) fn new(policy: &Policy) -> Self {
        Self { get: policy.deciding("get_loggable_resource") }
    }

    fn list(&self, state: &ApiState, call: &Call) -> Result<Response<Body>, ApiError> {
        let table = Table { attributes: TABLE, names: &["type"] };
        Filters::read(table, &call.query)?;
        Page::read(table, &call.query)?;
        let mask = fields(table, &call.query);
        let snapshot = state.store.snapshot();
        let view = View::new(&snapshot, call.caller.project());
        let mut out = Vec::with_capacity(64);
        let mut json = Writer::new(&mut out);
        json.raw(b"{\"");
        json.raw(COLLECTION.as_bytes());
        json.raw(b"\":[");
        if state.policy.check(self.get, &call.caller, &OfCaller(call.caller.project())) {
            for (index, loggable) in ALL.iter().enumerate() {
                json.raw(if index == 0 { b"" } else { b"," });
                answer::write_object(TABLE, mask, loggable, &view, &mut json);
            }
        }
        json.raw(b"]}");
        Ok(json_response(StatusCode::OK, out))
    }
}

impl Endpoint for LoggableResources {
    fn member(&self) -> &'static str {
        "loggable_resource"
    }

    fn collection(&self) -> &'static str {
        COLLECTION
    }

    fn describe(&self) -> Description {
        Description {
            member: "loggable_resource",
            collection: COLLECTION,
            operations: operations(&COLLECTION.replace('_', "-"), &[("GET", "", OperationKind::List)]),
            attributes: None,
            is_bulk: false,
        }
    }

    fn answer<'a>(&'a self, state: &'a ApiState, call: Call) -> Answer<'a> {
        Box::pin(async move {
            match (&call.method, &call.id) {
                (&Method::GET, None) => self.list(state, &call),
                (&Method::GET, Some(_)) => Err(ApiError::not_found()),
                _ => Err(ApiError::method_not_allowed()),
            }
        })
    }
}

/// Policy speaks of the project's own; that is the caller's.
struct OfCaller<'a>(&'a str);

impl Target for OfCaller<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        matches!(name, "project_id" | "tenant_id").then_some(Cow::Borrowed(self.0))
    }
}
