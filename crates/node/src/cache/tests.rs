use super::*;
use hadron_wire::proto::welcome::Mode;
use hadron_wire::row::{NetworkRow, Row};
use proptest::prelude::*;

const POSITION: Position = Position { history: [7; 16], revision: 42 };

fn network(number: u32) -> Bytes {
    RowChange::encode_set(&Row::Network(NetworkRow {
        number,
        uuid: [1; 16],
        vni: Some(9),
        mtu: 1450,
        admin_up: true,
        privacy_addresses: false,
        unlisted_addresses: false,
        physical: None,
    }))
}

fn batch(complete_to: u64, numbers: std::ops::RangeInclusive<u32>) -> Batch {
    Batch { complete_to, changes: numbers.map(network).collect(), ..Batch::default() }
}

fn held(count: u32) -> Held {
    let mut held = Held::default();
    held.begin(Mode::Snapshot);
    held.apply(Batch { end_of_snapshot: true, ..batch(1, 1..=count) });
    held
}

fn replayed(loaded: Loaded) -> Held {
    let mut held = Held::default();
    held.begin(Mode::Snapshot);
    for batch in loaded.batches {
        assert!(held.apply(batch).malformed.is_empty());
    }
    held
}

fn at(revision: u64) -> Position {
    Position { revision, ..POSITION }
}

/// A cache with two rows at position 42 and one more at each of 43 and 44.
async fn with_journal(directory: &Path) -> Cache {
    let mut cache = Cache::new(directory, 3);
    cache.store(POSITION, &held(2)).await.unwrap();
    assert!(cache.append(at(43), &[batch(43, 3..=3)]));
    assert!(cache.append(at(44), &[batch(0, 4..=4), batch(44, 5..=5)]));
    assert!(cache.sync().await);
    cache
}

#[tokio::test]
async fn there_and_back_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let mut cache = Cache::new(directory.path(), 3);
    assert!(cache.load().is_none());
    cache.store(POSITION, &held(5)).await.unwrap();
    let loaded = cache.load().unwrap();
    assert_eq!(loaded.position, POSITION);
    assert!(replayed(loaded).iter().eq(held(5).iter()));
    assert!(Cache::new(directory.path(), 4).load().is_none(), "rows of another host");
    cache.remove().unwrap();
    assert!(cache.load().is_none());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_came_later_is_found_without_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let cache = with_journal(directory.path()).await;
    let loaded = cache.load().unwrap();
    assert_eq!(loaded.position, at(44));
    assert!(replayed(loaded).iter().eq(held(5).iter()));
}

#[tokio::test]
async fn rows_are_added_only_to_what_this_process_wrote() {
    let directory = tempfile::tempdir().unwrap();
    with_journal(directory.path()).await;
    let mut next = Cache::new(directory.path(), 3);
    assert!(!next.append(at(45), &[batch(45, 6..=6)]));
    next.store(at(44), &held(5)).await.unwrap();
    assert!(next.append(at(45), &[batch(45, 6..=6)]));
    assert!(replayed(next.load().unwrap()).iter().eq(held(6).iter()));
}

#[tokio::test]
async fn a_journal_that_outlived_its_rows_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let cache = with_journal(directory.path()).await;
    for (position, rows) in [(at(44), 1), (Position { history: [8; 16], revision: 1 }, 1)] {
        file::replace(&cache.path, &encode(3, position, &held(rows))).unwrap();
        let loaded = cache.load().unwrap();
        assert_eq!((loaded.position, loaded.batches.len()), (position, 1));
    }
}

#[tokio::test]
async fn a_journal_does_not_grow_without_bound() {
    let directory = tempfile::tempdir().unwrap();
    let mut cache = Cache::new(directory.path(), 3);
    cache.store(POSITION, &held(1)).await.unwrap();
    let full = (0..1000).find(|i| !cache.append(at(43 + i), &[batch(43 + i, 1..=100)]));
    assert!(full.is_some());
    cache.store(at(2000), &held(1)).await.unwrap();
    assert!(cache.append(at(2001), &[batch(2001, 2..=2)]));
}

#[test]
fn other_releases_and_hosts_are_told_apart() {
    let mut contents = encode(3, POSITION, &held(0));
    assert_eq!(decode(&contents, 4), Err(Damage::Host(3)));
    contents.truncate(contents.len() - SHA256_OUTPUT_LEN);
    contents[8] = 9;
    let checksum = digest(&SHA256, &contents);
    contents.extend(checksum.as_ref());
    assert_eq!(decode(&contents, 3), Err(Damage::Format(9)));
}

proptest! {
    #[test]
    fn damage_is_found(at in 0..1000usize, bit in 0..8u32, cut in any::<bool>()) {
        let mut contents = encode(3, POSITION, &held(3));
        let at = at % contents.len();
        if cut { contents.truncate(at); } else { contents[at] ^= 1 << bit; }
        prop_assert!(decode(&contents, 3).is_err());
    }

    #[test]
    fn a_damaged_journal_is_read_up_to_the_damage(at_byte in 0..1000usize, bit in 0..8u32, cut in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let cache = runtime.block_on(with_journal(directory.path()));
        let mut contents = std::fs::read(cache.journal_path()).unwrap();
        let at_byte = at_byte % contents.len();
        if cut { contents.truncate(at_byte); } else { contents[at_byte] ^= 1 << bit; }
        std::fs::write(cache.journal_path(), contents).unwrap();
        let loaded = cache.load().unwrap();
        let rows = match loaded.position.revision { 42 => 2, 43 => 3, other => panic!("position {other}") };
        prop_assert!(replayed(loaded).iter().eq(held(rows).iter()));
    }

    #[test]
    fn no_bytes_panic(contents in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&contents, 0);
        let _ = journal::records(&contents).count();
    }
}
