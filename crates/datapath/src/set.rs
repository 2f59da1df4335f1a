//! Sets of pinned tables. In the pin directory:
//!
//! | name | holds |
//! |---|---|
//! | `tables-<layout>-<generation>/<table>` | the set that the attached programs use |
//! | `next/<table>` | a set that is being filled; of no use to another process |
//! | `links/…` | see `link` |
//!
//! A set becomes the one in use by a rename, after every link has got a program that uses it.

use crate::bpffs;
use crate::error::{Error, Result};
use crate::size::Sizes;
use crate::sys::{NO_PREALLOC, RawMap, Write, kind};
use hadron_pipeline::table::{Kind, TABLES, Table};
use std::fs;
use std::path::{Path, PathBuf};

const NEXT: &str = "next";

/// A finished set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetName {
    /// Layout version of its tables.
    pub layout: u32,
    /// Rises with each set of this node.
    pub generation: u32,
}

impl SetName {
    fn parse(name: &str) -> Option<SetName> {
        let (layout, generation) = name.strip_prefix("tables-")?.split_once('-')?;
        Some(SetName { layout: layout.parse().ok()?, generation: generation.parse().ok()? })
    }

    /// Its directory.
    pub fn path(self, pins: &Path) -> PathBuf {
        pins.join(format!("tables-{}-{}", self.layout, self.generation))
    }
}

/// The finished sets of a pin directory. More than one is left when a process ended in the middle of a change.
pub fn finished(pins: &Path) -> Result<Vec<SetName>> {
    let mut sets: Vec<_> = bpffs::names(pins)?.iter().filter_map(|name| SetName::parse(name)).collect();
    sets.sort_by_key(|set| set.generation);
    Ok(sets)
}

/// An empty directory for a new set; what another process left of one is removed.
pub fn begin(pins: &Path) -> Result<PathBuf> {
    let next = pins.join(NEXT);
    bpffs::remove(&next)?;
    fs::create_dir(&next).map_err(Error::file("create", &next))?;
    Ok(next)
}

/// Removes all sets.
pub fn remove_all(pins: &Path) -> Result<()> {
    abandon(pins)?;
    finished(pins)?.into_iter().try_for_each(|set| bpffs::remove(&set.path(pins)))
}

/// Removes a set that was begun and not finished.
pub fn abandon(pins: &Path) -> Result<()> {
    bpffs::remove(&pins.join(NEXT))
}

/// Makes the set that was begun the one in use, and removes all others. Returns its directory.
pub fn finish(pins: &Path, layout: u32) -> Result<PathBuf> {
    let others = finished(pins)?;
    let generation = others.last().map_or(0, |set| set.generation) + 1;
    let path = SetName { layout, generation }.path(pins);
    fs::rename(pins.join(NEXT), &path).map_err(Error::file("rename a set of tables to", &path))?;
    others.into_iter().try_for_each(|set| bpffs::remove(&set.path(pins)))?;
    Ok(path)
}

/// How a pinned set fits what this build wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// As it is.
    Same,
    /// Rows are the same, sizes are not.
    OtherSizes,
    /// A table is missing or of another kind.
    Incompatible,
}

/// Compares a pinned set with the tables of this build.
pub fn fit(directory: &Path, sizes: &Sizes) -> Fit {
    let mut fit = Fit::Same;
    for (table, size) in sizes.all() {
        let Ok(map) = RawMap::open(&directory.join(table.name)) else { return Fit::Incompatible };
        let info = map.info();
        let (kind, flags) = kernel_kind(table.kind);
        let is = (info.kind, info.flags, info.key_size, info.value_size);
        if is != (kind, flags, table.key_size, table.value_size) {
            return Fit::Incompatible;
        }
        if info.max_entries != size {
            fit = Fit::OtherSizes;
        }
    }
    fit
}

fn kernel_kind(kind: Kind) -> (u32, u32) {
    match kind {
        Kind::Array => (kind::ARRAY, 0),
        Kind::PerCpuArray => (kind::PERCPU_ARRAY, 0),
        Kind::Hash => (kind::HASH, NO_PREALLOC),
        Kind::PerCpuHash => (kind::PERCPU_HASH, NO_PREALLOC),
        Kind::LpmTrie => (kind::LPM_TRIE, NO_PREALLOC),
        Kind::LruHash => (kind::LRU_HASH, 0),
        Kind::RingBuffer => (kind::RINGBUF, 0),
    }
}

/// Copies all rows from one set to another of the same layout. Punted frames stay behind: who sent them asks again.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    for table in TABLES {
        let error = |action| move |source| Error::Table { action, table: table.name, source };
        let source = RawMap::open(&from.join(table.name)).map_err(error("open"))?;
        let target = RawMap::open(&to.join(table.name)).map_err(error("open"))?;
        let (keys, values) = match table.kind {
            Kind::RingBuffer => continue,
            Kind::Array | Kind::PerCpuArray => rows_of_array(table, &source).map_err(error("read"))?,
            Kind::Hash | Kind::PerCpuHash | Kind::LpmTrie | Kind::LruHash => {
                source.dump().map_err(error("read"))?
            }
        };
        let values = values.chunks_exact(target.value_bytes());
        for (key, value) in keys.chunks_exact(table.key_size as usize).zip(values) {
            target.update(key, value, Write::Always).map_err(|source| match source.raw_os_error() {
                Some(libc::E2BIG | libc::ENOSPC) => {
                    Error::Full { table: table.name, capacity: target.info().max_entries }
                }
                _ => error("write to")(source),
            })?;
        }
    }
    Ok(())
}

fn rows_of_array(table: &Table, map: &RawMap) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for index in 0..table.size {
        let start = values.len();
        keys.extend(index.to_ne_bytes());
        values.resize(start + map.value_bytes(), 0);
        map.lookup(&index.to_ne_bytes(), &mut values[start..])?;
    }
    Ok((keys, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let set = SetName { layout: 3, generation: 17 };
        assert_eq!(set.path(Path::new("/p")), Path::new("/p/tables-3-17"));
        assert_eq!(SetName::parse("tables-3-17"), Some(set));
        for other in ["next", "links", "tables-3", "tables-3-", "tables--1", "tables-3-x"] {
            assert_eq!(SetName::parse(other), None, "{other}");
        }
    }
}
