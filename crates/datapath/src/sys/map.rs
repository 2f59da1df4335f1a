//! Rows of maps as bytes. Sizes are the kernel's own, and every buffer is checked against them.
#![allow(unsafe_code)]

use super::{bpf, info, open_pin};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

const LOOKUP_ELEM: libc::c_long = 1;
const UPDATE_ELEM: libc::c_long = 2;
const DELETE_ELEM: libc::c_long = 3;
const LOOKUP_BATCH: libc::c_long = 24;

/// `enum bpf_map_type`
pub mod kind {
    pub const HASH: u32 = 1;
    pub const ARRAY: u32 = 2;
    pub const PERCPU_HASH: u32 = 5;
    pub const PERCPU_ARRAY: u32 = 6;
    pub const LRU_HASH: u32 = 9;
    pub const LPM_TRIE: u32 = 11;
    pub const RINGBUF: u32 = 27;
}

/// `BPF_F_NO_PREALLOC`
pub const NO_PREALLOC: u32 = 1;

/// How a row is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// `BPF_ANY`: whether it is there or not.
    Always = 0,
    /// `BPF_NOEXIST`: `EEXIST` when it is there.
    New = 1,
    /// `BPF_EXIST`: `ENOENT` when it isn't.
    Old = 2,
}

/// What the kernel says about a map: the head of `struct bpf_map_info`.
#[repr(C)]
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapInfo {
    /// See [`kind`].
    pub kind: u32,
    /// Unique until the machine's next start.
    pub id: u32,
    /// Bytes.
    pub key_size: u32,
    /// Bytes, of one CPU.
    pub value_size: u32,
    /// Rows, or bytes of a ring buffer.
    pub max_entries: u32,
    /// Flags of its creation.
    pub flags: u32,
}

/// A map of any kind.
#[derive(Debug)]
pub struct RawMap {
    fd: OwnedFd,
    info: MapInfo,
    value_bytes: usize,
}

/// Bytes of a position in a map that is read in batches; no key is longer.
const PLACE: usize = 64;
type Place = [u8; PLACE];

#[repr(C)]
struct Element {
    map: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

impl RawMap {
    /// Takes a descriptor of a map.
    pub fn new(fd: OwnedFd) -> io::Result<RawMap> {
        // SAFETY: `MapInfo` is the head of the kernel's struct.
        let info: MapInfo = unsafe { info(fd.as_fd()) }?;
        let value_bytes = match info.kind {
            // A value of each possible CPU, rounded up to 8 bytes.
            kind::PERCPU_HASH | kind::PERCPU_ARRAY => {
                (info.value_size as usize).next_multiple_of(8) * possible_cpus()?
            }
            _ => info.value_size as usize,
        };
        Ok(RawMap { fd, info, value_bytes })
    }

    /// Opens a pinned map.
    pub fn open(path: &Path) -> io::Result<RawMap> {
        RawMap::new(open_pin(path)?)
    }

    /// Its kind and sizes.
    pub fn info(&self) -> MapInfo {
        self.info
    }

    /// Bytes of a value as read and written: of a per-CPU map those of all CPUs, each rounded up to 8 bytes.
    pub fn value_bytes(&self) -> usize {
        self.value_bytes
    }

    /// The map itself.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn check(&self, key: &[u8], value: Option<usize>) {
        assert_eq!(key.len(), self.info.key_size as usize, "length of a key");
        assert_eq!(value.unwrap_or(self.value_bytes), self.value_bytes, "length of a value");
    }

    fn element(&self, key: &[u8], value: u64, flags: u64) -> Element {
        Element { map: self.fd.as_raw_fd() as u32, pad: 0, key: key.as_ptr() as u64, value, flags }
    }

    /// Reads a value; false when there is no such row. Panics when a buffer is not of the map's sizes, like the next two.
    pub fn lookup(&self, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
        self.check(key, Some(value.len()));
        let mut element = self.element(key, value.as_mut_ptr() as u64, 0);
        // SAFETY: the kernel reads a key and writes a value, whose lengths are checked.
        found(unsafe { bpf(LOOKUP_ELEM, &mut element) })
    }

    /// Writes a row.
    pub fn update(&self, key: &[u8], value: &[u8], write: Write) -> io::Result<()> {
        self.check(key, Some(value.len()));
        let mut element = self.element(key, value.as_ptr() as u64, write as u64);
        // SAFETY: the kernel reads a key and a value, whose lengths are checked.
        unsafe { bpf(UPDATE_ELEM, &mut element) }.map(drop)
    }

    /// Deletes a row; false when there was none.
    pub fn delete(&self, key: &[u8]) -> io::Result<bool> {
        self.check(key, None);
        let mut element = self.element(key, 0, 0);
        // SAFETY: the kernel reads a key, whose length is checked.
        found(unsafe { bpf(DELETE_ELEM, &mut element) })
    }

    /// All rows of a hash map or trie: the keys one after the other, and so the values. A row written meanwhile may be missing.
    pub fn dump(&self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let (key, value) = (self.info.key_size as usize, self.value_bytes);
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let mut position: Option<Place> = None;
        let mut room = 1024;
        loop {
            let rows = keys.len() / key;
            keys.resize((rows + room) * key, 0);
            values.resize((rows + room) * value, 0);
            let mut next = [0; PLACE];
            let (count, end) = self.batch(
                position.as_ref(),
                &mut next,
                &mut keys[rows * key..],
                &mut values[rows * value..],
                room,
            );
            let count = count.min(room);
            keys.truncate((rows + count) * key);
            values.truncate((rows + count) * value);
            match end.as_ref().map(io::Error::raw_os_error) {
                None => position = Some(next),
                Some(Some(libc::ENOENT)) => return Ok((keys, values)),
                // One bucket holds more rows than there was room for.
                Some(Some(libc::ENOSPC)) => room *= 2,
                Some(_) => return end.map_or(Ok((keys, values)), Err),
            }
        }
    }

    /// Reads up to `room` rows from `position` on; returns their number, and why it stopped: none when there may be more,
    /// `ENOENT` at the end. A hash map's position is the number of a bucket, 4 bytes; a trie's is a key.
    fn batch(
        &self,
        position: Option<&Place>,
        next: &mut Place,
        keys: &mut [u8],
        values: &mut [u8],
        room: usize,
    ) -> (usize, Option<io::Error>) {
        let kinds = [kind::HASH, kind::PERCPU_HASH, kind::LRU_HASH, kind::LPM_TRIE];
        assert!(kinds.contains(&self.info.kind) && self.info.key_size as usize <= PLACE, "{:?}", self.info);
        assert!(keys.len() >= room * self.info.key_size as usize && values.len() >= room * self.value_bytes);
        let mut batch = Batch {
            in_batch: position.map_or(0, |position| position.as_ptr() as u64),
            out_batch: next.as_mut_ptr() as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: room as u32,
            map: self.fd.as_raw_fd() as u32,
            element_flags: 0,
            flags: 0,
        };
        // SAFETY: the kernel writes at most `room` keys and values, for which there is space, and a bucket's number or
        // a key as position.
        match unsafe { bpf(LOOKUP_BATCH, &mut batch) } {
            Ok(_) => (batch.count as usize, None),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => (batch.count as usize, Some(error)),
            Err(error) => (0, Some(error)),
        }
    }
}

fn found(result: io::Result<libc::c_long>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

fn possible_cpus() -> io::Result<usize> {
    aya::util::nr_cpus().map_err(|(_, error)| error)
}
