//! TCX links by interface index. aya attaches by name only, which another interface may bear a moment later.
#![allow(unsafe_code)]

use super::{bpf, info, new_fd, open_pin, pin};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

const LINK_CREATE: libc::c_long = 28;
const LINK_UPDATE: libc::c_long = 29;
const LINK_DETACH: libc::c_long = 34;
/// `BPF_TCX_INGRESS`
const TCX_INGRESS: u32 = 46;
/// `BPF_LINK_TYPE_TCX`
const TYPE_TCX: u32 = 11;
/// `BPF_F_BEFORE` without a relative program: the first of all.
const FIRST: u32 = 1 << 3;

/// A program on the ingress of an interface. Without a pin it ends when the descriptor is closed.
pub struct Link(OwnedFd);

#[repr(C)]
struct Create {
    program: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
    relative: u32,
    pad: u32,
    expected_revision: u64,
}

#[repr(C)]
struct Update {
    link: u32,
    program: u32,
    flags: u32,
    old_program: u32,
}

#[repr(C)]
#[derive(Default)]
struct Info {
    kind: u32,
    id: u32,
    program: u32,
    pad: u32,
    ifindex: u32,
    attach_type: u32,
}

impl Link {
    /// Attaches a program to the ingress of an interface of this thread's network namespace, before all others.
    pub fn create(program: BorrowedFd<'_>, ifindex: u32) -> io::Result<Link> {
        let mut create = Create {
            program: program.as_raw_fd() as u32,
            ifindex,
            attach_type: TCX_INGRESS,
            flags: FIRST,
            relative: 0,
            pad: 0,
            expected_revision: 0,
        };
        // SAFETY: the attributes hold no pointers.
        unsafe { bpf(LINK_CREATE, &mut create) }.map(|number| Link(new_fd(number)))
    }

    /// Opens a pinned link.
    pub fn open(path: &Path) -> io::Result<Link> {
        open_pin(path).map(Link)
    }

    /// Keeps the link beyond the life of the process.
    pub fn pin(&self, path: &Path) -> io::Result<()> {
        pin(self.0.as_fd(), path)
    }

    /// Replaces the program: a packet meets the old one or the new one, never none.
    pub fn update(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        let mut update = Update {
            link: self.0.as_raw_fd() as u32,
            program: program.as_raw_fd() as u32,
            flags: 0,
            old_program: 0,
        };
        // SAFETY: the attributes hold no pointers.
        unsafe { bpf(LINK_UPDATE, &mut update) }.map(drop)
    }

    /// Takes the program off the interface at once, whoever else holds the link.
    pub fn detach(&self) -> io::Result<()> {
        let mut number = self.0.as_raw_fd() as u32;
        // SAFETY: the attribute is one descriptor.
        unsafe { bpf(LINK_DETACH, &mut number) }.map(drop)
    }

    /// The interface; none when it has gone.
    pub fn interface(&self) -> io::Result<Option<u32>> {
        // SAFETY: `Info` is the head of `struct bpf_link_info` with the union's TCX member at its place, offset 16.
        let info: Info = unsafe { info(self.0.as_fd()) }?;
        if info.kind != TYPE_TCX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the pinned object is no TCX link"));
        }
        Ok((info.ifindex != 0).then_some(info.ifindex))
    }
}
