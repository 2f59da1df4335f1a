//! Requests as text, for the fuzzer and for what it found.

use crate::support::{ADMIN, Cloud, MEMBER, OTHER, READER, SERVICE, id};
use axum::body::Body;
use axum::http::Request;
use hadron_store::Snapshot;
use serde_json::json;
use std::sync::Arc;

/// Runs a script; panics if an answer is a fault of the server's. The state in the end.
///
/// Requests are parted by lines of `--`; each is a line `TOKEN METHOD PATH`, then the body. `$0` to `$3` stand for the ids
/// of a network, a shared network, a subnet and a port.
pub async fn run(text: &str) -> Arc<Snapshot> {
    let cloud = Cloud::new().await;
    let places = places(&cloud).await;
    let filled =
        (0..places.len()).fold(text.to_owned(), |text, n| text.replace(&format!("${n}"), &places[n]));
    for request in filled.split("\n--\n").take(50) {
        let (line, body) = request.split_once('\n').unwrap_or((request, ""));
        let mut words = line.splitn(3, ' ');
        let token = match words.next().unwrap_or_default() {
            "a" => ADMIN,
            "o" => OTHER,
            "r" => READER,
            "s" => SERVICE,
            _ => MEMBER,
        };
        let method = words.next().unwrap_or("GET");
        let request = Request::builder().method(method).uri(words.next().unwrap_or("/"));
        let Ok(request) = request.header("X-Auth-Token", token).body(Body::from(body.to_owned())) else {
            continue;
        };
        let answer = cloud.send(request).await;
        assert!(answer.status < 500, "{line} {body}: {} {}", answer.status, answer.text);
    }
    cloud.store.snapshot()
}

async fn places(cloud: &Cloud) -> Vec<String> {
    let network = cloud.create(MEMBER, "networks", json!({})).await;
    let other = cloud.create(ADMIN, "networks", json!({"shared": true})).await;
    let subnet = json!({"network_id": id(&network), "ip_version": 4, "cidr": "10.0.0.0/28"});
    let subnet = cloud.create(MEMBER, "subnets", subnet).await;
    let port = cloud.create(MEMBER, "ports", json!({"network_id": id(&network)})).await;
    [network, other, subnet, port].iter().map(id).collect()
}
