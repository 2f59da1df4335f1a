//! Receipts: who may see an object sees where it is in force, and hosts are named to administrators.

use crate::support::*;
use hadron_api::receipt::{HostReceipt, Needed, Receipts, Standing};
use hadron_api::{ApiConfig, ApiState};
use hadron_store::{RecordKey, Revision, Snapshot, Store};
use serde_json::json;
use std::sync::Arc;

/// Two hosts need everything; one of them lags.
#[derive(Debug)]
struct TwoHosts;

impl Receipts for TwoHosts {
    fn hosts(&self, _key: RecordKey, changed: Revision, _view: Arc<Snapshot>) -> Needed<'_> {
        let host = |host: &str, standing, has| HostReceipt {
            host: host.to_owned(),
            standing,
            needed: changed,
            acknowledged: Some(Revision(has)),
            is_connected: true,
        };
        let hosts = vec![
            host("compute1", Standing::InForce, changed.0),
            host("compute2", Standing::Behind, changed.0 - 1),
        ];
        Box::pin(std::future::ready(hosts))
    }
}

async fn cloud() -> Cloud {
    let store = Store::in_memory().await;
    let mut state = ApiState::new(store.clone(), Arc::new(Tokens), ApiConfig::default());
    state.receipts = Arc::new(TwoHosts);
    Cloud { router: hadron_api::router(state), store }
}

#[tokio::test]
async fn who_sees_an_object_sees_its_receipt_and_administrators_see_hosts() {
    let cloud = cloud().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let path = format!("/v2.0/networks/{network}/receipt");
    let receipt = cloud.get(READER, &path).await.expect(200);
    let revision = receipt["revision"].clone();
    let expected = json!({
        "id": network, "resource": "network", "revision": revision, "in_force": false,
        "hosts": 2, "hosts_in_force": 1, "hosts_behind": 1, "hosts_unknown": 0,
    });
    assert_eq!(receipt, expected);
    let receipt = cloud.get(ADMIN, &path).await.expect(200);
    let behind = json!([{
        "host": "compute2", "status": "behind", "connected": true,
        "needed_revision": revision, "acknowledged_revision": revision.as_u64().unwrap() - 1,
    }]);
    assert_eq!(receipt["not_in_force_on"], behind);
    assert_eq!(cloud.get(OTHER, &path).await.error(), (404, "NetworkNotFound"));
    assert_eq!(cloud.call(MEMBER, "PUT", &path, Some(json!({}))).await.status, 405);
    assert_eq!(cloud.get(MEMBER, &format!("{path}/more")).await.status, 404);
    // What hosts do not need has none.
    let pool = json!({"name": "p", "prefixes": ["10.0.0.0/8"]});
    let pool = id(&cloud.create(MEMBER, "subnetpools", pool).await);
    assert_eq!(cloud.get(MEMBER, &format!("/v2.0/subnetpools/{pool}/receipt")).await.status, 404);
    let extension = cloud.get(MEMBER, "/v2.0/extensions/hadron-receipts").await.expect(200);
    assert_eq!(extension["alias"], "hadron-receipts");
}

#[tokio::test]
async fn without_hosts_everything_is_in_force() {
    let cloud = Cloud::new().await;
    let network = id(&cloud.create(MEMBER, "networks", json!({})).await);
    let receipt = cloud.get(MEMBER, &format!("/v2.0/networks/{network}/receipt")).await.expect(200);
    assert_eq!((&receipt["in_force"], &receipt["hosts"]), (&json!(true), &json!(0)));
}
