//! A cloud on the lab: a controller and compute hosts, each with its own hadron process, joined by an underlay.

use crate::client::{self, Client};
use crate::process::{FirstStart, hadron};
use anyhow::{Context, Result, bail};
use hadron_lab::{Command, Host, Lab, Output, Process, Topology, Underlay, until};
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How long a step of the cloud may take on a busy machine before it counts as failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The host with API and identity.
pub const CONTROLLER: &str = "controller";

/// The physical network of hosts that have an interface to one.
pub const PHYSICAL_NETWORK: &str = "physnet1";
/// The second one.
pub const SECOND_PHYSICAL_NETWORK: &str = "physnet2";

/// How far the second server's ports are from the first one's.
const SECOND: u16 = 1000;
/// etcd's port on the controller.
const ETCD: u16 = 2379;

/// A running cloud. Dropping it takes everything away.
pub struct Cloud {
    agents: BTreeMap<String, Process>,
    server: Option<Process>,
    second_server: Option<Process>,
    is_second_used: bool,
    etcd: Option<Process>,
    /// The administrator's password.
    pub password: String,
    options: Options,
    /// Its hosts.
    pub lab: Lab,
}

/// How the processes of a cloud are started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Further options of `hadron server`.
    pub server: Vec<String>,
    /// Size of the nodes' tables, as `hadron agent --tables` takes it.
    pub tables: &'static str,
    /// Whether the store is an etcd on the controller.
    pub is_on_etcd: bool,
    /// Whether the hosts have an interface to the physical network [`PHYSICAL_NETWORK`].
    pub has_physical: bool,
    /// Whether they have one to [`SECOND_PHYSICAL_NETWORK`] too.
    pub has_second_physical: bool,
    /// Hosts that have none all the same.
    pub unmapped: &'static [&'static str],
    /// Largest packet of the underlay, octets.
    pub mtu: u32,
}

impl Default for Options {
    /// Many hosts on one machine.
    fn default() -> Self {
        let (server, unmapped) = (Vec::new(), &[][..]);
        Self {
            server,
            tables: "small",
            is_on_etcd: false,
            has_physical: false,
            has_second_physical: false,
            unmapped,
            mtu: 1500,
        }
    }
}

impl Options {
    /// Physical networks and the hosts' interfaces to them.
    fn mappings(&self) -> impl Iterator<Item = String> {
        let first = self.has_physical.then(|| format!("{PHYSICAL_NETWORK}:physical"));
        let second = self.has_second_physical.then(|| format!("{SECOND_PHYSICAL_NETWORK}:physical2"));
        first.into_iter().chain(second)
    }
}

impl Cloud {
    /// Raises hosts, a server on [`CONTROLLER`], and a node on each of `computes`, and waits until all are connected.
    pub fn up(name: &str, underlay: Underlay, computes: &[&str]) -> Result<Self> {
        Self::up_with(name, underlay, computes, Options::default())
    }

    /// The same with other options.
    pub fn up_with(name: &str, underlay: Underlay, computes: &[&str], options: Options) -> Result<Self> {
        let hosts = std::iter::once(CONTROLLER).chain(computes.iter().copied());
        let mut lab = Topology::new(name).underlay(underlay).mtu(options.mtu).hosts(hosts);
        for _ in options.mappings() {
            lab = lab.physical();
        }
        let lab = lab.up()?;
        let mut cloud = Self {
            agents: BTreeMap::new(),
            server: None,
            second_server: None,
            is_second_used: false,
            etcd: None,
            password: String::new(),
            options,
            lab,
        };
        if cloud.options.is_on_etcd {
            cloud.restart_etcd()?;
        }
        cloud.start_server()?;
        for compute in computes {
            cloud.join(compute)?;
        }
        cloud.wait_for_nodes()?;
        Ok(cloud)
    }

    /// Raises a cloud on etcd with two servers, which the two `computes` spread over.
    pub fn up_on_two_servers(name: &str, underlay: Underlay, computes: [&str; 2]) -> Result<Self> {
        let options = Options { is_on_etcd: true, ..Options::default() };
        let mut cloud = Self::up_with(name, underlay, &computes, options)?;
        cloud.start_second_server()?;
        // Nodes choose among the servers that there are when they start.
        for host in computes {
            cloud.kill_agent(host);
            cloud.start_agent(host, &[])?;
        }
        let waiting = until(PATIENCE, "one host is here and one there", || {
            cloud.connected().is_ok_and(|hosts| hosts.len() == 1)
        });
        waiting.with_context(|| cloud.logs())?;
        Ok(cloud)
    }

    /// The hosts that are connected to the server that is called.
    pub fn connected(&self) -> Result<Vec<String>> {
        let status: Value = serde_json::from_str(&self.admin(&["status", "--json"])?)?;
        let hosts = status["hosts"].as_array().context("no hosts")?;
        let hosts = hosts.iter().filter(|host| host["connected"] == json!(true));
        Ok(hosts.filter_map(|host| host["name"].as_str().map(str::to_owned)).collect())
    }

    /// A host of the lab.
    pub fn host(&self, name: &str) -> Result<&Host> {
        Ok(self.lab.host(name)?)
    }

    /// Starts the server; at its first start the administrator's password is read.
    pub fn start_server(&mut self) -> Result<()> {
        let server = self.spawn_server("server")?;
        if self.password.is_empty() {
            server.wait_for_log("cacert:", PATIENCE)?;
            self.password = FirstStart::read(server.log().as_bytes())?.password;
        }
        self.server = Some(server);
        self.wait_for_server()
    }

    /// Starts another server on the same etcd, on ports of its own.
    pub fn start_second_server(&mut self) -> Result<()> {
        self.is_second_used = true;
        self.second_server = Some(self.spawn_server("server2")?);
        self.wait_for_server()?;
        self.is_second_used = false;
        Ok(())
    }

    /// Calls go to the second server from now on.
    pub fn use_second_server(&mut self) {
        self.is_second_used = true;
    }

    fn spawn_server(&self, name: &str) -> Result<Process> {
        let controller = self.lab.host(CONTROLLER)?;
        let mut command = controller
            .command(hadron()?)
            .args(["server", "--public-name", &controller.address().to_string(), "--state-dir"])
            .arg(self.server_dir()?)
            .args(["--underlay-mtu", &self.options.mtu.to_string()])
            .args(&self.options.server);
        if controller.address().is_ipv6() {
            command = command.arg("--underlay-ipv6");
        }
        if self.options.is_on_etcd {
            let store = format!("etcd://127.0.0.1:{ETCD}");
            let nodes = format!("{0}:9697,{0}:{1}", controller.address(), 9697 + SECOND);
            command = command.args(["--store", &store, "--etcd-timeout", "2", "--node-servers", &nodes]);
        }
        for (option, port) in [("--api", 9696), ("--identity", 5000), ("--nodes", 9697)] {
            command = command.args([option, &format!("[::]:{}", self.address(port)?.port())]);
        }
        Ok(command.log_name(name).spawn()?)
    }

    fn wait_for_server(&self) -> Result<()> {
        for port in [5000, 9696, 9697] {
            let listens = self.lab.host(CONTROLLER)?.wait_for_tcp(self.address(port)?, PATIENCE);
            listens.with_context(|| self.logs())?;
        }
        Ok(())
    }

    /// The etcd of a cloud on etcd.
    pub fn etcd(&self) -> Option<&Process> {
        self.etcd.as_ref()
    }

    /// Kills etcd as a crash would, if it runs, and starts it with its data.
    pub fn restart_etcd(&mut self) -> Result<()> {
        self.etcd = None;
        let controller = self.lab.host(CONTROLLER)?;
        let (clients, peers) = (format!("http://127.0.0.1:{ETCD}"), "http://127.0.0.1:2380");
        let etcd = controller
            .command("etcd")
            .args(["--logger", "zap", "--log-level", "warn", "--data-dir"])
            .arg(controller.dir().join("etcd"))
            .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
            .args(["--listen-peer-urls", peers])
            .log_name("etcd")
            .spawn()?;
        controller.wait_for_tcp(SocketAddr::from(([127, 0, 0, 1], ETCD)), PATIENCE)?;
        self.etcd = Some(etcd);
        Ok(())
    }

    /// Kills the server as a crash would.
    pub fn kill_server(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// The server's log.
    pub fn server_log(&self) -> String {
        self.server.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Gives `host` a ticket and starts its agent for the first time.
    pub fn join(&mut self, host: &str) -> Result<()> {
        let ticket = self.admin(&["host", "ticket", "--name", host])?;
        self.start_agent(host, &["--join", ticket.trim()])
    }

    /// Starts the agent of `host`, which has joined, with further options.
    pub fn start_agent(&mut self, host: &str, options: &[&str]) -> Result<()> {
        let namespace = self.lab.host(host)?;
        let agent = namespace
            .command(hadron()?)
            .args([
                "agent",
                "--host",
                host,
                "--tables",
                self.options.tables,
                "--underlay",
                &namespace.address().to_string(),
            ])
            .arg("--state-dir")
            .arg(namespace.dir().join("node"))
            .args(self.mappings(host))
            .args(options)
            .log_name("agent")
            .spawn()?;
        self.agents.insert(host.to_owned(), agent);
        Ok(())
    }

    fn mappings(&self, host: &str) -> Vec<String> {
        let all = self.options.mappings().collect::<Vec<_>>().join(",");
        let is_mapped = !all.is_empty() && !self.options.unmapped.contains(&host);
        is_mapped.then(|| format!("--bridge-mappings={all}")).into_iter().collect()
    }

    /// Kills the agent of `host` as a crash would.
    pub fn kill_agent(&mut self, host: &str) {
        if let Some(agent) = self.agents.remove(host) {
            agent.kill();
        }
    }

    /// The log of a host's agent.
    pub fn agent_log(&self, host: &str) -> String {
        self.agents.get(host).map(Process::log).unwrap_or_default()
    }

    /// The agent of a host, while it runs.
    pub fn agent(&self, host: &str) -> Option<&Process> {
        self.agents.get(host)
    }

    /// Waits until every started agent is connected.
    pub fn wait_for_nodes(&self) -> Result<()> {
        let waiting = until(PATIENCE, "every node is connected", || {
            self.admin(&["host", "list"]).is_ok_and(|list| {
                let connected =
                    list.lines().skip(1).filter(|line| line.split_whitespace().nth(3) == Some("yes"));
                connected.count() == self.agents.len()
            })
        });
        waiting.with_context(|| self.logs())
    }

    /// Runs `hadron` on the controller against the running server; `arguments` begins with the command.
    pub fn admin(&self, arguments: &[&str]) -> Result<String> {
        Ok(self.admin_command(arguments)?.succeed(PATIENCE)?)
    }

    /// The same, however it ends.
    pub fn admin_output(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.admin_command(arguments)?.output(PATIENCE)?)
    }

    /// The same in the background, with a log of this name.
    pub fn admin_in_background(&self, name: &str, arguments: &[&str]) -> Result<Process> {
        Ok(self.admin_command(arguments)?.log_name(name).spawn()?)
    }

    fn admin_command(&self, arguments: &[&str]) -> Result<Command<'_>> {
        let (command, rest) = arguments.split_first().context("no command")?;
        let controller = self.lab.host(CONTROLLER)?;
        let program = controller.command(hadron()?).arg(command).arg("--state-dir").arg(self.server_dir()?);
        Ok(program.args(rest))
    }

    /// A call of the Networking API as the administrator, which must succeed.
    pub fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        self.with_api(async |client| {
            let answer = client.request(method.clone(), path, body.as_ref()).await?;
            answer.ok().with_context(|| format!("{method} {path}"))
        })
    }

    /// Runs `work` on the controller with a connection to the Networking API and the administrator's token.
    pub fn with_api<T: Send>(&self, work: impl AsyncFnOnce(&mut Client) -> Result<T> + Send) -> Result<T> {
        self.lab.host(CONTROLLER)?.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { work(&mut self.client().await?).await })
        })?
    }

    /// A connection to the Networking API with the administrator's token, for who is on the controller.
    pub async fn client(&self) -> Result<Client> {
        let (identity, api, ca) = (self.address(5000)?, self.address(9696)?, std::fs::read(self.ca_path()?)?);
        let mut identity = Client::connect(identity, &ca).await?;
        let token = client::token(&mut identity, "admin", &self.password, "admin").await?;
        Ok(Client::connect(api, &ca).await?.with_token(&token))
    }

    /// Creates a network and returns its id.
    pub fn network(&self, name: &str) -> Result<String> {
        let answer = self.call(Method::POST, "/v2.0/networks", Some(json!({"network": {"name": name}})))?;
        id_of(&answer["network"])
    }

    /// Creates a network on the physical network, untagged or in a VLAN, and returns its id.
    pub fn physical_network(&self, name: &str, vlan: Option<u16>) -> Result<String> {
        self.physical_network_with(json!({"name": name}), vlan)
    }

    /// The same with further attributes, of which the physical network may be one.
    pub fn physical_network_with(&self, mut network: Value, vlan: Option<u16>) -> Result<String> {
        network["provider:network_type"] = if vlan.is_some() { "vlan" } else { "flat" }.into();
        if network["provider:physical_network"].is_null() {
            network["provider:physical_network"] = PHYSICAL_NETWORK.into();
        }
        if let Some(vlan) = vlan {
            network["provider:segmentation_id"] = vlan.into();
        }
        self.made("network", network)
    }

    /// Creates a subnet of `network` and returns its id.
    pub fn subnet(&self, network: &str, cidr: &str) -> Result<String> {
        let version = if cidr.contains(':') { 6 } else { 4 };
        let body = json!({"subnet": {"network_id": network, "ip_version": version, "cidr": cidr}});
        id_of(&self.call(Method::POST, "/v2.0/subnets", Some(body))?["subnet"])
    }

    /// Creates a port of `network` bound to `host`.
    pub fn port(&self, network: &str, host: &str) -> Result<Port> {
        let body =
            json!({"port": {"network_id": network, "binding:host_id": host, "device_owner": "compute:nova"}});
        Port::read(&self.call(Method::POST, "/v2.0/ports", Some(body))?["port"])
    }

    /// The status of a port, as the API shows it.
    pub fn port_status(&self, id: &str) -> Result<String> {
        let answer = self.call(Method::GET, &format!("/v2.0/ports/{id}"), None)?;
        Ok(answer["port"]["status"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the port has `status`.
    pub fn wait_for_status(&self, id: &str, status: &str) -> Result<()> {
        let waiting = until(PATIENCE, &format!("port {id} is {status}"), || {
            self.port_status(id).is_ok_and(|is| is == status)
        });
        waiting.with_context(|| self.logs())
    }

    /// What a host's packet path has counted, as `hadron counters --json` prints it.
    pub fn counters(&self, host: &str) -> Result<Value> {
        let counters = self.host(host)?.command(hadron()?).args(["counters", "--json"]).succeed(PATIENCE)?;
        Ok(serde_json::from_str(&counters)?)
    }

    /// How many packets a host's packet path has dropped for each reason.
    pub fn drops(&self, host: &str) -> Result<BTreeMap<String, u64>> {
        let counters = self.counters(host)?;
        let drops = counters["drops"].as_object().context("no drops")?;
        Ok(drops.iter().map(|(reason, packets)| (reason.clone(), packets.as_u64().unwrap_or(0))).collect())
    }

    /// The last lines of every process's log, for an error.
    pub fn logs(&self) -> String {
        let agents = self.agents.iter().map(|(host, agent)| (host.as_str(), agent.log()));
        let second = self.second_server.iter().map(|server| ("second server", server.log()));
        let etcd = self.etcd.iter().map(|etcd| ("etcd", etcd.log()));
        let all = std::iter::once((CONTROLLER, self.server_log())).chain(second).chain(etcd).chain(agents);
        all.map(|(name, log)| {
            let lines: Vec<&str> = log.lines().collect();
            format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(15)..].join("\n"))
        })
        .collect()
    }

    /// The authority's certificate.
    pub fn ca_path(&self) -> Result<PathBuf> {
        Ok(self.server_dir()?.join("ca.pem"))
    }

    /// Address of a service on the controller, by its usual port.
    pub fn address(&self, port: u16) -> Result<SocketAddr> {
        let shift = if self.is_second_used { SECOND } else { 0 };
        Ok(SocketAddr::new(self.lab.host(CONTROLLER)?.address(), port + shift))
    }

    fn server_dir(&self) -> Result<PathBuf> {
        let name = if self.is_second_used { "server2" } else { "server" };
        Ok(self.lab.host(CONTROLLER)?.dir().join(name))
    }
}

/// A port as a scenario uses it.
#[derive(Clone, Debug)]
pub struct Port {
    /// UUID.
    pub id: String,
    /// MAC, as text.
    pub mac: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl Port {
    /// From the API's answer.
    pub fn read(port: &Value) -> Result<Self> {
        let addresses = port["fixed_ips"].as_array().context("no fixed_ips")?;
        let addresses = addresses.iter().filter_map(|ip| ip["ip_address"].as_str()?.parse().ok()).collect();
        let mac = port["mac_address"].as_str().context("no mac_address")?.to_owned();
        Ok(Self { id: id_of(port)?, mac, addresses })
    }

    /// Its first address of a family.
    pub fn address(&self, ipv6: bool) -> Result<IpAddr> {
        match self.addresses.iter().find(|address| address.is_ipv6() == ipv6) {
            Some(address) => Ok(*address),
            None => bail!("port {} has no such address", self.id),
        }
    }
}

pub(crate) fn id_of(object: &Value) -> Result<String> {
    Ok(object["id"].as_str().context("an object without id")?.to_owned())
}
