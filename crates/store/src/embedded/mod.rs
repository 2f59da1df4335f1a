//! The embedded engine: one file, a copy-on-write B-tree (redb) with checksums, one sync for a batch.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | format, history, revision at creation |
//! | `records` | kind byte and ordered key, as [`RecordKey::to_bytes`](crate::RecordKey::to_bytes) | creation revision, modification revision, protobuf |
//! | `log` | revision | who, and what the changed records were before |
//!
//! A crash leaves the last batch that was synced, whole; opening the file then verifies every page's checksum. The newest
//! revision is the log's last key.

mod check;
mod disk;
mod file;
mod overlay;
pub(crate) mod place;
mod tables;

pub use file::DataFile;

use crate::engine::{Append, AppendError, Contents, Engine};
use crate::record::{AnyRecord, RecordKey};
use crate::{DecodeError, Position, Revision, Snapshot, StoreError};
use disk::{Disk, Trouble};
use parking_lot::Mutex;
use redb::{Database, StorageBackend};

/// The newest form of the file that this release reads and writes. Since 2 it has security groups: a release that does not
/// know them would leave ports open, so it must not open the file. Since 3 what is shared with whom stands in policies of its
/// own, which an older release would not see.
pub const FORMAT: u32 = 3;
/// How many commits the log keeps on disk, for audit.
pub const LOG_KEPT: u64 = 100_000;
/// Memory for pages of the file. Reads are answered from snapshots; this serves the writer alone.
const CACHE_BYTES: usize = 64 << 20;

/// Where the bytes are: a [`DataFile`], or what a test puts in its place. A clone is the same place.
pub trait Medium: StorageBackend + Clone {}

impl<M: StorageBackend + Clone> Medium for M {}

/// The embedded engine on a medium.
pub struct Embedded<M> {
    disk: Disk<M>,
    /// Absent after a failure, until it is opened again.
    database: Mutex<Option<Database>>,
}

impl<M: Medium> Embedded<M> {
    /// Checks what is on `medium` and reads everything.
    pub(crate) fn open_existing(medium: M) -> Result<(Self, Snapshot, Contents), StoreError> {
        check::check(&medium)?;
        let disk = Disk::new(medium);
        check::without_panic(|| {
            let database = open_database(&disk)?;
            let (format, position) =
                tables::read_position(&database).map_err(|error| failed(&disk, error))?;
            if format > FORMAT {
                return Err(StoreError::Format { found: format, known: FORMAT });
            }
            let snapshot = read_snapshot(&disk, &database, position)?;
            if format < FORMAT {
                tables::write_format(&database).map_err(|error| failed(&disk, error))?;
            }
            let log =
                tables::read_log(&database, crate::feed::HISTORY).map_err(|error| failed(&disk, error))?;
            let engine = Self { disk: disk.clone(), database: Mutex::new(Some(database)) };
            Ok((engine, snapshot, Contents { position, log }))
        })
    }

    /// Opens the database again and tells its revision.
    fn reopen(&self, database: &mut Option<Database>) -> Result<Revision, StoreError> {
        *database = None;
        self.disk.begin_again()?;
        let opened = open_database(&self.disk)?;
        let (_, position) = tables::read_position(&opened).map_err(|error| failed(&self.disk, error))?;
        *database = Some(opened);
        Ok(position.revision)
    }
}

fn open_database<M: Medium>(disk: &Disk<M>) -> Result<Database, StoreError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder.create_with_backend(disk.clone()).map_err(|error| failed(disk, error.into()))
}

fn read_snapshot<M: Medium>(
    disk: &Disk<M>,
    database: &Database,
    position: Position,
) -> Result<Snapshot, StoreError> {
    let mut snapshot = Snapshot { position, ..Snapshot::default() };
    let mut damage = None;
    tables::read_records(database, |key, created, modified, value| {
        let added = add(&mut snapshot, key, created, modified, value);
        damage = added.err();
        damage.is_none()
    })
    .map_err(|error| failed(disk, error))?;
    match damage {
        None => Ok(snapshot),
        Some(error) => Err(error.into()),
    }
}

fn add(
    snapshot: &mut Snapshot,
    key: &[u8],
    created: Revision,
    modified: Revision,
    value: &[u8],
) -> Result<(), DecodeError> {
    let key = RecordKey::from_bytes(key)?;
    let record = AnyRecord::decode(key.kind(), value, created, modified)?;
    if record.key() != key {
        return Err(DecodeError(format!("the record under {key:?} belongs under {:?}", record.key())));
    }
    snapshot.set_any(&key, Some(record));
    Ok(())
}

impl<M: Medium> Engine for Embedded<M> {
    fn append(&self, batch: &[Append]) -> Result<(), AppendError> {
        let Some(last) = batch.last().map(|append| append.revision) else { return Ok(()) };
        let mut database = self.database.lock();
        self.disk.make_room().map_err(AppendError::Refused)?;
        if database.is_none() {
            self.reopen(&mut database).map_err(AppendError::Refused)?;
        }
        let Some(opened) = &*database else { return Ok(()) };
        let stage = match tables::append(opened, batch) {
            Ok(()) => return Ok(()),
            Err(stage) => stage,
        };
        let (tried_to_commit, error) = match stage {
            tables::AppendFailure::Before(error) => (false, error),
            tables::AppendFailure::Commit(error) => (true, error),
        };
        let reason = failed(&self.disk, error);
        *database = None;
        if !tried_to_commit {
            return Err(AppendError::Refused(reason));
        }
        match self.reopen(&mut database) {
            Ok(stored) if stored >= last => Ok(()),
            Ok(_) => Err(AppendError::Refused(reason)),
            Err(_) => Err(AppendError::InDoubt(reason)),
        }
    }

    fn recover(&self) -> Result<Revision, StoreError> {
        self.disk.make_room()?;
        self.reopen(&mut self.database.lock())
    }
}

/// The store's error for an error of the engine, in the light of what happened to the disk.
fn failed<M: Medium>(disk: &Disk<M>, error: redb::Error) -> StoreError {
    if let Some(trouble) = disk.trouble() {
        return trouble.into();
    }
    match error {
        redb::Error::UpgradeRequired(version) => StoreError::Corrupt {
            reason: format!("the file has the engine's format {version}, which is too old"),
        },
        error => StoreError::Corrupt { reason: error.to_string() },
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        StoreError::Unavailable { reason: trouble.to_string() }
    }
}
