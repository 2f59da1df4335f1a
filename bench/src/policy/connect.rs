//! One connection after the other: three packets to open it, a reset to end it.

use crate::cpu::{Processors, pin};
use crate::report::sorted;
use crate::traffic::Pair;
use anyhow::{Context, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

/// Opens and resets connections for `time`; microseconds until each was open, ascending. Resets leave no socket behind that would
/// keep its port for a minute.
pub fn repeatedly(pair: &Pair<'_>, cpus: Processors, time: Duration) -> Result<Vec<f64>> {
    let listener = pair.listen()?;
    let (peer, over) = (listener.local_addr()?, AtomicBool::new(false));
    scope(|scope| {
        let server = scope.spawn(|| accept(&listener, &over, cpus.far));
        let opened = pair.near.run(|| open(peer, time, cpus.near));
        over.store(true, Ordering::Release);
        // One more, so that the server looks.
        pair.near.run(|| TcpStream::connect(peer))??;
        let accepted = server.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let opened = opened??;
        // The server may hear of the end before it has counted the last one.
        ensure!(accepted + 1 >= opened.len(), "{} opened, {accepted} accepted", opened.len());
        Ok(sorted(opened))
    })
}

fn open(peer: SocketAddr, time: Duration, cpu: usize) -> Result<Vec<f64>> {
    pin(cpu)?;
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < time {
        let sent = Instant::now();
        let stream = TcpStream::connect(peer).context("open a connection")?;
        times.push(sent.elapsed().as_secs_f64() * 1e6);
        setsockopt(&stream, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 })?;
    }
    Ok(times)
}

fn accept(listener: &TcpListener, over: &AtomicBool, cpu: usize) -> Result<usize> {
    pin(cpu)?;
    let mut accepted = 0;
    loop {
        let stream = listener.accept()?;
        if over.load(Ordering::Acquire) {
            return Ok(accepted);
        }
        accepted += 1;
        drop(stream);
    }
}
