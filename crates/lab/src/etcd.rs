//! An etcd of one member on loopback, for tests of what is kept in it: it can be killed, paused, compacted and restored.

use crate::error::Attempt;
use crate::marks;
use crate::warden::Warden;
use crate::{LabError, Process, Result, until};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How many ports there are to choose from.
const LISTENERS: u32 = 8192;

/// How long a start or a command may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// An etcd, gone with its data when this is dropped or the process ends. It needs no root and no namespace: its listeners are on
/// loopback, on ports of its own.
#[derive(Debug)]
pub struct Etcd {
    process: Option<Process>,
    options: Vec<String>,
    id: String,
    dir: PathBuf,
    client: SocketAddr,
    peer: SocketAddr,
    /// How many data directories there have been: a restored backup has a new one.
    lives: u32,
    _warden: Warden,
}

impl Etcd {
    /// Starts one with its data below `parent`, a directory on the disk that is meant.
    pub fn start_in(parent: &Path, options: &[&str]) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // No lab has such a name, whatever it is called: its end would take this along.
        let id = format!("_etcd-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = parent.join(format!("hadron-{id}"));
        std::fs::create_dir_all(&dir).attempt("make a directory")?;
        let warden = Warden::post(&id, &dir)?;
        let mut etcd = Self {
            process: None,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            id,
            dir,
            client: free_address()?,
            peer: free_address()?,
            lives: 0,
            _warden: warden,
        };
        etcd.run()?;
        Ok(etcd)
    }

    /// Starts one in the directory for temporary files.
    pub fn start() -> Result<Self> {
        Self::start_in(&std::env::temp_dir(), &[])
    }

    /// Its directory, where a test may put what goes with it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where clients reach it.
    pub fn address(&self) -> SocketAddr {
        self.client
    }

    /// Its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Its process, if it runs.
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Starts it again with its data after [`Etcd::kill`].
    pub fn run(&mut self) -> Result<()> {
        let is_tls = self.options.iter().any(|option| option.starts_with("--cert-file"));
        let scheme = if is_tls { "https" } else { "http" };
        let client = format!("{scheme}://{}", self.client);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log"));
        let log = log.attempt("open a log")?;
        let mut command = Command::new("etcd");
        command
            .args(["--name", "lab", "--logger", "zap", "--log-level", "warn"])
            .args(["--heartbeat-interval", "10", "--election-timeout", "100"])
            .arg("--data-dir")
            .arg(self.data())
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &self.peer_url(), "--initial-advertise-peer-urls", &self.peer_url()])
            .args(["--initial-cluster", &self.cluster()])
            .args(&self.options)
            .env(marks::LAB, &self.id)
            .stdin(Stdio::null())
            .stdout(log.try_clone().attempt("open a log")?)
            .stderr(log)
            .process_group(0);
        let child = command.spawn().map_err(|error| missing(&error))?;
        let process = Process::new(child, "etcd".to_owned(), self.dir.join("log"))?;
        let came = until(SOON, "etcd answers", || !process.is_running() || self.answers(is_tls));
        if !process.is_running() {
            return Err(LabError::Unsupported(format!("etcd ended at once:\n{}", self.log())));
        }
        came?;
        self.process = Some(process);
        Ok(())
    }

    /// Whether etcd itself is at its address, and not somebody who looks for a free one. By TLS, that anybody is.
    fn answers(&self, is_tls: bool) -> bool {
        let Ok(mut connection) = TcpStream::connect(self.client) else { return false };
        let mut answer = String::new();
        is_tls
            || connection.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
                && connection.write_all(b"GET /version HTTP/1.0\r\n\r\n").is_ok()
                && connection.read_to_string(&mut answer).is_ok()
                && answer.contains("etcdserver")
    }

    /// Ends it at once (`SIGKILL`).
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Stops it where it is.
    pub fn pause(&self) {
        if let Some(process) = &self.process {
            process.pause();
        }
    }

    /// Lets it go on.
    pub fn resume(&self) {
        if let Some(process) = &self.process {
            process.resume();
        }
    }

    /// Runs `etcdctl` with these arguments on it; what it printed.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String> {
        let endpoint = format!("http://{}", self.client);
        self.tool(&[&["--endpoints", &endpoint], arguments].concat())
    }

    fn tool(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("etcdctl").args(arguments).env("ETCDCTL_API", "3").output();
        let output = output.map_err(|error| missing(&error))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            return Err(LabError::Failed {
                command: format!("etcdctl {}", arguments.join(" ")),
                namespace: "the machine".to_owned(),
                status: output.status,
                stderr: text(&output.stderr),
            });
        }
        Ok(text(&output.stdout))
    }

    /// Its revision.
    pub fn revision(&self) -> Result<u64> {
        let status = self.ctl(&["endpoint", "status", "--write-out", "json"])?;
        let revision = serde_json::from_str::<serde_json::Value>(&status).ok();
        let revision = revision.and_then(|status| status[0]["Status"]["header"]["revision"].as_u64());
        revision.ok_or(LabError::Unintelligible { what: "etcdctl endpoint status", text: status })
    }

    /// Forgets what was before its newest revision.
    pub fn compact(&self) -> Result<()> {
        self.ctl(&["compaction", "--physical", &self.revision()?.to_string()]).map(drop)
    }

    /// Writes a backup into `file`.
    pub fn snapshot(&self, file: &Path) -> Result<()> {
        self.ctl(&["snapshot", "save", &file.to_string_lossy()]).map(drop)
    }

    /// Ends it and starts it again with what the backup in `file` holds, as a cluster of the name `token`. The name of the first
    /// cluster is `etcd-cluster`.
    pub fn restore(&mut self, file: &Path, token: &str) -> Result<()> {
        self.kill();
        self.lives += 1;
        let data = self.data();
        self.tool(&[
            "snapshot",
            "restore",
            &file.to_string_lossy(),
            "--name",
            "lab",
            "--data-dir",
            &data.to_string_lossy(),
            "--initial-cluster",
            &self.cluster(),
            "--initial-cluster-token",
            token,
            "--initial-advertise-peer-urls",
            &self.peer_url(),
        ])?;
        self.run()
    }

    fn data(&self) -> PathBuf {
        self.dir.join(format!("data-{}", self.lives))
    }

    fn peer_url(&self) -> String {
        format!("http://{}", self.peer)
    }

    fn cluster(&self) -> String {
        format!("lab={}", self.peer_url())
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let is_running = self.process.as_ref().map(Process::is_running);
            eprintln!("etcd at {} (runs: {is_running:?}) said:\n{}", self.client, self.log());
        }
        self.kill();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn missing(error: &std::io::Error) -> LabError {
    LabError::Unsupported(format!("etcd can't be run ({error}); `cargo xtask setup` installs it"))
}

/// An address of loopback that nobody listens at. Its port is below those that the kernel gives out by itself: one of those could
/// become another socket's before etcd listens, or while it is away.
fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let first = range.ok().and_then(|range| range.split_whitespace().next()?.parse::<u32>().ok());
    let end = first.filter(|first| *first > 2 * LISTENERS).unwrap_or(32_768);
    let begin = end - LISTENERS;
    // Processes that look at the same time begin at different places.
    let own = std::process::id().wrapping_mul(61);
    let port = (0..LISTENERS).find_map(|_| {
        let turn = own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, (begin + turn % LISTENERS) as u16));
        TcpListener::bind(address).is_ok().then_some(address)
    });
    port.ok_or_else(|| LabError::Unsupported(format!("no port of loopback is free from {begin} to {end}")))
}
