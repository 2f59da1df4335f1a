//! What a host and an instance have in common: a network, mount and host name namespace of their own.
//!
//! ```text
//! this process ── run ──▶ a thread that enters, does one thing and ends
//!       └──── command ──▶ the resident thread, which starts programs: they inherit its namespaces, and the kernel kills them
//!                         when that very thread ends
//! ```

use crate::capture::Capture;
use crate::command::Command;
use crate::error::Attempt;
use crate::frames::FrameSocket;
use crate::ping::Ping;
use crate::stage::{self, Stage};
use crate::traffic::{Echo, Flow};
use crate::{LabError, Result, until};
use nix::sched::{CloneFlags, setns, unshare};
use std::ffi::OsStr;
use std::fs::File;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// Namespaces that belong together, held open.
#[derive(Debug)]
struct Doors {
    net: File,
    mount: File,
    host_name: File,
}

impl Doors {
    fn of(process: &str) -> std::io::Result<Self> {
        let open = |kind: &str| File::open(format!("/proc/{process}/ns/{kind}"));
        Ok(Self { net: open("net")?, mount: open("mnt")?, host_name: open("uts")? })
    }

    /// Moves the calling thread in, for good.
    fn enter(&self) -> nix::Result<()> {
        // A thread that shares its working directory with others can't change its mounts.
        unshare(CloneFlags::CLONE_FS)?;
        setns(&self.net, CloneFlags::CLONE_NEWNET)?;
        setns(&self.host_name, CloneFlags::CLONE_NEWUTS)?;
        setns(&self.mount, CloneFlags::CLONE_NEWNS)
    }
}

/// A place where programs and sockets see a network of their own. [`crate::Host`] and [`crate::Instance`] are such places.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    lab: String,
    dir: PathBuf,
    doors: Doors,
    resident: Mutex<Sender<Job>>,
}

impl Namespace {
    /// Makes namespaces, and sets them up as `stage` says. `dir` is made for them.
    pub(crate) fn make(lab: &str, name: &str, dir: PathBuf, stage: Stage) -> Result<Self> {
        std::fs::create_dir_all(&dir).attempt(format!("make {}", dir.display()))?;
        let (place, host_name) = (dir.clone(), name.to_owned());
        let begin = move || {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)
                .attempt("make namespaces")?;
            nix::unistd::sethostname(&host_name).attempt("set the host name")?;
            stage::set(stage, &place)?;
            Doors::of("thread-self").attempt("open namespaces")
        };
        let namespace = Self::with_resident(lab, name, dir, begin)?;
        let door = format!("/proc/{}/fd/{}", std::process::id(), namespace.doors.net.as_raw_fd());
        let link = namespace.dir.join("net");
        std::os::unix::fs::symlink(door, &link).attempt(format!("make {}", link.display()))?;
        Ok(namespace)
    }

    /// The namespaces that process `pid` lives in.
    pub(crate) fn of_process(lab: &str, name: &str, dir: PathBuf, pid: i32) -> Result<Self> {
        let begin = move || {
            let doors = Doors::of(&pid.to_string()).attempt("open namespaces")?;
            doors.enter().attempt("enter namespaces")?;
            Ok(doors)
        };
        Self::with_resident(lab, name, dir, begin)
    }

    fn with_resident(
        lab: &str,
        name: &str,
        dir: PathBuf,
        begin: impl FnOnce() -> Result<Doors> + Send + 'static,
    ) -> Result<Self> {
        let (send_doors, doors) = channel();
        let (resident, jobs): (Sender<Job>, Receiver<Job>) = channel();
        std::thread::Builder::new()
            .name(format!("in {name}"))
            .spawn(move || {
                let doors = begin();
                let is_ready = doors.is_ok();
                let _ = send_doors.send(doors);
                if is_ready {
                    jobs.into_iter().for_each(|job| job());
                }
            })
            .attempt("start a thread")?;
        let doors = doors.recv().unwrap_or_else(|_| Err(resident_is_gone()))?;
        Ok(Self { name: name.to_owned(), lab: lab.to_owned(), dir, doors, resident: Mutex::new(resident) })
    }

    /// The name of the host or instance.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A directory of its own, the same inside and outside, which goes with the lab. Logs are in it. It is as lasting as `/run` is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn lab(&self) -> &str {
        &self.lab
    }

    pub(crate) fn net(&self) -> &File {
        &self.doors.net
    }

    /// Calls `inside` on a thread in here, and waits for it. Sockets that it makes stay in here wherever they are used.
    pub fn run<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name(format!("in {}", self.name));
            let handle = thread
                .spawn_scoped(scope, || self.doors.enter().map(|()| inside()))
                .attempt("start a thread")?;
            match handle.join() {
                Ok(result) => result.attempt(format!("enter {}", self.name)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Calls `inside` on the resident thread.
    pub(crate) fn resident<T: Send + 'static>(
        &self,
        inside: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = channel();
        let job = Box::new(move || drop(answer.send(inside())));
        let resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        resident.send(job).map_err(|_| resident_is_gone())?;
        answered.recv().map_err(|_| resident_is_gone())
    }

    /// A program to be run in here.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command<'_> {
        Command::new(self, program.as_ref())
    }

    /// Waits until something listens at `address`.
    pub fn wait_for_tcp(&self, address: SocketAddr, within: Duration) -> Result<()> {
        let what = format!("a listener at {address}, seen from {}", self.name);
        self.run(|| {
            until(within, &what, || TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
        })?
    }

    /// Echo requests to `address`.
    pub fn ping(&self, address: impl Into<IpAddr>) -> Ping<'_> {
        Ping::new(self, address.into())
    }

    /// A TCP server that sends back what it gets, until it is dropped.
    pub fn tcp_echo(&self, address: SocketAddr) -> Result<Echo> {
        Echo::start(self, address)
    }

    /// A TCP connection to an [`Echo`] with one message under way every `pace`.
    pub fn tcp_flow(&self, peer: SocketAddr, pace: Duration) -> Result<Flow> {
        Flow::start(self, peer, pace)
    }

    /// A socket for whole frames on an interface.
    pub fn frames(&self, interface: &str) -> Result<FrameSocket> {
        self.run(|| FrameSocket::open(interface))?
    }

    /// Everything that passes an interface from now on, both ways.
    pub fn capture(&self, interface: &str) -> Result<Capture> {
        self.run(|| Capture::begin(interface))?
    }
}

fn resident_is_gone() -> LabError {
    LabError::Unsupported("the thread that lived in a namespace has panicked".into())
}
