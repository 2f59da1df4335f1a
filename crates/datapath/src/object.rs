//! The kernel's programs as built from `crates/ebpf`, and their way into the kernel.

use crate::error::{Error, Result};
use crate::size::Sizes;
use aya::EbpfLoader;
use aya::programs::SchedClassifier;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The ELF object with all programs and their type information, for `bpfel-unknown-none`.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/hadron-ebpf"));

/// Programs in the kernel, by name. They live as long as this value or a link to them.
pub struct Programs(BTreeMap<&'static str, OwnedFd>);

impl Programs {
    /// Loads programs upon the tables pinned in `directory`; those that are not there yet are made and pinned.
    pub fn load(names: &[&'static str], directory: &Path, sizes: &Sizes) -> Result<Programs> {
        let pins: Vec<_> =
            sizes.all().map(|(table, size)| (table.name, size, directory.join(table.name))).collect();
        let mut loader = EbpfLoader::new();
        for (name, size, path) in &pins {
            loader.map_max_entries(name, *size).map_pin_path(name, path.as_path());
        }
        let mut object = loader.load(OBJECT).map_err(|error| Error::Object(Box::new(error)))?;
        let mut programs = BTreeMap::new();
        for &name in names {
            let refused = |error| Error::Program { name, source: Box::new(error) };
            let program = object.program_mut(name).ok_or(Error::Missing { name })?;
            let program: &mut SchedClassifier = program.try_into().map_err(refused)?;
            program.load().map_err(refused)?;
            let fd = program.fd().map_err(refused)?.as_fd().try_clone_to_owned();
            programs.insert(name, fd.map_err(Error::file("duplicate", name))?);
        }
        Ok(Programs(programs))
    }

    /// One of the loaded programs.
    pub fn get(&self, name: &'static str) -> Result<BorrowedFd<'_>> {
        self.0.get(name).map(AsFd::as_fd).ok_or(Error::Missing { name })
    }

    /// Takes one of the loaded programs out.
    pub fn take(mut self, name: &'static str) -> Result<OwnedFd> {
        self.0.remove(name).ok_or(Error::Missing { name })
    }
}
