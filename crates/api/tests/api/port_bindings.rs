//! Bindings of ports over HTTP: requests to the real service in one sequence, and its answers (`spec/port_bindings.json`, recorded).

use crate::support::*;
use serde_json::json;

#[tokio::test]
async fn answers_are_those_of_the_real_service() {
    let cloud = Cloud::new().await;
    recipes::hosts(&cloud).await;
    sequence::replay(&cloud, include_str!("../../../../spec/port_bindings.json")).await;
}

#[tokio::test]
async fn bindings_are_listed_in_pages_and_told_why_they_fail() {
    let cloud = Cloud::new().await;
    recipes::hosts(&cloud).await;
    let network = id(&cloud.create(ADMIN, "networks", json!({})).await);
    let port = json!({"network_id": network, "device_owner": "compute:nova", "binding:host_id": "h1"});
    let port = id(&cloud.create(ADMIN, "ports", port).await);
    let path = format!("/v2.0/ports/{port}/bindings");
    for host in ["h2", "h3"] {
        let body = json!({"binding": {"host": host}});
        cloud.call(SERVICE, "POST", &path, Some(body)).await.expect(201);
    }
    let page = cloud.get(ADMIN, &format!("{path}?limit=2")).await;
    assert_eq!(all(&page.body["bindings"], "host"), ["h1", "h2"]);
    let next = page.body["bindings_links"][0]["href"].as_str().unwrap().to_owned();
    let next = next.strip_prefix("http://127.0.0.1:9696").unwrap();
    let rest = cloud.get(ADMIN, next).await.expect(200);
    assert_eq!(all(&rest, "host"), ["h3"]);
    let back = cloud.get(ADMIN, &format!("{path}?limit=1&marker=h3&page_reverse=True")).await.expect(200);
    assert_eq!(all(&back, "host"), ["h2"]);
    let shown = cloud.get(SERVICE, &format!("{path}/h2")).await.expect(200);
    let details = json!({"connectivity": "l2", "port_filter": true});
    assert_eq!((&shown["vif_type"], &shown["vif_details"]), (&json!("tap"), &details));
    let failed = cloud.call(SERVICE, "POST", &path, Some(json!({"binding": {"host": "h9"}}))).await;
    assert_eq!(failed.error(), (500, "PortBindingError"));
    assert!(failed.text.contains("host h9 has not joined"), "{}", failed.text);
    let lost = json!({"network_id": network, "device_owner": "compute:nova", "binding:host_id": "h9"});
    let lost = cloud.create(ADMIN, "ports", lost).await;
    assert_eq!(lost["binding:vif_type"], "binding_failed");
    assert_eq!(lost["binding:vif_details"], json!({"reason": "host h9 has not joined"}));
}
