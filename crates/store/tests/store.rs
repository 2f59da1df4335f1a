//! What a store promises whatever its backend: the same tests over each.

mod support;

use hadron_model::*;
use hadron_store::*;
use support::*;

/// Runs each test function over every kind of store.
macro_rules! over_every_backend {
    ($($test:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $test() {
                let directory = tempfile::tempdir().unwrap();
                super::$test(super::Store::open(directory.path().join("store")).await.unwrap()).await;
            })+
        }

        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Store::in_memory().await).await;
            })+
        }
    };
}

over_every_backend!(
    commits_and_reads_back,
    a_failed_function_writes_nothing,
    a_watch_sees_every_commit_once,
    concurrent_creates_get_different_addresses,
);

async fn commits_and_reads_back(store: Store) {
    let done = put_subnet(&store, 1).await;
    assert_eq!(store.snapshot().position(), done.position);
    let committed = store.write(info("tester"), |tx| create_port(tx, 7, 1)).await.unwrap();
    assert_eq!(committed.position.revision, Revision(done.position.revision.0 + 1));
    assert_eq!(committed.value.fixed_ips[0].ip_address.to_string(), "10.0.1.2");
    let snapshot = store.snapshot();
    let stored = snapshot.get::<Port>(&port_id(7)).unwrap();
    assert_eq!(stored.value, committed.value);
    assert_eq!((stored.created, stored.modified), (committed.position.revision, committed.position.revision));
    assert_eq!(snapshot.ports_of_network(network_id(1)).count(), 1);
    assert_eq!(snapshot.free_address_count(subnet_id(1)), 252);
    assert_eq!(snapshot.network_hosts(network_id(1)).collect::<Vec<_>>(), [("host-3", 1)]);
}

async fn a_failed_function_writes_nothing(store: Store) {
    let before = put_subnet(&store, 1).await.position;
    let failed = store.write(info("tester"), |tx| {
        create_port(tx, 7, 1)?;
        Err::<(), _>(StoreError::Conflict)
    });
    assert!(matches!(failed.await, Err(StoreError::Conflict)));
    assert_eq!(store.snapshot().position(), before);
    assert_eq!(store.snapshot().len::<Port>(), 0);
}

async fn a_watch_sees_every_commit_once(store: Store) {
    let mut watch = store.watch();
    put_subnet(&store, 1).await;
    for n in 1..600 {
        put_network(&store, &format!("user-{n}"), network(n)).await;
    }
    let first = watch.next().await;
    assert_eq!(first.changes.len(), 2);
    let mut before = first.after.clone();
    for n in 1..600 {
        let commit = watch.next().await;
        assert_eq!(commit.info.actor, format!("user-{n}"));
        assert_eq!(*commit.before, *before);
        assert_eq!(commit.changes, [Change { key: RecordKey::Network(network_id(n)) }]);
        before = commit.after.clone();
    }
    assert_eq!(*before, *store.snapshot());
    assert!(watch.next_known().is_none());
}

async fn concurrent_creates_get_different_addresses(store: Store) {
    put_subnet(&store, 1).await;
    let creates = (0..253).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.write(info("tester"), |tx| create_port(tx, n, 1)).await })
    });
    for create in creates.collect::<Vec<_>>() {
        create.await.unwrap().unwrap();
    }
    let snapshot = store.snapshot();
    assert_eq!(snapshot.len::<AddressClaim>(), 253);
    assert_eq!(snapshot.first_free_address(subnet_id(1)), None);
    assert!(store.write(info("tester"), |tx| create_port(tx, 999, 1)).await.is_err());
}
