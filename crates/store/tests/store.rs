//! What a store promises whatever its backend: the same tests over each.

mod support;

use futures_util::FutureExt;
use futures_util::future::join_all;
use hadron_model::*;
use hadron_store::*;
use std::collections::BTreeSet;
use support::etcd as etcd_support;
use support::*;

/// Runs each test function over every kind of store.
macro_rules! over_every_backend {
    ($($test:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let directory = tempfile::tempdir().unwrap();
                super::$test(super::Store::open(directory.path().join("store")).await.unwrap()).await;
            })+
        }

        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Store::in_memory().await).await;
            })+
        }

        mod etcd {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::etcd_support::open(&super::etcd_support::shared()).await).await;
            })+
        }
    };
}

over_every_backend!(
    commits_and_reads_back,
    a_failed_function_writes_nothing,
    a_watch_sees_every_commit_once,
    a_watch_starts_from_any_known_position,
    a_watch_that_is_far_behind_gets_one_commit,
    concurrent_creates_get_different_addresses,
    concurrent_updates_are_not_lost,
    a_guarded_scan_is_not_outrun,
    a_snapshot_stays_as_it_is_and_whole,
    transactions_too_large_for_any_backend_are_refused,
    several_changes_of_a_record_are_one,
    a_change_of_nothing_is_no_commit,
    a_function_that_panics_harms_nobody,
    a_writer_that_goes_away_harms_nobody,
);

async fn commits_and_reads_back(store: Store) {
    let done = put_subnet(&store, 1).await;
    assert_eq!(store.snapshot().position(), done.position);
    let committed = store.write(info("tester"), |tx| create_port(tx, 7, 1)).await.unwrap();
    assert!(committed.position.revision > done.position.revision);
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

/// Commits in groups of a hundred writers, each of its own network or of one of few.
async fn many_commits(store: &Store, count: u32) {
    for first in (0..count).step_by(100) {
        let writes = (first..count.min(first + 100)).map(|n| {
            let mut network = network(if n % 3 == 0 { n % 30 } else { n });
            network.name = format!("written by {n}");
            store.write(info("writer"), move |tx| {
                tx.put(network.clone());
                if n % 7 == 1 {
                    tx.delete::<Network>(&network_id(n / 2));
                }
                Ok::<_, StoreError>(())
            })
        });
        for done in join_all(writes).await {
            done.unwrap();
        }
    }
}

async fn a_watch_starts_from_any_known_position(store: Store) {
    let mut watch = store.watch();
    many_commits(&store, 900).await;
    let mut states = vec![watch.initial()];
    while let Some(commit) = watch.next_known() {
        assert!(
            commit
                .changes
                .iter()
                .all(|change| commit.before.record(&change.key) != commit.after.record(&change.key))
        );
        states.push(commit.after.clone());
    }
    assert_eq!(states.len(), 901);
    for (index, state) in states.iter().enumerate().step_by(37).chain(states.iter().enumerate().skip(880)) {
        let mut again = store.watch_from(state.position()).unwrap();
        assert!(*again.initial() == **state, "the state at {index} is rebuilt otherwise");
        for expected in &states[index + 1..] {
            assert!(*again.next().await.after == **expected);
        }
        assert!(again.next_known().is_none());
    }
}

async fn a_watch_that_is_far_behind_gets_one_commit(store: Store) {
    let mut watch = store.watch();
    let beginning = watch.initial();
    many_commits(&store, Watch::MOST_BEHIND as u32 + 50).await;
    assert!(store.watch_from(beginning.position()).is_err());
    let commit = watch.next().await;
    assert!(*commit.before == *beginning && *commit.after == *store.snapshot());
    let changed: BTreeSet<_> = commit.changes.iter().map(|change| change.key.clone()).collect();
    let expected: BTreeSet<_> =
        store.snapshot().iter::<Network>().map(|it| RecordKey::Network(it.id)).collect();
    assert_eq!(changed, expected);
    assert!(watch.next_known().is_none());
}

async fn concurrent_updates_are_not_lost(store: Store) {
    put_network(&store, "tester", network(1)).await;
    let writers = (0..20).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let increment = store.write(info("writer"), |tx| {
                    let mut network =
                        tx.get::<Network>(&network_id(1)).ok_or(StoreError::Conflict)?.value.clone();
                    network.mtu += 1;
                    tx.put(network);
                    Ok::<_, StoreError>(())
                });
                increment.await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(store.snapshot().get::<Network>(&network_id(1)).unwrap().mtu, 1450 + 400);
}

async fn a_guarded_scan_is_not_outrun(store: Store) {
    put_subnet(&store, 1).await;
    let writers = (0..30).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let at_most_ten = store.write(info("writer"), |tx| {
                tx.guard_range::<AddressClaim>(subnet_id(1));
                if tx.view().iter::<AddressClaim>().count() >= 10 {
                    return Ok(false);
                }
                create_port(tx, n, 1).map(|_| true)
            });
            at_most_ten.await.unwrap().value
        })
    });
    let mut created = 0;
    for writer in writers.collect::<Vec<_>>() {
        created += usize::from(writer.await.unwrap());
    }
    assert_eq!((created, store.snapshot().len::<AddressClaim>()), (10, 10));
}

async fn a_snapshot_stays_as_it_is_and_whole(store: Store) {
    put_subnet(&store, 1).await;
    let held = store.snapshot();
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for n in 0..200 {
                store.write(info("writer"), |tx| create_port(tx, n, 1)).await.unwrap();
            }
        }
    });
    let mut seen = BTreeSet::new();
    while !writer.is_finished() {
        let snapshot = store.snapshot();
        let ports = snapshot.len::<Port>();
        assert_eq!((snapshot.len::<AddressClaim>(), snapshot.len::<MacClaim>()), (ports, ports));
        assert_eq!(snapshot.ports_of_network(network_id(1)).count(), ports);
        assert!(seen.last().is_none_or(|last| *last <= ports), "a later snapshot is older");
        seen.insert(ports);
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    assert_eq!((held.len::<Port>(), held.free_address_count(subnet_id(1))), (0, 253));
}

async fn transactions_too_large_for_any_backend_are_refused(store: Store) {
    let refused = async |networks: u32, description: usize| {
        let put = store.write(info("writer"), |tx| {
            for n in 0..networks {
                let mut network = network(n);
                network.description = "x".repeat(description);
                tx.put(network);
            }
            Ok::<_, StoreError>(())
        });
        put.await.err()
    };
    assert!(matches!(refused(128, 0).await, Some(StoreError::TooLarge { actual: 128, limit: 127, .. })));
    assert!(matches!(refused(127, 12_500).await, Some(StoreError::TooLarge { what: "bytes", .. })));
    assert_eq!(store.snapshot().len::<Network>(), 0);
    assert!(refused(127, 10_000).await.is_none());
    let guards = store.write(info("reader"), |tx| {
        for n in 0..129 {
            tx.get::<Network>(&network_id(n));
        }
        tx.put(network(1));
        Ok::<_, StoreError>(())
    });
    assert!(matches!(guards.await, Err(StoreError::TooLarge { what: "conditions", .. })));
}

async fn several_changes_of_a_record_are_one(store: Store) {
    put_network(&store, "tester", network(1)).await;
    let created = store.snapshot().get::<Network>(&network_id(1)).unwrap().created;
    let mut watch = store.watch();
    let changes = store.write(info("writer"), |tx| {
        assert_eq!(tx.insert(network(1)), Err(AlreadyExists));
        tx.delete::<Network>(&network_id(1));
        assert!(!tx.view().has::<Network>(&network_id(1)));
        tx.insert(network(1)).unwrap();
        let mut changed = network(1);
        changed.name = "changed".into();
        tx.put(changed);
        tx.put(network(2));
        tx.delete::<Network>(&network_id(2));
        Ok::<_, StoreError>(())
    });
    let committed = changes.await.unwrap();
    assert_eq!(watch.next().await.changes, [Change { key: RecordKey::Network(network_id(1)) }]);
    let stored = committed.snapshot.get::<Network>(&network_id(1)).unwrap();
    assert_eq!((stored.name.as_str(), stored.created), ("changed", created));
    assert_eq!(stored.modified, committed.position.revision);
}

async fn a_change_of_nothing_is_no_commit(store: Store) {
    let before = put_network(&store, "tester", network(1)).await.position;
    let nothing = store.write(info("writer"), |tx| {
        tx.delete::<Network>(&network_id(9));
        tx.put(network(2));
        tx.delete::<Network>(&network_id(2));
        Ok::<_, StoreError>(tx.view().len::<Network>())
    });
    let committed = nothing.await.unwrap();
    assert_eq!((committed.value, committed.position), (1, before));
    assert_eq!(store.snapshot().position(), before);
}

async fn a_function_that_panics_harms_nobody(store: Store) {
    let panicking = tokio::spawn({
        let store = store.clone();
        async move {
            let write = store.write(info("writer"), |tx| -> Result<(), StoreError> {
                tx.put(network(1));
                panic!("a bug in an operation");
            });
            write.await.map(|_| ())
        }
    });
    assert!(panicking.await.unwrap_err().is_panic());
    put_network(&store, "tester", network(2)).await;
    assert_eq!(store.snapshot().len::<Network>(), 1);
}

async fn a_writer_that_goes_away_harms_nobody(store: Store) {
    for n in 0..50 {
        let write = store.write(info("writer"), |tx| {
            tx.put(network(n));
            Ok::<_, StoreError>(())
        });
        // Polled once and dropped.
        let _ = write.now_or_never();
    }
    put_network(&store, "tester", network(99)).await;
    assert!(store.snapshot().has::<Network>(&network_id(99)));
}
