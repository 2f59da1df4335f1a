//! A disk that runs full or fails: writers are told, readers go on, and nothing acknowledged is lost.

mod support;

use futures_util::future::join_all;
use hadron_model::*;
use hadron_store::*;
use std::collections::BTreeSet;
use support::medium::{Faults, FaultyDisk};
use support::*;

/// One network per transaction, several at a time, so that which ones were acknowledged can be told apart.
async fn work(store: &Store, rounds: std::ops::Range<u32>) -> (BTreeSet<NetworkId>, Vec<StoreError>) {
    let (mut acknowledged, mut errors) = (BTreeSet::new(), Vec::new());
    for round in rounds {
        let writes = (0..4).map(|writer| {
            let n = round * 4 + writer;
            store.write(info("writer"), move |tx| {
                let mut network = network(n);
                network.description = "x".repeat(6000);
                network.number = NetworkNumber(tx.next_number(Counter::Network)?);
                tx.insert(network).map_err(|_| StoreError::Conflict)?;
                Ok::<_, StoreError>(network_id(n))
            })
        });
        for result in join_all(writes).await {
            match result {
                Ok(committed) => drop(acknowledged.insert(committed.value)),
                Err(error) => errors.push(error),
            }
        }
    }
    (acknowledged, errors)
}

fn networks(store: &Store) -> BTreeSet<NetworkId> {
    store.snapshot().iter::<Network>().map(|network| network.id).collect()
}

fn contents(store: &Store) -> Vec<AnyRecord> {
    store.snapshot().records().collect()
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_space() {
    let disk = FaultyDisk::default();
    let store = Store::open_on(disk.clone()).unwrap();
    disk.set_faults(Faults { capacity: Some(disk.len()), ..Faults::default() });
    let (acknowledged, errors) = work(&store, 0..150).await;
    assert!(!acknowledged.is_empty() && !errors.is_empty());
    for error in &errors {
        assert!(
            matches!(error, StoreError::Unavailable { reason } if reason.contains("disk is full")),
            "{error}"
        );
    }
    assert!(matches!(store.state(), StoreState::ReadOnly { reason } if reason.contains("disk is full")));
    assert_eq!(networks(&store), acknowledged, "readers see what is durable and nothing else");

    disk.set_faults(Faults::default());
    let (more, errors) = work(&store, 200..210).await;
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(store.state(), StoreState::Ok);
    let all = &acknowledged | &more;
    assert_eq!(networks(&store), all);
    let before = contents(&store);
    drop(store);
    let again = Store::open_on(disk).unwrap();
    assert_eq!(contents(&again), before);
    let numbers: BTreeSet<_> = again.snapshot().iter::<Network>().map(|network| network.number).collect();
    assert_eq!(numbers.len(), all.len(), "a number was given out twice");
}

/// Errors of the given number of operations beginning at every operation of the work.
async fn with_errors(length: usize) {
    let disk = FaultyDisk::default();
    drop(Store::open_on(disk.clone()).unwrap());
    let (empty, begin) = (disk.image(), disk.operations());
    let store = Store::open_on(disk.clone()).unwrap();
    work(&store, 0..25).await;
    drop(store);
    let mut lasting = 0;
    for first in 0..disk.operations() - begin {
        let disk =
            FaultyDisk::with(empty.clone(), Faults { errors_at: first..first + length, ..Faults::default() });
        let Ok(store) = Store::open_on(disk.clone()) else { continue };
        let mut watch = store.watch();
        let (mut acknowledged, errors) = work(&store, 0..25).await;
        for error in &errors {
            assert!(matches!(error, StoreError::Unavailable { .. }), "{first}: {error}");
        }
        disk.set_faults(Faults::default());
        let (more, errors) = work(&store, 100..101).await;
        acknowledged.extend(more);
        if let Some(error) = errors.first() {
            assert!(error.to_string().contains("restart"), "{first}: {error}");
            lasting += 1;
        }
        let mut at = watch.initial();
        while let Some(commit) = watch.next_known() {
            assert_eq!(commit.before.position(), at.position());
            at = commit.after.clone();
        }
        assert_eq!(at.position(), store.snapshot().position());
        assert!(networks(&store).is_superset(&acknowledged), "{first}: an acknowledged write is gone");
        let before = contents(&store);
        drop(store);
        let again = Store::open_on(disk.clone()).unwrap();
        assert!(
            networks(&again).is_superset(&acknowledged),
            "{first}: an acknowledged write is gone after a restart"
        );
        if errors.is_empty() {
            assert!(contents(&again) == before, "{first}: disk and memory differ");
        }
    }
    assert!(lasting > 0, "failed syncs have to be among the errors");
}

#[tokio::test]
async fn a_single_error_loses_nothing_acknowledged() {
    with_errors(1).await;
}

#[tokio::test]
async fn a_run_of_errors_loses_nothing_acknowledged() {
    with_errors(40).await;
}

#[tokio::test]
async fn a_rolled_back_function_runs_again_on_what_is_durable() {
    let disk = FaultyDisk::default();
    let store = Store::open_on(disk.clone()).unwrap();
    put_network(&store, "first", network(1)).await;
    let operations = disk.operations();
    disk.set_faults(Faults { errors_at: operations..operations + 1, ..Faults::default() });
    let writes = (0..2)
        .map(|_| store.write(info("second"), |tx| tx.insert(network(2)).map_err(|_| StoreError::Conflict)));
    let results = join_all(writes).await;
    assert!(matches!(&results[0], Err(StoreError::Unavailable { .. })), "{results:?}");
    // The second saw the first's network on the head; when that was lost, it must not report the conflict.
    assert!(!matches!(&results[1], Err(StoreError::Conflict)), "{results:?}");
}
