//! `/v2.0/COLLECTION/ID/tags` and `/v2.0/COLLECTION/ID/tags/TAG`, of every resource whose objects have tags.

use super::{Answer, Endpoint, Operation, Served};
use crate::ApiError;
use crate::attribute::{Mask, Validate};
use crate::description::{Description, OperationKind, operations};
use crate::error::json_response;
use crate::json::Writer;
use crate::policy::Policy;
use crate::request::Call;
use crate::resource::{Object, Resource, Tagging};
use crate::state::ApiState;
use crate::view::View;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use hadron_control::tag::TagChange;
use hadron_control::{Error, ObjectError};
use hadron_model::tag::MAX_TAG_LENGTH;
use serde_json::Value;
use std::sync::Arc;

/// The tags of a resource's objects.
pub(crate) struct Tagged<R: Resource> {
    served: Served<R>,
    tagging: Tagging<R::Record>,
    rules: Rules,
}

struct Rules {
    get: Operation,
    create: Operation,
    update: Operation,
    delete: Operation,
}

impl<R: Resource> Tagged<R> {
    pub(crate) fn new(policy: &Policy, tagging: Tagging<R::Record>) -> Self {
        let rule = |verb: &str| Operation::action(policy, &format!("{verb}_{}:tags", R::MEMBER));
        let rules = Rules {
            get: rule("get"),
            create: rule("create"),
            update: rule("update"),
            delete: rule("delete"),
        };
        Self { served: Served::new(policy), tagging, rules }
    }

    /// The object, if the caller may know of it and do this with its tags.
    fn find(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        operation: &Operation,
        view: &View<'_>,
    ) -> Result<Arc<hadron_store::Stored<R::Record>>, ApiError> {
        let found = self.served.find(&state.policy, &call.caller, id, view);
        let record = found.map_err(|_| gone::<R>(id))?;
        let subject = Served::<R>::subject(Some(&record.value), None, view);
        Served::<R>::authorise(&state.policy, &call.caller, operation, &subject, Mask::EMPTY)?;
        Ok(record)
    }

    async fn change(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        operation: &Operation,
        change: TagChange,
    ) -> Result<(), ApiError> {
        let revision = call.demanded_revision()?;
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let id = self.find(state, call, id, operation, &view)?.value.id();
        let write = |tx: &mut _| (self.tagging.change)(tx, R::COLLECTION, id, &change, revision);
        let committed = state.store.write(call.commit_info(), write).await?;
        committed.value.ok_or_else(|| gone::<R>(&id.to_string()))?;
        Ok(())
    }

    async fn list(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let record = self.find(state, call, id, &self.rules.get, &view)?;
        let mut out = b"{\"tags\":".to_vec();
        let mut json = Writer::new(&mut out);
        json.tags((self.tagging.read)(&record.value));
        json.raw(b"}");
        Ok(json_response(StatusCode::OK, out))
    }

    async fn show(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        tag: &str,
    ) -> Result<Response<Body>, ApiError> {
        check_one(tag)?;
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let record = self.find(state, call, id, &self.rules.get, &view)?;
        if (self.tagging.read)(&record.value).has(tag) {
            Ok(no_content())
        } else {
            Err(Error::from(ObjectError::TagNotFound(tag.to_owned())).into())
        }
    }

    /// Takes a list, which is answered as it was given.
    async fn give(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        (operation, make): (&Operation, fn(hadron_model::Tags) -> TagChange),
    ) -> Result<Response<Body>, ApiError> {
        let body = read_list(&call.body)?;
        let tags = body["tags"].as_array().into_iter().flatten();
        let tags = tags.filter_map(Value::as_str).collect();
        self.change(state, call, id, operation, make(tags)).await?;
        Ok(json_response(StatusCode::OK, body.to_string()))
    }

    async fn answer_one(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
        tag: &str,
    ) -> Result<Response<Body>, ApiError> {
        match call.method {
            Method::GET => self.show(state, call, id, tag).await,
            Method::PUT => {
                check_one(tag)?;
                let add = TagChange::Add([tag].into_iter().collect());
                self.change(state, call, id, &self.rules.update, add).await?;
                Ok(json_response(StatusCode::CREATED, "null"))
            }
            Method::DELETE => {
                check_one(tag)?;
                let remove = TagChange::Remove(tag.to_owned());
                self.change(state, call, id, &self.rules.delete, remove).await?;
                Ok(no_content())
            }
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    async fn answer_all(&self, state: &ApiState, call: &Call, id: &str) -> Result<Response<Body>, ApiError> {
        match call.method {
            Method::GET => self.list(state, call, id).await,
            Method::PUT => self.give(state, call, id, (&self.rules.update, TagChange::Replace)).await,
            Method::POST => self.give(state, call, id, (&self.rules.create, TagChange::Add)).await,
            Method::DELETE => {
                self.change(state, call, id, &self.rules.delete, TagChange::Clear).await?;
                Ok(no_content())
            }
            _ => Err(ApiError::method_not_allowed()),
        }
    }
}

impl<R: Resource> Endpoint for Tagged<R> {
    fn member(&self) -> &'static str {
        R::MEMBER
    }

    fn collection(&self) -> &'static str {
        R::COLLECTION
    }

    fn below(&self) -> Option<&'static str> {
        Some("tags")
    }

    fn describe(&self) -> Description {
        Description {
            member: R::MEMBER,
            collection: R::COLLECTION,
            operations: operations(
                &R::COLLECTION.replace('_', "-"),
                &[
                    ("GET", "/{id}/tags", OperationKind::Other),
                    ("PUT", "/{id}/tags", OperationKind::Other),
                    ("POST", "/{id}/tags", OperationKind::Other),
                    ("DELETE", "/{id}/tags", OperationKind::Other),
                    ("GET", "/{id}/tags/{tag}", OperationKind::Other),
                    ("PUT", "/{id}/tags/{tag}", OperationKind::Other),
                    ("DELETE", "/{id}/tags/{tag}", OperationKind::Other),
                ],
            ),
            attributes: None,
            is_bulk: false,
        }
    }

    fn answer<'a>(&'a self, state: &'a ApiState, call: Call) -> Answer<'a> {
        Box::pin(async move {
            match (call.id.as_deref(), call.below.as_slice()) {
                (Some(id), [_]) => self.answer_all(state, &call, id).await,
                (Some(id), [_, tag]) => self.answer_one(state, &call, id, tag).await,
                _ => Err(ApiError::not_found()),
            }
        })
    }
}

fn gone<R: Resource>(id: &str) -> ApiError {
    Error::from(ObjectError::TagResourceNotFound { collection: R::COLLECTION, id: id.to_owned() }).into()
}

fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn check_one(tag: &str) -> Result<(), ApiError> {
    refuse(Validate::String(MAX_TAG_LENGTH), &tag.into())
}

/// A body with a list of distinct tags.
fn read_list(body: &[u8]) -> Result<Value, ApiError> {
    let body: Value = serde_json::from_slice(body).map_err(|_| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "MalformedRequestBody",
            "malformed request body: it is not JSON",
        )
    })?;
    let tags = body.get("tags").ok_or_else(|| ApiError::invalid_input("the body has no list \"tags\""))?;
    refuse(Validate::UniqueStrings(MAX_TAG_LENGTH), tags)?;
    Ok(body)
}

fn refuse(validate: Validate, value: &Value) -> Result<(), ApiError> {
    validate.check(value).map_err(|fault| match fault {
        crate::attribute::Fault::Reason(reason) => ApiError::invalid_input(reason),
        crate::attribute::Fault::Error(error) => error,
    })
}
