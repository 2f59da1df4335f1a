//! The file system that keeps pinned objects beyond the life of the process.

use crate::error::{Error, Result};
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::sys::statfs::{FsType, statfs};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// `BPF_FS_MAGIC`
const MAGIC: FsType = FsType(0xcafe_4a11_u32 as _);
/// Where bpffs is customarily mounted.
const CUSTOMARY: &str = "/sys/fs/bpf";

/// Makes `directory` exist on bpffs. Below `/sys/fs/bpf` that place is mounted if nobody has; anywhere else the directory
/// itself becomes a mount point. A mount lives in this process's mount namespace: where that one is private and ends with
/// the process, so do the pins.
pub fn provide(directory: &Path) -> Result<()> {
    if !is_bpffs(nearest(directory)) {
        let point = if directory.starts_with(CUSTOMARY) { Path::new(CUSTOMARY) } else { directory };
        fs::create_dir_all(point).map_err(Error::file("create", point))?;
        // Two agents that start at once must not mount twice, or the pins of the first are hidden. The lock is on the
        // directory underneath; who comes second sees what is mounted over it.
        let _lock = lock(point)?;
        if !is_bpffs(point) {
            let none: Option<&str> = None;
            mount(Some("bpffs"), point, Some("bpf"), MsFlags::empty(), none)
                .map_err(|error| Error::file("mount bpffs on", point)(error.into()))?;
        }
    }
    fs::create_dir_all(directory).map_err(Error::file("create", directory))
}

fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(path)
}

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|fs| fs.filesystem_type() == MAGIC)
}

fn open(directory: &Path) -> Result<OwnedFd> {
    nix::fcntl::open(directory, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|error| Error::file("open", directory)(error.into()))
}

fn lock(directory: &Path) -> Result<Flock<OwnedFd>> {
    Flock::lock(open(directory)?, FlockArg::LockExclusive)
        .map_err(|(_, error)| Error::file("lock", directory)(error.into()))
}

/// Claims a directory for this process, until the value is dropped.
pub fn claim(directory: &Path) -> Result<Flock<OwnedFd>> {
    Flock::lock(open(directory)?, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
        nix::Error::EWOULDBLOCK => Error::Busy { path: directory.into() },
        error => Error::file("lock", directory)(error.into()),
    })
}

/// Names in a directory; none when it does not exist.
pub fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::file("list", directory))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::file("list", directory))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Removes a pin; that it has gone already is no error.
pub fn unpin(path: &Path) -> Result<()> {
    ignore_missing(fs::remove_file(path)).map_err(Error::file("remove", path))
}

/// Removes a directory of pins.
pub fn remove(directory: &Path) -> Result<()> {
    ignore_missing(fs::remove_dir_all(directory)).map_err(Error::file("remove", directory))
}

/// Removes a pin directory once what was in it has gone, and its mount when it was one of its own.
pub fn withdraw(directory: &Path) -> Result<()> {
    let removed = fs::remove_dir(directory);
    if removed.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EBUSY)) {
        umount2(directory, MntFlags::MNT_DETACH)
            .map_err(|error| Error::file("unmount", directory)(error.into()))?;
        return ignore_missing(fs::remove_dir(directory)).map_err(Error::file("remove", directory));
    }
    ignore_missing(removed).map_err(Error::file("remove", directory))
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
