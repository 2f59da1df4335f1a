//! `/v2.0/floatingip_pools`: from which subnets floating IPs can come.

use super::answer;
use super::endpoint::{Answer, Endpoint};
use crate::ApiError;
use crate::attribute::{Attribute, Validate};
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
use hadron_model::{Access, Subnet};
use hadron_store::{Snapshot, Stored};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

const COLLECTION: &str = "floatingip_pools";
const BY: &[&str] = &["floatingip-pools"];

/// A subnet of an external network, as a project may take addresses from it.
pub(super) struct Pool {
    subnet: Arc<Stored<Subnet>>,
    /// Who asks.
    project: String,
}

const NAMES: &[&str] = &["subnet_id", "subnet_name", "network_id", "cidr", "project_id", "tenant_id"];

pub(super) const TABLE: &[Attribute<Pool>] = &[
    Attribute::<Pool>::new("subnet_id", |pool, _| Some(Field::Id(pool.subnet.id.0)))
        .by(BY)
        .validate(Validate::Uuid),
    Attribute::<Pool>::new("subnet_name", |pool, _| Some(Field::Text(&pool.subnet.name)))
        .by(BY)
        .validate(Validate::String(255)),
    Attribute::<Pool>::new("network_id", |pool, _| Some(Field::Id(pool.subnet.network_id.0)))
        .by(BY)
        .validate(Validate::Uuid),
    Attribute::<Pool>::new("cidr", |pool, _| Some(Field::Prefix(pool.subnet.cidr)))
        .by(BY)
        .validate(Validate::PrefixOrNone),
    Attribute::<Pool>::new("project_id", |pool, _| Some(Field::Text(&pool.project)))
        .by(BY)
        .validate(Validate::String(255)),
    Attribute::<Pool>::new("tenant_id", |pool, _| Some(Field::Text(&pool.project)))
        .by(&["project-id"])
        .validate(Validate::String(255)),
];

/// The list. It has no objects of its own: nothing else can be asked of it.
pub(super) struct FloatingIpPools {
    get: Option<RuleId>,
}

impl FloatingIpPools {
    pub(super) fn new(policy: &Policy) -> Self {
        Self { get: policy.deciding("get_floatingip_pool") }
    }

    async fn list(&self, state: &ApiState, call: &Call) -> Result<Response<Body>, ApiError> {
        let table = Table { attributes: TABLE, names: NAMES };
        Filters::read(table, &call.query)?;
        Page::read(table, &call.query)?;
        let mask = fields(table, &call.query);
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let pools = match state.policy.check(self.get, &call.caller, &OfCaller(call.caller.project())) {
            true => pools(&snapshot, call.caller.project()),
            false => vec![],
        };
        let mut out = Vec::with_capacity(64 + 256 * pools.len());
        let mut json = Writer::new(&mut out);
        json.raw(b"{\"");
        json.raw(COLLECTION.as_bytes());
        json.raw(b"\":[");
        for (index, pool) in pools.iter().enumerate() {
            json.raw(if index == 0 { b"" } else { b"," });
            answer::write_object(TABLE, mask, pool, &view, &mut json);
        }
        json.raw(b"]}");
        Ok(json_response(StatusCode::OK, out))
    }
}

/// The IPv4 subnets of the networks through which the project can reach the outside, by id.
fn pools(view: &Snapshot, project: &str) -> Vec<Pool> {
    let granted: BTreeSet<_> = view.networks_granted(project, Access::External).collect();
    let subnets = granted.iter().flat_map(|network| view.subnets_of(*network));
    let subnets = subnets.filter(|subnet| subnet.cidr.addr().is_ipv4());
    let mut pools: Vec<Pool> =
        subnets.map(|subnet| Pool { subnet: subnet.clone(), project: project.to_owned() }).collect();
    pools.sort_by_key(|pool| pool.subnet.id);
    pools
}

impl Endpoint for FloatingIpPools {
    fn member(&self) -> &'static str {
        "floatingip_pool"
    }

    fn collection(&self) -> &'static str {
        COLLECTION
    }

    fn describe(&self) -> Description {
        Description {
            member: "floatingip_pool",
            collection: COLLECTION,
            operations: operations(COLLECTION, &[("GET", "", OperationKind::List)]),
            attributes: None,
            is_bulk: false,
        }
    }

    fn answer<'a>(&'a self, state: &'a ApiState, call: Call) -> Answer<'a> {
        Box::pin(async move {
            match (&call.method, &call.id) {
                (&Method::GET, None) => self.list(state, &call).await,
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
