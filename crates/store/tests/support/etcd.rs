//! An etcd for the tests of a file: one for all, each test under a prefix of its own; or one to be broken.

use hadron_lab::Etcd;
use hadron_store::Store;
use hadron_store::backend::Backend;
use hadron_store::etcd::{self, EtcdOptions};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Options for an etcd, with the default prefix.
pub fn options(etcd: &Etcd) -> EtcdOptions {
    let mut options: EtcdOptions = format!("etcd://{}", etcd.address()).parse().unwrap();
    options.timeout = Duration::from_secs(20);
    options
}

/// The etcd of all tests of this process, which a warden ends with it; a prefix that nobody else has.
pub fn shared() -> EtcdOptions {
    static SHARED: OnceLock<Etcd> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let etcd = SHARED.get_or_init(|| Etcd::start().unwrap());
    let prefix = format!("/test-{}/", COUNT.fetch_add(1, Ordering::Relaxed));
    EtcdOptions { prefix, ..options(etcd) }
}

pub fn backend(options: &EtcdOptions) -> Arc<dyn Backend> {
    Arc::new(etcd::Etcd::new(options.clone()).unwrap())
}

pub async fn open(options: &EtcdOptions) -> Store {
    Store::open_with(backend(options)).await.unwrap()
}
