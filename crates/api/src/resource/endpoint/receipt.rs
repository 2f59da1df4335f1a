//! `GET …/ID/receipt`: where an object is in force. Who may see the object may see it; hosts are named to those who may see where a port is bound.

use super::Served;
use crate::ApiError;
use crate::error::json_response;
use crate::receipt::Receipt;
use crate::request::Call;
use crate::resource::{Object, Resource};
use crate::state::ApiState;
use crate::view::View;
use axum::body::Body;
use axum::http::{Method, Response, StatusCode};
use hadron_store::Record;
use serde_json::{Value, json};

/// The last part of its address.
pub(super) const RECEIPT: &str = "receipt";

impl<R: Resource> Served<R> {
    pub(super) async fn receipt(
        &self,
        state: &ApiState,
        call: &Call,
        id: &str,
    ) -> Result<Response<Body>, ApiError> {
        if call.method != Method::GET {
            return Err(ApiError::method_not_allowed());
        }
        let snapshot = state.view().await;
        let (found, changed, names) = {
            let view = View::new(&snapshot, call.caller.project());
            let record = self.find(&state.policy, &call.caller, id, &view)?;
            let subject = Self::subject(Some(&record.value), None, &view);
            let names = state.policy.check(self.rules.see_hosts, &call.caller, &subject);
            (record.value.id(), record.modified, names)
        };
        let key = R::Record::among_all(R::Record::key_of(found));
        let hosts = state.receipts.hosts(key, changed, snapshot.clone()).await;
        let mut receipt = Receipt { changed, hosts }.to_json(names);
        receipt["id"] = Value::String(found.to_string());
        receipt["resource"] = Value::String(R::MEMBER.to_owned());
        Ok(json_response(StatusCode::OK, json!({ "receipt": receipt }).to_string()))
    }
}
