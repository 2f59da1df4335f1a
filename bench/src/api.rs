//! Ports created and read per second, every write on disk before its answer, beside the figures of the real service.

use crate::load::{self, Measured};
use crate::report::{Spread, table};
use anyhow::{Context, Result};
use bytes::Bytes;
use hadron_tests::client::Client;
use hadron_tests::process::Server;
use hyper::Method;
use serde_json::{Value, json};

const ROUNDS: usize = 3;
const PORTS: usize = 4000;

/// Clients, and ports per second that Neutron 29.0.0 creates with as many on a host of the same size (2 API workers, MariaDB with
/// flush at commit): its own figures, measured on another day.
const NEUTRON: [(usize, f64); 3] = [(1, 5.3), (8, 10.7), (32, 11.3)];

/// Runs the benchmark and prints its tables.
pub async fn run() -> Result<()> {
    let server = Server::start().await?;
    let token = server.admin_token().await?;
    let mut client = server.network_api().await?.with_token(&token);
    let mut rows = Vec::new();
    let mut network = String::new();
    for (clients, neutron) in NEUTRON {
        let mut rates = Vec::new();
        let mut last = None;
        for _ in 0..ROUNDS {
            network = network_with_subnet(&mut client).await?;
            let measured = create_ports(&server, &token, &network, clients).await?;
            rates.push(measured.rate);
            last = Some(measured);
        }
        let last = last.context("no round")?;
        let rate = Spread::of(&rates);
        rows.push(vec![
            clients.to_string(),
            format!("{rate:.0}"),
            format!("{:.2}", last.quantile(0.5).as_secs_f64() * 1e3),
            format!("{:.2}", last.quantile(0.99).as_secs_f64() * 1e3),
            format!("{neutron}"),
            format!("{:.0}", rate.median / neutron),
        ]);
    }
    println!("\nPorts created, one POST each, {ROUNDS} rounds of {PORTS} on a network of their own, median (least–greatest):");
    table(&["clients", "ports/s", "p50 ms", "p99 ms", "Neutron ports/s", "ratio"], &rows);
    lists(&mut client, &network).await
}

async fn network_with_subnet(client: &mut Client) -> Result<String> {
    let network = client.post("/v2.0/networks", json!({"network": {"name": "bench"}})).await?;
    let id = network["network"]["id"].as_str().context("no id")?.to_owned();
    let subnet = json!({"subnet": {"network_id": id, "ip_version": 4, "cidr": "10.0.0.0/16"}});
    client.post("/v2.0/subnets", subnet).await?;
    Ok(id)
}

async fn create_ports(server: &Server, token: &str, network: &str, clients: usize) -> Result<Measured> {
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(server.network_api().await?.with_token(token));
    }
    let network = network.to_owned();
    load::run(connections, PORTS, move |n| {
        let body = json!({"port": {"network_id": network, "name": format!("port-{n}")}});
        (Method::POST, "/v2.0/ports".to_owned(), Bytes::from(body.to_string()))
    })
    .await
}

/// Neutron's figures: a list of 1,000 ports takes 818 ms at the median, a read of one port 16.4 ms.
async fn lists(client: &mut Client, network: &str) -> Result<()> {
    let list = format!("/v2.0/ports?network_id={network}&limit=1000");
    let ports = client.get(&list).await?;
    let count = ports["ports"].as_array().map_or(0, Vec::len);
    let one = format!("/v2.0/ports/{}", first_id(&ports)?);
    let mut rows = Vec::new();
    for (what, path, rounds, neutron) in
        [(format!("list of {count} ports"), &list, 100, 818.0), ("one port".to_owned(), &one, 2000, 16.4)]
    {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let begun = std::time::Instant::now();
            client.send(Method::GET, path, Bytes::new()).await?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let spread = Spread::of(&times);
        rows.push(vec![what, format!("{spread:.3}"), format!("{neutron}"), format!("{:.0}", neutron / spread.median)]);
    }
    println!("\nReads, one client, milliseconds, median (least–greatest):");
    table(&["read", "ms", "Neutron ms", "ratio"], &rows);
    Ok(())
}

fn first_id(ports: &Value) -> Result<&str> {
    ports["ports"][0]["id"].as_str().context("no port listed")
}
