//! A change of rules until it is in force everywhere: fifty nodes in this process, joined to a real server over its real wire, each
//! with tables of its own in the kernel and a port of the group whose rules change. Only their interfaces are on paper.
//!
//! Time runs from the API's call until the last of them has written the rule, or taken it away and given the policy another
//! generation, by which connections are judged again.

mod node;

use crate::report::{Better, Cell, Report, Table, quantile, sorted};
use anyhow::{Context, Result, bail};
use hadron_lab::Underlay;
use hadron_tests::client::Client;
use hadron_tests::cloud::{CONTROLLER, Cloud};
use hyper::Method;
use node::{Change, News, Simulated};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const NODES: usize = 50;
const ROUNDS: usize = 200;
/// What the group is allowed all the time, so that a change is one among others.
const RULES: u16 = 100;
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the benchmark and reports.
pub fn run() -> Result<()> {
    let mut report = Report::new("rules")?;
    // The group has more rules than the usual quota leaves.
    let options = ["--quota-security-group-rule", "-1"].map(str::to_owned).to_vec();
    let options = hadron_tests::cloud::Options { server: options, ..Default::default() };
    let cloud = Cloud::up_with("rules", Underlay::V4, &[], options)?;
    let tickets = (0..NODES).map(|number| {
        let ticket = cloud.admin(&["host", "ticket", "--name", &name_of(number)])?;
        Ok(ticket.trim().to_owned())
    });
    let tickets = tickets.collect::<Result<Vec<String>>>()?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/16")?;
    let group = cloud.group("servers")?;
    let controller = cloud.host(CONTROLLER)?;
    let measured = controller.run(|| {
        // Its threads stay in the host's namespaces, as this one does.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let (sender, news) = mpsc::unbounded_channel();
            let mut nodes = Vec::new();
            for (number, ticket) in tickets.iter().enumerate() {
                let state = controller.dir().join(name_of(number));
                nodes.push(Simulated::start(number, ticket, &state, sender.clone()).await?);
            }
            measure(&cloud, &nodes, news, &network, &group).await
        })
    })?;
    let (added, removed) = measured.with_context(|| cloud.logs())?;
    let changes = [("rule added", added), ("rule removed", removed)];
    report.table(&table(&changes));
    for (change, times) in &changes {
        let in_force = sorted(times.iter().map(|times| times.in_force).collect());
        let what = format!("{change}, in force on {NODES} nodes, p99");
        report.goal(what, "ms", quantile(&in_force, 0.99), 100.0, Better::Less);
    }
    report.write()
}

fn name_of(number: usize) -> String {
    format!("node{number}")
}

/// Milliseconds until the API had answered, and until the last node had it in force.
#[derive(Clone, Copy)]
struct Times {
    answered: f64,
    in_force: f64,
}

async fn measure(
    cloud: &Cloud,
    nodes: &[Simulated],
    mut news: mpsc::UnboundedReceiver<News>,
    network: &str,
    group: &str,
) -> Result<(Vec<Times>, Vec<Times>)> {
    let mut client = cloud.client().await?;
    for (number, node) in nodes.iter().enumerate() {
        let port = json!({
            "network_id": network, "binding:host_id": name_of(number), "device_owner": "compute:nova",
            "security_groups": [group],
        });
        let answer = client.post("/v2.0/ports", json!({"port": port})).await?;
        node.plug(answer["port"]["id"].as_str().context("a port without id")?);
    }
    for port in 1..=RULES {
        add(&mut client, group, port).await?;
    }
    settle(&mut news).await;
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let port = 1000 + round as u16;
        let begun = Instant::now();
        let rule = add(&mut client, group, port).await?;
        let answered = milliseconds(begun, Instant::now());
        added.push(Times { answered, in_force: last(&mut news, Change::Put(port), begun).await? });
        let begun = Instant::now();
        client.delete(&format!("/v2.0/security-group-rules/{rule}")).await?;
        let answered = milliseconds(begun, Instant::now());
        removed.push(Times { answered, in_force: last(&mut news, Change::Removed(port), begun).await? });
    }
    Ok((added, removed))
}

async fn add(client: &mut Client, group: &str, port: u16) -> Result<String> {
    let rule = json!({"security_group_id": group, "direction": "ingress", "protocol": "tcp",
        "port_range_min": port, "port_range_max": port});
    let body = json!({"security_group_rule": rule});
    let answer: Value =
        client.request(Method::POST, "/v2.0/security-group-rules", Some(&body)).await?.ok()?;
    Ok(answer["security_group_rule"]["id"].as_str().context("a rule without id")?.to_owned())
}

/// Waits until all nodes have written the last of the rules that stay.
async fn settle(news: &mut mpsc::UnboundedReceiver<News>) {
    let everywhere = last(news, Change::Put(RULES), Instant::now());
    // A node that was late has it from its first snapshot, and tells nothing of it.
    let _ = tokio::time::timeout(Duration::from_secs(10), everywhere).await;
    while let Ok(Some(_)) = tokio::time::timeout(Duration::from_secs(1), news.recv()).await {}
}

/// Waits until every node has made the change, and answers when the last one had.
async fn last(news: &mut mpsc::UnboundedReceiver<News>, change: Change, begun: Instant) -> Result<f64> {
    let mut waiting: BTreeSet<usize> = (0..NODES).collect();
    let mut last = begun;
    while !waiting.is_empty() {
        let next = tokio::time::timeout(PATIENCE, news.recv()).await;
        let Ok(Some(next)) = next else { bail!("{} nodes have not made {change:?}", waiting.len()) };
        if next.change == change && waiting.remove(&next.node) {
            last = last.max(next.at);
        }
    }
    Ok(milliseconds(begun, last))
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    to.duration_since(from).as_secs_f64() * 1e3
}

fn table(changes: &[(&str, Vec<Times>)]) -> Table {
    let title =
        format!("{NODES} nodes with kernel tables, milliseconds from the API's call, {ROUNDS} rounds:");
    let head = ["change", "answered p50", "in force on all p50", "in force p90", "in force p99", "goal p99"];
    let mut table = Table::new(title, head);
    for (change, times) in changes {
        let answered = sorted(times.iter().map(|times| times.answered).collect());
        let in_force = sorted(times.iter().map(|times| times.in_force).collect());
        let cell = |values: &[f64], q: f64| Cell::Number(quantile(values, q), 2);
        table.row(vec![
            (*change).into(),
            cell(&answered, 0.5),
            cell(&in_force, 0.5),
            cell(&in_force, 0.9),
            cell(&in_force, 0.99),
            "100".into(),
        ]);
    }
    table
}
