//! What a client sees when the store can't write, and what a crash or a rival leaves.

use crate::support::*;
use futures_util::future::{BoxFuture, FutureExt, ready};
use hadron_store::backend::{Backend, Loaded, Observer, Outcome, Txn};
use hadron_store::{Memory, Revision, Store, StoreError};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// A backend whose disk is full at times, or for good after so many transactions.
struct Faulty {
    inner: Memory,
    is_full: AtomicBool,
    left: AtomicUsize,
}

impl Faulty {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Memory::new(),
            is_full: AtomicBool::new(false),
            left: AtomicUsize::new(usize::MAX),
        })
    }
}

impl Backend for Faulty {
    fn load(&self, observer: Weak<dyn Observer>) -> BoxFuture<'_, Result<Loaded, StoreError>> {
        self.inner.load(observer)
    }

    fn submit(&self, txn: Txn) -> BoxFuture<'_, Result<Outcome, StoreError>> {
        let take = |left: usize| left.checked_sub(1);
        let is_out = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err();
        if is_out || self.is_full.load(Ordering::Relaxed) {
            let reason = "no space left on the disk; make some".to_owned();
            return ready(Err(StoreError::Unavailable { reason })).boxed();
        }
        self.inner.submit(txn)
    }

    fn current(&self) -> BoxFuture<'_, Result<Revision, StoreError>> {
        self.inner.current()
    }
}

#[tokio::test]
async fn writes_are_refused_with_the_reason_and_reads_go_on() {
    let backend = Faulty::new();
    let store = Store::open_with(backend.clone()).await.unwrap();
    let cloud = Cloud::on(store, hadron_api::ApiConfig::default());
    let network = cloud.create(MEMBER, "networks", json!({})).await;
    backend.is_full.store(true, Ordering::Relaxed);
    let full = cloud.try_create(MEMBER, "networks", json!({})).await;
    assert_eq!(full.error(), (503, "ServiceUnavailable"));
    assert!(full.text.contains("no space left on the disk"), "{}", full.text);
    let full = cloud.delete(MEMBER, "networks", &id(&network)).await;
    assert_eq!(full.error(), (503, "ServiceUnavailable"));
    assert_eq!(cloud.get(MEMBER, "/v2.0/networks").await.expect(200).as_array().unwrap().len(), 1);
    backend.is_full.store(false, Ordering::Relaxed);
    cloud.create(MEMBER, "networks", json!({})).await;
    assert_eq!(cloud.delete(MEMBER, "networks", &id(&network)).await.status, 204);
}

#[tokio::test]
async fn a_bulk_create_that_breaks_off_is_undone_by_the_next_server() {
    let backend = Faulty::new();
    let store = Store::open_with(backend.clone()).await.unwrap();
    let cloud = Cloud::on(store, hadron_api::ApiConfig::default());
    let network = cloud.create(MEMBER, "networks", json!({})).await;
    let subnet = json!({"network_id": id(&network), "ip_version": 4, "cidr": "10.0.0.0/16"});
    cloud.create(MEMBER, "subnets", subnet).await;
    let ports = json!({"ports": vec![json!({"network_id": id(&network)}); 300]});
    backend.left.store(4, Ordering::Relaxed);
    let broken = cloud.call(MEMBER, "POST", "/v2.0/ports", Some(ports.clone())).await;
    assert_eq!(broken.error(), (503, "ServiceUnavailable"));
    backend.left.store(usize::MAX, Ordering::Relaxed);
    let next = Store::open_with(backend.clone()).await.unwrap();
    hadron_control::recovery::run(&next, &hadron_control::Config::default()).await.unwrap();
    let list = async || cloud.get(ADMIN, "/v2.0/ports").await.expect(200).as_array().unwrap().len();
    assert_eq!(list().await, 1, "the DHCP service's is left");
    assert_eq!(cloud.call(MEMBER, "POST", "/v2.0/ports", Some(ports)).await.status, 201);
    assert_eq!(list().await, 301);
}

#[tokio::test]
async fn a_bulk_create_that_breaks_off_is_undone_when_there_is_space_again() {
    let backend = Faulty::new();
    let store = Store::open_with(backend.clone()).await.unwrap();
    let cloud = Cloud::on(store, hadron_api::ApiConfig::default());
    let network = cloud.create(MEMBER, "networks", json!({})).await;
    let ports = json!({"ports": vec![json!({"network_id": id(&network)}); 300]});
    backend.left.store(4, Ordering::Relaxed);
    assert_eq!(cloud.call(MEMBER, "POST", "/v2.0/ports", Some(ports)).await.status, 503);
    let count = async || cloud.get(ADMIN, "/v2.0/ports").await.expect(200).as_array().unwrap().len();
    assert!(count().await > 0);
    backend.left.store(usize::MAX, Ordering::Relaxed);
    while count().await > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_one_server_acknowledged_another_one_shows() {
    let backend: Arc<dyn Backend> = Arc::new(Memory::new());
    let config = hadron_api::ApiConfig::default;
    let one = Cloud::on(Store::open_with(backend.clone()).await.unwrap(), config());
    let two = Cloud::on(Store::open_with(backend).await.unwrap(), config());
    for n in 0..20 {
        let network = one.create(MEMBER, "networks", json!({"name": format!("n{n}")})).await;
        let path = format!("/v2.0/networks/{}", id(&network));
        assert_eq!(two.get(MEMBER, &path).await.expect(200)["name"], format!("n{n}"));
        assert_eq!(two.update(MEMBER, "networks", &id(&network), json!({"name": "x"})).await.status, 200);
        assert_eq!(one.get(MEMBER, &path).await.expect(200)["name"], "x");
    }
}
