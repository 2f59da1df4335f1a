//! Stores as files: opening, beginning, backup and restore.
//!
//! A file gets its name when it is complete and on disk, so whatever has a store's name is a whole store.

use super::file::{DataFile, sync_directory};
use super::overlay::Overlay;
use super::{Disk, Embedded, Medium, failed, open_database, tables};
use crate::engine::Contents;
use crate::{HistoryId, Position, Revision, Snapshot, StoreError};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::path::Path;
use std::sync::Arc;

/// Opens the store at `path`, or begins one there.
pub(crate) fn open(path: &Path) -> Result<(Embedded<DataFile>, Snapshot, Contents), StoreError> {
    let file = if path.exists() {
        DataFile::open(path)?
    } else {
        let position = Position { history: HistoryId::random(), revision: Revision::ZERO };
        create(path, &Snapshot { position, ..Snapshot::default() })?
    };
    Embedded::open_existing(file).map_err(|error| name_in_error(path, error))
}

/// Writes `snapshot` as a store of its own at `path`, where nothing may be. It is locked until the answer is dropped.
pub(crate) fn create(path: &Path, snapshot: &Snapshot) -> Result<DataFile, StoreError> {
    if path.exists() {
        return Err(StoreError::Exists { path: path.display().to_string() });
    }
    let unfinished = path.with_added_extension("unfinished");
    let file = DataFile::open(&unfinished)?;
    let written = write(&file, &unfinished, snapshot).and_then(|()| give_name(&unfinished, path));
    if written.is_err() {
        // What could not be finished is in the way of nothing; the error that matters is the one above.
        let _ = std::fs::remove_file(&unfinished);
    }
    written.map(|()| file)
}

fn write(file: &DataFile, path: &Path, snapshot: &Snapshot) -> Result<(), StoreError> {
    file.clear().map_err(|source| io_error("begin", path, source))?;
    let disk = Disk::new(file.clone());
    let database = open_database(&disk)?;
    tables::initialize(&database, snapshot.position(), snapshot.records())
        .map_err(|error| failed(&disk, error))?;
    drop(database);
    file.sync().map_err(|source| io_error("sync", path, source))?;
    disk.trouble().map_or(Ok(()), |trouble| Err(trouble.into()))
}

fn give_name(unfinished: &Path, path: &Path) -> Result<(), StoreError> {
    match renameat2(AT_FDCWD, unfinished, AT_FDCWD, path, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => sync_directory(path).map_err(|source| io_error("make known", path, source)),
        Err(nix::Error::EEXIST) => Err(StoreError::Exists { path: path.display().to_string() }),
        Err(error) => Err(io_error("name", path, error.into())),
    }
}

/// Makes a store at `path`, where nothing may be, of the backup at `backup`, which is left as it is. It begins a new
/// history.
pub(crate) fn restore(backup: &Path, path: &Path) -> Result<HistoryId, StoreError> {
    let named = |error| name_in_error(backup, error);
    let file = DataFile::open_to_read(backup)?;
    let overlay = Overlay::new(file).map_err(|source| io_error("read", backup, source))?;
    let (engine, mut snapshot, _) = Embedded::open_existing(overlay).map_err(named)?;
    drop(engine);
    let history = HistoryId::random();
    snapshot.position.history = history;
    create(path, &snapshot)?;
    Ok(history)
}

fn name_in_error(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt { reason } => {
            StoreError::Corrupt { reason: format!("{}: {reason}", path.display()) }
        }
        error => error,
    }
}

pub(super) fn io_error(operation: &str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io {
        what: format!("can't {operation} the store {}", path.display()),
        source: Arc::new(source),
    }
}

impl<M: Medium> Embedded<M> {
    /// Opens what is on `medium`, or begins a new history on an empty one.
    pub(crate) fn open_or_begin(medium: M) -> Result<(Self, Snapshot, Contents), StoreError> {
        if medium.len().is_ok_and(|length| length == 0) {
            let disk = Disk::new(medium.clone());
            let database = open_database(&disk)?;
            let position = Position { history: HistoryId::random(), revision: Revision::ZERO };
            tables::initialize(&database, position, std::iter::empty())
                .map_err(|error| failed(&disk, error))?;
        }
        Self::open_existing(medium)
    }
}
