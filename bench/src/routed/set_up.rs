//! How long many routers take from the first call until the last one answers from outside, beside namespaces for as many.

use super::peers::Crowd;
use crate::report::{Better, Cell, Figure, Report, Spread, Table};
use anyhow::{Context, Result};
use hadron_lab::{Instance, Underlay, until};
use hadron_tests::client::Client;
use hadron_tests::cloud::{Cloud, Options, PATIENCE};
use hadron_tests::knock::is_answered;
use hadron_tests::outside::Outside;
use hyper::Method;
use serde_json::json;
use std::net::IpAddr;
use std::time::Instant;

/// How many there are.
const ROUTERS: usize = 100;
const ROUNDS: usize = 3;

/// Both, in turn.
pub fn run(report: &mut Report) -> Result<()> {
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(cloud()?);
        peers.push(namespaces()?);
    }
    let ratios: Vec<f64> = ours.iter().zip(&peers).map(|(own, peer)| own / peer).collect();
    let title = format!("{ROUTERS} routers, each with a network and a way out, until the last one answers");
    let mut table = Table::new(title, ["", "seconds"]);
    for (name, values) in
        [("hadron, by calls one after the other", &ours), ("namespaces", &peers), ("ratio", &ratios)]
    {
        table.row(vec![Cell::Text(name.to_owned()), Cell::Spread(Spread::of(values), 2)]);
    }
    report.table(&table);
    report.figure(Figure {
        what: format!("{ROUTERS} routers until the last one answers"),
        unit: "s",
        value: Spread::of(&ours).median,
        beside: "namespaces".to_owned(),
        other: Spread::of(&peers).median,
        better: Better::Less,
    });
    Ok(())
}

fn cloud() -> Result<f64> {
    let server = ["network", "subnet", "router", "port"].map(|kind| format!("--quota-{kind}=-1")).to_vec();
    let options = Options { has_physical: true, server, ..Options::default() };
    let cloud = Cloud::up_with("setup", Underlay::V4, &["compute1"], options)?;
    let outside = Outside::create(&cloud)?;
    let mut subnets = Vec::new();
    for number in 0..ROUTERS {
        let network = cloud.network(&format!("net{number}"))?;
        subnets.push(cloud.subnet(&network, &format!("10.0.{number}.0/24"))?);
    }
    let begun = Instant::now();
    let last = cloud.with_api(async |client| {
        let mut last = None;
        for subnet in &subnets {
            last = Some(router(client, subnet, &outside.network).await?);
        }
        last.context("no router")
    })?;
    answers(&outside.world, last)?;
    Ok(begun.elapsed().as_secs_f64())
}

/// A router with a network and a way out: its address there.
async fn router(client: &mut Client, subnet: &str, outside: &str) -> Result<IpAddr> {
    let gateway = json!({"network_id": outside});
    let body = json!({"router": {"name": "r", "external_gateway_info": gateway}});
    let made = client.request(Method::POST, "/v2.0/routers", Some(&body)).await?.ok()?;
    let router = &made["router"];
    let id = router["id"].as_str().context("a router without an id")?;
    let path = format!("/v2.0/routers/{id}/add_router_interface");
    client.request(Method::PUT, &path, Some(&json!({"subnet_id": subnet}))).await?.ok()?;
    let fixed = &router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"];
    Ok(fixed.as_str().context("a router without an address")?.parse()?)
}

fn namespaces() -> Result<f64> {
    let mut crowd = Crowd::up(ROUTERS)?;
    let begun = Instant::now();
    let mut last = None;
    for number in 1..=ROUTERS {
        last = Some(crowd.add(number)?);
    }
    answers(crowd.world(), last.context("no router")?)?;
    Ok(begun.elapsed().as_secs_f64())
}

fn answers(world: &Instance, address: IpAddr) -> Result<()> {
    Ok(until(PATIENCE, "the last router answers", || is_answered(world, address))?)
}
