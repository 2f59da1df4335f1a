//! TCP connections that are watched for gaps.

use crate::deadline::nap;
use crate::error::Attempt;
use crate::{LabError, Namespace, Result};
use nix::sys::socket::{Shutdown, shutdown};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// After this long without an answer a connection counts as broken.
const PATIENCE: Duration = Duration::from_secs(30);
const MESSAGE: usize = 8;

/// A TCP server that sends back what it gets. Dropped, it closes its connections.
#[derive(Debug)]
pub struct Echo {
    address: SocketAddr,
    listener: TcpListener,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    pub(crate) fn start(namespace: &Namespace, address: SocketAddr) -> Result<Self> {
        let listener =
            namespace.run(|| TcpListener::bind(address))?.attempt(format!("listen at {address}"))?;
        let accepting = listener.try_clone().attempt("duplicate a socket")?;
        let connections = Arc::new(Mutex::new(Vec::new()));
        let open = Arc::clone(&connections);
        let accept = move || {
            while let Ok((stream, _)) = accepting.accept() {
                let Ok(handle) = stream.try_clone() else { return };
                open.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
                std::thread::spawn(move || echo(stream));
            }
        };
        let address = listener.local_addr().attempt("ask for a socket's address")?;
        let thread =
            std::thread::Builder::new().name("echo".into()).spawn(accept).attempt("start a thread")?;
        Ok(Self { address, listener, connections, thread: Some(thread) })
    }

    /// Where it listens; with a port even if none was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn echo(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // Wakes the thread that accepts.
        let _ = shutdown(self.listener.as_raw_fd(), Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for connection in self.connections.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// A TCP connection to an [`Echo`] that sends a numbered message, awaits it, pauses and sends the next.
#[derive(Debug)]
pub struct Flow {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<FlowReport>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_stopped: AtomicBool,
    messages: AtomicU64,
}

/// What a [`Flow`] went through.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowReport {
    /// Messages that came back.
    pub messages: u64,
    /// Segments that its kernel sent again (`tcpi_total_retrans`): each stands for a lost packet, or a late one.
    pub retransmits: u32,
    /// The longest time from one message that came back to the next.
    pub longest_gap: Duration,
    /// Why it ended early.
    pub error: Option<String>,
}

impl Flow {
    pub(crate) fn start(namespace: &Namespace, peer: SocketAddr, pace: Duration) -> Result<Self> {
        let connect = || TcpStream::connect_timeout(&peer, Duration::from_secs(10));
        let doing = format!("connect to {peer} from {}", namespace.name());
        let stream = namespace.run(connect)?.attempt(doing)?;
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
            .attempt("set a socket's options")?;
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("flow".into())
            .spawn(move || exchange(stream, pace, &told))
            .attempt("start a thread")?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Messages that came back so far.
    pub fn messages(&self) -> u64 {
        self.shared.messages.load(Ordering::Relaxed)
    }

    /// Waits for `count` more messages to come back.
    pub fn wait_for_messages(&self, count: u64, within: Duration) -> Result<()> {
        let wanted = self.messages() + count;
        crate::until(within, &format!("{count} more messages by TCP"), || self.messages() >= wanted)
    }

    /// Ends it, and reports.
    pub fn stop(mut self) -> Result<FlowReport> {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        let thread = self.thread.take().map(JoinHandle::join);
        match thread {
            Some(Ok(report)) => Ok(report),
            _ => Err(LabError::Unsupported("the thread of a TCP connection has panicked".into())),
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
    }
}

fn exchange(mut stream: TcpStream, pace: Duration, shared: &Shared) -> FlowReport {
    let mut report = FlowReport { messages: 0, retransmits: 0, longest_gap: Duration::ZERO, error: None };
    let mut last = Instant::now();
    while !shared.is_stopped.load(Ordering::Relaxed) {
        if let Err(error) = one_message(&mut stream, report.messages) {
            report.error = Some(error.to_string());
            break;
        }
        report.messages += 1;
        shared.messages.store(report.messages, Ordering::Relaxed);
        report.longest_gap = report.longest_gap.max(last.elapsed());
        last = Instant::now();
        nap(pace);
    }
    report.retransmits = retransmits(&stream);
    report
}

fn one_message(stream: &mut TcpStream, number: u64) -> std::io::Result<()> {
    let sent: [u8; MESSAGE] = number.to_be_bytes();
    let mut received = [0; MESSAGE];
    stream.write_all(&sent)?;
    stream.read_exact(&mut received)?;
    if sent != received {
        return Err(std::io::Error::other(format!("sent {sent:?}, got {received:?} back")));
    }
    Ok(())
}

/// `tcpi_total_retrans`, 0 if the kernel does not say.
#[allow(unsafe_code, reason = "the option has no safe form")]
fn retransmits(stream: &TcpStream) -> u32 {
    // SAFETY: `tcp_info` is a struct of integers, for which all zeroes is a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` octets to `info`, which has that many and outlives the call.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if result == 0 { info.tcpi_total_retrans } else { 0 }
}
