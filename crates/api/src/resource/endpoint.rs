//! The five operations of a resource over HTTP, written once for all.

use super::target::Subject;
use super::{Object, Request, Resource, Scope, answer, visible};
use crate::attribute::{Default, Mask};
use crate::body::{self, Envelope};
use crate::error::json_response;
use crate::filter::{Filters, fields};
use crate::json::Writer;
use crate::page::Page;
use crate::policy::{Policy, RuleId};
use crate::request::Call;
use crate::state::{ApiConfig, ApiState};
use crate::validate::parse_uuid;
use crate::values::{Purpose, Table, Values};
use crate::{ApiError, Caller};
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use hadron_control::{bulk, steps};
use hadron_store::{Snapshot, Store, Stored};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long to wait before trying again to undo what could not be undone.
const UNDO_AGAIN: Duration = Duration::from_secs(1);

/// The answer to come.
pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>, ApiError>> + Send + 'a>>;

/// A resource at its address.
pub(crate) trait Endpoint: Send + Sync {
    /// Its name for one.
    fn member(&self) -> &'static str;
    /// Its name for many, the last part of its address.
    fn collection(&self) -> &'static str;
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
        let name = format!("{verb}_{}", R::MEMBER);
        let attributes = R::ATTRIBUTES.iter().map(|attribute| {
            let rule = || policy.deciding(&format!("{name}:{}", attribute.name));
            attribute.enforce_policy.then(rule).flatten()
        });
        Self { rule: policy.deciding(&name), attributes: attributes.collect(), name }
    }
}

impl<R: Resource> Served<R> {
    pub(crate) fn new(policy: &Policy) -> Self {
        let see = R::ATTRIBUTES.iter().map(|attr| policy.find(&format!("get_{}:{}", R::MEMBER, attr.name)));
        let rules = Rules {
            create: Operation::new::<R>(policy, "create"),
            update: Operation::new::<R>(policy, "update"),
            delete: policy.deciding(&format!("delete_{}", R::MEMBER)),
            get: policy.deciding(&format!("get_{}", R::MEMBER)),
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
        view: &'a Snapshot,
    ) -> Subject<'a, R> {
        Subject { table: Self::table(), record, values, view }
    }

    /// Whether the caller may know of the record.
    fn is_visible(&self, policy: &Policy, caller: &Caller, record: &R::Record, view: &Snapshot) -> bool {
        policy.check(self.rules.get, caller, &Self::subject(Some(record), None, view))
    }

    /// The record of an id in an address, if the caller may know of it.
    fn find(
        &self,
        policy: &Policy,
        caller: &Caller,
        id: &str,
        view: &Snapshot,
    ) -> Result<Arc<Stored<R::Record>>, ApiError> {
        let found = parse_uuid(id).and_then(|id| view.get::<R::Record>(&R::Record::key_of(id)));
        let visible = found.filter(|record| self.is_visible(policy, caller, &record.value, view));
        visible.cloned().ok_or_else(|| Self::not_found(id))
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
            let Some(rule) = operation.attributes[index].filter(|_| given.has(index)) else { continue };
            asked.push((format!("{}:{}", operation.name, attribute.name), Some(rule)));
            let value = subject.values.and_then(|values| values.at(index));
            let members = value.and_then(|value| value.as_array()).into_iter().flatten();
            for key in members.filter_map(|member| member.as_object()).flat_map(|member| member.keys()) {
                let name = format!("{}:{}:{key}", operation.name, attribute.name);
                if asked.iter().all(|(known, _)| *known != name) {
                    asked.push((name.clone(), policy.deciding(&name)));
                }
            }
        }
        if asked.iter().all(|(_, rule)| policy.check(*rule, caller, subject)) {
            return Ok(());
        }
        Err(ApiError::forbidden(
            &asked.into_iter().map(|(name, _)| format!("rule:{name}")).collect::<Vec<_>>(),
        ))
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

/// Reading.
impl<R: Resource> Served<R> {
    async fn show(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        let view = state.view().await;
        let record = self.find(&state.policy, &call.caller, id, &view)?;
        let mask =
            self.shown(&state.policy, &call.caller).of(&state.policy, &call.caller, &record.value, &view);
        let mask = mask.and(fields(Self::table(), &call.query));
        Ok(json_response(StatusCode::OK, answer::one::<R>(mask, &record.value, &view)))
    }

    async fn list(&self, state: &ApiState, call: Call) -> Result<Response<Body>, ApiError> {
        let table = Self::table();
        let filters = Filters::read(table, &call.query)?;
        let page = Page::read(table, &call.query)?;
        let view = state.view().await;
        let (policy, caller) = (&state.policy, &call.caller);
        let scope = if policy.is_unscoped(caller) { Scope::All } else { Scope::Project(caller.project()) };
        let marker = match &page.marker {
            Some(id) => Some(page.row(table, &self.find(policy, caller, id, &view)?.value, &view)),
            None => None,
        };
        let mut records = R::candidates(&view, scope, &filters);
        records.retain(|record| {
            filters.accept(R::ATTRIBUTES, &record.value, &view)
                && self.is_visible(policy, caller, &record.value, &view)
        });
        if page.is_by_primary_key() {
            records.sort_by_key(|record| record.value.id());
        } else {
            records = page.sort(table, records, &view);
        }
        let records = page.cut(table, records, marker.as_deref(), &view);
        let mut closing = b"]".to_vec();
        let ends = answer::ends(&records);
        let ends = ends.as_ref().map(|(first, last)| (first.as_str(), last.as_str()));
        let mut json = Writer::new(&mut closing);
        page.write_links(&mut json, R::COLLECTION, &call.address, &call.query, records.len(), ends);
        json.raw(b"}");
        let asked = fields(table, &call.query);
        let shown = self.shown(policy, caller);
        let (policy, caller) = (policy.clone(), call.caller);
        let mask =
            move |record: &R::Record, view: &Snapshot| shown.of(&policy, &caller, record, view).and(asked);
        Ok(json_response(StatusCode::OK, answer::list::<R>(records, view, mask, closing)))
    }

    /// The attributes that the caller may see.
    fn shown(&self, policy: &Policy, caller: &Caller) -> Shown<R> {
        let is_by_object = |index: usize| self.rules.see[index].is_some_and(|rule| policy.needs_target(rule));
        let nothing = Nothing;
        let always = Mask::of(R::ATTRIBUTES, |index, attribute| {
            let rule = self.rules.see[index];
            attribute.visible
                && !is_by_object(index)
                && rule.is_none_or(|rule| policy.check(Some(rule), caller, &nothing))
        });
        let by_object = (0..R::ATTRIBUTES.len())
            .filter(|&index| R::ATTRIBUTES[index].visible && is_by_object(index))
            .collect();
        Shown { always, by_object, rules: self.rules.clone(), resource: PhantomData }
    }
}

/// What a caller may see of a resource's attributes.
struct Shown<R> {
    always: Mask,
    /// Attributes whose rule needs the object.
    by_object: Vec<usize>,
    rules: Arc<Rules>,
    resource: PhantomData<fn() -> R>,
}

impl<R: Resource> Shown<R> {
    fn of(&self, policy: &Policy, caller: &Caller, record: &R::Record, view: &Snapshot) -> Mask {
        let subject = Served::<R>::subject(Some(record), None, view);
        let may_see = |index: &&usize| policy.check(self.rules.see[**index], caller, &subject);
        self.by_object.iter().filter(may_see).fold(self.always, |mask, &index| mask.with(index))
    }
}

struct Nothing;

impl crate::policy::Target for Nothing {
    fn value(&self, _: &str) -> Option<std::borrow::Cow<'_, str>> {
        None
    }
}

/// Writing.
impl<R: Resource> Served<R> {
    async fn create(&self, state: &ApiState, call: Call) -> Result<Response<Body>, ApiError> {
        let (objects, is_bulk) = match body::open(&call.body, R::MEMBER, R::COLLECTION)? {
            Envelope::Nothing => return Err(body::missing(R::MEMBER)),
            Envelope::One(object) => (vec![object], false),
            Envelope::Many(objects) => (objects, true),
        };
        let news = self.prepare(state, &call, objects).await?;
        let (made, view) = match <[R::New; 1]>::try_from(news) {
            Ok([new]) => {
                let config = &state.config.control;
                let committed =
                    state.store.write(call.commit_info(), |tx| R::create(tx, config, &new)).await?;
                (vec![committed.value], committed.snapshot)
            }
            Err(news) => create_many::<R>(state, &call, news).await?,
        };
        for made in &made {
            R::complete(&state.store, &call.commit_info(), made).await?;
        }
        let (policy, caller) = (&state.policy, &call.caller);
        let first = made.first().ok_or_else(ApiError::internal)?;
        let mask = self.shown(policy, caller).of(policy, caller, first, &view);
        let mask = mask.and(fields(Self::table(), &call.query));
        let body = if is_bulk {
            answer::many::<R>(mask, &made, &view)
        } else {
            answer::one::<R>(mask, first, &view)
        };
        Ok(json_response(StatusCode::CREATED, body))
    }

    /// Checks every object before any is made: form and values of all, then policy, then what they name.
    async fn prepare(
        &self,
        state: &ApiState,
        call: &Call,
        objects: Vec<serde_json::Map<String, serde_json::Value>>,
    ) -> Result<Vec<R::New>, ApiError> {
        let (policy, caller) = (&state.policy, &*call.caller);
        let may_name_owner = policy.is_unscoped(caller);
        let values = objects
            .into_iter()
            .map(|object| Values::read(Self::table(), object, Purpose::Create, caller, may_name_owner))
            .collect::<Result<Vec<_>, _>>()?;
        let view = state.view().await;
        let request = Request { is_admin: policy.is_admin(caller), view: &view };
        let sees_network = |id| visible::network(policy, caller, &view, id);
        let sees_subnet = |id| visible::subnet(policy, caller, &view, id);
        for values in &values {
            R::check_parents(request, &sees_network, values)?;
            let subject = Self::subject(None, Some(values), &view);
            Self::authorise(policy, caller, &self.rules.create, &subject, Self::given_on_create(values))?;
        }
        values.iter().map(|values| R::prepare_new(request, &sees_subnet, values)).collect()
    }

    async fn update(&self, state: &ApiState, call: Call, id: &str) -> Result<Response<Body>, ApiError> {
        let (policy, caller) = (&state.policy, &*call.caller);
        let values = match body::open(&call.body, R::MEMBER, R::COLLECTION)? {
            Envelope::Nothing => None,
            Envelope::Many(_) => return Err(ApiError::bad_request("many objects can't be changed at once")),
            Envelope::One(object) => {
                let may_name_owner = policy.is_unscoped(caller);
                Some(Values::read(Self::table(), object, Purpose::Update, caller, may_name_owner)?)
            }
        };
        let revision = call.demanded_revision()?;
        let view = state.view().await;
        let old = self.find(policy, caller, id, &view)?;
        let subject = Self::subject(Some(&old.value), values.as_ref(), &view);
        let given = values.as_ref().map_or(Mask::EMPTY, |values| values.given);
        Self::authorise(policy, caller, &self.rules.update, &subject, given)?;
        let values = values.ok_or_else(|| body::missing(R::MEMBER))?;
        let request = Request { is_admin: policy.is_admin(caller), view: &view };
        let sees_subnet = |id| visible::subnet(policy, caller, &view, id);
        let change = R::prepare_change(request, &sees_subnet, &old.value, &values)?;
        let id = old.value.id();
        let config = &state.config.control;
        let committed =
            state.store.write(call.commit_info(), |tx| R::update(tx, config, id, &change, revision)).await?;
        let (record, view) = (committed.value, committed.snapshot);
        let mask = self.shown(policy, caller).of(policy, caller, &record, &view);
        let mask = mask.and(fields(Self::table(), &call.query));
        Ok(json_response(StatusCode::OK, answer::one::<R>(mask, &record, &view)))
    }

    async fn delete(&self, state: &ApiState, call: Call, id: &str) -> Result<Response<Body>, ApiError> {
        let (policy, caller) = (&state.policy, &*call.caller);
        let revision = call.demanded_revision()?;
        let view = state.view().await;
        let old = self.find(policy, caller, id, &view)?;
        if !policy.check(self.rules.delete, caller, &Self::subject(Some(&old.value), None, &view)) {
            return Err(ApiError::forbidden(&[format!("rule:delete_{}", R::MEMBER)]));
        }
        if !call.body.is_empty() {
            return Err(ApiError::bad_request("a DELETE has no body"));
        }
        let id = old.value.id();
        let (store, config, info) = (state.store.clone(), state.config.clone(), call.commit_info());
        // To the end, whether or not the caller waits for it.
        let task = tokio::spawn(async move {
            steps::run(&store, &info, |tx| R::delete(tx, &config.control, id, revision)).await.map(|_| ())
        });
        task.await.map_err(|_| ApiError::internal())??;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }
}

type Made<R> = (Vec<<R as Resource>::Record>, Arc<Snapshot>);

/// Creates all or none, to the end, whether or not the caller waits for it.
async fn create_many<R: Resource>(
    state: &ApiState,
    call: &Call,
    news: Vec<R::New>,
) -> Result<Made<R>, ApiError> {
    let (store, config, info) = (state.store.clone(), state.config.clone(), call.commit_info());
    let task = tokio::spawn(async move {
        let made = bulk::create(&store, &config.control, &info, &news, |tx, new| {
            R::create(tx, &config.control, new)
        });
        made.await.map_err(|failure| {
            if let Some(intent) = failure.unfinished {
                tokio::spawn(undo_when_possible(store.clone(), config.clone(), intent));
            }
            failure.error
        })
    });
    Ok(task.await.map_err(|_| ApiError::internal())??)
}

/// Tries until the store takes writes again.
async fn undo_when_possible(store: Store, config: Arc<ApiConfig>, intent: Uuid) {
    while bulk::undo(&store, &config.control, intent).await.is_err() {
        tokio::time::sleep(UNDO_AGAIN).await;
    }
}

impl<R: Resource> Endpoint for Served<R> {
    fn member(&self) -> &'static str {
        R::MEMBER
    }

    fn collection(&self) -> &'static str {
        R::COLLECTION
    }

    fn answer<'a>(&'a self, state: &'a ApiState, mut call: Call) -> Answer<'a> {
        Box::pin(async move {
            let id = call.id.take();
            match (&call.method, id) {
                (&Method::GET, None) => self.list(state, call).await,
                (&Method::GET, Some(id)) => self.show(state, &call, &id).await,
                (&Method::POST, None) => self.create(state, call).await,
                (&Method::PUT, Some(id)) => self.update(state, call, &id).await,
                (&Method::DELETE, Some(id)) => self.delete(state, call, &id).await,
                (&Method::PUT | &Method::DELETE, None) => Err(Self::not_found("None")),
                _ => Err(ApiError::method_not_allowed()),
            }
        })
    }
}
