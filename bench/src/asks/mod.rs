//! What a thousand instances of one host ask their network: all for their addresses at once, one after the other, beside one that
//! floods, and for metadata. Beside it dnsmasq with its file of hosts, under the same load by the same clients.

mod client;
mod flood;
mod metadata;
mod wiring;

use crate::memory;
use crate::report::{Better, Cell, Figure, Report, Spread, Table, quantile, sorted};
use anyhow::{Context, Result, ensure};
use client::{Client, Lease};
use hadron_lab::{Namespace, Underlay, until};
use hadron_tests::cloud::{CONTROLLER, Cloud, Options, PATIENCE, Port};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use wiring::Seat;

const HOST: &str = "compute1";
const PORTS: usize = 1000;
const ROUNDS: usize = 5;
/// Leases that are asked for one after the other.
const ALONE: usize = 300;
const METADATA: Duration = Duration::from_secs(5);

/// Runs the benchmark and reports.
pub fn run() -> Result<()> {
    let mut report = Report::new("asks")?;
    let server = vec!["--quota-port=-1".to_owned()];
    let options = Options { server, tables: "default", ..Options::default() };
    let cloud = Cloud::up_with("asks", Underlay::V4, &[HOST], options)?;
    let before = resident(&cloud)?;
    let network = cloud.network("asks")?;
    cloud.subnet(&network, "10.0.0.0/16")?;
    let ports = ports(&cloud, &network)?;
    let guests = cloud.host(HOST)?.instance("guests", "00000000-00", "02:00:00:00:00:01")?;
    let seats = seats(&ports)?;
    wiring::plug(cloud.host(HOST)?, &guests, &seats)?;
    let last = &ports[PORTS - 1].id;
    cloud.wait_for_status(last, "ACTIVE")?;
    let all_active = || {
        let answer = cloud.call(
            hyper::Method::GET,
            "/v2.0/ports?status=ACTIVE&fields=id&device_owner=compute:nova",
            None,
        );
        answer.is_ok_and(|all| all["ports"].as_array().is_some_and(|all| all.len() >= PORTS))
    };
    until(PATIENCE, "every port is ACTIVE", all_active)?;

    let ours = measure(&guests, &seats).with_context(|| cloud.logs())?;
    let after = resident(&cloud)?;
    let floods = flood::measure(cloud.host(HOST)?, &guests, &seats).with_context(|| cloud.logs())?;

    let peer = cloud.host(CONTROLLER)?;
    let other = cloud.host(CONTROLLER)?.instance("others", "00000000-01", "02:00:00:00:00:02")?;
    let beside: Vec<Seat> = seats
        .iter()
        .enumerate()
        .map(|(number, seat)| Seat {
            near: format!("near{number}"),
            far: format!("far{number}"),
            mac: seat.mac.clone(),
            address: seat.address,
        })
        .collect();
    wiring::plug(peer, &other, &beside)?;
    let dnsmasq = wiring::dnsmasq(peer, &beside)?;
    let theirs = measure(&other, &beside).with_context(|| dnsmasq.log())?;

    report.table(&leases(&[("hadron", &ours), ("dnsmasq on a bridge", &theirs)]));
    report.figure(Figure {
        what: format!("a question when {PORTS} instances ask at once, p99"),
        unit: "ms",
        value: ours.burst(0.99).median,
        beside: "dnsmasq".to_owned(),
        other: theirs.burst(0.99).median,
        better: Better::Less,
    });
    report.goal(format!("node with {PORTS} ports"), "MB", after, 100.0, Better::Less);
    flood::tell(&mut report, &floods);
    let mut table = Table::new("Memory of the node's process, MB resident:", ["ports", "MB"]);
    table.row(vec![Cell::Number(0.0, 0), Cell::Number(before, 1)]);
    table.row(vec![Cell::Number(PORTS as f64, 0), Cell::Number(after, 1)]);
    report.table(&table);
    report.table(&metadata_table(&cloud, &network)?);
    report.write()
}

/// Bound ports, in one call for many.
fn ports(cloud: &Cloud, network: &str) -> Result<Vec<Port>> {
    let mut ports = Vec::new();
    while ports.len() < PORTS {
        let one = json!({"network_id": network, "binding:host_id": HOST, "device_owner": "compute:nova"});
        let body = json!({"ports": vec![one; 50]});
        let answer = cloud.call(hyper::Method::POST, "/v2.0/ports", Some(body))?;
        for port in answer["ports"].as_array().context("ports")? {
            ports.push(Port::read(port)?);
        }
    }
    Ok(ports)
}

fn seats(ports: &[Port]) -> Result<Vec<Seat>> {
    let seat = |(number, port): (usize, &Port)| {
        let IpAddr::V4(address) = port.address(false)? else { anyhow::bail!("no IPv4") };
        Ok(Seat {
            near: format!("tap{}", &port.id[..11]),
            far: format!("far{number}"),
            mac: port.mac.clone(),
            address,
        })
    };
    ports.iter().enumerate().map(seat).collect()
}

/// Milliseconds of questions: of each round's burst, and one after the other.
struct Measured {
    bursts: Vec<Vec<f64>>,
    repeated: usize,
    alone: Vec<f64>,
}

impl Measured {
    /// A quantile of each round's burst.
    fn burst(&self, q: f64) -> Spread {
        Spread::of(&self.bursts.iter().map(|trips| quantile(trips, q)).collect::<Vec<_>>())
    }
}

fn measure(guests: &Namespace, seats: &[Seat]) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let clients = clients(guests, seats)?;
        let (mut bursts, mut repeated) = (Vec::new(), 0);
        for round in 0..ROUNDS {
            let begin = |(number, client): (usize, &Arc<Client>)| {
                let (client, transaction) = (Arc::clone(client), (round * PORTS + number) as u32 + 1);
                tokio::spawn(async move { client.lease(transaction).await })
            };
            let tasks: Vec<_> = clients.iter().enumerate().map(begin).collect();
            let (mut trips, mut given) = (Vec::new(), BTreeSet::<Ipv4Addr>::new());
            for (task, seat) in tasks.into_iter().zip(seats) {
                let Lease { address, trips: both, repeated: again } = task.await??;
                ensure!(address == seat.address, "{} got {address}, its port has {}", seat.mac, seat.address);
                ensure!(given.insert(address), "{address} was given twice");
                trips.extend(both);
                repeated += again;
            }
            bursts.push(sorted(trips));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let alone = one_by_one(&clients[..ALONE], 1 << 20).await?;
        Ok(Measured { bursts, repeated, alone })
    })
}

fn clients(guests: &Namespace, seats: &[Seat]) -> Result<Vec<Arc<Client>>> {
    seats.iter().map(|seat| Ok(Arc::new(Client::on(guests, &seat.far, seat.octets()?)?))).collect()
}

async fn one_by_one(clients: &[Arc<Client>], first: u32) -> Result<Vec<f64>> {
    let mut trips = Vec::new();
    for (number, client) in clients.iter().enumerate() {
        trips.extend(client.lease(first + number as u32).await?.trips);
    }
    Ok(sorted(trips))
}

fn leases(all: &[(&str, &Measured)]) -> Table {
    let title = format!(
        "{PORTS} instances ask for their addresses; milliseconds of a question, {ROUNDS} bursts and one after the other:"
    );
    let head = [
        "server",
        "burst p50",
        "burst p99, median (least–greatest)",
        "asked again",
        "alone p50",
        "alone p99",
    ];
    let mut table = Table::new(title, head);
    for (name, measured) in all {
        table.row(vec![
            (*name).into(),
            Cell::Spread(measured.burst(0.5), 1),
            Cell::Spread(measured.burst(0.99), 1),
            Cell::Number(measured.repeated as f64, 0),
            Cell::Number(quantile(&measured.alone, 0.5), 2),
            Cell::Number(quantile(&measured.alone, 0.99), 2),
        ]);
    }
    table
}

fn metadata_table(cloud: &Cloud, network: &str) -> Result<Table> {
    cloud.register(
        "reader",
        &json!({"name": "reader", "hostname": "reader.example", "user_data": "IyEvYmluL3NoCg=="}),
    )?;
    let port = cloud.port_with(network, HOST, json!({"device_id": "reader"}))?;
    let instance = cloud.host(HOST)?.instance("reader", &port.id, &port.mac)?;
    let _client = instance.dhcp_lease(PATIENCE)?;
    hadron_tests::metadata::wait_for(&instance, false, "/latest/meta-data/hostname", "reader.example")?;
    let mut table = Table::new(
        "Requests for meta_data.json, every one answered with 200:",
        ["connections", "requests per second", "p50 ms", "p99 ms"],
    );
    for connections in [1, 8] {
        let trips = sorted(metadata::run(&instance, connections, METADATA)?);
        table.row(vec![
            Cell::Number(connections as f64, 0),
            Cell::Number(trips.len() as f64 / METADATA.as_secs_f64(), 0),
            Cell::Number(quantile(&trips, 0.5), 2),
            Cell::Number(quantile(&trips, 0.99), 2),
        ]);
    }
    Ok(table)
}

/// Memory of the node's process, MB.
fn resident(cloud: &Cloud) -> Result<f64> {
    memory::resident(cloud.agent(HOST).context("no agent")?.pid())
}
