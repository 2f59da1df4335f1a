//! Programs by themselves: `BPF_PROG_TEST_RUN`.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

const PROG_TEST_RUN: libc::c_long = 10;
/// Room for a frame that has grown.
const ROOM: usize = 4096;
/// `struct __sk_buff` up to `hwtstamp`.
const CONTEXT: usize = 192;

/// Offsets in `struct __sk_buff`.
mod field {
    pub const IFINDEX: usize = 40;
    pub const CB: usize = 48;
    pub const GSO_SEGS: usize = 164;
    pub const GSO_SIZE: usize = 176;
}

/// What goes in.
pub struct Input<'a> {
    pub frame: &'a [u8],
    pub ifindex: u32,
    pub cb: [u32; 5],
    pub gso_size: u32,
}

/// What comes out; its buffers are used again.
pub struct Output {
    pub code: u32,
    pub cb: [u32; 5],
    frame: Vec<u8>,
    length: usize,
}

impl Output {
    pub fn new() -> Output {
        Output { code: 0, cb: [0; 5], frame: vec![0; ROOM], length: 0 }
    }

    pub fn frame(&self) -> &[u8] {
        &self.frame[..self.length]
    }
}

#[repr(C)]
struct TestRun {
    program: u32,
    code: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    pad: u32,
}

/// Runs a program once on a frame.
pub fn run(program: BorrowedFd<'_>, input: &Input<'_>, output: &mut Output) -> io::Result<()> {
    repeat(program, input, output, 1).map(drop)
}

/// Runs a program again and again on a frame. Returns the nanoseconds of one run.
pub fn repeat(
    program: BorrowedFd<'_>,
    input: &Input<'_>,
    output: &mut Output,
    times: u32,
) -> io::Result<u32> {
    let mut context = [0u8; CONTEXT];
    let mut set = |offset: usize, word: u32| context[offset..offset + 4].copy_from_slice(&word.to_ne_bytes());
    set(field::IFINDEX, input.ifindex);
    for (word, value) in input.cb.iter().enumerate() {
        set(field::CB + 4 * word, *value);
    }
    if input.gso_size != 0 {
        set(field::GSO_SIZE, input.gso_size);
        set(field::GSO_SEGS, (input.frame.len() as u32).div_ceil(input.gso_size));
    }
    let mut context_out = [0u8; CONTEXT];
    let mut run = TestRun {
        program: program.as_raw_fd() as u32,
        code: 0,
        data_size_in: input.frame.len() as u32,
        data_size_out: output.frame.len() as u32,
        data_in: input.frame.as_ptr() as u64,
        data_out: output.frame.as_mut_ptr() as u64,
        repeat: times,
        duration: 0,
        context_size_in: CONTEXT as u32,
        context_size_out: CONTEXT as u32,
        context_in: context.as_ptr() as u64,
        context_out: context_out.as_mut_ptr() as u64,
        flags: 0,
        cpu: 0,
        batch_size: 0,
        pad: 0,
    };
    // SAFETY: all pointers are to live buffers of the lengths that go with them.
    let result = unsafe { libc::syscall(libc::SYS_bpf, PROG_TEST_RUN, &raw mut run, size_of::<TestRun>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| context_out[at + byte]));
    output.code = run.code;
    output.length = run.data_size_out as usize;
    output.cb = [0, 1, 2, 3, 4].map(|index| word(field::CB + 4 * index));
    Ok(run.duration)
}

/// The clock that programs read, in nanoseconds.
pub fn monotonic() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is live.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert_eq!(result, 0);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
