//! The cloud that the suites run against: a server, two simulated nodes, and what an operator sets up before.

use anyhow::{Context, Result};
use hadron_tests::client::Client;
use hadron_tests::process::Server;
use hadron_tests::simulated_node::SimulatedNode;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// Quotas under which Neutron's results were recorded, the others being the defaults, and VLANs as it had some.
const OPTIONS: [&str; 5] = [
    "--quota-router=100",
    "--quota-floatingip=500",
    "--quota-security-group=150",
    "--quota-security-group-rule=1000",
    "--network-vlan-ranges=physnet1:100:199",
];

const HOSTS: [&str; 2] = ["host1", "host2"];

/// The running cloud. Dropping it takes everything away.
pub struct Cloud {
    /// The server.
    pub server: Server,
    /// What hadron announces, by alias.
    pub extensions: Vec<String>,
    /// The external network; `None` where one can't be made.
    pub public_network: Option<String>,
    _nodes: Vec<SimulatedNode>,
}

impl Cloud {
    /// Starts everything.
    pub async fn start() -> Result<Self> {
        let server = Server::start_with(&OPTIONS).await?;
        let mut nodes = Vec::new();
        for (host, last) in HOSTS.into_iter().zip(1..) {
            nodes.push(SimulatedNode::start(&server, host, Ipv4Addr::new(192, 0, 2, last)).await?);
        }
        let token = server.admin_token().await?;
        let mut api = server.network_api().await?.with_token(&token);
        let extensions = extensions(&mut api).await?;
        let public_network = told(public_network(&mut api).await);
        told(default_pools(&mut api).await);
        Ok(Self { server, extensions, public_network, _nodes: nodes })
    }
}

/// A part that can't be set up is told, and the tests that rest on it fail by themselves.
fn told<T>(made: Result<T>) -> Option<T> {
    made.inspect_err(|error| println!("not set up: {error:#}")).ok()
}

async fn extensions(api: &mut Client) -> Result<Vec<String>> {
    let answer = api.get("/v2.0/extensions").await?;
    let all = answer["extensions"].as_array().context("no extensions")?;
    Ok(all.iter().filter_map(|extension| Some(extension["alias"].as_str()?.to_owned())).collect())
}

/// The external network with a subnet of each family, as an operator has one.
async fn public_network(api: &mut Client) -> Result<String> {
    let network = json!({"network": {"name": "public", "router:external": true}});
    let made = api.post("/v2.0/networks", network).await?;
    let id = made["network"]["id"].as_str().context("no id")?.to_owned();
    for (version, cidr) in [(4, "203.0.113.0/24"), (6, "2001:db8::/64")] {
        let subnet = json!({"subnet": {
            "network_id": id, "ip_version": version, "cidr": cidr, "enable_dhcp": false,
        }});
        api.post("/v2.0/subnets", subnet).await?;
    }
    Ok(id)
}

/// A shared default subnet pool of each family.
async fn default_pools(api: &mut Client) -> Result<()> {
    for (name, prefix, length) in [
        ("shared-default-subnetpool-v4", "10.0.0.0/16", 26),
        ("shared-default-subnetpool-v6", "fd00:db8::/56", 64),
    ] {
        let pool: Value = json!({"subnetpool": {
            "name": name, "prefixes": [prefix], "default_prefixlen": length, "shared": true, "is_default": true,
        }});
        api.post("/v2.0/subnetpools", pool).await?;
    }
    Ok(())
}
