//! Whether somebody gets in: attempts at TCP, UDP and ping, each with what came of it.

use crate::cloud::PATIENCE;
use crate::guest::Guest;
use anyhow::{Context, Result, anyhow, bail, ensure};
use hadron_lab::{Flow, Instance, until};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an attempt waits for an answer.
const WAIT: Duration = Duration::from_millis(1000);
/// How long a transfer must be silent to count as ended: longer than TCP waits before it sends again at first.
const SILENCE: Duration = Duration::from_millis(700);
/// How often a count is looked at.
const LOOK: Duration = Duration::from_millis(1);
/// More than any window at first.
const BULK: usize = 256 * 1024;
/// Attempts at UDP, of which any may be answered.
const ATTEMPTS: usize = 3;

/// What came of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was answered.
    Open,
    /// Somebody said that nobody listens: the packet got there and the refusal back.
    Refused,
    /// Nothing came back.
    Silent,
}

/// Sends 256 KiB by TCP to `by`, where `to` listens at `at`, and counts them where they come.
pub fn transfer(from: &Instance, to: &Instance, at: SocketAddr, by: SocketAddr) -> Result<()> {
    let listener = to.run(|| TcpListener::bind(at))??;
    let mut client = from.run(|| TcpStream::connect_timeout(&by, PATIENCE))?.context("connect")?;
    client.set_write_timeout(Some(PATIENCE))?;
    let (mut server, _) = listener.accept()?;
    server.set_read_timeout(Some(PATIENCE))?;
    let received = std::thread::scope(|scope| {
        let count = scope.spawn(move || -> Result<usize> {
            let mut all = Vec::new();
            server.read_to_end(&mut all)?;
            Ok(all.len())
        });
        client.write_all(&[7; BULK])?;
        drop(client);
        count.join().map_err(|_| anyhow!("the reader has panicked"))?
    })?;
    ensure!(received == BULK, "{received} of {BULK} octets came");
    Ok(())
}

/// Tries to connect by TCP from an instance.
pub fn connect(from: &Instance, to: SocketAddr) -> Result<Outcome> {
    let attempt = from.run(|| TcpStream::connect_timeout(&to, WAIT))?;
    outcome(attempt.map(drop).map_err(|error| error.kind()), to)
}

/// Sends datagrams of `size` octets from an instance until one comes back.
pub fn ask(from: &Instance, to: SocketAddr, size: usize) -> Result<Outcome> {
    let attempt = from.run(|| {
        let socket = UdpSocket::bind(any(to, 0))?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(WAIT / ATTEMPTS as u32))?;
        let (sent, mut received) = (vec![7; size], vec![0; size + 1]);
        for _ in 0..ATTEMPTS {
            socket.send(&sent)?;
            match socket.recv(&mut received) {
                Ok(length) if length == size => return Ok(()),
                Ok(_) => return Err(ErrorKind::InvalidData.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Told of a smaller MTU on the way, the kernel cuts the next one to it.
                Err(error) if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => {}
                Err(error) => return Err(error),
            }
        }
        Err(std::io::Error::from(ErrorKind::TimedOut))
    })?;
    outcome(attempt.map_err(|error| error.kind()), to)
}

/// Whether a ping is answered, soon.
pub fn is_answered(from: &Instance, address: IpAddr) -> bool {
    let ping = from.ping(address).count(1).timeout(Duration::from_millis(200));
    ping.run().is_ok_and(|report| report.received == 1)
}

/// Waits until connections from an instance get in, or don't, as `is_open` says.
pub fn wait_for_door(from: &Instance, to: SocketAddr, is_open: bool) -> Result<()> {
    let what = format!("{to} is {}", if is_open { "open" } else { "closed" });
    let is_so = || connect(from, to).is_ok_and(|outcome| (outcome == Outcome::Open) == is_open);
    Ok(until(PATIENCE, &what, is_so)?)
}

impl Guest {
    /// Tries to connect by TCP.
    pub fn connects(&self, to: SocketAddr) -> Result<Outcome> {
        connect(&self.instance, to)
    }

    /// Sends datagrams of `size` octets until one comes back.
    pub fn asks(&self, to: SocketAddr, size: usize) -> Result<Outcome> {
        ask(&self.instance, to, size)
    }

    /// Waits until a connection is open or closed to it, as `is_open` says.
    pub fn waits_for_door(&self, to: SocketAddr, is_open: bool) -> Result<()> {
        wait_for_door(&self.instance, to, is_open)
    }

    /// Answers each datagram at a port with itself, at every address of the guest.
    pub fn udp_echo(&self, port: u16) -> Result<UdpEcho> {
        let sockets = self.instance.run(|| {
            let any = [
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
            ];
            UdpSocket::bind(any[1]).or_else(|_| UdpSocket::bind(any[0]))
        })??;
        UdpEcho::start(sockets)
    }

    /// The guest's address of a family with a port.
    pub fn at(&self, ipv6: bool, port: u16) -> Result<SocketAddr> {
        Ok(SocketAddr::new(self.port.address(ipv6)?, port))
    }
}

/// How a running transfer ended.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// How long the call took that was to end it.
    pub call: Duration,
    /// When the last message came back, from the call's beginning.
    pub last: Duration,
}

/// Does what is to end a running transfer, and waits until nothing comes back any more.
pub fn ends(flow: &Flow, call: impl FnOnce() -> Result<()>) -> Result<Ending> {
    stops(|| flow.messages(), call)
}

/// Does what is to make a count stand still that rises, and waits until it does.
#[allow(clippy::disallowed_methods, reason = "that nothing happens is no event to wait for")]
pub fn stops(count: impl Fn() -> u64 + Sync, call: impl FnOnce() -> Result<()>) -> Result<Ending> {
    let begun = Instant::now();
    let returned = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut last, mut known) = (Instant::now(), count());
            while begun.elapsed() < PATIENCE + PATIENCE {
                std::thread::sleep(LOOK);
                let now = count();
                if now != known {
                    (last, known) = (Instant::now(), now);
                } else if returned.load(Ordering::Relaxed) && last.elapsed() > SILENCE {
                    return Ok(last.duration_since(begun));
                }
            }
            bail!("it goes on: {known} by now");
        });
        let done = call();
        let took = begun.elapsed();
        returned.store(true, Ordering::Relaxed);
        let last = watch.join().map_err(|_| anyhow!("the watcher has panicked"))?;
        done?;
        Ok(Ending { call: took, last: last? })
    })
}

/// A transfer that goes on.
pub fn goes_on(flow: &Flow) -> Result<()> {
    Ok(flow.wait_for_messages(50, PATIENCE)?)
}

fn outcome(result: Result<(), ErrorKind>, to: SocketAddr) -> Result<Outcome> {
    match result {
        Ok(()) => Ok(Outcome::Open),
        Err(ErrorKind::ConnectionRefused) => Ok(Outcome::Refused),
        Err(ErrorKind::TimedOut | ErrorKind::WouldBlock) => Ok(Outcome::Silent),
        Err(other) => bail!("an attempt at {to} failed: {other}"),
    }
}

fn any(of: SocketAddr, port: u16) -> SocketAddr {
    match of.ip() {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, port).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
    }
}

/// A thread that answers datagrams, until it is dropped.
pub struct UdpEcho {
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl UdpEcho {
    /// Answers by a socket.
    pub fn start(socket: UdpSocket) -> Result<Self> {
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_stopped);
        let answer = move || {
            let mut buffer = vec![0; 65536];
            while !told.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(&buffer[..length], from);
                }
            }
        };
        let thread = std::thread::Builder::new().name("udp-echo".into()).spawn(answer)?;
        Ok(Self { is_stopped, thread: Some(thread) })
    }
}

impl Drop for UdpEcho {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Requires what came of an attempt.
pub fn expect(what: &str, is: Outcome, wanted: Outcome) -> Result<()> {
    ensure!(is == wanted, "{what}: {is:?} instead of {wanted:?}");
    Ok(())
}
