//! A cloud that grows by the API: one network with a port on every node, and tenants beside it, each with a network of its own, the
//! project's default group, and a hundred ports on ten nodes.

use super::fleet::name_of;
use crate::cpu;
use anyhow::{Context, Result, ensure};
use hadron_tests::client::Client;
use hadron_tests::process::Server;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Ports of a tenant, and nodes that these are on.
pub const PORTS_OF_TENANT: usize = 100;
pub const NODES_OF_TENANT: usize = 10;
/// Ports in one POST.
const BULK: usize = 250;
/// The server has settled when it used less of a processor than this share, for so long.
const IDLE_SHARE: f64 = 0.1;
const IDLE_FOR: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(600);

/// A server with its administrator's token.
pub struct Cloud {
    pub server: Server,
    pub token: String,
    pub nodes: usize,
    pub wide: Place,
    pub narrow: Place,
    pub aside: Place,
    tenants: Vec<Place>,
    pub ports: usize,
}

/// A network of a project.
#[derive(Clone, Debug)]
pub struct Place {
    pub project: String,
    pub network: String,
}

impl Cloud {
    /// Without ports.
    pub async fn start(nodes: usize) -> Result<Self> {
        let quotas = ["network", "subnet", "port", "security-group", "security-group-rule"];
        let quotas = quotas.map(|name| format!("--quota-{name}=-1"));
        let server = Server::start_with(&quotas.each_ref().map(String::as_str)).await?;
        let token = server.admin_token().await?;
        let mut api = server.network_api().await?.with_token(&token);
        let wide = place(&mut api, 1, "10.0.0.0/16").await?;
        let narrow = place(&mut api, 2, "10.1.0.0/16").await?;
        let aside = Place { project: wide.project.clone(), ..place(&mut api, 3, "10.2.0.0/16").await? };
        Ok(Self { server, token, nodes, wide, narrow, aside, tenants: Vec::new(), ports: 0 })
    }

    /// A connection to the API.
    pub async fn api(&self) -> Result<Client> {
        Ok(self.server.network_api().await?.with_token(&self.token))
    }

    /// Lets it grow to `ports` ports of instances.
    pub async fn grow(&mut self, ports: usize) -> Result<()> {
        let mut api = self.api().await?;
        if self.ports == 0 {
            let hosts: Vec<usize> = (0..self.nodes).collect();
            fill(&mut api, &self.wide, &hosts).await?;
            fill(&mut api, &self.narrow, &[0, 1]).await?;
            self.ports = hosts.len();
        }
        while self.ports < ports {
            let number = self.tenants.len();
            let tenant = place(&mut api, number + 10, "192.168.0.0/22").await?;
            // Beginning with each node in turn, so that all have as many.
            let first = number * NODES_OF_TENANT;
            let hosts: Vec<usize> =
                (0..PORTS_OF_TENANT).map(|port| (first + port % NODES_OF_TENANT) % self.nodes).collect();
            fill(&mut api, &tenant, &hosts).await?;
            self.tenants.push(tenant);
            self.ports += PORTS_OF_TENANT;
        }
        Ok(())
    }

    /// One of the tenants, and a node that has ports of its.
    pub fn tenant(&self, number: usize) -> Option<(&Place, usize)> {
        let number = number.checked_rem(self.tenants.len())?;
        Some((self.tenants.get(number)?, number * NODES_OF_TENANT % self.nodes))
    }

    /// Waits until all ports are ACTIVE and the server has nothing more to do.
    pub async fn settle(&self) -> Result<()> {
        let begun = Instant::now();
        let mut api = self.api().await?;
        loop {
            let before = cpu::of_process(self.server.pid())?;
            tokio::time::sleep(IDLE_FOR).await;
            let used = cpu::of_process(self.server.pid())? - before;
            let down = api.get("/v2.0/ports?status=DOWN&device_owner=compute:nova&fields=id&limit=1").await?;
            let is_idle = used.as_secs_f64() < IDLE_SHARE * IDLE_FOR.as_secs_f64();
            if is_idle && down["ports"].as_array().is_some_and(Vec::is_empty) {
                return Ok(());
            }
            ensure!(
                begun.elapsed() < PATIENCE,
                "the server does not settle: {used:?} in {IDLE_FOR:?}, {down}"
            );
        }
    }
}

/// A network with a subnet, of a project of its own.
async fn place(api: &mut Client, number: usize, cidr: &str) -> Result<Place> {
    let project = format!("{number:032x}");
    let network = json!({"network": {"project_id": project, "name": format!("net{number}")}});
    let network = id(&api.post("/v2.0/networks", network).await?["network"])?;
    let subnet = json!({"project_id": project, "network_id": network, "ip_version": 4, "cidr": cidr});
    api.post("/v2.0/subnets", json!({"subnet": subnet})).await?;
    Ok(Place { project, network })
}

/// A port of an instance on each of the hosts.
async fn fill(api: &mut Client, place: &Place, hosts: &[usize]) -> Result<()> {
    for hosts in hosts.chunks(BULK) {
        let port = |host: &usize| {
            json!({"project_id": place.project, "network_id": place.network, "device_owner": "compute:nova",
                "binding:host_id": name_of(*host)})
        };
        api.post("/v2.0/ports", json!({"ports": hosts.iter().map(port).collect::<Vec<_>>()})).await?;
    }
    Ok(())
}

/// The id of an object.
pub fn id(object: &Value) -> Result<String> {
    Ok(object["id"].as_str().context("no id")?.to_owned())
}
