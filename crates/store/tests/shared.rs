//! Several servers on one backend: what one does in between makes the other compute again, as far as etcd can tell.

mod support;

use futures_util::FutureExt;
use hadron_model::*;
use hadron_store::backend::{Backend, Compare, Op, Outcome, Txn};
use hadron_store::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use support::*;

async fn two_servers() -> (Store, Store, Arc<Memory>) {
    let backend = Arc::new(Memory::new());
    let first = Store::open_with(backend.clone()).await.unwrap();
    put_subnet(&first, 1).await;
    let second = Store::open_with(backend.clone()).await.unwrap();
    (first, second, backend)
}

#[tokio::test]
async fn each_sees_what_the_other_had_acknowledged() {
    let (first, second, _) = two_servers().await;
    let mut watch = second.watch();
    let committed = first.write(info("one"), |tx| create_port(tx, 7, 1)).await.unwrap();
    let snapshot = second.wait_current().await.unwrap();
    assert_eq!(snapshot.position(), committed.position);
    assert!(*snapshot == *first.snapshot());
    let commit = watch.next().await;
    assert_eq!(commit.info.actor, "one");
    assert!(commit.changes.contains(&Change { key: RecordKey::Port(port_id(7)) }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_give_out_addresses_and_numbers_without_meeting() {
    let (first, second, _) = two_servers().await;
    let tasks = (0..200).map(|n| {
        let store = if n % 2 == 0 { first.clone() } else { second.clone() };
        tokio::spawn(
            async move { store.write(info("writer"), |tx| create_port(tx, n, 1)).await.unwrap().value },
        )
    });
    let (mut addresses, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for task in tasks.collect::<Vec<_>>() {
        let port = task.await.unwrap();
        assert!(addresses.insert(port.fixed_ips[0].ip_address));
        assert!(numbers.insert(port.number));
    }
    assert!(*first.wait_current().await.unwrap() == *second.wait_current().await.unwrap());
}

/// Runs `f` on the first server, and `between` on the second while `f` runs for the first time. How often `f` ran.
async fn interleaved<R>(
    f: impl Fn(&mut Tx) -> Result<R, StoreError>,
    between: impl Fn(&mut Tx) -> Result<(), StoreError>,
) -> (usize, Result<Committed<R>, StoreError>) {
    let (first, second, _) = two_servers().await;
    first.write(info("one"), |tx| create_port(tx, 1, 1)).await.unwrap();
    let mut runs = 0;
    let result = first.write(info("one"), |tx| {
        let answer = f(tx);
        runs += 1;
        if runs == 1 {
            second.write(info("two"), &between).now_or_never().expect("memory answers at once").unwrap();
        }
        answer
    });
    let result = result.await;
    (runs, result)
}

fn rename(tx: &mut Tx, name: &str) -> Result<(), StoreError> {
    let mut changed = network(1);
    changed.name = name.to_owned();
    tx.put(changed);
    Ok(())
}

fn release(tx: &mut Tx) -> Result<(), StoreError> {
    tx.delete::<AddressClaim>(&(subnet_id(1), "10.0.1.2".parse().unwrap()));
    Ok(())
}

#[tokio::test]
async fn a_guarded_read_is_repeated_when_it_changed() {
    let read = |tx: &mut Tx| {
        let name = tx.get::<Network>(&network_id(1)).ok_or(StoreError::Conflict)?.name.clone();
        tx.put(network(2));
        Ok(name)
    };
    let (runs, result) = interleaved(read, |tx| rename(tx, "by two")).await;
    assert_eq!((runs, result.unwrap().value.as_str()), (2, "by two"));
    let gone = interleaved(read, |tx| {
        tx.delete::<Network>(&network_id(1));
        Ok(())
    });
    assert!(matches!(gone.await, (2, Err(StoreError::Conflict))));
}

#[tokio::test]
async fn an_unguarded_read_is_not() {
    let read = |tx: &mut Tx| {
        let name = tx.view().get::<Network>(&network_id(1)).ok_or(StoreError::Conflict)?.name.clone();
        tx.put(network(2));
        Ok(name)
    };
    let (runs, result) = interleaved(read, |tx| rename(tx, "by two")).await;
    assert_eq!((runs, result.unwrap().value.as_str()), (1, "net-1"));
}

#[tokio::test]
async fn a_guarded_scan_notices_inserts_and_updates_but_no_deletions() {
    let scan = |tx: &mut Tx| {
        tx.guard_range::<AddressClaim>(subnet_id(1));
        let claims = tx.view().iter::<AddressClaim>().count();
        tx.put(network(2));
        Ok(claims)
    };
    let insert = |tx: &mut Tx| create_port(tx, 2, 1).map(|_| ());
    let update = |tx: &mut Tx| {
        let mut claim = tx.view().iter::<AddressClaim>().next().ok_or(StoreError::Conflict)?.value.clone();
        claim.port_id = port_id(9);
        tx.put(claim);
        Ok(())
    };
    let elsewhere = |tx: &mut Tx| {
        let claim = AddressClaim {
            subnet_id: subnet_id(2),
            address: "10.0.2.2".parse().unwrap(),
            port_id: port_id(9),
        };
        tx.put(claim);
        Ok(())
    };
    let (runs, result) = interleaved(scan, insert).await;
    assert_eq!((runs, result.unwrap().value), (2, 2));
    assert_eq!(interleaved(scan, update).await.0, 2);
    assert_eq!(interleaved(scan, elsewhere).await.0, 1);
    let (runs, result) = interleaved(scan, release).await;
    assert_eq!((runs, result.unwrap().value), (1, 1), "etcd can't tell");
}

#[tokio::test]
async fn an_error_is_judged_on_the_newest_state() {
    let full =
        |tx: &mut Tx| if tx.view().is_empty::<AddressClaim>() { Ok(()) } else { Err(StoreError::Conflict) };
    let (runs, result) = interleaved(full, release).await;
    assert!(runs == 2 && result.is_ok(), "{runs} {result:?}");
}

#[tokio::test]
async fn a_backend_without_quorum_refuses_writes_until_it_is_back() {
    let (first, _, backend) = two_servers().await;
    backend.set_unavailable(Some("no quorum"));
    let error = first.write(info("one"), |tx| create_port(tx, 1, 1)).await.unwrap_err();
    assert_eq!(error.to_string(), "the store can't write: no quorum");
    assert_eq!(first.snapshot().len::<Subnet>(), 1);
    backend.set_unavailable(None);
    first.write(info("one"), |tx| create_port(tx, 1, 1)).await.unwrap();
}

fn put(key: &str) -> Op {
    Op::Put { key: key.into(), value: "v".into() }
}

#[tokio::test]
async fn conditions_mean_what_they_mean_in_etcd() {
    let backend = Memory::new();
    let submit = async |compares: Vec<Compare>, ops: Vec<Op>| {
        backend.submit(Txn { info: info("raw"), compares, ops }).await.unwrap()
    };
    let key = |key: &str, revision| Compare::Key { key: key.into(), revision: Revision(revision) };
    let range = |start: &str, end: &str, since| Compare::Range {
        start: start.into(),
        end: end.into(),
        since: Revision(since),
    };
    assert_eq!(submit(vec![key("a", 0)], vec![put("a"), put("b")]).await, Outcome::Committed(Revision(1)));
    assert_eq!(submit(vec![key("a", 0)], vec![put("a")]).await, Outcome::Conflict(Revision(1)));
    assert_eq!(submit(vec![key("a", 1)], vec![put("a")]).await, Outcome::Committed(Revision(2)));
    assert_eq!(submit(vec![key("a", 1)], vec![put("c")]).await, Outcome::Conflict(Revision(2)));
    assert_eq!(submit(vec![range("a", "b", 1)], vec![put("c")]).await, Outcome::Conflict(Revision(2)));
    assert_eq!(submit(vec![range("b", "z", 1)], vec![put("c")]).await, Outcome::Committed(Revision(3)));
    assert_eq!(submit(vec![range("b", "z", 1)], vec![]).await, Outcome::Conflict(Revision(3)));
    let delete = vec![Op::Delete { key: "c".into() }];
    assert_eq!(submit(vec![key("c", 3)], delete).await, Outcome::Committed(Revision(4)));
    assert_eq!(
        submit(vec![range("b", "z", 1), key("c", 0)], vec![put("d")]).await,
        Outcome::Committed(Revision(5))
    );
}

#[tokio::test]
async fn limits_are_those_of_etcd() {
    let backend = Memory::new();
    let submit = async |compares: Vec<Compare>, ops: Vec<Op>| {
        backend.submit(Txn { info: info("raw"), compares, ops }).await
    };
    let ops = |count: u32| (0..count).map(|n| put(&n.to_string())).collect::<Vec<_>>();
    let compares = |count: u32| {
        let keys = (0..count).map(|n| Compare::Key { key: n.to_string().into(), revision: Revision(0) });
        keys.collect::<Vec<_>>()
    };
    assert!(matches!(submit(vec![], ops(128)).await, Err(StoreError::TooLarge { what: "operations", .. })));
    assert!(matches!(
        submit(compares(129), vec![]).await,
        Err(StoreError::TooLarge { what: "conditions", .. })
    ));
    let big = |size: usize| vec![Op::Put { key: "big".into(), value: vec![0; size].into() }];
    assert!(matches!(submit(vec![], big(3 << 19)).await, Err(StoreError::TooLarge { what: "bytes", .. })));
    assert!(submit(compares(128), ops(127)).await.is_ok());
    assert!(submit(vec![], big((3 << 19) - (17 << 10))).await.is_ok());
}
