//! The store under a real process and a real file system: killed under load, and on a disk that is really full.

mod support;

use hadron_model::*;
use hadron_store::*;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::*;

const DIRECTORY: &str = "HADRON_STORE_TEST_DIRECTORY";

/// A child process, gone when this is.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs one of this file's ignored tests as a process of its own.
fn child(test: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--quiet"]).env(DIRECTORY, directory);
    command
}

/// Creates ports from many tasks and prints each one that was acknowledged, until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as a child of another test"]
async fn child_under_load() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let store = Store::open(Path::new(&directory).join("store")).await.unwrap();
    let last = store.snapshot().iter::<Port>().last().map(|port| port.id.0.as_u128());
    let first = last.map_or(0, |id| (id - port_id(0).0.as_u128()) as u32 + 1);
    let tasks = (0..16).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..100_000 {
                let n = first + task + 16 * n;
                store.write(info("child"), |tx| create_port(tx, n, 1)).await.unwrap();
                println!("acknowledged {n}");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn what_a_killed_process_acknowledged_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut large = subnet(1);
    large.cidr = "10.0.0.0/8".parse().unwrap();
    large.allocation_pools =
        vec![AddressRange::new([10, 0, 1, 2].into(), [10, 255, 255, 254].into()).unwrap()];
    let store = Store::open(&path).await.unwrap();
    let put = store.write(info("tester"), |tx| {
        tx.put(large.clone());
        Ok::<_, StoreError>(())
    });
    put.await.unwrap();
    drop(store);

    let mut acknowledged = BTreeSet::new();
    for round in 1..=4 {
        let mut command = child("child_under_load", directory.path());
        let mut process = Killed(command.stdout(Stdio::piped()).spawn().unwrap());
        let output = BufReader::new(process.0.stdout.take().unwrap());
        let mut lines = output.lines().map_while(Result::ok);
        let numbers = |line: String| line.strip_prefix("acknowledged ").and_then(|n| n.parse::<u32>().ok());
        acknowledged.extend(lines.by_ref().filter_map(numbers).take(150 * round));
        process.0.kill().unwrap();
        acknowledged.extend(lines.filter_map(numbers));
        drop(process);

        let store = Store::open(&path).await.unwrap();
        let snapshot = store.snapshot();
        for n in &acknowledged {
            let port = snapshot.get::<Port>(&port_id(*n)).unwrap_or_else(|| panic!("port {n} is gone"));
            let claim = snapshot.get::<AddressClaim>(&(subnet_id(1), port.fixed_ips[0].ip_address)).unwrap();
            assert_eq!(claim.port_id, port.id);
        }
        let ports = snapshot.len::<Port>();
        assert_eq!((snapshot.len::<AddressClaim>(), snapshot.len::<MacClaim>()), (ports, ports));
        let numbers: BTreeSet<_> = snapshot.iter::<Port>().map(|port| port.number).collect();
        assert_eq!(numbers.len(), ports, "a number was given out twice");
    }
}

/// In a mount namespace of its own, with a small file system at the directory: fills it, and makes room again.
#[tokio::test]
#[ignore = "runs as a child of another test"]
async fn child_on_a_small_disk() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let directory = Path::new(&directory);
    let ballast = directory.join("ballast");
    std::fs::write(&ballast, vec![1; 10 << 20]).unwrap();
    let store = Store::open(directory.join("store")).await.unwrap();
    let create = |n: u32| {
        store.write(info("tester"), move |tx| {
            let mut network = network(n);
            network.description = "x".repeat(100_000);
            tx.put(network);
            Ok::<_, StoreError>(())
        })
    };
    let mut stored = 0;
    let error = loop {
        match create(stored).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(&error, StoreError::Unavailable { reason } if reason.contains("disk is full")),
        "{error}"
    );
    assert!(matches!(store.state(), StoreState::ReadOnly { .. }));
    assert_eq!(store.snapshot().len::<Network>() as u32, stored, "reads go on");
    assert!(create(stored).await.is_err(), "and the disk is still full");
    std::fs::remove_file(&ballast).unwrap();
    create(stored).await.expect("there is space again");
    assert_eq!(store.state(), StoreState::Ok);
    drop(store);
    let store = Store::open(directory.join("store")).await.unwrap();
    assert_eq!(store.snapshot().len::<Network>() as u32, stored + 1);
    println!("stored {stored}");
}

/// Gives this process, which has one thread, mounts of its own and a file system of 16 MiB at `directory`.
fn enter_small_disk(directory: &Path) -> nix::Result<()> {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some("tmpfs"), directory, Some("tmpfs"), MsFlags::empty(), Some("size=16m"))
}

#[test]
fn a_full_file_system_refuses_writes_until_there_is_space() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: mounting a small file system needs root");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    // The namespace of one thread is inherited by the child that it starts, and goes with them.
    let thread = std::thread::spawn(move || {
        enter_small_disk(&path).unwrap();
        child("child_on_a_small_disk", &path).output().unwrap()
    });
    let output = thread.join().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("stored "), "{text}");
}
