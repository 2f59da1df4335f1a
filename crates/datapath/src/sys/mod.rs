//! The commands of bpf(2) that aya does not offer: links by interface index, rows as bytes, batches. Attributes are the
//! leading fields of `union bpf_attr` in `linux/bpf.h`; the kernel takes what follows them as zero.

mod link;
mod map;

pub use link::Link;
pub use map::{NO_PREALLOC, RawMap, Write, kind};

use std::ffi::CString;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const OBJ_PIN: libc::c_long = 6;
const OBJ_GET: libc::c_long = 7;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;

/// One command.
///
/// # Safety
///
/// `T` must be `repr(C)` without padding, begin as the command's attributes do, and hold pointers that are valid for what
/// the command reads and writes.
#[allow(unsafe_code)]
unsafe fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<libc::c_long> {
    let attributes: *mut T = attributes;
    // SAFETY: `attributes` is live and of the given size; the rest is the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[allow(unsafe_code)]
fn new_fd(number: libc::c_long) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us, close-on-exec, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(number as RawFd) }
}

#[repr(C)]
#[derive(Default)]
struct Pin {
    path: u64,
    fd: u32,
    flags: u32,
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[allow(unsafe_code)]
fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    let mut pin = Pin { path: path.as_ptr() as u64, fd: object.as_raw_fd() as u32, flags: 0 };
    // SAFETY: `path` is a C string that outlives the call.
    unsafe { bpf(OBJ_PIN, &mut pin) }.map(drop)
}

#[allow(unsafe_code)]
fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let mut pin = Pin { path: path.as_ptr() as u64, ..Pin::default() };
    // SAFETY: `path` is a C string that outlives the call.
    unsafe { bpf(OBJ_GET, &mut pin) }.map(new_fd)
}

#[repr(C)]
struct InfoByFd {
    fd: u32,
    length: u32,
    info: u64,
}

/// Reads the first fields of what the kernel knows about an object.
///
/// # Safety
///
/// `T` must be `repr(C)` without padding, of integers only, and begin as the kernel's struct for this kind of object does.
#[allow(unsafe_code)]
unsafe fn info<T: Default>(object: BorrowedFd<'_>) -> io::Result<T> {
    let mut info = T::default();
    let mut request =
        InfoByFd { fd: object.as_raw_fd() as u32, length: size_of::<T>() as u32, info: &raw mut info as u64 };
    // SAFETY: the kernel writes at most `length` bytes to `info`, any of which are a valid `T`.
    unsafe { bpf(OBJ_GET_INFO_BY_FD, &mut request) }?;
    Ok(info)
}
