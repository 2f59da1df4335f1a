use crate::error::{Error, Result};
use crate::row::{bytes_of, row_of};
use crate::sys::{RawMap, Write};
use hadron_pipeline::table::{Row, Table};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// So often a row is tried again when the kernel is busy with its bucket or short of memory at that moment.
const ATTEMPTS: u32 = 16;

/// A hash table or trie of the packet path. This process is its only writer of rows, so it knows their number.
/// All operations may be called from several threads at once.
pub struct Map<K, V> {
    raw: RawMap,
    table: &'static Table,
    rows: AtomicU64,
    full: AtomicU64,
    retries: AtomicU64,
    types: PhantomData<fn(K) -> V>,
}

/// How full a table is, and what went wrong with it since the process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapStatus {
    /// Its name.
    pub table: &'static str,
    /// Rows in it.
    pub rows: u64,
    /// Rows that fit.
    pub capacity: u32,
    /// Rows that didn't fit, each an [`Error::Full`].
    pub full: u64,
    /// Writes that the kernel put off (`EBUSY`, `EAGAIN`, `ENOMEM`) and that were tried again.
    pub retries: u64,
}

impl MapStatus {
    /// From nine tenths on an operator should be told: rows that don't fit are ports or neighbours that don't work.
    pub fn is_nearly_full(&self) -> bool {
        self.rows * 10 >= u64::from(self.capacity) * 9
    }
}

impl<K: Row, V: Row> Map<K, V> {
    pub(crate) fn new(raw: RawMap, table: &'static Table) -> Result<Self> {
        let info = raw.info();
        assert_eq!((info.key_size, info.value_size), (table.key_size, table.value_size), "{}", table.name);
        assert_eq!((size_of::<K>(), size_of::<V>()), (info.key_size as usize, info.value_size as usize));
        let map = Map {
            raw,
            table,
            rows: AtomicU64::new(0),
            full: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            types: PhantomData,
        };
        let (keys, _) = map.raw.dump().map_err(map.error("read"))?;
        map.rows.store((keys.len() / size_of::<K>()) as u64, Relaxed);
        Ok(map)
    }

    /// Which table it is.
    pub(crate) fn table(&self) -> &'static Table {
        self.table
    }

    /// Writes a row, new or not. On [`Error::Full`] nothing has changed, and other rows still can be written.
    pub fn put(&self, key: &K, value: &V) -> Result<()> {
        self.write(bytes_of(key), bytes_of(value))
    }

    fn write(&self, key: &[u8], value: &[u8]) -> Result<()> {
        match self.attempt(|| self.raw.update(key, value, Write::New)) {
            Ok(()) => {
                self.rows.fetch_add(1, Relaxed);
                Ok(())
            }
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => self
                .attempt(|| self.raw.update(key, value, Write::Always))
                .map_err(|error| self.refusal(error)),
            Err(error) => Err(self.refusal(error)),
        }
    }

    /// Writes over a row; false when there is none.
    pub(crate) fn overwrite(&self, key: &K, value: &V) -> Result<bool> {
        match self.attempt(|| self.raw.update(bytes_of(key), bytes_of(value), Write::Old)) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(self.refusal(error)),
        }
    }

    /// Adds an all-zero row unless there is one; programs may have written into that since.
    pub(crate) fn ensure(&self, key: &K) -> Result<()> {
        let zero = vec![0; self.raw.value_bytes()];
        match self.attempt(|| self.raw.update(bytes_of(key), &zero, Write::New)) {
            Ok(()) => {
                self.rows.fetch_add(1, Relaxed);
                Ok(())
            }
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            Err(error) => Err(self.refusal(error)),
        }
    }

    /// Deletes a row; false when there was none.
    pub fn remove(&self, key: &K) -> Result<bool> {
        let removed = self.attempt(|| self.raw.delete(bytes_of(key))).map_err(self.error("delete from"))?;
        if removed {
            self.rows.fetch_sub(1, Relaxed);
        }
        Ok(removed)
    }

    /// Takes over the number of rows of a table that the programs write.
    pub(crate) fn recount(&self, rows: u64) {
        self.rows.store(rows, Relaxed);
    }

    /// Reads a row. Of a per-CPU table: the row of each possible CPU.
    pub(crate) fn get_all(&self, key: &K) -> Result<Option<Vec<V>>> {
        let mut value = vec![0; self.raw.value_bytes()];
        let found = self.raw.lookup(bytes_of(key), &mut value).map_err(self.error("read"))?;
        Ok(found.then(|| self.values(&value).collect()))
    }

    fn values<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = V> + use<'a, K, V> {
        let stride = if self.raw.value_bytes() == size_of::<V>() {
            size_of::<V>()
        } else {
            size_of::<V>().next_multiple_of(8)
        };
        bytes.chunks_exact(stride).map(row_of)
    }

    /// Reads a row.
    pub fn get(&self, key: &K) -> Result<Option<V>> {
        Ok(self.get_all(key)?.and_then(|values| values.into_iter().next()))
    }

    /// All rows, in no particular order: what is in force, to be compared with what should be.
    pub fn dump(&self) -> Result<Vec<(K, V)>> {
        let (keys, values) = self.raw.dump().map_err(self.error("read"))?;
        let values = values.chunks_exact(self.raw.value_bytes()).map(row_of);
        Ok(keys.chunks_exact(size_of::<K>()).map(row_of).zip(values).collect())
    }

    /// How full it is.
    pub fn status(&self) -> MapStatus {
        MapStatus {
            table: self.table.name,
            rows: self.rows.load(Relaxed),
            capacity: self.raw.info().max_entries,
            full: self.full.load(Relaxed),
            retries: self.retries.load(Relaxed),
        }
    }

    /// The map in the kernel.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.raw.fd()
    }

    fn attempt<T>(&self, operation: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let mut left = ATTEMPTS;
        loop {
            match operation() {
                Err(error) if is_passing(&error) && left > 0 => {
                    left -= 1;
                    self.retries.fetch_add(1, Relaxed);
                    std::thread::yield_now();
                }
                result => return result,
            }
        }
    }

    fn refusal(&self, error: io::Error) -> Error {
        // A hash says E2BIG, a trie ENOSPC.
        if matches!(error.raw_os_error(), Some(libc::E2BIG | libc::ENOSPC)) {
            self.full.fetch_add(1, Relaxed);
            return Error::Full { table: self.table.name, capacity: self.raw.info().max_entries };
        }
        self.error("write to")(error)
    }

    fn error(&self, action: &'static str) -> impl FnOnce(io::Error) -> Error + use<K, V> {
        let table = self.table.name;
        move |source| Error::Table { action, table, source }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EAGAIN | libc::ENOMEM | libc::EINTR))
}

impl<K: Row, V: Row> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status().fmt(f)
    }
}
