//! POST, PUT and DELETE.

use super::{Served, refusal};
use crate::ApiError;
use crate::attribute::Mask;
use crate::body::{self, Envelope};
use crate::error::json_response;
use crate::filter::fields;
use crate::request::Call;
use crate::resource::{Object, Request, Resource, Sees, answer, visible};
use crate::state::{ApiConfig, ApiState};
use crate::values::{Purpose, Values};
use crate::view::View;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use hadron_control::{bulk, steps};
use hadron_store::{Snapshot, Store, Tx};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long to wait before trying again to undo what could not be undone.
const UNDO_AGAIN: Duration = Duration::from_secs(1);

/// Writing.
impl<R: Resource> Served<R> {
    pub(super) async fn create(&self, state: &ApiState, call: Call) -> Result<Response<Body>, ApiError> {
        let (objects, is_bulk) = match body::open(&call.body, R::MEMBER, R::COLLECTION)? {
            Envelope::Nothing => return Err(body::missing(R::MEMBER)),
            Envelope::One(object) => (vec![object], false),
            Envelope::Many(_) if !R::IS_BULK => {
                return Err(ApiError::bad_request("many objects can't be created at once here"));
            }
            Envelope::Many(objects) => (objects, true),
        };
        let news = self.prepare(state, &call, objects).await?;
        if is_bulk {
            R::check_many(&news)?;
        }
        let (made, snapshot) = match <[R::New; 1]>::try_from(news) {
            Ok([new]) => {
                let config = &state.config.control;
                let committed =
                    state.store.write(call.commit_info(), |tx| R::create(tx, config, &new)).await?;
                (vec![committed.value], committed.snapshot)
            }
            Err(news) => create_many::<R>(state, &call, news).await?,
        };
        for made in &made {
            R::complete(&state.store, &state.config.control, &call.commit_info(), made).await?;
        }
        let (policy, caller) = (&state.policy, &call.caller);
        let view = View::new(&snapshot, caller.project());
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
        let may_name_owner = policy.may_name_owner(caller);
        let values = objects
            .into_iter()
            .map(|object| {
                let mut values =
                    Values::read(Self::table(), object, Purpose::Create, caller, may_name_owner)?;
                values.parent = call.parent;
                Ok(values)
            })
            .collect::<Result<Vec<_>, ApiError>>()?;
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let request = Request {
            is_admin: policy.is_admin(caller),
            view: &view,
            sees: Sees::new(policy, caller, &view),
        };
        let sees_network = |id| visible::network(policy, caller, &view, id);
        let sees_subnet = |id| visible::subnet(policy, caller, &view, id);
        for values in &values {
            R::check_parents(request, &sees_network, values)?;
            let subject = Self::subject(None, Some(values), &view);
            Self::authorise(policy, caller, &self.rules.create, &subject, Self::given_on_create(values))?;
        }
        values.iter().map(|values| R::prepare_new(request, &sees_subnet, values)).collect()
    }

    pub(super) async fn update(
        &self,
        state: &ApiState,
        call: Call,
        id: &str,
    ) -> Result<Response<Body>, ApiError> {
        let (policy, caller) = (&state.policy, &*call.caller);
        let values = match body::open(&call.body, R::MEMBER, R::COLLECTION)? {
            Envelope::Nothing => None,
            Envelope::Many(_) => return Err(ApiError::bad_request("many objects can't be changed at once")),
            Envelope::One(object) => {
                let may_name_owner = policy.may_name_owner(caller);
                Some(Values::read(Self::table(), object, Purpose::Update, caller, may_name_owner)?)
            }
        };
        let revision = call.demanded_revision()?;
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let old = self.find(policy, caller, id, &view)?;
        let subject = Self::subject(Some(&old.value), values.as_ref(), &view);
        let given = values.as_ref().map_or(Mask::EMPTY, |values| values.given);
        Self::authorise(policy, caller, &self.rules.update, &subject, given)
            .map_err(|refusal| self.refused(policy, caller, &old.value, &view, refusal))?;
        let values = values.ok_or_else(|| body::missing(R::MEMBER))?;
        let request = Request {
            is_admin: policy.is_admin(caller),
            view: &view,
            sees: Sees::new(policy, caller, &view),
        };
        let sees_subnet = |id| visible::subnet(policy, caller, &view, id);
        let change = R::prepare_change(request, &sees_subnet, &old.value, &values)?;
        self.change(state, &call, old.value.id(), &change, revision).await
    }

    /// Makes a change and answers with the object.
    async fn change(
        &self,
        state: &ApiState,
        call: &Call,
        id: Uuid,
        change: &R::Change,
        revision: Option<u64>,
    ) -> Result<Response<Body>, ApiError> {
        let config = &state.config.control;
        let committed =
            state.store.write(call.commit_info(), |tx| R::update(tx, config, id, change, revision)).await?;
        Ok(self.changed(state, call, &committed.value, &committed.snapshot))
    }

    /// The answer to a change: the object as it is now.
    fn changed(&self, state: &ApiState, call: &Call, record: &R::Record, view: &Snapshot) -> Response<Body> {
        let view = &View::new(view, call.caller.project());
        let mask = self.shown(&state.policy, &call.caller).of(&state.policy, &call.caller, record, view);
        let mask = mask.and(fields(Self::table(), &call.query));
        json_response(StatusCode::OK, answer::one::<R>(mask, record, view))
    }

    /// Does what a path behind the object's names: PUT with a body of its own form.
    pub(super) async fn act(
        &self,
        state: &ApiState,
        call: Call,
        id: &str,
        action: &str,
    ) -> Result<Response<Body>, ApiError> {
        let place = R::ACTIONS.iter().position(|known| *known == action).ok_or_else(ApiError::not_found)?;
        if call.method != Method::PUT {
            return Err(ApiError::method_not_allowed());
        }
        let (policy, caller) = (&state.policy, &*call.caller);
        let revision = call.demanded_revision()?;
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let old = self.find(policy, caller, id, &view)?;
        let subject = Self::subject(Some(&old.value), None, &view);
        Self::authorise(policy, caller, &self.rules.actions[place], &subject, Mask::EMPTY)?;
        let body = serde_json::from_slice::<Value>(&call.body);
        let body = body.map_err(|_| ApiError::bad_request("the body is not JSON"))?;
        let request = Request {
            is_admin: policy.is_admin(caller),
            view: &view,
            sees: Sees::new(policy, caller, &view),
        };
        let change = R::prepare_action(request, action, &body)?;
        let (config, id) = (&state.config.control, old.value.id());
        let done = |tx: &mut Tx| match R::act(tx, config, id, &change, revision) {
            Some(answer) => answer.map(Done::Answer),
            None => R::update(tx, config, id, &change, revision).map(Done::Changed),
        };
        let committed = state.store.write(call.commit_info(), done).await?;
        match committed.value {
            Done::Answer(answer) => Ok(json_response(StatusCode::OK, answer.to_string())),
            Done::Changed(record) => Ok(self.changed(state, &call, &record, &committed.snapshot)),
        }
    }

    pub(super) async fn delete(
        &self,
        state: &ApiState,
        call: Call,
        id: &str,
    ) -> Result<Response<Body>, ApiError> {
        let (policy, caller) = (&state.policy, &*call.caller);
        let revision = call.demanded_revision()?;
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let old = self.find(policy, caller, id, &view)?;
        if !policy.check(self.rules.delete, caller, &Self::subject(Some(&old.value), None, &view)) {
            let name = format!("delete_{}", R::POLICY_NAME);
            let refusal = refusal(policy, caller, &[(name, self.rules.delete)]);
            return Err(self.refused(policy, caller, &old.value, &view, refusal));
        }
        if !call.body.is_empty() {
            return Err(ApiError::bad_request("a DELETE has no body"));
        }
        let id = old.value.id();
        let (store, config, info) = (state.store.clone(), state.config.clone(), call.commit_info());
        let is_admin = policy.is_admin(caller);
        // To the end, whether or not the caller waits for it.
        let task = tokio::spawn(async move {
            let delete = |tx: &mut _| R::delete(tx, &config.control, id, is_admin, revision);
            steps::run(&store, &info, delete).await.map(|_| ())
        });
        task.await.map_err(|_| ApiError::internal())??;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }
}

/// What an action came to.
enum Done<R> {
    /// The object has changed.
    Changed(R),
    /// This is the answer.
    Answer(Value),
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
