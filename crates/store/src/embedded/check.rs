//! Whether a file is what a store left, before anything in it is trusted or changed.

use super::overlay::Overlay;
use super::{Disk, Medium, failed, open_database};
use crate::StoreError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Verifies every page's checksum on a copy that is thrown away, so that a damaged file stays as it was found. A file
/// that a crash left is sound.
pub(super) fn check<M: Medium>(medium: &M) -> Result<(), StoreError> {
    let overlay = Overlay::new(medium.clone()).map_err(|source| StoreError::Io {
        what: "can't read the store's file".to_owned(),
        source: Arc::new(source),
    })?;
    let disk = Disk::new(overlay);
    without_panic(|| {
        let mut database = open_database(&disk)?;
        match database.check_integrity() {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::Corrupt { reason: "checksums do not match".to_owned() }),
            Err(error) => Err(failed(&disk, error.into())),
        }
    })
}

/// Runs `f`, which reads a file that may be damaged; where the engine gives up on it by a panic, that is an error.
pub(super) fn without_panic<R>(f: impl FnOnce() -> Result<R, StoreError>) -> Result<R, StoreError> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(StoreError::Corrupt { reason: format!("the engine can't read it: {text}") })
    })
}
