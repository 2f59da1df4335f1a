//! `/v2.0/ports/PORT/bindings`: where a port is, and where it could be next. By host.
//!
//! ```text
//! GET    ports/PORT/bindings
//! POST   ports/PORT/bindings                  {"binding": {"host": …}}
//! GET    ports/PORT/bindings/HOST
//! PUT    ports/PORT/bindings/HOST             {"binding": {"profile": …}}
//! PUT    ports/PORT/bindings/HOST/activate
//! DELETE ports/PORT/bindings/HOST
//! ```

use super::endpoint::{Answer, Endpoint};
use super::port::VNIC_TYPES;
use super::port_values::{binding_change_of, or, profile, vif_details};
use super::{Sees, answer};
use crate::ApiError;
use crate::attribute::{Attribute, Default, Mask, Validate};
use crate::body::{self, Envelope};
use crate::description::{Column, Description, OperationKind, operations};
use crate::error::json_response;
use crate::field::Field;
use crate::filter::{Filters, fields};
use crate::json::Writer;
use crate::page::Page;
use crate::policy::{Nothing, Policy, RuleId};
use crate::request::Call;
use crate::state::ApiState;
use crate::validate::parse_uuid;
use crate::values::{Purpose, Table, Values};
use crate::view::View;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use hadron_control::Error;
use hadron_control::binding::{BindingChange, VNIC_NORMAL, VifType};
use hadron_control::port_binding::{self, PortBinding};
use hadron_model::{NetworkId, Port, PortId};

const MEMBER: &str = "binding";
const COLLECTION: &str = "bindings";
const BY: &[&str] = &["binding-extended"];

/// A binding, and what of its port shows in it.
pub(super) struct Shown {
    binding: PortBinding,
    network: NetworkId,
    trusted: Option<bool>,
}

impl Shown {
    fn new(binding: PortBinding, port: &Port) -> Self {
        let is_bound = binding.vif_type != VifType::Unbound;
        Self { binding, network: port.network_id, trusted: port.details.trusted.filter(|_| is_bound) }
    }
}

type Attr = Attribute<Shown>;

pub(super) const TABLE: &[Attr] = &[
    Attr::new("host", |shown, _| Some(Field::Text(&shown.binding.binding.host_id)))
        .by(BY)
        .post_put()
        .filter()
        .primary_key(),
    Attr::new("vif_type", |shown, _| Some(Field::Text(shown.binding.vif_type.as_str())))
        .by(BY)
        .filter()
        .enforce_policy()
        .default(Default::Unspecified),
    Attr::new("vif_details", |shown, view| {
        Some(vif_details(view, shown.network, &shown.binding.binding, shown.binding.vif_type))
    })
    .by(BY)
    .enforce_policy()
    .default(Default::Unspecified)
    .validate(Validate::ObjectOrNone),
    Attr::new("vnic_type", |shown, _| Some(Field::Text(or(&shown.binding.binding.vnic_type, VNIC_NORMAL))))
        .by(BY)
        .post_put()
        .filter()
        .enforce_policy()
        .default(Default::Text(VNIC_NORMAL))
        .validate(Validate::Words(VNIC_TYPES)),
    Attr::new("profile", |shown, _| Some(profile(&shown.binding.binding, shown.trusted)))
        .by(BY)
        .post_put()
        .enforce_policy()
        .default(Default::Unspecified)
        .validate(Validate::ObjectOrNone),
    Attr::new("status", |shown, _| {
        Some(Field::Text(if shown.binding.is_active { "ACTIVE" } else { "INACTIVE" }))
    })
    .by(BY)
    .filter(),
    // Taken and not shown, as in Neutron.
    Attr::new("project_id", |_, _| None).by(BY).post().required_by_policy().validate(Validate::String(255)),
];

pub(super) const NAMES: &[&str] = &super::names::<Shown, { TABLE.len() }>(TABLE);

fn table() -> Table<Shown> {
    Table { attributes: TABLE, names: NAMES }
}

/// The bindings of ports.
pub(super) struct PortBindings {
    get: Option<RuleId>,
    create: Option<RuleId>,
    update: Option<RuleId>,
    delete: Option<RuleId>,
    activate: Option<RuleId>,
}

impl PortBindings {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            get: policy.deciding("get_port_binding"),
            create: policy.deciding("create_port_binding"),
            update: policy.deciding("update_port_binding"),
            delete: policy.deciding("delete_port_binding"),
            activate: policy.deciding("activate"),
        }
    }

    fn may(&self, state: &ApiState, call: &Call, rule: Option<RuleId>) -> bool {
        state.policy.check(rule, &call.caller, &Nothing)
    }

    /// Refuses what a rule does not let the caller do with a binding that there is.
    fn check(&self, state: &ApiState, call: &Call, rule: Option<RuleId>, name: &str) -> Result<(), ApiError> {
        if self.may(state, call, rule) {
            return Ok(());
        }
        let may_see = self.may(state, call, self.get);
        Err(if may_see { ApiError::forbidden(&[format!("rule:{name}")]) } else { ApiError::not_found() })
    }

    async fn list(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let filters = Filters::read(table(), &call.query)?;
        let page = Page::read(table(), &call.query)?;
        let port = find_port(state, call, &view, id)?;
        let mut bindings = port_binding::list(&view, port)?;
        if !self.may(state, call, self.get) {
            bindings.clear();
        }
        let bindings = bindings.into_iter().map(|binding| Shown::new(binding, port));
        let bindings = bindings.filter(|binding| filters.accept(TABLE, binding, &view)).collect();
        let bindings = cut(&page, bindings);
        let mask = fields(table(), &call.query);
        let mut out = format!("{{\"{COLLECTION}\":[").into_bytes();
        let mut json = Writer::new(&mut out);
        for (index, binding) in bindings.iter().enumerate() {
            json.raw(if index == 0 { b"" } else { b"," });
            answer::write_object(TABLE, mask, binding, &view, &mut json);
        }
        json.raw(b"]");
        let ends = bindings.first().zip(bindings.last()).map(|(first, last)| (host_of(first), host_of(last)));
        page.write_links(&mut json, COLLECTION, &call.address, &call.query, bindings.len(), ends);
        json.raw(b"}");
        Ok(json_response(StatusCode::OK, out))
    }

    async fn show(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        host: &str,
    ) -> Result<Response<Body>, ApiError> {
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let port = find_port(state, call, &view, id)?;
        let binding = port_binding::find(&view, port, host)?;
        self.check(state, call, self.get, "get_port_binding")?;
        let shown = Shown::new(binding, port);
        Ok(json_response(StatusCode::OK, one(fields(table(), &call.query), &shown, &view)))
    }

    async fn create(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        let values = self.values(state, call, Purpose::Create)?;
        if !self.may(state, call, self.create) {
            return Err(ApiError::forbidden(&["rule:create_port_binding".to_owned()]));
        }
        let change = change(&values)?;
        let host = change.host_id.clone().unwrap_or_default();
        let port = port_id(state, call, id).await?;
        let made = state
            .store
            .write(call.commit_info(), |tx| port_binding::create(tx, port, &host, &change))
            .await?;
        let view = View::new(&made.snapshot, call.caller.project());
        answer_one(StatusCode::CREATED, port, made.value, &view, call)
    }

    async fn update(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        host: &str,
    ) -> Result<Response<Body>, ApiError> {
        let values = self.values(state, call, Purpose::Update)?;
        let port = self.existing(state, call, id, host).await?;
        // There is no rule of its own, and what stands for one asks for an owner, which bindings don't have.
        if !self.may(state, call, self.create) {
            self.check(state, call, self.update, "update_port_binding")?;
        }
        let change = change(&values)?;
        let config = &state.config.control;
        let write = |tx: &mut _| port_binding::update(tx, config, port, host, &change);
        let changed = state.store.write(call.commit_info(), write).await?;
        let view = View::new(&changed.snapshot, call.caller.project());
        answer_one(StatusCode::OK, port, changed.value, &view, call)
    }

    async fn activate(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        host: &str,
    ) -> Result<Response<Body>, ApiError> {
        let port = self.existing(state, call, id, host).await?;
        self.check(state, call, self.activate, "activate")?;
        let done = state.store.write(call.commit_info(), |tx| port_binding::activate(tx, port, host)).await?;
        let view = View::new(&done.snapshot, call.caller.project());
        let mut out = Vec::new();
        let shown = shown(port, done.value, &view)?;
        // Not under its name, unlike everything else.
        answer::write_object(TABLE, Mask::of(TABLE, |_, _| true), &shown, &view, &mut Writer::new(&mut out));
        Ok(json_response(StatusCode::OK, out))
    }

    async fn delete(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        host: &str,
    ) -> Result<Response<Body>, ApiError> {
        let port = self.existing(state, call, id, host).await?;
        self.check(state, call, self.delete, "delete_port_binding")?;
        state.store.write(call.commit_info(), |tx| port_binding::delete(tx, port, host)).await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    fn values(&self, state: &ApiState, call: &Call, purpose: Purpose) -> Result<Values, ApiError> {
        match body::open(&call.body, MEMBER, COLLECTION)? {
            Envelope::Nothing => Err(body::missing(MEMBER)),
            Envelope::Many(_) => Err(ApiError::bad_request("many bindings can't be made at once")),
            Envelope::One(object) => {
                let may_name_owner = state.policy.may_name_owner(&call.caller);
                Values::read(table(), object, purpose, &call.caller, may_name_owner)
            }
        }
    }

    /// The port, which the caller may know of and which has a binding to the host.
    async fn existing(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        host: &str,
    ) -> Result<PortId, ApiError> {
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let port = find_port(state, call, &view, id)?;
        port_binding::find(&view, port, host)?;
        Ok(port.id)
    }
}

fn no_port(id: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "PortNotFound", format!("port {id} could not be found"))
}

fn find_port<'a>(state: &ApiState, call: &Call, view: &'a View<'a>, id: &str) -> Result<&'a Port, ApiError> {
    let sees = Sees::new(&state.policy, &call.caller, view);
    let found = parse_uuid(id).filter(|id| sees.port(*id)).and_then(|id| view.get::<Port>(&PortId(id)));
    found.map(|port| &port.value).ok_or_else(|| no_port(id))
}

async fn port_id(state: &ApiState, call: &Call, id: &str) -> Result<PortId, ApiError> {
    let snapshot = state.view().await;
    let view = View::new(&snapshot, call.caller.project());
    find_port(state, call, &view, id).map(|port| port.id)
}

fn change(values: &Values) -> Result<BindingChange, ApiError> {
    let change = binding_change_of(values, ["host", "vnic_type", "profile"])?;
    if change.host_id.as_deref() == Some("") {
        return Err(ApiError::bad_request("invalid value for host: a binding names a host"));
    }
    Ok(change)
}

fn shown(port: PortId, binding: PortBinding, view: &View<'_>) -> Result<Shown, ApiError> {
    let port = view.get::<Port>(&port).ok_or(Error::PortNotFound(port))?;
    Ok(Shown::new(binding, port))
}

fn answer_one(
    status: StatusCode,
    port: PortId,
    binding: PortBinding,
    view: &View<'_>,
    call: &Call,
) -> Result<Response<Body>, ApiError> {
    let shown = shown(port, binding, view)?;
    Ok(json_response(status, one(fields(table(), &call.query), &shown, view)))
}

fn one(mask: Mask, shown: &Shown, view: &View<'_>) -> Vec<u8> {
    let mut out = format!("{{\"{MEMBER}\":").into_bytes();
    let mut json = Writer::new(&mut out);
    answer::write_object(TABLE, mask, shown, view, &mut json);
    json.raw(b"}");
    out
}

fn host_of(shown: &Shown) -> &str {
    &shown.binding.binding.host_id
}

/// The page of bindings that are sorted by host.
fn cut(page: &Page, mut all: Vec<Shown>) -> Vec<Shown> {
    let Some(limit) = page.limit else { return all };
    let marker = page.marker.as_deref();
    if page.is_reverse {
        let end = marker.map_or(all.len(), |marker| all.partition_point(|shown| host_of(shown) < marker));
        all.truncate(end);
        all.drain(..end.saturating_sub(limit));
    } else {
        let start = marker.map_or(0, |marker| all.partition_point(|shown| host_of(shown) <= marker));
        all.drain(..start);
        all.truncate(limit);
    }
    all
}

impl Endpoint for PortBindings {
    fn member(&self) -> &'static str {
        "port"
    }

    fn collection(&self) -> &'static str {
        "ports"
    }

    fn below(&self) -> Option<&'static str> {
        Some(COLLECTION)
    }

    fn describe(&self) -> Description {
        Description {
            member: MEMBER,
            collection: COLLECTION,
            operations: operations(
                "ports/{parent}/bindings",
                &[
                    ("GET", "", OperationKind::List),
                    ("POST", "", OperationKind::Create),
                    ("GET", "/{id}", OperationKind::Show),
                    ("PUT", "/{id}", OperationKind::Update),
                    ("DELETE", "/{id}", OperationKind::Delete),
                    ("PUT", "/{id}/activate", OperationKind::Other),
                ],
            ),
            attributes: Some(TABLE.iter().map(Column::of).collect()),
            is_bulk: false,
        }
    }

    fn answer<'a>(&'a self, state: &'a ApiState, call: Call) -> Answer<'a> {
        Box::pin(async move {
            let id = call.id.as_deref().unwrap_or_default();
            let below: Vec<&str> = call.below.iter().map(String::as_str).collect();
            match (&call.method, below.as_slice()) {
                (&Method::GET, [_]) => self.list(state, &call, id).await,
                (&Method::POST, [_]) => self.create(state, &call, id).await,
                (&Method::GET, [_, host]) => self.show(state, &call, id, host).await,
                (&Method::PUT, [_, host]) => self.update(state, &call, id, host).await,
                (&Method::DELETE, [_, host]) => self.delete(state, &call, id, host).await,
                (&Method::PUT, [_, host, "activate"]) => self.activate(state, &call, id, host).await,
                (_, [_] | [_, _] | [_, _, "activate"]) => Err(ApiError::method_not_allowed()),
                _ => Err(ApiError::not_found()),
            }
        })
    }
}
