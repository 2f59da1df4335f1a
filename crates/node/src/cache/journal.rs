//! The journal: rows in the order in which they came, one record for each position.
//!
//! ```text
//! rows.log:  (length u32 ‖ SHA-256 of the body ‖ body)*
//! body:      history 16 ‖ revision u64 ‖ Batch*, each behind its length
//! ```

use super::Position;
use crate::error::Error;
use crate::file;
use bytes::{Buf, BufMut};
use hadron_wire::proto::Batch;
use prost::Message;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The file, open for adding.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    size: u64,
}

/// One position and what leads to it.
pub(super) struct Record {
    pub position: Position,
    pub batches: Vec<Batch>,
}

impl Journal {
    /// An empty one in the place of what was there.
    pub fn create(path: &Path) -> Result<Self, Error> {
        Ok(Self { file: file::create_empty(path)?, size: 0 })
    }

    /// Octets written.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a record in one write. After an error the journal must not be used: what it ends with is unknown.
    pub fn append(&mut self, position: Position, batches: &[Batch]) -> std::io::Result<()> {
        let record = encode(position, batches);
        self.file.write_all(&record)?;
        self.size += record.len() as u64;
        Ok(())
    }

    /// The file, to be synced.
    pub fn file(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }
}

fn encode(position: Position, batches: &[Batch]) -> Vec<u8> {
    let mut body =
        Vec::with_capacity(24 + batches.iter().map(|batch| batch.encoded_len() + 8).sum::<usize>());
    body.put_slice(&position.history);
    body.put_u64_le(position.revision);
    for batch in batches {
        body.put_slice(&batch.encode_length_delimited_to_vec());
    }
    let mut record = Vec::with_capacity(4 + SHA256_OUTPUT_LEN + body.len());
    record.put_u32_le(body.len() as u32);
    record.put_slice(digest(&SHA256, &body).as_ref());
    record.put_slice(&body);
    record
}

/// The records up to the end or the first that isn't whole.
pub(super) fn records(mut contents: &[u8]) -> impl Iterator<Item = Record> + '_ {
    std::iter::from_fn(move || take(&mut contents))
}

fn take(contents: &mut &[u8]) -> Option<Record> {
    let length = contents.try_get_u32_le().ok()? as usize;
    let (checksum, rest) = contents.split_at_checked(SHA256_OUTPUT_LEN)?;
    let (mut body, rest) = rest.split_at_checked(length)?;
    if digest(&SHA256, body).as_ref() != checksum || body.len() < 24 {
        return None;
    }
    *contents = rest;
    let mut history = [0; 16];
    body.copy_to_slice(&mut history);
    let position = Position { history, revision: body.get_u64_le() };
    let mut batches = Vec::new();
    while body.has_remaining() {
        batches.push(Batch::decode_length_delimited(&mut body).ok()?);
    }
    Some(Record { position, batches })
}
