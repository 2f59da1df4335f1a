//! The load generator: so many clients, each with a connection of its own, each sending its next request when the last is answered.

use crate::report::{quantile, sorted};
use anyhow::{Result, ensure};
use bytes::Bytes;
use hadron_tests::client::Client;
use hyper::Method;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What one run measured.
pub struct Measured {
    /// Requests answered per second.
    pub rate: f64,
    /// Milliseconds until each answer, ascending.
    pub latencies: Vec<f64>,
}

impl Measured {
    /// The latency below which the share `q` (0 to 1) of the requests lies, milliseconds.
    pub fn quantile(&self, q: f64) -> f64 {
        quantile(&self.latencies, q)
    }
}

/// When a run ends: at so many requests or after so long, whichever is first.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Requests at most.
    pub requests: usize,
    /// Time at most.
    pub time: Duration,
}

/// Sends requests through `clients`; `request` makes the n-th. Every answer must be of status 2xx.
pub async fn run(
    clients: Vec<Client>,
    bounds: Bounds,
    request: impl Fn(usize) -> (Method, String, Bytes) + Send + Sync + 'static,
) -> Result<Measured> {
    let next = Arc::new(AtomicUsize::new(0));
    let request = Arc::new(request);
    let begun = Instant::now();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(one_client(client, Arc::clone(&next), bounds, Arc::clone(&request))))
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let rate = latencies.len() as f64 / begun.elapsed().as_secs_f64();
    Ok(Measured { rate, latencies: sorted(latencies) })
}

async fn one_client(
    mut client: Client,
    next: Arc<AtomicUsize>,
    bounds: Bounds,
    request: Arc<impl Fn(usize) -> (Method, String, Bytes)>,
) -> Result<Vec<f64>> {
    let mut latencies = Vec::new();
    let end = Instant::now() + bounds.time;
    while Instant::now() < end {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= bounds.requests {
            break;
        }
        let (method, path, body) = request(n);
        let begun = Instant::now();
        let (status, _, answer) = client.send(method, &path, body).await?;
        latencies.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(status.is_success(), "{path} answered {status}: {}", String::from_utf8_lossy(&answer));
    }
    Ok(latencies)
}
