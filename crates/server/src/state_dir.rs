//! The state directory and the files in it that are not the store.

use crate::ServerError;
use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes the directory, or makes an existing one its owner's alone.
pub fn prepare(path: &Path) -> Result<(), ServerError> {
    let prepared = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(0o700)));
    prepared.map_err(|source| ServerError::StateDir { path: path.to_owned(), source })
}

/// Makes sure that this process alone works in the directory, for as long as the answer is kept.
pub fn lock(path: &Path) -> Result<File, ServerError> {
    let open =
        || File::options().create(true).truncate(false).write(true).mode(0o600).open(path.join("lock"));
    let file = open().map_err(|source| ServerError::StateDir { path: path.to_owned(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ServerError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(ServerError::StateDir { path: path.to_owned(), source }),
    }
}

/// Writes a file that anybody may read once it was given to them, all or nothing.
pub fn publish(path: &Path, text: &str) -> Result<(), ServerError> {
    let write = || {
        let temporary = path.with_extension("new");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o644).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|source| ServerError::StateDir { path: path.to_owned(), source })
}
