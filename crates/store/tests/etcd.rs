//! The store on an etcd that is paused, killed, compacted, restored from a backup, or asks who one is.

mod support;

use hadron_lab::Etcd;
use hadron_model::*;
use hadron_store::etcd::{EtcdOptions, EtcdTls};
use hadron_store::*;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::etcd::{backend, open};
use support::*;

/// Options with which an etcd that does not answer is noticed soon.
fn options(etcd: &Etcd) -> EtcdOptions {
    EtcdOptions { timeout: Duration::from_secs(2), ..support::etcd::options(etcd) }
}

async fn create(store: &Store, n: u32) -> Result<Committed<Port>, StoreError> {
    store.write(info("tester"), |tx| create_port(tx, n, 1)).await
}

/// The subnet 10.0.0.0/16 of network 1, with room for many ports.
async fn put_large_subnet(store: &Store) {
    let mut large = subnet(1);
    large.cidr = "10.0.0.0/16".parse().unwrap();
    large.allocation_pools = vec![AddressRange::new([10, 0, 1, 2].into(), [10, 0, 255, 254].into()).unwrap()];
    let put = store.write(info("tester"), |tx| {
        tx.put(network(1));
        tx.put(large.clone());
        Ok::<_, StoreError>(())
    });
    put.await.unwrap();
}

/// Waits until the store takes writes again.
async fn until_writable(store: &Store, n: u32) -> Committed<Port> {
    for _ in 0..600 {
        match create(store, n).await {
            Ok(created) => return created,
            // It may have been made by an attempt whose fate was not known.
            Err(_) if store.snapshot().has::<Port>(&port_id(n)) => {
                panic!("port {n} was made by a write that failed")
            }
            Err(error) => assert!(matches!(error, StoreError::Unavailable { .. }), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the store stays read-only: {:?}", store.state());
}

async fn until_same(one: &Store, two: &Store) {
    let one = one.wait_current().await.unwrap();
    let two = two.wait_current().await.unwrap();
    assert!(*one == *two, "{:?} and {:?} differ", one.position(), two.position());
}

/// Writers on every store until they are told to stop; the numbers of the ports that were acknowledged, and of those whose fate
/// is not known.
struct Load {
    stop: Arc<AtomicBool>,
    writers: Vec<tokio::task::JoinHandle<(BTreeSet<u32>, BTreeSet<u32>)>>,
}

impl Load {
    fn start(stores: &[Store]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (0..8).map(|writer| {
            let (store, stop) = (stores[writer as usize % stores.len()].clone(), stop.clone());
            tokio::spawn(async move {
                let (mut acknowledged, mut unknown) = (BTreeSet::new(), BTreeSet::new());
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let n = 1000 + writer + 8 * n;
                    match create(&store, n).await {
                        Ok(_) => drop(acknowledged.insert(n)),
                        Err(StoreError::Unavailable { reason }) => {
                            if reason.contains("not known") {
                                unknown.insert(n);
                            }
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                (acknowledged, unknown)
            })
        });
        let writers = writers.collect();
        Self { stop, writers }
    }

    /// Ends the writers and holds what they were told against what is stored.
    async fn verify(self, store: &Store) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let (mut acknowledged, mut unknown) = (BTreeSet::new(), BTreeSet::new());
        for writer in self.writers {
            let told = writer.await.unwrap();
            acknowledged.extend(told.0);
            unknown.extend(told.1);
        }
        let snapshot = store.wait_current().await.unwrap();
        for n in &acknowledged {
            assert!(snapshot.has::<Port>(&port_id(*n)), "port {n} was acknowledged and is not there");
        }
        let written = (1000..50_000).filter(|n| snapshot.has::<Port>(&port_id(*n)));
        for n in written {
            assert!(acknowledged.contains(&n) || unknown.contains(&n), "port {n} was refused and is there");
        }
        let ports = snapshot.len::<Port>();
        assert_eq!((snapshot.len::<AddressClaim>(), snapshot.len::<MacClaim>()), (ports, ports));
        let numbers: BTreeSet<_> = snapshot.iter::<Port>().map(|port| port.number).collect();
        assert_eq!(numbers.len(), ports, "a number was given out twice");
        acknowledged.len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_is_paused_refuses_writes_with_the_reason_and_reads_go_on() {
    let etcd = Etcd::start().unwrap();
    let (one, two) = (open(&options(&etcd)).await, open(&options(&etcd)).await);
    put_large_subnet(&one).await;
    create(&one, 1).await.unwrap();
    two.wait_current().await.unwrap();
    let load = Load::start(&[one.clone(), two.clone()]);
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        etcd.pause();
        let mut refusal = create(&one, 2).await.unwrap_err().to_string();
        if !refusal.contains("does not answer within") {
            // Its fate was not known; from now on it is known that etcd is away.
            refusal = create(&one, 2).await.unwrap_err().to_string();
        }
        assert!(refusal.contains(&format!("etcd at {} does not answer", etcd.address())), "{refusal}");
        assert!(matches!(one.state(), StoreState::ReadOnly { .. }));
        assert!(two.wait_current().await.is_err());
        assert!(two.snapshot().has::<Port>(&port_id(1)));
        etcd.resume();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for (n, store) in [(3, &one), (4, &two)] {
        until_writable(store, n).await;
    }
    assert!(load.verify(&one).await > 0);
    until_same(&one, &two).await;
    assert_eq!((one.state(), two.state()), (StoreState::Ok, StoreState::Ok));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_is_killed_under_load_loses_nothing_acknowledged() {
    let mut etcd = Etcd::start().unwrap();
    let (one, two) = (open(&options(&etcd)).await, open(&options(&etcd)).await);
    put_large_subnet(&one).await;
    two.wait_current().await.unwrap();
    let load = Load::start(&[one.clone(), two.clone()]);
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        etcd.kill();
        tokio::time::sleep(Duration::from_millis(200)).await;
        etcd.run().unwrap();
    }
    until_writable(&one, 1).await;
    until_writable(&two, 2).await;
    assert!(load.verify(&two).await > 0);
    until_same(&one, &two).await;
    let third = open(&options(&etcd)).await;
    until_same(&one, &third).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lags_behind_a_compaction_reads_everything_anew() {
    let etcd = Etcd::start().unwrap();
    let one = open(&options(&etcd)).await;
    put_large_subnet(&one).await;
    // Reached by a door of its own, so that this server alone can be cut off.
    let door = Door::open(&etcd).await;
    let two = open(&EtcdOptions { endpoints: vec![door.address.to_string()], ..options(&etcd) }).await;
    let mut watch = two.watch();
    door.set_open(false);
    for n in 0..50 {
        create(&one, n).await.unwrap();
    }
    let removed = one.write(info("tester"), |tx| {
        tx.delete::<Network>(&network_id(1));
        Ok::<_, StoreError>(())
    });
    removed.await.unwrap();
    etcd.compact().unwrap();
    door.set_open(true);
    until_writable(&two, 90).await;
    until_same(&one, &two).await;
    let mut seen = watch.initial();
    while let Some(commit) = watch.next_known() {
        assert!(*commit.before == *seen);
        assert!(
            commit.changes.iter().all(|it| commit.before.record(&it.key) != commit.after.record(&it.key))
        );
        seen = commit.after.clone();
    }
    assert!(*seen == *two.snapshot(), "a watch loses nothing by it");
    // A server that starts now can't know what was before the compaction, and does not need to.
    until_same(&one, &open(&options(&etcd)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_begins_a_new_history_on_running_servers() {
    for token in ["etcd-cluster", "another-cluster"] {
        let mut etcd = Etcd::start().unwrap();
        let (one, two) = (open(&options(&etcd)).await, open(&options(&etcd)).await);
        put_large_subnet(&one).await;
        for n in 0..20 {
            create(&one, n).await.unwrap();
        }
        let backup = etcd.dir().join("backup");
        etcd.snapshot(&backup).unwrap();
        let kept = one.snapshot();
        for n in 20..60 {
            create(&one, n).await.unwrap();
        }
        let mut watch = two.watch();
        let lost = two.wait_current().await.unwrap();
        etcd.restore(&backup, token).unwrap();
        until_writable(&one, 100).await;
        until_writable(&two, 101).await;
        until_same(&one, &two).await;
        let now = two.snapshot();
        assert_ne!(now.position().history, lost.position().history);
        assert_eq!(now.len::<Port>(), kept.len::<Port>() + 2);
        assert!(!now.has::<Port>(&port_id(30)));
        assert!(two.watch_from(lost.position()).is_err());
        let mut seen = watch.snapshot();
        while let Some(commit) = watch.next_known() {
            assert!(*commit.before == *seen);
            seen = commit.after.clone();
        }
        assert!(*seen == *now, "a watch is led into the new history");
        let numbers: BTreeSet<_> = now.iter::<Port>().map(|port| port.number).collect();
        assert_eq!(numbers.len(), now.len::<Port>());
        let last = lost.iter::<Port>().map(|port| port.number).max();
        assert!(
            now.get::<Port>(&port_id(100)).map(|port| port.number) > last,
            "a number was given out again"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_is_recognised_by_a_server_that_was_not_running() {
    let mut etcd = Etcd::start().unwrap();
    let options = EtcdOptions { seen_file: Some(etcd.dir().join("seen")), ..options(&etcd) };
    let one = open(&options).await;
    put_large_subnet(&one).await;
    let backup = etcd.dir().join("backup");
    etcd.snapshot(&backup).unwrap();
    for n in 0..10 {
        create(&one, n).await.unwrap();
    }
    let lost = one.snapshot().position();
    while std::fs::read_to_string(etcd.dir().join("seen")).is_ok_and(|text| !seen_is(&text, lost)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(one);
    etcd.restore(&backup, "etcd-cluster").unwrap();
    let stranger = open(&EtcdOptions { seen_file: None, ..options.clone() }).await;
    assert_eq!(stranger.snapshot().position().history, lost.history, "the cluster says nothing of it");
    let one = open(&options).await;
    assert_ne!(one.snapshot().position().history, lost.history);
    assert_eq!(one.snapshot().len::<Port>(), 0);
    create(&one, 1).await.unwrap();
    until_writable(&stranger, 2).await;
    until_same(&one, &stranger).await;
    let again = open(&options).await;
    assert_eq!(again.snapshot().position().history, one.snapshot().position().history);
}

/// Whether the file says that the position was seen: history, and etcd's revision.
fn seen_is(text: &str, position: Position) -> bool {
    let (history, etcd) = text.trim().split_once(' ').unwrap_or_default();
    history == position.history.to_string() && etcd.parse::<u64>().unwrap() >= position.revision.0 / 128
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_member_is_asked_when_one_is_away() {
    let etcd = Etcd::start().unwrap();
    let (one, two) = (Door::open(&etcd).await, Door::open(&etcd).await);
    let endpoints = vec![one.address.to_string(), two.address.to_string()];
    let store = open(&EtcdOptions { endpoints, ..options(&etcd) }).await;
    put_large_subnet(&store).await;
    let load = Load::start(std::slice::from_ref(&store));
    for _ in 0..2 {
        for (shut, other) in [(&one, &two), (&two, &one)] {
            other.set_open(true);
            tokio::time::sleep(Duration::from_millis(100)).await;
            shut.set_open(false);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    assert!(load.verify(&store).await > 50);
    until_writable(&store, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_member_is_asked_again_when_its_connection_breaks() {
    let etcd = Etcd::start().unwrap();
    for (turned_away, is_opened) in [(1, true), (2, false)] {
        let door = Door::open_after(turned_away, &etcd).await;
        let options = EtcdOptions { endpoints: vec![door.address.to_string()], ..options(&etcd) };
        assert_eq!(Store::open_with(backend(&options)).await.is_ok(), is_opened);
    }
}

/// What listens for clients of an etcd and can turn them away, as a broken link would.
struct Door {
    address: std::net::SocketAddr,
    is_open: tokio::sync::watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Door {
    async fn open(etcd: &Etcd) -> Self {
        Self::open_after(0, etcd).await
    }

    /// One that turns away its first connections.
    async fn open_after(mut turned_away: u32, etcd: &Etcd) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, to) = (listener.local_addr().unwrap(), etcd.address());
        let (is_open, state) = tokio::sync::watch::channel(true);
        let accepting = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                if turned_away > 0 {
                    turned_away -= 1;
                    continue;
                }
                let mut state = state.clone();
                tokio::spawn(async move {
                    if !*state.borrow_and_update() {
                        return;
                    }
                    let Ok(mut server) = tokio::net::TcpStream::connect(to).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = state.wait_for(|is_open| !is_open) => {}
                    }
                });
            }
        });
        Self { address, is_open, accepting }
    }

    fn set_open(&self, is_open: bool) {
        self.is_open.send_replace(is_open);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_asks_for_a_password_gets_it() {
    let etcd = Etcd::start().unwrap();
    for command in [
        &["user", "add", "root:secret"] as &[&str],
        &["user", "grant-role", "root", "root"],
        &["role", "add", "hadron"],
        &["role", "grant-permission", "hadron", "--prefix=true", "readwrite", "/hadron/"],
        &["user", "add", "hadron:pass word"],
        &["user", "grant-role", "hadron", "hadron"],
        &["auth", "enable"],
    ] {
        etcd.ctl(command).unwrap();
    }
    let with = |user: &str, password: &str| EtcdOptions {
        credentials: Some((user.to_owned(), password.to_owned())),
        ..options(&etcd)
    };
    let refused = async |options: &EtcdOptions| {
        Store::open_with(backend(options)).await.map(drop).unwrap_err().to_string()
    };
    assert!(refused(&options(&etcd)).await.contains("refuses"));
    assert!(refused(&with("hadron", "wrong")).await.contains("authentication failed"));
    let elsewhere = EtcdOptions { prefix: "/other/".into(), ..with("hadron", "pass word") };
    assert!(refused(&elsewhere).await.contains("permission denied"));
    let store = open(&with("hadron", "pass word")).await;
    put_subnet(&store, 1).await;
    // What changes users makes the tokens stale that were given before.
    etcd.ctl(&["--user", "root:secret", "user", "add", "more:secret"]).unwrap();
    create(&store, 1).await.unwrap();
    assert_eq!(store.wait_current().await.unwrap().len::<Port>(), 1);
}

/// An authority, and what it has signed for `name`: certificate and key, PEM.
struct Signer(rcgen::Issuer<'static, rcgen::KeyPair>, String);

impl Signer {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self(rcgen::Issuer::new(params, key), pem)
    }

    fn sign(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_with_tls_is_verified_and_shown_a_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, others) = (Signer::new(), Signer::new());
    let path = |name: &str| -> PathBuf { directory.path().join(name) };
    let (certificate, key) = ours.sign("127.0.0.1");
    for (name, contents) in [("cert", &certificate), ("key", &key), ("ca", &ours.1.clone().into_bytes())] {
        std::fs::write(path(name), contents).unwrap();
    }
    let arguments = [("cert-file", "cert"), ("key-file", "key"), ("trusted-ca-file", "ca")]
        .map(|(option, name)| format!("--{option}={}", path(name).display()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--client-cert-auth"]).collect();
    let etcd = Etcd::start_in(directory.path(), &arguments).unwrap();
    let with = |signer: &Signer, identity: Option<(Vec<u8>, Vec<u8>)>| EtcdOptions {
        tls: Some(EtcdTls { ca_pem: signer.1.clone().into_bytes(), identity }),
        ..options(&etcd)
    };
    assert!(Store::open_with(backend(&with(&ours, None))).await.is_err(), "without a certificate");
    let stranger = Store::open_with(backend(&with(&others, Some(ours.sign("server"))))).await;
    assert!(stranger.unwrap_err().to_string().contains("certificate"), "signed by another authority");
    let store = open(&with(&ours, Some(ours.sign("server")))).await;
    put_subnet(&store, 1).await;
    create(&store, 1).await.unwrap();
}
