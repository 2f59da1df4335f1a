//! Times and revision numbers of objects.

use crate::Error;
use hadron_model::{Stamp, Stamped, Tags};
use hadron_store::Tx;

/// The stamp of an object that this transaction creates, at the revision number at which Neutron shows a new one.
pub(crate) fn born(tx: &Tx, revision_number: u64) -> Stamp {
    let now = tx.info().time;
    Stamp { created_at: now, updated_at: now, revision_number, tags: Tags::default() }
}

/// Counts a change by this transaction. A clock that was set back does not turn `updated_at` back.
pub(crate) fn touch(tx: &Tx, object: &mut impl Stamped) {
    let now = tx.info().time;
    let stamp = object.stamp_mut();
    stamp.revision_number += 1;
    stamp.updated_at = stamp.updated_at.max(now);
}

/// Refuses unless the object is at the revision that the caller demands, if it demands one (`If-Match`).
pub(crate) fn check_revision(stamp: &Stamp, demanded: Option<u64>) -> Result<(), Error> {
    match demanded {
        Some(demanded) if demanded != stamp.revision_number => {
            Err(Error::RevisionNumberConstraintFailed { demanded, current: stamp.revision_number })
        }
        _ => Ok(()),
    }
}
