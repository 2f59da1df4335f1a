//! Packet logs, as recorded in `spec/logging.json`, and what they are to other projects.

use crate::support::recorded;
use crate::support::*;
use hadron_model::{PacketLog, PacketLogId};
use serde_json::json;

const MANAGER: &str = "manager";

#[tokio::test]
async fn the_recorded_sequence_gets_the_recorded_answers() {
    recorded::replay(&Cloud::new().await, include_str!("../../../../spec/logging.json")).await;
}

#[tokio::test]
async fn another_project_neither_sees_nor_touches() {
    let cloud = Cloud::new().await;
    let log = id(&cloud.log(MANAGER, json!({})).await);
    let path = format!("/v2.0/log/logs/{log}");
    let change = Some(json!({"log": {"name": "x"}}));
    // Of its own project a caller learns no more than that policy hides it.
    let (unknown, hidden) = ((404, "LogResourceNotFound"), (404, "HTTPNotFound"));
    for (token, hidden) in [(OTHER, unknown), (MEMBER, hidden), (READER, hidden), ("unscoped", unknown)] {
        assert_eq!(cloud.get(token, &path).await.error(), hidden);
        assert_eq!(cloud.call(token, "PUT", &path, change.clone()).await.error(), hidden);
        assert_eq!(cloud.call(token, "DELETE", &path, None).await.error(), hidden);
        for query in ["", "?project_id=11111111111111111111111111111111", "?resource_id=", "?limit=5"] {
            let seen = cloud.get(token, &format!("/v2.0/log/logs{query}")).await.expect(200);
            assert_eq!(seen, json!([]), "{token} {query}");
        }
        let marker = format!("/v2.0/log/logs?limit=1&marker={log}");
        assert_eq!(cloud.get(token, &marker).await.error(), hidden);
    }
    assert_eq!(cloud.get(ADMIN, &path).await.expect(200)["id"], log);
}

#[tokio::test]
async fn only_an_administrator_s_log_of_a_group_is_for_every_project() {
    let cloud = Cloud::new().await;
    let group = id(&cloud.create(MEMBER, "security-groups", json!({})).await);
    for (token, is_for_all) in [(MANAGER, false), (ADMIN, true)] {
        let log: PacketLogId = id(&cloud.log(token, json!({"resource_id": group})).await).parse().unwrap();
        let view = cloud.store.snapshot();
        assert_eq!(view.get::<PacketLog>(&log).unwrap().of_every_project, is_for_all, "{token}");
    }
}

#[tokio::test]
async fn a_network_s_owner_logs_the_ports_on_it() {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let port = json!({"network_id": network, "tenant_id": OTHER_PROJECT});
    let port = id(&cloud.create(ADMIN, "ports", port).await);
    let log = cloud.log(MANAGER, json!({"target_id": port, "event": "DROP"})).await;
    assert_eq!((&log["target_id"], &log["project_id"]), (&json!(port), &json!(PROJECT)));
}

#[tokio::test]
async fn logs_come_in_pages_with_links_to_their_address() {
    let cloud = Cloud::new().await;
    for name in ["a", "b", "c"] {
        cloud.log(MANAGER, json!({"name": name})).await;
    }
    let path = "/v2.0/log/logs?limit=2&sort_key=name&sort_dir=desc&fields=name";
    let page = cloud.get(MANAGER, path).await;
    assert_eq!(all(&page.body["logs"], "name"), ["c", "b"]);
    let next = page.body["logs_links"][0]["href"].as_str().unwrap();
    let next = next.strip_prefix("http://127.0.0.1:9696").unwrap();
    assert!(next.starts_with("/v2.0/log/logs?"), "{next}");
    let page = cloud.get(MANAGER, next).await;
    assert_eq!(all(&page.body["logs"], "name"), ["a"]);
}
