//! `/v2.0/routers`

use super::gateway::{self, GatewaysOf};
use super::router_action::{self, Change};
use super::{Object, Request, Resource, Scope, Tagging, names, tagging};
use crate::ApiError;
use crate::attribute::{Attribute, Convert, Default, Validate};
use crate::field::Field;
use crate::filter::Filters;
use crate::values::Values;
use crate::view::View;
use hadron_control::agent;
use hadron_control::router::{self, GatewayRequest, NewRouter, RouterChange};
use hadron_control::{Config, Error, Step};
use hadron_model::{Router, RouterId};
use hadron_store::{Snapshot, Stored, Tx};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// The resource.
pub struct Routers;

type Column = Attribute<Router>;

const BY: &[&str] = &["router"];

const TABLE: &[Column] = &[
    Column::new("id", |router, _| Some(Field::Id(router.id.0)))
        .by(BY)
        .filter_sort()
        .primary_key()
        .validate(Validate::Uuid),
    Column::new("name", |router, _| Some(Field::Text(&router.name)))
        .by(BY)
        .post_put()
        .filter_sort()
        .default(Default::Text(""))
        .validate(Validate::NameString(255)),
    Column::new("tenant_id", |router, _| Some(Field::Text(&router.project_id)))
        .by(BY)
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("project_id", |router, _| Some(Field::Text(&router.project_id)))
        .by(&["project-id"])
        .mirror_of("tenant_id")
        .post()
        .filter_sort()
        .required_by_policy()
        .validate(Validate::String(255)),
    Column::new("admin_state_up", |router, _| Some(Field::Bool(router.admin_state_up)))
        .by(BY)
        .post_put()
        .filter_sort()
        .default(Default::Bool(true))
        .convert(Convert::Boolean),
    Column::new("status", |_, _| Some(Field::Text("ACTIVE"))).by(BY).sort(),
    Column::new("external_gateway_info", |router, view| {
        Some(Field::Gateways(GatewaysOf::first(router, view)))
    })
    .by(&["router", "ext-gw-mode"])
    .post_put()
    .enforce_policy()
    .default(Default::Null)
    .validate(Validate::Gateway),
    Column::new("external_gateways", |router, view| Some(Field::Gateways(GatewaysOf::all(router, view))))
        .by(&["external-gateway-multihoming"])
        .enforce_policy()
        .default(Default::Null)
        .validate(Validate::Gateways),
    Column::new("distributed", |router, _| Some(Field::Bool(router::is_distributed(router))))
        .by(&["dvr"])
        .post_put()
        .enforce_policy()
        .default(Default::Unspecified)
        .convert(Convert::BooleanIfGiven),
    Column::new("ha", |router, _| Some(Field::Bool(router::is_highly_available(router))))
        .by(&["l3-ha"])
        .post_put()
        .enforce_policy()
        .default(Default::Unspecified)
        .convert(Convert::BooleanIfGiven),
    Column::new("enable_default_route_ecmp", |router, _| {
        Some(Field::Bool(router.default_route_ecmp.unwrap_or(false)))
    })
    .by(&["enable-default-route-ecmp"])
    .post_put()
    .enforce_policy()
    .default(Default::Null)
    .convert(Convert::BooleanIfGiven),
    Column::new("enable_default_route_bfd", |router, _| {
        Some(Field::Bool(router.default_route_bfd.unwrap_or(false)))
    })
    .by(&["enable-default-route-bfd"])
    .post_put()
    .enforce_policy()
    .default(Default::Null)
    .convert(Convert::BooleanIfGiven),
    Column::new("routes", |router, _| Some(Field::ExtraRoutes(&router.routes)))
        .by(&["extraroute"])
        .put()
        .default(Default::Unspecified)
        .convert(Convert::NullToList)
        .validate(Validate::HostRoutes),
    Column::new("availability_zone_hints", |router, _| {
        Some(Field::Texts(router.availability_zone_hints.iter().map(String::as_str).collect()))
    })
    .by(&["router_availability_zone"])
    .post()
    .default(Default::EmptyList)
    .validate(Validate::ZoneHints),
    Column::new("availability_zones", |router, view| {
        Some(Field::Texts(agent::zones_of_router(view.snapshot(), router.id).into_iter().collect()))
    })
    .by(&["router_availability_zone"]),
    Column::new("description", |router, _| Some(Field::Text(&router.description)))
        .by(&["standard-attr-description"])
        .post_put()
        .filter()
        .default(Default::Text(""))
        .validate(Validate::String(255)),
    Column::new("revision_number", |router, _| Some(Field::Integer(router.stamp.revision_number)))
        .by(&["standard-attr-revisions"])
        .filter()
        .default(Default::Null),
    Column::new("created_at", |router, _| Some(Field::Time(router.stamp.created_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    Column::new("updated_at", |router, _| Some(Field::Time(router.stamp.updated_at)))
        .by(&["standard-attr-timestamp"])
        .default(Default::Null),
    tagging::tags(),
    tagging::tags_any(),
    tagging::not_tags(),
    tagging::not_tags_any(),
];

impl Object for Router {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn key_of(id: Uuid) -> RouterId {
        RouterId(id)
    }
}

impl Resource for Routers {
    type Record = Router;
    type New = NewRouter;
    type Change = Change;

    const MEMBER: &'static str = "router";
    const COLLECTION: &'static str = "routers";
    const NOT_FOUND: &'static str = "RouterNotFound";
    const ATTRIBUTES: &'static [Column] = TABLE;
    const NAMES: &'static [&'static str] = &names::<Router, { TABLE.len() }>(TABLE);
    const IS_ON_HOSTS: bool = true;
    const TAGS: Option<Tagging<Router>> = Some(Tagging::OF_STAMP);
    const ACTIONS: &'static [&'static str] = router_action::ACTIONS;

    fn candidates(view: &Snapshot, scope: Scope<'_>, filters: &Filters) -> Vec<Arc<Stored<Router>>> {
        if let Some(ids) = filters.ids("id") {
            return ids.iter().filter_map(|id| view.get(&RouterId(*id)).cloned()).collect();
        }
        match scope {
            Scope::All => view.iter::<Router>().cloned().collect(),
            Scope::Project(project) => view.routers_of_project(project).cloned().collect(),
        }
    }

    fn is_within_reach(router: &Router, view: &View<'_>) -> bool {
        router.project_id == view.project()
    }

    fn check_parents(_: Request<'_>, _: &dyn Fn(Uuid) -> bool, _: &Values) -> Result<(), ApiError> {
        Ok(())
    }

    fn prepare_new(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        values: &Values,
    ) -> Result<NewRouter, ApiError> {
        Ok(NewRouter {
            project_id: values.text("project_id").unwrap_or_default(),
            name: values.text("name").unwrap_or_default(),
            description: values.text("description").unwrap_or_default(),
            admin_state_up: values.boolean("admin_state_up").unwrap_or(true),
            gateway: first_gateway(request, values)?.flatten(),
            distributed: values.boolean("distributed"),
            ha: values.boolean("ha"),
            default_route_ecmp: values.boolean("enable_default_route_ecmp"),
            default_route_bfd: values.boolean("enable_default_route_bfd"),
            availability_zone_hints: values
                .texts("availability_zone_hints")
                .unwrap_or_default()
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })
    }

    fn prepare_change(
        request: Request<'_>,
        _: &dyn Fn(Uuid) -> bool,
        _: &Router,
        values: &Values,
    ) -> Result<Change, ApiError> {
        Ok(Change::Attributes(Box::new(RouterChange {
            name: values.text("name"),
            description: values.text("description"),
            admin_state_up: values.boolean("admin_state_up"),
            gateway: first_gateway(request, values)?,
            routes: values.routes("routes").map(router_action::extra_routes),
            distributed: values.boolean("distributed"),
            ha: values.boolean("ha"),
            default_route_ecmp: values.boolean("enable_default_route_ecmp"),
            default_route_bfd: values.boolean("enable_default_route_bfd"),
        })))
    }

    fn prepare_action(request: Request<'_>, action: &str, body: &Value) -> Result<Change, ApiError> {
        router_action::read(request, action, body)
    }

    fn act(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        change: &Change,
        revision: Option<u64>,
    ) -> Option<Result<Value, Error>> {
        let interface = match change {
            Change::Attach(what) => router::attach(tx, config, RouterId(id), what, revision),
            Change::Detach(what) => router::detach(tx, config, RouterId(id), *what, revision),
            _ => return None,
        };
        Some(interface.map(|interface| router_action::shown(&interface)))
    }

    fn create(tx: &mut Tx, config: &Config, new: &NewRouter) -> Result<Router, Error> {
        router::create(tx, config, new)
    }

    fn update(
        tx: &mut Tx,
        config: &Config,
        id: Uuid,
        change: &Change,
        revision: Option<u64>,
    ) -> Result<Router, Error> {
        let id = RouterId(id);
        let nothing = RouterChange::default();
        match change {
            Change::Attributes(change) => router::update(tx, config, id, change, revision),
            Change::AddRoutes(routes) => router::add_routes(tx, config, id, routes, revision),
            Change::RemoveRoutes(routes) => router::remove_routes(tx, id, routes, revision),
            Change::Gateways(change) => router::change_gateways(tx, config, id, change, revision),
            // Those are acts.
            Change::Attach(_) | Change::Detach(_) => router::update(tx, config, id, &nothing, revision),
        }
    }

    fn delete(tx: &mut Tx, _: &Config, id: Uuid, _: bool, revision: Option<u64>) -> Result<Step<()>, Error> {
        router::delete(tx, RouterId(id), revision).map(Step::Done)
    }
}

/// `external_gateway_info`, if it is given.
fn first_gateway(request: Request<'_>, values: &Values) -> Result<Option<Option<GatewayRequest>>, ApiError> {
    values.get("external_gateway_info").map(|value| gateway::read(request.sees, value)).transpose()
}
