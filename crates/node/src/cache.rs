//! The rows on disk, so that a node that starts while no server answers still knows its ports.
//!
//! ```text
//! rows.bin:  "hadronrw" ‖ format u32 ‖ host u32 ‖ history 16 ‖ revision u64 ‖ count u32 ‖ (length u32 ‖ RowChange)* ‖ SHA-256
//! ```
//! Integers are little-endian. The file is a copy of what the server has: whatever is wrong with it, it is left aside and the
//! server asked for a snapshot.

use crate::error::Error;
use crate::file;
use bytes::{Buf, BufMut, Bytes};
use hadron_wire::held::Held;
use hadron_wire::proto::Batch;
use hadron_wire::row::RowChange;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"hadronrw";
const FORMAT: u32 = 1;
const HEADER: usize = 8 + 4 + 4 + 16 + 8 + 4;

/// How far a node has followed which history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The history's id.
    pub history: [u8; 16],
    /// The revision up to which the rows are complete.
    pub revision: u64,
}

/// The file.
#[derive(Clone, Debug)]
pub struct Cache {
    path: PathBuf,
    host: u32,
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
    /// The file of host number `host` in the state directory.
    pub fn new(state: &Path, host: u32) -> Self {
        Self { path: state.join("rows.bin"), host }
    }

    /// The rows, as a snapshot to apply, and their position. `None` when there are none that can be used; why is logged.
    pub fn load(&self) -> Option<(Position, Batch)> {
        let contents = match file::read(&self.path) {
            Ok(contents) => contents?,
            Err(error) => {
                tracing::warn!(
                    error = crate::error::chain(&error),
                    "starting without the rows of the last run"
                );
                return None;
            }
        };
        match decode(&contents, self.host) {
            Ok(loaded) => Some(loaded),
            Err(damage) => {
                tracing::warn!(file = %self.path.display(), %damage, "starting without the rows of the last run");
                None
            }
        }
    }

    /// The file's contents for these rows.
    pub fn encode(&self, position: Position, rows: &Held) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + rows.len() * 64);
        out.put_slice(MAGIC);
        out.put_u32_le(FORMAT);
        out.put_u32_le(self.host);
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

    /// Writes what [`Cache::encode`] made. It takes a disk's time.
    pub fn store(&self, contents: &[u8]) -> Result<(), Error> {
        file::replace(&self.path, contents)
    }

    /// Removes the file.
    pub fn remove(&self) -> Result<(), Error> {
        file::remove(&self.path)
    }
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
mod tests {
    use super::*;
    use hadron_wire::proto::welcome::Mode;
    use hadron_wire::row::{NetworkRow, Row};
    use proptest::prelude::*;

    const POSITION: Position = Position { history: [7; 16], revision: 42 };

    fn held(count: u32) -> Held {
        let row = |number| {
            Row::Network(NetworkRow {
                number,
                uuid: [1; 16],
                vni: Some(9),
                mtu: 1450,
                admin_up: true,
                privacy_addresses: false,
            })
        };
        let changes = (1..=count).map(|number| RowChange::encode_set(&row(number))).collect();
        let mut held = Held::default();
        held.begin(Mode::Snapshot);
        held.apply(Batch { complete_to: 1, changes, end_of_snapshot: true, ..Batch::default() });
        held
    }

    #[test]
    fn there_and_back_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path(), 3);
        assert!(cache.load().is_none());
        cache.store(&cache.encode(POSITION, &held(5))).unwrap();
        let (position, batch) = cache.load().unwrap();
        assert_eq!(position, POSITION);
        let mut back = Held::default();
        back.begin(Mode::Snapshot);
        assert!(back.apply(batch).malformed.is_empty());
        assert!(back.iter().eq(held(5).iter()));
        assert!(Cache::new(directory.path(), 4).load().is_none(), "rows of another host");
        cache.remove().unwrap();
        assert!(cache.load().is_none());
    }

    #[test]
    fn other_releases_and_hosts_are_told_apart() {
        let cache = Cache { path: PathBuf::new(), host: 3 };
        let mut contents = cache.encode(POSITION, &held(0));
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
            let cache = Cache { path: PathBuf::new(), host: 3 };
            let mut contents = cache.encode(POSITION, &held(3));
            let at = at % contents.len();
            if cut { contents.truncate(at); } else { contents[at] ^= 1 << bit; }
            prop_assert!(decode(&contents, 3).is_err());
        }

        #[test]
        fn no_bytes_panic(contents in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&contents, 0);
        }
    }
}
