//! Files of the state directory: private, and whole or absent.

use crate::error::Error;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Creates the directory, readable by its owner alone, with what is above it.
pub(crate) fn create_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(error("create", path))
}

/// Replaces the contents of `path` (mode 0600) at once: after a crash it holds either the old or the new.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<(), Error> {
    let new = path.with_extension("new");
    write_new(&new, contents).map_err(error("write", &new))?;
    fs::rename(&new, path).map_err(error("replace", path))?;
    if let Some(directory) = path.parent() {
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(error("sync", directory))?;
    }
    Ok(())
}

fn write_new(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

/// An empty file (mode 0600) in the place of `path`, open for writing.
pub(crate) fn create_empty(path: &Path) -> Result<File, Error> {
    remove(path)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(error("create", path))
}

/// The contents of `path`, or `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(contents) => Ok(Some(contents)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(error("read", path)(source)),
    }
}

/// Removes `path`, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(error("remove", path)(source)),
        _ => Ok(()),
    }
}

fn error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, action, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_and_directories_are_private_and_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("a/b");
        create_directory(&state).unwrap();
        assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
        let path = state.join("x.bin");
        assert_eq!(read(&path).unwrap(), None);
        for contents in [b"one".as_slice(), b"two"] {
            replace(&path, contents).unwrap();
            assert_eq!(read(&path).unwrap().as_deref(), Some(contents));
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
        remove(&path).unwrap();
        remove(&path).unwrap();
    }
}
