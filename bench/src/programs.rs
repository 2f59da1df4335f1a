//! How long the packet path's programs run, as the kernel counts it while somebody wants to know (`BPF_ENABLE_STATS`).

use anyhow::{Context, Result};
use aya::programs::loaded_programs;
use aya::sys::{Stats, enable_stats};
use hadron_pipeline::program;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What is attached on a host.
const PROGRAMS: [&str; 4] =
    [program::FROM_PORT, program::FROM_OVERLAY, program::FROM_PROVIDER, program::FROM_SERVICES];

/// Counts until it is dropped. Counting costs each run two looks at the clock, which are part of the result.
pub struct RunTime {
    _counting: OwnedFd,
    before: u64,
}

impl RunTime {
    /// Begins to count, on all hosts of this machine.
    pub fn count() -> Result<Self> {
        let counting = enable_stats(Stats::RunTime).context("the kernel counts no programs' times")?;
        Ok(Self { _counting: counting, before: nanoseconds()? })
    }

    /// Nanoseconds that the programs have run since then, all together.
    pub fn nanoseconds(&self) -> Result<u64> {
        Ok(nanoseconds()? - self.before)
    }
}

fn nanoseconds() -> Result<u64> {
    let mut sum = 0;
    for program in loaded_programs() {
        // One that has gone meanwhile is none of a bench.
        let Ok(program) = program else { continue };
        if !program.name_as_str().is_some_and(|name| PROGRAMS.contains(&name)) {
            continue;
        }
        let descriptor = program.fd()?;
        let path = format!("/proc/self/fdinfo/{}", descriptor.as_fd().as_raw_fd());
        let text = std::fs::read_to_string(&path)?;
        let line = text.lines().find_map(|line| line.strip_prefix("run_time_ns:"));
        sum += line.context("no time of a program")?.trim().parse::<u64>()?;
    }
    Ok(sum)
}
