//! The operations of a resource over HTTP, written once for all.

mod read;
mod receipt;
mod tags;
mod write;

pub(crate) use tags::Tagged;

use super::target::Subject;
use super::{Object, Parent, Resource, Sees};
use crate::attribute::{Default, Mask};
use crate::description::{Column, Description, OperationKind, operations};
use crate::policy::{Policy, RuleId, Target};
use crate::request::Call;
use crate::state::ApiState;
use crate::validate::parse_uuid;
use crate::values::{Table, Values};
use crate::view::View;
use crate::{ApiError, Caller};
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use hadron_store::{Snapshot, Stored};
use serde_json::Value;
use std::collections::BTreeSet;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

/// The answer to come.
pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>, ApiError>> + Send + 'a>>;

/// A resource at its address.
pub(crate) trait Endpoint: Send + Sync {
    /// Its name for one.
    fn member(&self) -> &'static str;
    /// Its name for many, the last part of its address.
    fn collection(&self) -> &'static str;
    /// What stands behind the id of an object in the addresses that it answers for; `None` if that is for the resource to say.
    fn below(&self) -> Option<&'static str> {
        None
    }
    /// What it is, for the published description and for tests of every operation.
    fn describe(&self) -> Description;
    /// Answers a request.
    fn answer<'a>(&'a self, state: &'a ApiState, call: Call) -> Answer<'a>;
}

/// A resource with the rules that decide on it.
pub(crate) struct Served<R> {
    rules: Arc<Rules>,
    resource: PhantomData<fn() -> R>,
}

/// The places of a resource's rules.
struct Rules {
    create: Operation,
    update: Operation,
    delete: Option<RuleId>,
    get: Option<RuleId>,
    /// Who may know the hosts that have an object.
    see_hosts: Option<RuleId>,
    /// For each of the resource's actions.
    actions: Vec<Operation>,
    /// For each attribute, the rule that it takes to see it, if it has one.
    see: Vec<Option<RuleId>>,
}

/// An operation that gives attributes.
struct Operation {
    name: String,
    rule: Option<RuleId>,
    /// For each attribute that has a rule of its own, that rule.
    attributes: Vec<Option<RuleId>>,
}

impl Operation {
    fn new<R: Resource>(policy: &Policy, verb: &str) -> Self {
        let name = format!("{verb}_{}", R::POLICY_NAME);
        let attributes = R::ATTRIBUTES.iter().map(|attribute| {
            let rule = || policy.deciding(&format!("{name}:{}", attribute.name));
            attribute.enforce_policy.then(rule).flatten()
        });
        Self { rule: policy.deciding(&name), attributes: attributes.collect(), name }
    }

    /// An action, whose rule has its name.
    fn action(policy: &Policy, name: &str) -> Self {
        Self { name: name.to_owned(), rule: policy.deciding(name), attributes: vec![] }
    }
}

impl<R: Resource> Served<R> {
    pub(crate) fn new(policy: &Policy) -> Self {
        let see =
            R::ATTRIBUTES.iter().map(|attr| policy.find(&format!("get_{}:{}", R::POLICY_NAME, attr.name)));
        let rules = Rules {
            create: Operation::new::<R>(policy, "create"),
            update: Operation::new::<R>(policy, "update"),
            delete: policy.deciding(&format!("delete_{}", R::POLICY_NAME)),
            get: policy.deciding(&format!("get_{}", R::POLICY_NAME)),
            see_hosts: policy.deciding("get_port:binding:host_id"),
            actions: R::ACTIONS.iter().map(|action| Operation::action(policy, action)).collect(),
            see: see.collect(),
        };
        Self { rules: Arc::new(rules), resource: PhantomData }
    }

    fn table() -> Table<R::Record> {
        Table { attributes: R::ATTRIBUTES, names: R::NAMES }
    }

    fn not_found(id: &str) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, R::NOT_FOUND, format!("{} {id} could not be found", R::MEMBER))
    }

    fn subject<'a>(
        record: Option<&'a R::Record>,
        values: Option<&'a Values>,
        view: &'a View<'a>,
    ) -> Subject<'a, R> {
        Subject { table: Self::table(), record, values, view, is_bare: false }
    }

    /// Whether the caller may know of the record.
    fn is_visible(&self, policy: &Policy, caller: &Caller, record: &R::Record, view: &View<'_>) -> bool {
        (R::is_within_reach(record, view) || policy.is_unscoped(caller))
            && policy.check(self.rules.get, caller, &Self::subject(Some(record), None, view))
    }

    /// The record of an id in an address, if the caller may know of it.
    fn find(
        &self,
        policy: &Policy,
        caller: &Caller,
        id: &str,
        view: &View<'_>,
    ) -> Result<Arc<Stored<R::Record>>, ApiError> {
        let found = parse_uuid(id).and_then(|id| view.get::<R::Record>(&R::Record::key_of(id)));
        let Some(record) = found else { return Err(Self::not_found(id)) };
        if self.is_visible(policy, caller, &record.value, view) {
            return Ok(record.clone());
        }
        // Neutron finds what is the caller's own and refuses it only then, with a less particular error.
        let subject = Self::subject(Some(&record.value), None, view);
        let is_own = caller.project_id.is_some()
            && subject.value("project_id").as_deref() == caller.project_id.as_deref();
        Err(if is_own { ApiError::not_found() } else { Self::not_found(id) })
    }

    /// Refuses an operation that the rules don't let the caller do, with the names of the rules that were asked.
    fn authorise(
        policy: &Policy,
        caller: &Caller,
        operation: &Operation,
        subject: &Subject<'_, R>,
        given: Mask,
    ) -> Result<(), ApiError> {
        let mut asked = vec![(operation.name.clone(), operation.rule)];
        for (index, attribute) in R::ATTRIBUTES.iter().enumerate() {
            let rule = operation.attributes.get(index).copied().flatten();
            let Some(rule) = rule.filter(|_| given.has(index)) else { continue };
            asked.push((format!("{}:{}", operation.name, attribute.name), Some(rule)));
            let value = subject.values.and_then(|values| values.at(index));
            for (name, rule) in value
                .map(|value| rules_of_members(policy, &operation.name, attribute.name, value))
                .into_iter()
                .flatten()
            {
                if asked.iter().all(|(known, _)| *known != name) {
                    asked.push((name, rule));
                }
            }
        }
        if asked.iter().all(|(_, rule)| policy.check(*rule, caller, subject)) {
            return Ok(());
        }
        Err(refusal(policy, caller, &asked))
    }

    /// What a caller is told to whom a change of an object is refused. Neutron judges by few of the object's attributes whether the caller
    /// may know of it; of an address group not by whether it is shared.
    fn refused(
        &self,
        policy: &Policy,
        caller: &Caller,
        record: &R::Record,
        view: &View<'_>,
        refusal: ApiError,
    ) -> ApiError {
        let bare = Subject { is_bare: true, ..Self::subject(Some(record), None, view) };
        if policy.check(self.rules.get, caller, &bare) { refusal } else { ApiError::not_found() }
    }

    /// The attributes given on create that have a value other than their default.
    fn given_on_create(values: &Values) -> Mask {
        Mask::of(R::ATTRIBUTES, |index, attribute| match values.at(index) {
            None => false,
            Some(value) => match attribute.default {
                Default::Required | Default::Unspecified => true,
                default => default.value().as_ref() != Some(value),
            },
        })
    }
}

/// A rule that is asked, by its name.
type Asked = (String, Option<RuleId>);

/// The rules on the members of an attribute's value: on every member of the objects of a list, as
/// `update_port:fixed_ips:subnet_id`, and on those members of an object that have a rule, as
/// `create_router:external_gateway_info:enable_snat`.
fn rules_of_members(policy: &Policy, operation: &str, attribute: &str, value: &Value) -> Vec<Asked> {
    let name = |key: &String| format!("{operation}:{attribute}:{key}");
    match value {
        Value::Array(members) => {
            let keys = members.iter().filter_map(Value::as_object).flat_map(|member| member.keys());
            let names: BTreeSet<String> = keys.map(name).collect();
            names
                .into_iter()
                .map(|name| (policy.deciding(&name), name))
                .map(|(rule, name)| (name, rule))
                .collect()
        }
        Value::Object(object) => {
            let with_rule = |name: String| Some((policy.find(&name)?, name));
            object.keys().map(name).filter_map(with_rule).map(|(rule, name)| (name, Some(rule))).collect()
        }
        _ => vec![],
    }
}

/// The answer to a caller who fails one of the rules.
fn refusal(policy: &Policy, caller: &Caller, asked: &[Asked]) -> ApiError {
    let names: Vec<String> = asked.iter().map(|(name, _)| format!("rule:{name}")).collect();
    let is_out_of_scope = |rule: RuleId| !policy.is_in_scope(rule, caller);
    if asked.first().and_then(|(_, rule)| *rule).is_some_and(is_out_of_scope) {
        let message = format!("{} is not for a token of this scope; use one for a project", names[0]);
        return ApiError::new(StatusCode::FORBIDDEN, "InvalidScope", message);
    }
    ApiError::forbidden(&names)
}

/// Turns an address below a parent into that of the object or list there. The caller must be allowed to know of the parent, and the
/// object must belong to it; whether the caller may know of the object is judged later, by the parent's project.
fn descend<R: Resource>(
    parent: &Parent<R::Record>,
    state: &ApiState,
    view: &Snapshot,
    call: &mut Call,
) -> Result<(), ApiError> {
    let id = call.id.take().unwrap_or_default();
    let of_caller = View::new(view, call.caller.project());
    let sees = Sees::new(&state.policy, &call.caller, &of_caller);
    let found = parse_uuid(&id).filter(|id| (parent.is_visible)(sees, *id));
    let found = found.ok_or_else(|| {
        let message = format!("{} {id} could not be found", parent.member);
        ApiError::new(StatusCode::NOT_FOUND, parent.not_found, message)
    })?;
    call.parent = Some(found);
    // The first is the name of the collection, by which the endpoint was found.
    let mut below = std::mem::take(&mut call.below).into_iter().skip(1);
    call.id = below.next();
    call.below = below.collect();
    let object = |id: &String| view.get::<R::Record>(&R::Record::key_of(parse_uuid(id)?)).cloned();
    match &call.id {
        Some(id) if object(id).is_none_or(|object| (parent.of)(&object.value) != found) => {
            Err(Served::<R>::not_found(id))
        }
        _ => Ok(()),
    }
}

impl<R: Resource> Endpoint for Served<R> {
    fn member(&self) -> &'static str {
        R::MEMBER
    }

    fn collection(&self) -> &'static str {
        R::PARENT.map_or(R::COLLECTION, |parent| parent.collection)
    }

    fn below(&self) -> Option<&'static str> {
        R::PARENT.map(|_| R::COLLECTION)
    }

    fn describe(&self) -> Description {
        let mut parts = vec![
            ("GET", String::new(), OperationKind::List),
            ("GET", "/{id}".to_owned(), OperationKind::Show),
            ("DELETE", "/{id}".to_owned(), OperationKind::Delete),
        ];
        if R::ATTRIBUTES.iter().any(|attribute| attribute.post) {
            parts.push(("POST", String::new(), OperationKind::Create));
        }
        if R::ATTRIBUTES.iter().any(|attribute| attribute.put) {
            parts.push(("PUT", "/{id}".to_owned(), OperationKind::Update));
        }
        if R::IS_ON_HOSTS {
            parts.push(("GET", format!("/{{id}}/{}", receipt::RECEIPT), OperationKind::Other));
        }
        parts.extend(
            R::ACTIONS.iter().map(|action| ("PUT", format!("/{{id}}/{action}"), OperationKind::Other)),
        );
        let base = match R::PARENT {
            Some(parent) => format!("{}/{{parent}}/{}", parent.collection, R::COLLECTION),
            None => R::COLLECTION.replace('_', "-"),
        };
        let parts: Vec<_> =
            parts.iter().map(|(method, part, kind)| (*method, part.as_str(), *kind)).collect();
        Description {
            member: R::MEMBER,
            collection: R::COLLECTION,
            operations: operations(&base, &parts),
            attributes: Some(R::ATTRIBUTES.iter().map(Column::of).collect()),
            is_bulk: R::IS_BULK,
        }
    }

    fn answer<'a>(&'a self, state: &'a ApiState, mut call: Call) -> Answer<'a> {
        Box::pin(async move {
            if let Some(parent) = R::PARENT {
                let view = state.view().await;
                descend::<R>(&parent, state, &view, &mut call)?;
            }
            let id = call.id.take();
            if let (Some(id), [action, rest @ ..]) = (&id, &*std::mem::take(&mut call.below)) {
                return if R::IS_ON_HOSTS && action == receipt::RECEIPT && rest.is_empty() {
                    self.receipt(state, &call, id).await
                } else if rest.is_empty() {
                    self.act(state, call, id, action).await
                } else {
                    Err(ApiError::not_found())
                };
            }
            match (&call.method, id) {
                (&Method::GET, None) => self.list(state, call).await,
                (&Method::GET, Some(id)) => self.show(state, &call, &id).await,
                (&Method::POST, None) if R::IS_CREATED => self.create(state, call).await,
                (&Method::PUT, Some(id)) => self.update(state, call, &id).await,
                (&Method::DELETE, Some(id)) => self.delete(state, call, &id).await,
                (&Method::PUT | &Method::DELETE, None) => Err(Self::not_found("None")),
                _ => Err(ApiError::method_not_allowed()),
            }
        })
    }
}
