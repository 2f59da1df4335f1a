use crate::error::{Error, Result};
use crate::set;
use crate::tables::Tables;
use hadron_pipeline::table::LAYOUT_VERSION;
use std::io;
use std::path::Path;

/// The tables in force of a node whose process may run: for reading only, whatever else they offer.
///
/// # Errors
///
/// [`Error::File`] when no node of this build's table layout is there.
pub fn observe(pins: &Path) -> Result<Tables> {
    let finished = set::finished(pins)?;
    let current = finished.iter().rev().find(|set| set.layout == LAYOUT_VERSION);
    match current {
        Some(set) => Tables::open(&set.path(pins)),
        None => Err(Error::file("find tables in", pins)(io::ErrorKind::NotFound.into())),
    }
}
