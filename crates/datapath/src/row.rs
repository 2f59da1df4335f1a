//! Rows as the kernel's bytes and back.
#![allow(unsafe_code)]

use hadron_pipeline::table::Row;
use std::mem::{MaybeUninit, size_of};

/// The bytes of a row.
pub fn bytes_of<R: Row>(row: &R) -> &[u8] {
    let start: *const R = row;
    // SAFETY: `Row` is sealed for `repr(C)` types without padding, so every byte is initialised; the slice borrows `row`.
    unsafe { std::slice::from_raw_parts(start.cast(), size_of::<R>()) }
}

/// The row of the first bytes. Panics when there are too few.
pub fn row_of<R: Row>(bytes: &[u8]) -> R {
    let bytes = &bytes[..size_of::<R>()];
    let mut row = MaybeUninit::<R>::uninit();
    // SAFETY: as many bytes as a row has are copied into one, and any bit pattern is a valid `Row`.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), row.as_mut_ptr().cast(), bytes.len());
        row.assume_init()
    }
}
