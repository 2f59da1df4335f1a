//! Several servers on one backend: what one does in between makes the other compute again, as far as etcd can tell.

mod support;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use hadron_model::*;
use hadron_store::backend::{Backend, Compare, Loaded, Observed, Observer, Op, Outcome, Part, Txn};
use hadron_store::*;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;
use support::etcd as etcd_support;
use support::*;
use tokio::runtime::Handle;

/// Makes one more server on the same backend, as often as it is called.
type Servers = Box<dyn Fn() -> BoxFuture<'static, Store> + Send + Sync>;

/// Makes such a backend, an empty one.
type New = fn() -> Servers;

/// Runs each test function over every backend that servers can share.
macro_rules! over_every_shared_backend {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::on_memory).await;
            })+
        }

        mod etcd {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::on_etcd).await;
            })+
        }
    };
}

over_every_shared_backend!(
    each_sees_what_the_other_had_acknowledged,
    both_give_out_addresses_and_numbers_without_meeting,
    a_guarded_read_is_repeated_when_it_changed,
    an_unguarded_read_is_not,
    a_guarded_scan_notices_inserts_and_updates_but_no_deletions,
    an_error_is_judged_on_the_newest_state,
    writers_of_one_server_share_transactions_and_keep_their_names,
    a_later_part_of_a_group_reads_what_an_earlier_one_wrote,
    servers_that_come_later_know_all,
    no_server_starves_beside_another,
);

fn on_memory() -> Servers {
    let backend = Arc::new(Memory::new());
    Box::new(move || Store::open_with(backend.clone()).map(Result::unwrap).boxed())
}

fn on_etcd() -> Servers {
    let options = etcd_support::shared();
    Box::new(move || {
        let options = options.clone();
        async move { etcd_support::open(&options).await }.boxed()
    })
}

async fn two_servers(servers: &Servers) -> (Store, Store) {
    let first = servers().await;
    put_subnet(&first, 1).await;
    let second = servers().await;
    (first, second)
}

async fn each_sees_what_the_other_had_acknowledged(new: New) {
    let (first, second) = two_servers(&new()).await;
    let mut watch = second.watch();
    let committed = first.write(info("one"), |tx| create_port(tx, 7, 1)).await.unwrap();
    let snapshot = second.wait_current().await.unwrap();
    assert_eq!(snapshot.position(), committed.position);
    assert!(*snapshot == *first.snapshot());
    let commit = watch.next().await;
    assert_eq!(commit.info.actor, "one");
    assert!(commit.changes.contains(&Change { key: RecordKey::Port(port_id(7)) }));
}

async fn both_give_out_addresses_and_numbers_without_meeting(new: New) {
    let (first, second) = two_servers(&new()).await;
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
    new: New,
    f: impl Fn(&mut Tx) -> Result<R, StoreError>,
    between: impl Fn(&mut Tx) -> Result<(), StoreError>,
) -> (usize, Result<Committed<R>, StoreError>) {
    let (first, second) = two_servers(&new()).await;
    first.write(info("one"), |tx| create_port(tx, 1, 1)).await.unwrap();
    let mut runs = 0;
    let result = first.write(info("one"), |tx| {
        let answer = f(tx);
        runs += 1;
        if runs == 1 {
            let write = second.write(info("two"), &between);
            tokio::task::block_in_place(|| Handle::current().block_on(write)).unwrap();
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

async fn a_guarded_read_is_repeated_when_it_changed(new: New) {
    let read = |tx: &mut Tx| {
        let name = tx.get::<Network>(&network_id(1)).ok_or(StoreError::Conflict)?.name.clone();
        tx.put(network(2));
        Ok(name)
    };
    let (runs, result) = interleaved(new, read, |tx| rename(tx, "by two")).await;
    assert_eq!((runs, result.unwrap().value.as_str()), (2, "by two"));
    let gone = interleaved(new, read, |tx| {
        tx.delete::<Network>(&network_id(1));
        Ok(())
    });
    assert!(matches!(gone.await, (2, Err(StoreError::Conflict))));
}

async fn an_unguarded_read_is_not(new: New) {
    let read = |tx: &mut Tx| {
        let name = tx.view().get::<Network>(&network_id(1)).ok_or(StoreError::Conflict)?.name.clone();
        tx.put(network(2));
        Ok(name)
    };
    let (runs, result) = interleaved(new, read, |tx| rename(tx, "by two")).await;
    assert_eq!((runs, result.unwrap().value.as_str()), (1, "net-1"));
}

async fn a_guarded_scan_notices_inserts_and_updates_but_no_deletions(new: New) {
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
    let (runs, result) = interleaved(new, scan, insert).await;
    assert_eq!((runs, result.unwrap().value), (2, 2));
    assert_eq!(interleaved(new, scan, update).await.0, 2);
    assert_eq!(interleaved(new, scan, elsewhere).await.0, 1);
    let (runs, result) = interleaved(new, scan, release).await;
    assert_eq!((runs, result.unwrap().value), (1, 1), "etcd can't tell");
}

async fn an_error_is_judged_on_the_newest_state(new: New) {
    let full =
        |tx: &mut Tx| if tx.view().is_empty::<AddressClaim>() { Ok(()) } else { Err(StoreError::Conflict) };
    let (runs, result) = interleaved(new, full, release).await;
    assert!(runs == 2 && result.is_ok(), "{runs} {result:?}");
}

#[tokio::test]
async fn a_backend_without_quorum_refuses_writes_until_it_is_back() {
    let backend = Arc::new(Memory::new());
    let first = Store::open_with(backend.clone()).await.unwrap();
    put_subnet(&first, 1).await;
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

/// A server's observer that remembers.
#[derive(Default)]
struct Remembering(Mutex<Vec<Observed>>);

impl Observer for Remembering {
    fn committed(&self, commits: Vec<Observed>) {
        self.0.lock().extend(commits);
    }

    fn reloaded(&self, _: Loaded) {}
}

/// A backend that sends its commits to an observer.
async fn observed(backend: Arc<dyn Backend>) -> (Arc<dyn Backend>, Arc<Remembering>) {
    let observer = Arc::new(Remembering::default());
    let weak: Weak<dyn Observer> = Arc::downgrade(&(observer.clone() as Arc<dyn Observer>));
    assert_eq!(backend.load(weak).await.unwrap().entries, []);
    (backend, observer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_mean_the_same_in_memory_and_in_etcd() {
    conditions_mean(Arc::new(Memory::new())).await;
    conditions_mean(etcd_support::backend(&etcd_support::shared())).await;
}

async fn conditions_mean(backend: Arc<dyn Backend>) {
    let (backend, _observer) = observed(backend).await;
    let submit = async |compares: Vec<Compare>, ops: Vec<Op>| {
        backend.submit(Txn::one(info("raw"), compares, ops)).await.unwrap()
    };
    let committed = async |compares: Vec<Compare>, ops: Vec<Op>| match submit(compares, ops).await {
        Outcome::Committed(revision) => revision,
        conflict => panic!("{conflict:?}"),
    };
    let key = |key: &str, revision| Compare::Key { key: key.into(), revision };
    let range =
        |start: &str, end: &str, since| Compare::Range { start: start.into(), end: end.into(), since };
    let none = Revision::ZERO;
    let one = committed(vec![key("a", none)], vec![put("a"), put("b")]).await;
    assert_eq!(submit(vec![key("a", none)], vec![put("a")]).await, Outcome::Conflict(one));
    let two = committed(vec![key("a", one)], vec![put("a")]).await;
    assert!(two > one);
    assert_eq!(submit(vec![key("a", one)], vec![put("c")]).await, Outcome::Conflict(two));
    assert_eq!(submit(vec![range("a", "b", one)], vec![put("c")]).await, Outcome::Conflict(two));
    let three = committed(vec![range("b", "z", one)], vec![put("c")]).await;
    assert_eq!(submit(vec![range("b", "z", one)], vec![]).await, Outcome::Conflict(three));
    let four = committed(vec![key("c", three)], vec![Op::Delete { key: "c".into() }]).await;
    let five = committed(vec![range("b", "z", one), key("c", none)], vec![put("d")]).await;
    assert!(five > four && four > three);
    assert_eq!(backend.current().await.unwrap(), five);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_are_commits_that_follow_each_other_in_memory_and_in_etcd() {
    parts_are_commits(Arc::new(Memory::new())).await;
    parts_are_commits(etcd_support::backend(&etcd_support::shared())).await;
}

async fn parts_are_commits(backend: Arc<dyn Backend>) {
    let (backend, observer) = observed(backend).await;
    backend.submit(Txn::one(info("zero"), vec![], vec![put("gone")])).await.unwrap();
    let part = |actor: &str, ops| Part { info: info(actor), ops };
    let parts = vec![
        part("one", vec![put("a"), put("b")]),
        part("two", vec![Op::Delete { key: "gone".into() }, Op::Delete { key: "never there".into() }]),
        part("three", vec![put("c")]),
    ];
    let Outcome::Committed(first) = backend.submit(Txn { compares: vec![], parts }).await.unwrap() else {
        panic!("there was no condition")
    };
    assert_eq!(backend.current().await.unwrap(), Revision(first.0 + 2));
    while observer.0.lock().len() < 4 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let observed = observer.0.lock().split_off(1);
    for (place, (commit, actor)) in observed.iter().zip(["one", "two", "three"]).enumerate() {
        assert_eq!(commit.revision, Revision(first.0 + place as u64));
        assert_eq!(commit.info.actor, actor);
        assert!(commit.puts.iter().all(|entry| entry.modified == commit.revision && entry.value == "v"));
    }
    let keys =
        |place: usize| observed[place].puts.iter().map(|entry| entry.key.as_slice()).collect::<Vec<_>>();
    assert_eq!((keys(0), keys(1).len(), keys(2)), (vec![b"a".as_slice(), b"b"], 0, vec![b"c".as_slice()]));
    assert_eq!(observed[1].deletes, [b"gone"]);
}

async fn writers_of_one_server_share_transactions_and_keep_their_names(new: New) {
    let (first, second) = two_servers(&new()).await;
    let mut watch = second.watch();
    let writes = (0..100).map(|n| {
        let first = first.clone();
        tokio::spawn(async move { first.write(info(&format!("user-{n}")), |tx| create_port(tx, n, 1)).await })
    });
    let mut positions = BTreeSet::new();
    for (n, write) in join_all(writes).await.into_iter().enumerate() {
        let committed = write.unwrap().unwrap();
        assert!(positions.insert((committed.position.revision, format!("user-{n}"))));
    }
    for expected in positions {
        let commit = watch.next().await;
        assert_eq!((commit.position.revision, commit.info.actor.clone()), expected);
        let port = commit.changes.iter().find_map(|change| match &change.key {
            RecordKey::Port(id) => commit.after.get::<Port>(id),
            _ => None,
        });
        assert_eq!(port.unwrap().modified, commit.position.revision);
    }
    assert!(*first.snapshot() == *second.wait_current().await.unwrap());
}

/// All want the lowest free address, so that of two groups at a time one is refused.
async fn no_server_starves_beside_another(new: New) {
    let (first, second) = two_servers(&new()).await;
    let writers = (0..16).map(|writer| {
        let store = if writer % 2 == 0 { first.clone() } else { second.clone() };
        tokio::spawn(async move {
            for n in 0..30 {
                let n = writer + 16 * (n % 15);
                let write = store.write(info("writer"), |tx| match tx.get::<Port>(&port_id(n)) {
                    Some(port) => {
                        tx.delete::<Port>(&port.id);
                        tx.delete::<MacClaim>(&(port.network_id, port.mac_address));
                        tx.delete::<AddressClaim>(&(subnet_id(1), port.fixed_ips[0].ip_address));
                        Ok(())
                    }
                    None => create_port(tx, n, 1).map(drop),
                });
                write.await.unwrap();
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(second.wait_current().await.unwrap().len::<AddressClaim>(), 0);
}

/// Each counts on from what it finds, without a guard on what the others write: within a server nothing is lost all the same.
async fn a_later_part_of_a_group_reads_what_an_earlier_one_wrote(new: New) {
    let (first, second) = two_servers(&new()).await;
    let writes = (0..60).map(|n| {
        let first = first.clone();
        tokio::spawn(async move {
            let count_on = first.write(info("writer"), |tx| {
                // The same for all, which does not keep them apart.
                tx.take_turn("count".to_owned());
                let count = tx.view().iter::<Port>().count() as u32;
                tx.put(port(n, network_id(1), vec![]));
                Ok::<_, StoreError>(count)
            });
            count_on.await.unwrap().value
        })
    });
    let mut counts: Vec<u32> = join_all(writes).await.into_iter().map(Result::unwrap).collect();
    counts.sort_unstable();
    assert_eq!(counts, (0..60).collect::<Vec<_>>());
    assert_eq!(second.wait_current().await.unwrap().len::<Port>(), 60);
}

async fn servers_that_come_later_know_all(new: New) {
    let servers = new();
    let (first, second) = two_servers(&servers).await;
    for n in 0..30 {
        let store = if n % 3 == 0 { &second } else { &first };
        store.write(info("writer"), |tx| create_port(tx, n, 1)).await.unwrap();
    }
    let update = first.write(info("writer"), |tx| rename(tx, "changed"));
    update.await.unwrap();
    let third = servers().await;
    assert!(*third.snapshot() == *first.snapshot());
    let removed = third.write(info("three"), release);
    let position = removed.await.unwrap().position;
    let seen = first.wait_current().await.unwrap();
    assert_eq!((seen.position(), seen.len::<AddressClaim>()), (position, 29));
}

#[tokio::test]
async fn limits_are_those_of_etcd() {
    let backend = Memory::new();
    let submit = async |compares: Vec<Compare>, ops: Vec<Op>| {
        backend.submit(Txn::one(info("raw"), compares, ops)).await
    };
    let ops = |count: u32| (0..count).map(|n| put(&n.to_string())).collect::<Vec<_>>();
    let compares = |count: u32| {
        let keys = (0..count).map(|n| Compare::Key { key: n.to_string().into(), revision: Revision(0) });
        keys.collect::<Vec<_>>()
    };
    assert!(matches!(submit(vec![], ops(128)).await, Err(StoreError::TooLarge { what: "operations", .. })));
    assert!(matches!(
        submit(compares(127), vec![]).await,
        Err(StoreError::TooLarge { what: "conditions", .. })
    ));
    let big = |size: usize| vec![Op::Put { key: "big".into(), value: vec![0; size].into() }];
    assert!(matches!(submit(vec![], big(3 << 19)).await, Err(StoreError::TooLarge { what: "bytes", .. })));
    assert!(submit(compares(126), ops(127)).await.is_ok());
    assert!(submit(vec![], big((3 << 19) - (17 << 10))).await.is_ok());
}
