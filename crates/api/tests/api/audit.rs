//! What an audit log is told.

use crate::support::*;
use hadron_api::audit::{Asked, Happened, Observer, changes};
use hadron_api::{ApiConfig, ApiState};
use hadron_store::Store;
use serde_json::json;
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<Asked>>);

impl Observer for Heard {
    fn answered(&self, asked: &Asked) {
        self.0.lock().unwrap().push(asked.clone());
    }
}

impl Heard {
    fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

async fn cloud() -> (Cloud, Arc<Heard>) {
    let (store, heard) = (Store::in_memory().await, Arc::new(Heard::default()));
    let mut state = ApiState::new(store.clone(), Arc::new(Tokens), ApiConfig::default());
    state.observers = [heard.clone() as Arc<dyn Observer>].into();
    (Cloud { router: hadron_api::router(state), store }, heard)
}

#[tokio::test]
async fn every_request_is_told_also_those_that_are_refused() {
    let (cloud, heard) = cloud().await;
    let made = cloud.call(MEMBER, "POST", "/v2.0/networks", Some(json!({"network": {}}))).await;
    let request_id = made.headers["x-openstack-request-id"].to_str().unwrap().to_owned();
    let network = id(&made.expect(201));
    let path = format!("/v2.0/networks/{network}");
    cloud.get(MEMBER, &path).await.expect(200);
    cloud.call(READER, "DELETE", &path, None).await;
    cloud.call(OTHER, "PUT", &path, Some(json!({"network": {"name": "x"}}))).await;
    cloud.call("nobody", "DELETE", &path, None).await;
    cloud.call(MEMBER, "POST", "/v2.0/networks", Some(json!("nonsense"))).await;
    let heard = heard.take();
    let told: Vec<_> = heard.iter().map(|asked| (asked.method.as_str(), asked.status)).collect();
    let expected =
        [("POST", 201), ("GET", 200), ("DELETE", 403), ("PUT", 404), ("DELETE", 401), ("POST", 400)];
    assert_eq!(told, expected.map(|(method, status)| (method, Some(status))));
    let reads: Vec<_> = heard.iter().map(Asked::only_reads).collect();
    assert_eq!(reads, [false, true, false, false, false, false]);
    assert_eq!((&heard[0].request_id, heard[0].path.as_str()), (&request_id, "/v2.0/networks"));
    let callers: Vec<_> =
        heard.iter().map(|asked| asked.caller.as_ref().map(|caller| caller.user_id.as_str())).collect();
    let [member, reader, other] = ["user-member", "user-reader", "user-other"].map(Some);
    assert_eq!(callers, [member, member, reader, other, None, member]);
}

#[tokio::test]
async fn a_request_whose_client_goes_away_is_told_as_unanswered() {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;
    let (cloud, heard) = cloud().await;
    let body = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let request = Request::post("/v2.0/networks").header("X-Auth-Token", MEMBER).body(body).unwrap();
    let asked = cloud.router.clone().oneshot(request);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(200), asked).await.is_err());
    let heard = heard.take();
    assert_eq!(heard.iter().map(|asked| asked.status).collect::<Vec<_>>(), [None]);
}

#[tokio::test]
async fn a_commit_tells_which_attributes_of_which_objects_changed() {
    let (cloud, _) = cloud().await;
    let mut watch = cloud.store.watch();
    let network = id(&cloud.create(MEMBER, "networks", json!({"name": "one"})).await);
    cloud.update(MEMBER, "networks", &network, json!({"name": "two"})).await.expect(200);
    cloud.call(MEMBER, "DELETE", &format!("/v2.0/networks/{network}"), None).await;
    let mut told = Vec::new();
    while let Some(commit) = watch.next_known() {
        assert!(commit.info.request_id.starts_with("req-"), "{:?}", commit.info);
        told.extend(changes(&commit).into_iter().filter(|object| object.id == network));
    }
    let what: Vec<_> = told.iter().map(|object| (object.resource.as_str(), object.happened)).collect();
    let expected = [Happened::Created, Happened::Updated, Happened::Deleted].map(|it| ("network", it));
    assert_eq!(what, expected);
    assert!(told[1].attributes.contains(&"name") && !told[1].attributes.contains(&"mtu"), "{told:?}");
}
