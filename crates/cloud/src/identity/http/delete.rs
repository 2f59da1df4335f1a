//! Deleting an object together with the assignments that name it.

use crate::identity::{Identity, IdentityError, last_admin};
use hadron_model::identity::Assignment;
use hadron_store::{CommitInfo, Tx};

/// Most assignments removed in one transaction, which has room for 128 operations.
const BATCH: usize = 100;

/// Removes the assignments that `concern` the object, and with the last of them the object by `remove`, which fails if
/// there is none. Large numbers go in several transactions; the object is there until the last. Refused if nobody could
/// administer afterwards. Where servers share a backend, an assignment made at the same instant may stay behind; it names
/// an id that is gone for good, so it permits nothing, and lists leave it out.
pub(crate) async fn with_assignments(
    identity: &Identity,
    info: CommitInfo,
    concern: impl Fn(&Assignment) -> bool,
    mut remove: impl FnMut(&mut Tx) -> Result<(), IdentityError>,
) -> Result<(), IdentityError> {
    loop {
        let batch = identity.store().write(info.clone(), |tx| {
            last_admin::ensure_one_remains(tx, &concern)?;
            let assignments = tx.view().iter::<Assignment>().filter(|assignment| concern(assignment));
            let batch: Vec<_> =
                assignments.take(BATCH + 1).map(|assignment| assignment.value.clone()).collect();
            for assignment in batch.iter().take(BATCH) {
                tx.delete::<Assignment>(assignment);
            }
            let is_last = batch.len() <= BATCH;
            if is_last { remove(tx).map(|()| true) } else { Ok(false) }
        });
        if batch.await?.value {
            return Ok(());
        }
    }
}
