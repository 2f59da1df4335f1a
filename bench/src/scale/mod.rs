//! A thousand nodes and a hundred thousand ports against one server: what a change takes until the last node that it concerns holds
//! it, what it costs while the cloud grows, what the server holds in memory, and how it comes back.
//!
//! The server is a process of the same build with its store on disk. The nodes speak the real protocol over TLS, in the process of the
//! bench, on the same processors: their part of the work is in every time that is measured, not in what the server uses.

mod changes;
mod cloud;
mod fleet;
mod node;
mod restart;
mod size;

use crate::report::{Better, Cell, Figure, Report, Table, quantile};
use crate::{cpu, memory};
use anyhow::Result;
use changes::{Kind, Measured};
use cloud::Cloud;
use fleet::Fleet;
use restart::{Reconnected, Restarted, Started};
use size::Size;
use std::time::{Duration, Instant};

/// How long it is looked at what a server uses that has nothing to do.
const IDLE: Duration = Duration::from_secs(10);

/// The cloud at one of its sizes.
struct Stage {
    ports: usize,
    /// Ports per second that were created since the size before.
    rate: f64,
    resident: f64,
    /// The most since the size before.
    peak: f64,
    /// Milliseconds of a processor per second, with every node connected.
    idle: f64,
    store: f64,
    changes: Vec<Measured>,
}

/// Runs the benchmark and reports.
pub fn run() -> Result<()> {
    let size = Size::from_environment()?;
    let mut report = Report::new("scale")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut cloud = Cloud::start(size.nodes).await?;
        let mut fleet = Fleet::join(&cloud.server, size.nodes).await?;
        fleet.connect(fleet.len());
        fleet.until_current(fleet.len()).await?;
        let mut stages = Vec::new();
        for ports in &size.ports {
            stages.push(stage(&mut cloud, &mut fleet, *ports, size.rounds).await?);
        }
        report.table(&growth(&stages));
        report.table(&times(&stages));
        let with_rows = restart::reconnect(&cloud, &mut fleet, false).await?;
        cloud.settle().await?;
        let with_nothing = restart::reconnect(&cloud, &mut fleet, true).await?;
        cloud.settle().await?;
        let restarted = restart::among_changes(&mut cloud, &mut fleet, size.seconds).await?;
        let started = restart::cold(&mut cloud, &mut fleet).await?;
        report.table(&breaks(&cloud, &with_rows, &with_nothing, &started, &restarted));
        goals(&mut report, &stages, &started);
        fleet.disconnect().await;
        report.write()
    })
}

async fn stage(cloud: &mut Cloud, fleet: &mut Fleet, ports: usize, rounds: usize) -> Result<Stage> {
    let pid = cloud.server.pid();
    memory::reset_peak(pid)?;
    let (begun, before) = (Instant::now(), cloud.ports);
    cloud.grow(ports).await?;
    let rate = (cloud.ports - before) as f64 / begun.elapsed().as_secs_f64();
    cloud.settle().await?;
    let (resident, peak) = (memory::resident(pid)?, memory::peak(pid)?);
    let used = cpu::of_process(pid)?;
    tokio::time::sleep(IDLE).await;
    let idle = (cpu::of_process(pid)? - used).as_secs_f64() * 1e3 / IDLE.as_secs_f64();
    let store = std::fs::metadata(cloud.server.directory.path().join("store.redb"))?.len() as f64 / 1e6;
    let mut changes = Vec::new();
    for kind in Kind::ALL {
        changes.push(changes::measure(cloud, fleet, kind, rounds).await?);
    }
    Ok(Stage { ports: cloud.ports, rate, resident, peak, idle, store, changes })
}

fn goals(report: &mut Report, stages: &[Stage], started: &Started) {
    let (Some(small), Some(large)) = (stages.first(), stages.last()) else { return };
    for (first, last) in small.changes.iter().zip(&large.changes) {
        let what = format!("{}, held by the last, p99", last.kind.name());
        report.goal(what, "ms", quantile(&last.held, 0.99), 200.0, Better::Less);
        report.figure(Figure {
            what: format!("{}, server's processor", last.kind.name()),
            unit: "µs",
            value: last.cost.as_secs_f64() * 1e6,
            beside: format!("{} ports", small.ports),
            other: first.cost.as_secs_f64() * 1e6,
            better: Better::Less,
        });
    }
    report.goal(format!("server with {} ports", large.ports), "MB", large.resident, 2000.0, Better::Less);
    report.goal("start until a node has its rows", "s", started.node.as_secs_f64(), 5.0, Better::Less);
}

fn growth(stages: &[Stage]) -> Table {
    let head = [
        "ports",
        "created per second",
        "server MB resident",
        "its peak MB",
        "its store MB",
        "idle, ms of a processor per second",
    ];
    let mut table = Table::new(
        "A server with its nodes connected; created by POSTs of 100 to 250 ports, one at a time:",
        head,
    );
    for stage in stages {
        table.row(vec![
            Cell::Number(stage.ports as f64, 0),
            Cell::Number(stage.rate, 0),
            Cell::Number(stage.resident, 0),
            Cell::Number(stage.peak, 0),
            Cell::Number(stage.store, 0),
            Cell::Number(stage.idle, 1),
        ]);
    }
    table
}

fn times(stages: &[Stage]) -> Table {
    let head = [
        "change",
        "nodes",
        "ports",
        "changes",
        "answered p50",
        "held by the last p50",
        "p99",
        "goal p99",
        "server µs per change",
    ];
    let mut table =
        Table::new("From the call until the last node that needs it holds it, milliseconds:", head);
    for kind in Kind::ALL {
        for stage in stages {
            for measured in stage.changes.iter().filter(|measured| measured.kind == kind) {
                table.row(vec![
                    kind.name().into(),
                    Cell::Number(measured.nodes as f64, 0),
                    Cell::Number(stage.ports as f64, 0),
                    Cell::Number(measured.held.len() as f64, 0),
                    Cell::Number(quantile(&measured.answered, 0.5), 2),
                    Cell::Number(quantile(&measured.held, 0.5), 1),
                    Cell::Number(quantile(&measured.held, 0.99), 1),
                    "200".into(),
                    Cell::Number(measured.cost.as_secs_f64() * 1e6, 0),
                ]);
            }
        }
    }
    table
}

fn breaks(
    cloud: &Cloud,
    with_rows: &Reconnected,
    with_nothing: &Reconnected,
    started: &Started,
    restarted: &Restarted,
) -> Table {
    let title = format!("{} nodes, {} ports:", cloud.nodes, cloud.ports);
    let mut table = Table::new(title, ["what", "measured", "goal"]);
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    let reconnected = |it: &Reconnected| {
        format!("{}; server {} of a processor, peak {:.0} MB", seconds(it.last), seconds(it.used), it.peak)
    };
    let mut row = |what: &str, measured: String, goal: &str| {
        table.row(vec![what.into(), Cell::Text(measured), goal.into()]);
    };
    row(
        "all nodes come back at once with what they hold, until the last has everything",
        reconnected(with_rows),
        "–",
    );
    row("the same with nothing", reconnected(with_nothing), "–");
    row("server's start until it answers a request", seconds(started.answers), "5 s");
    row("until the first node has its rows", seconds(started.node), "5 s");
    row("most memory until then", format!("{:.0} MB", started.peak), "2,000 MB");
    row(
        "killed among 100 changes a second and started again: until it listens",
        seconds(restarted.listens),
        "5 s",
    );
    row("until the last node has everything again", seconds(restarted.last), "–");
    let acknowledged = format!(
        "{} of {}; {} requests failed or were not answered",
        restarted.lost, restarted.acknowledged, restarted.failed
    );
    row("acknowledged changes that are lost", acknowledged, "0");
    row("nodes that hold other rows than the server has for them", restarted.differing.to_string(), "0");
    table
}
