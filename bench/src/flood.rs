//! What one project waits while another floods the server: ports created one after the other, each on disk before its answer,
//! beside another project that creates ports on ever more connections at once.

use crate::load::{self, Bounds, Measured};
use crate::report::{Better, Cell, Figure, Report, Table};
use anyhow::{Context, Result};
use bytes::Bytes;
use hadron_tests::client::{Client, token};
use hadron_tests::process::Server;
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Connections of the flood.
const FLOODS: [usize; 4] = [0, 8, 128, 512];
const BOUNDS: Bounds = Bounds { requests: usize::MAX, time: Duration::from_secs(6) };
const PASSWORD: &str = "bench-8f2c61d07a";

/// Runs the benchmark and reports.
pub fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut report = Report::new("flood")?;
        let options = ["--quota-network=-1", "--quota-subnet=-1", "--quota-port=-1"];
        let server = Server::start_with(&options).await?;
        rounds(&server, &mut report).await?;
        report.write()
    })
}

/// A project with a member and a network of its own.
struct Project {
    token: String,
    network: String,
}

impl Project {
    async fn new(server: &Server, name: &str) -> Result<Self> {
        let mut identity = server.identity_api().await?.with_token(&server.admin_token().await?);
        let id_of = |value: &Value| value["id"].as_str().map(str::to_owned).context("no id");
        let made = identity.post("/v3/projects", json!({"project": {"name": name}})).await?;
        let project = id_of(&made["project"])?;
        let user = json!({"user": {"name": name, "password": PASSWORD}});
        let user = id_of(&identity.post("/v3/users", user).await?["user"])?;
        let role = id_of(&identity.get("/v3/roles?name=member").await?["roles"][0])?;
        identity.put(&format!("/v3/projects/{project}/users/{user}/roles/{role}"), Value::Null).await?;
        let token = token(&mut server.identity_api().await?, name, PASSWORD, name).await?;
        let mut api = server.network_api().await?.with_token(&token);
        let network = id_of(&api.post("/v2.0/networks", json!({"network": {}})).await?["network"])?;
        let subnet = json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/15"}});
        api.post("/v2.0/subnets", subnet).await?;
        Ok(Self { token, network })
    }

    async fn create_ports(&self, server: &Server, connections: usize) -> Result<Measured> {
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..connections {
            clients.push(server.network_api().await?.with_token(&self.token));
        }
        let body = Bytes::from(json!({"port": {"network_id": self.network}}).to_string());
        load::run(clients, BOUNDS, move |_| (Method::POST, "/v2.0/ports".to_owned(), body.clone())).await
    }
}

async fn rounds(server: &Server, report: &mut Report) -> Result<()> {
    let mut table = Table::new(
        "One project creates ports on one connection while another does so on many; milliseconds:",
        [
            "connections of the flood",
            "its ports/s",
            "its p50",
            "its p99",
            "the other's p50",
            "the other's p99",
        ],
    );
    let quiet = Project::new(server, "quiet").await?;
    let mut alone = f64::NAN;
    for connections in FLOODS {
        // A project of its own each time: what a flood has left does not count to the next.
        let loud = Project::new(server, &format!("loud-{connections}")).await?;
        let (flood, other) =
            tokio::join!(loud.create_ports(server, connections), quiet.create_ports(server, 1));
        let (flood, other) = (flood?, other?);
        let of_flood = |number: f64, digits| match connections {
            0 => Cell::from("–"),
            _ => Cell::Number(number, digits),
        };
        table.row(vec![
            Cell::Number(connections as f64, 0),
            of_flood(flood.rate, 0),
            of_flood(flood.quantile(0.5), 1),
            of_flood(flood.quantile(0.99), 1),
            Cell::Number(other.quantile(0.5), 1),
            Cell::Number(other.quantile(0.99), 1),
        ]);
        if connections == 0 {
            alone = other.quantile(0.5);
            continue;
        }
        report.figure(Figure {
            what: format!("a project's POST beside another's {connections} connections, p50"),
            unit: "ms",
            value: other.quantile(0.5),
            beside: "alone".to_owned(),
            other: alone,
            better: Better::Less,
        });
    }
    report.table(&table);
    Ok(())
}
