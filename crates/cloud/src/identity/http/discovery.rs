//! Which versions there are. Anybody may ask.

use super::request::Answer;
use super::view::url;
use crate::identity::Identity;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::routing::get;
use serde_json::{Value, json};

pub(crate) fn routes() -> Router<Identity> {
    Router::new()
        .route("/", get(versions))
        .route("/v3", get(version_3))
        .route("/healthcheck", get(async || StatusCode::OK))
}

/// 300, as where a choice is offered, even though there is one version.
async fn versions(State(identity): State<Identity>) -> ([(HeaderName, String); 1], Answer) {
    let body = json!({"versions": {"values": [version(&identity)]}});
    ([(header::LOCATION, url(&identity, ""))], Answer(StatusCode::MULTIPLE_CHOICES, body))
}

async fn version_3(State(identity): State<Identity>) -> Answer {
    Answer::ok(json!({"version": version(&identity)}))
}

fn version(identity: &Identity) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": url(identity, "")}],
        "media-types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json",
        }],
    })
}
