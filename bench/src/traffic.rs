//! Traffic between two namespaces, bounded in time, and what it shows of the path between them.
//!
//! The sender is pinned to one processor, the receiver to another. What a veth pair, a bridge, a BPF program or a tunnel does to a
//! packet happens in the sender's context, on its processor, up to the receiver's socket; so the sender's time is the path's cost.

use crate::cpu::{self, Meter, Processors, pin};
use crate::programs::RunTime;
use crate::report::{quantile, sorted};
use anyhow::{Context, Result, ensure};
use hadron_lab::Namespace;
use nix::sys::socket::{setsockopt, sockopt};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{ScopedJoinHandle, scope};
use std::time::{Duration, Instant};

/// Octets of a small packet's payload: with Ethernet, IPv4 and UDP the shortest frame, 60 octets.
const SMALL: usize = 18;
/// Octets that wait at the receiver at most: a tenth of a second of small packets as the kernel counts them.
const RECEIVE_BUFFER: usize = 128 << 20;
/// How long a TCP stream finds its pace before it is measured.
const WARM_UP: Duration = Duration::from_millis(100);
/// How long a connection may take, or a packet under way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Two namespaces with a path between them.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// Where the sender is.
    pub near: &'a Namespace,
    /// Where the receiver is.
    pub far: &'a Namespace,
    /// The receiver's address.
    pub address: IpAddr,
}

/// Small packets of one run.
#[derive(Clone, Copy, Debug)]
pub struct Sprayed {
    sent: u64,
    arrived: u64,
    /// What they cost the sender's processor.
    cost: Duration,
}

impl Sprayed {
    /// That arrived, per second of the sender's processor.
    pub fn rate(&self) -> f64 {
        self.arrived as f64 / self.cost.as_secs_f64()
    }

    /// Share of those that didn't arrive.
    fn lost(&self) -> f64 {
        1.0 - self.arrived as f64 / self.sent as f64
    }
}

/// What a path did in one round.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Octets of payload per second of one TCP stream.
    pub tcp_octets: f64,
    /// The same per second that sender and receiver ran, softirqs in their place included.
    pub tcp_octets_per_cpu: f64,
    /// Small packets that arrived per second of the sender's processor.
    pub packets: f64,
    /// Share of the small packets that didn't arrive.
    pub lost: f64,
    /// Nanoseconds that the packet path's programs ran for each of them.
    pub programs: f64,
    /// Round trip of one octet by TCP, microseconds, tenth percentile.
    pub trip_p10: f64,
    /// The same, median.
    pub trip_p50: f64,
}

impl Pair<'_> {
    /// Measures all three, each for `time`.
    pub fn sample(&self, time: Duration) -> Result<Sample> {
        let cpus = Processors::choose()?;
        let (tcp_octets, tcp_octets_per_cpu) = self.tcp_stream(cpus, time)?;
        let sprayed = self.small_packets(cpus, time)?;
        let (packets, lost) = (sprayed.rate(), sprayed.lost());
        let programs = self.programs_per_packet(cpus, time)?;
        let trips = self.round_trips(cpus, time)?;
        let (trip_p10, trip_p50) = (quantile(&trips, 0.1), quantile(&trips, 0.5));
        Ok(Sample { tcp_octets, tcp_octets_per_cpu, packets, lost, programs, trip_p10, trip_p50 })
    }

    /// Waits until the path carries packets.
    pub fn wait(&self) -> Result<()> {
        let listener = self.listen()?;
        Ok(self.near.wait_for_tcp(listener.local_addr()?, PATIENCE)?)
    }

    /// Listens at the far end.
    pub fn listen(&self) -> Result<TcpListener> {
        Ok(self.far.run(|| TcpListener::bind((self.address, 0)))??)
    }

    /// Octets per second, and per second that the two ends ran.
    pub fn tcp_stream(&self, cpus: Processors, time: Duration) -> Result<(f64, f64)> {
        let listener = self.listen()?;
        let peer = listener.local_addr()?;
        scope(|scope| {
            let sink = scope.spawn(|| sink(listener, cpus.far));
            let sender = self.near.run(|| source(peer, time + WARM_UP, cpus.near))??;
            let (rate, octets, receiver) = joined(sink)?;
            Ok((rate, octets as f64 / (sender + receiver).as_secs_f64()))
        })
    }

    /// Sends small packets.
    pub fn small_packets(&self, cpus: Processors, time: Duration) -> Result<Sprayed> {
        let receiver = self.far.run(|| UdpSocket::bind((self.address, 0)))??;
        setsockopt(&receiver, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
        receiver.set_nonblocking(true)?;
        let (peer, over) = (receiver.local_addr()?, AtomicBool::new(false));
        scope(|scope| {
            let drain = scope.spawn(|| drain(&receiver, &over, cpus.far));
            let sent = self.near.run(|| spray(peer, time, cpus.near));
            over.store(true, Ordering::Release);
            let ((sent, cost), arrived) = (sent??, joined(drain)?);
            ensure!(arrived > 0, "no packet arrived at {peer}");
            Ok(Sprayed { sent, arrived, cost })
        })
    }

    /// Nanoseconds that the packet path's programs run for a small packet.
    pub fn programs_per_packet(&self, cpus: Processors, time: Duration) -> Result<f64> {
        let run_time = RunTime::count()?;
        let sprayed = self.small_packets(cpus, time)?;
        Ok(run_time.nanoseconds()? as f64 / sprayed.sent as f64)
    }

    /// Microseconds, ascending.
    fn round_trips(&self, cpus: Processors, time: Duration) -> Result<Vec<f64>> {
        let listener = self.listen()?;
        let peer = listener.local_addr()?;
        scope(|scope| {
            let echo = scope.spawn(|| echo(listener, cpus.far));
            let trips = self.near.run(|| trips(peer, time, cpus.near))??;
            joined(echo)?;
            Ok(sorted(trips))
        })
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Reads a stream to its end; octets per second once it has warmed up, all octets, and how long the thread ran.
fn sink(listener: TcpListener, cpu: usize) -> Result<(f64, u64, Duration)> {
    pin(cpu)?;
    let mut stream = accept(&listener)?;
    let mut buffer = vec![0u8; 1 << 18];
    let (mut begun, mut octets, mut before) = (Instant::now(), 0u64, None);
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            n => octets += n as u64,
        }
        if before.is_none() && begun.elapsed() > WARM_UP {
            (begun, before) = (Instant::now(), Some(octets));
        }
    }
    let rate = (octets - before.unwrap_or(0)) as f64 / begun.elapsed().as_secs_f64();
    Ok((rate, octets, cpu::of_thread()?))
}

/// Sends by TCP; how long the thread ran.
fn source(peer: SocketAddr, time: Duration, cpu: usize) -> Result<Duration> {
    pin(cpu)?;
    let mut stream = TcpStream::connect_timeout(&peer, PATIENCE)?;
    let buffer = vec![0u8; 1 << 17];
    let begun = Instant::now();
    while begun.elapsed() < time {
        stream.write_all(&buffer)?;
    }
    cpu::of_thread()
}

/// Sends as fast as it can; how many, and what they cost.
fn spray(peer: SocketAddr, time: Duration, cpu: usize) -> Result<(u64, Duration)> {
    pin(cpu)?;
    let socket = UdpSocket::bind(unspecified(peer))?;
    socket.connect(peer)?;
    // The meter wants a thread that never sleeps.
    socket.set_nonblocking(true)?;
    let payload = [0u8; SMALL];
    let (begun, meter) = (Instant::now(), Meter::begin(cpu)?);
    let mut sent = 0u64;
    while begun.elapsed() < time {
        for _ in 0..64 {
            match socket.send(&payload) {
                Ok(_) => sent += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("send a small packet"),
            }
        }
    }
    Ok((sent, meter.end()?))
}

/// Counts what arrives until `over`. It looks once a millisecond, so that the sender needs not wake it for each packet: what that
/// costs depends on the machine's interrupts and not on the path.
#[allow(clippy::disallowed_methods, reason = "a pause is what is wanted, on a thread of its own")]
fn drain(socket: &UdpSocket, over: &AtomicBool, cpu: usize) -> Result<u64> {
    pin(cpu)?;
    let (mut buffer, mut arrived) = ([0u8; 64], 0);
    loop {
        let is_last = over.load(Ordering::Acquire);
        loop {
            match socket.recv(&mut buffer) {
                Ok(_) => arrived += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("receive a small packet"),
            }
        }
        if is_last {
            return Ok(arrived);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends back what comes, octet by octet.
fn echo(listener: TcpListener, cpu: usize) -> Result<()> {
    pin(cpu)?;
    let mut stream = accept(&listener)?;
    let mut octet = [0u8; 1];
    while stream.read(&mut octet)? == 1 {
        stream.write_all(&octet)?;
    }
    Ok(())
}

fn trips(peer: SocketAddr, time: Duration, cpu: usize) -> Result<Vec<f64>> {
    pin(cpu)?;
    let mut stream = TcpStream::connect_timeout(&peer, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut octet = [0u8; 1];
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < time {
        let sent = Instant::now();
        stream.write_all(&octet)?;
        stream.read_exact(&mut octet)?;
        times.push(sent.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times)
}

/// One connection, which must come soon.
fn accept(listener: &TcpListener) -> Result<TcpStream> {
    // For `accept`, too (socket(7)).
    setsockopt(listener, sockopt::ReceiveTimeout, &nix::sys::time::TimeVal::new(PATIENCE.as_secs() as _, 0))?;
    let (stream, _) = listener.accept().context("no connection came")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn unspecified(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
