//! From the API call that binds a port to its host until the port is ACTIVE: transaction, projection, stream, tables, program,
//! report, second transaction.
//!
//! An interface is named by its port's id, which only the API gives out. So the port is made unbound, then its interface, and
//! then time runs from `PUT binding:host_id`. The other way round, `POST` of a bound port and the interface made right after the
//! answer, is measured too.

mod interface;

use crate::report::{Better, Cell, Report, Table, quantile, sorted};
use anyhow::{Context, Result, ensure};
use hadron_lab::Underlay;
use hadron_tests::client::Client;
use hadron_tests::cloud::{Cloud, Port};
use hyper::Method;
use interface::Interfaces;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const HOST: &str = "compute1";
/// Ports of each variant.
const PORTS: usize = 400;
/// Ports that are there at a time.
const BATCH: usize = 50;
/// Between two looks at the port.
const PAUSE: Duration = Duration::from_micros(100);
const PATIENCE: Duration = Duration::from_secs(10);

/// Milliseconds of one port.
struct Times {
    /// Until the API answered.
    answered: f64,
    /// Until the interface was there; the same as `answered` where it was there before.
    made: f64,
    /// Until the API showed the port as ACTIVE.
    wired: f64,
}

/// Runs the benchmark and reports.
pub fn run() -> Result<()> {
    let mut report = Report::new("wired")?;
    let cloud = Cloud::up("wired", Underlay::V4, &[HOST])?;
    let network = cloud.network("wired")?;
    cloud.subnet(&network, "10.0.0.0/16")?;
    let guest = cloud.host(HOST)?.instance("guest", "00000000-00", "02:00:00:00:00:01")?;
    let (mut bound, mut posted) = (Vec::new(), Vec::new());
    let measured = cloud.with_api(async |client| {
        let interfaces = Interfaces::between(cloud.host(HOST)?, &guest)?;
        let mut bench = Bench { client, interfaces, network };
        bench.bind(BATCH).await?;
        while bound.len() < PORTS {
            bound.extend(bench.bind(BATCH).await?);
            posted.extend(bench.post(BATCH).await?);
        }
        Ok(())
    });
    measured.with_context(|| cloud.logs())?;
    let variants = [
        ("interface there, then PUT binding:host_id", &bound[..]),
        ("POST of a bound port, then the interface", &posted[..]),
    ];
    report.table(&table(&variants));
    for (variant, times) in variants {
        let wired = sorted(times.iter().map(|times| times.wired).collect());
        for (q, name, goal) in [(0.5, "p50", 5.0), (0.99, "p99", 20.0)] {
            let what = format!("{variant}: ACTIVE, {name}");
            report.goal(what, "ms", quantile(&wired, q), goal, Better::Less);
        }
    }
    report.write()
}

struct Bench<'a> {
    client: &'a mut Client,
    interfaces: Interfaces,
    network: String,
}

impl Bench<'_> {
    /// Makes ports and interfaces, binds one after another, and takes all away.
    async fn bind(&mut self, count: usize) -> Result<Vec<Times>> {
        let mut ports = Vec::new();
        for _ in 0..count {
            let port = self.create(json!({})).await?;
            self.interfaces.add(&port).await?;
            ports.push(port);
        }
        let mut times = Vec::new();
        for port in &ports {
            let body = json!({"port": {"binding:host_id": HOST, "device_owner": "compute:nova"}});
            let begun = Instant::now();
            self.client.put(&path(port), body).await?;
            let answered = milliseconds(begun);
            times.push(Times { answered, made: answered, wired: self.wait_until_wired(port, begun).await? });
        }
        self.clear(ports).await?;
        Ok(times)
    }

    /// Posts bound ports, makes each one's interface when its id is known, and takes all away.
    async fn post(&mut self, count: usize) -> Result<Vec<Times>> {
        let (mut ports, mut times) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let begun = Instant::now();
            let port = self.create(json!({"binding:host_id": HOST, "device_owner": "compute:nova"})).await?;
            let answered = milliseconds(begun);
            self.interfaces.add(&port).await?;
            let made = milliseconds(begun);
            times.push(Times { answered, made, wired: self.wait_until_wired(&port, begun).await? });
            ports.push(port);
        }
        self.clear(ports).await?;
        Ok(times)
    }

    async fn create(&mut self, mut attributes: Value) -> Result<Port> {
        attributes["network_id"] = json!(self.network);
        Port::read(&self.client.post("/v2.0/ports", json!({"port": attributes})).await?["port"])
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "the runtime's timer counts whole milliseconds, and nothing else runs on it"
    )]
    async fn wait_until_wired(&mut self, port: &Port, begun: Instant) -> Result<f64> {
        let path = format!("{}?fields=status", path(port));
        loop {
            let answer = self.client.request(Method::GET, &path, None).await?.ok()?;
            if answer["port"]["status"] == "ACTIVE" {
                return Ok(milliseconds(begun));
            }
            ensure!(begun.elapsed() < PATIENCE, "port {} is not ACTIVE after {PATIENCE:?}", port.id);
            std::thread::sleep(PAUSE);
        }
    }

    /// Takes ports and interfaces away, and lets the node see to it.
    async fn clear(&mut self, ports: Vec<Port>) -> Result<()> {
        for port in ports {
            self.client.delete(&path(&port)).await?;
            self.interfaces.remove(&port).await?;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(())
    }
}

fn path(port: &Port) -> String {
    format!("/v2.0/ports/{}", port.id)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn table(variants: &[(&str, &[Times])]) -> Table {
    let title = "Milliseconds from the call, median and 99th percentile:";
    let head = [
        "variant",
        "ports",
        "answered p50",
        "interface there p50",
        "ACTIVE p50",
        "ACTIVE p90",
        "ACTIVE p99",
        "goal p50, p99",
    ];
    let mut table = Table::new(title, head);
    for (variant, times) in variants {
        let all = |of: fn(&Times) -> f64| sorted(times.iter().map(of).collect());
        let (answered, made, wired) =
            (all(|times| times.answered), all(|times| times.made), all(|times| times.wired));
        let cell = |values: &[f64], q: f64| Cell::Number(quantile(values, q), 2);
        table.row(vec![
            (*variant).into(),
            Cell::Number(times.len() as f64, 0),
            cell(&answered, 0.5),
            cell(&made, 0.5),
            cell(&wired, 0.5),
            cell(&wired, 0.9),
            cell(&wired, 0.99),
            "5, 20".into(),
        ]);
    }
    table
}
