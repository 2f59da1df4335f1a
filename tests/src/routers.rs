//! Routers in scenarios.

use crate::cloud::{Cloud, PATIENCE};
use crate::guest::Guest;
use anyhow::{Context, Result, ensure};
use hyper::Method;
use serde_json::{Value, json};
use std::net::IpAddr;

impl Cloud {
    /// Creates a router and returns its id.
    pub fn router(&self, name: &str) -> Result<String> {
        self.made("router", json!({"name": name}))
    }

    /// Changes a router.
    pub fn change_router(&self, id: &str, change: Value) -> Result<()> {
        self.call(Method::PUT, &format!("/v2.0/routers/{id}"), Some(json!({"router": change}))).map(drop)
    }

    /// Gives a router an interface at the gateway address of a subnet.
    pub fn attach(&self, router: &str, subnet: &str) -> Result<()> {
        self.interface(router, "add_router_interface", json!({"subnet_id": subnet}))
    }

    /// Gives a router an interface at another address of a subnet.
    pub fn attach_at(&self, router: &str, network: &str, subnet: &str, address: &str) -> Result<()> {
        let fixed_ips = json!([{"subnet_id": subnet, "ip_address": address}]);
        let port = self.made("port", json!({"network_id": network, "fixed_ips": fixed_ips}))?;
        self.interface(router, "add_router_interface", json!({"port_id": port}))
    }

    /// The gateway address of a subnet.
    pub fn gateway(&self, subnet: &str) -> Result<IpAddr> {
        let answer = self.call(Method::GET, &format!("/v2.0/subnets/{subnet}"), None)?;
        Ok(answer["subnet"]["gateway_ip"].as_str().context("a subnet without a gateway")?.parse()?)
    }

    /// Takes a router's interface in a subnet away.
    pub fn detach(&self, router: &str, subnet: &str) -> Result<()> {
        self.interface(router, "remove_router_interface", json!({"subnet_id": subnet}))
    }

    fn interface(&self, router: &str, action: &str, body: Value) -> Result<()> {
        self.call(Method::PUT, &format!("/v2.0/routers/{router}/{action}"), Some(body)).map(drop)
    }
}

/// A network with a subnet of each family, and their gateway addresses, where a router's interfaces are by default.
pub struct Dual {
    /// The network.
    pub network: String,
    /// The subnets.
    pub subnets: [String; 2],
    /// Their gateway addresses.
    pub gateways: [IpAddr; 2],
}

impl Dual {
    /// Creates network `number`: 10.0.NUMBER.0/24 and fd00:NUMBER::/64.
    pub fn create(cloud: &Cloud, number: u8) -> Result<Self> {
        Self::on(cloud, cloud.network(&format!("net{number}"))?, number)
    }

    /// Gives a network the subnets of network `number`.
    pub fn on(cloud: &Cloud, network: String, number: u8) -> Result<Self> {
        let subnets = [
            cloud.subnet(&network, &format!("10.0.{number}.0/24"))?,
            cloud.subnet(&network, &format!("fd00:{number}::/64"))?,
        ];
        let gateways = [cloud.gateway(&subnets[0])?, cloud.gateway(&subnets[1])?];
        Ok(Self { network, subnets, gateways })
    }

    /// Attaches a router to both subnets.
    pub fn attach(&self, cloud: &Cloud, router: &str) -> Result<()> {
        self.subnets.iter().try_for_each(|subnet| cloud.attach(router, subnet))
    }

    /// A guest whose default routes lead to the gateway addresses: the IPv4 one by DHCP, the IPv6 one by hand.
    pub fn guest(&self, cloud: &Cloud, host: &str, name: &str) -> Result<Guest> {
        let guest = Guest::start(cloud, &self.network, host, name)?;
        guest.instance.add_route("default", self.gateways[1])?;
        Ok(guest)
    }
}

impl Guest {
    /// The path to an address as `ping` with a rising time to live tells it: who says that the packet's life has ended.
    pub fn path_to(&self, to: IpAddr) -> Result<Vec<IpAddr>> {
        let mut path = Vec::new();
        for hop_limit in 1..8 {
            let text = self.pings_with(to, &["-t", &hop_limit.to_string()])?;
            let Some(hop) = text.lines().find(|line| is_time_exceeded(line)) else { return Ok(path) };
            path.push(speaker(hop)?);
        }
        Ok(path)
    }

    /// What `ping` prints of one request with further arguments, answered or not.
    pub fn pings_with(&self, to: IpAddr, arguments: &[&str]) -> Result<String> {
        let ping = self.instance.command("ping").args(["-n", "-c", "1", "-W", "2"]).args(arguments);
        let output = ping.arg(to.to_string()).output(PATIENCE)?;
        Ok(output.stdout)
    }

    /// Pings an address; every request must be answered.
    pub fn pings(&self, to: IpAddr) -> Result<()> {
        let report = self.instance.ping(to).count(3).run()?;
        ensure!(
            report.lost() == 0,
            "{} of {} requests to {to} were not answered",
            report.lost(),
            report.sent
        );
        Ok(())
    }
}

fn is_time_exceeded(line: &str) -> bool {
    line.contains("Time to live exceeded") || line.contains("Hop limit")
}

/// The address in `From ADDRESS icmp_seq=1 …`
fn speaker(line: &str) -> Result<IpAddr> {
    let word = line.split_whitespace().nth(1).context("a line without an address")?;
    Ok(word.parse()?)
}
