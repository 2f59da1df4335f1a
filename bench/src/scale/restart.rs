//! What breaks off and comes back: every stream at once, the server between changes, the server in the midst of them.

use super::cloud::{Cloud, id};
use super::fleet::{Fleet, name_of};
use crate::{cpu, memory};
use anyhow::{Result, ensure};
use hadron_tests::client::Client;
use serde_json::json;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Connections that send changes, and the pause of each between two: a hundred changes a second.
const WRITERS: usize = 4;
const EVERY: Duration = Duration::from_millis(40);
/// So long the server has to notice that streams are gone.
const QUIET: Duration = Duration::from_secs(2);

/// All nodes coming back at once.
pub struct Reconnected {
    /// Until the last one held everything again.
    pub last: Duration,
    /// Of the server's processors until then.
    pub used: Duration,
    /// MB, the most that the server held meanwhile.
    pub peak: f64,
}

/// Breaks every stream and has all nodes come back at once, with what they hold or with nothing.
pub async fn reconnect(cloud: &Cloud, fleet: &mut Fleet, with_nothing: bool) -> Result<Reconnected> {
    fleet.disconnect().await;
    if with_nothing {
        fleet.forget_all().await;
    }
    tokio::time::sleep(QUIET).await;
    let pid = cloud.server.pid();
    memory::reset_peak(pid)?;
    let before = cpu::of_process(pid)?;
    let begun = Instant::now();
    fleet.connect(fleet.len());
    let last = fleet.until_current(fleet.len()).await?.duration_since(begun);
    Ok(Reconnected { last, used: cpu::of_process(pid)? - before, peak: memory::peak(pid)? })
}

/// From the start of the server's process.
pub struct Started {
    /// Until it answered a request for a port.
    pub answers: Duration,
    /// Until a node that held nothing had its rows.
    pub node: Duration,
    /// MB, the most that it held until then.
    pub peak: f64,
}

/// Starts the server on its store, without nodes but one.
pub async fn cold(cloud: &mut Cloud, fleet: &mut Fleet) -> Result<Started> {
    fleet.disconnect().await;
    fleet.forget_all().await;
    cloud.server.kill();
    let begun = Instant::now();
    cloud.server.start_again()?;
    cloud.server.until_it_listens().await?;
    cloud.api().await?.get("/v2.0/ports?limit=1").await?;
    let answers = begun.elapsed();
    fleet.connect(1);
    let node = fleet.until_current(1).await?.duration_since(begun);
    Ok(Started { answers, node, peak: memory::peak(cloud.server.pid())? })
}

/// The server was killed and started in the midst of changes.
pub struct Restarted {
    /// Changes that were acknowledged in all, and those of them that are gone.
    pub acknowledged: usize,
    pub lost: usize,
    /// Requests that failed or were not answered.
    pub failed: usize,
    /// From the kill until it listened again.
    pub listens: Duration,
    /// From the kill until the last node held everything again.
    pub last: Duration,
    /// Nodes that at the end hold other rows than the server has for them.
    pub differing: usize,
}

/// Kills the server while ports are created, starts it again at once, and holds the end against what was acknowledged.
pub async fn among_changes(cloud: &mut Cloud, fleet: &mut Fleet, seconds: u64) -> Result<Restarted> {
    let writers = Writers::start(cloud)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    fleet.drain();
    let killed = Instant::now();
    cloud.server.kill();
    cloud.server.start_again()?;
    cloud.server.until_it_listens().await?;
    let listens = killed.elapsed();
    let last = fleet.until_current(fleet.len()).await?.duration_since(killed);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (acknowledged, failed) = writers.stop().await?;
    cloud.settle().await?;

    let mut api = cloud.api().await?;
    let all = api.get("/v2.0/ports?fields=id").await?;
    let all: HashSet<String> =
        all["ports"].as_array().into_iter().flatten().map(id).collect::<Result<_>>()?;
    let lost = acknowledged.iter().filter(|port| !all.contains(*port)).count();
    fleet.disconnect().await;
    let held = fleet.held().await;
    reconnect(cloud, fleet, true).await?;
    fleet.disconnect().await;
    let anew = fleet.held().await;
    let differing = held.iter().zip(&anew).filter(|(held, anew)| held != anew).count();
    ensure!(anew.iter().all(|keys| !keys.is_empty()), "a node holds nothing");
    Ok(Restarted { acknowledged: acknowledged.len(), lost, failed, listens, last, differing })
}

/// Who create ports of tenants, each on one of their nodes, without heed to whether the server is there.
struct Writers {
    tasks: Vec<JoinHandle<Vec<String>>>,
    stop: Arc<AtomicBool>,
    failed: Arc<AtomicUsize>,
}

/// A request and where it goes to.
struct Writer {
    address: SocketAddr,
    ca: Vec<u8>,
    token: String,
    bodies: Vec<serde_json::Value>,
}

impl Writers {
    fn start(cloud: &Cloud) -> Result<Self> {
        let (stop, failed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..WRITERS).map(|writer| {
            let bodies = (0..100).filter_map(|number| body(cloud, writer + WRITERS * number)).collect();
            let (address, ca) = (cloud.server.api(), cloud.server.ca()?);
            let writer = Writer { address, ca, token: cloud.token.clone(), bodies };
            Ok(tokio::spawn(writer.run(stop.clone(), failed.clone())))
        });
        Ok(Self { tasks: tasks.collect::<Result<_>>()?, stop, failed })
    }

    /// The ids of the ports whose creation was acknowledged, and how many were not.
    async fn stop(self) -> Result<(Vec<String>, usize)> {
        self.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = Vec::new();
        for task in self.tasks {
            acknowledged.extend(task.await?);
        }
        Ok((acknowledged, self.failed.load(Ordering::Relaxed)))
    }
}

fn body(cloud: &Cloud, number: usize) -> Option<serde_json::Value> {
    let (tenant, host) = cloud.tenant(number)?;
    Some(json!({"port": {"project_id": tenant.project, "network_id": tenant.network,
        "device_owner": "compute:nova", "binding:host_id": name_of(host)}}))
}

impl Writer {
    async fn run(self, stop: Arc<AtomicBool>, failed: Arc<AtomicUsize>) -> Vec<String> {
        let mut acknowledged = Vec::new();
        let mut client = None;
        let mut clock = tokio::time::interval(EVERY);
        let mut bodies = self.bodies.iter().cycle();
        while !stop.load(Ordering::Relaxed) {
            clock.tick().await;
            let Some(body) = bodies.next() else { break };
            if client.is_none() {
                client =
                    Client::connect(self.address, &self.ca).await.ok().map(|it| it.with_token(&self.token));
            }
            let Some(connected) = &mut client else { continue };
            match connected.post("/v2.0/ports", body.clone()).await.and_then(|answer| id(&answer["port"])) {
                Ok(port) => acknowledged.push(port),
                Err(_) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    client = None;
                }
            }
        }
        acknowledged
    }
}
