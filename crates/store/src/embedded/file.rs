//! The store's file: readable by its owner alone, locked against a second process, its space reserved before it is used.

use super::place::io_error;
use crate::StoreError;
use nix::fcntl::{FallocateFlags, fallocate};
use redb::StorageBackend;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// An open, locked file. The lock goes with the last clone.
#[derive(Clone, Debug)]
pub struct DataFile(Arc<File>);

impl DataFile {
    /// Opens or creates the file, with mode 0600, and locks it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(|source| io_error("open", path, source))?;
        locked(path, file.try_lock())?;
        let mode = file.metadata().map_err(|source| io_error("inspect", path, source))?.permissions().mode();
        if mode & 0o077 != 0 {
            let protected = file.set_permissions(Permissions::from_mode(0o600));
            protected.map_err(|source| io_error("protect", path, source))?;
        }
        Ok(Self(Arc::new(file)))
    }

    /// Opens an existing file for reading alone and locks it against writers.
    pub(super) fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|source| io_error("open", path, source))?;
        locked(path, file.try_lock_shared())?;
        Ok(Self(Arc::new(file)))
    }

    /// Throws away what is in the file.
    pub(super) fn clear(&self) -> io::Result<()> {
        self.0.set_len(0)
    }

    /// Puts the file's contents and description on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

fn locked(path: &Path, lock: Result<(), TryLockError>) -> Result<(), StoreError> {
    lock.map_err(|error| match error {
        TryLockError::WouldBlock => StoreError::InUse { path: path.display().to_string() },
        TryLockError::Error(source) => io_error("lock", path, source),
    })
}

/// Makes the file's name durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

impl StorageBackend for DataFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    /// Space is reserved here, so that running out of it is noticed before a transaction relies on it.
    fn set_len(&self, len: u64) -> io::Result<()> {
        let now = self.0.metadata()?.len();
        if len <= now {
            return self.0.set_len(len);
        }
        let offset = |at: u64| i64::try_from(at).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
        loop {
            match fallocate(&self.0, FallocateFlags::empty(), offset(now)?, offset(len - now)?) {
                Ok(()) => return Ok(()),
                Err(nix::Error::EINTR) => {}
                Err(nix::Error::EOPNOTSUPP) => return self.0.set_len(len),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}
