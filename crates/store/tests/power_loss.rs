//! Whatever the instant at which the power is lost, and whatever part of the unsynced writes reached the disk: every
//! acknowledged transaction is there after it, whole, and nothing is there in part.

mod support;

use futures_util::future::join_all;
use hadron_model::*;
use hadron_store::*;
use std::collections::BTreeMap;
use support::medium::{Faults, FaultyDisk, Survival};
use support::*;

const ROUNDS: u32 = 8;
const WRITERS: u32 = 6;

/// Several writers at a time, so that batches form: each replaces a network, creates a port and deletes an older one.
/// The transactions are sequenced in a fixed order, so that revision numbers tell which they are. The highest revision
/// that was acknowledged.
async fn work(store: &Store) -> u64 {
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let writes = (0..WRITERS).map(|writer| {
            let n = round * WRITERS + writer;
            store.write(info("writer"), move |tx| transaction(tx, n))
        });
        for committed in join_all(writes).await.into_iter().flatten() {
            acknowledged = acknowledged.max(committed.position.revision.0);
        }
    }
    acknowledged
}

fn transaction(tx: &mut Tx, n: u32) -> Result<(), StoreError> {
    if n == 0 {
        tx.put(subnet(0));
    }
    let mut changed = network(n % 5);
    changed.name = format!("changed by {n}");
    changed.description = "x".repeat(9000 * (n % 7) as usize);
    tx.put(changed);
    create_port(tx, n, 0)?;
    if let Some(old) = n.checked_sub(9) {
        let old = tx.view().get::<Port>(&port_id(old)).cloned().ok_or(StoreError::Conflict)?;
        tx.delete::<AddressClaim>(&(subnet_id(0), old.fixed_ips[0].ip_address));
        tx.delete::<MacClaim>(&(network_id(0), old.mac_address));
        tx.delete::<Port>(&old.id);
    }
    Ok(())
}

fn contents(snapshot: &Snapshot) -> Vec<AnyRecord> {
    snapshot.records().collect()
}

/// What the store holds at each revision, from a disk without faults.
async fn expected() -> (BTreeMap<u64, Vec<AnyRecord>>, usize) {
    let disk = FaultyDisk::default();
    let store = Store::open_on(disk.clone()).unwrap();
    let (mut watch, length) = (store.watch(), disk.len());
    work(&store).await;
    assert!(disk.len() > length, "the work has to make the file grow");
    let mut states = BTreeMap::from([(0, contents(&watch.initial()))]);
    while let Some(commit) = watch.next_known() {
        states.insert(commit.position.revision.0, contents(&commit.after));
    }
    drop(store);
    assert_eq!(states.len() as u32, ROUNDS * WRITERS + 1);
    (states, disk.operations())
}

fn survivals(seed: u64) -> Vec<Survival> {
    let mut survivals = vec![Survival::Nothing, Survival::Everything, Survival::TornLast];
    for n in 0..3 {
        let seed = seed * 3 + n;
        survivals.extend([Survival::Prefix(seed), Survival::Pages(seed), Survival::Sectors(seed)]);
    }
    survivals
}

#[tokio::test]
async fn every_acknowledged_transaction_survives_whole() {
    let (states, operations) = expected().await;
    let (mut instants, mut unacknowledged) = (0, 0);
    for cut in 0..operations {
        let disk = FaultyDisk::with(Vec::new(), Faults { power_lost_at: Some(cut), ..Faults::default() });
        // A file gets its name only when the empty store in it is complete, so a loss before that leaves no store.
        let Ok(store) = Store::open_on(disk.clone()) else { continue };
        let acknowledged = work(&store).await;
        drop(store);
        instants += 1;
        for survival in survivals(cut as u64) {
            let image = disk.after_power_loss(survival);
            let found = Store::open_on(FaultyDisk::with(image, Faults::default()))
                .unwrap_or_else(|error| panic!("cut at {cut}, {survival:?}: {error}"));
            let snapshot = found.snapshot();
            let revision = snapshot.position().revision.0;
            assert!(revision >= acknowledged, "cut at {cut}, {survival:?}: {revision} of {acknowledged}");
            assert!(
                contents(&snapshot) == states[&revision],
                "cut at {cut}, {survival:?}: not the state of {revision}"
            );
            unacknowledged += usize::from(revision > acknowledged);
        }
    }
    assert!(instants > operations / 2);
    println!(
        "{instants} instants; in {unacknowledged} cases transactions survived, whole, that were not acknowledged"
    );
}

/// The check above has teeth: it notices a disk that does not do what a sync asks for.
#[tokio::test]
async fn a_disk_that_lies_about_syncs_loses_transactions() {
    let disk = FaultyDisk::default();
    drop(Store::open_on(disk.clone()).unwrap());
    let disk = FaultyDisk::with(disk.image(), Faults { lying: true, ..Faults::default() });
    let store = Store::open_on(disk.clone()).unwrap();
    assert!(work(&store).await > 0);
    let lost = Store::open_on(FaultyDisk::with(disk.after_power_loss(Survival::Nothing), Faults::default()))
        .unwrap();
    assert_eq!(lost.snapshot().position().revision, Revision(0));
}

#[tokio::test]
async fn a_store_goes_on_after_a_loss_of_power() {
    let (_, operations) = expected().await;
    for cut in (operations / 4..operations).step_by(7) {
        let disk = FaultyDisk::with(Vec::new(), Faults { power_lost_at: Some(cut), ..Faults::default() });
        if let Ok(store) = Store::open_on(disk.clone()) {
            work(&store).await;
        }
        let disk = FaultyDisk::with(disk.after_power_loss(Survival::Pages(cut as u64)), Faults::default());
        let store = Store::open_on(disk.clone()).unwrap();
        let highest = store.snapshot().iter::<Port>().map(|port| port.number).max();
        put_network(&store, "after", network(77)).await;
        let number = store.write(info("after"), |tx| tx.next_number(Counter::Port)).await.unwrap().value;
        assert!(highest.is_none_or(|highest| number > highest.0), "a number was given out twice");
        let position = store.snapshot().position();
        drop(store);
        let again = Store::open_on(disk).unwrap();
        assert_eq!(again.snapshot().position(), position);
        assert!(again.snapshot().has::<Network>(&network_id(77)));
    }
}
