//! Between the engine and its medium: remembers what went wrong, so that a failure is reported with its cause, and makes
//! sure of space before the engine is asked to use it.

use super::Medium;
use crate::StoreError;
use parking_lot::Mutex;
use redb::StorageBackend;
use std::fmt;
use std::io;
use std::sync::Arc;

/// A medium under watch. A clone shares the memory of what went wrong.
#[derive(Clone, Debug)]
pub(super) struct Disk<M> {
    medium: M,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    /// The first failure since the engine was last opened.
    trouble: Option<Trouble>,
    /// The length that the medium could not be extended to.
    wanted: Option<u64>,
}

/// A failure of the medium.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    operation: &'static str,
    error: Arc<io::Error>,
}

impl Trouble {
    /// After a failed sync the system may have dropped what it could not write, and would show it as written.
    fn is_lasting(&self) -> bool {
        self.operation == SYNC
    }

    fn is_full(&self) -> bool {
        matches!(self.error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, error } = self;
        if self.is_lasting() {
            write!(f, "can't {operation} its file ({error}); restart the server when the disk is sound")
        } else if self.is_full() {
            write!(f, "the disk is full ({error}); writing resumes by itself when there is space")
        } else {
            write!(f, "can't {operation} its file ({error}); writing resumes by itself when the disk works")
        }
    }
}

const SYNC: &str = "sync";

impl<M: Medium> Disk<M> {
    pub(super) fn new(medium: M) -> Self {
        Self { medium, memory: Arc::default() }
    }

    /// What went wrong since the engine was last opened.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.memory.lock().trouble.clone()
    }

    /// Forgets what went wrong, unless it can't be made good by opening the engine again.
    pub(super) fn begin_again(&self) -> Result<(), StoreError> {
        let mut memory = self.memory.lock();
        match memory.trouble.take_if(|trouble| !trouble.is_lasting()) {
            None if memory.trouble.is_some() => {
                Err(memory.trouble.clone().map_or(StoreError::Closed, Into::into))
            }
            _ => Ok(()),
        }
    }

    /// Tries again to extend the medium to what the engine wanted when space ran out.
    pub(super) fn make_room(&self) -> Result<(), StoreError> {
        let mut memory = self.memory.lock();
        if let Some(trouble) = memory.trouble.as_ref().filter(|trouble| trouble.is_lasting()) {
            return Err(trouble.clone().into());
        }
        if let Some(length) = memory.wanted {
            if let Err(error) = self.medium.len().and_then(|now| self.medium.set_len(now.max(length))) {
                return Err(Trouble { operation: "extend", error: Arc::new(error) }.into());
            }
            memory.wanted = None;
        }
        Ok(())
    }

    fn note<T>(&self, operation: &'static str, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            let error = Arc::new(io::Error::new(error.kind(), error.to_string()));
            let trouble = Trouble { operation, error };
            let mut memory = self.memory.lock();
            if trouble.is_lasting() || memory.trouble.is_none() {
                memory.trouble = Some(trouble);
            }
        })
    }
}

impl<M: Medium> StorageBackend for Disk<M> {
    fn len(&self) -> io::Result<u64> {
        self.note("measure", self.medium.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.note("read", self.medium.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let result = self.note("extend", self.medium.set_len(len));
        if result.is_err() {
            self.memory.lock().wanted = Some(len);
        }
        result
    }

    fn sync_data(&self) -> io::Result<()> {
        self.note(SYNC, self.medium.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note("write", self.medium.write(offset, data))
    }
}
