//! `/v2.0/availability_zones`, and `/v2.0/service-providers`: what there is to choose from.

use super::endpoint::{Answer, Endpoint};
use crate::ApiError;
use crate::description::{Description, OperationKind, operations};
use crate::error::json_response;
use crate::policy::{Nothing, Policy, RuleId};
use crate::query::Query;
use crate::request::Call;
use crate::state::ApiState;
use axum::http::{Method, StatusCode};
use hadron_control::agent;
use serde_json::{Value, json};

/// A list that is derived and can't be changed.
pub(crate) struct Derived {
    member: &'static str,
    collection: &'static str,
    /// The members that it can be filtered by.
    filters: &'static [&'static str],
    rule: Option<RuleId>,
    list: fn(&hadron_store::Snapshot) -> Vec<Value>,
}

impl Derived {
    /// The availability zones of hosts.
    pub(crate) fn zones(policy: &Policy) -> Self {
        Self {
            member: "availability_zone",
            collection: "availability_zones",
            filters: &["name", "resource", "state"],
            rule: policy.deciding("get_availability_zone"),
            list: |view| {
                let zone = |((name, resource), is_up): ((&str, &str), bool)| {
                    let state = if is_up { "available" } else { "unavailable" };
                    json!({"name": name, "resource": resource, "state": state})
                };
                agent::zones(view).into_iter().map(zone).collect()
            },
        }
    }

    /// Who provides advanced services: nobody beside hadron itself, which needs no choice.
    pub(crate) fn service_providers(policy: &Policy) -> Self {
        Self {
            member: "service_provider",
            collection: "service_providers",
            filters: &["service_type", "name", "default"],
            rule: policy.deciding("get_service_provider"),
            list: |_| vec![],
        }
    }

    async fn list(
        &self,
        state: &ApiState,
        call: &Call,
    ) -> Result<axum::http::Response<axum::body::Body>, ApiError> {
        let names = call.query.pairs().iter().map(|(name, _)| name.as_str());
        let unknown: Vec<&str> =
            names.filter(|name| *name != "fields" && !self.filters.contains(name)).collect();
        if !unknown.is_empty() {
            return Err(ApiError::bad_request(format!("lists can't be filtered by {}", unknown.join(", "))));
        }
        let view = state.view().await;
        let mut items = (self.list)(&view);
        if !state.policy.check(self.rule, &call.caller, &Nothing) {
            items.clear();
        }
        items.retain(|item| self.filters.iter().all(|name| accepts(&call.query, name, item)));
        if call.query.last("fields").is_some() {
            for object in items.iter_mut().filter_map(Value::as_object_mut) {
                object.retain(|name, _| call.query.all("fields").any(|field| field == name));
            }
        }
        Ok(json_response(StatusCode::OK, json!({ self.collection: items }).to_string()))
    }
}

fn accepts(query: &Query, name: &str, item: &Value) -> bool {
    query.all(name).next().is_none() || query.all(name).any(|value| item[name] == value)
}

impl Endpoint for Derived {
    fn member(&self) -> &'static str {
        self.member
    }

    fn collection(&self) -> &'static str {
        self.collection
    }

    fn describe(&self) -> Description {
        Description {
            member: self.member,
            collection: self.collection,
            operations: operations(&self.collection.replace('_', "-"), &[("GET", "", OperationKind::List)]),
            attributes: None,
            is_bulk: false,
        }
    }

    fn answer<'a>(&'a self, state: &'a ApiState, call: Call) -> Answer<'a> {
        Box::pin(async move {
            match (&call.method, &call.id) {
                (&Method::GET, None) => self.list(state, &call).await,
                (_, None) => Err(ApiError::method_not_allowed()),
                _ => Err(ApiError::not_found()),
            }
        })
    }
}
