//! GET: one object, or a list.

use super::{Rules, Served};
use crate::attribute::Mask;
use crate::error::json_response;
use crate::filter::{Filters, fields};
use crate::json::Writer;
use crate::page::Page;
use crate::policy::{Nothing, Policy};
use crate::request::Call;
use crate::resource::{Object, Resource, Scope, answer};
use crate::state::ApiState;
use crate::view::View;
use crate::{ApiError, Caller};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use std::marker::PhantomData;
use std::sync::Arc;

/// Reading.
impl<R: Resource> Served<R> {
    pub(super) async fn show(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
    ) -> Result<Response<Body>, ApiError> {
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
        let record = self.find(&state.policy, &call.caller, id, &view)?;
        let mask =
            self.shown(&state.policy, &call.caller).of(&state.policy, &call.caller, &record.value, &view);
        let mask = mask.and(fields(Self::table(), &call.query));
        Ok(json_response(StatusCode::OK, answer::one::<R>(mask, &record.value, &view)))
    }

    pub(super) async fn list(&self, state: &ApiState, call: Call) -> Result<Response<Body>, ApiError> {
        let table = Self::table();
        let mut filters = Filters::read(table, &call.query)?;
        filters.parent = call.parent;
        let page = Page::read(table, &call.query)?;
        R::settle(state, &call, &filters).await;
        let snapshot = state.view().await;
        let view = View::new(&snapshot, call.caller.project());
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
        let (policy, caller, project) =
            (policy.clone(), call.caller.clone(), call.caller.project().to_owned());
        let mask =
            move |record: &R::Record, view: &View<'_>| shown.of(&policy, &caller, record, view).and(asked);
        Ok(json_response(
            StatusCode::OK,
            answer::list::<R>(records, (snapshot.clone(), project), mask, closing),
        ))
    }

    /// The attributes that the caller may see.
    pub(super) fn shown(&self, policy: &Policy, caller: &Caller) -> Shown<R> {
        let is_by_object = |index: usize| self.rules.see[index].is_some_and(|rule| policy.needs_target(rule));
        let always = Mask::of(R::ATTRIBUTES, |index, attribute| {
            let rule = self.rules.see[index];
            attribute.visible
                && !is_by_object(index)
                && rule.is_none_or(|rule| policy.check(Some(rule), caller, &Nothing))
        });
        let by_object = (0..R::ATTRIBUTES.len())
            .filter(|&index| R::ATTRIBUTES[index].visible && is_by_object(index))
            .collect();
        Shown { always, by_object, rules: self.rules.clone(), resource: PhantomData }
    }
}

/// What a caller may see of a resource's attributes.
pub(super) struct Shown<R> {
    always: Mask,
    /// Attributes whose rule needs the object.
    by_object: Vec<usize>,
    rules: Arc<Rules>,
    resource: PhantomData<fn() -> R>,
}

impl<R: Resource> Shown<R> {
    pub(super) fn of(&self, policy: &Policy, caller: &Caller, record: &R::Record, view: &View<'_>) -> Mask {
        let subject = Served::<R>::subject(Some(record), None, view);
        let may_see = |index: &&usize| policy.check(self.rules.see[**index], caller, &subject);
        self.by_object.iter().filter(may_see).fold(self.always, |mask, &index| mask.with(index))
    }
}
