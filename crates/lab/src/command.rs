//! Programs in hosts and instances.

use crate::error::Attempt;
use crate::process::Process;
use crate::{LabError, Namespace, Result, marks};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

/// A program to be run in a host or an instance. Standard input is empty.
#[derive(Debug)]
#[must_use = "it runs by `output`, `succeed` or `spawn`"]
pub struct Command<'a> {
    namespace: &'a Namespace,
    program: OsString,
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    log_name: Option<String>,
}

/// What a program wrote, and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output; what is no UTF-8 is replaced.
    pub stdout: String,
    /// Standard error; what is no UTF-8 is replaced.
    pub stderr: String,
}

/// How a program lives with the process that starts it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// A process group of its own; killed when the starter ends.
    Owned,
    /// The starter's process group and terminal; killed when the starter ends.
    Foreground,
    /// A session of its own; stays when the starter ends.
    Detached,
}

impl<'a> Command<'a> {
    pub(crate) fn new(namespace: &'a Namespace, program: &OsStr) -> Self {
        let program = program.to_owned();
        Self { namespace, program, args: Vec::new(), environment: Vec::new(), log_name: None }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the environment, which is otherwise this process's.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Names the log of [`Command::spawn`] [default: the program's name]; a later program of the same name appends.
    pub fn log_name(mut self, name: &str) -> Self {
        self.log_name = Some(name.to_owned());
        self
    }

    /// Starts it; its output goes to `<name>.log` in the directory of the host or instance.
    pub fn spawn(self) -> Result<Process> {
        let log_path = self.log_path();
        let log = OpenOptions::new().create(true).append(true).open(&log_path).attempt("open a log")?;
        let second = log.try_clone().attempt("open a log")?;
        self.start(Life::Owned, log.into(), second.into(), log_path)
    }

    /// Runs it to its end; one that takes longer is killed, and that is an error.
    pub fn output(self, within: Duration) -> Result<Output> {
        let [stdout, stderr] = [capture()?, capture()?];
        let duplicate = |file: &File| file.try_clone().map(Stdio::from).attempt("duplicate a descriptor");
        let (out, err) = (duplicate(&stdout)?, duplicate(&stderr)?);
        let status = self.start(Life::Owned, out, err, PathBuf::new())?.wait(within)?;
        Ok(Output { status, stdout: captured(stdout)?, stderr: captured(stderr)? })
    }

    /// Runs it to its end, which must be a success; what it wrote to standard output.
    pub fn succeed(self, within: Duration) -> Result<String> {
        let (command, namespace) = (self.text(), self.namespace.name().to_owned());
        let Output { status, stdout, stderr } = self.output(within)?;
        if !status.success() {
            return Err(LabError::Failed { command, namespace, status, stderr });
        }
        Ok(stdout)
    }

    /// Runs it on this process's terminal.
    pub(crate) fn foreground(self) -> Result<ExitStatus> {
        let mut command = self.build(Life::Foreground);
        command.stdin(Stdio::inherit());
        let doing = format!("run `{}` in {}", self.text(), self.namespace.name());
        self.namespace.resident(move || command.spawn())?.attempt(&doing)?.wait().attempt(doing)
    }

    /// Starts it for good. Its number.
    pub(crate) fn detach(self) -> Result<i32> {
        let mut command = self.build(Life::Detached);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let doing = format!("run `{}` in {}", self.text(), self.namespace.name());
        let child = self.namespace.resident(move || command.spawn())?.attempt(doing)?;
        Ok(child.id() as i32)
    }

    fn start(self, life: Life, stdout: Stdio, stderr: Stdio, log_path: PathBuf) -> Result<Process> {
        let mut command = self.build(life);
        command.stdout(stdout).stderr(stderr);
        let doing = format!("run `{}` in {}", self.text(), self.namespace.name());
        let child = self.namespace.resident(move || command.spawn())?.attempt(doing)?;
        Process::new(child, self.text(), log_path)
    }

    fn build(&self, life: Life) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command
            .args(&self.args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env(marks::LAB, self.namespace.lab())
            .env(marks::NAMESPACE, self.namespace.name())
            .stdin(Stdio::null());
        if life == Life::Owned {
            command.process_group(0);
        }
        prepare(&mut command, life);
        command
    }

    fn text(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.args);
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    fn log_path(&self) -> PathBuf {
        let program = std::path::Path::new(&self.program).file_name().unwrap_or(&self.program);
        let name = self.log_name.clone().unwrap_or_else(|| program.to_string_lossy().into_owned());
        self.namespace.dir().join(format!("{name}.log"))
    }
}

#[allow(unsafe_code, reason = "what happens between fork and exec can be said in no safe way")]
fn prepare(command: &mut std::process::Command, life: Life) {
    let starter = std::process::id() as i32;
    let between = move || {
        if life == Life::Detached {
            nix::unistd::setsid()?;
            return Ok(());
        }
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        // The starter may have ended before the line above; then nobody sends the signal.
        if nix::unistd::getppid().as_raw() != starter {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        Ok(())
    };
    // SAFETY: the closure makes only async-signal-safe system calls (setsid, prctl, getppid), and neither allocates nor locks.
    unsafe { command.pre_exec(between) };
}

/// A nameless file in memory. Unlike a pipe, it doesn't hold up whoever reads it when a daemon keeps it open.
fn capture() -> Result<File> {
    let descriptor = nix::sys::memfd::memfd_create(c"output", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)
        .attempt("make a file in memory")?;
    Ok(descriptor.into())
}

fn captured(mut file: File) -> Result<String> {
    let mut content = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut content)).attempt("read a program's output")?;
    Ok(String::from_utf8_lossy(&content).into_owned())
}
