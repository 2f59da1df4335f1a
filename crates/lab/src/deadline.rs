//! Waiting for what the lab can't be told of.

use crate::{LabError, Result};
use std::time::{Duration, Instant};

/// Asks until the answer is yes, at most for `within`; the error names `what` was waited for. For conditions that lie in other processes or
/// in the kernel, of which no event tells.
pub fn until(within: Duration, what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
    poll(within, what, || is_so().then_some(()))
}

/// As [`until`], for a value.
pub(crate) fn poll<T>(within: Duration, what: &str, mut value: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(value) = value() {
            return Ok(value);
        }
        if begun.elapsed() >= within {
            return Err(LabError::Deadline { what: what.to_owned(), within });
        }
        nap(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Lets time pass on a thread of the lab's own.
#[allow(clippy::disallowed_methods, reason = "no runtime here, and nothing to wait for but time")]
pub(crate) fn nap(time: Duration) {
    std::thread::sleep(time);
}
