//! The embedded store as a file: who may open it, restarts, backups, damage.

mod support;

use hadron_model::*;
use hadron_store::*;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use support::medium::Random;
use support::*;
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    (directory, path)
}

/// A store with a subnet and `ports` ports in it, closed.
async fn filled(path: &Path, ports: u32) -> Position {
    let store = Store::open(path).await.unwrap();
    put_subnet(&store, 1).await;
    for n in 0..ports {
        store.write(info(&format!("user-{n}")), |tx| create_port(tx, n, 1)).await.unwrap();
    }
    store.snapshot().position()
}

fn files(directory: &TempDir) -> Vec<String> {
    let names = std::fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn only_the_owner_can_read_it_and_one_process_open_it() {
    let (directory, path) = place();
    let store = Store::open(&path).await.unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(files(&directory), ["store"]);
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(&error, StoreError::InUse { path } if path.ends_with("store")), "{error}");
    assert!(error.to_string().contains("another process has the store"));
    drop(store);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(Store::open(&path).await.unwrap());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn an_unfinished_beginning_is_begun_again() {
    let (directory, path) = place();
    std::fs::write(directory.path().join("store.unfinished"), b"half a store").unwrap();
    let store = Store::open(&path).await.unwrap();
    put_network(&store, "tester", network(1)).await;
    assert_eq!(files(&directory), ["store"]);
}

#[tokio::test]
async fn a_restart_finds_everything_and_the_way_there() {
    let (_directory, path) = place();
    let position = filled(&path, 50).await;
    let store = Store::open(&path).await.unwrap();
    let snapshot = store.snapshot();
    assert_eq!(snapshot.position(), position);
    assert_eq!(snapshot.len::<Port>(), 50);
    assert_eq!(snapshot.first_free_address(subnet_id(1)).unwrap().to_string(), "10.0.1.52");
    let port = snapshot.get::<Port>(&port_id(10)).unwrap();
    assert_eq!((port.created, port.modified), (Revision(12), Revision(12)));

    let delete = store.write(info("later"), |tx| {
        tx.delete::<Port>(&port_id(3));
        Ok::<_, StoreError>(())
    });
    delete.await.unwrap();
    let from = Position { revision: Revision(20), ..position };
    let mut watch = store.watch_from(from).unwrap();
    assert_eq!(watch.initial().position(), from);
    assert_eq!(watch.initial().len::<Port>(), 19);
    for n in 19..50 {
        let commit = watch.next().await;
        assert_eq!(commit.info.actor, format!("user-{n}"));
        assert!(commit.changes.contains(&Change { key: RecordKey::Port(port_id(n)) }));
        assert!(!commit.before.has::<Port>(&port_id(n)) && commit.after.has::<Port>(&port_id(n)));
        assert_eq!(commit.before.free_address_count(subnet_id(1)), 253 - u128::from(n));
    }
    let last = watch.next().await;
    assert_eq!(last.info.actor, "later");
    assert_eq!(*last.after, *store.snapshot());
    assert!(watch.next_known().is_none());
}

#[tokio::test]
async fn a_watch_goes_back_over_so_many_changed_records_and_no_more() {
    let (_directory, path) = place();
    filled(&path, 50).await;
    let store = Store::open(&path).await.unwrap();
    // What an earlier process has written is known in another way than what this one writes.
    for n in 50..60 {
        store.write(info("later"), |tx| create_port(tx, n, 1)).await.unwrap();
    }
    let changes_from = |position| {
        let mut watch = store.watch_from(position).unwrap();
        std::iter::from_fn(move || watch.next_known()).map(|commit| commit.changes.len()).collect::<Vec<_>>()
    };
    let all = changes_from(Position { revision: Revision::ZERO, ..store.snapshot().position() });
    for most in [0, 1, 2, 9, 25, 100, all.iter().sum(), 10_000] {
        let back = changes_from(store.oldest_within(most));
        let changes: usize = back.iter().sum();
        assert!(changes <= most && all.ends_with(&back), "{changes} of {most}");
        let one_before = all.iter().rev().nth(back.len());
        assert!(one_before.is_none_or(|one| changes + one > most), "{changes} of {most}");
    }
}

#[tokio::test]
async fn a_state_is_told_without_one_of_its_commits() {
    let (_directory, path) = place();
    filled(&path, 50).await;
    let store = Store::open(&path).await.unwrap();
    for n in 50..60 {
        store.write(info("later"), |tx| create_port(tx, n, 1)).await.unwrap();
    }
    let deleted = store.write(info("later"), |tx| {
        tx.delete::<Port>(&port_id(3));
        Ok::<_, StoreError>(())
    });
    let deleted = deleted.await.unwrap().position.revision;
    let now = store.snapshot();
    // Known in one way, and in the other.
    for n in [7, 55] {
        let revision = now.get::<Port>(&port_id(n)).unwrap().created;
        let without = store.without(revision, &now).unwrap();
        assert!(!without.has::<Port>(&port_id(n)));
        assert_eq!(without.len::<Port>(), now.len::<Port>() - 1);
        assert_eq!(without.free_address_count(subnet_id(1)), now.free_address_count(subnet_id(1)) + 1);
    }
    assert!(store.without(deleted, &now).unwrap().has::<Port>(&port_id(3)));
    assert!(store.without(Revision(1_000_000), &now).is_none());
}

#[tokio::test]
async fn a_position_of_another_history_or_of_the_future_is_gone() {
    let (_directory, path) = place();
    let position = filled(&path, 1).await;
    let store = Store::open(&path).await.unwrap();
    let foreign = Position { history: HistoryId::random(), ..position };
    assert!(store.watch_from(foreign).is_err());
    let future = Position { revision: Revision(position.revision.0 + 1), ..position };
    assert_eq!(store.watch_from(future).unwrap_err().newest, position);
    assert!(store.watch_from(Position { revision: Revision(0), ..position }).is_ok());
}

#[tokio::test]
async fn numbers_are_never_given_out_twice() {
    let (_directory, path) = place();
    let mut last = 0;
    for _ in 0..4 {
        let store = Store::open(&path).await.unwrap();
        for n in 0..700 {
            let taken = store.write(info("tester"), |tx| {
                let number = tx.next_number(Counter::Port)?;
                // Half of the transactions fail after taking a number.
                if n % 2 == 0 { Ok(number) } else { Err(StoreError::Conflict) }
            });
            if let Ok(committed) = taken.await {
                assert!(committed.value > last);
                last = committed.value;
            }
        }
    }
}

#[tokio::test]
async fn a_backup_is_one_state_of_a_running_store() {
    let (directory, path) = place();
    let store = Store::open(&path).await.unwrap();
    put_subnet(&store, 1).await;
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for n in 0..200 {
                store.write(info("tester"), |tx| create_port(tx, n, 1)).await.unwrap();
            }
        }
    });
    store.write(info("tester"), |tx| create_port(tx, 999, 1)).await.unwrap();
    let backup = directory.path().join("backup");
    let position = store.backup(&backup).await.unwrap();
    writer.await.unwrap();
    assert_eq!(backup.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(store.backup(&backup).await, Err(StoreError::Exists { .. })));

    let bytes = std::fs::read(&backup).unwrap();
    let restored = directory.path().join("restored");
    let history = Store::restore(&backup, &restored).await.unwrap();
    assert_eq!(std::fs::read(&backup).unwrap(), bytes, "a restore leaves the backup as it is");
    let again = Store::open(&restored).await.unwrap();
    assert_ne!(history, position.history);
    assert_eq!(again.snapshot().position(), Position { history, revision: position.revision });
    let expected = store.watch_from(position).unwrap().initial();
    assert!(again.snapshot().records().eq(expected.records()));
    assert!(again.watch_from(position).is_err(), "the old history's positions mean nothing in the new one");
    assert!(again.watch_from(again.snapshot().position()).is_ok());

    let error = Store::restore(&backup, &restored).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");
    let error = Store::restore(&path, directory.path().join("other")).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert_eq!(files(&directory), ["backup", "restored", "store"]);
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let (_directory, path) = place();
    for contents in [b"not a store".to_vec(), vec![0; 100_000], b"redb".repeat(5000)] {
        std::fs::write(&path, &contents).unwrap();
        let error = Store::open(&path).await.unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { reason } if reason.contains("store")), "{error}");
        assert!(std::fs::read(&path).unwrap() == contents);
    }
}

/// Whatever bits are flipped, the store opens as it was or says that it is damaged; it never shows anything else.
#[tokio::test]
async fn damage_is_noticed() {
    let (directory, path) = place();
    let position = filled(&path, 120).await;
    let sound = std::fs::read(&path).unwrap();
    let expected: Vec<_> = Store::open(&path).await.unwrap().snapshot().records().collect();
    let (mut refused, mut random) = (0, Random(7));
    for trial in 0..400 {
        let mut damaged = sound.clone();
        match trial % 3 {
            0 => damaged[random.below(sound.len())] ^= 1 << random.below(8),
            1 => {
                let at = random.below(sound.len() / 4096) * 4096;
                damaged[at..at + 4096].fill(0);
            }
            _ => damaged.truncate(random.below(sound.len())),
        }
        let path = directory.path().join("damaged");
        std::fs::write(&path, &damaged).unwrap();
        match Store::open(&path).await {
            Ok(store) => {
                assert_eq!(store.snapshot().position(), position, "trial {trial}");
                assert!(store.snapshot().records().eq(expected.iter().cloned()), "trial {trial}");
            }
            Err(StoreError::Corrupt { reason }) => {
                assert!(reason.contains("damaged"), "{reason}");
                assert!(std::fs::read(&path).unwrap() == damaged, "a damaged file is left as it was found");
                refused += 1;
            }
            Err(error) => panic!("trial {trial}: {error}"),
        }
    }
    assert!(refused > 100, "{refused}");
}

const META: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");

fn set_format(path: &std::path::Path, format: u32) {
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert("format", format.to_be_bytes().as_slice()).unwrap();
    transaction.commit().unwrap();
}

#[tokio::test]
async fn a_store_of_an_older_format_is_brought_to_this_release_s() {
    use redb::ReadableDatabase as _;
    let (_directory, path) = place();
    filled(&path, 1).await;
    let before = Store::open(&path).await.unwrap().snapshot();
    set_format(&path, 1);
    assert_eq!(Store::open(&path).await.unwrap().snapshot(), before);
    let database = redb::Database::open(&path).unwrap();
    let meta = database.begin_read().unwrap().open_table(META).unwrap();
    let format = meta.get("format").unwrap().unwrap().value().to_vec();
    assert_eq!(
        format,
        hadron_store::embedded::FORMAT.to_be_bytes(),
        "an older release must not open it again"
    );
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_refused() {
    let (_directory, path) = place();
    filled(&path, 1).await;
    set_format(&path, 99);
    let error = Store::open(&path).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store has format 99, this release knows up to 3; use the newer release"
    );
}
