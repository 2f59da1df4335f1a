//! Processes of a lab, found by a mark in their environment. A daemon that left its parent and its process group still carries it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::os::unix::ffi::OsStrExt;

/// The variable that holds the lab's id.
pub(crate) const LAB: &str = "HADRON_LAB";
/// The variable that holds the name of the host or instance.
pub(crate) const NAMESPACE: &str = "HADRON_LAB_NAMESPACE";

/// A process that is not mistaken for a later one of the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pub(crate) pid: i32,
    /// In clock ticks since the machine's start (`/proc/<pid>/stat`, field 22).
    started: u64,
}

impl ProcessId {
    /// The running process `pid`.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses and may hold anything.
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace();
        let is_dead = matches!(fields.next()?, "Z" | "X");
        let started = fields.nth(18)?.parse().ok()?;
        (!is_dead).then_some(Self { pid, started })
    }

    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }
}

/// The processes of a lab, or of one of its hosts and instances; never this process.
fn processes(lab: &str, namespace: Option<&str>) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id() as i32;
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own && is_marked(*pid, lab, namespace))
        .map(Pid::from_raw)
        .collect()
}

fn is_marked(pid: i32, lab: &str, namespace: Option<&str>) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    let has = |name: &str, value: &str| {
        let line = format!("{name}={value}");
        environment.split(|octet| *octet == 0).any(|entry| entry == std::ffi::OsStr::new(&line).as_bytes())
    };
    has(LAB, lab) && namespace.is_none_or(|namespace| has(NAMESPACE, namespace))
}

/// Sends `signal` to the processes of a lab, or of one of its hosts and instances, but not to `spared`.
pub(crate) fn signal(lab: &str, namespace: Option<&str>, signal: Signal, spared: Option<i32>) {
    for pid in processes(lab, namespace).into_iter().filter(|pid| Some(pid.as_raw()) != spared) {
        // One that ended meanwhile is no failure.
        let _ = kill(pid, signal);
    }
}

/// Kills the processes of a lab until none is left: one that was just starting another is caught in the next round.
pub(crate) fn kill_all(lab: &str) {
    let within = std::time::Duration::from_secs(5);
    let _ = crate::until(within, "the end of the lab's processes", || {
        signal(lab, None, Signal::SIGKILL, None);
        processes(lab, None).is_empty()
    });
}
