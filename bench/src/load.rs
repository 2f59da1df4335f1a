//! The load generator: so many clients, each with a connection of its own, each sending its next request when the last is answered.

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
    /// Latency of each request, ascending.
    pub latencies: Vec<Duration>,
}

impl Measured {
    /// The latency below which the share `q` (0 to 1) of the requests lies.
    pub fn quantile(&self, q: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * q).round() as usize).copied().unwrap_or_default()
    }
}

/// Sends `total` requests through `clients`; `request` makes the n-th. Every answer must be of status 2xx.
pub async fn run(
    clients: Vec<Client>,
    total: usize,
    request: impl Fn(usize) -> (Method, String, Bytes) + Send + Sync + 'static,
) -> Result<Measured> {
    let next = Arc::new(AtomicUsize::new(0));
    let request = Arc::new(request);
    let begun = Instant::now();
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(one_client(client, Arc::clone(&next), total, Arc::clone(&request))))
        .collect();
    let mut latencies = Vec::with_capacity(total);
    for task in tasks {
        latencies.extend(task.await??);
    }
    let rate = total as f64 / begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Ok(Measured { rate, latencies })
}

async fn one_client(
    mut client: Client,
    next: Arc<AtomicUsize>,
    total: usize,
    request: Arc<impl Fn(usize) -> (Method, String, Bytes)>,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= total {
            return Ok(latencies);
        }
        let (method, path, body) = request(n);
        let begun = Instant::now();
        let (status, _, answer) = client.send(method, &path, body).await?;
        latencies.push(begun.elapsed());
        ensure!(status.is_success(), "{path} answered {status}: {}", String::from_utf8_lossy(&answer));
    }
}
