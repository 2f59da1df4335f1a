//! An instance with its port: what most scenarios begin with.

use crate::cloud::{Cloud, PATIENCE, Port};
use anyhow::{Result, ensure};
use hadron_lab::{Instance, PingReport, Process};
use serde_json::Value;
use std::net::IpAddr;

/// A port, the instance behind it, and the DHCP client in that.
pub struct Guest {
    /// The port.
    pub port: Port,
    /// The instance.
    pub instance: Instance,
    dhcp: Option<Process>,
}

impl Guest {
    /// Creates a port of `network` on `host`, plugs an instance in, and waits until it has its addresses: the IPv4 one by DHCP,
    /// the IPv6 one, if any, by hand.
    pub fn start(cloud: &Cloud, network: &str, host: &str, name: &str) -> Result<Self> {
        let port = cloud.port(network, host)?;
        Self::plug(cloud, port, host, name)
    }

    /// As [`Guest::start`], with further attributes of the port.
    pub fn start_with(cloud: &Cloud, network: &str, host: &str, name: &str, more: Value) -> Result<Self> {
        let port = cloud.port_with(network, host, more)?;
        Self::plug(cloud, port, host, name)
    }

    /// Plugs an instance into a port that exists.
    pub fn plug(cloud: &Cloud, port: Port, host: &str, name: &str) -> Result<Self> {
        let instance = cloud.host(host)?.instance(name, &port.id, &port.mac)?;
        let mut guest = Self { port, instance, dhcp: None };
        guest.configure()?;
        Ok(guest)
    }

    /// Gets the addresses of the port.
    pub fn configure(&mut self) -> Result<()> {
        let (client, leased) = self.instance.dhcp_lease(PATIENCE)?;
        self.dhcp = Some(client);
        let expected = self.port.address(false)?;
        ensure!(IpAddr::V4(leased) == expected, "leased {leased}, the port has {expected}");
        for address in self.port.addresses.iter().filter(|address| address.is_ipv6()) {
            self.instance.add_address(&format!("{address}/64"))?;
        }
        Ok(())
    }

    /// Pings each address of `other`; every request must be answered.
    pub fn reaches(&self, other: &Guest) -> Result<()> {
        for address in &other.port.addresses {
            let report = self.ping(*address)?;
            ensure!(
                report.lost() == 0,
                "{} of {} requests to {address} were not answered",
                report.lost(),
                report.sent
            );
        }
        Ok(())
    }

    /// Pings each address of `other`; no request may be answered.
    pub fn does_not_reach(&self, other: &Guest) -> Result<()> {
        for address in &other.port.addresses {
            let report = self.ping(*address)?;
            ensure!(report.received == 0, "{} requests to {address} were answered", report.received);
        }
        Ok(())
    }

    fn ping(&self, address: IpAddr) -> Result<PingReport> {
        Ok(self.instance.ping(address).count(3).run()?)
    }
}
