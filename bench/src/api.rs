//! Ports created and read per second, every write on disk before its answer, beside the figures of the real service and beside
//! what disk and HTTP allow at best.

use crate::cpu;
use crate::load::{self, Bounds, Measured};
use crate::report::{Better, Cell, Figure, Report, Spread, Table, quantile, sorted};
use anyhow::{Context, Result};
use bytes::Bytes;
use hadron_lab::Etcd;
use hadron_tests::client::Client;
use hadron_tests::process::{Server, hadron};
use hyper::Method;
use serde_json::{Value, json};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
const CREATE: Bounds = Bounds { requests: 8000, time: Duration::from_secs(6) };
const READ: Bounds = Bounds { requests: 20_000, time: Duration::from_secs(3) };
const BULK: usize = 1000;
const PAGE: usize = 4096;

/// Clients, and ports per second that Neutron 29.0.0 creates with as many on a host of the same size (2 API workers, MariaDB with
/// flush at commit): its own figures, measured on another day.
const NEUTRON: [(usize, f64); 3] = [(1, 5.3), (8, 10.7), (32, 11.3)];

/// In a table of all benches.
const NEUTRONS: &str = "Neutron, another day";

/// Runs the benchmark on the embedded store and reports.
pub fn run() -> Result<()> {
    report("api", Subject::start)
}

/// The same on an etcd of one member, on the same disk.
pub fn run_on_etcd() -> Result<()> {
    report("api-etcd", Subject::start_on_etcd)
}

fn report<F: Future<Output = Result<Subject>>>(name: &'static str, start: impl FnOnce() -> F) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut report = Report::new(name)?;
        let subject = start().await?;
        creation(&subject, &mut report).await?;
        reads(&subject, &mut report).await?;
        report.table(&limits(&subject).await?);
        report.write()
    })
}

/// A server with one administrator's token.
struct Subject {
    server: Server,
    token: String,
    _etcd: Option<Etcd>,
}

impl Subject {
    async fn start() -> Result<Self> {
        let server = Server::start().await?;
        let token = server.admin_token().await?;
        Ok(Self { server, token, _etcd: None })
    }

    async fn start_on_etcd() -> Result<Self> {
        let program = hadron()?;
        let disk = program.parent().context("no directory")?;
        let etcd = Etcd::start_in(disk, &["--heartbeat-interval", "100", "--election-timeout", "1000"])?;
        let store = format!("--store=etcd://{}", etcd.address());
        let options = [&store, "--quota-network=-1", "--quota-subnet=-1", "--quota-port=-1"];
        let server = Server::start_with(&options).await?;
        let token = server.admin_token().await?;
        Ok(Self { server, token, _etcd: Some(etcd) })
    }

    async fn client(&self) -> Result<Client> {
        Ok(self.server.network_api().await?.with_token(&self.token))
    }

    async fn clients(&self, count: usize) -> Result<Vec<Client>> {
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(self.client().await?);
        }
        Ok(clients)
    }

    /// A network with room for all ports of a round.
    async fn network(&self) -> Result<String> {
        let mut client = self.client().await?;
        let network = client.post("/v2.0/networks", json!({"network": {"name": "bench"}})).await?;
        let id = network["network"]["id"].as_str().context("no id")?.to_owned();
        let subnet = json!({"subnet": {"network_id": id, "ip_version": 4, "cidr": "10.0.0.0/16"}});
        client.post("/v2.0/subnets", subnet).await?;
        Ok(id)
    }

    async fn create_ports(&self, clients: usize, bounds: Bounds) -> Result<Measured> {
        let network = self.network().await?;
        load::run(self.clients(clients).await?, bounds, move |n| {
            let body = json!({"port": {"network_id": network, "name": format!("port-{n}")}});
            (Method::POST, "/v2.0/ports".to_owned(), Bytes::from(body.to_string()))
        })
        .await
    }

    async fn get(&self, clients: usize, path: &str) -> Result<Measured> {
        let path = path.to_owned();
        let request = move |_| (Method::GET, path.clone(), Bytes::new());
        load::run(self.clients(clients).await?, READ, request).await
    }
}

/// What all rounds with so many clients showed.
#[derive(Default)]
struct Created {
    rates: Vec<f64>,
    latencies: Vec<f64>,
    server: Duration,
    generator: Duration,
}

impl Created {
    async fn round(&mut self, subject: &Subject, clients: usize) -> Result<()> {
        let cost = || -> Result<_> {
            Ok((cpu::of_process(subject.server.pid())?, cpu::of_process(std::process::id())?))
        };
        let before = cost()?;
        let measured = subject.create_ports(clients, CREATE).await?;
        let after = cost()?;
        self.rates.push(measured.rate);
        self.latencies.extend(measured.latencies);
        self.server += after.0 - before.0;
        self.generator += after.1 - before.1;
        Ok(())
    }
}

async fn creation(subject: &Subject, report: &mut Report) -> Result<()> {
    let warm_up = Bounds { requests: 500, ..CREATE };
    subject.create_ports(8, warm_up).await?;
    let mut all = NEUTRON.map(|_| Created::default());
    for _ in 0..ROUNDS {
        for (created, (clients, _)) in all.iter_mut().zip(NEUTRON) {
            created.round(subject, clients).await?;
        }
    }
    let mut table = Table::new(
        format!(
            "Ports created, one POST each, {ROUNDS} rounds, each on a network of its own; rates median (least–greatest):"
        ),
        [
            "clients",
            "ports/s",
            "p50 ms",
            "p99 ms",
            "server CPU µs a port",
            "generator CPU µs a port",
            "Neutron ports/s",
            "ratio",
        ],
    );
    for (created, (clients, neutron)) in all.into_iter().zip(NEUTRON) {
        let rate = Spread::of(&created.rates);
        let latencies = sorted(created.latencies);
        let each = |cost: Duration| Cell::Number(cost.as_secs_f64() * 1e6 / latencies.len() as f64, 0);
        table.row(vec![
            Cell::Number(clients as f64, 0),
            Cell::Spread(rate, 0),
            Cell::Number(quantile(&latencies, 0.5), 2),
            Cell::Number(quantile(&latencies, 0.99), 2),
            each(created.server),
            each(created.generator),
            Cell::Number(neutron, 1),
            Cell::Number(rate.median / neutron, 0),
        ]);
        report.figure(Figure {
            what: format!("ports created, {clients} at a time"),
            unit: "/s",
            value: rate.median,
            beside: NEUTRONS.to_owned(),
            other: neutron,
            better: Better::More,
        });
    }
    report.table(&table);
    Ok(())
}

/// Neutron's figures: a list of 1,000 ports takes 818 ms at the median, one of 5,000 ports 7.07 s; a read of one port 16.4 ms, with 8 clients 119 a second;
/// 1,000 ports in one POST 143 s.
async fn reads(subject: &Subject, report: &mut Report) -> Result<()> {
    let mut client = subject.client().await?;
    let network = subject.network().await?;
    let ports: Vec<Value> =
        (0..BULK).map(|n| json!({"network_id": network, "name": format!("bulk-{n}")})).collect();
    let begun = Instant::now();
    client.post("/v2.0/ports", json!({"ports": ports})).await?;
    let bulk = begun.elapsed().as_secs_f64() * 1e3;
    let list = format!("/v2.0/ports?network_id={network}");
    let listed = client.get(&list).await?;
    let count = listed["ports"].as_array().map_or(0, Vec::len);
    let one = format!("/v2.0/ports/{}", listed["ports"][0]["id"].as_str().context("no port listed")?);

    let many = subject.network().await?;
    for _ in 0..5 {
        let ports: Vec<Value> =
            (0..BULK).map(|n| json!({"network_id": many, "name": format!("many-{n}")})).collect();
        client.post("/v2.0/ports", json!({"ports": ports})).await?;
    }
    let long = format!("/v2.0/ports?network_id={many}");
    let long_count = client.get(&long).await?["ports"].as_array().map_or(0, Vec::len);

    let mut table = Table::new(
        "Bulk creation and reads:",
        ["request", "clients", "requests/s", "p50 ms", "p99 ms", "Neutron", "ratio"],
    );
    let ratio = |ours: f64, neutron: f64| Cell::Number(neutron / ours, 0);
    let beside = |what: String, value: f64, other: f64| {
        let (unit, beside) = ("ms", NEUTRONS.to_owned());
        Figure { what, unit, value, beside, other, better: Better::Less }
    };
    report.figure(beside(format!("POST of {BULK} ports"), bulk, 143e3));
    table.row(vec![
        format!("POST of {BULK} ports").as_str().into(),
        Cell::Number(1.0, 0),
        Cell::Number(1e3 / bulk, 1),
        Cell::Number(bulk, 1),
        Cell::Number(bulk, 1),
        "143 s".into(),
        ratio(bulk, 143e3),
    ]);
    let requests = [
        (format!("list of {count} ports"), &list, 1, "818 ms", 818.0),
        (format!("list of {long_count} ports"), &long, 1, "7.07 s", 7070.0),
        ("one port".to_owned(), &one, 1, "16.4 ms", 16.4),
        ("one port".to_owned(), &one, 8, "119/s", 8e3 / 119.0),
    ];
    for (what, path, clients, neutron, milliseconds) in requests {
        let measured = subject.get(clients, path).await?;
        // In a closed loop the mean time of an answer is clients by rate.
        let ours = if clients == 1 { measured.quantile(0.5) } else { clients as f64 * 1e3 / measured.rate };
        table.row(vec![
            what.as_str().into(),
            Cell::Number(clients as f64, 0),
            Cell::Number(measured.rate, 0),
            Cell::Number(measured.quantile(0.5), 3),
            Cell::Number(measured.quantile(0.99), 3),
            neutron.into(),
            ratio(ours, milliseconds),
        ]);
        report.figure(beside(format!("{what}, {clients} at a time"), ours, milliseconds));
    }
    report.table(&table);
    Ok(())
}

/// What no port can be faster than: the disk's flush, and an HTTP answer that needs neither store nor token.
async fn limits(subject: &Subject) -> Result<Table> {
    let mut table = Table::new("Limits in the same run:", ["what", "per second", "p50 ms", "p99 ms"]);
    let flushes = flushes(subject.server.directory.path(), 300)?;
    let rate = 1e3 * flushes.len() as f64 / flushes.iter().sum::<f64>();
    table.row(vec![
        "4 KiB overwritten and flushed (fdatasync)".into(),
        Cell::Number(rate, 0),
        Cell::Number(quantile(&flushes, 0.5), 3),
        Cell::Number(quantile(&flushes, 0.99), 3),
    ]);
    for clients in [1, 32] {
        let measured = subject.get(clients, "/").await?;
        table.row(vec![
            format!("GET / with {clients} clients").as_str().into(),
            Cell::Number(measured.rate, 0),
            Cell::Number(measured.quantile(0.5), 3),
            Cell::Number(measured.quantile(0.99), 3),
        ]);
    }
    Ok(table)
}

/// Milliseconds, ascending.
fn flushes(directory: &Path, count: usize) -> Result<Vec<f64>> {
    let file = tempfile::tempfile_in(directory)?;
    // Space that is there already: what grows a file flushes the file system's journal too.
    file.write_all_at(&vec![0; PAGE * count], 0)?;
    file.sync_all()?;
    let mut times = Vec::new();
    for place in 0..count {
        let begun = Instant::now();
        file.write_all_at(&[0x5a; PAGE], (place * PAGE) as u64)?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(sorted(times))
}
