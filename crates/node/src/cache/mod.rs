//! The rows on disk, so that a node that starts while no server answers still knows its ports.
//!
//! ```text
//! rows.bin:  "hadronrw" ‖ format u32 ‖ host u32 ‖ history 16 ‖ revision u64 ‖ count u32 ‖ (length u32 ‖ RowChange)* ‖ SHA-256
//! rows.log:  what came after rows.bin, see the module `journal`
//! ```
//! Integers are little-endian. The files are a copy of what the server has: whatever is wrong with them, they are left aside
//! and the server asked for a snapshot.
//!
//! `rows.bin` is written whole and synced, at the beginning of a stream and when the journal has grown. Between, rows are
//! added to the journal before they are put in force, without a sync: an agent that is killed finds exactly the rows that its
//! pinned tables were made from. After a power failure there are no tables either, and a journal that is cut short is read up
//! to the cut. What lets go of something that another host may have then is synced before it is acknowledged.

mod journal;

use crate::error::Error;
use crate::file;
use bytes::{Buf, BufMut, Bytes};
use hadron_wire::held::Held;
use hadron_wire::proto::Batch;
use hadron_wire::row::RowChange;
use journal::Journal;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"hadronrw";
/// Rows of format 1 had no policies: a node that began with them would allow its ports nothing.
const FORMAT: u32 = 2;
const HEADER: usize = 8 + 4 + 4 + 16 + 8 + 4;

/// How far a node has followed which history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The history's id.
    pub history: [u8; 16],
    /// The revision up to which the rows are complete.
    pub revision: u64,
}

/// The rows of the last run.
#[derive(Debug)]
pub struct Loaded {
    /// Where they stand.
    pub position: Position,
    /// A snapshot, and what changed after it.
    pub batches: Vec<Batch>,
}

/// A journal may grow to this many octets, or to the size of `rows.bin`, before that is written anew.
const JOURNAL_SIZE: u64 = 1 << 20;

/// The files.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    host: u32,
    /// Open once `rows.bin` was written by this process; what it holds comes after that.
    journal: Option<Journal>,
    /// Octets of `rows.bin`.
    size: u64,
}

/// Why a file was left aside.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Cut short, changed, or another file altogether.
    #[error("damaged")]
    Checksum,
    /// Written by another release.
    #[error("of format {0}, this release reads {FORMAT}")]
    Format(u32),
    /// Written for another host.
    #[error("of host {0}")]
    Host(u32),
}

impl Cache {
    /// The files of host number `host` in the state directory.
    pub fn new(state: &Path, host: u32) -> Self {
        Self { path: state.join("rows.bin"), host, journal: None, size: 0 }
    }

    /// The rows and their position. `None` when there are none that can be used; why is logged.
    pub fn load(&self) -> Option<Loaded> {
        let contents = read(&self.path)?;
        let (mut position, snapshot) = match decode(&contents, self.host) {
            Ok(loaded) => loaded,
            Err(damage) => {
                tracing::warn!(file = %self.path.display(), %damage, "starting without the rows of the last run");
                return None;
            }
        };
        let mut batches = vec![snapshot];
        for record in read(&self.journal_path()).iter().flat_map(|contents| journal::records(contents)) {
            if record.position.history == position.history && record.position.revision > position.revision {
                position = record.position;
                batches.extend(record.batches);
            }
        }
        Some(Loaded { position, batches })
    }

    /// Adds what follows the rows on disk. Answers false when they must be written whole first, by [`Cache::store`].
    pub fn append(&mut self, position: Position, batches: &[Batch]) -> bool {
        let limit = JOURNAL_SIZE.max(self.size);
        let Some(journal) = self.journal.as_mut().filter(|journal| journal.size() < limit) else {
            return false;
        };
        match journal.append(position, batches) {
            Ok(()) => true,
            Err(source) => {
                let path = self.journal_path().display().to_string();
                tracing::warn!(file = path, %source, "rows can't be added to the journal");
                self.journal = None;
                false
            }
        }
    }

    /// Waits until what was added is on the disk, to be found after a power failure. Answers false when it isn't.
    pub async fn sync(&self) -> bool {
        let Some(journal) = &self.journal else { return true };
        let synced = match journal.file() {
            Ok(file) => tokio::task::spawn_blocking(move || file.sync_data()).await,
            Err(error) => Ok(Err(error)),
        };
        match synced {
            Ok(Ok(())) => true,
            Ok(Err(source)) => {
                let path = self.journal_path().display().to_string();
                tracing::warn!(file = path, %source, "the journal of rows can't be synced");
                false
            }
            // The end of the runtime.
            Err(_) => false,
        }
    }

    /// Writes these rows whole, and begins an empty journal. It takes a disk's time.
    ///
    /// # Errors
    /// The files can't be written; the old ones are still there.
    pub async fn store(&mut self, position: Position, rows: &Held) -> Result<(), Error> {
        let contents = encode(self.host, position, rows);
        self.size = contents.len() as u64;
        let (path, journal_path) = (self.path.clone(), self.journal_path());
        let written = tokio::task::spawn_blocking(move || {
            file::replace(&path, &contents)?;
            Journal::create(&journal_path)
        });
        self.journal = None;
        // Only the end of the runtime keeps the task from its end.
        if let Ok(journal) = written.await {
            self.journal = Some(journal?);
        }
        Ok(())
    }

    /// Removes the files.
    ///
    /// # Errors
    /// They can't be removed.
    pub fn remove(&self) -> Result<(), Error> {
        file::remove(&self.path)?;
        file::remove(&self.journal_path())
    }

    fn journal_path(&self) -> PathBuf {
        self.path.with_extension("log")
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    file::read(path).unwrap_or_else(|error| {
        let error = crate::error::chain(&error);
        tracing::warn!(error, "starting without the rows of the last run");
        None
    })
}

/// The contents of `rows.bin` for these rows.
fn encode(host: u32, position: Position, rows: &Held) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + rows.len() * 64);
    out.put_slice(MAGIC);
    out.put_u32_le(FORMAT);
    out.put_u32_le(host);
    out.put_slice(&position.history);
    out.put_u64_le(position.revision);
    out.put_u32_le(rows.len() as u32);
    for (_, row) in rows.iter() {
        let row = RowChange::encode_set(row);
        out.put_u32_le(row.len() as u32);
        out.put_slice(&row);
    }
    let checksum = digest(&SHA256, &out);
    out.put_slice(checksum.as_ref());
    out
}

fn decode(contents: &[u8], host: u32) -> Result<(Position, Batch), Damage> {
    let length =
        contents.len().checked_sub(SHA256_OUTPUT_LEN).filter(|l| *l >= HEADER).ok_or(Damage::Checksum)?;
    let (body, checksum) = contents.split_at(length);
    if digest(&SHA256, body).as_ref() != checksum || !body.starts_with(MAGIC) {
        return Err(Damage::Checksum);
    }
    let mut body = Bytes::copy_from_slice(&body[MAGIC.len()..]);
    match body.get_u32_le() {
        FORMAT => {}
        other => return Err(Damage::Format(other)),
    }
    match body.get_u32_le() {
        found if found == host => {}
        other => return Err(Damage::Host(other)),
    }
    let mut history = [0; 16];
    body.copy_to_slice(&mut history);
    let position = Position { history, revision: body.get_u64_le() };
    let count = body.get_u32_le();
    let mut changes = Vec::new();
    for _ in 0..count {
        if body.remaining() < 4 {
            return Err(Damage::Checksum);
        }
        let length = body.get_u32_le() as usize;
        if body.remaining() < length {
            return Err(Damage::Checksum);
        }
        changes.push(body.split_to(length));
    }
    let batch = Batch { complete_to: position.revision, changes, end_of_snapshot: true, ..Batch::default() };
    Ok((position, batch))
}

#[cfg(test)]
mod tests;
