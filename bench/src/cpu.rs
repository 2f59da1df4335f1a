//! Which processor a thread runs on, and what it costs there.

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::fs::read_to_string;
use std::time::{Duration, Instant};

/// The processors of the two ends of a measurement: the first and the last that this process may use.
#[derive(Clone, Copy, Debug)]
pub struct Processors {
    /// For the sender.
    pub near: usize,
    /// For the receiver.
    pub far: usize,
}

impl Processors {
    /// Of this process.
    pub fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let all = || (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
        Ok(Self {
            near: all().next().context("no processor")?,
            far: all().next_back().context("no processor")?,
        })
    }
}

/// Ties the calling thread to a processor.
pub fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// The time that a processor spends on the calling thread, which is pinned there and never sleeps, and on the interrupts and
/// softirqs that are served in its place.
///
/// That is wall time less the time that the thread waits for its turn, and the time of the processor's `ksoftirqd`. Unlike the
/// thread's own CPU time it holds the softirqs on every kernel: with `CONFIG_IRQ_TIME_ACCOUNTING` they are booked elsewhere.
pub struct Meter {
    begun: Instant,
    waited: Duration,
    ksoftirqd: Option<String>,
    softirqs: Duration,
}

impl Meter {
    /// Begins to measure the calling thread, which is pinned to `cpu`.
    pub fn begin(cpu: usize) -> Result<Self> {
        let ksoftirqd = ksoftirqd(cpu)?;
        let softirqs = on_cpu(ksoftirqd.as_deref())?;
        Ok(Self { begun: Instant::now(), waited: waited()?, ksoftirqd, softirqs })
    }

    /// What it has cost since then.
    pub fn end(self) -> Result<Duration> {
        let softirqs = on_cpu(self.ksoftirqd.as_deref())?.saturating_sub(self.softirqs);
        let wall = self.begun.elapsed();
        Ok(wall.saturating_sub(waited()?.saturating_sub(self.waited)) + softirqs)
    }
}

/// How long the calling thread has run; without softirqs on kernels with `CONFIG_IRQ_TIME_ACCOUNTING`.
pub fn of_thread() -> Result<Duration> {
    schedstat("/proc/thread-self/schedstat", 0)
}

/// How long the calling thread has waited to run.
fn waited() -> Result<Duration> {
    schedstat("/proc/thread-self/schedstat", 1)
}

/// How long a thread has run.
fn on_cpu(directory: Option<&str>) -> Result<Duration> {
    directory.map_or(Ok(Duration::ZERO), |directory| schedstat(&format!("{directory}/schedstat"), 0))
}

fn schedstat(path: &str, field: usize) -> Result<Duration> {
    let text = read_to_string(path).with_context(|| format!("read {path}: it needs CONFIG_SCHED_INFO"))?;
    let nanoseconds = text.split_whitespace().nth(field).context("a short schedstat")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

/// The directory in `/proc` of the thread that serves softirqs when there are too many for the processor's other threads.
fn ksoftirqd(cpu: usize) -> Result<Option<String>> {
    let name = format!("ksoftirqd/{cpu}");
    let directories = std::fs::read_dir("/proc")?.flatten().map(|entry| entry.path());
    let found = directories
        .into_iter()
        .find(|directory| read_to_string(directory.join("comm")).is_ok_and(|comm| comm.trim() == name));
    Ok(found.map(|directory| directory.display().to_string()))
}

/// The time that a process has run, in user and kernel mode.
pub fn of_process(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = read_to_string(&path).with_context(|| format!("read {path}"))?;
    // The second field, the program's name, can hold spaces; it ends at the last parenthesis.
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |field: usize| -> Result<u64> { Ok(fields.get(field).context("a short stat")?.parse()?) };
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.context("no clock tick")?;
    Ok(Duration::from_secs_f64((ticks(11)? + ticks(12)?) as f64 / per_second as f64))
}
