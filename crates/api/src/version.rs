//! Discovery of the API itself: `/`, `/v2.0/`, `/healthcheck`.

use crate::error::json_response;
use crate::json::Writer;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use hadron_store::StoreState;

/// `/`: the versions. `base` is the scheme and host.
pub(crate) fn versions(base: &str) -> Response<Body> {
    let mut out = Vec::with_capacity(256);
    let mut json = Writer::new(&mut out);
    json.raw(br#"{"versions":[{"id":"v2.0","status":"CURRENT","links":[{"rel":"self","href":"#);
    json.text(&format!("{base}/v2.0/"));
    json.raw(b"}]}]}");
    json_response(StatusCode::OK, out)
}

/// The resources of the core, which are all that discovery names; what else there is is told by extensions.
const CORE: [&str; 4] = ["networks", "subnets", "subnetpools", "ports"];

/// `/v2.0/`: the resources, as (name for one, name for many).
pub(crate) fn resources(
    base: &str,
    resources: impl Iterator<Item = (&'static str, &'static str)>,
) -> Response<Body> {
    let mut out = Vec::with_capacity(512);
    let mut json = Writer::new(&mut out);
    json.raw(b"{\"resources\":[");
    for (index, (member, collection)) in
        resources.filter(|(_, collection)| CORE.contains(collection)).enumerate()
    {
        json.raw(if index == 0 { b"{\"name\":" } else { b",{\"name\":" });
        json.text(member);
        json.raw(b",\"collection\":");
        json.text(collection);
        json.raw(b",\"links\":[{\"rel\":\"self\",\"href\":");
        json.text(&format!("{base}/v2.0/{collection}"));
        json.raw(b"}]}");
    }
    json.raw(b"]}");
    json_response(StatusCode::OK, out)
}

/// `/healthcheck`: the server answers, and whether it takes writes.
pub(crate) fn health(state: &StoreState) -> Response<Body> {
    let mut out = Vec::with_capacity(64);
    let mut json = Writer::new(&mut out);
    json.raw(b"{\"detailed\":false,\"reasons\":[");
    match state {
        StoreState::Ok => json.text("OK"),
        StoreState::ReadOnly { reason } => json.text(&format!("read only: {reason}")),
    }
    json.raw(b"]}");
    json_response(StatusCode::OK, out)
}
