//! What memory a process holds.

use anyhow::{Context, Result};
use std::fs::{read_to_string, write};

/// Megabytes that are resident now.
pub fn resident(pid: u32) -> Result<f64> {
    field(pid, "VmRSS:")
}

/// The most megabytes that were resident at a time since the start, or since [`reset_peak`].
pub fn peak(pid: u32) -> Result<f64> {
    field(pid, "VmHWM:")
}

/// The peak begins anew.
pub fn reset_peak(pid: u32) -> Result<()> {
    Ok(write(format!("/proc/{pid}/clear_refs"), "5")?)
}

fn field(pid: u32, name: &str) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0 / 1e6)
}
