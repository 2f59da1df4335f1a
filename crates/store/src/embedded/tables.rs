//! The tables in the file.

use super::{FORMAT, LOG_KEPT};
use crate::backend::Op;
use crate::engine::Append;
use crate::record::AnyRecord;
use crate::{HistoryId, Position, Revision};
use redb::{Database, Error, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition};
use uuid::Uuid;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

const FORMAT_KEY: &str = "format";
const HISTORY_KEY: &str = "history";
/// The revision that the file began with; later ones are in the log.
const BEGIN_KEY: &str = "begin";

/// Bytes before a record's encoding: its creation and its modification revision.
const REVISIONS: usize = 16;

/// Where a batch failed.
pub(super) enum AppendFailure {
    /// Before anything could have become durable.
    Before(Error),
    /// While it was made durable.
    Commit(Error),
}

impl<E: Into<Error>> From<E> for AppendFailure {
    fn from(error: E) -> Self {
        AppendFailure::Before(error.into())
    }
}

/// Makes a new store of a database that has no tables yet: its description and its first records.
pub(super) fn initialize(
    database: &Database,
    position: Position,
    contents: impl Iterator<Item = AnyRecord>,
) -> Result<(), Error> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(FORMAT_KEY, FORMAT.to_be_bytes().as_slice())?;
        meta.insert(HISTORY_KEY, position.history.0.as_bytes().as_slice())?;
        meta.insert(BEGIN_KEY, position.revision.0.to_be_bytes().as_slice())?;
        let mut records = transaction.open_table(RECORDS)?;
        for record in contents {
            let (created, modified) = record.revisions();
            put(&mut records, &record.key().to_bytes(), created, modified, &record.encode())?;
        }
        transaction.open_table(LOG)?;
    }
    transaction.commit()?;
    Ok(())
}

fn damaged(what: &str) -> Error {
    Error::Corrupted(format!("the store's {what} is missing or damaged"))
}

fn put(
    records: &mut Table<'_, &'static [u8], &'static [u8]>,
    key: &[u8],
    created: Revision,
    modified: Revision,
    value: &[u8],
) -> Result<(), Error> {
    let mut place = records.insert_reserve(key, REVISIONS + value.len())?;
    let (revisions, rest) = place.as_mut().split_at_mut(REVISIONS);
    revisions[..8].copy_from_slice(&created.0.to_be_bytes());
    revisions[8..].copy_from_slice(&modified.0.to_be_bytes());
    rest.copy_from_slice(value);
    Ok(())
}

/// Marks the file as of this release's format.
pub(super) fn write_format(database: &Database) -> Result<(), Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.insert(FORMAT_KEY, FORMAT.to_be_bytes().as_slice())?;
    transaction.commit()?;
    Ok(())
}

/// The format and the newest position.
pub(super) fn read_position(database: &Database) -> Result<(u32, Position), Error> {
    let transaction = database.begin_read()?;
    let meta = transaction.open_table(META)?;
    let format: [u8; 4] = read(&meta, FORMAT_KEY)?;
    let history: [u8; 16] = read(&meta, HISTORY_KEY)?;
    let begin: [u8; 8] = read(&meta, BEGIN_KEY)?;
    let format = u32::from_be_bytes(format);
    let mut revision = u64::from_be_bytes(begin);
    if format <= FORMAT {
        revision = transaction.open_table(LOG)?.last()?.map_or(revision, |(key, _)| key.value());
    }
    let history = HistoryId(Uuid::from_bytes(history));
    Ok((format, Position { history, revision: Revision(revision) }))
}

fn read<const N: usize>(
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &'static str,
) -> Result<[u8; N], Error> {
    meta.get(key)?.and_then(|value| value.value().try_into().ok()).ok_or_else(|| damaged(key))
}

/// Calls `each` with every record's key, creation and modification revision, and encoding, until it returns false.
pub(super) fn read_records(
    database: &Database,
    mut each: impl FnMut(&[u8], Revision, Revision, &[u8]) -> bool,
) -> Result<(), Error> {
    let transaction: ReadTransaction = database.begin_read()?;
    for entry in transaction.open_table(RECORDS)?.iter()? {
        let (key, value) = entry?;
        let (created, rest) = value.value().split_first_chunk::<8>().ok_or_else(|| damaged("record"))?;
        let (modified, value) = rest.split_first_chunk::<8>().ok_or_else(|| damaged("record"))?;
        let (created, modified) = (u64::from_be_bytes(*created), u64::from_be_bytes(*modified));
        if !each(key.value(), Revision(created), Revision(modified), value) {
            break;
        }
    }
    Ok(())
}

/// The newest `limit` entries of the log, in order.
pub(super) fn read_log(database: &Database, limit: usize) -> Result<Vec<(Revision, Vec<u8>)>, Error> {
    let transaction = database.begin_read()?;
    let mut entries = Vec::new();
    for entry in transaction.open_table(LOG)?.iter()?.rev().take(limit) {
        let (revision, value) = entry?;
        entries.push((Revision(revision.value()), value.value().to_vec()));
    }
    entries.reverse();
    Ok(entries)
}

/// Stores a batch durably.
pub(super) fn append(database: &Database, batch: &[Append]) -> Result<(), AppendFailure> {
    let transaction = database.begin_write()?;
    {
        let mut records = transaction.open_table(RECORDS)?;
        let mut log = transaction.open_table(LOG)?;
        for append in batch {
            for (op, created) in append.ops.iter().zip(&append.created) {
                match op {
                    Op::Put { key, value } => {
                        put(&mut records, key, *created, append.revision, value)?;
                    }
                    Op::Delete { key } => {
                        records.remove(key.as_slice())?;
                    }
                }
            }
            log.insert(append.revision.0, append.log.as_slice())?;
        }
        let newest = batch.last().map_or(0, |append| append.revision.0);
        while log.first()?.is_some_and(|(oldest, _)| oldest.value() + LOG_KEPT <= newest) {
            log.pop_first()?;
        }
    }
    transaction.commit().map_err(|error| AppendFailure::Commit(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;

    fn one(revision: u64) -> Append {
        Append {
            revision: Revision(revision),
            ops: vec![],
            created: vec![],
            log: revision.to_be_bytes().to_vec(),
        }
    }

    #[test]
    fn the_log_keeps_what_it_promises_and_no_more() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let position = Position { history: HistoryId::random(), revision: Revision::ZERO };
        initialize(&database, position, std::iter::empty()).unwrap();
        let last = LOG_KEPT + 2500;
        for first in (1..=last).step_by(1000) {
            let batch: Vec<_> = (first..=last.min(first + 999)).map(one).collect();
            assert!(append(&database, &batch).is_ok());
        }
        let log = read_log(&database, usize::MAX).unwrap();
        assert_eq!(log.len() as u64, LOG_KEPT);
        assert_eq!((log[0].0, log[log.len() - 1].0), (Revision(2501), Revision(last)));
        assert_eq!(read_log(&database, 3).unwrap(), log[log.len() - 3..]);
        assert_eq!(read_position(&database).unwrap().1.revision, Revision(last));
    }
}
