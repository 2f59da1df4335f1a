//! A running program of a lab.

use crate::deadline::poll;
use crate::error::Attempt;
use crate::{LabError, Result};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A program that runs in a host or an instance. Dropped, it is killed with its process group.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    what: String,
    log_path: PathBuf,
    end: Arc<End>,
}

#[derive(Debug, Default)]
struct End {
    status: Mutex<Option<ExitStatus>>,
    changed: Condvar,
}

impl Process {
    pub(crate) fn new(child: Child, what: String, log_path: PathBuf) -> Result<Self> {
        let pid = Pid::from_raw(child.id() as i32);
        let end = Arc::new(End::default());
        let watched = Arc::clone(&end);
        std::thread::Builder::new()
            .name(format!("wait {pid}"))
            .spawn(move || watched.await_of(pid, child))
            .attempt("start a thread")?;
        Ok(Self { pid, what, log_path, end })
    }

    /// Its number; also that of its process group.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw() as u32
    }

    /// The file that its standard output and standard error go to.
    pub fn log_path(&self) -> &Path {
        &self.log_path
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log_path).unwrap_or_default()).into_owned()
    }

    /// Waits until it has written `text`; an error at once if it ends without.
    pub fn wait_for_log(&self, text: &str, within: Duration) -> Result<()> {
        let what = format!("{text:?} in the log of `{}`", self.what);
        let found = poll(within, &what, || {
            let has_ended = !self.is_running();
            if self.log().contains(text) { Some(true) } else { has_ended.then_some(false) }
        })
        .map_err(|error| self.with_log(error))?;
        if found {
            return Ok(());
        }
        Err(LabError::Unsupported(format!(
            "`{}` ended without {text:?} in its log:\n{}",
            self.what,
            self.log()
        )))
    }

    fn with_log(&self, error: LabError) -> LabError {
        match error {
            LabError::Deadline { what, within } => {
                LabError::Deadline { what: format!("{what}, which is\n{}\n", self.log()), within }
            }
            other => other,
        }
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.end.status().is_none()
    }

    /// Ends it and its process group at once (`SIGKILL`), and waits for the end.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
        let mut status = self.end.status();
        while status.is_none() {
            status = self.end.changed.wait(status).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Asks it to end (`SIGTERM`).
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Asks it to end as Ctrl-C does (`SIGINT`).
    pub fn interrupt(&self) {
        self.signal(Signal::SIGINT);
    }

    /// Stops it where it is (`SIGSTOP`).
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on (`SIGCONT`).
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Waits for its end.
    pub fn wait(&self, within: Duration) -> Result<ExitStatus> {
        let status = self.end.status();
        let (status, _) = self
            .end
            .changed
            .wait_timeout_while(status, within, |status| status.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        status.ok_or_else(|| LabError::Deadline { what: format!("the end of `{}`", self.what), within })
    }

    /// Signals the process group. The number is not another's meanwhile, because it is given back only under the same lock.
    fn signal(&self, signal: Signal) {
        let status = self.end.status();
        if status.is_none() {
            let _ = killpg(self.pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl End {
    fn status(&self) -> std::sync::MutexGuard<'_, Option<ExitStatus>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notices the end without giving the number back, then gives it back under the lock.
    fn await_of(&self, pid: Pid, mut child: Child) {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(pid), flags) {}
        let mut status = self.status();
        *status = Some(child.wait().unwrap_or_default());
        self.changed.notify_all();
    }
}
