//! The store's file: readable by its owner alone, locked against a second process, its space reserved before it is used.

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
        let io = |what: &str| {
            let what = format!("can't {what} the store {}", path.display());
            move |source| StoreError::Io { what, source: Arc::new(source) }
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { path: path.display().to_string() });
            }
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        let metadata = file.metadata().map_err(io("inspect"))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600)).map_err(io("protect"))?;
        }
        if metadata.len() == 0 {
            sync_directory(path).map_err(io("make known the directory entry of"))?;
        }
        Ok(Self(Arc::new(file)))
    }
}

/// Makes the file's name durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
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
