//! What name servers outside have from us, and who of the servers writes it.
//!
//! Every change is written down before it is sent, so that whoever goes on after a crash knows what may be there. A name is ours from when the
//! name server has accepted it as one that nobody had; before that nothing of it is ever removed.

use crate::Error;
use hadron_model::{NameValue, PublishedName};
use hadron_store::{Duty, Tx};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The duty of writing zones.
const DUTY: &str = "publish names";

/// Most names that one transaction writes.
pub const BATCH: usize = 50;

/// Shows that `holder` is there, if the duty is its own, nobody's, or still where it was at `seen`: its holder and beat when the caller began
/// to wait. The beat, or `None` if another one has it.
pub fn beat(tx: &mut Tx, holder: Uuid, seen: Option<(Uuid, u64)>) -> Result<Option<u64>, Error> {
    let old = tx.get::<Duty>(&DUTY.to_owned()).map(|duty| (duty.holder, duty.beat));
    if old.is_some_and(|old| old.0 != holder && Some(old) != seen) {
        return Ok(None);
    }
    let beat = old.map_or(0, |(_, beat)| beat) + 1;
    tx.put(Duty { name: DUTY.to_owned(), holder, beat });
    Ok(Some(beat))
}

/// Who has the duty, and its beat.
pub fn holder(view: &hadron_store::Snapshot) -> Option<(Uuid, u64)> {
    view.get::<Duty>(&DUTY.to_owned()).map(|duty| (duty.holder, duty.beat))
}

/// Gives the duty up.
pub fn resign(tx: &mut Tx, holder: Uuid) -> Result<(), Error> {
    if is_held(tx, holder) {
        tx.delete::<Duty>(&DUTY.to_owned());
    }
    Ok(())
}

fn is_held(tx: &mut Tx, holder: Uuid) -> bool {
    tx.get::<Duty>(&DUTY.to_owned()).is_some_and(|duty| duty.holder == holder)
}

/// Something that is written down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// The name may be there with these records, as far as it is known.
    Put(PublishedName),
    /// Nothing of the name is there from us.
    Remove(String),
}

impl Entry {
    /// The name stands, or will stand, for these; whose it is as before.
    pub fn with(published: &PublishedName, values: BTreeSet<NameValue>) -> Self {
        if values.is_empty() {
            return Entry::Remove(published.name.clone());
        }
        Entry::Put(PublishedName { values, ..published.clone() })
    }
}

/// Writes down at most [`BATCH`] entries; false, and nothing is written, if `holder` hasn't the duty.
pub fn write(tx: &mut Tx, holder: Uuid, entries: &[Entry]) -> Result<bool, Error> {
    if !is_held(tx, holder) {
        return Ok(false);
    }
    for entry in entries {
        match entry {
            Entry::Put(published) => tx.put(published.clone()),
            Entry::Remove(name) => tx.delete::<PublishedName>(name),
        }
    }
    Ok(true)
}
